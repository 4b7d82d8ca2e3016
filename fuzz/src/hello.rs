//! The first bytes of a passed-through connection: cut anywhere, they are judged alike, and none is lost.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use nemoclaw_router::worker::hello::{HelloError, Next, Opening, Records, Speech};
use tokio::io::{AsyncRead, ReadBuf};

const NAME: &str = "example.com";

/// Judge `bytes` in one piece and one by one, then follow them as records.
pub fn run(bytes: &[u8]) {
    let (whole, held) = vetted(bytes, usize::MAX);
    let (cut, _) = vetted(bytes, 1);
    assert_eq!(whole.is_ok(), cut.is_ok(), "{whole:?} {cut:?}");
    assert!(bytes.starts_with(&held));
    if matches!(whole, Ok(Speech::Tls)) {
        follow(&held);
    }
    if let Ok(records) = Records::new(bytes) {
        step(records, bytes);
    }
}

fn follow(bytes: &[u8]) {
    let records = Records::new(bytes);
    assert!(records.is_ok(), "a hello that was vetted is a record");
}

fn step(mut records: Records, bytes: &[u8]) {
    if let Ok(Next::Pass(count) | Next::Hello(count)) = records.next(bytes) {
        assert!(count <= bytes.len());
    }
}

fn vetted(bytes: &[u8], piece: usize) -> (Result<Speech, HelloError>, Vec<u8>) {
    let (mut opening, mut pieces) = (Opening::default(), Pieces { bytes, piece });
    let result = {
        let work = pin!(opening.vet(&mut pieces, NAME));
        match work.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("the bytes are all there"),
        }
    };
    (result, opening.bytes)
}

/// A client that sends so many bytes at once.
struct Pieces<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.piece.min(self.bytes.len()).min(buffer.remaining());
        let (now, later) = self.bytes.split_at(length);
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}
