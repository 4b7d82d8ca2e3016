//! The strings of an answer that are open: pieces go through a [`Rewrite`] and come back.

use super::{BadStream, Channel, Rewrite};

/// No answer has so many strings open at once; a server that opens more means harm.
pub const MOST: usize = 1024;

pub struct Strings<R> {
    pub rewrite: R,
    open: Vec<Channel>,
    /// A piece with something in it has been seen.
    pub begun: bool,
}

impl<R: Rewrite> Strings<R> {
    pub fn new(rewrite: R) -> Self {
        Self {
            rewrite,
            open: Vec::new(),
            begun: false,
        }
    }

    /// Put a piece through. Whether it has changed.
    pub fn piece(&mut self, channel: Channel, text: &mut String) -> Result<bool, BadStream> {
        if text.is_empty() {
            return Ok(false);
        }
        self.begun = true;
        if !self.open.contains(&channel) {
            if self.open.len() == MOST {
                return Err(BadStream::TooMany);
            }
            self.open.push(channel);
        }
        let mut out = String::with_capacity(text.len());
        self.rewrite.text(channel, text, &mut out);
        let changed = out != *text;
        *text = out;
        Ok(changed)
    }

    /// End the open strings that `which` picks: each with what was held back of it, if anything.
    pub fn end(&mut self, which: impl Fn(&Channel) -> bool) -> Vec<(Channel, String)> {
        let mut tails = Vec::new();
        let rewrite = &mut self.rewrite;
        self.open.retain(|channel| {
            if !which(channel) {
                return true;
            }
            let mut tail = String::new();
            rewrite.end(*channel, &mut tail);
            if !tail.is_empty() {
                tails.push((*channel, tail));
            }
            false
        });
        tails
    }

    /// Put a whole string through. Whether it has changed.
    pub fn whole(&mut self, channel: Channel, text: &mut String) -> bool {
        let before = text.clone();
        self.rewrite.whole(channel, text);
        *text != before
    }
}
