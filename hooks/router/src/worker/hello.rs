//! The client's first bytes on a passed-through connection: if it speaks TLS, it must name the host it dialled.
//!
//! rustls reads the hello, and `tls-parser` lists the extensions that rustls keeps to itself; nothing is parsed here. The
//! bytes are kept and sent on unchanged.

use rustls::server::Acceptor;
use tls_parser::{
    TlsExtension, TlsExtensionType, TlsMessage, TlsMessageHandshake, TlsRecordType,
    parse_tls_client_hello_extensions, parse_tls_plaintext, parse_tls_record_header,
};
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
    /// It hides another name (RFC 9849); GREASE looks the same and is refused too.
    #[error("the TLS hello is encrypted (ECH), so the name in it cannot be checked")]
    Encrypted,
    /// Its extensions cannot be listed, as when it comes in several records.
    #[error("the extensions of the TLS hello cannot be listed")]
    Opaque,
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
        // An address has no name that a hello could say.
        None if dialled.parse::<std::net::IpAddr>().is_ok() => Ok(()),
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
                    agree(accepted.client_hello().server_name(), name)?;
                    return unencrypted(&self.bytes).map(|()| true);
                }
                Err((error, _)) => return Err(HelloError::Unreadable(error)),
            }
        }
        Ok(false)
    }
}

/// The bytes of a record before its content.
const RECORD_HEADER: usize = 5;
/// The first byte of a hello within its record.
const CLIENT_HELLO: u8 = 1;

/// What comes next in a client's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// This many bytes may be sent on; then more must come.
    Pass(usize),
    /// The same, and then there is another hello, as after HelloRetryRequest.
    Hello(usize),
    /// No hello can come any more in the clear.
    Done,
}

/// Follows a client's records, since servers go by the name in the last hello, not in the first.
pub struct Records {
    left: usize,
}

impl Records {
    /// At the hello that was vetted: it is the first record, whole.
    pub fn new(first: &[u8]) -> Result<Records, HelloError> {
        let left = RECORD_HEADER + header(first)?.1;
        Ok(Records { left })
    }

    /// Look at what came.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Next, HelloError> {
        let mut at = 0;
        loop {
            let taken = self.left.min(bytes.len() - at);
            at += taken;
            self.left -= taken;
            let rest = &bytes[at..];
            let Some(begin) = rest.get(RECORD_HEADER) else {
                return Ok(Next::Pass(at));
            };
            match header(rest)? {
                (TlsRecordType::Handshake, 0) => return Err(HelloError::Opaque),
                (TlsRecordType::Handshake, _) if *begin == CLIENT_HELLO => {
                    return Ok(Next::Hello(at));
                }
                (TlsRecordType::Handshake, _) => return Ok(Next::Done),
                (_, length) => self.left = RECORD_HEADER + length,
            }
        }
    }
}

fn header(bytes: &[u8]) -> Result<(TlsRecordType, usize), HelloError> {
    let (_, header) = parse_tls_record_header(bytes).map_err(|_| HelloError::Opaque)?;
    Ok((header.record_type, usize::from(header.len)))
}

/// The extension `encrypted_client_hello`.
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// Whether a hello that rustls understood hides nothing.
fn unencrypted(bytes: &[u8]) -> Result<(), HelloError> {
    let (_, record) = parse_tls_plaintext(bytes).map_err(|_| HelloError::Opaque)?;
    let Some(TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello))) = record.msg.first()
    else {
        return Err(HelloError::Opaque);
    };
    let (rest, extensions) = parse_tls_client_hello_extensions(hello.ext.unwrap_or_default())
        .map_err(|_| HelloError::Opaque)?;
    if !rest.is_empty() {
        return Err(HelloError::Opaque);
    }
    let hides = |extension: &TlsExtension<'_>| {
        let kind = u16::from(TlsExtensionType::from(extension));
        kind == ENCRYPTED_CLIENT_HELLO
            || matches!(extension, TlsExtension::EncryptedServerName { .. })
    };
    if extensions.iter().any(hides) {
        Err(HelloError::Encrypted)
    } else {
        Ok(())
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

    /// The same hello with one more extension, its lengths set right.
    fn with_extension(mut bytes: Vec<u8>, kind: u16, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("length").to_be_bytes();
        let extension = [&kind.to_be_bytes()[..], &length, content].concat();
        let two =
            |bytes: &[u8], at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let session = 5 + 4 + 2 + 32;
        let ciphers = session + 1 + usize::from(bytes[session]);
        let compressions = ciphers + 2 + two(&bytes, ciphers);
        let extensions = compressions + 1 + usize::from(bytes[compressions]);
        for at in [3, 7, extensions] {
            let longer = u16::try_from(two(&bytes, at) + extension.len()).expect("length");
            bytes[at..at + 2].copy_from_slice(&longer.to_be_bytes());
        }
        bytes.extend(extension);
        bytes
    }

    /// An outer ECH extension: suite, configuration, key and payload.
    const OUTER: &[u8] = &[0, 0, 1, 0, 1, 7, 0, 1, 9, 0, 1, 9];

    #[test]
    fn an_encrypted_hello_is_refused_and_an_unknown_extension_is_not() {
        let other = with_extension(hello("example.com"), 0x1a1a, &[0]);
        assert_eq!(vet(&[&other]).0.expect("passes"), Speech::Tls);
        let hidden = with_extension(hello("example.com"), ENCRYPTED_CLIENT_HELLO, OUTER);
        assert!(matches!(vet(&[&hidden]).0, Err(HelloError::Encrypted)));
    }

    #[test]
    fn a_second_hello_is_found_wherever_it_is_cut_and_encrypted_records_are_passed_over() {
        let first = hello("example.com");
        let changed = [20, 3, 3, 0, 1, 1];
        let early = [23, 3, 3, 0, 3, 1, 1, 1];
        let all = [&first[..], &changed, &early, &hello("evil.example")].concat();
        let place = first.len() + changed.len() + early.len();
        for cut in 0..all.len() {
            let mut records = Records::new(&first).expect("records");
            let (mut passed, mut held) = (0, Vec::new());
            let mut found = None;
            for part in [&all[..cut], &all[cut..]] {
                held.extend_from_slice(part);
                match records.next(&held).expect("next") {
                    Next::Pass(count) => passed += held.drain(..count).len(),
                    Next::Hello(count) => found = Some(passed + count),
                    Next::Done => panic!("cut at {cut}"),
                }
                if found.is_some() {
                    break;
                }
            }
            assert_eq!(found, Some(place), "cut at {cut}");
        }
        let exchange = [&first[..], &[22, 3, 3, 0, 1, 16]].concat();
        let mut records = Records::new(&first).expect("records");
        assert_eq!(records.next(&exchange).expect("next"), Next::Done);
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
