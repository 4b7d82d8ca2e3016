//! Requests on an inspected connection: each is decided on its own, by the policy as it is at that moment.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use nemoclaw_api::audit::Event;
use nemoclaw_policy::decide::{Flow, Handling, HttpRequest, RuleRef, Verdict};
use nemoclaw_policy::path::normalise_path;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Body;
use super::denial::Denial;
use super::event::{denied, rule_text, short_path};
use super::forward;
use super::request::{Asked, Improper, Scheme, Target, asked};
use super::sandbox::Sandbox;
use super::tasks::{Owned, Tasks};
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
}

/// A request that may pass.
pub struct Allowed {
    /// What it asks for.
    pub asked: Asked,
    /// The path that was decided on, which is the one that is sent.
    pub path: String,
    /// What is recorded when it ends.
    pub event: Event,
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
    let tasks = Tasks::default();
    let _owned = Owned(tasks.clone());
    let connection = Arc::new(connection);
    let server = builder(tasks, dialect);
    let shared = connection.clone();
    let service = service_fn(move |request| {
        let connection = shared.clone();
        async move { Ok::<_, Infallible>(answer(connection, request).await) }
    });
    let served = server.serve_connection_with_upgrades(TokioIo::new(io), service);
    tokio::pin!(served);
    let sandbox = &connection.sandbox;
    let (host, port) = (connection.host.clone(), connection.port);
    let revoked = sandbox
        .policy
        .revoked(move |policy| policy.handling(&host, port) != Handling::Refuse);
    let mut draining = sandbox.node.draining.subscribe();
    let drain = async move {
        if draining.wait_for(|draining| *draining).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(revoked, drain);
    tokio::select! {
        // How a client's connection ends is its own affair; each request has its record.
        _ = served.as_mut() => {}
        () = revoked => {
            // The bodies on their way fail by the same change. They say so in their protocol first: a connection that
            // is simply gone would let some clients take half an answer for a whole one.
            served.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(LAST_WORDS, served).await;
        }
        () = drain => {
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        }
    }
}

fn builder(tasks: Tasks, dialect: Dialect) -> auto::Builder<Tasks> {
    let mut builder = auto::Builder::new(tasks);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME.max(limits::KEEP_ALIVE))
        .max_headers(limits::HEADER_FIELDS)
        .max_buf_size(limits::HEADER_BYTES)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits::STREAMS)
        .keep_alive_interval(limits::KEEP_ALIVE)
        .keep_alive_timeout(limits::HEAD_TIME);
    match dialect {
        Dialect::One => builder.http1_only(),
        Dialect::Two => builder.http2_only(),
    }
}

async fn answer(connection: Arc<Inspected>, request: Request<Incoming>) -> Response<Body> {
    connection.sandbox.node.sink.room().await;
    let (head, body) = request.into_parts();
    if !connection.sandbox.node.recording() {
        return unrecorded(&connection, &head);
    }
    let decided = decide(&connection, &head).and_then(|allowed| match connection.sandbox.begin() {
        Some(room) => Ok((allowed, room)),
        None => Err(crowded(allowed)),
    });
    match decided {
        Ok((allowed, room)) => {
            let request = Request::from_parts(head, body);
            forward::forward(&connection, allowed, request, room).await
        }
        Err(refusal) => {
            connection
                .sandbox
                .node
                .sink
                .refusal(refusal.event.clone())
                .await;
            let expects = head.headers.contains_key(header::EXPECT);
            drain(body, expects).await;
            refusal.answer(&connection, &head.method)
        }
    }
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
        hint: "the operator finds the cause in `nemoclaw router status`".to_owned(),
    }
    .answer(StatusCode::SERVICE_UNAVAILABLE)
}

/// Read what is left of a refused request, so that the connection can carry the next one.
async fn drain(body: Incoming, expects: bool) {
    if expects {
        return;
    }
    let limit = usize::try_from(limits::DRAIN_BYTES).unwrap_or(usize::MAX);
    let mut body = Limited::new(body, limit);
    let all = async { while let Some(Ok(_)) = body.frame().await {} };
    // A body that is too slow or too long costs the connection, nothing else.
    let _ = tokio::time::timeout(limits::DRAIN_TIME, all).await;
}

