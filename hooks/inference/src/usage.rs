//! What a call has used, as its server counts.

use crate::json::Json;

/// Tokens. A server that counts them otherwise is believed: it is who writes the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All tokens that were read, those from a cache too.
    pub input: u64,
    /// Tokens that were written, those of reasoning too.
    pub output: u64,
    /// How many of `input` came from a cache.
    pub cached: u64,
}

impl Usage {
    /// A `usage` object in either dialect.
    pub(crate) fn of(usage: &Json) -> Option<Self> {
        let count = |key: &str| usage.get(key).and_then(Json::as_u64);
        let detail = |group: &str| {
            usage
                .get(group)
                .and_then(|group| group.get("cached_tokens"))
                .and_then(Json::as_u64)
        };
        if let Some(input) = count("prompt_tokens") {
            return Some(Self {
                input,
                output: count("completion_tokens").unwrap_or(0),
                cached: detail("prompt_tokens_details").unwrap_or(0),
            });
        }
        let (input, output) = (count("input_tokens"), count("output_tokens"));
        if input.is_none() && output.is_none() {
            return None;
        }
        // Anthropic counts what was read from or written to its cache beside the rest, the Responses API within it.
        let read = count("cache_read_input_tokens").unwrap_or(0);
        let written = count("cache_creation_input_tokens").unwrap_or(0);
        Some(Self {
            input: input
                .unwrap_or(0)
                .saturating_add(read)
                .saturating_add(written),
            output: output.unwrap_or(0),
            cached: detail("input_tokens_details").unwrap_or(read),
        })
    }

    /// Both, each number the larger: streams tell counts that grow.
    pub(crate) fn with(self, later: Self) -> Self {
        Self {
            input: self.input.max(later.input),
            output: self.output.max(later.output),
            cached: self.cached.max(later.cached),
        }
    }
}
