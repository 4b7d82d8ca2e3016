//! Bodies that come as planned: cut, slow, broken off, too large or not of the kind they should be.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Frame;
use serde_json::Value;

use super::plan::{Cut, Fault, Plan};

/// A body; its error cuts the connection.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// A body in one piece.
pub fn whole(kind: &str, bytes: Bytes) -> Response<Body> {
    let body = Full::new(bytes).map_err(|never| match never {}).boxed();
    Response::builder()
        .header("content-type", kind)
        .body(body)
        .expect("response")
}

/// An answer that is no stream.
pub fn answer(value: &Value, plan: &Plan) -> Response<Body> {
    let mut bytes = value.to_string().into_bytes();
    match plan.fault {
        Some(Fault::Malformed) => bytes.truncate(bytes.len() / 2),
        Some(Fault::NoText) => spoil(&mut bytes),
        Some(Fault::BreakOff(_)) => return stream("application/json", bytes, &[], plan),
        Some(Fault::Kind(kind)) => return whole(kind, bytes.into()),
        _ => {}
    }
    whole("application/json", bytes.into())
}

/// A stream of events.
pub fn events(events: &[String], plan: &Plan) -> Response<Body> {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for (at, event) in events.iter().enumerate() {
        if at == events.len() / 2 && plan.fault == Some(Fault::Malformed) {
            bytes.extend(b"data: {\"choices\": [}\n\n");
        }
        bytes.extend(event.as_bytes());
        ends.push(bytes.len());
    }
    if plan.fault == Some(Fault::NoText) {
        spoil(&mut bytes);
    }
    match plan.fault {
        Some(Fault::Kind(kind)) => stream(kind, bytes, &ends, plan),
        _ => stream("text/event-stream", bytes, &ends, plan),
    }
}

/// Puts a byte that no UTF-8 has into the last word that is said.
fn spoil(bytes: &mut [u8]) {
    let found = bytes.iter().rposition(|byte| *byte == b'g');
    if let Some(at) = found {
        bytes[at] = 0xff;
    }
}

fn stream(kind: &str, mut bytes: Vec<u8>, ends: &[usize], plan: &Plan) -> Response<Body> {
    let mut broken = false;
    if let Some(Fault::BreakOff(after)) = plan.fault {
        bytes.truncate(after);
        broken = true;
    }
    let mut chunks = cut(bytes.into(), ends, plan.cut);
    chunks.reverse();
    let body = Paced {
        chunks,
        broken,
        between: plan.between,
        pause: None,
    };
    Response::builder()
        .header("content-type", kind)
        .header("cache-control", "no-cache")
        .body(body.boxed())
        .expect("response")
}

fn cut(bytes: Bytes, ends: &[usize], how: Cut) -> Vec<Bytes> {
    let points: Vec<usize> = match how {
        Cut::Events => ends.to_vec(),
        Cut::Every(size) => (0..bytes.len()).step_by(size.max(1)).collect(),
        Cut::At(at) => vec![at],
    };
    let mut chunks = Vec::new();
    let mut from = 0;
    for to in points.into_iter().chain([bytes.len()]) {
        let to = to.min(bytes.len());
        if to > from {
            chunks.push(bytes.slice(from..to));
            from = to;
        }
    }
    chunks
}

/// Chunks with a wait between them, the next one last.
struct Paced {
    chunks: Vec<Bytes>,
    broken: bool,
    between: Duration,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let Some(chunk) = self.chunks.pop() else {
            let broken = std::mem::take(&mut self.broken);
            return Poll::Ready(broken.then(|| Err(std::io::Error::other("as planned"))));
        };
        // What goes out before the connection is cut has to leave first.
        let wait = if self.chunks.is_empty() && self.broken {
            Duration::from_millis(50)
        } else {
            self.between
        };
        if !wait.is_zero() {
            self.pause = Some(Box::pin(tokio::time::sleep(wait)));
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}
