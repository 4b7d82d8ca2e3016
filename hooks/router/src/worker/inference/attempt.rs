//! One provider asked once: the call in the form in which it may see it, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use nemoclaw_inference::{Api, Call, Dialect, ErrorReply};
use nemoclaw_policy::choose::{Candidate, Transform};
use nemoclaw_policy::provider::{Auth, Serving};
use nemoclaw_privacy::{MintError, Scanner, rewrite};

use super::glance::Glance;
use super::whole;
use crate::limits;
use crate::secret::Secret;
use crate::worker::body::{Body, whole as body_of};
use crate::worker::dial::Alpn;
use crate::worker::event::told;
use crate::worker::pool::{Answered, Origin, Pool};
use crate::worker::request::Scheme;
use crate::worker::sandbox::Sandbox;

/// The longest value of a field that passes.
const LONGEST_FIELD: usize = 256;

/// A call as one provider gets it.
pub struct Prepared {
    /// Which call it is there.
    pub api: Api,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the caller wants the chunk that counts tokens.
    pub usage_asked: bool,
}

/// Why a call cannot be brought into the form in which a provider may see it.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The provider has no such call.
    #[error(transparent)]
    Untranslatable(#[from] nemoclaw_inference::Untranslatable),
    /// No pseudonym.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// Something that must not be seen stands where nothing can take its place.
    #[error("{0} stands in a name or a key, where nothing can take its place")]
    Fixed(String),
    /// It was read before, so this does not happen.
    #[error(transparent)]
    Unreadable(#[from] nemoclaw_inference::Unreadable),
}

/// Why a provider did not answer.
pub enum Failure {
    /// It may answer if it is asked again, after a while.
    Again(String, Option<Duration>, StatusCode),
    /// It failed, perhaps after it had worked for it. Another one may answer.
    Next(String, StatusCode),
    /// It does not take this call, which says nothing of its health. Another one may.
    Unfit(String, StatusCode),
    /// It does not have this call, but another one that says the same.
    NoSuchCall,
    /// Nobody will: the call is at fault.
    Final(StatusCode, ErrorReply),
}

/// The call for `candidate`; `as_chat` says it in the oldest words that every server knows.
///
/// # Errors
/// It cannot be brought into that form.
pub fn prepare(
    glance: &mut Glance,
    candidate: &Candidate,
    dialect: Dialect,
    as_chat: bool,
    sandbox: &Sandbox,
) -> Result<Prepared, Unfit> {
    if let Some(stuck) = glance.kinds.stuck(&candidate.how) {
        return Err(Unfit::Fixed(stuck.detector.to_string()));
    }
    let mut call = match glance.call.take() {
        Some(call) => call,
        None => Call::read(glance.api, &glance.bytes)?,
    };
    if candidate.how.iter().any(|how| *how != Transform::Keep) {
        transform(&mut call, glance, candidate, sandbox)?;
    }
    call.set_model(&candidate.model);
    // The caller's wish stands in its own words, the server is told in its own.
    let usage_asked = call.ask_for_usage();
    let mut call = call.into_dialect(dialect)?;
    if as_chat {
        call = call.into_api(Api::Chat)?;
    }
    call.ask_for_usage();
    Ok(Prepared {
        api: call.api(),
        body: call.to_bytes(),
        usage_asked,
    })
}

fn transform(
    call: &mut Call,
    glance: &Glance,
    candidate: &Candidate,
    sandbox: &Sandbox,
) -> Result<(), MintError> {
    let how = |finding: &nemoclaw_privacy::Finding| {
        // What is of no known kind was never decided on, so it does not pass.
        glance
            .kinds
            .index(finding)
            .map_or(Transform::Redact, |at| candidate.how[at])
    };
    let vault = sandbox.models.session.vault();
    let mut leaves = glance.leaves.iter();
    let mut fault = None;
    call.leaves(&mut |_, text| {
        let findings = leaves.next().filter(|findings| !findings.is_empty())?;
        match rewrite(text, findings, &how, vault) {
            Ok(text) => text,
            Err(error) => {
                fault.get_or_insert(error);
                None
            }
        }
    });
    fault.map_or(Ok(()), Err)
}

/// Where a call goes and what it bears.
pub struct Errand<'a> {
    /// The sandbox.
    pub sandbox: &'a Arc<Sandbox>,
    /// The server.
    pub serving: &'a Serving,
    /// Its credential.
    pub secret: Option<&'a Secret>,
    /// The caller's head.
    pub head: &'a Parts,
    /// What looks for what is sensitive.
    pub scanner: Option<&'a Scanner>,
    /// How long the head of its answer may take.
    pub timeout: Duration,
}

