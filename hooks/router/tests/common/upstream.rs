//! Real servers outside: HTTPS on 443 (h1, h2, WebSocket, gRPC), on 8443 for clients with a certificate, HTTP on 80, and
//! one that speaks first on 2222.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::certificates::{Outside, Pem};
use super::{Netns, OUTSIDE, RESOLVER};
use super::{echo, grpc, lenient, socket};

type Seen = Arc<Mutex<Vec<String>>>;
pub type Body = BoxBody<Bytes, std::convert::Infallible>;

pub struct Upstream {
    pub outside: Outside,
    pub client: Pem,
    /// Method and path of every request so far.
    pub seen: Seen,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Upstream {
    pub fn start(netns: &Netns, hosts: &[&str]) -> Upstream {
        let outside = Outside::new("The outside's CA");
        let (config, mutual) = (outside.server(hosts), outside.mutual(hosts));
        let seen = Seen::default();
        let shared = seen.clone();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, begun) = std::sync::mpsc::channel();
        let inside = netns.descriptor();
        let thread = std::thread::spawn(move || {
            nix::sched::setns(inside, nix::sched::CloneFlags::CLONE_NEWNET).expect("setns");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("runtime");
            runtime.block_on(async move {
                let bind =
                    async |port: u16| TcpListener::bind((OUTSIDE, port)).await.expect("bind");
                let (secure, plain, first) = (bind(443).await, bind(80).await, bind(2222).await);
                tokio::spawn(https(secure, TlsAcceptor::from(config), shared.clone()));
                tokio::spawn(https(
                    bind(8443).await,
                    TlsAcceptor::from(mutual),
                    shared.clone(),
                ));
                tokio::spawn(http(plain, shared));
                tokio::spawn(speaks_first(first));
                tokio::spawn(dns(UdpSocket::bind((RESOLVER, 53)).await.expect("bind")));
                ready.send(()).expect("ready");
                let _ = stopped.await;
            });
        });
        begun.recv().expect("servers");
        Upstream {
            client: outside.client(),
            outside,
            seen,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn https(listener: TcpListener, acceptor: TlsAcceptor, seen: Seen) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let kind = stream.get_ref().1.handshake_kind();
                serve(stream, kind == Some(HandshakeKind::Resumed), seen).await;
            }
        });
    }
}

async fn http(listener: TcpListener, seen: Seen) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, false, seen.clone()));
    }
}

async fn speaks_first(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            stream.write_all(b"HELLO\n").await.expect("greeting");
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
    }
}

/// Every name but `gone.test` leads to the cloud's metadata service.
async fn dns(socket: UdpSocket) {
    let mut buffer = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let mut message = Message::from_vec(&buffer[..length])
            .expect("question")
            .into_response();
        let query = message.queries[0].clone();
        if query.name().to_ascii() != "gone.test." && query.query_type() == RecordType::A {
            let inside = RData::A(A::new(169, 254, 169, 254));
            message.add_answer(Record::from_rdata(query.name().clone(), 60, inside));
        }
        let _ = socket
            .send_to(&message.to_vec().expect("bytes"), from)
            .await;
    }
}

async fn serve(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    resumed: bool,
    seen: Seen,
) {
    let builder = auto::Builder::new(TokioExecutor::new());
    let service = service_fn(move |request: Request<Incoming>| {
        let line = format!("{} {}", request.method(), request.uri().path());
        seen.lock().expect("lock").push(line);
        answer(request, resumed)
    });
    let _ = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    mut request: Request<Incoming>,
    resumed: bool,
) -> Result<Response<Body>, hyper::Error> {
    if request
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind == "application/grpc")
    {
        return Ok(grpc::answer(request));
    }
    if request.uri().path() == "/echo/ws" {
        return Ok(echo::socket(request));
    }
    if request.headers().contains_key("sec-websocket-key") {
        return Ok(socket::answer(request));
    }
    if request.headers().contains_key("upgrade") {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgraded.await.expect("upgrade"));
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..length]).await.expect("echo");
            }
        });
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        return Ok(response
            .body(Full::new(Bytes::new()).boxed())
            .expect("response"));
    }
    if request.uri().path().starts_with("/echo") {
        return echo::answer(request).await;
    }
    let (head, body) = request.into_parts();
    if head.uri.path() == "/slow" {
        let pieces = Pieces {
            left: 1200,
            pause: None,
            every: Duration::from_millis(50),
        };
        return Ok(Response::new(pieces.boxed()));
    }
    if head.uri.path() == "/early" {
        // Answered before the body is there; it is read all the same.
        tokio::spawn(body.collect());
        return Ok(Response::new(Full::new(Bytes::new()).boxed()));
    }
    let body = body.collect().await?.to_bytes();
    if let Some(answer) = lenient::answer(&head, &body) {
        return Ok(answer);
    }
    let seen = serde_json::json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "host": head.headers.get("host").map(|host| host.to_str().unwrap_or("?").to_owned()),
        "authority": head.uri.authority().map(ToString::to_string),
        "version": format!("{:?}", head.version),
        "secret": head.headers.contains_key("x-secret"),
        "length": body.len(),
        "resumed": resumed,
    });
    Ok(Response::new(
        Full::new(Bytes::from(seen.to_string())).boxed(),
    ))
}

/// A body that comes in pieces.
struct Pieces {
    left: u32,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    every: Duration,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        let every = self.every;
        self.pause = Some(Box::pin(tokio::time::sleep(every)));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece\n")))))
    }
}
