//! One interface's calls and answers said in another's.
//!
//! Chat is the language in the middle: messages and responses become chat and chat becomes messages, so that responses
//! reach a server of messages in two steps. What the other side has no word for is refused if the answer would be another
//! without it, and left out if it only tunes (seeds, penalties, caching, effort). Tools that a server runs itself are left
//! out as long as others remain.

mod answer;
mod from_messages;
mod from_responses;
mod parts;
mod replies;
pub mod responses;
mod to_messages;

use crate::api::{Api, Dialect};
use crate::call::Call;
use crate::json::{Json, Object};

pub use answer::{Stop, ToolCall};
pub use replies::{chat_usage, message, messages_usage, translate};

/// Why a call cannot be made to a server of another kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` has no counterpart at a model server of the kind that would answer")]
pub struct Untranslatable {
    /// The member's path.
    pub field: String,
}

pub fn no(field: impl Into<String>) -> Untranslatable {
    Untranslatable {
        field: field.into(),
    }
}

impl Call {
    /// The same call to a server of `dialect`.
    ///
    /// # Errors
    /// It asks for something that such servers do not have.
    pub fn into_dialect(self, dialect: Dialect) -> Result<Self, Untranslatable> {
        if self.api().dialect() == dialect {
            return Ok(self);
        }
        match dialect {
            Dialect::OpenAi => self.into_api(Api::Chat),
            Dialect::Anthropic => self.into_api(Api::Messages),
        }
    }

    /// The same call as one of `to`.
    ///
    /// # Errors
    /// It asks for something that cannot be said there.
    pub fn into_api(self, to: Api) -> Result<Self, Untranslatable> {
        let from = self.api();
        if from == to {
            return Ok(self);
        }
        match (from, to) {
            (Api::Messages, Api::Chat) => {
                from_messages::to_chat(self.body()).map(|body| Self::made(to, body))
            }
            (Api::Responses, Api::Chat) => {
                from_responses::to_chat(self.body()).map(|body| Self::made(to, body))
            }
            (Api::Chat, Api::Messages) => {
                to_messages::from_chat(self.body()).map(|body| Self::made(to, body))
            }
            (Api::Responses, Api::Messages) => self.into_api(Api::Chat)?.into_api(to),
            _ => Err(no("the call")),
        }
    }
}

/// About how many tokens a call's texts are: for servers that do not count them beforehand. Four letters of an alphabet a
/// token, one of any other script, and some for what stands around each text.
#[must_use]
pub fn estimate_tokens(call: &Call) -> u64 {
    let (mut plain, mut other, mut texts) = (0u64, 0u64, 0u64);
    count(call.body(), &mut |text| {
        texts += 1;
        let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
        plain += ascii;
        other += text.chars().count() as u64 - ascii;
    });
    plain.div_ceil(4) + other + texts
}

fn count(value: &Json, each: &mut dyn FnMut(&str)) {
    match value {
        Json::String(text) if crate::leaf::image::is_url(text) => each(&" ".repeat(4 * 1500)),
        Json::String(text) => each(text),
        Json::Array(items) => items.iter().for_each(|item| count(item, each)),
        Json::Object(object)
            if value.text("type") == Some("base64") && object.get("data").is_some() =>
        {
            each(&" ".repeat(4 * 1500));
        }
        Json::Object(object) => object.iter().for_each(|(_, member)| count(member, each)),
        _ => {}
    }
}

/// Copy members that have the same name and meaning on both sides.
pub fn copy(from: &Json, to: &mut Object, keys: &[&str]) {
    for key in keys {
        if let Some(value) = from.get(key) {
            to.set(key, value.clone());
        }
    }
}
