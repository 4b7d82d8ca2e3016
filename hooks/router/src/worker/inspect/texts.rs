//! GraphQL in the texts of a WebSocket: the protocols `graphql-transport-ws` and, before it, `graphql-ws`.

use nemoclaw_policy::decide::GraphqlOperation;
use serde_json::Value;

use super::{Unclear, graphql, json};

/// Members of a message.
const MEMBERS: &[&str] = &["type", "id", "payload"];

/// Read one text. `None`: it opens, keeps or ends something, and runs nothing.
///
/// # Errors
/// It is none of the protocols' messages, or not in one way only.
pub fn text(text: &[u8]) -> Result<Option<Vec<GraphqlOperation>>, Unclear> {
    let value = json::read(text).ok_or(Unclear::Json)?;
    let message = value.as_object().ok_or(Unclear::Shape)?;
    if !json::in_known_letters(message, MEMBERS) {
        return Err(Unclear::Letters);
    }
    let payload = message.get("payload").unwrap_or(&Value::Null);
    match json::text(message, "type") {
        Ok(Some("subscribe" | "start")) => graphql::request(payload).map(Some),
        Ok(Some(
            "connection_init" | "connection_terminate" | "ping" | "pong" | "complete" | "stop",
        )) => Ok(None),
        _ => Err(Unclear::Shape),
    }
}
