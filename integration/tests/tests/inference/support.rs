//! A node with a model on its own loopback and two in the cloud, one of each dialect, and what is asked of them.

use nemoclaw_tests::model::{Model, Plan};
use nemoclaw_tests::node::{Node, Sandbox};
use serde_json::{Value, json};

/// What the agent is told is its key.
pub const OWN: &str = "the-agents-own-key";
/// The keys that the providers ask for.
pub const CLOUD_KEY: &str = "cloud-key-that-no-sandbox-sees-4f1d";
/// The other one's.
pub const CLAUDE_KEY: &str = "claude-key-that-no-sandbox-sees-90ac";

/// About a person.
pub const EMAIL: &str = "ada.lovelace@canarymail.net";
/// A payment card whose digits fit.
pub const CARD: &str = "4539 1488 0343 6467";
/// A bank account whose digits fit.
pub const IBAN: &str = "DE89 3704 0044 0532 0130 00";

/// A key of a vendor's own form; not in one piece here, so that nobody takes this file's for a real one.
pub fn key() -> String {
    ["ghp", "a9Xk2Lm7Qw4Zt8Rv1Yb6Nc3Hd5Jf0Gs2Pu7E"].join("_")
}

/// The port of the model on the host.
pub const PORT: u16 = 8080;

const PROVIDERS: &str = "\
version: 1
providers:
  claude: { type: anthropic, base_url: 'https://claude.test/v1', models: [claude], file: $D/claude.key, env: [CLAUDE_KEY] }
  open: { type: openai, base_url: 'https://cloud.test/v1', models: [big], file: $D/cloud.key, env: [CLOUD_KEY] }
  home: { type: llama.cpp, base_url: 'http://127.0.0.1:8080/v1', models: [small] }
";

/// The chain by which any model may come from anywhere, the cloud first.
pub const CHAIN: &str = "{ to: [open/big, claude/claude, home/small] }";

/// The node with what stands for its providers; all of them say what they are told.
pub struct Ground {
    /// A model on the host's loopback, of OpenAI's shape.
    pub home: Model,
    /// In the cloud, of OpenAI's shape; asks for [`CLOUD_KEY`].
    pub cloud: Model,
    /// In the cloud, Anthropic's; asks for [`CLAUDE_KEY`].
    pub claude: Model,
    /// The node.
    pub node: Node,
}

impl Ground {
    /// Everything started. `None`: this machine cannot.
    pub fn start() -> Option<Ground> {
        Ground::with("")
    }

    /// The same with more lines of configuration.
    pub fn with(more: &str) -> Option<Ground> {
        let node = up(more)?;
        let ground = Ground {
            home: node.local(PORT),
            cloud: node.provider("cloud.test", Some(CLOUD_KEY)),
            claude: node.provider("claude.test", Some(CLAUDE_KEY)),
            node,
        };
        for model in [&ground.home, &ground.cloud, &ground.claude] {
            model.always(Plan::echo());
        }
        Some(ground)
    }

    /// A sandbox with these two sections of a policy.
    pub fn sandbox(&self, inference: &str, privacy: &str) -> Sandbox<'_> {
        self.node.sandbox(&policy(inference, privacy))
    }

    /// How many requests each has had since the last time: home, cloud, claude.
    pub fn counts(&self) -> [usize; 3] {
        [&self.home, &self.cloud, &self.claude].map(|model| model.asked().len())
    }
}

/// The node with its entries of providers, and nobody there.
pub fn up(more: &str) -> Option<Node> {
    let node = some(more)?;
    node.secret("cloud.key", CLOUD_KEY);
    node.secret("claude.key", CLAUDE_KEY);
    node.providers(PROVIDERS, &["claude", "open"]);
    Some(node)
}

fn some(more: &str) -> Option<Node> {
    let node: Node = match Node::possible() {
        Ok(()) => Node::start(&["cloud.test", "claude.test"], more),
        Err(reason) => nemoclaw_tests::skip!("{reason}"),
    };
    Some(node)
}

/// A policy with these lines below `inference` and `privacy`; no key without lines.
pub fn policy(inference: &str, privacy: &str) -> String {
    let section = |name: &str, lines: &str| match lines {
        "" => String::new(),
        "{}" => format!("{name}: {{}}\n"),
        _ => {
            let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
            format!("{name}:\n{lines}")
        }
    };
    format!(
        "version: 1\nfilesystem_policy:\n  read_only: [/]\n  read_write: [/sandbox, /tmp, /dev/null]\n{}{}",
        section("inference", inference),
        section("privacy", privacy)
    )
}

/// What a client is told to ask.
pub fn ask(client: &str, model: &str, prompt: &str) -> Value {
    let base = match client {
        "openai" => "https://inference.local/v1",
        _ => "https://inference.local",
    };
    json!({ "client": client, "base": base, "key": OWN, "model": model, "prompt": prompt, "tokens": 400 })
}

/// The same as a stream.
pub fn streamed(client: &str, model: &str, prompt: &str) -> Value {
    with(ask(client, model, prompt), "stream", true)
}

/// With one more word.
pub fn with(mut ask: Value, key: &str, value: impl Into<Value>) -> Value {
    ask[key] = value.into();
    ask
}

/// What was said, or the test ends with what came instead.
#[track_caller]
pub fn text(answer: &Value) -> &str {
    match answer["text"].as_str() {
        Some(text) => text,
        None => panic!("an answer was expected: {answer}"),
    }
}

/// What each must not hold, by its name.
pub fn values() -> [(&'static str, String); 6] {
    let bare = |text: &str| text.replace(' ', "");
    [
        ("the e-mail", EMAIL.into()),
        ("the card", CARD.into()),
        ("the card's digits", bare(CARD)),
        ("the IBAN", IBAN.into()),
        ("the IBAN's letters", bare(IBAN)),
        ("the key", key()),
    ]
}

/// Ends the test when `text` holds one of them.
#[track_caller]
pub fn holds_none(what: &str, text: &str) {
    for (name, value) in values() {
        assert!(!text.contains(&value), "{what} holds {name}: {text}");
    }
}
