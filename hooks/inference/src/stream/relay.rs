//! A stream on its way from a model server to a caller.

use std::ops::Range;

use super::said::Interpreter;
use super::sse::{Next, Splitter};
use super::strings::Strings;
use super::{BadStream, Outcome, Rewrite, chat, messages, named, plain, responses};
use crate::api::Api;
use crate::error::ErrorReply;
use crate::json::{Json, Object};
use crate::usage::Usage;

/// What became of an event.
#[derive(Default)]
pub struct Edited {
    /// Events that go before it.
    pub before: Vec<Json>,
    /// It is not what it was.
    pub changed: bool,
    /// It says that the answer is complete.
    pub finished: bool,
    /// Nothing comes after it.
    pub last: bool,
}

/// Hands a stream on: strings through a [`Rewrite`], the model's name as the caller knows it, tokens counted.
pub struct Relay<R> {
    upstream: Api,
    caller: Api,
    /// Between them, where they are not of the same interface.
    interpreter: Option<Interpreter>,
    model: String,
    split: Splitter,
    strings: Strings<R>,
    usage: Option<Usage>,
    /// The caller has not asked for the chunk that only counts tokens.
    hides_usage: bool,
    finished: bool,
    /// What comes now is not handed on.
    done: bool,
    /// What was held back has been written.
    ended: bool,
    /// The last event passed as it came: an LF that belongs to it does too.
    raw: bool,
    envelope: Object,
    memory: responses::Memory,
}

impl<R: Rewrite> Relay<R> {
    /// A relay of what `upstream` streams to a caller of `caller`, who is told that the model is `model_shown`.
    #[must_use]
    pub fn new(upstream: Api, caller: Api, model_shown: &str, rewrite: R) -> Self {
        Self {
            upstream,
            caller,
            interpreter: Interpreter::new(upstream, caller, model_shown),
            model: model_shown.to_owned(),
            split: Splitter::default(),
            strings: Strings::new(rewrite),
            usage: None,
            hides_usage: false,
            finished: false,
            done: false,
            ended: false,
            raw: false,
            envelope: Object::default(),
            memory: responses::Memory::default(),
        }
    }

    /// Drop the chunk that only counts tokens: the caller did not ask for it.
    #[must_use]
    pub fn without_usage_chunk(mut self) -> Self {
        self.hides_usage = true;
        self
    }

