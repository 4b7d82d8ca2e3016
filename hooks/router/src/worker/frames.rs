//! WebSocket frames on a connection: heads by a parser, payloads passed on or taken whole.

use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tungstenite::protocol::frame::{Frame, FrameHeader};

use super::carry::Activity;

/// How much is read at once.
const BUFFER: usize = 8 * 1024;

/// Why a connection's frames ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The connection.
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    /// The middle of a frame.
    #[error("the connection ended inside a frame")]
    Short,
    /// Not a frame.
    #[error("a frame cannot be read")]
    Frame(#[from] tungstenite::Error),
}

/// One side's frames.
pub struct Frames<'a, R> {
    io: R,
    buffer: BytesMut,
    counter: &'a AtomicU64,
    activity: &'a Activity,
}

impl<'a, R: AsyncRead + Unpin> Frames<'a, R> {
    /// The frames of `io`; what is passed on is counted.
    pub fn new(io: R, counter: &'a AtomicU64, activity: &'a Activity) -> Frames<'a, R> {
        Frames {
            io,
            buffer: BytesMut::new(),
            counter,
            activity,
        }
    }

    /// The next frame's head and its payload's length; `None` at an end between two frames. May be dropped and called
    /// again; the payload must be taken or passed before.
    ///
    /// # Errors
    /// The connection broke, or this is no frame.
    pub async fn next(&mut self) -> Result<Option<(FrameHeader, u64)>, Broken> {
        loop {
            let mut cursor = Cursor::new(&self.buffer[..]);
            if let Some(found) = FrameHeader::parse(&mut cursor)? {
                let length = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
                self.buffer.advance(length);
                return Ok(Some(found));
            }
            if self.fill().await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(Broken::Short),
                };
            }
        }
    }

    /// Take a payload whole.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn take(&mut self, length: u64) -> Result<Bytes, Broken> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        while self.buffer.len() < length {
            if self.fill().await? == 0 {
                return Err(Broken::Short);
            }
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    /// Send a frame on as it comes: its payload keeps its mask.
    ///
    /// # Errors
    /// One of the connections broke.
    pub async fn pass(
        &mut self,
        head: &FrameHeader,
        length: u64,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Broken> {
        let mut bytes = Vec::with_capacity(head.len(length));
        head.format(length, &mut bytes)?;
        let mut left = length;
        loop {
            let here = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            bytes.extend_from_slice(&self.buffer.split_to(here));
            to.write_all(&bytes).await?;
            self.counter
                .fetch_add(bytes.len() as u64, Ordering::Relaxed);
            bytes.clear();
            left -= here as u64;
            if left == 0 {
                to.flush().await?;
                return Ok(());
            }
            if self.fill().await? == 0 {
                return Err(Broken::Short);
            }
        }
    }

    /// Read to the end and forget it.
    pub async fn discard(&mut self) {
        while let Ok(1..) = self.fill().await {
            self.buffer.clear();
        }
    }

    async fn fill(&mut self) -> std::io::Result<usize> {
        self.buffer.reserve(BUFFER);
        let length = self.io.read_buf(&mut self.buffer).await?;
        self.activity.touch();
        Ok(length)
    }
}

/// Send a frame of ours; gives its length.
///
/// # Errors
/// The connection broke.
pub async fn write(to: &mut (impl AsyncWrite + Unpin), frame: Frame) -> Result<u64, Broken> {
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes)?;
    to.write_all(&bytes).await?;
    to.flush().await?;
    Ok(bytes.len() as u64)
}
