//! A stream told as events of messages: one block after the other.

use super::{Said, Tell};
use crate::json::{Json, Object, json};
use crate::stream::BadStream;
use crate::translate::{Stop, message, messages_usage};
use crate::usage::Usage;

#[derive(PartialEq, Eq, Clone, Copy)]
enum Block {
    Text,
    Thinking,
    Call(u32),
}

pub struct AsMessages {
    model: String,
    open: Option<Block>,
    blocks: u64,
    stop: Stop,
}

impl AsMessages {
    pub fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            open: None,
            blocks: 0,
            stop: Stop::End,
        }
    }

    fn close(&mut self, out: &mut Vec<Json>) {
        if self.open.take().is_some() {
            out.push(json! { "type": "content_block_stop", "index": self.blocks });
            self.blocks += 1;
        }
    }

    fn open(&mut self, block: Block, begin: Json, out: &mut Vec<Json>) {
        self.close(out);
        self.open = Some(block);
        out.push(
            json! { "type": "content_block_start", "index": self.blocks, "content_block": begin },
        );
    }

    fn delta(&self, delta: Json, out: &mut Vec<Json>) {
        out.push(json! { "type": "content_block_delta", "index": self.blocks, "delta": delta });
    }

    fn text(&mut self, text: &str, out: &mut Vec<Json>) {
        if self.open != Some(Block::Text) {
            self.open(Block::Text, json! { "type": "text", "text": "" }, out);
        }
        self.delta(json! { "type": "text_delta", "text": text }, out);
    }
}

impl Tell for AsMessages {
    fn said(&mut self, said: &Said<'_>, out: &mut Vec<Json>) -> Result<(), BadStream> {
        match *said {
            Said::Begin { id } => {
                let begin = message(id, &self.model, Usage::default());
                out.push(json! { "type": "message_start", "message": begin });
            }
            Said::Text(text) | Said::Refusal(text) => self.text(text, out),
            Said::Reasoning(text) => {
                if self.open != Some(Block::Thinking) {
                    let begin = json! { "type": "thinking", "thinking": "", "signature": "" };
                    self.open(Block::Thinking, begin, out);
                }
                self.delta(json! { "type": "thinking_delta", "thinking": text }, out);
            }
            Said::Call { index, id, name } => {
                let begin = json! { "type": "tool_use", "id": id, "name": name, "input": Object::default() };
                self.open(Block::Call(index), begin, out);
            }
            Said::Arguments { index, piece } => {
                if self.open != Some(Block::Call(index)) {
                    // A block that is closed cannot be written to.
                    return Err(BadStream::Shape("tool_calls, one after the other"));
                }
                self.delta(
                    json! { "type": "input_json_delta", "partial_json": piece },
                    out,
                );
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
        out.push(json! {
            "type": "message_delta",
            "delta": json! { "stop_reason": self.stop.messages(), "stop_sequence": Json::Null },
            "usage": messages_usage(usage.unwrap_or_default()),
        });
        out.push(json! { "type": "message_stop" });
    }
}
