//! A whole answer of a model server, read.

use zeroize::Zeroize;

use crate::api::Api;
use crate::json::{Json, NotJson, Object};
use crate::leaf::{Kind, Leaf, Walk};
use crate::translate::translate;
use crate::usage::Usage;

/// Why an answer is not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// It is no JSON that has one meaning only.
    #[error("the model server's answer is {0}")]
    NotJson(NotJson),
    /// It is not an object, or lacks what every answer of this kind has.
    #[error("the model server's answer has no `{0}`")]
    Shape(&'static str),
    /// There is no way from this call's answers to that one's.
    #[error("an answer of this kind cannot become one of the kind that was asked for")]
    Untranslatable,
}

/// An answer. Its texts are overwritten when it is dropped.
pub struct Reply {
    api: Api,
    body: Json,
    /// The bytes it was read from, as long as nothing was changed.
    unchanged: Option<Vec<u8>>,
}

impl Reply {
    /// Read an answer to `api`.
    ///
    /// # Errors
    /// It is none.
    pub fn read(api: Api, bytes: &[u8]) -> Result<Self, BadReply> {
        let body = Json::read(bytes).map_err(BadReply::NotJson)?;
        let needed = match api {
            Api::Chat | Api::Completions => "choices",
            Api::Responses => "output",
            Api::Messages => "content",
            Api::Embeddings | Api::Models => "data",
            Api::CountTokens => "input_tokens",
        };
        match (api, body.get(needed)) {
            (Api::CountTokens, Some(Json::Number(_))) | (_, Some(Json::Array(_))) => {}
            _ => return Err(BadReply::Shape(needed)),
        }
        Ok(Self {
            api,
            body,
            unchanged: Some(bytes.to_vec()),
        })
    }

    /// Which call it answers.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api
    }

    /// What the call has used, where the server says so.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match self.api {
            Api::CountTokens => None,
            _ => self.body.get("usage").and_then(Usage::of),
        }
    }

    /// Why the model stopped, in the server's own word.
    #[must_use]
    pub fn finish(&self) -> Option<&str> {
        match self.api {
            Api::Messages => self.body.text("stop_reason"),
            Api::Responses => self.body.text("status"),
            _ => self
                .body
                .list("choices")
                .iter()
                .find_map(|choice| choice.text("finish_reason")),
        }
    }

    /// Show every text that may carry somebody's data, in the order they stand. What the visitor gives back takes a text's
    /// place. Probabilities of tokens, which tell the old text again, then go.
    pub fn leaves(&mut self, visit: &mut dyn FnMut(Leaf<'_>, &str) -> Option<String>) {
        let mut walk = Walk::new(visit, false);
        walk.body(&mut self.body, Kind::Assistant);
        if walk.changed {
            without_logprobs(&mut self.body);
            self.unchanged = None;
        }
    }

    /// The answer as the caller is to see it, with the name of the model that he asked for.
    fn shown_as(mut self, model: &str) -> Self {
        if self.body.text("model").is_some_and(|name| name != model) {
            self.change().set("model", model);
        }
        self
    }

    /// The answer as one to `to`, with the name of the model that the caller asked for.
    ///
    /// # Errors
    /// There is no way from this answer to one of that kind.
    pub fn into_api(self, to: Api, model_shown: &str) -> Result<Self, BadReply> {
        if self.api == to {
            return Ok(self.shown_as(model_shown));
        }
        let body = translate(self.api, to, &self.body, model_shown);
        Ok(Self {
            api: to,
            body: body.ok_or(BadReply::Untranslatable)?,
            unchanged: None,
        })
    }

    /// The body to hand on: the server's own bytes where nothing was changed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.unchanged
            .clone()
            .unwrap_or_else(|| self.body.to_bytes())
    }

    /// The body as a value.
    #[must_use]
    pub fn body(&self) -> &Json {
        &self.body
    }

    fn change(&mut self) -> &mut Object {
        self.unchanged = None;
        self.body.object_or_default()
    }
}

/// Take the probabilities of tokens out of choices, or of an answer's parts.
pub(crate) fn without_logprobs(body: &mut Json) {
    match body {
        Json::Array(items) => items.iter_mut().for_each(without_logprobs),
        Json::Object(object) => {
            match object.get_mut("logprobs") {
                Some(Json::Array(tokens)) => tokens.clear(),
                Some(other) => *other = Json::Null,
                None => {}
            }
            for key in ["choices", "output", "content", "part", "item", "response"] {
                if let Some(value) = object.get_mut(key) {
                    without_logprobs(value);
                }
            }
        }
        _ => {}
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.body.zeroize();
        self.unchanged.zeroize();
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an answer of {:?}", self.api)
    }
}
