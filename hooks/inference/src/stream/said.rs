//! A stream said in another interface: what happens in it, and those who tell it.

mod as_chat;
mod as_messages;
mod as_responses;
mod hear;

use crate::api::Api;
use crate::json::Json;
use crate::translate::Stop;
use crate::usage::Usage;

use super::BadStream;

/// What happens in a stream.
pub enum Said<'a> {
    /// It begins. Said once.
    Begin { id: &'a str },
    /// A piece of what the model says.
    Text(&'a str),
    /// A piece of what it thinks.
    Reasoning(&'a str),
    /// A piece of why it does not answer.
    Refusal(&'a str),
    /// A tool call begins.
    Call {
        index: u32,
        id: &'a str,
        name: &'a str,
    },
    /// A piece of its arguments.
    Arguments { index: u32, piece: &'a str },
    /// The model has stopped.
    Stop(Stop),
}

/// Tells a stream in the caller's interface.
pub trait Tell {
    /// Events for what happened.
    fn said(&mut self, said: &Said<'_>, out: &mut Vec<Json>) -> Result<(), BadStream>;

    /// Events for the end.
    fn end(&mut self, usage: Option<Usage>, out: &mut Vec<Json>);
}

/// Both ends: hears one interface's events, tells another's.
pub struct Interpreter {
    hear: hear::Hear,
    tell: Box<dyn Tell + Send>,
}

impl Interpreter {
    /// `None`: there is no way from `from` to `to`.
    pub fn new(from: Api, to: Api, model: &str) -> Option<Self> {
        let tell: Box<dyn Tell + Send> = match (from, to) {
            (Api::Messages, Api::Chat) => Box::new(as_chat::AsChat::new(model)),
            (Api::Chat, Api::Messages) => Box::new(as_messages::AsMessages::new(model)),
            (Api::Chat | Api::Messages, Api::Responses) => {
                Box::new(as_responses::AsResponses::new(model))
            }
            _ => return None,
        };
        Some(Self {
            hear: hear::Hear::new(from),
            tell,
        })
    }

    pub fn event(&mut self, event: &Json, out: &mut Vec<Json>) -> Result<(), BadStream> {
        let tell = &mut self.tell;
        self.hear.event(event, &mut |said| tell.said(&said, out))
    }

    pub fn end(&mut self, usage: Option<Usage>, out: &mut Vec<Json>) {
        self.tell.end(usage, out);
    }
}
