//! Requests on an inspected connection: each is decided on its own, by the policy as it is at that moment.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nemoclaw_api::audit::Event;
use nemoclaw_policy::decide::{Flow, Handling};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Body;
use super::budget::Axis;
use super::credentials;
use super::denial::Denial;
use super::event::{self, short_path};
use super::forward;
use super::framing::Found;
use super::inference::{self, Concern};
use super::judge::{self, Refusal};
use super::pool::Origin;
use super::program::Behind;
use super::request::Scheme;
use super::sandbox::Sandbox;
use super::tasks::{Owned, Tasks};
use super::watched::Watched;
use crate::limits;

/// An inspected connection.
pub struct Inspected {
    /// Whose it is.
    pub sandbox: Arc<Sandbox>,
    /// The name behind the address.
    pub host: Arc<str>,
    /// The port that was dialled.
    pub port: u16,
    /// With or without TLS.
    pub scheme: Scheme,
    /// Where its requests go; `None` where no request can name the host.
    pub origin: Option<Origin>,
    /// Who is behind it, where a rule asks for it.
    pub behind: Behind,
}

impl Inspected {
    /// An audit event of this connection.
    #[must_use]
    pub fn event(&self, kind: &str) -> Event {
        let mut event = self.sandbox.event(kind, &self.host, self.port);
        self.behind.mark(&mut event);
        event
    }
}

/// Which HTTP the client speaks on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// HTTP/1.1.
    One,
    /// HTTP/2, as agreed by ALPN.
    Two,
}

/// How long a connection whose host is no longer allowed may take to reset its streams. Owner: a connection. Outcome: closed.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Serve a connection until it ends or its host is no longer allowed.
pub async fn serve(
    connection: Inspected,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    dialect: Dialect,
) {
    let connection = Arc::new(connection);
    let (io, found) = Watched::new(io, dialect);
    let shared = connection.clone();
    let service = service_fn(move |request| {
        let (connection, found) = (shared.clone(), found.clone());
        // On the heap, so that a connection without a request does not hold the room for one.
        Box::pin(
            async move { Ok::<_, Infallible>(take(connection, found.as_deref(), request).await) },
        )
    });
    match dialect {
        Dialect::One => {
            let served = one().serve_connection(TokioIo::new(io), service);
            let end = http1::UpgradeableConnection::graceful_shutdown;
            Box::pin(follow(&connection, served.with_upgrades(), end)).await;
        }
        Dialect::Two => {
            let tasks = Tasks::default();
            let _owned = Owned(tasks.clone());
            let served = two(tasks).serve_connection(TokioIo::new(io), service);
            let end = http2::Connection::graceful_shutdown;
            Box::pin(follow(&connection, served, end)).await;
        }
    }
}

/// Follow what hyper serves until it ends; `end` begins that early.
async fn follow<S: Future<Output = hyper::Result<()>>>(
    connection: &Arc<Inspected>,
    served: S,
    end: fn(Pin<&mut S>),
) {
    tokio::pin!(served);
    let sandbox = &connection.sandbox;
    let place = connection.clone();
    let revoked = sandbox.policy.revoked(move |policy| {
        let flow = Flow::to(&place.host, place.port).of(place.behind.program.as_deref());
        policy.handling(&flow) != Handling::Refuse
    });
    let mut draining = sandbox.node.draining.subscribe();
    let drain = async move {
        if draining.wait_for(|draining| *draining).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(revoked, drain);
    tokio::select! {
        // How a client's connection ends is its own affair, and each request has its record; but one that hyper could not
        // read has none yet.
        ended = served.as_mut() => if ended.is_err_and(|error| error.is_parse() || error.is_parse_too_large()) {
            unreadable(connection).await;
        },
        () = revoked => {
            // The bodies on their way fail by the same change. They say so in their protocol first: a connection that
            // is simply gone would let some clients take half an answer for a whole one.
            end(served.as_mut());
            let _ = tokio::time::timeout(LAST_WORDS, served).await;
        }
        () = drain => {
            end(served.as_mut());
            let _ = served.await;
        }
    }
}

fn one() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME.max(limits::KEEP_ALIVE))
        .max_headers(limits::HEADER_FIELDS)
        .max_buf_size(limits::HEADER_BYTES)
        .half_close(false);
    builder
}

