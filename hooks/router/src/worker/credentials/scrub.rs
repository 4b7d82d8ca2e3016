//! What a request carried does not come back: the answer's header fields and body get the placeholder in its place.
//!
//! A server that echoes what it was sent would otherwise show the sandbox its credential. What a server makes of it (a
//! hash, another encoding) cannot be seen here; the entry's hosts are the operator's choice.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::super::body::{Body, BodyError};
use super::body::in_json;

/// Secrets in every spelling in which they were or may have been sent, each with what stands for it.
#[derive(Clone, Default)]
pub struct Scrub {
    pairs: Vec<Pair>,
}

#[derive(Clone)]
struct Pair {
    secret: Zeroizing<Vec<u8>>,
    placeholder: Vec<u8>,
}

/// A compressed answer, in which nothing can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the upstream sent an encoded answer to a request that carried a credential and asked for a plain one"
)]
pub struct Coded;

/// Ask for an answer in which a secret can be found: plain, and whole.
pub fn ask_plainly(headers: &mut HeaderMap) {
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    headers.remove(header::RANGE);
    headers.remove(header::IF_RANGE);
}

impl Scrub {
    /// Hide `secret` behind `placeholder`, in all usual spellings.
    pub fn hide(&mut self, secret: &str, placeholder: &str) {
        let all: [Zeroizing<String>; 3] = [
            Zeroizing::new(utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string()),
            Zeroizing::new(form_urlencoded::byte_serialize(secret.as_bytes()).collect()),
            in_json(secret).unwrap_or_default(),
        ];
        self.hide_spelling(secret.as_bytes(), placeholder.as_bytes());
        for spelling in &all {
            self.hide_spelling(spelling.as_bytes(), placeholder.as_bytes());
        }
    }

    /// Hide one spelling.
    pub fn hide_spelling(&mut self, secret: &[u8], placeholder: &[u8]) {
        let known = self
            .pairs
            .iter()
            .any(|pair| pair.secret.as_slice() == secret);
        if !known && !secret.is_empty() {
            self.pairs.push(Pair {
                secret: Zeroizing::new(secret.to_vec()),
                placeholder: placeholder.to_vec(),
            });
        }
    }

    /// Nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The answer without the secrets.
    ///
    /// # Errors
    /// It is encoded.
    pub fn clean(self: &Arc<Self>, response: Response<Body>) -> Result<Response<Body>, Coded> {
        let (mut head, body) = response.into_parts();
        self.clean_fields(&mut head.headers);
        let coded = head
            .headers
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let bodiless = body.is_end_stream() || head.status == StatusCode::NOT_MODIFIED;
        if bodiless {
            return Ok(Response::from_parts(head, body));
        }
        if coded {
            return Err(Coded);
        }
        head.headers.remove(header::CONTENT_LENGTH);
        let body = Scrubbed {
            body,
            scrub: self.clone(),
            held: Zeroizing::default(),
            last: None,
        };
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    /// A whole text without the secrets.
    #[must_use]
    pub fn clean_whole(&self, bytes: &[u8]) -> Bytes {
        self.replace(&mut Zeroizing::new(bytes.to_vec()), End::Reached)
    }

    fn clean_fields(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if self.first(value.as_bytes()).is_none() {
                continue;
            }
            *value = HeaderValue::from_maybe_shared(self.clean_whole(value.as_bytes()))
                .unwrap_or_else(|_| HeaderValue::from_static(""));
        }
    }

    /// The first secret in `bytes`, the longest of those that begin there.
    fn first(&self, bytes: &[u8]) -> Option<(usize, &Pair)> {
        self.pairs
            .iter()
            .filter_map(|pair| Some((memmem::find(bytes, &pair.secret)?, pair)))
            .min_by_key(|(at, pair)| (*at, usize::MAX - pair.secret.len()))
    }

    /// Take from `held` what can be sent, with the secrets replaced. What may be the beginning of one stays.
    fn replace(&self, held: &mut Zeroizing<Vec<u8>>, end: End) -> Bytes {
        let mut out = Vec::with_capacity(held.len());
        let mut done = 0;
        while let Some((at, pair)) = self.first(&held[done..]) {
            out.extend_from_slice(&held[done..done + at]);
            out.extend_from_slice(&pair.placeholder);
            done += at + pair.secret.len();
        }
        let keep = match end {
            End::Reached => 0,
            End::Open => self.beginning(&held[done..]),
        };
        let sent = held.len() - keep;
        out.extend_from_slice(&held[done..sent]);
        held.drain(..sent);
        out.into()
    }

