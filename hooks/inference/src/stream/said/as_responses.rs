//! A stream told as events of responses: items with their parts, each repeated whole when it ends.

use super::{Said, Tell};
use crate::json::{Json, Object, object};
use crate::stream::BadStream;
use crate::stream::strings::MOST;
use crate::translate::responses::{
    called, reasoning, refusal_part, response, said, summary_part, text_part,
};
use crate::translate::{Stop, ToolCall};
use crate::usage::Usage;

/// The item that is being said.
enum Open {
    Text(String),
    Refusal(String),
    Reasoning(String),
    Call { index: u32, call: ToolCall },
}

pub struct AsResponses {
    model: String,
    id: String,
    open: Option<Open>,
    items: Vec<Json>,
    stop: Stop,
    events: u64,
    /// Bytes of pieces so far.
    held: usize,
}

/// As much of an answer is kept to be repeated.
const LONGEST: usize = 8 << 20;

impl AsResponses {
    pub fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            id: String::new(),
            open: None,
            items: Vec::new(),
            stop: Stop::End,
            events: 0,
            held: 0,
        }
    }

    /// The id of the item that is being said.
    fn item_id(&self) -> String {
        format!("item_{}_{}", self.id, self.items.len())
    }

    fn event(&mut self, kind: &str, members: Object, out: &mut Vec<Json>) {
        let mut event = object! { "type": kind, "sequence_number": self.events };
        for (key, value) in members.iter() {
            event.set(key, value.clone());
        }
        self.events += 1;
        out.push(Json::Object(event));
    }

    /// An event about the item that is being said.
    fn about(&mut self, kind: &str, mut members: Object, out: &mut Vec<Json>) {
        members.set("item_id", self.item_id());
        members.set("output_index", self.items.len() as u64);
        self.event(kind, members, out);
    }

    fn open(&mut self, open: Open, out: &mut Vec<Json>) -> Result<(), BadStream> {
        self.close(out);
        if self.items.len() == MOST {
            return Err(BadStream::TooMany);
        }
        let id = self.item_id();
        let (item, part) = match &open {
            Open::Text(_) => (
                said(&id, "in_progress", Vec::new()),
                Some(("content", text_part(""))),
            ),
            Open::Refusal(_) => (
                said(&id, "in_progress", Vec::new()),
                Some(("content", refusal_part(""))),
            ),
            Open::Reasoning(_) => (reasoning(&id, ""), Some(("summary", summary_part("")))),
            Open::Call { call, .. } => (called(&id, "in_progress", call), None),
        };
        let at = self.items.len() as u64;
        self.event(
            "response.output_item.added",
            object! { "output_index": at, "item": item },
            out,
        );
        match part {
            Some(("content", part)) => {
                self.about(
                    "response.content_part.added",
                    object! { "content_index": 0u64, "part": part },
                    out,
                );
            }
            Some((_, part)) => {
                let members = object! { "summary_index": 0u64, "part": part };
                self.about("response.reasoning_summary_part.added", members, out);
            }
            None => {}
        }
        self.open = Some(open);
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<Json>) {
        let Some(open) = self.open.take() else {
            return;
        };
        let id = self.item_id();
        let item = match open {
            Open::Text(text) => {
                let members = object! { "content_index": 0u64, "text": text.as_str(), "logprobs": Vec::new() };
                self.about("response.output_text.done", members, out);
                self.part(
                    "response.content_part.done",
                    "content_index",
                    text_part(&text),
                    out,
                );
                said(&id, "completed", vec![text_part(&text)])
            }
            Open::Refusal(text) => {
                let members = object! { "content_index": 0u64, "refusal": text.as_str() };
                self.about("response.refusal.done", members, out);
                self.part(
                    "response.content_part.done",
                    "content_index",
                    refusal_part(&text),
                    out,
                );
                said(&id, "completed", vec![refusal_part(&text)])
            }
            Open::Reasoning(text) => {
                let members = object! { "summary_index": 0u64, "text": text.as_str() };
                self.about("response.reasoning_summary_text.done", members, out);
                self.part(
                    "response.reasoning_summary_part.done",
                    "summary_index",
                    summary_part(&text),
                    out,
                );
                reasoning(&id, &text)
            }
            Open::Call { call, .. } => {
                let members =
                    object! { "name": call.name.as_str(), "arguments": call.arguments.as_str() };
                self.about("response.function_call_arguments.done", members, out);
                called(&id, "completed", &call)
            }
        };
        let at = self.items.len() as u64;
        self.event(
            "response.output_item.done",
            object! { "output_index": at, "item": item.clone() },
            out,
        );
        self.items.push(item);
    }

    fn part(&mut self, kind: &str, index: &str, part: Json, out: &mut Vec<Json>) {
        let mut members = Object::default();
        members.set(index, 0u64);
        members.set("part", part);
        self.about(kind, members, out);
    }

    fn delta(&mut self, kind: &str, index: Option<&str>, piece: &str, out: &mut Vec<Json>) {
        let mut members = object! { "delta": piece };
        if let Some(index) = index {
            members.set(index, 0u64);
        }
        self.about(kind, members, out);
    }
}

