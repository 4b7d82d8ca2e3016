//! Where HTTP/1.1 requests begin and end, followed beside hyper, so that what two readers could read in two ways passes none.
//!
//! hyper reads such requests in one way and leaves no trace of it: a length beside chunks is dropped, equal lengths are
//! joined, a bare line feed ends a line. So the same bytes are read here on their way, heads and chunk sizes by the same
//! `httparse`. Nothing is held up or changed; each request that hyper hands over must be one that was found sound here.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use httparse::{EMPTY_HEADER, Status, parse_chunk_size};
use memchr::memchr;

use crate::limits;

/// Why a request's limits cannot be told for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Several lengths, equal or not, or a length beside chunks.
    #[error("the request states the length of its body in two ways")]
    TwoLengths,
    /// A length that is no plain number.
    #[error("the length of the request's body cannot be read")]
    Length,
    /// Any other coding than `chunked` alone, or one in HTTP/1.0.
    #[error("the request's body comes in a transfer coding other than `chunked` alone")]
    Coding,
    /// A bare CR or LF.
    #[error("a line of the request's head does not end with CR and LF")]
    LineEnd,
    /// Not a head.
    #[error("the request's head cannot be read")]
    Head,
    /// Longer than [`limits::HEADER_BYTES`].
    #[error("the request's head is longer than {} bytes", limits::HEADER_BYTES)]
    TooLong,
    /// The size of a chunk, or what follows its end.
    #[error("the chunks of the body before this request cannot be read")]
    Chunk,
    /// A request behind one that asked to leave HTTP.
    #[error("a request follows one that asked for an upgrade")]
    Upgraded,
}

/// What was found so far, told to whoever takes requests from hyper.
#[derive(Debug, Default)]
pub struct Found {
    sound: AtomicU64,
    handed: AtomicU64,
    end: OnceLock<Fault>,
}

impl Found {
    /// Count a request that hyper hands over.
    ///
    /// # Errors
    /// It is not one that was found sound.
    pub fn hand_over(&self) -> Result<(), Fault> {
        let number = self.handed.fetch_add(1, Ordering::Relaxed) + 1;
        if number <= self.sound.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(self.end.get().copied().unwrap_or(Fault::Head))
    }

    /// How many requests were found sound.
    #[must_use]
    pub fn sound(&self) -> u64 {
        self.sound.load(Ordering::Relaxed)
    }

    /// Whether none can be sound behind the request that was handed over last: it is faulty, or asks for an upgrade. Behind
    /// another one a faulty request is still to be told so.
    #[must_use]
    pub fn is_last(&self) -> bool {
        let handed = self.handed.load(Ordering::Relaxed);
        let upgraded = self.end() == Some(Fault::Upgraded);
        handed > self.sound() || (upgraded && handed == self.sound())
    }

    /// Why no further request can be found sound on this connection.
    #[must_use]
    pub fn end(&self) -> Option<Fault> {
        self.end.get().copied()
    }
}

/// Where in a request the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// Nothing more can be told.
    Over,
}

/// Reads along.
#[derive(Debug)]
pub struct Follower {
    place: Place,
    held: Vec<u8>,
}

impl Default for Follower {
    fn default() -> Self {
        Follower {
            place: Place::Head,
            held: Vec::new(),
        }
    }
}

impl Follower {
    /// Look at the next bytes.
    pub fn read(&mut self, mut bytes: &[u8], found: &Found) {
        while !bytes.is_empty() && self.place != Place::Over {
            match self.step(bytes, found) {
                Ok(taken) => bytes = &bytes[taken..],
                Err(fault) => self.end(fault, found),
            }
        }
    }

    /// Whether a head has begun and is not whole.
    #[must_use]
    pub fn within_head(&self) -> bool {
        self.place == Place::Head && !self.held.is_empty()
    }

    fn end(&mut self, fault: Fault, found: &Found) {
        self.place = Place::Over;
        self.held = Vec::new();
        // Set once: after it nothing is read.
        let _ = found.end.set(fault);
    }

    /// How many bytes were understood.
    fn step(&mut self, bytes: &[u8], found: &Found) -> Result<usize, Fault> {
        let length = bytes.len() as u64;
        match self.place {
            Place::Over => Ok(bytes.len()),
            Place::Body(left) => Ok(self.skip(left, length, Place::Body, Place::Head)),
            Place::Chunk(left) => Ok(self.skip(left, length, Place::Chunk, Place::ChunkEnd)),
            Place::Head => {
                let (taken, whole) = self.lines(bytes, true)?;
                if whole {
                    self.head(found)?;
                }
                Ok(taken)
            }
            Place::Trailers => {
                // What they say goes nowhere; only their end matters.
                let (taken, whole) = self.lines(bytes, false).map_err(|_| Fault::Chunk)?;
                if whole {
                    self.turn(Place::Head);
                }
                Ok(taken)
            }
            Place::ChunkSize | Place::ChunkEnd => self.line(bytes),
        }
    }

