//! A client's connection on its way to hyper: read along, and with a time for each beginning.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::framing::{Follower, Found};
use super::http::Dialect;
use crate::limits;

/// The first words of an HTTP/2 client: its fixed text and the header of the frame behind it.
const PREFACE: usize = 24 + 9;

enum Reader {
    /// HTTP/1.1: every request is followed.
    One(Follower, Arc<Found>),
    /// HTTP/2: only its beginning matters; this many bytes are still to come.
    Two(usize),
}

/// A connection that is read along.
pub struct Watched<T> {
    io: T,
    reader: Reader,
    /// Until when what has begun must be whole.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<T> Watched<T> {
    /// Watch `io`; with HTTP/1.1 also what is found in it.
    #[must_use]
    pub fn new(io: T, dialect: Dialect) -> (Watched<T>, Option<Arc<Found>>) {
        let (reader, found) = match dialect {
            Dialect::One => {
                let found = Arc::new(Found::default());
                (Reader::One(Follower::default(), found.clone()), Some(found))
            }
            Dialect::Two => (Reader::Two(PREFACE), None),
        };
        let watched = Watched {
            io,
            reader,
            deadline: None,
        };
        (watched, found)
    }

    fn read(&mut self, bytes: &[u8]) {
        match &mut self.reader {
            Reader::One(follower, found) => follower.read(bytes, found),
            Reader::Two(left) => *left = left.saturating_sub(bytes.len()),
        }
        if !self.begun() {
            self.deadline = None;
        }
    }

    fn begun(&self) -> bool {
        match &self.reader {
            Reader::One(follower, _) => follower.within_head(),
            Reader::Two(left) => *left > 0,
        }
    }

    /// Whether what has begun takes too long.
    fn late(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.begun() {
            return false;
        }
        let deadline = self.deadline.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + limits::HEAD_TIME))
        });
        deadline.as_mut().poll(cx).is_ready()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.io).poll_read(cx, buffer);
        if matches!(done, Poll::Ready(Ok(()))) {
            self.read(&buffer.filled()[before..]);
        }
        // With bytes too: a trickle never waits.
        if self.late(cx) {
            buffer.set_filled(before);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        done
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many bytes come, and how long a connection lives, on which one comes every `pause`.
    async fn trickled(dialect: Dialect, text: &[u8], pause: Duration) -> (usize, u64) {
        let (near, mut far) = tokio::io::duplex(1024);
        let (mut watched, _) = Watched::new(near, dialect);
        let begin = Instant::now();
        let text = text.to_vec();
        let sender = tokio::spawn(async move {
            for byte in text {
                if far.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
            std::future::pending::<()>().await;
        });
        let (mut count, mut buffer) = (0, [0; 64]);
        while let Ok(length @ 1..) = AsyncReadExt::read(&mut watched, &mut buffer).await {
            count += length;
        }
        sender.abort();
        (count, begin.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_is_cut_in_time() {
        let most = limits::HEAD_TIME.as_secs();
        let head = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(600));
        for (dialect, text) in [
            (Dialect::One, head.as_bytes()),
            (Dialect::Two, &[b'P'; 600]),
        ] {
            let (count, lived) = trickled(dialect, text, 2 * SECOND).await;
            assert!(
                count < 20 && (most..=most + 2).contains(&lived),
                "{dialect:?}: {count} bytes, {lived} s"
            );
        }
        let (count, lived) = trickled(Dialect::Two, b"", SECOND).await;
        assert_eq!((count, lived), (0, most), "a client that says nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_has_its_own_time() {
        let text = format!(
            "POST / HTTP/1.1\r\nContent-Length: 600\r\n\r\n{}",
            "a".repeat(600)
        );
        let reading = trickled(Dialect::One, text.as_bytes(), SECOND / 2);
        assert!(tokio::time::timeout(3600 * SECOND, reading).await.is_err());
    }

    /// What hyper makes of a request with two lengths, and what was found in it.
    async fn handed_over(text: &str) -> Option<(http::HeaderMap, Arc<Found>)> {
        let (near, mut far) = tokio::io::duplex(1024);
        let (watched, found) = Watched::new(near, Dialect::One);
        let (tell, told) = std::sync::mpsc::channel();
        let service = hyper::service::service_fn(move |request: http::Request<_>| {
            let request: http::Request<hyper::body::Incoming> = request;
            tell.send(request.headers().clone()).expect("told");
            async { Ok::<_, std::convert::Infallible>(http::Response::new(String::new())) }
        });
        far.write_all(text.as_bytes()).await.expect("write");
        drop(far);
        let io = hyper_util::rt::TokioIo::new(watched);
        // How it ends is of no interest.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .await;
        Some((told.try_recv().ok()?, found?))
    }

    #[tokio::test]
    async fn hyper_alone_takes_two_lengths_without_a_trace_and_the_reader_beside_it_does_not() {
        for lengths in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 5",
        ] {
            let text = format!("POST / HTTP/1.1\r\n{lengths}\r\n\r\n0\r\n\r\n");
            let (headers, found) = handed_over(&text).await.expect("hyper takes it");
            assert_eq!(headers.len(), 1, "one length is gone: {headers:?}");
            assert!(found.hand_over().is_err());
        }
    }
}
