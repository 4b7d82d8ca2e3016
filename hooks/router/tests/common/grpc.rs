//! A server that answers as gRPC's do: a message for each message while both ways are open, then the status as trailers.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::upstream::Body;

/// `/echo.Echo/Fail` ends before it began, in the head; every other method echoes.
pub fn answer(request: Request<Incoming>) -> Response<Body> {
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header(
            "x-te",
            request
                .headers()
                .get("te")
                .cloned()
                .unwrap_or(HeaderValue::from_static("none")),
        );
    if request.uri().path() == "/echo.Echo/Fail" {
        let empty = http_body_util::Empty::new().boxed();
        return response
            .header("grpc-status", "5")
            .body(empty)
            .expect("response");
    }
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
    tokio::spawn(async move {
        let mut body = request.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                sender.send_data(data).await.expect("message");
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("grpc-message", HeaderValue::from_static("done"));
        sender.send_trailers(trailers).await.expect("trailers");
    });
    response
        .status(StatusCode::OK)
        .body(body.boxed())
        .expect("response")
}
