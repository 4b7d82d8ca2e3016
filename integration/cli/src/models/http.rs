//! One GET to a model server. Names are looked up by the host, certificates held against what the router trusts, nothing
//! is followed, and an answer has a length and a time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use nemoclaw_policy::node::RouterConfig;
use nemoclaw_policy::provider::BaseUrl;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The longest answer: a list of some thousand models.
const LONGEST: usize = 4 << 20;
/// Where distributions keep the host's trusted certificates; the first that exists is used.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why there is no answer. None of them holds what was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// No address.
    #[error("the name `{0}` has no address")]
    Name(String),
    /// Nobody takes the connection.
    #[error("nothing takes connections at {place}")]
    Connect {
        /// Host and port.
        place: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// No TLS, or not with whom it should be.
    #[error("there is no trusted TLS with `{host}`")]
    Tls {
        /// The host.
        host: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A file of certificates cannot be used.
    #[error("the certificates in `{}` cannot be used", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The TLS library cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
    /// The request cannot be written.
    #[error("the request has no form in HTTP")]
    Request(#[source] hyper::http::Error),
    /// No HTTP, or it broke off.
    #[error("the answer is no HTTP, or broke off")]
    Http(#[source] hyper::Error),
    /// A body too long, or broken off.
    #[error("the answer's body broke off, or is longer than {LONGEST} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too slow.
    #[error("there was no answer within {0:?}")]
    Slow(Duration),
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
    /// From the first packet to the last.
    pub time: Duration,
}

/// How servers are asked.
#[derive(Clone)]
pub struct Client {
    router: Arc<RouterConfig>,
    patience: Duration,
}

impl Client {
    /// One that waits so long for each answer.
    pub fn new(router: &RouterConfig, patience: Duration) -> Client {
        Client {
            router: Arc::new(router.clone()),
            patience,
        }
    }

    /// Ask for `path` with these fields.
    ///
    /// # Errors
    /// There is no answer in time.
    pub async fn get(
        &self,
        base: &BaseUrl,
        path: &str,
        fields: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, GetError> {
        timeout(self.patience, self.ask(base, path, fields))
            .await
            .map_err(|_| GetError::Slow(self.patience))?
    }

    async fn ask(
        &self,
        base: &BaseUrl,
        path: &str,
        fields: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, GetError> {
        let begun = Instant::now();
        let mut request = Request::get(path).header(HOST, authority(base));
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(GetError::Request)?;
        let stream = connect(&self.addresses(base).await?, base).await?;
        let (status, body) = if base.tls {
            let tls = TlsConnector::from(Arc::new(self.tls()?));
            let failed = |source| GetError::Tls {
                host: base.host.clone(),
                source,
            };
            let name = ServerName::try_from(base.host.clone())
                .map_err(|error| failed(io::Error::other(error)))?;
            exchange(tls.connect(name, stream).await.map_err(failed)?, request).await?
        } else {
            exchange(stream, request).await?
        };
        Ok(Answer {
            status,
            body,
            time: begun.elapsed(),
        })
    }

    /// The node's fixed addresses before any resolver, as the router has it. `localhost` is never looked up.
    async fn addresses(&self, base: &BaseUrl) -> Result<Vec<SocketAddr>, GetError> {
        let at = |ips: &[IpAddr]| {
            ips.iter()
                .map(|ip| SocketAddr::new(*ip, base.port))
                .collect()
        };
        if let Ok(ip) = base.host.parse::<IpAddr>() {
            return Ok(at(&[ip]));
        }
        if base.host == "localhost" {
            return Ok(at(&[
                Ipv4Addr::LOCALHOST.into(),
                Ipv6Addr::LOCALHOST.into(),
            ]));
        }
        if let Some(known) = self.router.hosts.get(&base.host) {
            return Ok(at(known));
        }
        let none = || GetError::Name(base.host.clone());
        let found = tokio::net::lookup_host((base.host.as_str(), base.port))
            .await
            .map_err(|_| none())?;
        let found: Vec<SocketAddr> = found.collect();
        if found.is_empty() {
            Err(none())
        } else {
            Ok(found)
        }
    }

    fn tls(&self) -> Result<ClientConfig, GetError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(GetError::Setup)?
            .with_root_certificates(self.roots()?)
            .with_no_client_auth())
    }

    /// What the router trusts: the host's bundle, else the public roots in the binary, and the node's own.
    fn roots(&self) -> Result<RootCertStore, GetError> {
        let mut store = RootCertStore::empty();
        match BUNDLES.iter().map(Path::new).find(|path| path.exists()) {
            Some(path) => add(&mut store, path)?,
            None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        for path in &self.router.extra_ca {
            add(&mut store, path)?;
        }
        Ok(store)
    }
}

fn add(store: &mut RootCertStore, path: &Path) -> Result<(), GetError> {
    let failed = |source| GetError::Certificates {
        path: path.to_owned(),
        source,
    };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    // A host's bundle may hold old certificates that are no valid roots; they are no use to anyone.
    let _ = store.add_parsable_certificates(certificates);
    Ok(())
}

/// Host and port as they stand in an address.
pub fn authority(base: &BaseUrl) -> String {
    if base.host.contains(':') {
        format!("[{}]:{}", base.host, base.port)
    } else {
        format!("{}:{}", base.host, base.port)
    }
}

async fn connect(addresses: &[SocketAddr], base: &BaseUrl) -> Result<TcpStream, GetError> {
    TcpStream::connect(addresses)
        .await
        .map_err(|source| GetError::Connect {
            place: authority(base),
            source,
        })
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), GetError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(GetError::Http)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(GetError::Http)?;
        let status = answer.status();
        // What a refusal says is not read, so it may break off.
        if !status.is_success() {
            return Ok((status, Bytes::new()));
        }
        let body = Limited::new(answer.into_body(), LONGEST)
            .collect()
            .await
            .map_err(GetError::Body)?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(exchange);
    tokio::pin!(connection);
    tokio::select! {
        answer = &mut exchange => answer,
        // It may end before its last bytes are read.
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(GetError::Http(error)),
        },
    }
}
