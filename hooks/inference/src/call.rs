//! A request to a model server, read.

mod check;
mod images;
mod opaque;

use zeroize::Zeroize;

use crate::api::{Api, Dialect};
use crate::json::{Json, NotJson, Object};
use crate::leaf::{Kind, Leaf, Walk};

pub use opaque::Opaque;

/// Why a request is not sent on. The sentence names the member, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON that has one meaning only.
    #[error("the request's body is {0}")]
    NotJson(NotJson),
    /// A member is missing or of another kind.
    #[error("`{field}` in the request's body is not {wanted}")]
    Shape {
        /// Its path.
        field: String,
        /// What stands there in a request of this kind.
        wanted: &'static str,
    },
    /// A member that some servers take for one they know, and others do not.
    #[error("a key in the request's body is not written exactly `{0}`")]
    Spelling(&'static str),
    /// The call has no body to read.
    #[error("this call has no body")]
    NoBody,
}

/// A request. Its texts are overwritten when it is dropped.
pub struct Call {
    api: Api,
    body: Json,
    /// The bytes it was read from, as long as nothing was changed.
    unchanged: Option<Vec<u8>>,
}

impl Call {
    /// Read a request strictly: JSON that has one meaning only, in the known shape.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(api: Api, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut call = Self {
            api,
            body: Json::read_bounded(bytes).map_err(Unreadable::NotJson)?,
            unchanged: None,
        };
        check::shape(api, &call.body)?;
        if !(api.dialect() == Dialect::Anthropic && without_foreign_thoughts(&mut call.body)) {
            call.unchanged = Some(bytes.to_vec());
        }
        Ok(call)
    }

    /// A call made by us.
    pub(crate) fn made(api: Api, body: Json) -> Self {
        Self {
            api,
            body,
            unchanged: None,
        }
    }

    /// Which call it is.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api
    }

    /// The model that is asked for.
    #[must_use]
    pub fn model(&self) -> &str {
        self.body.text("model").unwrap_or_default()
    }

    /// Ask for another model.
    pub fn set_model(&mut self, name: &str) {
        if self.model() != name {
            self.change().set("model", name);
        }
    }

    /// Whether the answer is to come piece by piece.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.body.get("stream").and_then(Json::as_bool) == Some(true)
    }

    /// The most tokens that the answer may have, where the caller says so by a key that this call's servers know.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        let keys: &[&str] = match self.api {
            Api::Chat => &["max_completion_tokens", "max_tokens"],
            Api::Responses => &["max_output_tokens"],
            Api::Completions | Api::Messages => &["max_tokens"],
            Api::Embeddings | Api::CountTokens | Api::Models => &[],
        };
        keys.iter()
            .filter_map(|key| self.body.get(key).and_then(Json::as_u64))
            .max()
    }

    /// How many answers are asked for at once.
    #[must_use]
    pub fn answers(&self) -> u64 {
        ["n", "best_of"]
            .into_iter()
            .filter_map(|key| self.body.get(key).and_then(Json::as_u64))
            .max()
            .unwrap_or(1)
            .max(1)
    }

    /// Whether the model may call tools.
    #[must_use]
    pub fn has_tools(&self) -> bool {
        ["tools", "functions", "mcp_servers"]
            .into_iter()
            .any(|key| !self.body.list(key).is_empty())
    }

    /// Whether an image is sent, or the address of one.
    #[must_use]
    pub fn has_images(&self) -> bool {
        images::any(&self.body)
    }

    /// Whether an image or another medium is sent.
    #[must_use]
    pub fn has_media(&self) -> bool {
        self.has_images() || self.opaque().into_iter().any(Opaque::is_medium)
    }

    /// Put `note` where images are. How many there were.
    pub fn replace_images(&mut self, note: &str) -> usize {
        let count = images::replace(&mut self.body, self.api, note);
        if count > 0 {
            self.change();
        }
        count
    }

    /// What is sent that no reader of texts can see into.
    #[must_use]
    pub fn opaque(&self) -> Vec<Opaque> {
        opaque::of(self.api, &self.body)
    }

    /// Show every text that may carry somebody's data, in the order they stand. What the visitor gives back takes a text's
    /// place.
    pub fn leaves(&mut self, visit: &mut dyn FnMut(Leaf<'_>, &str) -> Option<String>) {
        let mut walk = Walk::new(visit, true);
        walk.body(&mut self.body, Kind::User);
        if walk.changed {
            self.unchanged = None;
        }
    }

    /// Make the server of a stream count its tokens. Whether the caller had asked for it.
    pub fn ask_for_usage(&mut self) -> bool {
        if !matches!(self.api, Api::Chat | Api::Completions) || !self.stream() {
            return true;
        }
        let asked = self
            .body
            .get("stream_options")
            .and_then(|options| options.get("include_usage"))
            .and_then(Json::as_bool)
            == Some(true);
        if !asked {
            let body = self.change();
            if body.get("stream_options").is_none() {
                body.set("stream_options", Object::default());
            }
            if let Some(options) = body.get_mut("stream_options").and_then(Json::as_object_mut) {
                options.set("include_usage", true);
            }
        }
        asked
    }

    /// The body to send: the caller's own bytes where nothing was changed.
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

    /// The body to be changed. `check::shape` has seen that it is an object.
    fn change(&mut self) -> &mut Object {
        self.unchanged = None;
        self.body.object_or_default()
    }
}

/// Take out thoughts without a signature: a server of another dialect had them, and none of this one takes them. Whether
/// there were any.
fn without_foreign_thoughts(body: &mut Json) -> bool {
    let mut found = false;
    let messages = body.get_mut("messages").and_then(Json::as_array_mut);
    for message in messages.into_iter().flatten() {
        if let Some(Json::Array(blocks)) = message.get_mut("content") {
            let before = blocks.len();
            blocks.retain(|block| {
                block.text("type") != Some("thinking") || block.text("signature") != Some("")
            });
            found |= blocks.len() < before;
        }
    }
    found
}

impl Drop for Call {
    fn drop(&mut self) {
        self.body.zeroize();
        self.unchanged.zeroize();
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a call of {:?}", self.api)
    }
}
