//! The chain: one provider after another is asked, until one answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use nemoclaw_api::audit::{ModelCall, REFUSED, SENT};
use nemoclaw_inference::{Api, ErrorReply, Refusal, Usage};
use nemoclaw_policy::choose::{self, Candidate};
use nemoclaw_policy::provider::{Dialect, Price, Serving};
use serde_json::json;

use super::approval;
use super::attempt::{Errand, Failure, Prepared, prepare, send};
use super::back::Back;
use super::breaker::Asking;
use super::glance::Glance;
use super::ledger::{Reserved, budgets};
use super::refuse::{Refused, event, json_response};
use super::state::OnRoute;
use super::{stream, whole};
use crate::limits;
use crate::secret::Secret;
use crate::worker::body::Body;
use crate::worker::credentials::Vault;
use crate::worker::http::Inspected;
use crate::worker::policy::Compiled;
use crate::worker::sandbox::RequestRoom;
use crate::worker::sink::Record;

/// Answers what was asked under a name of the router's, and not the provider's own.
const ROUTE_FIELD: &str = "x-nemoclaw-route";
/// How long to wait before a provider is asked again; twice as long with every time.
const PAUSE: Duration = Duration::from_millis(200);

/// Letters of a model's name that the log keeps.
const LONGEST_MODEL: usize = 256;

/// A call on its way.
struct Underway<'a> {
    connection: &'a Arc<Inspected>,
    policy: Arc<Compiled>,
    head: &'a Parts,
    glance: Glance,
    record: Record,
    /// Why those before did not answer.
    failures: Vec<(Arc<str>, String, StatusCode)>,
}

/// What is left to do when an answer has ended.
pub struct Settling {
    record: Record,
    reserved: Reserved,
    price: Price,
    asking: Asking,
    _route: OnRoute,
}

impl Settling {
    /// The answer has ended; `why` where it did so badly.
    pub fn settle(self, usage: Option<Usage>, why: Option<String>) {
        let complete = why.is_none();
        if let Some(why) = why {
            self.record.because(why);
        }
        // Where the server has not counted to the end, at least what was reserved stays spent: it went on writing, perhaps.
        let told = usage.unwrap_or_default();
        let sum = told.input.saturating_add(told.output);
        if usage.is_none() || (!complete && sum <= self.reserved.tokens()) {
            return;
        }
        let cost = self.price.cost(told.input, told.output);
        self.record.called(|call| {
            call.tokens_in = told.input;
            call.tokens_out = told.output;
            call.cost = cost;
        });
        self.reserved.settle(told, cost);
    }

    /// Nothing was used.
    fn cancel(self) {
        self.reserved.cancel();
    }

    /// Bytes for the caller.
    pub fn count(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.record.bytes().back.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// One provider of the chain, as it is now.
struct Stop<'a> {
    candidate: &'a Candidate,
    serving: &'a Serving,
    secret: Option<&'a Secret>,
}

/// Ask the chain.
///
/// # Errors
/// Nobody may answer, or nobody does.
pub async fn ask(
    connection: &Arc<Inspected>,
    policy: Arc<Compiled>,
    head: &Parts,
    glance: Glance,
    room: RequestRoom,
) -> Result<Response<Body>, Refused> {
    let sandbox = &connection.sandbox;
    let vault = sandbox.node.vault.load_full();
    let policies = policy.names();
    let question = glance.question(&sandbox.name, &policies);
    let choice = choose::choose(&policy.policy, vault.providers(), &question)
        .map_err(|refused| Refused::chosen(&refused).of(&glance.kept))?;
    sandbox
        .models
        .ledger
        .request(&budgets(&policy.policy))
        .map_err(|spent| Refused::spent(&spent).of(&glance.kept))?;
    let mut event = event(connection, head);
    event.generation = policy.generation;
    event.model = Some(Box::new(ModelCall {
        decision: SENT.to_owned(),
        ..glance.kept.clone()
    }));
    let record = Record::request(&sandbox.node.sink, event, room);
    let bytes = glance.bytes.len() as u64;
    record.bytes().out.fetch_add(bytes, Ordering::Relaxed);
    let mut underway = Underway {
        connection,
        policy,
        head,
        glance,
        record,
        failures: Vec::new(),
    };
    for candidate in &choice.chain {
        if let Some(stop) = underway.stop(&vault, candidate)
            && let Some(response) = underway.at(&stop).await?
        {
            return Ok(response);
        }
    }
    Err(underway.nobody().await)
}

impl Underway<'_> {
    fn note(&mut self, candidate: &Candidate, why: impl Into<String>, status: StatusCode) {
        self.failures
            .push((candidate.provider.clone(), why.into(), status));
    }

