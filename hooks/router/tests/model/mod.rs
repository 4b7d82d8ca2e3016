//! A model server that does what a test says: both dialects, plain and streaming, and every way to go wrong.
//!
//! It keeps each request as it came, so that a test can say what reached the provider. Start it on a thread in the
//! network namespace where it belongs: all that it opens is there. The end-to-end tests use it by its path too.
#![allow(dead_code, reason = "each test file uses its own part of it")]

mod anthropic;
mod body;
mod openai;
mod plan;
mod relay;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use body::Body;
pub use plan::{Cut, Fault, Plan, Says};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method.
    pub method: Method,
    /// Where to.
    pub uri: Uri,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

impl Asked {
    /// Method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.uri.path())
    }

    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Everything of it as text: the line, the fields and the body.
    pub fn whole(&self) -> String {
        let (line, fields) = (self.line(), &self.headers);
        format!(
            "{line} {:?}\n{fields:?}\n{}",
            self.uri,
            String::from_utf8_lossy(&self.body)
        )
    }
}

/// The key that its callers must bring, in either dialect's field.
pub type Key = Option<&'static str>;

/// What the connections share.
struct Shared {
    key: Key,
    seen: Mutex<Vec<Asked>>,
    always: Mutex<Plan>,
    next: Mutex<VecDeque<Plan>>,
    connections: AtomicUsize,
}

/// The server; it ends with the value.
pub struct Model {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Model {
    /// Listens at `address` (port 0: any), with TLS where there is a configuration for it.
    pub fn start(address: &str, tls: Option<Arc<ServerConfig>>, key: Key) -> Model {
        let shared = Arc::new(Shared {
            key,
            seen: Mutex::default(),
            always: Mutex::new(Plan::default()),
            next: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, begun) = std::sync::mpsc::channel();
        let (place, state) = (address.to_owned(), shared.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind(&place).await.expect("bind");
                ready
                    .send(listener.local_addr().expect("address"))
                    .expect("ready");
                tokio::select! {
                    () = accept(listener, tls.map(TlsAcceptor::from), state) => {}
                    _ = stopped => {}
                }
            });
        });
        Model {
            address: begun.recv().expect("the model server"),
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Answers so from now on.
    pub fn always(&self, plan: Plan) {
        *self.shared.always.lock().expect("lock") = plan;
    }

    /// Answers the next requests so, one each.
    pub fn next(&self, plans: impl IntoIterator<Item = Plan>) {
        self.shared.next.lock().expect("lock").extend(plans);
    }

    /// What it was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.seen.lock().expect("lock"))
    }

    /// How many connections it has had.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        stream.set_nodelay(true).expect("nodelay");
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(connection(stream, tls, shared));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    match tls {
        None => serve(stream, shared).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, shared).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, shared.clone()));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> std::io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes();
    let asked = Asked {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body,
    };
    shared.seen.lock().expect("lock").push(asked.clone());
    let planned = shared.next.lock().expect("lock").pop_front();
    let plan = planned.unwrap_or_else(|| shared.always.lock().expect("lock").clone());
    if !fits(&asked, shared.key) {
        return Ok(refusal(&asked, StatusCode::UNAUTHORIZED, "wrong key"));
    }
    tokio::time::sleep(plan.before).await;
    match plan.fault {
        Some(Fault::Status { code, retry_after }) => {
            let code = StatusCode::from_u16(code).expect("a status");
            let mut response = refusal(&asked, code, "as planned");
            if let Some(seconds) = retry_after {
                response
                    .headers_mut()
                    .insert("retry-after", seconds.to_string().parse().expect("seconds"));
            }
            Ok(response)
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Reset) => Err(std::io::Error::other("as planned")),
        _ => match plan.says {
            Says::Relay(to) => relay::pass(&asked, to).await,
            _ => Ok(speak(&asked, &plan)),
        },
    }
}

/// Whether the caller brings the key.
fn fits(asked: &Asked, key: Key) -> bool {
    let Some(key) = key else { return true };
    let bearer = asked
        .field("authorization")
        .and_then(|field| field.strip_prefix("Bearer "));
    [bearer, asked.field("x-api-key"), asked.field("api-key")].contains(&Some(key))
}

/// An error in the caller's dialect.
fn refusal(asked: &Asked, code: StatusCode, why: &str) -> Response<Body> {
    let value = if asked.uri.path().contains("/messages") {
        anthropic::error(code, why)
    } else {
        openai::error(code, why)
    };
    let mut response = body::whole("application/json", value.to_string().into());
    *response.status_mut() = code;
    response
}

fn speak(asked: &Asked, plan: &Plan) -> Response<Body> {
    let path = asked.uri.path();
    let (json, said) = (asked.json(), plan.said(&asked.json()));
    let stream = json["stream"] == true;
    let events = |made: Vec<String>| body::events(&made, plan);
    let whole = |made: Value| body::answer(&made, plan);
    if path.ends_with("/chat/completions") {
        return if stream {
            events(openai::chat_events(&json, &said, plan))
        } else {
            whole(openai::chat(&json, &said))
        };
    }
    if path.ends_with("/completions") {
        return if stream {
            events(openai::completion_events(&json, &said, plan))
        } else {
            whole(openai::completion(&json, &said))
        };
    }
    if path.ends_with("/responses") {
        return if stream {
            events(openai::response_events(&json, &said, plan))
        } else {
            whole(openai::response(&json, &said))
        };
    }
    if path.ends_with("/messages") {
        return if stream {
            events(anthropic::events(&json, &said, plan))
        } else {
            whole(anthropic::message(&json, &said))
        };
    }
    if path.ends_with("/messages/count_tokens") {
        return whole(anthropic::count(&json));
    }
    if path.ends_with("/embeddings") {
        return whole(openai::embeddings(&json));
    }
    if path.ends_with("/models") {
        return whole(openai::models());
    }
    refusal(asked, StatusCode::NOT_FOUND, "no such path")
}
