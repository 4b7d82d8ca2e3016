//! Calls to models. The router answers them itself: it looks at what they carry, decides which of the node's providers may
//! see it and in which form, asks those in turn, and hands the answer back with the sandbox's own words in it.
//!
//! A call passes these rooms: [`glance`] reads it and what is sensitive in it, `nemoclaw_policy::choose` decides, [`chain`]
//! asks one provider after another through [`attempt`], [`whole`] or [`stream`] bring the answer back through [`back`].

mod approval;
mod attempt;
mod back;
pub mod breaker;
mod chain;
mod glance;
mod ledger;
mod memory;
mod models;
pub mod ner;
mod refuse;
mod state;
mod stream;
mod whole;
mod words;

use std::sync::Arc;

use http::header;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use nemoclaw_inference::{Api, Dialect};
use nemoclaw_policy::choose;
use nemoclaw_policy::normalise_path;
use nemoclaw_policy::policy::LOCAL_NAME;

use super::body::{Body, Source};
use super::budget::Axis;
use super::event::short_path;
use super::http::Inspected;
use super::inspect::{self, Unread};
use super::request::{Target, asked};
use super::sandbox::Sandbox;
use crate::limits;
use refuse::Refused;
pub use state::State;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
pub use words::Words;

/// Whether a request is a call that the router answers itself.
pub enum Concern {
    /// It is, or it is nothing that the router's own host has.
    Ours(Option<Api>),
    /// It goes where it was sent, if a rule allows it.
    Upstream,
}

/// Whose a request is.
#[must_use]
pub fn concern(connection: &Inspected, head: &Parts) -> Concern {
    if connection.port != choose::PORT {
        return Concern::Upstream;
    }
    let policy = connection.sandbox.policy.snapshot();
    if !choose::serves(&policy.policy, &connection.host) {
        return Concern::Upstream;
    }
    let method = head.method.as_str();
    let api = Api::of(method, head.uri.path());
    if api.is_some() || &*connection.host == LOCAL_NAME {
        return Concern::Ours(api);
    }
    // A model server has more calls than the router knows (files, batches), and other spellings for those. Where somebody
    // is to look at what models see, none of them passes by.
    let looked_at = policy.scanner.is_some();
    let path = normalise_path(head.uri.path());
    let outside = path.is_ok_and(|path| path != "/v1" && !path.starts_with("/v1/"));
    if looked_at && !outside {
        return Concern::Ours(None);
    }
    Concern::Upstream
}

/// Answer a call.
pub async fn serve(
    connection: &Arc<Inspected>,
    head: Parts,
    body: Incoming,
    api: Option<Api>,
) -> Response<Body> {
    let dialect = dialect(api, &head);
    match take(connection, &head, body, api, dialect).await {
        Ok(response) => response,
        Err(refused) => refused.told(connection, &head, dialect).await,
    }
}

/// The dialect in which a refusal is read. Lists of models have one path in both; Anthropic's clients name their version.
fn dialect(api: Option<Api>, head: &Parts) -> Dialect {
    match api {
        Some(Api::Models) | None if head.headers.contains_key("anthropic-version") => {
            Dialect::Anthropic
        }
        Some(api) => api.dialect(),
        None => Dialect::OpenAi,
    }
}

async fn take(
    connection: &Arc<Inspected>,
    head: &Parts,
    body: Incoming,
    api: Option<Api>,
    dialect: Dialect,
) -> Result<Response<Body>, Refused> {
    let target = Target {
        host: &connection.host,
        port: connection.port,
        scheme: connection.scheme,
    };
    asked(head, target).map_err(|improper| Refused::improper(&improper))?;
    let Some(api) = api else {
        return Err(Refused::unknown(&short_path(head.uri.path())));
    };
    let sandbox = &connection.sandbox;
    sandbox
        .budget
        .spend(&sandbox.policy, Axis::Requests, 1)
        .map_err(|exceeded| Refused::exceeded(&exceeded))?;
    let room = sandbox.begin().ok_or_else(Refused::crowded)?;
    if api == Api::Models {
        return models::list(connection, head, dialect);
    }
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Refused::encoded());
    }
    let held = hold(sandbox, &body).ok_or_else(Refused::crowded)?;
    let bytes = inspect::whole(Source::Stream(body), limits::MODEL_BODY)
        .await
        .map_err(|unread| unreadable(&unread))?;
    if let Err(exceeded) = sandbox
        .budget
        .spend(&sandbox.policy, Axis::BytesOut, bytes.len() as u64)
    {
        return Err(Refused::exceeded(&exceeded));
    }
    let policy = sandbox.policy.snapshot();
    let glance = glance::look(sandbox, &policy, api, bytes).await?;
    let answered = chain::ask(connection, policy, head, glance, room).await;
    drop(held);
    answered
}

/// Room for a body, in its sandbox and on the node.
fn hold(sandbox: &Sandbox, body: &Incoming) -> Option<[OwnedSemaphorePermit; 2]> {
    let most = limits::MODEL_BODY as u64;
    let bytes = body.size_hint().upper().unwrap_or(most).min(most);
    let bytes = u32::try_from(bytes).ok()?;
    let take = |room: &Arc<Semaphore>| room.clone().try_acquire_many_owned(bytes).ok();
    Some([
        take(&sandbox.model_bytes)?,
        take(&sandbox.node.model_bytes)?,
    ])
}

fn unreadable(unread: &Unread) -> Refused {
    let status = match unread {
        Unread::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Unread::Slow => StatusCode::REQUEST_TIMEOUT,
        Unread::Broken(_) => StatusCode::BAD_REQUEST,
    };
    Refused::invalid(status, unread.to_string())
}
