//! What a text hides in common codes: views of it, each with the way back to the bytes it came from.

use std::ops::Range;

use crate::detect::sweep::Traces;
use crate::finding::Finding;

mod base64;
mod escapes;
mod fold;

pub(crate) use base64::{Run, run};
pub(crate) use escapes::begins as escape_begins;
pub(crate) use fold::begins as fold_begins;

/// A text that was decoded from a part of another, with where its pieces came from.
pub(crate) struct View {
    text: String,
    pieces: Vec<Piece>,
}

/// A stretch of a view: `from` its place in the view, `span` the bytes of the original.
struct Piece {
    from: usize,
    span: Range<usize>,
    /// Byte for byte the same, so that places inside can be told.
    same: bool,
}

impl View {
    fn new() -> Self {
        Self {
            text: String::new(),
            pieces: Vec::new(),
        }
    }

    /// The decoded text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Takes a stretch of the original as it is.
    fn keep(&mut self, text: &str, span: Range<usize>) {
        if span.is_empty() {
            return;
        }
        if let Some(last) = self.pieces.last_mut()
            && last.same
            && last.span.end == span.start
        {
            last.span.end = span.end;
        } else {
            self.pieces.push(Piece {
                from: self.text.len(),
                span: span.clone(),
                same: true,
            });
        }
        self.text.push_str(&text[span]);
    }

    /// Takes what a stretch of the original stands for.
    fn replace(&mut self, span: Range<usize>, by: &str) {
        self.pieces.push(Piece {
            from: self.text.len(),
            span,
            same: false,
        });
        self.text.push_str(by);
    }

    /// The finding in the view as one in the original: all bytes that it came from.
    pub(crate) fn back(&self, finding: Finding) -> Finding {
        let first = self.piece(finding.start);
        let last = self.piece(finding.end.saturating_sub(1));
        let start = match first.same {
            true => first.span.start + (finding.start - first.from),
            false => first.span.start,
        };
        let end = match last.same {
            true => last.span.start + (finding.end - last.from),
            false => last.span.end,
        };
        Finding {
            start,
            end,
            ..finding
        }
    }

    fn piece(&self, at: usize) -> &Piece {
        let behind = self.pieces.partition_point(|piece| piece.from <= at);
        &self.pieces[behind.saturating_sub(1)]
    }
}

/// Makes the views that the traces ask for and gives each to `scan`.
pub(crate) fn each_view(text: &str, traces: &Traces, mut scan: impl FnMut(&View)) {
    for span in &traces.encoded {
        if let Some(view) = base64::view(text, span.clone()) {
            scan(&view);
        }
    }
    if !traces.escapes.is_empty() {
        escapes::views(text, &traces.escapes, &mut scan);
    }
    if !traces.folds.is_empty() {
        fold::views(text, &traces.folds, &mut scan);
    }
}

/// How far a view goes on either side of what is decoded, so that the words around it are seen.
const AROUND: usize = 96;
/// Places nearer than this to each other share a view.
const JOIN: usize = 64;

/// Stretches of the text around `marks` (ascending), on boundaries of characters.
fn windows(text: &str, marks: &[usize], mut each: impl FnMut(Range<usize>)) {
    let mut open: Option<Range<usize>> = None;
    for &mark in marks {
        match &mut open {
            Some(range) if mark <= range.end + JOIN => range.end = mark + 1,
            _ => {
                if let Some(range) = open.take() {
                    each(widen(text, range));
                }
                open = Some(mark..mark + 1);
            }
        }
    }
    if let Some(range) = open {
        each(widen(text, range));
    }
}

fn widen(text: &str, range: Range<usize>) -> Range<usize> {
    let mut start = range.start.saturating_sub(AROUND);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    // Not inside a word: a value that begins before must not look as if it began here.
    let bytes = text.as_bytes();
    let least = start.saturating_sub(AROUND);
    while start > least && !bytes[start - 1].is_ascii_whitespace() {
        start -= 1;
    }
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (range.end + AROUND).min(text.len());
    let most = (end + 2 * AROUND).min(text.len());
    while end < most && !bytes[end].is_ascii_whitespace() {
        end += 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}
