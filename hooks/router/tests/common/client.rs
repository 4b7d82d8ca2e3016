//! A TLS client inside a sandbox, for what curl cannot do.

use std::future::Future;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Sandbox;

/// A client's configuration that trusts the CAs in a file.
pub fn config_of(ca: &Path, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_file_iter(ca).expect("CA") {
        roots.add(der.expect("PEM")).expect("root");
    }
    config_of_roots(roots, alpn)
}

/// A client's configuration.
pub fn config_of_roots(roots: RootCertStore, alpn: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Open TLS to a virtual address in the name of `host`.
pub async fn open(
    config: &Arc<ClientConfig>,
    address: Ipv4Addr,
    host: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect((address, 443)).await?;
    let name = ServerName::try_from(host.to_owned()).expect("name");
    TlsConnector::from(config.clone())
        .connect(name, stream)
        .await
}

/// Run `work` inside the sandbox.
pub fn run<T: Send + 'static, F: Future<Output = T>>(
    sandbox: &Sandbox,
    work: impl FnOnce() -> F + Send + 'static,
) -> T {
    sandbox.netns.within(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime")
            .block_on(work())
    })
}
