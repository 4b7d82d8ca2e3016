//! Calls that nobody answers, told to the agent in its own dialect and to the audit log.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use nemoclaw_api::audit::{Event, ModelCall, REFUSED};
use nemoclaw_inference::{Dialect, Refusal, error_body};
use nemoclaw_policy::choose;
use serde_json::{Value, json};

use super::ledger::Spent;
use crate::limits;
use crate::worker::body::{Body, whole};
use crate::worker::budget::Exceeded;
use crate::worker::event::{denied, short_path};
use crate::worker::http::Inspected;
use crate::worker::request::Improper;

/// A call that is refused.
pub struct Refused {
    /// The answer's status.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For people and the log: it never holds a value.
    pub message: String,
    /// What stands beside it.
    pub extra: Box<Value>,
    /// When to try again, seconds.
    pub again: Option<u64>,
    /// What is kept of the call.
    pub call: Option<Box<ModelCall>>,
    /// Whether a line was written already.
    pub recorded: bool,
}

impl Refused {
    /// With nothing beside it.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refused {
        Refused {
            status,
            code,
            message: message.into(),
            extra: Box::default(),
            again: None,
            call: None,
            recorded: false,
        }
    }

    /// The call itself is at fault.
    #[must_use]
    pub fn invalid(status: StatusCode, message: impl Into<String>) -> Refused {
        Refused::new(status, "invalid_request", message)
    }

    /// Its head is not in order.
    #[must_use]
    pub fn improper(improper: &Improper) -> Refused {
        Refused::invalid(StatusCode::BAD_REQUEST, improper.to_string())
    }

    /// No such call.
    #[must_use]
    pub fn unknown(path: &str) -> Refused {
        let message = format!(
            "there is no call `{path}` here: there are chat/completions, completions, responses, embeddings, models, messages and messages/count_tokens below /v1"
        );
        Refused::new(StatusCode::NOT_FOUND, "unknown_call", message)
    }

    /// What is compressed cannot be looked at.
    #[must_use]
    pub fn encoded() -> Refused {
        let message = "the body is compressed, so that nobody can look at it: send it plain";
        Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded", message)
    }

    /// A budget of traffic is used up.
    #[must_use]
    pub fn exceeded(exceeded: &Exceeded) -> Refused {
        let mut refused = Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "budget_exceeded",
            exceeded.to_string(),
        );
        refused.extra = Box::new(json!({ "budget": exceeded }));
        refused.again = Some(exceeded.again);
        refused
    }

    /// A budget of models is used up.
    #[must_use]
    pub fn spent(spent: &Spent) -> Refused {
        let mut refused = Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "budget_exceeded",
            spent.to_string(),
        );
        refused.extra = Box::new(spent.told());
        refused.again = Some(spent.again);
        refused
    }

    /// Too many at once.
    #[must_use]
    pub fn crowded() -> Refused {
        let message = format!(
            "{} requests of this sandbox are under way already, or too many of all sandboxes",
            limits::REQUESTS_PER_BOX
        );
        let mut refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        refused.again = Some(1);
        refused
    }

    /// The policy lets nobody answer.
    #[must_use]
    pub fn chosen(refused: &choose::Refused) -> Refused {
        let (status, code) = match refused {
            choose::Refused::NoRoute { .. } | choose::Refused::NoProvider(_) => {
                (StatusCode::NOT_FOUND, "model_not_found")
            }
            choose::Refused::Withheld(_) => (StatusCode::FORBIDDEN, "privacy_refused"),
            _ => (StatusCode::FORBIDDEN, "not_allowed"),
        };
        let mut told = Refused::new(status, code, refused.to_string());
        if let choose::Refused::Withheld(all) = refused {
            let withheld: Vec<Value> = all
                .iter()
                .map(|one| {
                    json!({
                        "provider": &*one.provider,
                        "class": one.class,
                        "reason": one.reason,
                        "rule": one.rule.as_ref().map(ToString::to_string),
                    })
                })
                .collect();
            told.extra = Box::new(json!({ "class": refused.class(), "withheld": withheld }));
        }
        told
    }

    /// The same with what is kept of the call.
    #[must_use]
    pub fn of(mut self, call: &ModelCall) -> Refused {
        self.call = Some(Box::new(ModelCall {
            decision: REFUSED.to_owned(),
            ..call.clone()
        }));
        self
    }

    /// Write it down, then tell the agent.
    pub async fn told(
        self,
        connection: &Inspected,
        head: &Parts,
        dialect: Dialect,
    ) -> Response<Body> {
        let sandbox = &connection.sandbox;
        if !self.recorded {
            let mut event = denied(event(connection, head), self.message.as_str(), None);
            event.model.clone_from(&self.call);
            sandbox.node.sink.refusal(event).await;
        }
        let mut extra = *self.extra;
        if !extra.is_object() {
            extra = json!({});
        }
        extra["sandbox"] = json!(&*sandbox.name);
        let kind = Refusal::of_status(self.status.as_u16());
        let body = error_body(dialect, kind, self.code, &self.message, &extra);
        let mut response = json_response(self.status, body);
        if let Some(again) = self.again {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(again));
        }
        response
    }
}

/// An event of a call.
#[must_use]
pub fn event(connection: &Inspected, head: &Parts) -> Event {
    let mut event = connection.event("http");
    event.method = Some(short_path(head.method.as_str()));
    event.path = Some(short_path(head.uri.path()));
    event
}

/// An answer of JSON.
#[must_use]
pub fn json_response(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
