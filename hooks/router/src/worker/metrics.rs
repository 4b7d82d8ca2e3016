//! The port for metrics: the warden's page, for this machine. The warden reads no network byte, so it is served here.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::body::{Body, whole};
use super::sandbox::Node;
use crate::limits;
use crate::link::FromWorker;

/// Clients at once; more wait in the backlog.
const CLIENTS: usize = 8;
/// How long a client may take for a request, and the warden for the page.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a page is good.
const FRESH: Duration = Duration::from_millis(500);
/// The format.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The latest page, and when it was asked for.
pub struct Board {
    page: watch::Sender<Option<Arc<str>>>,
    asked: Mutex<Option<Instant>>,
}

impl Default for Board {
    fn default() -> Board {
        Board {
            page: watch::Sender::new(None),
            asked: Mutex::default(),
        }
    }
}

impl Board {
    /// The warden's answer.
    pub fn put(&self, page: String) {
        self.page.send_replace(Some(page.into()));
    }

    /// A page that is fresh; `None` when the warden gives none.
    async fn page(&self, node: &Node) -> Option<Arc<str>> {
        // One asks, the others wait for the same page.
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() > FRESH) {
            let mut page = self.page.subscribe();
            page.borrow_and_update();
            node.sink.send(FromWorker::MetricsAsked);
            timeout(PATIENCE, page.changed()).await.ok()?.ok()?;
            *asked = Some(Instant::now());
        }
        self.page.borrow().clone()
    }
}

/// Serve the port until the router drains.
pub async fn serve(node: Arc<Node>, port: OwnedFd) {
    let listener = std::net::TcpListener::from(port);
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => return super::log(&format!("the port for metrics is not served: {error}")),
    };
    let room = Arc::new(Semaphore::new(CLIENTS));
    let mut draining = node.draining.subscribe();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|draining| *draining) => return,
        };
        let Ok((client, _)) = accepted else {
            tokio::time::sleep(limits::RESTART_PAUSE).await;
            continue;
        };
        let node = node.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(node.clone(), request));
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_headers(limits::HEADER_FIELDS)
                .max_buf_size(limits::HEADER_BYTES)
                .keep_alive(false)
                .serve_connection(TokioIo::new(client), service);
            // What a client does wrong concerns the client alone.
            let _ = timeout(PATIENCE * 2, served).await;
            drop(permit);
        });
    }
}

async fn answer(
    node: Arc<Node>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let (status, text) = if !local(&request) {
        (StatusCode::FORBIDDEN, "only this machine may ask".into())
    } else if request.uri().path() != "/metrics" {
        (StatusCode::NOT_FOUND, "the metrics are at /metrics".into())
    } else if request.method() != Method::GET {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            "the metrics can be got".into(),
        )
    } else {
        match node.board.page(&node).await {
            Some(page) => (StatusCode::OK, page),
            None => (StatusCode::SERVICE_UNAVAILABLE, "no metrics now".into()),
        }
    };
    let mut response = Response::new(whole(text.as_bytes().to_vec()));
    *response.status_mut() = status;
    let format = if status == StatusCode::OK {
        FORMAT
    } else {
        "text/plain"
    };
    let format = header::HeaderValue::from_static(format);
    response.headers_mut().insert(header::CONTENT_TYPE, format);
    Ok(response)
}

/// Whether the request names this machine: a page of somebody else's, open in a browser here, would name another host
/// that leads here.
fn local(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()?.parse::<http::uri::Authority>().ok());
    host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        let address = name.parse::<std::net::IpAddr>();
        name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    })
}
