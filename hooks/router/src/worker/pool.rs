//! Upstream HTTP connections, kept per sandbox, host and port: no sandbox ever uses another's.
//!
//! hyper speaks on them. Which one takes a request is a look into a list, and the one that answered comes back to the list
//! when the answer's body ends.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Body;
use super::dial::{Alpn, DialError};
use super::policy::InForce;
use super::reach::Reach;
use super::request::Scheme;
use super::sandbox::Node;
use super::tasks::Tasks;
use crate::limits;

/// Where requests of a connection go.
#[derive(Debug, Clone)]
pub struct Origin {
    key: Key,
    authority: Authority,
    host: HeaderValue,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    host: Arc<str>,
    port: u16,
    secure: bool,
}

impl Origin {
    /// `host:port`, with or without TLS.
    ///
    /// # Errors
    /// No request can name such a host.
    pub fn new(host: &Arc<str>, port: u16, scheme: Scheme) -> Result<Origin, http::Error> {
        let bare = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_string()
        };
        let authority = Authority::try_from(format!("{bare}:{port}"))?;
        let named = if port == scheme.port() {
            bare.as_str()
        } else {
            authority.as_str()
        };
        Ok(Origin {
            host: HeaderValue::from_str(named)?,
            key: Key {
                host: host.clone(),
                port,
                secure: scheme == Scheme::Https,
            },
            authority,
        })
    }

    /// The request in the form of HTTP/1.1: a path, and a field for the host.
    fn as_one(&self, mut request: Request<Body>) -> Request<Body> {
        *request.version_mut() = Version::HTTP_11;
        request
            .headers_mut()
            .insert(header::HOST, self.host.clone());
        request
    }

    /// The request in the form of HTTP/2: a whole URI.
    fn as_two(&self, mut request: Request<Body>) -> Request<Body> {
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().remove(header::HOST);
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(if self.key.secure {
            http::uri::Scheme::HTTPS
        } else {
            http::uri::Scheme::HTTP
        });
        parts.authority = Some(self.authority.clone());
        parts
            .path_and_query
            .get_or_insert(PathAndQuery::from_static("/"));
        // All three parts are there, which is what a URI wants.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        request
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It broke, or does not speak HTTP.
    #[error("the upstream gave no answer")]
    Exchange(#[from] hyper::Error),
}

impl SendError {
    /// Why dialling failed, where that is why.
    #[must_use]
    pub fn dial(&self) -> Option<&DialError> {
        match self {
            SendError::Dial(error) => Some(error),
            SendError::Exchange(_) => None,
        }
    }
}

/// Who says where its hosts may lie.
#[derive(Clone)]
pub enum Rule {
    /// The sandbox's policy.
    Policy(Arc<InForce>),
    /// The operator's provider entries; whether they are his own machines.
    Operator {
        /// As [`nemoclaw_policy::provider::Serving::local`].
        local: bool,
    },
}

/// A sandbox's upstream connections.
pub struct Pool(Arc<Shared>);

struct Shared {
    node: Arc<Node>,
    rule: Rule,
    tasks: Tasks,
    hosts: Mutex<HashMap<Key, Kept>>,
}

/// Connections to one host: those of HTTP/1.1 that are idle, and the one of HTTP/2, which all share.
#[derive(Default)]
struct Kept {
    one: Vec<One>,
    two: Option<Two>,
}

struct One {
    sender: http1::SendRequest<Body>,
    usage: Arc<Usage>,
}

#[derive(Clone)]
struct Two {
    sender: http2::SendRequest<Body>,
    usage: Arc<Usage>,
}

enum Way {
    One(One),
    Two(Two),
}

/// What a connection's own task must know to end it when nobody needs it any more.
#[derive(Default)]
struct Usage {
    requests: AtomicUsize,
    lately: AtomicBool,
}

/// A request on a connection.
struct InUse(Arc<Usage>);

/// A connection as long as an answer comes on it; dropped, it is free for another request.
pub struct Lease {
    way: Option<Way>,
    key: Key,
    pool: Arc<Shared>,
    _usage: InUse,
}

/// What came, and the connection that it comes on.
pub type Answered = (Response<Incoming>, Lease);

impl Pool {
    /// An empty pool whose connections live in `tasks`.
    #[must_use]
    pub fn new(node: &Arc<Node>, rule: Rule, tasks: &Tasks) -> Pool {
        Pool(Arc::new(Shared {
            node: node.clone(),
            rule,
            tasks: tasks.clone(),
            hosts: Mutex::default(),
        }))
    }

    /// Send a request whose URI is a path to `origin`.
    ///
    /// # Errors
    /// No connection, or a broken one.
    pub async fn send(
        &self,
        origin: &Origin,
        mut request: Request<Body>,
        alpn: Alpn,
    ) -> Result<Answered, SendError> {
        while let Some(way) = self.0.take(&origin.key, alpn) {
            match self.exchange(origin, way, request).await {
                Ok(answered) => return Ok(answered),
                // The server had closed a connection that was kept; nothing was sent on it.
                Err(mut error) => match error.take_message() {
                    Some(back) => request = back,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let way = self.0.open(origin, alpn).await?;
        let answered = self.exchange(origin, way, request).await;
        answered.map_err(|error| error.into_error().into())
    }

    async fn exchange(
        &self,
        origin: &Origin,
        mut way: Way,
        request: Request<Body>,
    ) -> Result<Answered, TrySendError<Request<Body>>> {
        let usage = InUse::new(&way);
        let response = match &mut way {
            Way::One(one) => {
                let request = origin.as_one(request);
                one.sender.try_send_request(request).await?
            }
            Way::Two(two) => {
                let request = origin.as_two(request);
                two.sender.try_send_request(request).await?
            }
        };
        let lease = Lease {
            way: Some(way),
            key: origin.key.clone(),
            pool: self.0.clone(),
            _usage: usage,
        };
        Ok((response, lease))
    }
}

impl Shared {
    fn hosts(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that can take a request now.
    fn take(&self, key: &Key, alpn: Alpn) -> Option<Way> {
        let mut hosts = self.hosts();
        let kept = hosts.get_mut(key)?;
        kept.two.take_if(|two| !two.sender.is_ready());
        if alpn == Alpn::Any
            && let Some(two) = &kept.two
        {
            return Some(Way::Two(two.clone()));
        }
        // The one that came last is the one that a server keeps longest.
        while let Some(one) = kept.one.pop() {
            if one.sender.is_ready() {
                return Some(Way::One(one));
            }
        }
        None
    }

    fn keep(&self, key: &Key, one: One) {
        if !one.sender.is_ready() {
            return;
        }
        let mut hosts = self.hosts();
        let list = match hosts.get_mut(key) {
            Some(kept) => &mut kept.one,
            None => &mut hosts.entry(key.clone()).or_default().one,
        };
        if list.len() >= limits::POOL_IDLE {
            list.retain(|kept| kept.sender.is_ready());
        }
        if list.len() < limits::POOL_IDLE {
            list.push(one);
        }
    }

    async fn open(&self, origin: &Origin, alpn: Alpn) -> Result<Way, SendError> {
        let key = &origin.key;
        let policy;
        let reach = match &self.rule {
            Rule::Policy(in_force) => {
                policy = in_force.snapshot();
                Reach::new(&policy.policy, &key.host, key.port)
            }
            Rule::Operator { local } => Reach::of_operator(*local, &key.host, key.port),
        };
        if !key.secure {
            return self.one(self.node.dialer.tcp(reach).await?).await;
        }
        let stream = self.node.dialer.tls(reach, alpn).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.two(key, stream).await
        } else {
            self.one(stream).await
        }
    }

    async fn one(&self, stream: impl Stream) -> Result<Way, SendError> {
        let io = TokioIo::new(stream);
        let (sender, connection) = http1::Builder::new().handshake(io).await?;
        let usage = Arc::<Usage>::default();
        let work = serve(connection.with_upgrades(), usage.clone());
        self.tasks.spawn(work);
        Ok(Way::One(One { sender, usage }))
    }

    async fn two(&self, key: &Key, stream: impl Stream) -> Result<Way, SendError> {
        let mut builder = http2::Builder::new(self.tasks.clone());
        builder.timer(TokioTimer::new());
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let usage = Arc::<Usage>::default();
        self.tasks.spawn(serve(connection, usage.clone()));
        let mut hosts = self.hosts();
        let kept = hosts.entry(key.clone()).or_default();
        kept.two.take_if(|two| !two.sender.is_ready());
        // Of those that were dialled at once, one is enough.
        let two = kept.two.get_or_insert(Two { sender, usage });
        Ok(Way::Two(two.clone()))
    }
}

/// What HTTP is spoken on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// Serve a connection until it ends, or was of no use for a while.
async fn serve(connection: impl Future<Output = hyper::Result<()>>, usage: Arc<Usage>) {
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            biased;
            // Whoever waits for an answer on it hears how it ended.
            _ = connection.as_mut() => return,
            () = tokio::time::sleep(limits::POOL_TIME / 2) => {
                let lately = usage.lately.swap(false, Ordering::Relaxed);
                if !lately && usage.requests.load(Ordering::Relaxed) == 0 {
                    return;
                }
            }
        }
    }
}

impl InUse {
    fn new(way: &Way) -> InUse {
        let usage = match way {
            Way::One(one) => &one.usage,
            Way::Two(two) => &two.usage,
        };
        usage.requests.fetch_add(1, Ordering::Relaxed);
        usage.lately.store(true, Ordering::Relaxed);
        InUse(usage.clone())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Way::One(one)) = self.way.take() {
            self.pool.keep(&self.key, one);
        }
    }
}
