//! Placeholders in a request's head: header fields, basic auth, query and path.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use nemoclaw_policy::provider::{Place, placeholder};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use super::super::wanted::Wanted;
use super::{Misuse, Resolver, Spot, plain};

/// Clients write basic auth with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// What a path's segment may not hold bare.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'=')
    .remove(b'+');

impl Resolver {
    /// Resolve in the head. Gives path and query, where they changed.
    pub(super) fn head(
        &mut self,
        head: &mut Parts,
        wanted: &Wanted,
    ) -> Result<Option<Zeroizing<String>>, Misuse> {
        for (name, value) in &mut head.headers {
            if let Some(resolved) = self.field(name, value)? {
                *value = resolved;
            }
        }
        let path = self.path(&wanted.path)?;
        let query = match &wanted.query {
            Some(query) => self.query(query)?,
            None => None,
        };
        if path.is_none() && query.is_none() {
            return Ok(None);
        }
        let mut target = Zeroizing::new(String::new());
        target.push_str(path.as_ref().map_or(&*wanted.path, |path| path.as_str()));
        let query = query.as_ref().map(|query| query.as_str());
        if let Some(query) = query.or(wanted.query.as_deref()) {
            target.push('?');
            target.push_str(query);
        }
        Ok(Some(target))
    }

    fn field(
        &mut self,
        name: &HeaderName,
        value: &HeaderValue,
    ) -> Result<Option<HeaderValue>, Misuse> {
        // Bytes that are no text hold no placeholder that anybody would read as one.
        let Ok(text) = std::str::from_utf8(value.as_bytes()) else {
            return Ok(None);
        };
        let resolved = match basic(name, text) {
            Some(pair) => self.basic(text, &pair)?,
            None => self.resolve(text, Spot::Header(name.as_str()), plain)?,
        };
        let Some(resolved) = resolved else {
            return Ok(None);
        };
        let mut value = HeaderValue::from_str(&resolved).map_err(|_| Misuse::Unreadable {
            what: "a header field",
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn basic(&mut self, text: &str, pair: &str) -> Result<Option<Zeroizing<String>>, Misuse> {
        let spot = Spot::Header(AUTHORIZATION.as_str());
        let Some(resolved) = self.resolve(pair, spot, plain)? else {
            return Ok(None);
        };
        let coded = Zeroizing::new(BASE64_STANDARD.encode(resolved.as_bytes()));
        let sent = text.rsplit(' ').next().unwrap_or_default();
        self.scrub.hide_spelling(coded.as_bytes(), sent.as_bytes());
        Ok(Some(Zeroizing::new(format!("Basic {}", coded.as_str()))))
    }

    /// A query; also one whose placeholder is percent-encoded. Pairs without one stay as they came.
    pub(super) fn query(&mut self, query: &str) -> Result<Option<Zeroizing<String>>, Misuse> {
        self.pairs(query, Place::Url)
    }

    /// Pairs of a query or a form.
    pub(super) fn pairs(
        &mut self,
        text: &str,
        place: Place,
    ) -> Result<Option<Zeroizing<String>>, Misuse> {
        let mut changed = false;
        let mut out = Zeroizing::new(String::with_capacity(text.len() + 256));
        for (index, pair) in text.split('&').enumerate() {
            if index > 0 {
                out.push('&');
            }
            for (index, part) in pair.splitn(2, '=').enumerate() {
                if index > 0 {
                    out.push('=');
                }
                let decoded = form_decoded(part);
                match self.resolve(&decoded, Spot::In(place), plain)? {
                    Some(_) if decoded.contains(char::REPLACEMENT_CHARACTER) => {
                        return Err(Misuse::Unreadable { what: "a value" });
                    }
                    Some(resolved) => {
                        changed = true;
                        out.extend(form_urlencoded::byte_serialize(resolved.as_bytes()));
                    }
                    None => out.push_str(part),
                }
            }
        }
        Ok(changed.then_some(out))
    }

    fn path(&mut self, path: &str) -> Result<Option<Zeroizing<String>>, Misuse> {
        let mut changed = false;
        let mut out = Zeroizing::new(String::with_capacity(path.len() + 256));
        for (index, segment) in path.split('/').enumerate() {
            if index > 0 {
                out.push('/');
            }
            let decoded = percent_decode_str(segment).decode_utf8_lossy();
            let Some(resolved) = self.resolve(&decoded, Spot::In(Place::Url), plain)? else {
                out.push_str(segment);
                continue;
            };
            if decoded.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Misuse::Unreadable { what: "a path" });
            }
            // Servers read these in more ways than one, and the policy has decided on the path as it was.
            if resolved.contains(['/', '\\', ';', '%']) || matches!(&**resolved, "." | "..") {
                return Err(Misuse::Path);
            }
            changed = true;
            out.extend(utf8_percent_encode(&resolved, SEGMENT));
        }
        Ok(changed.then_some(out))
    }
}

/// User and password of basic auth, where there is a placeholder in them.
fn basic(name: &HeaderName, text: &str) -> Option<Zeroizing<String>> {
    if name != AUTHORIZATION {
        return None;
    }
    let (scheme, coded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = LENIENT.decode(coded.trim()).ok()?;
    let pair = Zeroizing::new(String::from_utf8(pair).ok()?);
    placeholder::find(&pair).is_some().then_some(pair)
}

/// One part of a pair, decoded.
fn form_decoded(part: &str) -> Cow<'_, str> {
    if !part.contains(['%', '+']) {
        return Cow::Borrowed(part);
    }
    let spaced = part.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}
