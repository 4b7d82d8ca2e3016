//! Model servers as they tell of themselves: which models they have, and on this machine, which program they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nemoclaw_policy::provider::{BaseUrl, kinds};
use serde_json::Value;

use super::http::{Client, authority};

/// Most models of one server that are looked at.
const MAX_MODELS: usize = 512;

/// A base URL as it is written.
pub fn base_words(base: &BaseUrl) -> String {
    let (scheme, usual) = if base.tls {
        ("https", 443)
    } else {
        ("http", 80)
    };
    let place = authority(base);
    let place = match place.strip_suffix(&format!(":{usual}")) {
        Some(host) => host,
        None => &place,
    };
    format!("{scheme}://{place}{}", base.path)
}

/// A model of a server's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whose it is said to be.
    owner: String,
}

/// The models of a list in OpenAI's or Anthropic's form; `None` where it is no list.
pub fn listed(body: &Value) -> Option<Vec<Listed>> {
    let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
    let items = body.get("data")?.as_array()?;
    let models = items.iter().take(MAX_MODELS).filter_map(|item| {
        Some(Listed {
            name: text(item, "id")?,
            owner: text(item, "owned_by").unwrap_or_default(),
        })
    });
    Some(models.collect())
}

/// A server that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The type of provider that it is.
    pub kind: &'static str,
    /// Where its API begins.
    pub base: BaseUrl,
    /// Its models, as far as it lists them.
    pub models: Vec<String>,
    /// The version that it says.
    pub version: Option<String>,
}

/// What listens at `port` on loopback, if it is a model server. Nothing else is ever dialled.
pub async fn at(client: Client, port: u16) -> Option<Server> {
    for ip in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let root = BaseUrl {
            tls: false,
            host: ip.to_string(),
            port,
            path: String::new(),
        };
        if let Some(server) = identify(&client, root).await {
            return Some(server);
        }
    }
    None
}

async fn identify(client: &Client, root: BaseUrl) -> Option<Server> {
    let ask = |path: &'static str| json(client, &root, path);
    let (models, ollama, props, version, nim, studio) = tokio::join!(
        ask("/v1/models"),
        ask("/api/version"),
        ask("/props"),
        ask("/version"),
        ask("/v1/version"),
        ask("/api/v0/models"),
    );
    let models = models.as_ref().and_then(listed);
    let said = |value: &Option<Value>, key: &str| {
        let word = value.as_ref()?.get(key)?.as_str()?;
        Some(word.to_owned())
    };
    let owned = |owner: &str| models.iter().flatten().any(|model| model.owner == owner);
    let member = |value: &Option<Value>, key: &str| {
        value.as_ref().is_some_and(|value| value.get(key).is_some())
    };
    let loaded = studio
        .as_ref()
        .and_then(|list| list.get("data")?.get(0)?.get("state"))
        .is_some();
    let (kind, version) = if member(&props, "default_generation_settings") || owned("llamacpp") {
        ("llama.cpp", said(&props, "build_info"))
    } else if loaded || owned("organization_owner") {
        ("lmstudio", None)
    } else if member(&nim, "release") {
        ("nim", said(&nim, "release"))
    } else if owned("vllm") {
        ("vllm", said(&version, "version"))
    } else if member(&ollama, "version") {
        ("ollama", said(&ollama, "version"))
    } else if models.is_some() {
        ("generic", None)
    } else {
        return None;
    };
    Some(Server {
        kind,
        base: BaseUrl {
            path: "/v1".to_owned(),
            ..root
        },
        models: models
            .into_iter()
            .flatten()
            .map(|model| model.name)
            .collect(),
        version,
    })
}

/// A JSON value, where the server has one there.
async fn json(client: &Client, root: &BaseUrl, path: &str) -> Option<Value> {
    let answer = client.get(root, path, &[]).await.ok()?;
    answer
        .status
        .is_success()
        .then(|| serde_json::from_slice(&answer.body).ok())?
}

/// Whether a type's servers are looked for there when its entry does not say.
pub fn is_usual(kind: &str, base: &BaseUrl) -> bool {
    kinds()
        .iter()
        .find(|known| known.name == kind)
        .and_then(|known| known.serving.as_ref()?.base_url)
        .is_some_and(|usual| usual == base_words(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_written_as_it_was_read() {
        for text in [
            "http://127.0.0.1:8000/v1",
            "https://api.test/v1",
            "http://[::1]:11434/v1",
            "http://localhost",
        ] {
            let base = BaseUrl::parse(text).expect(text);
            assert_eq!(base_words(&base), text);
        }
    }

    #[test]
    fn the_usual_place_of_a_type_is_known() {
        let base = |text: &str| BaseUrl::parse(text).expect("a base URL");
        assert!(is_usual("ollama", &base("http://127.0.0.1:11434/v1")));
        assert!(!is_usual("ollama", &base("http://127.0.0.1:11435/v1")));
        assert!(!is_usual("generic", &base("http://127.0.0.1:11434/v1")));
    }
}