fn two(tasks: Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits::STREAMS)
        .keep_alive_interval(limits::KEEP_ALIVE)
        .keep_alive_timeout(limits::HEAD_TIME);
    builder
}

/// Answer a request, if it is certain where it begins and ends.
async fn take(
    connection: Arc<Inspected>,
    found: Option<&Found>,
    request: Request<Incoming>,
) -> Response<Body> {
    let Some(found) = found else {
        return answer(connection, request).await;
    };
    let mut response = match found.hand_over() {
        Ok(()) => answer(connection, request).await,
        Err(fault) => {
            let (head, _) = request.into_parts();
            let refusal = judge::unframed(&connection, &head, fault);
            refuse(&connection, &head, refusal, None).await
        }
    };
    if found.is_last() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = header::HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Record a request that hyper refused, which it answers itself.
async fn unreadable(connection: &Inspected) {
    let event = event::denied(
        connection.event("http"),
        "the request's head cannot be read",
        None,
    );
    connection.sandbox.node.sink.refusal(event).await;
}

async fn answer(connection: Arc<Inspected>, request: Request<Incoming>) -> Response<Body> {
    connection.sandbox.node.sink.room().await;
    let (head, body) = request.into_parts();
    if !connection.sandbox.node.recording() {
        return unrecorded(&connection, &head);
    }
    if let Concern::Ours(api) = inference::concern(&connection, &head) {
        return inference::serve(&connection, head, body, api).await;
    }
    let expects = head.headers.contains_key(header::EXPECT);
    match judge::judge(&connection, &head, body).await {
        Ok((allowed, body)) => {
            let sandbox = &connection.sandbox;
            let budget = &sandbox.budget;
            let bytes = budget.spend(&sandbox.policy, Axis::BytesOut, 0);
            let spent = bytes.and_then(|()| budget.spend(&sandbox.policy, Axis::Requests, 1));
            if let Err(exceeded) = spent {
                return refuse(&connection, &head, judge::spent(allowed, exceeded), None).await;
            }
            let Some(room) = connection.sandbox.begin() else {
                return refuse(&connection, &head, judge::crowded(allowed), None).await;
            };
            match credentials::apply(&connection, allowed, head, body).await {
                Ok((allowed, head, body)) => {
                    forward::forward(&connection, allowed, head, body, room).await
                }
                Err((refusal, head)) => refuse(&connection, &head, refusal, None).await,
            }
        }
        Err((refusal, rest)) => {
            let rest = rest.filter(|_| !expects);
            refuse(&connection, &head, refusal, rest).await
        }
    }
}

/// Record a refusal, then tell the client.
async fn refuse(
    connection: &Inspected,
    head: &http::request::Parts,
    refusal: Box<Refusal>,
    rest: Option<Incoming>,
) -> Response<Body> {
    connection
        .sandbox
        .node
        .sink
        .refusal(refusal.event.clone())
        .await;
    if let Some(body) = rest {
        drain(body).await;
    }
    refusal.answer(connection, &head.method)
}

/// While decisions cannot be written down, none is taken.
fn unrecorded(connection: &Inspected, head: &http::request::Parts) -> Response<Body> {
    Denial {
        error: "refused: the router cannot write its audit log".to_owned(),
        sandbox: &connection.sandbox.name,
        host: &connection.host,
        method: head.method.as_str(),
        path: &short_path(head.uri.path()),
        rule: None,
        proposal: None,
        budget: None,
        hint: "the operator finds the cause in `nemoclaw router status`".to_owned(),
    }
    .answer(StatusCode::SERVICE_UNAVAILABLE)
}

/// Read what is left of a refused request, so that the connection can carry the next one.
async fn drain(body: Incoming) {
    let limit = usize::try_from(limits::DRAIN_BYTES).unwrap_or(usize::MAX);
    let mut body = Limited::new(body, limit);
    let all = async { while let Some(Ok(_)) = body.frame().await {} };
    // A body that is too slow or too long costs the connection, nothing else.
    let _ = tokio::time::timeout(limits::DRAIN_TIME, all).await;
}