    fn skip(&mut self, left: u64, there: u64, same: fn(u64) -> Place, next: Place) -> usize {
        let taken = left.min(there);
        self.place = if taken == left {
            next
        } else {
            same(left - taken)
        };
        usize::try_from(taken).unwrap_or(usize::MAX)
    }

    fn turn(&mut self, place: Place) {
        self.place = place;
        self.held.clear();
    }

    /// Take lines until an empty one; before a head empty lines count for nothing.
    fn lines(&mut self, bytes: &[u8], head: bool) -> Result<(usize, bool), Fault> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let end = memchr(b'\n', rest);
            let part = &rest[..end.map_or(rest.len(), |end| end + 1)];
            check_returns(part, self.held.last() == Some(&b'\r'))?;
            self.held.extend_from_slice(part);
            at += part.len();
            if self.held.len() > limits::HEADER_BYTES {
                return Err(Fault::TooLong);
            }
            if self.held == b"\r\n" && head {
                self.held.clear();
            } else if self.held == b"\r\n" || self.held.ends_with(b"\n\r\n") {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// Take what there is of one line about a chunk.
    fn line(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let end = memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |at| at + 1);
        self.held.extend_from_slice(&bytes[..taken]);
        if self.held.len() > limits::CHUNK_LINE {
            return Err(Fault::Chunk);
        }
        if end.is_some() {
            let next = self.chunk_line()?;
            self.turn(next);
        }
        Ok(taken)
    }

    fn chunk_line(&self) -> Result<Place, Fault> {
        if self.place == Place::ChunkEnd {
            return match self.held.as_slice() {
                b"\r\n" => Ok(Place::ChunkSize),
                _ => Err(Fault::Chunk),
            };
        }
        // `httparse` takes a line without digits for a zero.
        if !self.held.first().is_some_and(u8::is_ascii_hexdigit) {
            return Err(Fault::Chunk);
        }
        match parse_chunk_size(&self.held) {
            Ok(Status::Complete((taken, size))) if taken == self.held.len() => Ok(match size {
                0 => Place::Trailers,
                size => Place::Chunk(size),
            }),
            _ => Err(Fault::Chunk),
        }
    }

    fn head(&mut self, found: &Found) -> Result<(), Fault> {
        let mut fields = [EMPTY_HEADER; limits::HEADER_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&self.held) {
            Ok(Status::Complete(taken)) if taken == self.held.len() => {}
            _ => return Err(Fault::Head),
        }
        let (next, upgrade) = framing(&request)?;
        found.sound.fetch_add(1, Ordering::Relaxed);
        if upgrade {
            // What follows may be of another protocol.
            self.end(Fault::Upgraded, found);
        } else {
            self.turn(next);
        }
        Ok(())
    }
}

/// CR and LF stand only together. `part` is a piece of one line; `returned`: what came before it ends with CR.
fn check_returns(part: &[u8], returned: bool) -> Result<(), Fault> {
    let inner = match part.strip_suffix(b"\n") {
        Some([]) if returned => return Ok(()),
        Some(line) => line.strip_suffix(b"\r").ok_or(Fault::LineEnd)?,
        None => part.strip_suffix(b"\r").unwrap_or(part),
    };
    if returned || memchr(b'\r', inner).is_some() {
        return Err(Fault::LineEnd);
    }
    Ok(())
}

/// What follows a head, and whether it asks to leave HTTP.
fn framing(request: &httparse::Request<'_, '_>) -> Result<(Place, bool), Fault> {
    let (mut length, mut chunked, mut upgrade) = (None, false, false);
    for field in request.headers.iter() {
        let coding = field.name.eq_ignore_ascii_case("transfer-encoding");
        if coding || field.name.eq_ignore_ascii_case("content-length") {
            if length.is_some() || chunked {
                return Err(Fault::TwoLengths);
            }
            if !coding {
                length = Some(number(field.value)?);
            } else if field.value.eq_ignore_ascii_case(b"chunked") && request.version == Some(1) {
                chunked = true;
            } else {
                return Err(Fault::Coding);
            }
        } else if field.name.eq_ignore_ascii_case("upgrade") {
            upgrade = true;
        }
    }
    let next = match length {
        _ if chunked => Place::ChunkSize,
        Some(length) if length > 0 => Place::Body(length),
        _ => Place::Head,
    };
    Ok((next, upgrade))
}

