//! Events out of bytes: the grammar of WHATWG's *HTML*, section 9.2.6 «Interpreting an event stream».
//!
//! No well-kept crate does this without a runtime of its own. Lines end in LF, CR or CRLF and may be cut anywhere, also
//! inside a character; an event ends with an empty line. The bytes of each event are kept, so that it can pass as it came.

use std::ops::Range;

use super::BadStream;

/// The largest event that is taken. The largest known are a whole answer repeated at its end.
pub const LONGEST: usize = 4 << 20;

/// Splits a stream.
#[derive(Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Where the event that is being read begins, and where its line begins that is being read.
    event: usize,
    line: usize,
    /// Up to where that line was searched for its end.
    searched: usize,
    /// The last byte before `line` was a CR, so that an LF belongs to it.
    after_cr: bool,
    begun: bool,
    name: String,
    data: Option<String>,
}

/// What comes next.
pub enum Next {
    /// An event, by its bytes in the buffer.
    Event {
        raw: Range<usize>,
        name: String,
        /// `None` where the block is comments and the like.
        data: Option<String>,
    },
    /// The LF of a CRLF whose CR ended the event before.
    LateFeed,
}

impl Splitter {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.event);
        self.line -= self.event;
        self.searched -= self.event;
        self.event = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether an event has begun and not ended.
    pub fn is_amid(&self) -> bool {
        self.event < self.buffer.len()
    }

    pub fn raw(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    pub fn next(&mut self) -> Result<Option<Next>, BadStream> {
        loop {
            if self.after_cr {
                match self.buffer.get(self.line) {
                    None => return Ok(None),
                    Some(b'\n') => {
                        self.step_over_feed();
                        if self.event == self.line {
                            return Ok(Some(Next::LateFeed));
                        }
                    }
                    Some(_) => self.after_cr = false,
                }
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                if self.searched - self.event > LONGEST {
                    return Err(BadStream::TooLong);
                }
                return Ok(None);
            };
            let end = self.searched + end;
            let line = self.line..end;
            self.line = end + 1;
            self.searched = self.line;
            self.after_cr = self.buffer[end] == b'\r';
            if self.line - self.event > LONGEST {
                return Err(BadStream::TooLong);
            }
            if !line.is_empty() {
                self.field(line)?;
                continue;
            }
            if self.after_cr && self.buffer.get(self.line) == Some(&b'\n') {
                self.line += 1;
                self.searched = self.line;
                self.after_cr = false;
            }
            let raw = self.event..self.line;
            self.event = self.line;
            return Ok(Some(Next::Event {
                raw,
                name: std::mem::take(&mut self.name),
                data: self.data.take(),
            }));
        }
    }

    fn step_over_feed(&mut self) {
        let ended = self.event == self.line;
        self.line += 1;
        self.searched = self.line;
        self.after_cr = false;
        if ended {
            self.event = self.line;
        }
    }

    fn field(&mut self, line: Range<usize>) -> Result<(), BadStream> {
        let line = std::str::from_utf8(&self.buffer[line]).map_err(|_| BadStream::NotUtf8)?;
        let line = match std::mem::replace(&mut self.begun, true) {
            true => line,
            false => line.strip_prefix('\u{feff}').unwrap_or(line),
        };
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", None) => self.data = Some(value.to_owned()),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(pushes: &[&[u8]]) -> Vec<(String, Option<String>, Vec<u8>)> {
        let mut splitter = Splitter::default();
        let mut events: Vec<(String, Option<String>, Vec<u8>)> = Vec::new();
        for bytes in pushes {
            splitter.push(bytes);
            while let Some(next) = splitter.next().unwrap() {
                match next {
                    Next::Event { raw, name, data } => {
                        events.push((name, data, splitter.raw(raw).to_vec()));
                    }
                    Next::LateFeed => events.last_mut().unwrap().2.push(b'\n'),
                }
            }
        }
        events
    }

    #[test]
    fn lines_fields_and_comments_are_read_as_the_standard_says() {
        let seen = events(&["\u{feff}: hello\ndata\ndata:  two\nevent: x\nid: 1\n\nretry: 5\r\n\r\ndata:a:b\r\rdata: never".as_bytes()]);
        let seen: Vec<_> = seen
            .iter()
            .map(|(name, data, _)| (name.as_str(), data.as_deref()))
            .collect();
        assert_eq!(seen, [("x", Some("\n two")), ("", None), ("", Some("a:b"))]);
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut splitter = Splitter::default();
        splitter.push(&vec![b'x'; LONGEST + 1]);
        assert!(matches!(splitter.next(), Err(BadStream::TooLong)));
        let mut splitter = Splitter::default();
        splitter.push(&b"data: y\n".repeat(LONGEST / 8 + 1));
        assert!(matches!(splitter.next(), Err(BadStream::TooLong)));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_split_does_not_matter(
            text in "(data|event|id|:|data: é|\u{feff}|\r|\n|\r\n|\n\n|x){0,30}",
            cuts in proptest::collection::vec(0usize..80, 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pushes: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&[bytes]), events(&pushes));
        }
    }
}
