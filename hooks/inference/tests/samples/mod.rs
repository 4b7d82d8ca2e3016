//! Requests in the shapes that official clients send, with a mark in every text that may be somebody's.

/// The Python client, with tools and their answers.
pub const CHAT_TOOLS: &str = r#"{"model":"gpt-5","messages":[
 {"role":"developer","content":"MARK-system"},
 {"role":"user","name":"MARK-name","content":[{"type":"text","text":"MARK-user é \n\u0040"}]},
 {"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"pay","arguments":"{\"to\": \"MARK-argument\", \"card\": 4111111111111111, \"deep\": [{\"MARK-argument-key\": true}]}"}}]},
 {"role":"tool","tool_call_id":"call_1","content":"MARK-result"},
 {"role":"assistant","content":"MARK-said","reasoning_content":"MARK-thought"},
 {"role":"user","content":"MARK-last"}],
 "tools":[{"type":"function","function":{"name":"MARK-tool","description":"MARK-description","strict":false,"parameters":{"type":"object","properties":{"MARK-property":{"type":"string","description":"MARK-schema","enum":["MARK-enum"],"default":"MARK-default"}},"required":["MARK-property"]}}}],
 "tool_choice":"auto","parallel_tool_calls":true,"stream":true,"stream_options":{"include_usage":true},
 "max_completion_tokens":512,"temperature":0.2,"stop":["MARK-stop"],"user":"MARK-end-user",
 "metadata":{"MARK-key":"MARK-value"},"logit_bias":{"50256":-100},"MARK-unknown":{"x":["MARK-inside"]}}"#;

/// The Node client, with parts of all kinds.
pub const CHAT_PARTS: &str = r#"{"model":"qwen3-vl","messages":[
 {"role":"system","content":[{"type":"text","text":"MARK-system"}]},
 {"role":"user","content":[
  {"type":"text","text":"MARK-question"},
  {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"low"}},
  {"type":"image_url","image_url":{"url":"https://example.org/MARK-url.png"}},
  {"type":"file","file":{"filename":"MARK-file.txt","file_data":"data:text/plain;base64,TUFSSw=="}}]}],
 "response_format":{"type":"json_schema","json_schema":{"name":"MARK-format","schema":{"type":"object","description":"MARK-wanted"}}},
 "prediction":{"type":"content","content":"MARK-prediction"},"safety_identifier":"MARK-id","prompt_cache_key":"MARK-cache","seed":7,"top_k":40}"#;

/// Claude Code: blocks everywhere, marks for the cache, thoughts with signatures.
pub const CLAUDE_CODE: &str = r#"{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":true,
 "system":[{"type":"text","text":"MARK-system","cache_control":{"type":"ephemeral"}},{"type":"text","text":"MARK-env"}],
 "messages":[
 {"role":"user","content":[{"type":"text","text":"MARK-reminder"},{"type":"text","text":"MARK-question","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
 {"role":"assistant","content":[{"type":"thinking","thinking":"MARK-thinking","signature":"EqQBCgIYAhIM"},{"type":"redacted_thinking","data":"EmwKAhgB"},{"type":"text","text":"MARK-said"},{"type":"tool_use","id":"toolu_01A","name":"Bash","input":{"command":"MARK-command","MARK-input-key":{"type":"MARK-hidden-as-type","role":"MARK-hidden-as-role","id":"MARK-hidden-as-id","model":"MARK-hidden-as-model"}}}]},
 {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_01A","is_error":false,"content":[{"type":"text","text":"MARK-result"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]},
  {"type":"document","title":"MARK-title","context":"MARK-context","source":{"type":"text","media_type":"text/plain","data":"MARK-document"},"citations":{"enabled":true}},
  {"type":"image","source":{"type":"url","url":"https://example.org/MARK-image"}},
  {"type":"search_result","source":"MARK-source","title":"MARK-found","content":[{"type":"text","text":"MARK-passage"}]}]}],
 "tools":[{"name":"Bash","description":"MARK-tool","input_schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"command":{"type":"string","description":"MARK-schema"}},"required":["command"],"additionalProperties":false}}],
 "tool_choice":{"type":"tool","name":"Bash","disable_parallel_tool_use":true},"stop_sequences":["MARK-stop"],"thinking":{"type":"enabled","budget_tokens":4000},
 "metadata":{"user_id":"MARK-user"},"temperature":1}"#;

/// Codex.
pub const CODEX: &str = r#"{"model":"gpt-5-codex","instructions":"MARK-instructions","input":[
 {"type":"message","role":"developer","content":[{"type":"input_text","text":"MARK-permissions"}]},
 {"type":"message","role":"user","content":[{"type":"input_text","text":"MARK-question"},{"type":"input_image","image_url":"data:image/jpeg;base64,/9j/4AAQ"}]},
 {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"MARK-summary"}],"encrypted_content":"gAAAAABo"},
 {"type":"message","role":"assistant","content":[{"type":"output_text","text":"MARK-said","annotations":[]}]},
 {"type":"function_call","name":"shell","arguments":"{\"command\":[\"bash\",\"-lc\",\"MARK-command\"]}","call_id":"call_9"},
 {"type":"function_call_output","call_id":"call_9","output":"MARK-output"}],
 "tools":[{"type":"function","name":"shell","description":"MARK-tool","strict":false,"parameters":{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"MARK-schema"}}}}],
 "tool_choice":"auto","parallel_tool_calls":false,"reasoning":{"effort":"medium","summary":"auto"},"store":false,"stream":true,
 "include":["reasoning.encrypted_content"],"prompt_cache_key":"MARK-cache","text":{"verbosity":"medium"}}"#;
