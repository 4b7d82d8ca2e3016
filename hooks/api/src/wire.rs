//! How a message lies on the socket: a 32-bit little-endian length, then that many bytes of JSON; descriptors ride on
//! the length. Hook, command line and router share this file, so both ends agree by construction.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{self, ControlMessage, MsgFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{MAX_MESSAGE, sys};

/// Bytes before the JSON.
pub const HEADER: usize = 4;
/// Most descriptors that one message carries: a registration with BPF has six.
pub const MAX_DESCRIPTORS: usize = 6;
/// Most that the kernel lets a sender attach (SCM_MAX_FD). Room for all of them means that none is cut off, so that
/// those too many are seen, owned and closed.
const KERNEL_MOST: usize = 253;

/// Why a message did not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The other end closed before a whole message came.
    #[error("the connection ended before a whole message came")]
    Ended,
    /// Longer than [`MAX_MESSAGE`].
    #[error("a message of {length} bytes is longer than the {MAX_MESSAGE} allowed")]
    TooLong {
        /// What the header said, or what was to be sent.
        length: usize,
    },
    /// More descriptors than [`MAX_DESCRIPTORS`]; those that came are closed.
    #[error("a message carries more than {MAX_DESCRIPTORS} descriptors")]
    TooManyDescriptors,
    /// Not the JSON that was expected.
    #[error("a message is not of the expected form")]
    Form(#[source] serde_json::Error),
    /// The socket failed.
    #[error("the socket failed")]
    Socket(#[source] io::Error),
}

/// The bytes of `value` with their header.
///
/// # Errors
/// The value is too long or cannot be JSON.
pub fn encode(value: &impl Serialize) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::new();
    append(&mut bytes, value)?;
    Ok(bytes)
}

/// The same behind what is in `bytes`.
///
/// # Errors
/// As [`encode`].
pub fn append(bytes: &mut Vec<u8>, value: &impl Serialize) -> Result<(), WireError> {
    let begin = bytes.len();
    bytes.extend_from_slice(&[0; HEADER]);
    serde_json::to_writer(&mut *bytes, value).map_err(WireError::Form)?;
    let header = checked_length(bytes.len() - begin - HEADER)?.to_le_bytes();
    bytes[begin..begin + HEADER].copy_from_slice(&header);
    Ok(())
}

/// The length that a header announces.
///
/// # Errors
/// Longer than [`MAX_MESSAGE`].
pub fn body_length(header: [u8; HEADER]) -> Result<usize, WireError> {
    let length = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
    checked_length(length)?;
    Ok(length)
}

/// Read the JSON after a header.
///
/// # Errors
/// Not the expected form.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(body).map_err(WireError::Form)
}

/// Send one message, with `descriptors` on its first byte.
///
/// # Errors
/// The message cannot be encoded, or the socket fails.
pub fn send(
    stream: &UnixStream,
    value: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), WireError> {
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(WireError::TooManyDescriptors);
    }
    // A message may hold a secret: no copy of it is left behind.
    let bytes = Zeroizing::new(encode(value)?);
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let controls = if raw.is_empty() {
        &rights[..0]
    } else {
        &rights[..]
    };
    let sent = retry(|| {
        let part = [IoSlice::new(&bytes)];
        socket::sendmsg::<()>(
            stream.as_raw_fd(),
            &part,
            controls,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
    })?;
    (&mut &*stream)
        .write_all(&bytes[sent..])
        .map_err(WireError::Socket)
}

/// Receive one message and the descriptors that came with it (close-on-exec).
///
/// # Errors
/// The connection ends, the message is too long or of another form, or the socket fails.
pub fn receive<T: DeserializeOwned>(stream: &UnixStream) -> Result<(T, Vec<OwnedFd>), WireError> {
    let mut header = [0; HEADER];
    let (read, descriptors) = receive_start(stream, &mut header)?;
    (&mut &*stream)
        .read_exact(&mut header[read..])
        .map_err(ended_or_failed)?;
    let mut body = Zeroizing::new(vec![0; body_length(header)?]);
    (&mut &*stream)
        .read_exact(&mut body)
        .map_err(ended_or_failed)?;
    Ok((decode(&body)?, descriptors))
}

fn receive_start(
    stream: &UnixStream,
    header: &mut [u8; HEADER],
) -> Result<(usize, Vec<OwnedFd>), WireError> {
    let mut controls = nix::cmsg_space!([RawFd; KERNEL_MOST]);
    let (read, descriptors) = retry(|| {
        let mut part = [IoSliceMut::new(header)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message =
            socket::recvmsg::<()>(stream.as_raw_fd(), &mut part, Some(&mut controls), flags)?;
        Ok((message.bytes, sys::take_descriptors(&message)?))
    })?;
    match read {
        0 => Err(WireError::Ended),
        _ if descriptors.len() > MAX_DESCRIPTORS => Err(WireError::TooManyDescriptors),
        _ => Ok((read, descriptors)),
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, nix::Error>) -> Result<T, WireError> {
    loop {
        match call() {
            Err(nix::Error::EINTR) => {}
            other => return other.map_err(|errno| WireError::Socket(errno.into())),
        }
    }
}

fn checked_length(length: usize) -> Result<u32, WireError> {
    match u32::try_from(length) {
        Ok(fits) if length <= MAX_MESSAGE => Ok(fits),
        _ => Err(WireError::TooLong { length }),
    }
}

fn ended_or_failed(error: io::Error) -> WireError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => WireError::Ended,
        _ => WireError::Socket(error),
    }
}