    /// The length of the longest end of `bytes` with which a secret begins.
    fn beginning(&self, bytes: &[u8]) -> usize {
        let longest = |secret: &[u8]| {
            let most = bytes.len().min(secret.len().saturating_sub(1));
            (1..=most)
                .rev()
                .find(|length| bytes.ends_with(&secret[..*length]))
        };
        self.pairs
            .iter()
            .filter_map(|pair| longest(&pair.secret))
            .max()
            .unwrap_or(0)
    }
}

/// Whether more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

/// A body without the secrets. At most one secret's length is held back, and only while it may be one.
struct Scrubbed {
    body: Body,
    scrub: Arc<Scrub>,
    held: Zeroizing<Vec<u8>>,
    last: Option<Frame<Bytes>>,
}

impl hyper::body::Body for Scrubbed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            if let Some(last) = this.last.take() {
                return Poll::Ready(Some(Ok(last)));
            }
            let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx));
            let rest = match frame {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        this.held.extend_from_slice(&data);
                        let clean = this.scrub.replace(&mut this.held, End::Open);
                        if clean.is_empty() {
                            continue;
                        }
                        return Poll::Ready(Some(Ok(Frame::data(clean))));
                    }
                    Err(mut other) => {
                        if let Some(trailers) = other.trailers_mut() {
                            this.scrub.clean_fields(trailers);
                        }
                        Some(other)
                    }
                },
                None => None,
            };
            if this.held.is_empty() {
                return Poll::Ready(rest.map(Ok));
            }
            this.last = rest;
            let clean = this.scrub.replace(&mut this.held, End::Reached);
            return Poll::Ready(Some(Ok(Frame::data(clean))));
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::body::whole;

    fn scrub() -> Arc<Scrub> {
        let mut scrub = Scrub::default();
        scrub.hide("s3cr\"t/key", "<A>");
        scrub.hide_spelling(b"dTpzM2NyZXQ=", b"<B>");
        Arc::new(scrub)
    }

    /// A body of these pieces.
    struct Pieces(Vec<Bytes>);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let next = (!self.0.is_empty()).then(|| self.0.remove(0));
            Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
        }
    }

    /// Whatever comes of `pieces`, frame by frame.
    fn through(pieces: &[&str]) -> Vec<String> {
        let pieces = pieces
            .iter()
            .map(|piece| Bytes::copy_from_slice(piece.as_bytes()));
        let body = Pieces(pieces.collect()).boxed_unsync();
        let response = scrub().clean(Response::new(body)).expect("plain");
        let mut body = response.into_body();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("runtime");
        let mut out = Vec::new();
        runtime.block_on(async {
            while let Some(frame) = body.frame().await {
                let data = frame.expect("a frame").into_data().expect("data");
                out.push(String::from_utf8(data.to_vec()).expect("text"));
            }
        });
        out
    }

    #[test]
    fn every_spelling_is_replaced_however_the_body_is_cut() {
        let text = "a s3cr\"t/key b s3cr\\\"t/key c s3cr%22t%2Fkey d dTpzM2NyZXQ= e s3cr";
        let clean = "a <A> b <A> c <A> d <B> e s3cr";
        for cut in 0..=text.len() {
            let (first, second) = text.split_at(cut);
            assert_eq!(through(&[first, second]).concat(), clean, "cut at {cut}");
        }
        let single: Vec<String> = text.chars().map(String::from).collect();
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        assert_eq!(through(&single).concat(), clean);
    }

    #[test]
    fn nothing_is_held_back_that_cannot_be_the_beginning_of_a_secret() {
        assert_eq!(
            through(&["data: x\n\n", "data: s3", "x\n\n"]),
            ["data: x\n\n", "data: ", "s3x\n\n"]
        );
    }

    #[test]
    fn fields_are_cleaned_and_the_length_goes() {
        let mut response = Response::new(whole(b"s3cr\"t/key".to_vec()));
        let fields = response.headers_mut();
        fields.insert("location", HeaderValue::from_static("/?k=s3cr%22t%2Fkey&x"));
        fields.insert("content-length", HeaderValue::from_static("10"));
        let response = scrub().clean(response).expect("plain");
        assert_eq!(response.headers()["location"], "/?k=<A>&x");
        assert!(!response.headers().contains_key("content-length"));
    }

    #[test]
    fn an_encoded_answer_does_not_pass() {
        let mut response = Response::new(whole(b"x".to_vec()));
        response
            .headers_mut()
            .insert("content-encoding", HeaderValue::from_static("gzip"));
        assert_eq!(scrub().clean(response).err(), Some(Coded));
    }
}
