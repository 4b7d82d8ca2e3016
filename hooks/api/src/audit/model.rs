//! What the audit log keeps of a call to a model: enough to see what was decided, and to decide it again under another
//! policy. Never a text, and never a value that was found.

use nemoclaw_policy::class::Class;
use serde::{Deserialize, Serialize};

/// [`ModelCall::decision`]: a provider was asked.
pub const SENT: &str = "sent";
/// [`ModelCall::decision`]: nobody was asked.
pub const REFUSED: &str = "refused";

/// A call to a model. What a line does not say is as if nothing was there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelCall {
    /// The API's word: `chat`, `completions`, `responses`, `embeddings`, `messages`, `count_tokens`.
    pub api: String,
    /// The model that the agent named.
    pub model: String,
    /// The provider that answered, or was asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model that it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<String>,
    /// [`SENT`], [`REFUSED`], or another word of the router's.
    pub decision: String,
    /// Length of the request in tokens as it was decided on: an estimate.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// Tokens that the provider counted in the request.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens_in: u64,
    /// Tokens that it counted in its answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens_out: u64,
    /// What that cost, in millionths of the currency of the provider's prices.
    #[serde(skip_serializing_if = "is_zero")]
    pub cost: u64,
    /// What was found in the request, each kind once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<FoundCount>,
    /// The highest class that the provider saw.
    pub label: Class,
    /// The highest class that a model had seen when it gave the answers that the request repeats.
    pub conversation: Class,
    /// The highest class that a model had seen in this sandbox.
    pub session: Class,
    /// Whether it brought tools.
    #[serde(skip_serializing_if = "is_false")]
    pub tools: bool,
    /// Whether it brought pictures.
    #[serde(skip_serializing_if = "is_false")]
    pub images: bool,
}

/// A kind of finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundCount {
    /// The detector.
    pub detector: String,
    /// Its class.
    pub class: Class,
    /// How often.
    pub count: u64,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
