//! A server that tells what it was sent, in every way in which a credential could come back.

use std::io::Cursor;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame as SocketFrame, FrameHeader};

use super::upstream::Body;

/// The answer: `x-echo` and the body say what came, `x-backwards` says the same from its end, which no filter sees.
pub async fn answer(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let field = |name: &str| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let line = [
        head.uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        field("authorization"),
        field("x-key"),
        String::from_utf8_lossy(&body).into_owned(),
    ]
    .join(" ");
    let backwards: String = line.chars().rev().collect();
    let asked = [field("accept-encoding"), field("range")].join("|");
    let mut response = Response::builder()
        .header("x-echo", line.replace(['\n', '\r'], " "))
        .header("x-backwards", backwards.replace(['\n', '\r'], " "))
        .header("x-asked", asked);
    if head.uri.path().ends_with("/coded") {
        response = response.header("content-encoding", "gzip");
    }
    let pieces = if head.uri.path().ends_with("/pieces") {
        line.bytes().map(|byte| Bytes::from(vec![byte])).collect()
    } else {
        vec![Bytes::from(line)]
    };
    Ok(response.body(Pieces(pieces).boxed()).expect("response"))
}

struct Pieces(Vec<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = (!self.0.is_empty()).then(|| self.0.remove(0));
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }
}

/// A WebSocket that sends each text back twice: as it came, and backwards.
pub fn socket(mut request: Request<Incoming>) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgraded.await.expect("upgrade"));
        let mut buffer = Vec::new();
        loop {
            while let Some(text) = next_text(&mut buffer) {
                let backwards = text.chars().rev().collect();
                for text in [text, backwards] {
                    let frame = SocketFrame::message(text, OpCode::Data(Data::Text), true);
                    let mut bytes = Vec::new();
                    frame.format(&mut bytes).expect("a frame");
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(Pieces(Vec::new()).boxed())
        .expect("response")
}

fn next_text(buffer: &mut Vec<u8>) -> Option<String> {
    let mut cursor = Cursor::new(&buffer[..]);
    let (head, length) = FrameHeader::parse(&mut cursor).expect("a frame")?;
    let begin = usize::try_from(cursor.position()).expect("a length");
    let end = begin + usize::try_from(length).expect("a length");
    if buffer.len() < end {
        return None;
    }
    let frame: Vec<u8> = buffer.drain(..end).collect();
    let mask = head.mask.expect("a client masks");
    let text = frame[begin..]
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    Some(String::from_utf8(text).expect("a text"))
}
