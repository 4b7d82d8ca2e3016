//! A WebSocket server that echoes, and a client inside a sandbox.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::client;
use super::upstream::Body;

/// A client's end.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Echoes messages. The first thing that it says is what it saw of the request; below `/extended` it agrees on an
/// extension whether it was asked or not.
pub fn answer(mut request: Request<Incoming>) -> Response<Body> {
    let field = |name: &str| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().expect("text").to_owned())
    };
    let (protocol, extensions) = (
        field("sec-websocket-protocol"),
        field("sec-websocket-extensions"),
    );
    let seen = json!({ "protocol": protocol, "extensions": extensions }).to_string();
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    if let Some(protocol) = protocol {
        response = response.header("sec-websocket-protocol", protocol);
    }
    if extensions.is_some() || request.uri().path().ends_with("/extended") {
        response = response.header("sec-websocket-extensions", "permessage-deflate");
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let stream = TokioIo::new(upgraded.await.expect("upgrade"));
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        socket.send(Message::text(seen)).await.expect("first text");
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    response
        .body(Full::new(Bytes::new()).boxed())
        .expect("response")
}

/// Ask for a WebSocket over TLS. `Err`: the answer, which is no upgrade.
pub async fn open(
    config: &Arc<ClientConfig>,
    address: Ipv4Addr,
    host: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Result<(http::response::Parts, Socket), (StatusCode, String)> {
    let stream = client::open(config, address, host).await.expect("TLS");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1.1");
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::get(path)
        .header("host", host)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).expect("request");
    let mut answer = sender.send_request(request).await.expect("an answer");
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        return Err((status, String::from_utf8_lossy(&body).into_owned()));
    }
    let upgraded = hyper::upgrade::on(&mut answer).await.expect("upgrade");
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    Ok((answer.into_parts().0, socket))
}

/// What came next: a text as it is, anything else in words.
pub async fn next(socket: &mut Socket) -> String {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        Some(Ok(Message::Close(Some(close)))) => {
            format!("closed {}: {}", u16::from(close.code), close.reason)
        }
        Some(Ok(other)) => format!("{other:?}"),
        Some(Err(error)) => format!("error: {error}"),
        None => "end".into(),
    }
}