/// Send a call's body.
///
/// # Errors
/// There is no answer that can be handed on.
pub async fn send(errand: &Errand<'_>, api: Api, body: Vec<u8>) -> Result<Answered, Failure> {
    let next = |reason: &str| Failure::Unfit(reason.to_owned(), StatusCode::BAD_GATEWAY);
    let base = &errand.serving.base;
    let scheme = if base.tls {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let host: Arc<str> = Arc::from(base.host.as_str());
    let origin = Origin::new(&host, base.port, scheme)
        .map_err(|_| next("its host cannot be named in a request"))?;
    let request = request(errand, api, body).ok_or_else(|| next("its base URL cannot be used"))?;
    let pool: &Pool = if errand.serving.local {
        &errand.sandbox.near
    } else {
        &errand.sandbox.far
    };
    let sent = tokio::time::timeout(errand.timeout, pool.send(&origin, request, Alpn::Any)).await;
    match sent {
        Err(_) => Err(Failure::Next(
            format!("it gave no answer within {} s", errand.timeout.as_secs()),
            StatusCode::GATEWAY_TIMEOUT,
        )),
        Ok(Err(error)) => {
            let reason = error
                .dial()
                .map_or_else(|| told(&error), |cause| told(cause));
            Err(Failure::Again(reason, None, StatusCode::BAD_GATEWAY))
        }
        Ok(Ok(answered)) if answered.0.status().is_success() => Ok(answered),
        Ok(Ok(answered)) => Err(failed(api, answered).await),
    }
}

fn request(errand: &Errand<'_>, api: Api, body: Vec<u8>) -> Option<Request<Body>> {
    let base = &errand.serving.base;
    let path = format!("{}{}", base.path, api.path());
    let mut request = Request::new(body_of(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(path).ok()?;
    *request.headers_mut() = headers(errand)?;
    Some(request)
}

/// The fields that the provider's entry lets pass, and ours.
fn headers(errand: &Errand<'_>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for name in &errand.serving.pass_headers {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        for value in errand.head.headers.get_all(&name) {
            if is_plain(value, errand.scanner) {
                headers.append(name.clone(), value.clone());
            }
        }
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    // An answer that is compressed could not be looked at.
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("nemoclaw/", env!("CARGO_PKG_VERSION"))),
    );
    if errand.serving.dialect == Dialect::Anthropic {
        headers
            .entry("anthropic-version")
            .or_insert(HeaderValue::from_static("2023-06-01"));
    }
    if let Some(secret) = errand.secret {
        let (name, text) = match &errand.serving.auth {
            Auth::Bearer => (
                header::AUTHORIZATION,
                zeroize::Zeroizing::new(format!("Bearer {}", secret.reveal())),
            ),
            Auth::Field(name) => (
                HeaderName::from_static(name),
                zeroize::Zeroizing::new(secret.reveal().to_owned()),
            ),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(headers)
}

/// Whether a field's value says something of the form only: such fields are short words, and nothing is found in them.
fn is_plain(value: &HeaderValue, scanner: Option<&Scanner>) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"._,;=/*+ -".contains(byte);
    let Some(text) = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= LONGEST_FIELD)
    else {
        return false;
    };
    text.as_bytes().iter().all(word) && scanner.is_none_or(|scanner| scanner.scan(text).is_empty())
}

/// What an answer of another status than success means.
async fn failed(api: Api, answered: Answered) -> Failure {
    let (response, _lease) = answered;
    let status = response.status();
    let again = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let reason = format!("it answered {}", status.as_u16());
    match status.as_u16() {
        404 | 405 | 501 if api == Api::Responses => Failure::NoSuchCall,
        408 | 429 | 500 | 502 | 503 | 504 | 529 => Failure::Again(reason, again, status),
        401 | 403 => Failure::Unfit(
            format!("{reason}: it does not take the node's credential"),
            StatusCode::BAD_GATEWAY,
        ),
        404 | 405 | 501 => Failure::Unfit(reason, StatusCode::NOT_FOUND),
        300..=399 => Failure::Unfit(
            format!("{reason}, which leads elsewhere"),
            StatusCode::BAD_GATEWAY,
        ),
        _ => match whole::bytes(response.into_body(), limits::MODEL_ERROR).await {
            Ok(bytes) => Failure::Final(status, ErrorReply::read(status.as_u16(), &bytes)),
            Err(why) => Failure::Next(why, StatusCode::BAD_GATEWAY),
        },
    }
}