/// A request that does not pass.
pub struct Refusal {
    /// For the log.
    pub event: Event,
    status: StatusCode,
    path: String,
    rule: Option<String>,
    hint: String,
}

impl Refusal {
    fn answer(&self, connection: &Inspected, method: &Method) -> Response<Body> {
        let reason = self.event.reason.as_deref().unwrap_or("not allowed");
        Denial {
            error: format!("refused by the sandbox's policy: {reason}"),
            sandbox: &connection.sandbox.name,
            host: &connection.host,
            method: method.as_str(),
            path: &self.path,
            rule: self.rule.clone(),
            hint: self.hint.clone(),
        }
        .answer(self.status)
    }
}

fn decide(connection: &Inspected, head: &http::request::Parts) -> Result<Allowed, Box<Refusal>> {
    let target = Target {
        host: &connection.host,
        port: connection.port,
        scheme: connection.scheme,
    };
    let policy = connection.sandbox.policy.snapshot();
    let raw = head.uri.path();
    let mut event = connection
        .sandbox
        .event("http", &connection.host, connection.port);
    event.generation = policy.generation;
    event.method = Some(short_path(head.method.as_str()));
    event.path = Some(short_path(raw));
    let asked = asked(head, target).map_err(|improper| malformed(event.clone(), raw, &improper))?;
    let path = match normalise_path(&asked.path) {
        Ok(path) => path,
        Err(fault) => {
            return Err(refusal(
                event,
                raw,
                fault.to_string(),
                None,
                "send a plain path".into(),
            ));
        }
    };
    event.path = Some(short_path(&path));
    let verdict = |method: &str| {
        policy.policy.decide(&Flow {
            host: &connection.host,
            port: connection.port,
            http: Some(HttpRequest {
                method,
                path: &path,
            }),
        })
    };
    let others = asked.other_methods.iter().map(|method| verdict(method));
    let refused = others
        .into_iter()
        .find(|verdict| matches!(verdict, Verdict::Deny { .. }));
    match refused.unwrap_or_else(|| verdict(head.method.as_str())) {
        Verdict::Allow { rule, audit_only } => {
            event.rule = Some(rule_text(&rule));
            if audit_only {
                event.verdict = "audit".into();
            }
            Ok(Allowed { asked, path, event })
        }
        Verdict::Deny { reason, rule, hint } => {
            Err(refusal(event, &path, reason, rule.as_ref(), hint))
        }
    }
}

fn malformed(event: Event, path: &str, improper: &Improper) -> Box<Refusal> {
    let hint = "send the request to the host that was looked up, in plain form".to_owned();
    let status = match improper {
        Improper::Length | Improper::HostForm | Improper::HostCount => StatusCode::BAD_REQUEST,
        _ => StatusCode::FORBIDDEN,
    };
    let mut refusal = refusal(event, path, improper.to_string(), None, hint);
    refusal.status = status;
    refusal
}

fn crowded(allowed: Allowed) -> Box<Refusal> {
    let reason = format!(
        "{} requests of this sandbox are under way already, or too many of all sandboxes",
        limits::REQUESTS_PER_BOX
    );
    let hint = "let some of them end first".to_owned();
    let mut refusal = refusal(allowed.event, &allowed.path, reason, None, hint);
    refusal.status = StatusCode::SERVICE_UNAVAILABLE;
    refusal
}

fn refusal(
    event: Event,
    path: &str,
    reason: String,
    rule: Option<&RuleRef>,
    hint: String,
) -> Box<Refusal> {
    Box::new(Refusal {
        event: denied(event, reason, rule),
        status: StatusCode::FORBIDDEN,
        path: path.to_owned(),
        rule: rule.map(|rule| rule.name.clone()),
        hint,
    })
}

/// Whether a later policy still lets this request pass.
#[must_use]
pub fn still_allowed(
    policy: &nemoclaw_policy::Policy,
    host: &str,
    port: u16,
    method: &str,
    path: &str,
) -> bool {
    let flow = Flow {
        host,
        port,
        http: Some(HttpRequest { method, path }),
    };
    matches!(policy.decide(&flow), Verdict::Allow { .. })
}
