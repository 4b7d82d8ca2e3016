//! A request passed on as it came, to a real model that speaks no TLS.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Asked;
use super::body::Body;

/// Asks the server at `to`.
pub async fn pass(asked: &Asked, to: SocketAddr) -> std::io::Result<Response<Body>> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    tokio::spawn(connection);
    let path = asked.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(asked.method.clone()).uri(path);
    for (name, value) in &asked.headers {
        if !["host", "connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            request = request.header(name, value);
        }
    }
    let request = request
        .header("host", to.to_string())
        .body(Full::new(asked.body.clone()))
        .expect("request");
    let (mut head, body) = sender
        .send_request(request)
        .await
        .map_err(std::io::Error::other)?
        .into_parts();
    for name in ["connection", "keep-alive", "transfer-encoding"] {
        head.headers.remove(name);
    }
    let body = body.map_err(std::io::Error::other).boxed();
    Ok(Response::from_parts(head, body))
}
