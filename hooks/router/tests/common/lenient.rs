//! Servers that run whatever somebody could take for a request: keys in any letters, the last of two, a URL's before a
//! body's, behind a BOM. They answer with what they ran, so that an attack shows whether it arrived.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use serde_json::{Value, json};

use super::upstream::Body;

type Members = BTreeMap<String, Value>;

/// `/graphql`, `/mcp` and `/rpc`.
pub fn answer(head: &Parts, body: &[u8]) -> Option<Response<Body>> {
    let run = match head.uri.path() {
        "/graphql" => graphql,
        "/mcp" | "/rpc" => rpc,
        _ => return None,
    };
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}');
    let requests: Vec<Members> = serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(text).map(|one| vec![one]))
        .unwrap_or_default();
    let mut ran: Vec<String> = requests.iter().filter_map(run).collect();
    if head.uri.path() == "/graphql" {
        let url = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        ran.extend(
            url.filter(|(name, _)| name.eq_ignore_ascii_case("query"))
                .map(|(_, value)| value.into_owned()),
        );
        if head
            .headers
            .get("content-type")
            .is_some_and(|kind| kind != "application/json")
        {
            ran.push(text.to_owned());
        }
    }
    let said = json!({ "ran": ran, "method": head.method.as_str() });
    let events = head
        .headers
        .get("accept")
        .is_some_and(|kind| kind == "text/event-stream");
    let (kind, said) = match events {
        true => (
            "text/event-stream",
            format!("event: message\ndata: {said}\n\n"),
        ),
        false => ("application/json", said.to_string()),
    };
    let response = Response::builder().header("content-type", kind);
    Some(
        response
            .body(Full::new(Bytes::from(said)).boxed())
            .expect("response"),
    )
}

/// A member in any letters; one in other letters goes before.
fn member<'a>(members: &'a Members, key: &str) -> Option<&'a Value> {
    let mut found = members
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(key));
    let first = found.next()?;
    Some(
        found
            .chain([first])
            .find(|(name, _)| *name != key)
            .unwrap_or(first)
            .1,
    )
}

fn graphql(request: &Members) -> Option<String> {
    let stored = request
        .get("extensions")
        .and_then(|all| all.pointer("/persistedQuery/sha256Hash"));
    let what = stored.or(member(request, "query"))?;
    Some(what.as_str()?.to_owned())
}

fn rpc(request: &Members) -> Option<String> {
    let method = member(request, "method")?.as_str()?.to_owned();
    let params: Members =
        serde_json::from_value(member(request, "params").cloned().unwrap_or(json!({})))
            .unwrap_or_default();
    Some(match member(&params, "name") {
        Some(Value::String(name)) => format!("{method} {name}"),
        Some(Value::Array(names)) => format!("{method} {}", names[0].as_str()?),
        _ => method,
    })
}
