//! What an answer says, whichever interface it came by.

use super::parts::arguments_text;
use crate::api::Api;
use crate::json::Json;
use crate::usage::Usage;

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It had said all.
    End,
    /// It reached a limit.
    Length,
    /// It waits for tools.
    Tools,
    /// It may not go on.
    Filter,
    /// It came to a stop word.
    Sequence,
}

impl Stop {
    pub fn of_chat(word: &str) -> Self {
        match word {
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::Tools,
            "content_filter" => Self::Filter,
            _ => Self::End,
        }
    }

    pub fn of_messages(word: &str) -> Self {
        match word {
            "max_tokens" | "model_context_window_exceeded" => Self::Length,
            "tool_use" => Self::Tools,
            "refusal" => Self::Filter,
            "stop_sequence" => Self::Sequence,
            _ => Self::End,
        }
    }

    /// Some servers say «stop» after a call of a tool.
    pub fn with_calls(self, any: bool) -> Self {
        if any && matches!(self, Self::End | Self::Sequence) {
            Self::Tools
        } else {
            self
        }
    }

    pub fn chat(self) -> &'static str {
        match self {
            Self::End | Self::Sequence => "stop",
            Self::Length => "length",
            Self::Tools => "tool_calls",
            Self::Filter => "content_filter",
        }
    }

    pub fn messages(self) -> &'static str {
        match self {
            Self::End => "end_turn",
            Self::Length => "max_tokens",
            Self::Tools => "tool_use",
            Self::Filter => "refusal",
            Self::Sequence => "stop_sequence",
        }
    }
}

/// A tool call.
#[derive(Clone)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON, as the model wrote it.
    pub arguments: String,
}

/// An answer.
pub struct Answer {
    pub id: String,
    pub text: String,
    pub reasoning: String,
    pub refusal: String,
    pub calls: Vec<ToolCall>,
    pub stop: Stop,
    pub sequence: Option<String>,
    pub usage: Option<Usage>,
}

impl Answer {
    /// What an answer to chat or to messages says. `None`: another call's, or an empty one.
    pub fn read(api: Api, body: &Json) -> Option<Self> {
        let usage = body.get("usage").and_then(Usage::of);
        let mut answer = Self {
            id: body.text("id").unwrap_or("answer").to_owned(),
            text: String::new(),
            reasoning: String::new(),
            refusal: String::new(),
            calls: Vec::new(),
            stop: Stop::End,
            sequence: None,
            usage,
        };
        match api {
            Api::Chat => answer.chat(body.list("choices").first()?),
            Api::Messages => answer.messages(body),
            _ => return None,
        }
        answer.stop = answer.stop.with_calls(!answer.calls.is_empty());
        Some(answer)
    }

    fn chat(&mut self, choice: &Json) {
        self.stop = Stop::of_chat(choice.text("finish_reason").unwrap_or_default());
        let Some(message) = choice.get("message") else {
            return;
        };
        let text = |key: &str| message.text(key).unwrap_or_default().to_owned();
        self.text = message
            .get("content")
            .map(super::parts::texts)
            .unwrap_or_default();
        self.reasoning = message
            .text("reasoning_content")
            .or_else(|| message.text("reasoning"))
            .unwrap_or_default()
            .to_owned();
        self.refusal = text("refusal");
        for (at, call) in message.list("tool_calls").iter().enumerate() {
            let function = call.get("function");
            let part = |key: &str| {
                function
                    .and_then(|function| function.text(key))
                    .unwrap_or_default()
            };
            self.calls.push(ToolCall {
                id: call
                    .text("id")
                    .map_or_else(|| format!("call_{at}"), str::to_owned),
                name: part("name").to_owned(),
                arguments: part("arguments").to_owned(),
            });
        }
    }

    fn messages(&mut self, body: &Json) {
        self.stop = Stop::of_messages(body.text("stop_reason").unwrap_or_default());
        self.sequence = body.text("stop_sequence").map(str::to_owned);
        for block in body.list("content") {
            match block.text("type") {
                Some("text") => self.text.push_str(block.text("text").unwrap_or_default()),
                Some("thinking") => self
                    .reasoning
                    .push_str(block.text("thinking").unwrap_or_default()),
                Some("tool_use") => self.calls.push(ToolCall {
                    id: block.text("id").unwrap_or_default().to_owned(),
                    name: block.text("name").unwrap_or_default().to_owned(),
                    arguments: arguments_text(block.get("input")),
                }),
                _ => {}
            }
        }
    }
}
