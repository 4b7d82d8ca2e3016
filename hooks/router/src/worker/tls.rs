//! Opening TLS on an inspected connection, in the name of the host that was dialled and of no other.

use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::authority::AuthorityError;
use super::hello::{HelloError, UNRECOGNISED_NAME, agree};
use super::http::Dialect;
use super::sandbox::Sandbox;
use crate::limits;

/// Why TLS was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The hello is wrong.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// No certificate for the name.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The handshake failed; a client that does not trust the sandbox's CA ends here too.
    #[error("the TLS handshake failed (does the client trust the sandbox's CA?)")]
    Handshake(#[source] std::io::Error),
    /// It took longer than [`limits::HELLO_TIME`].
    #[error("the TLS handshake took longer than {} s", limits::HELLO_TIME.as_secs())]
    Slow,
}

/// Open TLS with the client.
///
/// # Errors
/// The hello names another host, or the handshake fails. The client has been told by an alert.
pub async fn open(
    sandbox: &Sandbox,
    client: TcpStream,
    host: &Arc<str>,
) -> Result<(TlsStream<TcpStream>, Dialect), OpenError> {
    timeout(limits::HELLO_TIME, handshake(sandbox, client, host))
        .await
        .map_err(|_| OpenError::Slow)?
}

async fn handshake(
    sandbox: &Sandbox,
    client: TcpStream,
    host: &Arc<str>,
) -> Result<(TlsStream<TcpStream>, Dialect), OpenError> {
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), client)
        .await
        .map_err(OpenError::Handshake)?;
    let said = start.client_hello().server_name().map(str::to_owned);
    if let Err(error) = agree(said.as_deref(), host) {
        // The connection ends either way; the alert only says why.
        let _ = start.io.write_all(&UNRECOGNISED_NAME).await;
        let _ = start.io.shutdown().await;
        return Err(error.into());
    }
    let config = sandbox.authority.config(host)?;
    let stream = start
        .into_stream(config)
        .await
        .map_err(OpenError::Handshake)?;
    let dialect = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Dialect::Two,
        _ => Dialect::One,
    };
    Ok((stream, dialect))
}
