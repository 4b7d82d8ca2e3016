//! Bodies on their way through: counted, bounded in silence, and cut when the policy no longer allows them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use nemoclaw_policy::Policy;
use tokio::time::{Instant, Sleep};

use super::budget::{Axis, Exceeded};
use super::policy::InForce;
use super::pool::Lease;
use super::sandbox::Sandbox;
use super::sink::{Bytes as Counters, Record};
use super::wanted::Wanted;
use crate::limits;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection broke.
    #[error("the body broke off")]
    Broken(#[from] hyper::Error),
    /// Silent for [`limits::BODY_IDLE`].
    #[error("nothing came for {} s", limits::BODY_IDLE.as_secs())]
    Idle,
    /// The policy changed.
    #[error("the policy no longer allows it")]
    Revoked,
    /// It is longer than what the sandbox may still send.
    #[error(transparent)]
    Spent(#[from] Exceeded),
}

/// A body of ours.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A whole body.
#[must_use]
pub fn whole(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that is none.
#[must_use]
pub fn none() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Which way a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the box.
    Out,
    /// To the box.
    Back,
}

/// Ends when a request is no longer allowed. It costs a look at a number as long as nobody waits for it.
pub struct Revoked {
    policy: Arc<InForce>,
    wanted: Arc<Wanted>,
    still: fn(&Wanted, &Policy) -> bool,
    seen: u64,
    change: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Revoked {
    /// Of a request that the policy of this generation allowed; `still` asks another one.
    #[must_use]
    pub fn new(
        policy: Arc<InForce>,
        wanted: Arc<Wanted>,
        generation: u64,
        still: fn(&Wanted, &Policy) -> bool,
    ) -> Revoked {
        Revoked {
            policy,
            wanted,
            still,
            seen: generation,
            change: None,
        }
    }

    /// The same once more.
    #[must_use]
    pub fn again(&self) -> Revoked {
        Revoked {
            policy: self.policy.clone(),
            wanted: self.wanted.clone(),
            still: self.still,
            seen: self.seen,
            change: None,
        }
    }

    /// Whether it is so by now.
    pub fn is_now(&mut self) -> bool {
        if self.policy.generation() == self.seen {
            return false;
        }
        let policy = self.policy.snapshot();
        self.seen = policy.generation;
        !(self.still)(&self.wanted, &policy.policy)
    }
}

impl Future for Revoked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            // Heard from before the look, so that no change falls between them.
            let change = this.change.get_or_insert_with(|| {
                let mut changes = this.policy.changes();
                Box::pin(async move {
                    if changes.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                })
            });
            let heard = change.as_mut().poll(cx).is_ready();
            if heard {
                this.change = None;
            }
            if this.is_now() {
                return Poll::Ready(());
            }
            if !heard {
                return Poll::Pending;
            }
        }
    }
}

/// Where a body comes from.
pub enum Source {
    /// The connection.
    Stream(Incoming),
    /// It was read whole.
    Whole(Full<Bytes>),
}

impl Source {
    /// A body that was read.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Source {
        Source::Whole(Full::new(bytes))
    }

    /// What is still to be read from the connection.
    #[must_use]
    pub fn into_stream(self) -> Option<Incoming> {
        match self {
            Source::Stream(body) => Some(body),
            Source::Whole(_) => None,
        }
    }
}

impl hyper::body::Body for Source {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Source::Stream(body) => Pin::new(body).poll_frame(cx),
            Source::Whole(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Source::Stream(body) => body.is_end_stream(),
            Source::Whole(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Source::Stream(body) => body.size_hint(),
            Source::Whole(body) => body.size_hint(),
        }
    }
}

/// A body that is passed on.
pub struct Passing {
    body: Source,
    way: Way,
    counters: Arc<Counters>,
    revoked: Option<Revoked>,
    idle: Option<Pin<Box<Sleep>>>,
    moved: bool,
    record: Record,
    charged: Option<Arc<Sandbox>>,
    // After the body, so that its connection is free when it comes back.
    _lease: Option<Lease>,
}

impl Passing {
    /// A body that is counted, and cut by `revoked`. The flow is recorded when both its bodies are gone: a server may
    /// answer before it has read all, and a client may leave the answer unread while it goes on sending.
    #[must_use]
    pub fn new(
        body: Source,
        way: Way,
        record: Record,
        revoked: Revoked,
        lease: Option<Lease>,
    ) -> Passing {
        Passing {
            body,
            way,
            counters: record.bytes(),
            revoked: Some(revoked),
            idle: None,
            moved: false,
            record,
            charged: None,
            _lease: lease,
        }
    }

    /// The same, whose bytes count against the budget of `sandbox`.
    #[must_use]
    pub fn charged(self, sandbox: &Arc<Sandbox>) -> Passing {
        Passing {
            charged: Some(sandbox.clone()),
            ..self
        }
    }

    /// Count what passes; what the budget does not cover any more does not pass.
    fn spend(&self, bytes: usize) -> Result<(), Exceeded> {
        self.count(bytes);
        match &self.charged {
            Some(sandbox) => sandbox
                .budget
                .spend(&sandbox.policy, Axis::BytesOut, bytes as u64),
            None => Ok(()),
        }
    }

    fn count(&self, bytes: usize) {
        let counter = match self.way {
            Way::Out => &self.counters.out,
            Way::Back => &self.counters.back,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn fail(&self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.record.because(error.to_string());
        Poll::Ready(Some(Err(error)))
    }

    /// Nothing came: now it is worth while to listen for a change, and to look at the clock.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        if let Some(revoked) = &mut self.revoked
            && Pin::new(revoked).poll(cx).is_ready()
        {
            self.revoked = None;
            return Poll::Ready(BodyError::Revoked);
        }
        let moved = std::mem::take(&mut self.moved);
        let idle = match &mut self.idle {
            Some(idle) => {
                if moved {
                    idle.as_mut().reset(Instant::now() + limits::BODY_IDLE);
                }
                idle
            }
            None => self
                .idle
                .insert(Box::pin(tokio::time::sleep(limits::BODY_IDLE))),
        };
        idle.as_mut().poll(cx).map(|()| BodyError::Idle)
    }
}

impl hyper::body::Body for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.revoked.as_mut().is_some_and(Revoked::is_now) {
            this.revoked = None;
            return this.fail(BodyError::Revoked);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            // Fields behind a request's body were never decided on; behind an answer's they are gRPC's status.
            Poll::Ready(Some(Ok(frame))) if this.way == Way::Out && frame.is_trailers() => {
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Err(exceeded) = this.spend(frame.data_ref().map_or(0, Bytes::len)) {
                    return this.fail(exceeded.into());
                }
                this.moved = true;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(error.into()),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match this.wait(cx) {
                Poll::Ready(error) => this.fail(error),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
