//! Pseudonyms in answers become values again, however the stream is cut.
//!
//! Only what stands in the session's own vault is restored, once: what a value holds is not looked at again. Everything
//! else passes byte for byte, and of a piece only an end that may be the beginning of a pseudonym waits for the next.
//!
//! A provider that sends beginnings of pseudonyms for ever costs nothing: what waits is shorter than [`LONGEST`] bytes a
//! channel, and only [`MAX_CHANNELS`] channels can wait.
//!
//! [`LONGEST`]: crate::pseudonym::LONGEST

mod held;

use std::borrow::Cow;

pub use nemoclaw_policy::policy::Restore;
use zeroize::Zeroizing;

pub(crate) use held::Held;
pub use held::MAX_CHANNELS;

use crate::pseudonym;
use crate::vault::{Store, Vault};

/// How a text stands in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// What people read: text, reasoning, refusals.
    Text,
    /// Arguments of a tool call, as the JSON that the model writes. Values are escaped, so JSON stays JSON.
    ToolArguments,
    /// Input of a tool call that is a plain text: nothing in it is escaped.
    ToolInput,
}

/// Whether values come back in such a place.
fn covers(restore: Restore, place: Place) -> bool {
    match place {
        Place::Text => restore.text,
        Place::ToolArguments | Place::ToolInput => restore.tool_calls,
    }
}

/// Restores one answer. `C` tells its channels apart: each of its texts and tool calls.
pub struct Restorer<C> {
    vault: Vault,
    restore: Restore,
    held: Held<C>,
    idle: bool,
}

impl<C: Copy + Eq> Restorer<C> {
    /// For the answer to a request that was rewritten with `vault`.
    #[must_use]
    pub fn new(vault: &Vault, restore: Restore) -> Restorer<C> {
        let idle = vault.is_empty() || !(restore.text || restore.tool_calls);
        Restorer {
            vault: vault.clone(),
            restore,
            held: Held::new(),
            idle,
        }
    }

    /// Whether the answer passes as it is: when the request was sent no pseudonym stood for anything, or the policy
    /// restores none. Then nothing needs to be decoded at all.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    /// The next piece of a channel; what can be told of it so far is added to `out`.
    pub fn text(&mut self, channel: C, place: Place, piece: &str, out: &mut String) {
        if self.idle || !covers(self.restore, place) {
            out.push_str(piece);
            return;
        }
        let text = match self.held.take(channel) {
            None => Cow::Borrowed(piece),
            Some(mut held) => {
                held.push_str(piece);
                Cow::Owned(held)
            }
        };
        if pseudonym::next(text.as_bytes()).is_none() {
            out.push_str(&text);
            return;
        }
        let store = self.vault.read();
        let rest = restore_into(&store, &text, place, out);
        let waits = pseudonym::unfinished(rest.as_bytes(), store.kinds());
        let (passes, waits) = rest.split_at(waits);
        out.push_str(passes);
        if !self.held.keep(channel, waits) {
            out.push_str(waits);
        }
    }

    /// The channel's end: what waited was no pseudonym.
    pub fn end(&mut self, channel: C, out: &mut String) {
        out.push_str(self.held.take(channel).as_deref().unwrap_or_default());
    }

    /// A text that came in one piece; `None` where it stays as it is.
    #[must_use]
    pub fn whole(&self, place: Place, text: &str) -> Option<String> {
        (!self.idle && covers(self.restore, place)).then(|| restored(&self.vault, place, text))?
    }
}

/// A whole text with its pseudonyms restored; `None` where it holds none.
#[must_use]
pub fn restore_whole(vault: &Vault, text: &str) -> Option<String> {
    restored(vault, Place::Text, text)
}

fn restored(vault: &Vault, place: Place, text: &str) -> Option<String> {
    pseudonym::next(text.as_bytes())?;
    let mut out = String::new();
    let rest = restore_into(&vault.read(), text, place, &mut out);
    (rest.len() < text.len()).then(|| {
        out.push_str(rest);
        out
    })
}

/// Adds `text` up to behind its last pseudonym, restored, to `out`; returns what follows.
fn restore_into<'t>(store: &Store, text: &'t str, place: Place, out: &mut String) -> &'t str {
    let (mut rest, mut searched) = (text, 0);
    while let Some(at) = pseudonym::next(&rest.as_bytes()[searched..]) {
        let start = searched + at;
        match store.live(&rest.as_bytes()[start..]) {
            Some(live) => {
                out.push_str(&rest[..start]);
                put(live.value, place, out);
                rest = &rest[start + live.length..];
                searched = 0;
            }
            None => searched = start + 1,
        }
    }
    rest
}

fn put(value: &str, place: Place, out: &mut String) {
    if place != Place::ToolArguments {
        out.push_str(value);
        return;
    }
    // A string can always be written as JSON; were it not so, nothing would be better than half of it.
    let quoted = serde_json::to_string(value)
        .map(Zeroizing::new)
        .unwrap_or_default();
    let inside = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    out.push_str(inside.unwrap_or_default());
}
