//! What the agent is told, in its own protocol, when a request does not pass.

use http::{HeaderValue, Response, StatusCode, header};
use nemoclaw_policy::decide::Inspection;
use serde::Serialize;
use serde_json::{Value, json};

use super::body::{Body, whole};
use super::budget::Exceeded;
use super::inspect::Messages;

/// The body of every answer that the router itself gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denial<'a> {
    /// What happened.
    pub error: String,
    /// The sandbox.
    pub sandbox: &'a str,
    /// Host that was dialled.
    pub host: &'a str,
    /// Method.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// The rule that decided, where there is one.
    pub rule: Option<String>,
    /// The proposal under which a person may allow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
    /// The budget that has nothing left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Exceeded>,
    /// How a person may change that.
    pub hint: String,
}

/// The protocol in which the agent asked, where its body was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Tongue {
    /// HTTP alone.
    #[default]
    Http,
    /// GraphQL: clients look for `errors`.
    Graphql,
    /// JSON-RPC: clients look for an `error` to the request's id.
    Rpc(Value),
}

impl Tongue {
    /// That of a body in which `messages` were found, or looked for.
    #[must_use]
    pub fn of(messages: &Messages, inspection: Inspection) -> Tongue {
        match messages {
            Messages::Rpc(found) => Tongue::Rpc(found.id.clone()),
            Messages::Graphql(_) => Tongue::Graphql,
            _ if inspection.rpc.is_some() => Tongue::Rpc(Value::Null),
            _ if inspection.graphql.is_some() => Tongue::Graphql,
            _ => Tongue::Http,
        }
    }
}

/// JSON-RPC's code for an error of the server's own making.
const RPC_REFUSED: i32 = -32000;

impl Denial<'_> {
    /// As an answer.
    #[must_use]
    pub fn answer(&self, status: StatusCode) -> Response<Body> {
        self.answer_in(&Tongue::Http, status)
    }

    /// As an answer that the client's library of that protocol takes for a refusal too.
    #[must_use]
    pub fn answer_in(&self, tongue: &Tongue, status: StatusCode) -> Response<Body> {
        let value = match tongue {
            Tongue::Http => serde_json::to_vec(self),
            Tongue::Graphql => serde_json::to_vec(&json!({
                "errors": [{ "message": self.error, "extensions": { "code": "FORBIDDEN" } }],
                "extensions": self,
            })),
            Tongue::Rpc(id) => serde_json::to_vec(&json!({
                "jsonrpc": "2.0",
                "id": id,
                "error": { "code": RPC_REFUSED, "message": self.error, "data": self },
            })),
        };
        let text = value.unwrap_or_else(|_| b"{\"error\":\"refused\"}".to_vec());
        let mut response = Response::new(whole(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(exceeded) = &self.budget {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(exceeded.again));
        }
        response
    }
}
