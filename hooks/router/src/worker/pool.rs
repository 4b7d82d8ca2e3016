//! Upstream HTTP connections, pooled per sandbox, host and port: no sandbox ever uses another's.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::body::Body;
use super::dial::{Alpn, DialError};
use super::policy::InForce;
use super::reach::Reach;
use super::sandbox::Node;
use super::tasks::Tasks;
use crate::limits;

/// A sandbox's upstream connections.
pub struct Pool {
    any: Client<Connector, Body>,
    http1: Client<Connector, Body>,
}

impl Pool {
    /// An empty pool whose connections live in `tasks`.
    #[must_use]
    pub fn new(node: &Arc<Node>, policy: &Arc<InForce>, tasks: &Tasks) -> Pool {
        let client = |alpn| {
            Client::builder(tasks.clone())
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .pool_idle_timeout(limits::POOL_TIME)
                .pool_max_idle_per_host(limits::POOL_IDLE)
                .build(Connector {
                    node: node.clone(),
                    policy: policy.clone(),
                    alpn,
                })
        };
        Pool {
            any: client(Alpn::Any),
            http1: client(Alpn::Http1),
        }
    }

    /// Send a request whose URI is absolute.
    ///
    /// # Errors
    /// No connection, or a broken one.
    pub async fn send(
        &self,
        request: Request<Body>,
        alpn: Alpn,
    ) -> Result<Response<Incoming>, ClientError> {
        match alpn {
            Alpn::Any => self.any.request(request).await,
            Alpn::Http1 => self.http1.request(request).await,
        }
    }
}

/// Why dialling failed, where that is why a request failed.
#[must_use]
pub fn dial_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e DialError> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<DialError>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

#[derive(Clone)]
struct Connector {
    node: Arc<Node>,
    policy: Arc<InForce>,
    alpn: Alpn,
}

impl Service<Uri> for Connector {
    type Response = Upstream;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Upstream, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Connector { node, policy, alpn } = self.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
            let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
            let policy = policy.snapshot();
            let reach = Reach::new(&policy.policy, host, port);
            if secure {
                let stream = node.dialer.tls(reach, alpn).await?;
                Ok(Upstream::Tls(Box::new(TokioIo::new(stream))))
            } else {
                Ok(Upstream::Plain(TokioIo::new(node.dialer.tcp(reach).await?)))
            }
        })
    }
}

/// A connection to an upstream.
pub enum Upstream {
    /// Without TLS.
    Plain(TokioIo<TcpStream>),
    /// With TLS.
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Upstream {
    fn connected(&self) -> Connected {
        match self {
            Upstream::Tls(stream) if stream.inner().get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl Read for Upstream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Upstream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Upstream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl Write for Upstream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Upstream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Upstream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Upstream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Upstream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Upstream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Upstream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
