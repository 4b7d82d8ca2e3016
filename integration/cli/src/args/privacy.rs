//! `privacy`: what is sensitive in a text, and what becomes of it on its way to a model.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand, ValueEnum};
use nemoclaw_inference::Api;
use nemoclaw_policy::Class;

/// `privacy`.
#[derive(Debug, Subcommand)]
pub enum Privacy {
    /// Find what is sensitive in a text. What was found is never printed, only what it is and where it stands.
    #[command(after_help = "Examples:
  nemoclaw privacy scan notes.txt
  nemoclaw privacy scan --policy research.yaml notes.txt
  git diff | nemoclaw privacy scan --json -

With --json each finding is one line {\"class\",\"detector\",\"start\",\"end\"}, by bytes of the text. Bytes that are no UTF-8
count, and nothing is found in them.
Exit code: 0 with findings and without.")]
    Scan(Scan),
    /// Say what becomes of a request to a model: what is found in it, who may answer, what they see, and by which rule.
    #[command(after_help = "Examples:
  nemoclaw privacy explain request.json --policy research.yaml
  nemoclaw privacy explain request.json --policy worker --json
  nemoclaw privacy explain - --policy research.yaml --sandbox worker --api messages

Nothing is sent, and no value is printed.
Exit code: 0 somebody may answer, 1 nobody may, 2 cannot tell, or a person is asked.")]
    Explain(Explain),
}

/// `privacy scan`.
#[derive(Debug, Arguments)]
pub struct Scan {
    /// The text; `-` is standard input.
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Look for what this policy looks for: a file, the name of a policy, or a sandbox.
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// One JSON object a finding, one a line.
    #[arg(long)]
    pub json: bool,
}

/// `privacy explain`.
#[derive(Debug, Arguments)]
pub struct Explain {
    /// The request's body; `-` is standard input.
    #[arg(value_name = "REQUEST.json|-")]
    pub request: PathBuf,
    /// A file, the name of a policy, or a sandbox.
    #[arg(long)]
    pub policy: String,
    /// The sandbox that asks, for rules and providers that name sandboxes.
    #[arg(long, value_name = "NAME")]
    pub sandbox: Option<String>,
    /// Which call it is, where its shape does not tell.
    #[arg(long, value_name = "API")]
    pub api: Option<ApiWord>,
    /// The highest class that a model has seen in the sandbox before.
    #[arg(long, value_name = "CLASS", default_value = "public", value_parser = class)]
    pub session: Class,
    /// The highest class that a model had seen when it gave the answers in the request.
    #[arg(long, value_name = "CLASS", default_value = "public", value_parser = class)]
    pub conversation: Class,
    /// One JSON document, with stable keys and a `version`.
    #[arg(long)]
    pub json: bool,
}

/// Calls by their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ApiWord {
    /// OpenAI's chat/completions.
    Chat,
    /// OpenAI's completions.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
    /// Anthropic's messages.
    Messages,
    /// Anthropic's messages/count_tokens.
    CountTokens,
}

impl From<ApiWord> for Api {
    fn from(word: ApiWord) -> Api {
        match word {
            ApiWord::Chat => Api::Chat,
            ApiWord::Completions => Api::Completions,
            ApiWord::Responses => Api::Responses,
            ApiWord::Embeddings => Api::Embeddings,
            ApiWord::Messages => Api::Messages,
            ApiWord::CountTokens => Api::CountTokens,
        }
    }
}

/// A class by its word.
pub fn class(text: &str) -> Result<Class, String> {
    Class::words()
        .into_iter()
        .find_map(|(word, class)| (word == text).then_some(class))
        .ok_or_else(|| {
            let words = Class::ALL.map(Class::word);
            format!("one of: {}", words.join(", "))
        })
}