    /// Take what the server sent, and write to `out` what the caller gets.
    ///
    /// # Errors
    /// The stream cannot be handed on further. What `out` has by then is still to be sent.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BadStream> {
        self.split.push(bytes);
        while let Some(next) = self.split.next()? {
            match next {
                Next::LateFeed if self.raw => out.push(b'\n'),
                Next::LateFeed => {}
                Next::Event { .. } if self.done => self.raw = false,
                Next::Event { raw, name, data } => match data {
                    Some(data) => self.event(raw, &name, &data, out)?,
                    None => self.pass(raw, out),
                },
            }
        }
        Ok(())
    }

    /// The server has ended its stream.
    ///
    /// # Errors
    /// It did so before the answer was complete.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Outcome, BadStream> {
        if !self.done && self.split.is_amid() {
            // Some servers leave out the empty line after the last event.
            self.push(b"\n\n", out).map_err(|_| BadStream::Cut)?;
        }
        if !self.finished {
            return Err(BadStream::Cut);
        }
        self.end(out)?;
        Ok(Outcome {
            usage: self.usage,
            finished: self.finished,
        })
    }

    /// What the call has used, as far as the server has said.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Whether a piece of the answer has come.
    #[must_use]
    pub fn first_token_seen(&self) -> bool {
        self.strings.begun
    }

    /// Whether the server has said that the answer is complete.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Hand an event on as it came.
    fn pass(&mut self, raw: Range<usize>, out: &mut Vec<u8>) {
        self.raw = self.upstream == self.caller;
        if self.raw {
            out.extend_from_slice(self.split.raw(raw));
        }
    }

    fn event(
        &mut self,
        raw: Range<usize>,
        name: &str,
        data: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), BadStream> {
        if self.upstream != self.caller && self.interpreter.is_none() {
            return Err(BadStream::Untranslatable);
        }
        if data.trim() == "[DONE]" {
            self.finished = true;
            self.done = true;
            self.end(out)?;
            self.pass(raw, out);
            return Ok(());
        }
        let mut event = Json::read(data.as_bytes()).map_err(BadStream::NotJson)?;
        if let Some(error) = failure(name, &event) {
            return Err(BadStream::Upstream(ErrorReply::read(
                500,
                &error.to_bytes(),
            )));
        }
        self.count(&event);
        let renamed = self.rename(&mut event);
        let edited = match self.upstream {
            Api::Messages => messages::edit(&mut self.strings, &mut event)?,
            Api::Responses => responses::edit(&mut self.strings, &mut self.memory, &mut event)?,
            _ => {
                self.envelope = chat::envelope(&event);
                chat::edit(&mut self.strings, &mut event)?
            }
        };
        self.finished |= edited.finished;
        for event in &edited.before {
            self.write(event, out)?;
        }
        let counts_only = event.get("usage").is_some() && event.list("choices").is_empty();
        if self.hides_usage && counts_only && self.upstream != Api::Messages {
            self.raw = false;
        } else if renamed || edited.changed || self.upstream != self.caller {
            self.raw = false;
            self.write(&event, out)?;
        } else {
            self.pass(raw, out);
        }
        if edited.last {
            self.done = true;
            self.end(out)?;
        }
        Ok(())
    }

    /// What is still held back when the stream ends, and how it ends in the caller's interface.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BadStream> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        if matches!(self.upstream, Api::Chat | Api::Completions) {
            for event in chat::end(&mut self.strings, &self.envelope) {
                self.write(&event, out)?;
            }
        }
        let Some(interpreter) = &mut self.interpreter else {
            return Ok(());
        };
        let mut events = Vec::new();
        let usage = self
            .usage
            .filter(|_| self.caller != Api::Chat || !self.hides_usage);
        interpreter.end(usage, &mut events);
        for event in &events {
            tell(self.caller, event, out);
        }
        if self.caller == Api::Chat {
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
        Ok(())
    }

    /// An event of the server's interface, in the caller's.
    fn write(&mut self, event: &Json, out: &mut Vec<u8>) -> Result<(), BadStream> {
        let Some(interpreter) = &mut self.interpreter else {
            tell(self.caller, event, out);
            return Ok(());
        };
        let mut events = Vec::new();
        interpreter.event(event, &mut events)?;
        for event in &events {
            tell(self.caller, event, out);
        }
        Ok(())
    }

    fn count(&mut self, event: &Json) {
        let inside = event.get("message").or_else(|| event.get("response"));
        let usage = event
            .get("usage")
            .or_else(|| inside.and_then(|inside| inside.get("usage")))
            .and_then(Usage::of);
        if let Some(usage) = usage {
            self.usage = Some(self.usage.map_or(usage, |before| before.with(usage)));
        }
    }

    /// Put the name of the model that the caller asked for. Whether it was another.
    fn rename(&self, event: &mut Json) -> bool {
        let place = if event.get("model").is_some() {
            Some(event)
        } else if event.get("message").is_some() {
            event.get_mut("message")
        } else {
            event.get_mut("response")
        };
        match place.and_then(|place| place.get_mut("model")) {
            Some(Json::String(name)) if *name != self.model => {
                self.model.clone_into(name);
                true
            }
            _ => false,
        }
    }
}

fn tell(caller: Api, event: &Json, out: &mut Vec<u8>) {
    match caller {
        Api::Messages | Api::Responses => named(out, event),
        _ => plain(out, event),
    }
}

/// The error that an event tells, whatever its shape.
fn failure<'e>(name: &str, event: &'e Json) -> Option<&'e Json> {
    match event.text("type") {
        Some("response.failed") => event.get("response").or(Some(event)),
        Some("error") => Some(event),
        _ if name == "error" || event.get("error").is_some() => Some(event),
        _ => None,
    }
}
