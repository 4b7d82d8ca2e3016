//! The words that the interfaces define: keys that are nobody's data.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Keys of requests, answers and events, in either dialect and of the servers that extend them. Sorted.
const KEYS: &[&str] = &[
    "$defs",
    "$ref",
    "$schema",
    "action",
    "actions",
    "additionalProperties",
    "allOf",
    "allowed_callers",
    "allowed_domains",
    "allowed_tools",
    "annotations",
    "anyOf",
    "approximate",
    "arguments",
    "audio",
    "background",
    "best_of",
    "betas",
    "blocked_domains",
    "budget_tokens",
    "bytes",
    "cache_control",
    "cache_creation",
    "cached_tokens",
    "call_id",
    "caller",
    "chat_template_kwargs",
    "choices",
    "citations",
    "cited_text",
    "city",
    "code",
    "command",
    "completed_at",
    "completion_tokens",
    "completion_tokens_details",
    "connector_id",
    "const",
    "container",
    "content",
    "context",
    "context_management",
    "conversation",
    "country",
    "created",
    "created_at",
    "custom",
    "data",
    "default",
    "definition",
    "definitions",
    "delta",
    "description",
    "detail",
    "dimensions",
    "disable_parallel_tool_use",
    "display_name",
    "document_index",
    "document_title",
    "echo",
    "edits",
    "effort",
    "embedding",
    "embeddings",
    "encoding_format",
    "encrypted_content",
    "encrypted_index",
    "end_char_index",
    "enum",
    "environment",
    "error",
    "event_id",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "file",
    "file_data",
    "file_id",
    "file_ids",
    "file_url",
    "filename",
    "filters",
    "finish_reason",
    "format",
    "frequency_penalty",
    "function",
    "function_call",
    "functions",
    "grammar",
    "guided_json",
    "headers",
    "id",
    "image",
    "image_url",
    "images",
    "include",
    "include_obfuscation",
    "include_usage",
    "incomplete_details",
    "index",
    "input",
    "input_audio",
    "input_examples",
    "input_schema",
    "input_tokens",
    "input_tokens_details",
    "instructions",
    "is_error",
    "item",
    "item_id",
    "items",
    "json_schema",
    "keep_alive",
    "logit_bias",
    "logprob",
    "logprobs",
    "maxItems",
    "maxLength",
    "maxProperties",
    "max_completion_tokens",
    "max_num_results",
    "max_output_tokens",
    "max_tokens",
    "max_tool_calls",
    "max_uses",
    "maximum",
    "mcp_servers",
    "media_type",
    "message",
    "messages",
    "metadata",
    "minItems",
    "minLength",
    "minProperties",
    "min_p",
    "minimum",
    "mirostat",
    "modalities",
    "mode",
    "model",
    "moderation",
    "multipleOf",
    "n",
    "n_predict",
    "name",
    "not",
    "num_ctx",
    "object",
    "oneOf",
    "options",
    "output",
    "output_config",
    "output_format",
    "output_index",
    "output_text",
    "output_tokens",
    "output_tokens_details",
    "parallel_tool_calls",
    "parameters",
    "part",
    "partial_json",
    "pattern",
    "patternProperties",
    "phase",
    "plugins",
    "prediction",
    "prefixItems",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_tokens",
    "prompt_tokens_details",
    "properties",
    "propertyNames",
    "provider",
    "quality",
    "queries",
    "ranking_options",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "reasoning_effort",
    "refusal",
    "region",
    "repeat_penalty",
    "repetition_penalty",
    "require_approval",
    "required",
    "response",
    "response_format",
    "result",
    "results",
    "role",
    "safety_identifier",
    "schema",
    "search_context_size",
    "search_result_index",
    "seed",
    "sequence_number",
    "server_description",
    "server_label",
    "server_name",
    "server_url",
    "service_tier",
    "signature",
    "size",
    "skip_special_tokens",
    "source",
    "start_char_index",
    "status",
    "stop",
    "stop_details",
    "stop_reason",
    "stop_sequence",
    "stop_sequences",
    "store",
    "stream",
    "stream_options",
    "strict",
    "suffix",
    "summary",
    "syntax",
    "system",
    "system_fingerprint",
    "temperature",
    "text",
    "thinking",
    "timezone",
    "timings",
    "title",
    "token",
    "tokens",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tool_name",
    "tool_use_id",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "total_tokens",
    "transforms",
    "truncation",
    "ttl",
    "type",
    "typical_p",
    "uniqueItems",
    "uri",
    "url",
    "usage",
    "user",
    "user_id",
    "user_location",
    "variables",
    "vector_store_ids",
    "verbosity",
    "version",
    "voice",
    "web_search_options",
];

/// Whether an interface defines this key. Keys that are not in the list are shown to the visitor.
pub fn is_known(key: &str) -> bool {
    // A few stand for nearly all there are.
    matches!(key, "role" | "content" | "type" | "text") || KEYS.binary_search(&key).is_ok()
}

/// The member that a reader who does not mind upper case takes `key` for, where it is not written so.
pub fn known_otherwise_spelt(key: &str) -> Option<&'static str> {
    if is_known(key) {
        return None;
    }
    FOLDED.get(&fold(key)).copied()
}

/// The keys by what the most lenient reader compares.
static FOLDED: LazyLock<HashMap<String, &str>> =
    LazyLock::new(|| KEYS.iter().map(|key| (fold(key), *key)).collect());

/// As the most lenient reader compares letters: `ſ` is an `s`, the Kelvin sign a `k`.
fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Keys whose value a server or a client made up.
pub fn is_handle(key: &str) -> bool {
    matches!(
        key,
        "id" | "tool_call_id"
            | "tool_use_id"
            | "call_id"
            | "item_id"
            | "file_id"
            | "file_ids"
            | "vector_store_ids"
            | "previous_response_id"
            | "conversation"
            | "container"
            | "event_id"
            | "encrypted_content"
            | "encrypted_index"
            | "signature"
            | "system_fingerprint"
            | "connector_id"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_sorted_and_distinct() {
        assert!(KEYS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn keys_are_known_only_as_they_are_written() {
        assert_eq!(known_otherwise_spelt("Model"), Some("model"));
        assert_eq!(
            known_otherwise_spelt("me\u{17f}\u{17f}ages"),
            Some("messages")
        );
        assert_eq!(known_otherwise_spelt("model"), None);
        assert_eq!(known_otherwise_spelt("jane@example.org"), None);
    }
}
