//! The client's first bytes on a passed-through connection: if it speaks TLS, it must name the host it dialled.
//!
//! rustls reads the hello; nothing is parsed here. The bytes are kept and sent on unchanged.

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::limits;

/// The first byte of a TLS handshake record.
pub const HANDSHAKE: u8 = 0x16;
/// A fatal alert `unrecognized_name` (RFC 8446 §6.2), as a whole record.
pub const UNRECOGNISED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// TLS with the right name.
    Tls,
    /// Something else.
    Other,
    /// Nothing: it closed.
    Silence,
}

/// Why the hello is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelloError {
    /// No SNI.
    #[error("the TLS hello names no server")]
    NoName,
    /// Another SNI.
    #[error("the TLS hello names `{said}`, but the connection is to `{dialled}`")]
    OtherName {
        /// The SNI.
        said: String,
        /// The name behind the address.
        dialled: String,
    },
    /// Not a hello that rustls understands.
    #[error("the TLS hello cannot be read")]
    Unreadable(#[source] rustls::Error),
    /// Longer than [`limits::HELLO_BYTES`].
    #[error("the TLS hello is longer than {} bytes", limits::HELLO_BYTES)]
    TooLong,
    /// The connection failed.
    #[error("the client's connection failed")]
    Socket(#[from] std::io::Error),
}

/// Whether a hello's SNI is the name that was dialled.
///
/// # Errors
/// It is absent or another.
pub fn agree(said: Option<&str>, dialled: &str) -> Result<(), HelloError> {
    match said {
        None => Err(HelloError::NoName),
        Some(said) if said.trim_end_matches('.').eq_ignore_ascii_case(dialled) => Ok(()),
        Some(said) => Err(HelloError::OtherName {
            said: said.to_owned(),
            dialled: dialled.to_owned(),
        }),
    }
}

/// A connection's first bytes as they come in.
#[derive(Default)]
pub struct Opening {
    /// Everything read so far; goes upstream first.
    pub bytes: Vec<u8>,
    acceptor: Acceptor,
    fed: usize,
}

impl Opening {
    /// Read until it is known what the client speaks. May be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// It speaks TLS, but not with this name.
    pub async fn vet(
        &mut self,
        client: &mut (impl AsyncRead + Unpin),
        name: &str,
    ) -> Result<Speech, HelloError> {
        loop {
            match self.bytes.first() {
                None => {}
                Some(&HANDSHAKE) => {
                    if self.hello(name)? {
                        return Ok(Speech::Tls);
                    }
                    if self.bytes.len() > limits::HELLO_BYTES {
                        return Err(HelloError::TooLong);
                    }
                }
                Some(_) => return Ok(Speech::Other),
            }
            if client.read_buf(&mut self.bytes).await? == 0 {
                return Ok(Speech::Silence);
            }
        }
    }

    /// Whether the hello is whole, and right.
    fn hello(&mut self, name: &str) -> Result<bool, HelloError> {
        while self.fed < self.bytes.len() {
            let mut rest = &self.bytes[self.fed..];
            match self.acceptor.read_tls(&mut rest)? {
                0 => break,
                taken => self.fed += taken,
            }
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    return agree(accepted.client_hello().server_name(), name).map(|()| true);
                }
                Err((error, _)) => return Err(HelloError::Unreadable(error)),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn hello(name: &str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = name.to_owned().try_into().expect("name");
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("client");
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("hello");
        bytes
    }

    fn vet(chunks: &[&[u8]]) -> (Result<Speech, HelloError>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("runtime");
        runtime.block_on(async {
            let (mut near, mut far) = tokio::io::duplex(64 * 1024);
            let chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
            let writer = tokio::spawn(async move {
                for chunk in chunks {
                    tokio::io::AsyncWriteExt::write_all(&mut far, &chunk)
                        .await
                        .expect("write");
                    tokio::task::yield_now().await;
                }
            });
            let mut opening = Opening::default();
            let result = opening.vet(&mut near, "example.com").await;
            writer.await.expect("writer");
            (result, opening.bytes)
        })
    }

    #[test]
    fn the_right_name_passes_in_one_piece_or_byte_by_byte() {
        let bytes = hello("example.com");
        let (whole, kept) = vet(&[&bytes]);
        assert_eq!(whole.expect("passes"), Speech::Tls);
        assert_eq!(kept, bytes);
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(vet(&pieces).0.expect("passes"), Speech::Tls);
    }

    #[test]
    fn another_name_or_none_is_refused() {
        assert!(matches!(
            vet(&[&hello("evil.example")]).0,
            Err(HelloError::OtherName { .. })
        ));
        assert!(matches!(
            vet(&[&hello("203.0.113.9")]).0,
            Err(HelloError::NoName)
        ));
    }

    #[test]
    fn rubbish_behind_a_handshake_byte_is_refused() {
        let rubbish = [&[HANDSHAKE, 3, 1, 0, 8][..], &[9; 64][..]].concat();
        assert!(matches!(vet(&[&rubbish]).0, Err(HelloError::Unreadable(_))));
    }

    #[test]
    fn other_speech_and_silence_are_told_apart() {
        assert_eq!(vet(&[b"SSH-2.0-x\r\n"]).0.expect("other"), Speech::Other);
        assert_eq!(vet(&[]).0.expect("silence"), Speech::Silence);
    }
}
