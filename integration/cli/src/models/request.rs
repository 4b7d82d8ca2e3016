//! A request to a model: what it asks for, and what was found in it, where. Never what that is.

use nemoclaw_inference::{Api, Call, Json, Opaque, estimate_tokens};
use nemoclaw_privacy::{Finding, Kinds, Scanner};

use crate::fault::Fault;

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
    /// The kinds of that, and of what stands in the model's name.
    pub kinds: Kinds,
}

/// A finding in a text of the request.
pub struct Located {
    /// The text's path.
    pub path: String,
    /// The finding, by the bytes of the text.
    pub finding: Finding,
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
        let (mut found, mut kinds) = (Vec::new(), Kinds::default());
        call.leaves(&mut |leaf, text| {
            for finding in scanner.scan(text) {
                kinds.add(&finding, leaf.kind.is_fixed());
                found.push(Located {
                    path: leaf.place.to_string(),
                    finding,
                });
            }
            None
        });
        kinds.add_model(call.model(), scanner);
        Ok(Request {
            api,
            model: call.model().to_owned(),
            tokens: estimate_tokens(&call),
            tools: call.has_tools(),
            images: call.has_media(),
            opaque: call.opaque(),
            found,
            kinds,
        })
    }
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
