//! A stream told as chunks of chat.

use super::{Said, Tell};
use crate::json::{Json, json};
use crate::stream::BadStream;
use crate::translate::chat_usage;
use crate::usage::Usage;

pub struct AsChat {
    model: String,
    id: String,
}

impl AsChat {
    pub fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            id: String::new(),
        }
    }

    fn chunk(&self, choices: Vec<Json>) -> Json {
        json! {
            "id": self.id.as_str(),
            "object": "chat.completion.chunk",
            "created": 0u64,
            "model": self.model.as_str(),
            "choices": choices,
        }
    }

    fn delta(&self, delta: Json, finish: Option<&str>) -> Json {
        self.chunk(vec![json! { "index": 0u64, "delta": delta, "logprobs": Json::Null, "finish_reason": finish }])
    }
}

impl Tell for AsChat {
    fn said(&mut self, said: &Said<'_>, out: &mut Vec<Json>) -> Result<(), BadStream> {
        let delta = match *said {
            Said::Begin { id } => {
                id.clone_into(&mut self.id);
                json! { "role": "assistant", "content": "" }
            }
            Said::Text(text) => json! { "content": text },
            Said::Reasoning(text) => json! { "reasoning_content": text },
            Said::Refusal(text) => json! { "refusal": text },
            Said::Call { index, id, name } => {
                let function = json! { "name": name, "arguments": "" };
                let call = json! { "index": u64::from(index), "id": id, "type": "function", "function": function };
                json! { "tool_calls": vec![call] }
            }
            Said::Arguments { index, piece } => {
                let call =
                    json! { "index": u64::from(index), "function": json! { "arguments": piece } };
                json! { "tool_calls": vec![call] }
            }
            Said::Stop(stop) => {
                out.push(self.delta(json! {}, Some(stop.chat())));
                return Ok(());
            }
        };
        out.push(self.delta(delta, None));
        Ok(())
    }

    fn end(&mut self, usage: Option<Usage>, out: &mut Vec<Json>) {
        if let Some(usage) = usage {
            let mut chunk = self.chunk(Vec::new());
            chunk.object_or_default().set("usage", chat_usage(usage));
            out.push(chunk);
        }
    }
}
