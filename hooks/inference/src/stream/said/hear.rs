//! Events of chat and of messages as what happens in them.

use super::Said;
use crate::api::Api;
use crate::json::Json;
use crate::stream::BadStream;
use crate::stream::chat::number;
use crate::stream::strings::MOST;
use crate::translate::Stop;

type Each<'f> = dyn FnMut(Said<'_>) -> Result<(), BadStream> + 'f;

/// Numbers of calls that have none.
const UNNUMBERED: u32 = 1 << 20;

/// Hears one interface.
pub struct Hear {
    from: Api,
    begun: bool,
    /// Tool calls by the number that the server gives them, in the order they began.
    calls: Vec<u32>,
    /// The last call has had a piece of arguments.
    argued: bool,
}

impl Hear {
    pub fn new(from: Api) -> Self {
        Self {
            from,
            begun: false,
            calls: Vec::new(),
            argued: false,
        }
    }

    pub fn event(&mut self, event: &Json, each: &mut Each<'_>) -> Result<(), BadStream> {
        match self.from {
            Api::Messages => self.messages(event, each),
            _ => self.chat(event, each),
        }
    }

    fn begin(&mut self, id: Option<&str>, each: &mut Each<'_>) -> Result<(), BadStream> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        each(Said::Begin {
            id: id.unwrap_or("answer"),
        })
    }

    fn chat(&mut self, chunk: &Json, each: &mut Each<'_>) -> Result<(), BadStream> {
        self.begin(chunk.text("id"), each)?;
        let first = chunk
            .list("choices")
            .iter()
            .find(|choice| number(choice.get("index"), 0) == 0);
        let Some(choice) = first else {
            return Ok(());
        };
        if let Some(delta) = choice.get("delta") {
            let piece = |key: &str| delta.text(key).filter(|text| !text.is_empty());
            if let Some(text) = piece("reasoning_content").or_else(|| piece("reasoning")) {
                each(Said::Reasoning(text))?;
            }
            if let Some(text) = piece("content") {
                each(Said::Text(text))?;
            }
            if let Some(text) = piece("refusal") {
                each(Said::Refusal(text))?;
            }
            for (at, call) in delta.list("tool_calls").iter().enumerate() {
                self.chat_call(call, at, each)?;
            }
        }
        match choice.text("finish_reason") {
            Some(word) => each(Said::Stop(
                Stop::of_chat(word).with_calls(!self.calls.is_empty()),
            )),
            None => Ok(()),
        }
    }

    fn chat_call(&mut self, call: &Json, at: usize, each: &mut Each<'_>) -> Result<(), BadStream> {
        let function = call.get("function").ok_or(BadStream::Shape("function"))?;
        let named = function.text("name").is_some_and(|name| !name.is_empty());
        let theirs = match (call.get("index"), self.calls.last()) {
            (None, Some(last)) if !named => *last,
            // Gemini sends each call whole and gives none a number.
            (None, _) => UNNUMBERED + number(None, self.calls.len()),
            (index, _) => number(index, at),
        };
        let index = match self.calls.iter().position(|known| *known == theirs) {
            Some(index) => number(None, index),
            None => {
                let name = function
                    .text("name")
                    .ok_or(BadStream::Shape("function.name"))?;
                let made_up = format!("call_{theirs}");
                self.call(theirs, call.text("id").unwrap_or(&made_up), name, each)?
            }
        };
        match function.text("arguments").filter(|piece| !piece.is_empty()) {
            Some(piece) => each(Said::Arguments { index, piece }),
            None => Ok(()),
        }
    }

    fn call(
        &mut self,
        theirs: u32,
        id: &str,
        name: &str,
        each: &mut Each<'_>,
    ) -> Result<u32, BadStream> {
        if self.calls.len() == MOST {
            return Err(BadStream::TooMany);
        }
        let index = number(None, self.calls.len());
        self.calls.push(theirs);
        self.argued = false;
        each(Said::Call { index, id, name })?;
        Ok(index)
    }

    fn messages(&mut self, event: &Json, each: &mut Each<'_>) -> Result<(), BadStream> {
        let theirs = number(event.get("index"), 0);
        match event.text("type") {
            Some("message_start") => {
                let id = event.get("message").and_then(|message| message.text("id"));
                self.begin(id, each)
            }
            Some("content_block_start") => {
                let block = event
                    .get("content_block")
                    .ok_or(BadStream::Shape("content_block"))?;
                let piece = |key: &str| block.text(key).filter(|text| !text.is_empty());
                match block.text("type") {
                    Some("text") => piece("text").map_or(Ok(()), |text| each(Said::Text(text))),
                    Some("thinking") => {
                        piece("thinking").map_or(Ok(()), |text| each(Said::Reasoning(text)))
                    }
                    Some("tool_use") => {
                        let id = block
                            .text("id")
                            .ok_or(BadStream::Shape("content_block.id"))?;
                        let name = block
                            .text("name")
                            .ok_or(BadStream::Shape("content_block.name"))?;
                        self.call(theirs, id, name, each).map(|_| ())
                    }
                    _ => Ok(()),
                }
            }
            Some("content_block_delta") => {
                let delta = event.get("delta").ok_or(BadStream::Shape("delta"))?;
                let piece = |key: &str| delta.text(key).filter(|text| !text.is_empty());
                if let Some(text) = piece("text") {
                    return each(Said::Text(text));
                }
                if let Some(text) = piece("thinking") {
                    return each(Said::Reasoning(text));
                }
                let index = self.calls.iter().position(|known| *known == theirs);
                match (piece("partial_json"), index) {
                    (Some(piece), Some(index)) => {
                        self.argued = true;
                        each(Said::Arguments {
                            index: number(None, index),
                            piece,
                        })
                    }
                    _ => Ok(()),
                }
            }
            Some("content_block_stop") => {
                // A call without arguments has no piece there; elsewhere it has an empty object.
                match self.calls.last() {
                    Some(last) if *last == theirs && !std::mem::replace(&mut self.argued, true) => {
                        let index = number(None, self.calls.len() - 1);
                        each(Said::Arguments { index, piece: "{}" })
                    }
                    _ => Ok(()),
                }
            }
            Some("message_delta") => {
                let word = event
                    .get("delta")
                    .and_then(|delta| delta.text("stop_reason"));
                word.map_or(Ok(()), |word| each(Said::Stop(Stop::of_messages(word))))
            }
            _ => Ok(()),
        }
    }
}
