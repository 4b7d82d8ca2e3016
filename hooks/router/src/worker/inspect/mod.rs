//! What a body says, for rules that look into it: read whole, bounded, and by a real parser.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use nemoclaw_policy::decide::{Content, GraphqlOperation, Inspection, RpcCall};

use super::body::Source;
use crate::limits;

/// What was found in a body.
#[derive(Debug, Clone, Default)]
pub enum Messages {
    /// Nobody looked.
    #[default]
    Unread,
    /// There is no body.
    Nothing,
    /// None of what was asked for, or not to be read in one way only.
    Unreadable,
    /// GraphQL operations.
    Graphql(Vec<GraphqlOperation>),
    /// Messages of JSON-RPC.
    Rpc(Vec<RpcCall>),
}

impl Messages {
    /// As the policy sees it.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        match self {
            Messages::Unread => Content::Unread,
            Messages::Nothing => Content::Nothing,
            Messages::Unreadable => Content::Unreadable,
            Messages::Graphql(operations) => Content::Graphql(operations),
            Messages::Rpc(calls) => Content::Rpc(calls),
        }
    }
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unread {
    /// Longer than the rules that look into it allow.
    #[error("its body is longer than the {limit} bytes that its endpoint's rules look at")]
    TooLong {
        /// The limit, bytes.
        limit: usize,
    },
    /// It did not come in time.
    #[error("its body did not come within {} s", limits::INSPECT_TIME.as_secs())]
    Slow,
    /// The connection broke.
    #[error("its body broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Read a body and what it says. The bytes are those to send on.
///
/// # Errors
/// The body is too long, too slow, or broke off.
pub async fn read(
    head: &Parts,
    body: Incoming,
    inspection: Inspection,
) -> Result<(Messages, Bytes), Unread> {
    let limit = inspection.graphql.into_iter().chain(inspection.rpc).min();
    let limit = usize::try_from(limit.unwrap_or_default()).unwrap_or(usize::MAX);
    let bytes = whole(Source::Stream(body), limit).await?;
    Ok((messages(head, &bytes, inspection), bytes))
}

/// Read a body whole.
///
/// # Errors
/// The body is longer than `limit` bytes, too slow, or broke off.
pub async fn whole(body: Source, limit: usize) -> Result<Bytes, Unread> {
    let whole = Limited::new(body, limit).collect();
    match tokio::time::timeout(limits::INSPECT_TIME, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLong { limit }),
        Ok(Err(error)) => Err(Unread::Broken(error)),
        Err(_) => Err(Unread::Slow),
    }
}

/// What the body says. Pure.
fn messages(head: &Parts, bytes: &[u8], inspection: Inspection) -> Messages {
    let encoded = head.headers.contains_key(header::CONTENT_ENCODING);
    match (inspection.graphql, inspection.rpc) {
        _ if encoded => Messages::Unreadable,
        (None, Some(_)) if bytes.is_empty() && head.method != Method::POST => Messages::Nothing,
        _ => Messages::Unreadable,
    }
}
