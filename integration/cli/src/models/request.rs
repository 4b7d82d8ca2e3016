//! A request to a model: what it asks for, and what was found in it, where. Never what that is.

use std::sync::Arc;

use nemoclaw_inference::{Api, Call, Json, Kind, Opaque, estimate_tokens};
use nemoclaw_policy::choose::Found;
use nemoclaw_privacy::{Finding, Scanner};

use crate::fault::Fault;

/// The words for the calls.
pub const APIS: [(&str, Api); 6] = [
    ("chat", Api::Chat),
    ("completions", Api::Completions),
    ("responses", Api::Responses),
    ("embeddings", Api::Embeddings),
    ("messages", Api::Messages),
    ("count_tokens", Api::CountTokens),
];

/// A request.
pub struct Request {
    /// Which call it is.
    pub api: Api,
    /// The model that it names.
    pub model: String,
    /// Its length in tokens, an estimate.
    pub tokens: u64,
    /// Whether it brings tools.
    pub tools: bool,
    /// Whether it brings pictures, or another medium.
    pub images: bool,
    /// What nobody can look into.
    pub opaque: Vec<Opaque>,
    /// What was found in each text.
    pub found: Vec<Located>,
}

/// A finding in a text of the request.
pub struct Located {
    /// The text's path.
    pub path: String,
    /// The finding, by the bytes of the text.
    pub finding: Finding,
    /// Whether nothing can take its place: it is a key or a handle.
    pub fixed: bool,
}

impl Request {
    /// Read `bytes` as the call `api`, or as what their shape says, and look into every text.
    pub fn read(bytes: &[u8], api: Option<Api>, scanner: &Scanner) -> Result<Request, Fault> {
        let unreadable = |error| Fault::new("the request cannot be read").because(error);
        let api = match api {
            Some(api) => api,
            None => shape(bytes)?,
        };
        let mut call = Call::read(api, bytes).map_err(unreadable)?;
        let mut found = Vec::new();
        call.leaves(&mut |leaf, text| {
            found.extend(scanner.scan(text).into_iter().map(|finding| Located {
                path: leaf.place.to_string(),
                finding,
                fixed: matches!(leaf.kind, Kind::Key | Kind::Handle),
            }));
            None
        });
        let opaque = call.opaque();
        let media = |kind: &Opaque| matches!(kind, Opaque::Audio | Opaque::File);
        Ok(Request {
            api,
            model: call.model().to_owned(),
            tokens: estimate_tokens(&call),
            tools: call.has_tools(),
            images: call.has_images() || opaque.iter().any(media),
            opaque,
            found,
        })
    }

    /// Each kind of finding once, as the decision takes them.
    pub fn kinds(&self) -> Vec<Found> {
        let mut kinds: Vec<Found> = Vec::new();
        for located in &self.found {
            let kind = Found {
                detector: Arc::from(located.finding.detector.name()),
                class: located.finding.class,
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// Whether one of a kind stands where nothing can take its place.
    pub fn is_fixed(&self, detector: &str) -> bool {
        self.found
            .iter()
            .any(|located| located.fixed && located.finding.detector.name() == detector)
    }
}

/// The word for a call.
pub fn word(api: Api) -> &'static str {
    APIS.iter()
        .find(|(_, known)| *known == api)
        .map_or("models", |(word, _)| word)
}

/// What nobody can look into, in words.
pub fn opaque(kind: Opaque) -> &'static str {
    match kind {
        Opaque::Tokens => "a prompt as numbers of tokens",
        Opaque::Audio => "sound",
        Opaque::File => "a file's bytes",
        Opaque::Stored => "what the server keeps",
        Opaque::Encrypted => "encrypted thoughts",
    }
}

/// Which call a body is, by the members that only one has.
fn shape(bytes: &[u8]) -> Result<Api, Fault> {
    let body =
        Json::read(bytes).map_err(|error| Fault::new(format!("the request's body is {error}")))?;
    let has = |keys: &[&str]| keys.iter().any(|key| body.get(key).is_some());
    if has(&["messages"]) {
        let anthropic = has(&["system", "stop_sequences", "thinking", "anthropic_version"])
            || any_member(body.list("tools"), "input_schema");
        return Ok(if anthropic { Api::Messages } else { Api::Chat });
    }
    if has(&["input", "instructions"]) {
        let embeds = has(&["dimensions", "encoding_format"])
            || body
                .text("model")
                .is_some_and(|model| model.contains("embed"))
            || body
                .list("input")
                .first()
                .is_some_and(|item| item.get("content").is_none() && item.get("type").is_none());
        return Ok(if embeds {
            Api::Embeddings
        } else {
            Api::Responses
        });
    }
    if has(&["prompt"]) {
        return Ok(Api::Completions);
    }
    Err(Fault::new(
        "the request has neither `messages`, `input` nor `prompt`: its shape is that of no known call",
    )
    .hint("say which it is: --api chat|completions|responses|embeddings|messages|count_tokens"))
}

fn any_member(items: &[Json], key: &str) -> bool {
    items.iter().any(|item| item.get(key).is_some())
}
