//! Answers that come piece by piece.
//!
//! A text comes in pieces whose borders mean nothing, so what is looked for in it may be split anywhere. A [`Rewrite`] is
//! handed the pieces of one string in order, may hold back what could be the beginning of something, and is told where
//! the string ends, while the event that ends it is still held.

mod chat;
mod messages;
mod relay;
mod responses;
mod said;
mod sse;
mod strings;

use crate::api::{Api, Dialect};
use crate::error::{ErrorReply, Refusal, error_value};
use crate::json::{Json, NotJson, json};
use crate::usage::Usage;

pub use relay::Relay;

/// A string that a client puts together from pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channel {
    /// Which answer or which block of it.
    pub choice: u32,
    /// Which string of it.
    pub kind: ChannelKind,
}

/// Which string of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// What the model says.
    Text,
    /// What it thinks.
    Reasoning,
    /// Why it does not answer.
    Refusal,
    /// A tool call's arguments, by the call's number: pieces of JSON. What is put into a text in it must be escaped.
    Tool(u32),
    /// A tool call's input that is a plain text, by the call's number.
    Input(u32),
}

/// Changes the strings of an answer while they pass.
pub trait Rewrite {
    /// The next piece of a string: write to `out` what is certain by now. What begins after `end` is a new string.
    fn text(&mut self, channel: Channel, piece: &str, out: &mut String);

    /// The string has ended: write what was held back.
    fn end(&mut self, channel: Channel, out: &mut String);

    /// A string that comes whole: some interfaces repeat at its end what came in pieces. For a tool call it is all of its
    /// JSON.
    fn whole(&mut self, channel: Channel, text: &mut String);

    /// Whether there is nothing to do: bytes then pass as they are.
    fn is_idle(&self) -> bool;
}

/// Changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsIs;

impl Rewrite for AsIs {
    fn text(&mut self, _: Channel, piece: &str, out: &mut String) {
        out.push_str(piece);
    }

    fn end(&mut self, _: Channel, _: &mut String) {}

    fn whole(&mut self, _: Channel, _: &mut String) {}

    fn is_idle(&self) -> bool {
        true
    }
}

impl<R: Rewrite + ?Sized> Rewrite for Box<R> {
    fn text(&mut self, channel: Channel, piece: &str, out: &mut String) {
        (**self).text(channel, piece, out);
    }

    fn end(&mut self, channel: Channel, out: &mut String) {
        (**self).end(channel, out);
    }

    fn whole(&mut self, channel: Channel, text: &mut String) {
        (**self).whole(channel, text);
    }

    fn is_idle(&self) -> bool {
        (**self).is_idle()
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What the call has used, where the server says so.
    pub usage: Option<Usage>,
    /// Whether the server said that the answer is complete.
    pub finished: bool,
}

/// Why a stream cannot be handed on further.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BadStream {
    /// Larger than any event of a known server.
    #[error("the model server's stream has an event of more than {} MiB", sse::LONGEST >> 20)]
    TooLong,
    /// Bytes that are no text.
    #[error("the model server's stream is not UTF-8")]
    NotUtf8,
    /// An event whose data is something else.
    #[error("an event of the model server's stream is {0}")]
    NotJson(NotJson),
    /// An event of another shape.
    #[error("an event of the model server's stream has no `{0}`")]
    Shape(&'static str),
    /// More strings or tool calls at once than a client could use.
    #[error(
        "the model server's stream has more than {} strings open at once",
        strings::MOST
    )]
    TooMany,
    /// It ended in the middle.
    #[error("the model server's stream ended before the answer was complete")]
    Cut,
    /// The server says that it failed.
    #[error("the model server ended its stream with an error")]
    Upstream(ErrorReply),
    /// There is no way from this call's streams to that one's.
    #[error("a stream of this kind cannot become one of the kind that was asked for")]
    Untranslatable,
}

/// The event that ends a caller's stream where it cannot go on.
#[must_use]
pub fn error_event(caller: Api, kind: Refusal, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    match (caller.dialect(), caller) {
        (Dialect::Anthropic, _) => {
            named(&mut out, &error_value(Dialect::Anthropic, kind, message));
        }
        (_, Api::Responses) => {
            let event = json! {
                "type": "error", "code": kind.word(Dialect::OpenAi), "message": message, "param": Json::Null,
            };
            named(&mut out, &event);
        }
        _ => plain(&mut out, &error_value(Dialect::OpenAi, kind, message)),
    }
    out
}

/// An event without a name.
fn plain(out: &mut Vec<u8>, data: &Json) {
    out.extend_from_slice(b"data: ");
    data.write(out);
    out.extend_from_slice(b"\n\n");
}

/// An event that bears its type as its name.
fn named(out: &mut Vec<u8>, data: &Json) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(data.text("type").unwrap_or("message").as_bytes());
    out.push(b'\n');
    plain(out, data);
}