    fn stop<'a>(&mut self, vault: &'a Vault, candidate: &'a Candidate) -> Option<Stop<'a>> {
        let (entry, secret) = vault.named(&candidate.provider)?;
        let serving = entry.serving.as_ref()?;
        if entry.secret.is_some() && secret.is_none() {
            self.note(
                candidate,
                "its credential cannot be read",
                StatusCode::BAD_GATEWAY,
            );
            return None;
        }
        Some(Stop {
            candidate,
            serving,
            secret,
        })
    }

    /// One provider; `Ok(None)` where the next is to be asked.
    async fn at(&mut self, stop: &Stop<'_>) -> Result<Option<Response<Body>>, Refused> {
        let candidate = stop.candidate;
        if let Some(rule) = &candidate.ask {
            let said =
                approval::ask(self.connection, &self.policy, &self.glance, candidate, rule).await;
            match said {
                Ok(said) => self.record.because(said),
                Err(refused) => return Err(self.refused(refused).await),
            }
        }
        let sandbox = self.connection.sandbox.clone();
        let route = format!("{}/{}", candidate.provider, candidate.model);
        let Some(route) = sandbox.models.on_route(route, candidate.concurrent) else {
            self.note(
                candidate,
                "the route takes no more requests at once",
                StatusCode::TOO_MANY_REQUESTS,
            );
            return Ok(None);
        };
        if self.glance.api == Api::CountTokens && stop.serving.dialect == Dialect::OpenAi {
            return Ok(Some(self.counted(candidate)));
        }
        let reserved = match self.reserve(stop) {
            Ok(reserved) => reserved,
            Err(refused) => return Err(self.refused(refused).await),
        };
        let asking = match sandbox
            .node
            .breakers
            .begin(&candidate.provider, stop.serving.concurrent)
        {
            Ok(asking) => asking,
            Err(not) => {
                reserved.cancel();
                self.note(candidate, not.to_string(), StatusCode::SERVICE_UNAVAILABLE);
                return Ok(None);
            }
        };
        if let Err(error) = sandbox.models.session.raise(candidate.sees) {
            let message = format!("what a model is to see cannot be kept in mind: {error}");
            let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, "not_kept", message);
            return Err(self.refused(refused).await);
        }
        self.asked(candidate);
        let settling = Settling {
            record: self.record.clone(),
            reserved,
            price: stop.serving.price(&candidate.model),
            asking,
            _route: route,
        };
        self.try_again_and_again(stop, settling).await
    }

    fn asked(&self, candidate: &Candidate) {
        self.record.called(|call| {
            call.provider = Some(candidate.provider.to_string());
            call.served = Some(candidate.model.chars().take(LONGEST_MODEL).collect());
            call.label = candidate.sees;
        });
        let rules: Vec<String> = candidate.by.iter().map(ToString::to_string).collect();
        if !rules.is_empty() {
            self.record.ruled(format!("privacy ({})", rules.join(", ")));
        }
    }

    fn reserve(&self, stop: &Stop<'_>) -> Result<Reserved, Refused> {
        let budgets = budgets(&self.policy.policy);
        let (input, output) = match self.glance.api {
            // Who counts tokens uses none.
            Api::CountTokens => (0, 0),
            Api::Embeddings => (self.glance.kept.tokens, 0),
            _ => (self.glance.kept.tokens, self.glance.max_tokens),
        };
        let price = stop.serving.price(&stop.candidate.model);
        let cost = price.cost(input, output);
        self.connection
            .sandbox
            .models
            .ledger
            .reserve(&budgets, input.saturating_add(output), cost)
            .map_err(|spent| Refused::spent(&spent))
    }

    /// One provider, as often as its route says.
    async fn try_again_and_again(
        &mut self,
        stop: &Stop<'_>,
        settling: Settling,
    ) -> Result<Option<Response<Body>>, Refused> {
        let candidate = stop.candidate;
        let (mut tries, mut as_chat) = (0, false);
        let failure = loop {
            match self.once(stop, as_chat).await {
                Ok(come) => {
                    settling.asking.answered();
                    return Ok(Some(come.settled(settling, candidate)));
                }
                Err(Failure::NoSuchCall) if !as_chat => as_chat = true,
                Err(Failure::Again(why, pause, status)) => {
                    settling.asking.failed();
                    let pause = pause.unwrap_or(PAUSE * 2u32.saturating_pow(tries));
                    if tries >= candidate.retries || pause > limits::MODEL_PAUSE {
                        break (why, status);
                    }
                    tries += 1;
                    tokio::time::sleep(pause).await;
                }
                Err(Failure::Next(why, status)) => {
                    settling.asking.failed();
                    // It may have worked for it all the same, so what was reserved stays spent.
                    self.note(candidate, why, status);
                    return Ok(None);
                }
                Err(Failure::Unfit(why, status)) => break (why, status),
                Err(Failure::NoSuchCall) => {
                    break (
                        "it does not have this call".to_owned(),
                        StatusCode::NOT_FOUND,
                    );
                }
                Err(Failure::Final(status, error)) => {
                    settling.asking.answered();
                    settling.cancel();
                    return Ok(Some(self.passed_on(status, &error)));
                }
            }
        };
        settling.cancel();
        self.note(candidate, failure.0, failure.1);
        Ok(None)
    }

    async fn once(&mut self, stop: &Stop<'_>, as_chat: bool) -> Result<Come, Failure> {
        let sandbox = self.connection.sandbox.clone();
        let candidate = stop.candidate;
        let prepared = prepare(
            &mut self.glance,
            candidate,
            stop.serving.dialect,
            as_chat,
            &sandbox,
        )
        .map_err(|unfit| Failure::Unfit(unfit.to_string(), StatusCode::FORBIDDEN))?;
        let errand = Errand {
            sandbox: &sandbox,
            serving: stop.serving,
            secret: stop.secret,
            head: self.head,
            scanner: self.policy.scanner.as_deref(),
            timeout: candidate.timeout,
        };
        let Prepared {
            api,
            body,
            usage_asked,
        } = prepared;
        let answered = send(&errand, api, body).await?;
        let mut back = Back::new(
            &self.policy.policy,
            self.policy.scanner.as_ref(),
            sandbox.models.session.vault(),
            &sandbox.models.memory,
            candidate.sees,
        );
        let next = |why| Failure::Next(why, StatusCode::BAD_GATEWAY);
        if !self.glance.stream {
            let brought = whole::bring(
                answered,
                api,
                self.glance.api,
                &self.glance.model,
                &mut back,
            );
            let (response, usage) = brought.await.map_err(next)?;
            for masked in back.masked() {
                self.record
                    .because(format!("masked in the answer: {masked}"));
            }
            return Ok(Come::Whole(response, usage));
        }
        let wish = stream::Wish {
            upstream: api,
            caller: self.glance.api,
            model: &self.glance.model,
            usage_asked,
        };
        let begun = stream::begin(answered, &wish, back).await.map_err(next)?;
        Ok(Come::Stream(Box::new(begun)))
    }

    /// A server of OpenAI's dialect does not count beforehand, so the router does.
    fn counted(&self, candidate: &Candidate) -> Response<Body> {
        self.asked(candidate);
        let body = json!({ "input_tokens": self.glance.kept.tokens }).to_string();
        json_response(StatusCode::OK, body.into_bytes())
    }

    /// The server's own word on a call that is at fault.
    fn passed_on(&self, status: StatusCode, error: &ErrorReply) -> Response<Body> {
        self.record
            .because(format!("it answered {}", status.as_u16()));
        json_response(status, error.to_bytes(self.glance.api.dialect()))
    }

    async fn refused(&self, refused: Refused) -> Refused {
        self.record.deny(refused.message.clone());
        self.record
            .called(|call| call.decision = REFUSED.to_owned());
        self.record.finish().await;
        Refused {
            recorded: true,
            ..refused
        }
    }

    /// All were asked.
    async fn nobody(&self) -> Refused {
        let each: Vec<String> = self
            .failures
            .iter()
            .map(|(name, why, _)| format!("{name}: {why}"))
            .collect();
        let message = format!("no provider answered ({})", each.join("; "));
        let status = self
            .failures
            .last()
            .map_or(StatusCode::BAD_GATEWAY, |(_, _, status)| *status);
        // What a server says of its own load or faults is the caller's to know as such.
        let status = match Refusal::of_status(status.as_u16()) {
            Refusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Refusal::Forbidden => StatusCode::FORBIDDEN,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_GATEWAY,
        };
        self.record.because(message.clone());
        self.record.finish().await;
        Refused {
            recorded: true,
            ..Refused::new(status, "no_provider_answered", message)
        }
    }
}

/// What has come.
enum Come {
    Whole(Response<Body>, Option<Usage>),
    Stream(Box<stream::Begun>),
}

impl Come {
    fn settled(self, settling: Settling, candidate: &Candidate) -> Response<Body> {
        let mut response = match self {
            Come::Whole(response, usage) => {
                let size = hyper::body::Body::size_hint(response.body()).lower();
                settling.count(usize::try_from(size).unwrap_or(usize::MAX));
                settling.settle(usage, None);
                response
            }
            Come::Stream(begun) => begun.response(settling),
        };
        let route = format!("{}/{}", candidate.provider, candidate.model);
        if let Ok(value) = HeaderValue::from_str(&route) {
            response.headers_mut().insert(ROUTE_FIELD, value);
        }
        response
    }
}
