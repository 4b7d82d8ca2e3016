//! Errors, as either dialect's clients read them: a model server's, and our own refusals.

use crate::api::Dialect;
use crate::json::{Json, Object, json, object};

/// What kind of error it is. Clients decide by it, and by the status, whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 400: the request is not right.
    Invalid,
    /// 401: no key, or a wrong one.
    Unauthenticated,
    /// 403: not allowed.
    Forbidden,
    /// 404: no such model or call.
    NotFound,
    /// 413: too large.
    TooLarge,
    /// 429: too many requests, tokens or too much money.
    TooMany,
    /// 500: the server failed.
    Server,
    /// 503 or 529: the server has too much to do.
    Overloaded,
    /// 504: no answer in time.
    Timeout,
}

impl Refusal {
    /// The kind that goes with a status.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::TooMany,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::Invalid,
            _ => Self::Server,
        }
    }

    /// The word for it in an error's `type`.
    #[must_use]
    pub fn word(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Invalid, _) => "invalid_request_error",
            (Self::Unauthenticated, _) => "authentication_error",
            (Self::Forbidden, _) => "permission_error",
            (Self::NotFound, Dialect::OpenAi) => "invalid_request_error",
            (Self::NotFound, Dialect::Anthropic) => "not_found_error",
            (Self::TooLarge, Dialect::OpenAi) => "invalid_request_error",
            (Self::TooLarge, Dialect::Anthropic) => "request_too_large",
            (Self::TooMany, _) => "rate_limit_error",
            (Self::Server, Dialect::OpenAi) => "server_error",
            (Self::Server, Dialect::Anthropic) => "api_error",
            (Self::Overloaded, Dialect::OpenAi) => "server_error",
            (Self::Overloaded, Dialect::Anthropic) => "overloaded_error",
            (Self::Timeout, Dialect::OpenAi) => "server_error",
            (Self::Timeout, Dialect::Anthropic) => "timeout_error",
        }
    }
}

/// The body of a refusal. `code` is for programs, `message` for people; members of `extra` stand beside them.
#[must_use]
pub fn error_body(
    dialect: Dialect,
    kind: Refusal,
    code: &str,
    message: &str,
    extra: &serde_json::Value,
) -> Vec<u8> {
    let mut error = inner(dialect, kind, Some(code), message);
    for (key, value) in extra.as_object().into_iter().flatten() {
        error.set(key, Json::from(value));
    }
    outer(dialect, error).to_bytes()
}

fn inner(dialect: Dialect, kind: Refusal, code: Option<&str>, message: &str) -> Object {
    match dialect {
        Dialect::OpenAi => object! {
            "message": message, "type": kind.word(dialect), "param": Json::Null, "code": code,
        },
        Dialect::Anthropic => {
            let mut error = object! { "type": kind.word(dialect), "message": message };
            if let Some(code) = code {
                error.set("code", code);
            }
            error
        }
    }
}

pub(crate) fn outer(dialect: Dialect, error: Object) -> Json {
    match dialect {
        Dialect::OpenAi => json! { "error": error },
        Dialect::Anthropic => json! { "type": "error", "error": error },
    }
}

pub(crate) fn error_value(dialect: Dialect, kind: Refusal, message: &str) -> Json {
    outer(dialect, inner(dialect, kind, None, message))
}

/// A model server's error.
#[derive(Clone)]
pub struct ErrorReply {
    /// What kind it is, by the status.
    pub kind: Refusal,
    /// The server's word for programs.
    pub code: Option<String>,
    /// The server's sentence. It may repeat what was sent.
    pub message: String,
}

/// Longer sentences are cut.
const SENTENCE: usize = 2000;

impl ErrorReply {
    /// Read an error's body, in whichever dialect: anything else than a known shape gives a sentence of ours.
    #[must_use]
    pub fn read(status: u16, bytes: &[u8]) -> Self {
        let body = Json::read(bytes).unwrap_or_default();
        let mut reply = Self {
            kind: Refusal::of_status(status),
            code: None,
            message: format!("the model server answered {status}"),
        };
        // `{"error": {…}}`, `[{"error": {…}}]` (Gemini), `{"error": "…"}`, `{"detail": "…"}`, `{"message": "…"}`
        let body = match &body {
            Json::Array(items) => items.first().unwrap_or(&body),
            _ => &body,
        };
        let error = body.get("error").unwrap_or(body);
        let sentence = match error {
            Json::String(text) => Some(text.as_str()),
            _ => error.text("message").or_else(|| error.text("detail")),
        };
        if let Some(sentence) = sentence.filter(|sentence| !sentence.is_empty()) {
            reply.message = sentence.chars().take(SENTENCE).collect();
        }
        reply.code = error
            .text("code")
            .or_else(|| error.text("type"))
            .map(|code| code.chars().take(100).collect());
        reply
    }

    /// The body for a caller of `dialect`.
    #[must_use]
    pub fn to_bytes(&self, dialect: Dialect) -> Vec<u8> {
        let error = inner(dialect, self.kind, self.code.as_deref(), &self.message);
        outer(dialect, error).to_bytes()
    }
}

impl std::fmt::Debug for ErrorReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an error: {:?}", self.kind)
    }
}
