//! Placeholders in bodies, where the policy says `request_body_credential_rewrite`: JSON, forms and plain text.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use nemoclaw_policy::provider::Place;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::super::body::Source;
use super::{Misuse, Resolver, Spot, plain};
use crate::limits;

/// How a secret must be written in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Pairs,
    Text,
}

impl Resolver {
    /// Resolve in the body, where that is granted and the body is one of those. Others pass as they are: a placeholder
    /// in them is worth nothing to anybody.
    pub(super) async fn body(&mut self, head: &Parts, body: Source) -> Result<Source, Misuse> {
        if !self.in_body {
            return Ok(body);
        }
        let Some(form) = form(&head.headers) else {
            return Ok(body);
        };
        let most = u32::try_from(limits::CREDENTIAL_BODY).unwrap_or(u32::MAX);
        let texts = self.right.connection.sandbox.texts.clone();
        let room = texts.try_acquire_many_owned(most);
        self.room = Some(room.map_err(|_| Misuse::Crowded)?);
        let whole = Limited::new(body, limits::CREDENTIAL_BODY).collect();
        let bytes = match tokio::time::timeout(limits::INSPECT_TIME, whole).await {
            Ok(Ok(whole)) => whole.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Misuse::TooLong),
            Ok(Err(_)) => return Err(Misuse::Broken),
            Err(_) => return Err(Misuse::Slow),
        };
        // What is not UTF-8 is none of those texts, whatever it calls itself.
        let resolved = match std::str::from_utf8(&bytes) {
            Ok(text) => self.text(text, form)?,
            Err(_) => None,
        };
        Ok(Source::whole(match resolved {
            Some(text) => Bytes::copy_from_slice(text.as_bytes()),
            None => bytes,
        }))
    }

    fn text(&mut self, text: &str, form: Form) -> Result<Option<Zeroizing<String>>, Misuse> {
        let spot = Spot::In(Place::Body);
        match form {
            Form::Pairs => self.pairs(text, Place::Body),
            Form::Text => self.resolve(text, spot, plain),
            Form::Json => {
                let resolved = self.resolve(text, spot, in_json)?;
                if resolved.is_some() && !is_json(text) {
                    return Err(Misuse::Unreadable { what: "JSON" });
                }
                Ok(resolved)
            }
        }
    }
}

/// Whether a text is JSON.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// A secret as it stands inside a string of JSON.
pub(super) fn in_json(secret: &str) -> Result<Zeroizing<String>, Misuse> {
    let unwritten = |_| Misuse::Unreadable { what: "JSON" };
    let quoted = Zeroizing::new(serde_json::to_string(secret).map_err(unwritten)?);
    Ok(Zeroizing::new(quoted[1..quoted.len() - 1].to_owned()))
}

fn form(headers: &HeaderMap) -> Option<Form> {
    if headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next()?.trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => Some(Form::Json),
        "application/x-www-form-urlencoded" => Some(Form::Pairs),
        other if other.ends_with("+json") => Some(Form::Json),
        other if other.starts_with("text/") => Some(Form::Text),
        _ => None,
    }
}