impl Tell for AsResponses {
    fn said(&mut self, said: &Said<'_>, out: &mut Vec<Json>) -> Result<(), BadStream> {
        if let Said::Text(piece)
        | Said::Reasoning(piece)
        | Said::Refusal(piece)
        | Said::Arguments { piece, .. } = said
        {
            self.held += piece.len();
            if self.held > LONGEST {
                return Err(BadStream::TooLong);
            }
        }
        match *said {
            Said::Begin { id } => {
                id.clone_into(&mut self.id);
                for kind in ["response.created", "response.in_progress"] {
                    let begin = response(id, &self.model, None, Vec::new(), None);
                    self.event(kind, object! { "response": begin }, out);
                }
            }
            Said::Text(piece) => {
                if !matches!(self.open, Some(Open::Text(_))) {
                    self.open(Open::Text(String::new()), out)?;
                }
                if let Some(Open::Text(text)) = &mut self.open {
                    text.push_str(piece);
                }
                self.delta(
                    "response.output_text.delta",
                    Some("content_index"),
                    piece,
                    out,
                );
            }
            Said::Refusal(piece) => {
                if !matches!(self.open, Some(Open::Refusal(_))) {
                    self.open(Open::Refusal(String::new()), out)?;
                }
                if let Some(Open::Refusal(text)) = &mut self.open {
                    text.push_str(piece);
                }
                self.delta("response.refusal.delta", Some("content_index"), piece, out);
            }
            Said::Reasoning(piece) => {
                if !matches!(self.open, Some(Open::Reasoning(_))) {
                    self.open(Open::Reasoning(String::new()), out)?;
                }
                if let Some(Open::Reasoning(text)) = &mut self.open {
                    text.push_str(piece);
                }
                self.delta(
                    "response.reasoning_summary_text.delta",
                    Some("summary_index"),
                    piece,
                    out,
                );
            }
            Said::Call { index, id, name } => {
                let call = ToolCall {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    arguments: String::new(),
                };
                self.open(Open::Call { index, call }, out)?;
            }
            Said::Arguments { index, piece } => {
                match &mut self.open {
                    Some(Open::Call { index: open, call }) if *open == index => {
                        call.arguments.push_str(piece)
                    }
                    _ => return Err(BadStream::Shape("tool_calls, one after the other")),
                }
                self.delta("response.function_call_arguments.delta", None, piece, out);
            }
            Said::Stop(stop) => {
                self.close(out);
                self.stop = stop;
            }
        }
        Ok(())
    }

    fn end(&mut self, usage: Option<Usage>, out: &mut Vec<Json>) {
        self.close(out);
        let kind = match self.stop {
            Stop::Length | Stop::Filter => "response.incomplete",
            _ => "response.completed",
        };
        let items = std::mem::take(&mut self.items);
        let whole = response(&self.id, &self.model, Some(self.stop), items, usage);
        self.event(kind, object! { "response": whole }, out);
    }
}
