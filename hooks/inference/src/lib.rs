//! What model servers and their clients say to each other: the shapes of OpenAI's and Anthropic's requests, answers and
//! streams, where texts stand in them, and how one becomes the other.
//!
//! Everything here is pure: bytes and values in, bytes and values out. Who may be asked is the policy's business, who is
//! asked the router's.

mod api;
mod call;
mod error;
mod json;
mod leaf;
mod models;
mod reply;
mod stream;
mod translate;
mod usage;

pub use api::{Api, Dialect};
pub use call::{Call, Opaque, Unreadable};
pub use error::{ErrorReply, Refusal, error_body};
pub use json::{Json, NotJson, Object};
pub use leaf::{Kind, Leaf, Place};
pub use models::{model_reply, models_reply};
pub use reply::{BadReply, Reply};
pub use stream::{AsIs, BadStream, Channel, ChannelKind, Outcome, Relay, Rewrite, error_event};
pub use translate::{Untranslatable, estimate_tokens};
pub use usage::Usage;
