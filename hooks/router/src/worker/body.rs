//! Bodies on their way through: counted, bounded in silence, and cut when the policy no longer allows them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::sink::{Bytes as Counters, Record};
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

/// Which way a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the box.
    Out,
    /// To the box.
    Back,
}

/// Ends when the flow is no longer allowed.
pub type Revoked = Pin<Box<dyn Future<Output = ()> + Send>>;

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
    idle: Pin<Box<Sleep>>,
    revoked: Option<Revoked>,
    record: Record,
}

impl Passing {
    /// A body that is counted, and cut by `revoked`. The flow is recorded when both its bodies are gone: a server may
    /// answer before it has read all, and a client may leave the answer unread while it goes on sending.
    #[must_use]
    pub fn new(body: Source, way: Way, record: Record, revoked: Revoked) -> Passing {
        Passing {
            body,
            way,
            counters: record.bytes(),
            idle: idle(),
            revoked: Some(revoked),
            record,
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
}

fn idle() -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(limits::BODY_IDLE))
}

impl hyper::body::Body for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(revoked) = &mut this.revoked
            && revoked.as_mut().poll(cx).is_ready()
        {
            this.revoked = None;
            return this.fail(BodyError::Revoked);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            // Fields behind a request's body were never decided on; behind an answer's they are gRPC's status.
            Poll::Ready(Some(Ok(frame))) if this.way == Way::Out && frame.is_trailers() => {
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.count(frame.data_ref().map_or(0, Bytes::len));
                this.idle.as_mut().reset(Instant::now() + limits::BODY_IDLE);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(error.into()),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match this.idle.as_mut().poll(cx) {
                Poll::Ready(()) => this.fail(BodyError::Idle),
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
