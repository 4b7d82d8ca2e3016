//! What a test may ask of the model server.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

/// How to answer.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it says.
    pub says: Says,
    /// Characters in one event of a stream.
    pub piece: usize,
    /// How a stream's bytes are cut into chunks.
    pub cut: Cut,
    /// Before the answer's head.
    pub before: Duration,
    /// Before each chunk of a stream but the first.
    pub between: Duration,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            says: Says::Text("Good morning.".into()),
            piece: 4,
            cut: Cut::Events,
            before: Duration::ZERO,
            between: Duration::ZERO,
            fault: None,
        }
    }
}

/// What it says.
#[derive(Debug, Clone)]
pub enum Says {
    /// This.
    Text(String),
    /// What the last message says.
    Echo,
    /// A call of the tool of this name; the arguments say what the last message says, in `text`.
    Call(String),
    /// What the server there says, which gets the request as it came.
    Relay(SocketAddr),
}

/// How a stream's bytes are cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// An event each.
    Events,
    /// So many bytes each.
    Every(usize),
    /// In two, here.
    At(usize),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another status, perhaps with `Retry-After` in seconds.
    Status {
        /// The status.
        code: u16,
        /// Seconds.
        retry_after: Option<u32>,
    },
    /// No answer at all.
    Hang,
    /// The connection is closed without an answer.
    Reset,
    /// The connection is cut behind so many bytes of the body.
    BreakOff(usize),
    /// An event whose data is no JSON, in the middle of a stream; in an answer, no JSON either.
    Malformed,
    /// Another content type.
    Kind(&'static str),
    /// So many bytes more of text.
    Huge(usize),
    /// One event with so many bytes of text.
    HugeEvent(usize),
    /// Bytes that are no UTF-8, in the text.
    NoText,
}

/// What is said, of which each dialect makes its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Text.
    Text(String),
    /// A tool's name and its arguments.
    Call(String, Value),
}

impl Plan {
    /// Says the same as the last message.
    pub fn echo() -> Plan {
        Plan {
            says: Says::Echo,
            ..Plan::default()
        }
    }

    /// Says this.
    pub fn text(text: &str) -> Plan {
        Plan {
            says: Says::Text(text.to_owned()),
            ..Plan::default()
        }
    }

    /// Fails so.
    pub fn fault(fault: Fault) -> Plan {
        Plan {
            fault: Some(fault),
            ..Plan::default()
        }
    }

    /// Fails with this status.
    pub fn status(code: u16) -> Plan {
        Plan::fault(Fault::Status {
            code,
            retry_after: None,
        })
    }

    /// What it says to this request.
    pub(super) fn said(&self, request: &Value) -> Said {
        let said = match &self.says {
            Says::Text(text) => Said::Text(text.clone()),
            Says::Echo => Said::Text(last(request)),
            Says::Call(name) => Said::Call(name.clone(), json!({ "text": last(request) })),
            Says::Relay(_) => Said::Text(String::new()),
        };
        match (self.fault, said) {
            (Some(Fault::Huge(bytes) | Fault::HugeEvent(bytes)), Said::Text(text)) => {
                Said::Text(text + &"x".repeat(bytes))
            }
            (_, said) => said,
        }
    }

    /// The text in the pieces that a stream's events have.
    pub(super) fn pieces(&self, text: &str) -> Vec<String> {
        if matches!(self.fault, Some(Fault::HugeEvent(_))) {
            return vec![text.to_owned()];
        }
        let letters: Vec<char> = text.chars().collect();
        letters
            .chunks(self.piece.max(1))
            .map(|piece| piece.iter().collect())
            .collect()
    }
}

/// The text of the last message, in any dialect.
fn last(request: &Value) -> String {
    let messages = request["messages"].as_array();
    let content = messages
        .and_then(|all| all.last())
        .map(|message| &message["content"]);
    let content = content.or_else(|| request.get("input").or_else(|| request.get("prompt")));
    let mut found = String::new();
    if let Some(content) = content {
        texts(content, &mut found);
    }
    found
}

fn texts(value: &Value, found: &mut String) {
    match value {
        Value::String(text) => found.push_str(text),
        Value::Array(parts) => parts.iter().for_each(|part| texts(part, found)),
        Value::Object(part) => ["text", "content"]
            .iter()
            .filter_map(|key| part.get(*key))
            .for_each(|part| texts(part, found)),
        _ => {}
    }
}
