//! What is in view of one channel.

use zeroize::Zeroizing;

use crate::finding::Finding;
use crate::restore::Place;

/// Bytes that stay in view behind what went on, and before the end of what is too long to wait.
const CONTEXT: usize = 256;
/// How a private key's block ends.
const END: &str = "-----END";
/// Bytes of a block's last line.
const END_LINE: usize = 80;

/// A channel's text from a little before what waits.
pub(super) struct Channel {
    pub(super) place: Place,
    pub(super) view: Zeroizing<String>,
    /// How much of the view went on.
    pub(super) passed: usize,
    pub(super) dropping: Dropping,
}

/// What does not go on although no finding covers it: the rest of one that was too long to wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropping {
    Nothing,
    /// To the next blank or quote.
    Token,
    /// To the end of a private key's block.
    Block,
}

impl Channel {
    pub(super) fn new(place: Place) -> Channel {
        Channel {
            place,
            view: Zeroizing::default(),
            passed: 0,
            dropping: Dropping::Nothing,
        }
    }

    /// Drops what belongs to a finding that was masked before its end was seen.
    pub(super) fn drop_rest(&mut self) {
        let end = match self.dropping {
            Dropping::Nothing => return,
            Dropping::Token => self
                .view
                .find(|c: char| !c.is_ascii_graphic() || matches!(c, '"' | '\'')),
            Dropping::Block => end_of_block(&self.view),
        };
        if end.is_some() {
            self.dropping = Dropping::Nothing;
        }
        let most = if self.dropping == Dropping::Block {
            END_LINE
        } else {
            0
        };
        let start = end.unwrap_or_else(|| {
            self.view
                .ceil_char_boundary(self.view.len().saturating_sub(most))
        });
        self.cut(start);
    }

    /// Decides what is too long to wait as it stands: how far it goes on.
    pub(super) fn give_up(&mut self, view: &str, findings: &[Finding]) -> usize {
        if let Some(open) = findings.last().filter(|last| last.end + 2 >= view.len()) {
            let block = open.detector.name() == "private_key";
            self.dropping = if block {
                Dropping::Block
            } else {
                Dropping::Token
            };
            return view.len();
        }
        let upto = view
            .floor_char_boundary(view.len() - CONTEXT)
            .max(self.passed);
        match findings
            .iter()
            .find(|finding| finding.start < upto && finding.end > upto)
        {
            Some(open) if open.start > self.passed => open.start,
            Some(open) => open.end,
            None => upto,
        }
    }

    /// Forgets what went on but for the context of what comes.
    pub(super) fn forget(&mut self) {
        if self.dropping != Dropping::Nothing {
            self.cut(self.view.len());
        } else if self.passed > 2 * CONTEXT {
            let start = self.view.ceil_char_boundary(self.passed - CONTEXT);
            let blank = self.view[start..self.passed].find(|c: char| c.is_ascii_whitespace());
            self.cut(blank.map_or(start, |at| start + at));
        }
    }

    fn cut(&mut self, start: usize) {
        self.view.drain(..start);
        self.passed = self.passed.saturating_sub(start);
    }
}

/// Behind the last line of a block.
fn end_of_block(text: &str) -> Option<usize> {
    let line = text.find(END)? + END.len();
    let dashes = line + text[line..].find("----")?;
    Some(text.len() - text[dashes..].trim_start_matches('-').len())
}
