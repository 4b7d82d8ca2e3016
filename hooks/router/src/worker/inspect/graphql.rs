//! GraphQL over HTTP: which operations a request would run.
//!
//! Servers differ in where they look for a request's parts (body, query string, several keys for a stored document), so
//! everything that one of them would run must be told, and what they could tell apart in two ways is not read.

use nemoclaw_policy::decide::GraphqlOperation;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::json;
use super::{BATCH, Unclear, document};

const QUERY: &str = "query";
const NAME: &str = "operationName";
const VARIABLES: &str = "variables";
const EXTENSIONS: &str = "extensions";
const PERSISTED: &str = "persistedQuery";
const HASH: &str = "sha256Hash";
/// Under which keys servers and clients name a stored document.
const IDS: [&str; 8] = [
    "id",
    "documentId",
    "documentID",
    "doc_id",
    "queryId",
    "query_id",
    "operationId",
    HASH,
];
/// Every key that says what runs.
const KEYS: [&str; 12] = [
    QUERY, NAME, VARIABLES, EXTENSIONS, IDS[0], IDS[1], IDS[2], IDS[3], IDS[4], IDS[5], IDS[6],
    IDS[7],
];

/// Read a body of `application/json`, one request or a batch of them.
///
/// # Errors
/// It is not GraphQL, or not in one way only.
pub fn body(body: &[u8]) -> Result<Vec<GraphqlOperation>, Unclear> {
    match json::read(body).ok_or(Unclear::Json)? {
        Value::Array(batch) if batch.is_empty() || batch.len() > BATCH => Err(Unclear::Batch),
        Value::Array(batch) => {
            let mut operations = Vec::new();
            for request in &batch {
                operations.extend(self::request(request)?);
            }
            Ok(operations)
        }
        single => request(&single),
    }
}

/// Read a body of `application/graphql`, which is a document.
///
/// # Errors
/// It is no document, or which of its operations would run is not said.
pub fn document(body: &[u8]) -> Result<Vec<GraphqlOperation>, Unclear> {
    let text = std::str::from_utf8(body).map_err(|_| Unclear::Document)?;
    Ok(vec![document::operation(text, None)?])
}

/// Read a query string. `None`: it says nothing of GraphQL.
///
/// # Errors
/// It does, but not in one way only.
pub fn query(query: &str) -> Result<Option<Vec<GraphqlOperation>>, Unclear> {
    let mut request = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !KEYS.contains(&name.as_ref()) {
            if !is_other(&name) {
                return Err(Unclear::Letters);
            }
            continue;
        }
        // The parser puts U+FFFD where the bytes are no text; a reader of another kind would see something else.
        if value.contains('\u{fffd}') {
            return Err(Unclear::Document);
        }
        let value = match name.as_ref() {
            VARIABLES | EXTENSIONS => json::read(value.as_bytes()).ok_or(Unclear::Json)?,
            _ => Value::String(value.into_owned()),
        };
        if request.insert(name.into_owned(), value).is_some() {
            return Err(Unclear::Json);
        }
    }
    if request.is_empty() {
        return Ok(None);
    }
    // Some readers part parameters at `;` too.
    if query.contains(';') {
        return Err(Unclear::Letters);
    }
    self::request(&Value::Object(request)).map(Some)
}

/// Whether a query string says nothing that a GraphQL server could take for a part of the request.
#[must_use]
pub fn is_free_of(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes())
        .all(|(name, _)| !KEYS.contains(&name.as_ref()) && is_other(&name))
}

/// Whether a body of JSON says nothing of GraphQL. Messages of any protocol have an `id`.
#[must_use]
pub fn is_silent(body: &[u8]) -> bool {
    let is_silent = |value: &Value| {
        value.as_object().is_some_and(|object| {
            let mut keys = object.keys().filter(|key| key.as_str() != IDS[0]);
            keys.all(|key| !KEYS.contains(&key.as_str()) && json::is_exact_or_other(key, &KEYS))
        })
    };
    match json::read(body) {
        Some(Value::Array(batch)) => batch.iter().all(is_silent),
        Some(single) => is_silent(&single),
        None => false,
    }
}

/// Whether no reader takes the parameter `name` for one of ours: some cut it at `[`, at leading spaces, or write `_` for
/// what is no letter.
fn is_other(name: &str) -> bool {
    let name = name.trim_start();
    let name = name.split('[').next().unwrap_or_default();
    let name = name.trim_end().replace(['.', ' '], "_");
    !KEYS.contains(&name.as_str()) && json::is_exact_or_other(&name, &KEYS)
}

/// One request as a JSON object.
pub(super) fn request(value: &Value) -> Result<Vec<GraphqlOperation>, Unclear> {
    let request = value.as_object().ok_or(Unclear::Shape)?;
    if !json::in_known_letters(request, &KEYS) {
        return Err(Unclear::Letters);
    }
    let text = |key| json::text(request, key).map_err(|_| Unclear::Shape);
    let (query, name) = (text(QUERY)?, text(NAME)?);
    let mut stored: Vec<&str> = Vec::new();
    for key in IDS {
        stored.extend(text(key)?);
    }
    stored.extend(persisted(request)?);
    let mut operations = Vec::new();
    if let Some(query) = query {
        operations.push(document::operation(query, name)?);
        // The hash that a client sends along so that the document is stored says nothing new.
        let own = format!("{:x}", Sha256::digest(query));
        stored.retain(|id| id.strip_prefix("sha256:").unwrap_or(id) != own);
    }
    stored.sort_unstable();
    stored.dedup();
    operations.extend(
        stored
            .into_iter()
            .map(|id| GraphqlOperation::Stored { id: id.to_owned() }),
    );
    if operations.is_empty() {
        return Err(Unclear::Shape);
    }
    Ok(operations)
}

/// `extensions.persistedQuery.sha256Hash`.
fn persisted(request: &Map<String, Value>) -> Result<Option<&str>, Unclear> {
    let Some(extensions) = member(request, EXTENSIONS, PERSISTED)? else {
        return Ok(None);
    };
    let Some(persisted) = member(extensions, PERSISTED, HASH)? else {
        return Ok(None);
    };
    json::text(persisted, HASH).map_err(|_| Unclear::Shape)
}

/// An object member, whose own member of interest is `inner`.
fn member<'a>(
    object: &'a Map<String, Value>,
    key: &str,
    inner: &str,
) -> Result<Option<&'a Map<String, Value>>, Unclear> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(found)) if json::in_known_letters(found, &[inner]) => Ok(Some(found)),
        Some(Value::Object(_)) => Err(Unclear::Letters),
        Some(_) => Err(Unclear::Shape),
    }
}
