//! An answer that comes piece by piece.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use nemoclaw_inference::{Api, BadStream, Refusal, Relay, Usage, error_event};
use tokio::time::{Instant, Sleep};

use super::back::Back;
use super::chain::Settling;
use crate::limits;
use crate::worker::body::{Body, BodyError};
use crate::worker::pool::{Answered, Lease};

/// What a stream is to become.
pub struct Wish<'a> {
    /// The call at the server.
    pub upstream: Api,
    /// The caller's.
    pub caller: Api,
    /// The model that the caller named.
    pub model: &'a str,
    /// Whether the caller wants the chunk that counts tokens.
    pub usage_asked: bool,
}

/// A stream of which the first piece has come.
pub struct Begun {
    body: Incoming,
    relay: Relay<Back>,
    caller: Api,
    out: Vec<u8>,
    ended: bool,
    lease: Lease,
}

/// Wait for the first piece, so that another provider can be asked where none comes.
///
/// # Errors
/// One sentence: it cannot be handed on.
pub async fn begin(answered: Answered, wish: &Wish<'_>, back: Back) -> Result<Begun, String> {
    let (response, lease) = answered;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let events = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !events || response.headers().contains_key(header::CONTENT_ENCODING) {
        return Err("its answer is no stream of events".to_owned());
    }
    let mut relay = Relay::new(wish.upstream, wish.caller, wish.model, back);
    if !wish.usage_asked {
        relay = relay.without_usage_chunk();
    }
    let mut begun = Begun {
        body: response.into_body(),
        relay,
        caller: wish.caller,
        out: Vec::new(),
        ended: false,
        lease,
    };
    let first = tokio::time::timeout(limits::MODEL_IDLE, begun.first()).await;
    match first {
        Ok(Ok(())) => Ok(begun),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!(
            "nothing came for {} s",
            limits::MODEL_IDLE.as_secs()
        )),
    }
}

impl Begun {
    async fn first(&mut self) -> Result<(), String> {
        while self.out.is_empty() && !self.ended {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.relay
                            .push(&data, &mut self.out)
                            .map_err(|error| error.to_string())?;
                    }
                }
                Some(Err(_)) => return Err("its stream broke off".to_owned()),
                None => {
                    self.ended = true;
                    self.relay
                        .finish(&mut self.out)
                        .map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// The answer for the caller.
    #[must_use]
    pub fn response(self, settling: Settling) -> Response<Body> {
        let streaming = Streaming {
            begun: self,
            settling: Some(settling),
            idle: Box::pin(tokio::time::sleep(limits::MODEL_IDLE)),
        };
        let mut response = Response::new(streaming.boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

struct Streaming {
    begun: Begun,
    settling: Option<Settling>,
    idle: Pin<Box<Sleep>>,
}

impl Streaming {
    fn usage(&self) -> Option<Usage> {
        self.begun.relay.usage()
    }

    fn end(&mut self, why: Option<String>) {
        self.begun.ended = true;
        let usage = self.usage();
        if let Some(settling) = self.settling.take() {
            settling.settle(usage, why);
        }
    }

    /// It cannot go on: what was certain goes out, and then why it ends.
    fn fail(&mut self, kind: Refusal, why: String) {
        let event = error_event(self.begun.caller, kind, &why);
        self.begun.out.extend_from_slice(&event);
        self.end(Some(why));
    }

    fn take(&mut self, data: &[u8]) {
        if let Err(error) = self.begun.relay.push(data, &mut self.begun.out) {
            self.bad(&error);
        }
    }

    fn bad(&mut self, error: &BadStream) {
        let kind = match error {
            BadStream::Upstream(reply) => reply.kind,
            _ => Refusal::Server,
        };
        self.fail(kind, error.to_string());
    }

    /// What is ready for the caller.
    fn ready(&mut self) -> Option<Frame<Bytes>> {
        if self.begun.out.is_empty() {
            return None;
        }
        let out = std::mem::take(&mut self.begun.out);
        if let Some(settling) = &self.settling {
            settling.count(out.len());
        }
        Some(Frame::data(Bytes::from(out)))
    }
}

impl hyper::body::Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            if let Some(frame) = this.ready() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if this.begun.ended {
                this.end(None);
                return Poll::Ready(None);
            }
            match Pin::new(&mut this.begun.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.idle
                        .as_mut()
                        .reset(Instant::now() + limits::MODEL_IDLE);
                    if let Some(data) = frame.data_ref() {
                        this.take(data);
                    }
                }
                Poll::Ready(Some(Err(_))) => {
                    this.fail(
                        Refusal::Server,
                        "the model server's stream broke off".to_owned(),
                    );
                }
                Poll::Ready(None) => match this.begun.relay.finish(&mut this.begun.out) {
                    Ok(_) => this.end(None),
                    Err(error) => this.bad(&error),
                },
                Poll::Pending => {
                    if this.idle.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let seconds = limits::MODEL_IDLE.as_secs();
                    this.fail(Refusal::Timeout, format!("nothing came for {seconds} s"));
                }
            }
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        let why = (!self.begun.ended)
            .then(|| "the caller left before the answer was complete".to_owned());
        self.end(why);
        let _ = &self.begun.lease;
    }
}
