//! What the agent is told, in its own protocol, when a request does not pass.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::body::{Body, whole};

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
    /// How a person may change that.
    pub hint: String,
}

impl Denial<'_> {
    /// As an answer.
    #[must_use]
    pub fn answer(&self, status: StatusCode) -> Response<Body> {
        let text = serde_json::to_vec(self).unwrap_or_else(|_| b"{\"error\":\"refused\"}".to_vec());
        let mut response = Response::new(whole(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
