//! What a body says, for rules that look into it: read whole, bounded, and by a real parser.
//!
//! The readers are pure. They refuse what two readers could take for two things, because the server behind is another
//! reader than this one.

pub mod document;
pub mod frames;
pub mod graphql;
pub mod json;
pub mod rpc;
pub mod texts;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use nemoclaw_policy::decide::{Content, GraphqlOperation, Inspection};

use self::rpc::Calls;
use super::body::Source;
use crate::limits;

/// Most requests in one body. Protects the log and the decision's time; a longer batch is not read.
pub const BATCH: usize = 64;

/// What was found in a body.
#[derive(Debug, Clone, Default)]
pub enum Messages {
    /// Nobody looked.
    #[default]
    Unread,
    /// There is no body.
    Nothing,
    /// None of what was asked for, or not to be read in one way only.
    Unreadable(Unclear),
    /// GraphQL operations.
    Graphql(Vec<GraphqlOperation>),
    /// Messages of JSON-RPC.
    Rpc(Calls),
}

impl Messages {
    /// As the policy sees it.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        match self {
            Messages::Unread => Content::Unread,
            Messages::Nothing => Content::Nothing,
            Messages::Unreadable(_) => Content::Unreadable,
            Messages::Graphql(operations) => Content::Graphql(operations),
            Messages::Rpc(found) => Content::Rpc(&found.calls),
        }
    }

    /// Why they could not be read, where they could not.
    #[must_use]
    pub fn unclear(&self) -> Option<Unclear> {
        match self {
            Messages::Unreadable(why) => Some(*why),
            _ => None,
        }
    }
}

/// Why a body has no one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unclear {
    /// The content type is another one, or there are several.
    #[error("its content type is none of its endpoint's protocol")]
    Type,
    /// Compressed.
    #[error("it is encoded, and only plain bodies are looked into")]
    Encoded,
    /// Parts of the request stand where they are not looked for.
    #[error("a part of it stands in the URL, or in a body of a method that has none")]
    Place,
    /// Not JSON.
    #[error("it is not plain JSON, or a key stands in it twice")]
    Json,
    /// `Query` for `query`.
    #[error("a key is one of the protocol's in other letters")]
    Letters,
    /// An empty or a long batch.
    #[error("a batch holds 1 to {BATCH} requests")]
    Batch,
    /// JSON, but no request.
    #[error("it is no request of the protocol")]
    Shape,
    /// The GraphQL document.
    #[error("its GraphQL document cannot be read")]
    Document,
    /// Several operations, or none of the name.
    #[error("it does not say which of its operations runs")]
    Choice,
    /// Both protocols.
    #[error("it can be read as GraphQL and as JSON-RPC")]
    Both,
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

/// What a request says. Pure.
#[must_use]
pub fn messages(head: &Parts, body: &[u8], inspection: Inspection) -> Messages {
    let found = match (inspection.graphql, inspection.rpc) {
        (None, None) => Ok(Messages::Unread),
        (Some(_), None) => graphql_of(head, body),
        (None, Some(_)) => rpc_of(head, body),
        (Some(_), Some(_)) => match (graphql_of(head, body), rpc_of(head, body)) {
            (_, Ok(Messages::Rpc(_))) if !graphql::is_silent(body) => Err(Unclear::Both),
            (_, Ok(found @ Messages::Rpc(_))) => Ok(found),
            (graphql, _) => graphql,
        },
    };
    found.unwrap_or_else(Messages::Unreadable)
}

fn graphql_of(head: &Parts, body: &[u8]) -> Result<Messages, Unclear> {
    let query = head.uri.query().unwrap_or_default();
    if head.method != Method::POST {
        return match graphql::query(query)? {
            _ if !body.is_empty() => Err(Unclear::Place),
            Some(operations) => Ok(Messages::Graphql(operations)),
            None => Ok(Messages::Nothing),
        };
    }
    if !graphql::is_free_of(query) {
        return Err(Unclear::Place);
    }
    match form(head)? {
        Form::Json => graphql::body(body),
        Form::Graphql => graphql::document(body),
    }
    .map(Messages::Graphql)
}

fn rpc_of(head: &Parts, body: &[u8]) -> Result<Messages, Unclear> {
    match (head.method == Method::POST, body.is_empty()) {
        (false, true) => Ok(Messages::Nothing),
        (false, false) => Err(Unclear::Place),
        (true, _) if form(head)? == Form::Json => rpc::calls(body).map(Messages::Rpc),
        (true, _) => Err(Unclear::Type),
    }
}

/// What a body is, by its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Graphql,
}

/// A content type in the few ways in which clients write it; servers differ in what they make of any other.
fn form(head: &Parts) -> Result<Form, Unclear> {
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Unclear::Encoded);
    }
    let mut all = head.headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (all.next(), all.next()) else {
        return Err(Unclear::Type);
    };
    let mut kind = kind.to_str().map_err(|_| Unclear::Type)?.to_owned();
    kind.retain(|c| !matches!(c, ' ' | '"'));
    kind.make_ascii_lowercase();
    match kind.strip_suffix(";charset=utf-8").unwrap_or(&kind) {
        "application/json" => Ok(Form::Json),
        "application/graphql" => Ok(Form::Graphql),
        _ => Err(Unclear::Type),
    }
}

#[cfg(test)]
mod tests;
