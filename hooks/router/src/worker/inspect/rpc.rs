//! JSON-RPC 2.0, which MCP speaks too: the messages of a body.

use nemoclaw_policy::decide::RpcCall;
use nemoclaw_policy::policy::TOOLS_CALL;
use serde_json::{Map, Value};

use super::json::{self, NotText};
use super::{BATCH, Unclear};

/// Members of a message whose meaning rules depend on.
const MEMBERS: &[&str] = &["jsonrpc", "method", "params", "id", "result", "error"];
/// The member of `params` by which a tool is called.
const NAME: &str = "name";

/// What a body holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Calls {
    /// Its messages, at least one.
    pub calls: Vec<RpcCall>,
    /// The id to which a refusal answers: that of a single request, else null.
    pub id: Value,
}

/// Read a body, one message or a batch of them.
///
/// # Errors
/// It is not JSON-RPC 2.0, or not in one way only.
pub fn calls(body: &[u8]) -> Result<Calls, Unclear> {
    match json::read(body).ok_or(Unclear::Json)? {
        Value::Array(batch) if batch.is_empty() || batch.len() > BATCH => Err(Unclear::Batch),
        Value::Array(batch) => Ok(Calls {
            calls: batch.iter().map(call).collect::<Result<_, _>>()?,
            id: Value::Null,
        }),
        single => Ok(Calls {
            calls: vec![call(&single)?],
            id: single.get("id").cloned().unwrap_or_default(),
        }),
    }
}

fn call(value: &Value) -> Result<RpcCall, Unclear> {
    let message = value.as_object().ok_or(Unclear::Shape)?;
    if !json::in_known_letters(message, MEMBERS) {
        return Err(Unclear::Letters);
    }
    let id = message.get("id");
    let identified = matches!(id, Some(Value::String(_) | Value::Number(_)));
    let version = message.get("jsonrpc").is_some_and(|two| two == "2.0");
    if !version || !(identified || matches!(id, None | Some(Value::Null))) {
        return Err(Unclear::Shape);
    }
    let answers = ["result", "error"]
        .iter()
        .filter(|key| message.contains_key(**key))
        .count();
    match (json::text(message, "method"), answers) {
        (Ok(Some(method)), 0) => request(method, message.get("params")),
        (Ok(None), 1) if !message.contains_key("method") && !message.contains_key("params") => {
            Ok(RpcCall::Answer)
        }
        _ => Err(Unclear::Shape),
    }
}

fn request(method: &str, params: Option<&Value>) -> Result<RpcCall, Unclear> {
    let call = |name: Option<&str>| {
        Ok(RpcCall::Method {
            method: method.to_owned(),
            name: name.map(str::to_owned),
        })
    };
    match params {
        None | Some(Value::Null | Value::Array(_)) => call(None),
        Some(Value::Object(params)) if method == TOOLS_CALL => call(Some(tool(params)?)),
        Some(Value::Object(params)) => call(params.get(NAME).and_then(Value::as_str)),
        Some(_) => Err(Unclear::Shape),
    }
}

/// The tool that is called: rules depend on it.
fn tool(params: &Map<String, Value>) -> Result<&str, Unclear> {
    if !json::in_known_letters(params, &[NAME]) {
        return Err(Unclear::Letters);
    }
    match json::text(params, NAME) {
        Ok(Some(name)) => Ok(name),
        Ok(None) | Err(NotText) => Err(Unclear::Shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(method: &str, name: Option<&str>) -> RpcCall {
        RpcCall::Method {
            method: method.to_owned(),
            name: name.map(str::to_owned),
        }
    }

    fn read(text: &str) -> Result<Vec<RpcCall>, Unclear> {
        calls(text.as_bytes()).map(|calls| calls.calls)
    }

    #[test]
    fn requests_notifications_and_answers_are_told_apart() {
        for (text, call) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"name":"x"}}}"#,
                method("tools/call", Some("search")),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
                method("notifications/initialized", None),
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"sum","params":[1,2]}"#,
                method("sum", None),
            ),
            (
                r#"{"id":null,"method":"m","params":null,"jsonrpc":"2.0"}"#,
                method("m", None),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"method":"x"}}"#,
                RpcCall::Answer,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#,
                RpcCall::Answer,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}"#,
                method("prompts/get", Some("p")),
            ),
        ] {
            assert_eq!(read(text), Ok(vec![call]), "{text}");
        }
    }

    #[test]
    fn a_method_in_escapes_is_the_method_it_means() {
        assert_eq!(
            read(
                r#"{"jsonrpc":"2.0","id":1,"\u006dethod":"t\u006f\u006fls\/call","params":{"n\u0061me":"dr\u006fp"}}"#
            ),
            Ok(vec![method("tools/call", Some("drop"))])
        );
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_not_read() {
        use Unclear::{Json, Letters, Shape};
        for (text, why) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#,
                Json,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
                Letters,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}"#,
                Letters,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"param\u{17f}\":{\"name\":\"a\"}}",
                Letters,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["a"]}}"#,
                Shape,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
                Shape,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping\u0000","params":{}}"#,
                Shape,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":1}"#,
                Shape,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":null,"result":1}"#,
                Shape,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":1,"params":{"name":"x"}}"#,
                Shape,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, Shape),
            (r#"{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}"#, Shape),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#,
                Shape,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Shape),
            (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, Shape),
            (r#"{"id":1,"method":"ping"}"#, Shape),
            (r#"{"jsonrpc":"2.0","id":1}"#, Shape),
            (r#"[[{"jsonrpc":"2.0","id":1,"method":"ping"}]]"#, Shape),
            ("\"ping\"", Shape),
            ("\u{feff}{}", Json),
            ("", Json),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_batch_holds_one_message_at_least_and_as_many_as_the_limit() {
        let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
        let batch = |count: usize| format!("[{}]", vec![ping; count].join(","));
        assert_eq!(read("[]"), Err(Unclear::Batch));
        assert_eq!(read(&batch(BATCH)).map(|calls| calls.len()), Ok(BATCH));
        assert_eq!(read(&batch(BATCH + 1)), Err(Unclear::Batch));
        assert_eq!(
            read(&format!("[{ping},{{}}]")),
            Err(Unclear::Shape),
            "one that is none spoils it"
        );
    }

    #[test]
    fn the_id_of_a_single_request_is_kept_for_the_answer() {
        let id = |text: &str| calls(text.as_bytes()).expect("calls").id;
        let ping = r#"{"jsonrpc":"2.0","id":"seven","method":"ping"}"#;
        assert_eq!(id(ping), "seven");
        assert_eq!(id(&format!("[{ping}]")), Value::Null);
        assert_eq!(id(r#"{"jsonrpc":"2.0","method":"ping"}"#), Value::Null);
    }
}