fn number(value: &[u8]) -> Result<u64, Fault> {
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Length);
    }
    let text = std::str::from_utf8(value).map_err(|_| Fault::Length)?;
    text.parse().map_err(|_| Fault::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests are sound, and what ends them, with the bytes in one piece and one by one.
    fn follow(text: &str) -> (u64, Option<Fault>) {
        let read = |pieces: &[&[u8]]| {
            let (mut follower, found) = (Follower::default(), Found::default());
            for piece in pieces {
                follower.read(piece, &found);
            }
            (found.sound(), found.end())
        };
        let whole = read(&[text.as_bytes()]);
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(&pieces), whole, "{text:?} byte by byte");
        whole
    }

    const NEXT: &str = "GET / HTTP/1.1\r\n\r\n";

    fn chunked(body: &str) -> String {
        format!("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n{body}{NEXT}")
    }

    #[test]
    fn sound_requests_are_counted_however_their_bodies_come() {
        for (text, count) in [
            (NEXT.to_owned(), 1),
            (format!("\r\n\r\n{NEXT}\r\nGET / HTTP/1.0\r\n\r\n"), 2),
            (
                format!("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc{NEXT}"),
                2,
            ),
            (
                format!("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n{NEXT}"),
                2,
            ),
            (chunked("3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), 2),
            (chunked("0\r\nX: y\r\n\r\n"), 2),
        ] {
            assert_eq!(follow(&text), (count, None), "{text:?}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_ends_it() {
        let post = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n");
        let (coding, length) = ("Transfer-Encoding: chunked", "Content-Length: 1");
        for (text, fault) in [
            (post(&format!("{length}\r\n{coding}")), Fault::TwoLengths),
            (post(&format!("{coding}\r\n{length}")), Fault::TwoLengths),
            (post(&format!("{length}\r\n{length}")), Fault::TwoLengths),
            (post(&format!("{length}\r\n{length}2")), Fault::TwoLengths),
            (post(&format!("{coding}\r\n{coding}")), Fault::TwoLengths),
            (post("Content-Length: 1, 1"), Fault::Length),
            (post("Content-Length: +1"), Fault::Length),
            (post("Content-Length: 0x1"), Fault::Length),
            (post("Content-Length:"), Fault::Length),
            (post("Content-Length: 99999999999999999999"), Fault::Length),
            (post("Transfer-Encoding: xchunked"), Fault::Coding),
            (post("Transfer-Encoding: gzip, chunked"), Fault::Coding),
            (post("Transfer-Encoding: chunked, identity"), Fault::Coding),
            (post("Transfer-Encoding: \u{b}chunked"), Fault::Head),
            (post("Transfer-Encoding : chunked"), Fault::Head),
            (post("Host: a\r\n folded"), Fault::Head),
            (post("Host: a\nX: b"), Fault::LineEnd),
            (post("Host: a\rX: b"), Fault::LineEnd),
            (post("Host: a\r\rX: b"), Fault::LineEnd),
            ("GET / HTTP/1.1\n\n".into(), Fault::LineEnd),
            ("\nGET / HTTP/1.1\r\n\r\n".into(), Fault::LineEnd),
            (
                format!("POST / HTTP/1.0\r\n{coding}\r\n\r\n"),
                Fault::Coding,
            ),
            (
                format!("GET /{}", "a".repeat(limits::HEADER_BYTES)),
                Fault::TooLong,
            ),
        ] {
            assert_eq!(follow(&text), (0, Some(fault)), "{text:?}");
        }
    }

    #[test]
    fn chunks_that_cannot_be_followed_end_it_behind_their_own_request() {
        let long = format!("3;{}\r\n", "x".repeat(limits::CHUNK_LINE));
        for body in [
            "\r\n",
            "x\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "-1\r\n",
            "10000000000000000\r\n",
            "0\r\nX: y\n\r\n",
            &long,
        ] {
            let ended = (1, Some(Fault::Chunk));
            assert_eq!(follow(&chunked(body)), ended, "{body:?}");
        }
    }

    #[test]
    fn nothing_is_sound_behind_an_upgrade() {
        let text = format!("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n{NEXT}");
        assert_eq!(follow(&text), (1, Some(Fault::Upgraded)));
    }

    #[test]
    fn a_request_that_was_not_found_sound_is_not_handed_over() {
        let (mut follower, found) = (Follower::default(), Found::default());
        let two = [NEXT, NEXT, "GET / HTTP/1.1\n\n"].concat();
        follower.read(two.as_bytes(), &found);
        let next = || (found.hand_over(), found.is_last());
        assert_eq!(next(), (Ok(()), false));
        assert_eq!(next(), (Ok(()), false));
        assert_eq!(next(), (Err(Fault::LineEnd), true));
        assert_eq!(next(), (Err(Fault::LineEnd), true));
    }
}
