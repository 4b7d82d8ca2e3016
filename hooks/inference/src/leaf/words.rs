//! Values that an interface defines: a member that holds one of them holds nobody's data.

/// Whether `value` is one of the few words that the member `key` may be. Any other one is shown.
pub fn is_word(key: &str, value: &str) -> bool {
    words(key).contains(&value)
}

fn words(key: &str) -> &'static [&'static str] {
    match key {
        "role" => &[
            "system",
            "developer",
            "user",
            "assistant",
            "tool",
            "function",
            "model",
        ],
        "type" => TYPES,
        "object" => OBJECTS,
        "status" => STATES,
        "detail" => &["auto", "low", "high", "original"],
        "effort" | "reasoning_effort" => {
            &["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        }
        "encoding_format" => &["float", "base64"],
        "media_type" => &[
            "text/plain",
            "application/pdf",
            "image/png",
            "image/jpeg",
            "image/gif",
            "image/webp",
        ],
        "finish_reason" => &[
            "stop",
            "length",
            "tool_calls",
            "content_filter",
            "function_call",
        ],
        "stop_reason" => &[
            "end_turn",
            "max_tokens",
            "stop_sequence",
            "tool_use",
            "pause_turn",
            "refusal",
        ],
        "service_tier" => &[
            "auto",
            "default",
            "flex",
            "scale",
            "priority",
            "standard",
            "standard_only",
            "batch",
        ],
        "tool_choice" => &["auto", "none", "required", "any"],
        "truncation" => &["auto", "disabled"],
        "verbosity" | "search_context_size" => &["low", "medium", "high"],
        "ttl" => &["5m", "1h"],
        "phase" => &["commentary", "final_answer"],
        "mode" => &["auto", "required"],
        "modalities" => &["text", "audio", "image"],
        "include" => INCLUDES,
        "prompt_cache_retention" => &["in-memory", "24h"],
        "require_approval" => &["always", "never"],
        _ => &[],
    }
}

/// What an answer may hold besides.
const INCLUDES: &[&str] = &[
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
    "message.input_image.image_url",
    "file_search_call.results",
    "web_search_call.action.sources",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
];

/// What a body is.
const OBJECTS: &[&str] = &[
    "list",
    "model",
    "embedding",
    "response",
    "chat.completion",
    "chat.completion.chunk",
    "text_completion",
];

/// How far an item is.
const STATES: &[&str] = &[
    "queued",
    "in_progress",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
    "searching",
];

/// Of parts, items, tools, formats and settings.
const TYPES: &[&str] = &[
    "text",
    "image_url",
    "input_audio",
    "file",
    "refusal",
    "function",
    "custom",
    "message",
    "input_text",
    "input_image",
    "input_file",
    "output_text",
    "summary_text",
    "reasoning_text",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "item_reference",
    "computer_call",
    "computer_call_output",
    "computer_screenshot",
    "image_generation_call",
    "code_interpreter_call",
    "web_search_call",
    "file_search_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "search_result",
    "thinking",
    "redacted_thinking",
    "document",
    "image",
    "base64",
    "url",
    "content",
    "ephemeral",
    "enabled",
    "disabled",
    "adaptive",
    "auto",
    "any",
    "none",
    "tool",
    "json_object",
    "json_schema",
    "grammar",
    "object",
    "error",
    "approximate",
    "url_citation",
    "file_citation",
    "allowed_tools",
    "mcp",
    "file_search",
    "web_search",
    "code_interpreter",
    "image_generation",
    "local_shell",
    "container_upload",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_interface_defines_is_a_word() {
        assert!(is_word("role", "user") && is_word("type", "tool_use"));
        for (key, value) in [
            ("role", "text"),
            ("type", "jane.doe"),
            ("mode", "hunter2"),
            ("name", "user"),
        ] {
            assert!(!is_word(key, value), "{key}: {value}");
        }
    }
}
