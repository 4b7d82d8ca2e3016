//! Dialling upstream: resolve, check, connect, and TLS with real verification of the name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

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
    /// The handshake failed: a certificate that does not hold, or no TLS.
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

/// The node's way out.
pub struct Dialer {
    /// Resolves names.
    pub resolver: Resolver,
    any: TlsConnector,
    http1: TlsConnector,
}

impl Dialer {
    /// A way out that trusts `roots`.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(resolver: Resolver, roots: RootCertStore) -> Result<Dialer, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut any = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http1 = any.clone();
        any.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (any, http1) = (
            TlsConnector::from(Arc::new(any)),
            TlsConnector::from(Arc::new(http1)),
        );
        Ok(Dialer {
            resolver,
            any,
            http1,
        })
    }

    /// A TCP connection to `host`.
    ///
    /// # Errors
    /// No address, none that answers, or too slow.
    pub async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let slow = || DialError::Slow(host.to_owned());
        timeout(limits::CONNECT_TIME, self.connect(host, port))
            .await
            .map_err(|_| slow())?
    }

    /// A TLS connection to `host`, its certificate checked.
    ///
    /// # Errors
    /// As [`Dialer::tcp`], or no TLS.
    pub async fn tls(
        &self,
        host: &str,
        port: u16,
        alpn: Alpn,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        let connector = match alpn {
            Alpn::Any => &self.any,
            Alpn::Http1 => &self.http1,
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|source| DialError::Name {
            host: host.to_owned(),
            source,
        })?;
        let work = async {
            let stream = self.connect(host, port).await?;
            connector
                .connect(name, stream)
                .await
                .map_err(|source| DialError::Tls {
                    host: host.to_owned(),
                    source,
                })
        };
        timeout(limits::CONNECT_TIME, work)
            .await
            .map_err(|_| DialError::Slow(host.to_owned()))?
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = self.resolver.addresses(host).await?;
        let patience = if addresses.len() > 1 {
            limits::ADDRESS_TIME
        } else {
            limits::CONNECT_TIME
        };
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for address in addresses.iter() {
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
}

async fn one(address: SocketAddr, patience: Duration) -> std::io::Result<TcpStream> {
    let stream = timeout(patience, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The roots to trust: the public ones, and every certificate in `bundles` that can be read.
///
/// # Errors
/// A bundle that is no PEM at all.
pub fn roots(bundles: &[String]) -> Result<RootCertStore, rustls::pki_types::pem::Error> {
    let mut store = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for bundle in bundles {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(bundle.as_bytes()).collect::<Result<_, _>>()?;
        // A host's bundle may hold old certificates that are no valid roots; they are no use to anyone.
        let _ = store.add_parsable_certificates(certificates);
    }
    Ok(store)
}
