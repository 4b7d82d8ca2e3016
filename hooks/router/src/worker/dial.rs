//! Dialling upstream: resolve, check, connect, and TLS with real verification of the name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::proxy::{Proxy, ProxyError};
use super::reach::Reach;
use super::resolve::{ResolveError, Resolver};
use crate::limits;

/// Why there is no upstream connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// No address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// It took longer than [`limits::CONNECT_TIME`].
    #[error("`{0}` did not answer within {seconds} s", seconds = limits::CONNECT_TIME.as_secs())]
    Slow(String),
    /// Refused or unreachable.
    #[error("cannot connect to `{host}`")]
    Connect {
        /// The name.
        host: String,
        /// Cause of the last address.
        source: std::io::Error,
    },
    /// The way leads through the node's proxy, which did not open it.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The server spoke before it was spoken to, which no HTTP or TLS server does.
    #[error("`{0}` spoke before it was asked")]
    Early(String),
    /// The server is not shown to be who it must be.
    #[error("the certificate of `{host}` does not hold: {why}")]
    Certificate {
        /// The name.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The handshake failed for another reason than the certificate.
    #[error("no TLS with `{host}`")]
    Tls {
        /// The name.
        host: String,
        /// Cause.
        source: std::io::Error,
    },
    /// Not a name that a certificate can have.
    #[error("`{host}` is no name for TLS")]
    Name {
        /// The name.
        host: String,
        /// Cause.
        source: InvalidDnsNameError,
    },
}

/// What the upstream may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2 or HTTP/1.1, as it likes.
    Any,
    /// HTTP/1.1 only: upgrades need it.
    Http1,
}

/// A connection to a host.
pub struct Dialled {
    /// The connection.
    pub stream: TcpStream,
    /// What the server has said already, read by whoever opened the way.
    pub early: Bytes,
}

/// The node's way out.
pub struct Dialer {
    /// Resolves names.
    pub resolver: Resolver,
    proxy: Option<Proxy>,
    any: TlsConnector,
    http1: TlsConnector,
}

impl Dialer {
    /// A way out that trusts `roots` and leads through `proxy` where there is one.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(
        resolver: Resolver,
        roots: RootCertStore,
        proxy: Option<Proxy>,
    ) -> Result<Dialer, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut any = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        any.resumption = Resumption::in_memory_sessions(limits::UPSTREAM_SESSIONS);
        let mut http1 = any.clone();
        any.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (any, http1) = (
            TlsConnector::from(Arc::new(any)),
            TlsConnector::from(Arc::new(http1)),
        );
        Ok(Dialer {
            resolver,
            proxy,
            any,
            http1,
        })
    }

    /// A connection to `host` for bytes of any kind, whoever speaks first.
    ///
    /// # Errors
    /// No address, none that answers, or too slow.
    pub async fn raw(&self, reach: Reach<'_>) -> Result<Dialled, DialError> {
        timeout(limits::CONNECT_TIME, self.connect(reach))
            .await
            .map_err(|_| DialError::Slow(reach.host.to_owned()))?
    }

    /// A connection to `host`, where the client speaks first.
    ///
    /// # Errors
    /// As [`Dialer::raw`].
    pub async fn tcp(&self, reach: Reach<'_>) -> Result<TcpStream, DialError> {
        quiet(self.raw(reach).await?, reach.host)
    }

    /// A TLS connection to `host`, its certificate checked.
    ///
    /// # Errors
    /// As [`Dialer::tcp`], or no TLS.
    pub async fn tls(
        &self,
        reach: Reach<'_>,
        alpn: Alpn,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        let host = reach.host;
        let connector = match alpn {
            Alpn::Any => &self.any,
            Alpn::Http1 => &self.http1,
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|source| DialError::Name {
            host: host.to_owned(),
            source,
        })?;
        let work = async {
            let stream = quiet(self.connect(reach).await?, host)?;
            connector
                .connect(name, stream)
                .await
                .map_err(|source| no_tls(host, source))
        };
        timeout(limits::CONNECT_TIME, work)
            .await
            .map_err(|_| DialError::Slow(host.to_owned()))?
    }

    async fn connect(&self, reach: Reach<'_>) -> Result<Dialled, DialError> {
        let Reach { host, port, .. } = reach;
        let Some(proxy) = self.way(reach) else {
            let addresses = self.resolver.addresses(reach).await?;
            return Ok(Dialled {
                stream: first(&addresses, host, port).await?,
                early: Bytes::new(),
            });
        };
        let (at, on) = proxy.place();
        let addresses = self
            .resolver
            .operators(at)
            .await
            .map_err(|_| ProxyError::Nowhere)?;
        let stream = first(&addresses, at, on)
            .await
            .map_err(|_| ProxyError::Nowhere)?;
        Ok(proxy.tunnel(stream, host, port).await?)
    }

    /// The proxy, if the way to `host` leads through it. What the operator gave an address is dialled there, and where
    /// the policy has a list of addresses no proxy chooses one.
    fn way(&self, reach: Reach<'_>) -> Option<&Proxy> {
        let proxy = self.proxy.as_ref()?;
        let direct = self.resolver.is_fixed(reach.host) || reach.is_particular();
        (!direct && proxy.covers(reach.host)).then_some(proxy)
    }
}

fn quiet(dialled: Dialled, host: &str) -> Result<TcpStream, DialError> {
    if dialled.early.is_empty() {
        return Ok(dialled.stream);
    }
    Err(DialError::Early(host.to_owned()))
}

/// The first address that answers.
async fn first(
    addresses: &[std::net::IpAddr],
    host: &str,
    port: u16,
) -> Result<TcpStream, DialError> {
    let patience = if addresses.len() > 1 {
        limits::ADDRESS_TIME
    } else {
        limits::CONNECT_TIME
    };
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in addresses {
        match one(SocketAddr::new(*address, port), patience).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(DialError::Connect {
        host: host.to_owned(),
        source: last,
    })
}

/// Why a handshake failed, with a certificate's fault told as such.
fn no_tls(host: &str, source: std::io::Error) -> DialError {
    let fault = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let host = host.to_owned();
    let Some(rustls::Error::InvalidCertificate(fault)) = fault else {
        return DialError::Tls { host, source };
    };
    let why = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "no authority that this node trusts has issued it".to_owned()
        }
        other => other.to_string(),
    };
    DialError::Certificate { host, why }
}

async fn one(address: SocketAddr, patience: Duration) -> std::io::Result<TcpStream> {
    let stream = timeout(patience, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The roots to trust: every certificate in `bundles` that can be read, and with `public` those in this binary.
///
/// # Errors
/// A bundle that is no PEM at all.
pub fn roots(
    bundles: &[String],
    public: bool,
) -> Result<RootCertStore, rustls::pki_types::pem::Error> {
    let mut store = RootCertStore::empty();
    if public {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for bundle in bundles {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(bundle.as_bytes()).collect::<Result<_, _>>()?;
        // A host's bundle may hold old certificates that are no valid roots; they are no use to anyone.
        let _ = store.add_parsable_certificates(certificates);
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::roots;

    #[test]
    fn the_public_roots_hold_only_where_the_host_has_none() {
        assert!(roots(&[], false).expect("roots").is_empty());
        assert!(!roots(&[], true).expect("roots").is_empty());
    }
}
