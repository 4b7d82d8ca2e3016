//! What makes a provider a model server: where its API begins, what it speaks, which models it has, what they cost, and
//! how sensitive a text may be that it sees.

use std::sync::Arc;

use super::base::BaseUrl;
use super::kind::Kind;
use crate::class::Class;
use crate::source::Diagnostic;
use crate::yaml::{self, Fields, View};

type Fault = Box<Diagnostic>;

/// The keys of a model server.
pub(super) const KEYS: [&str; 9] = [
    "base_url",
    "protocol",
    "models",
    "clearance",
    "residency",
    "local",
    "auth",
    "pass_headers",
    "concurrent",
];
/// Prices are for this many tokens.
const MILLION: u64 = 1_000_000;
/// Most models of one provider.
const MAX_MODELS: usize = 512;
/// The longest name of a model.
const MAX_MODEL: usize = 256;
/// A price is kept in millionths of the currency.
const MICRO: f64 = 1e6;
/// The dearest million tokens that is no slip.
const MAX_PRICE: f64 = 1e6;
/// Most fields of a request that may pass.
const MAX_HEADERS: usize = 32;
/// Fields that pass to any provider: what they say is about the form, not about the client.
const PASS: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];
/// Fields that never pass: they carry credentials, or are the router's own, such as how an answer is packed.
const NEVER_PASS: [&str; 19] = [
    "authorization",
    "x-api-key",
    "api-key",
    "cookie",
    "proxy-authorization",
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "expect",
    "accept-encoding",
    "content-encoding",
    "x-goog-api-key",
    "forwarded",
];

/// What a model server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's: chat/completions, completions, responses, embeddings, models.
    OpenAi,
    /// Anthropic's: messages, messages/count_tokens, models.
    Anthropic,
}

impl Dialect {
    /// The word in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Dialect::OpenAi => "openai",
            Dialect::Anthropic => "anthropic",
        }
    }
}

/// Where the credential goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A field of its own.
    Field(&'static str),
}

/// Millionths of the currency for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// For tokens that are sent.
    pub input: u64,
    /// For tokens that come back.
    pub output: u64,
}

impl Price {
    /// What so many tokens cost, in millionths of the currency.
    #[must_use]
    pub fn cost(self, input: u64, output: u64) -> u64 {
        let of = |tokens: u64, price: u64| tokens.saturating_mul(price) / MILLION;
        of(input, self.input).saturating_add(of(output, self.output))
    }
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name, as the provider knows it.
    pub name: Arc<str>,
    /// What it costs; nothing where the entry does not say.
    pub price: Price,
}

/// A model server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Where its API begins.
    pub base: BaseUrl,
    /// What it speaks.
    pub dialect: Dialect,
    /// Its models, the first is the usual one; none means any name.
    pub models: Vec<Model>,
    /// The most sensitive class that it may see. Omitted: `regulated` for a local one, else `public`.
    pub clearance: Class,
    /// Where it processes what it gets, such as `eu`.
    pub residency: Option<String>,
    /// Whether it is the operator's own: on this machine, if not said otherwise.
    pub local: bool,
    /// Where its credential goes.
    pub auth: Auth,
    /// Fields of a request that pass, lower case.
    pub pass_headers: Vec<String>,
    /// Most requests at once.
    pub concurrent: Option<u32>,
}

impl Serving {
    /// The model of a name, where the entry lists it.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| &*model.name == name)
    }

    /// Whether a model may be asked for.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.models.is_empty() || self.model(name).is_some()
    }

    /// What a model costs.
    #[must_use]
    pub fn price(&self, model: &str) -> Price {
        self.model(model)
            .map_or(Price::default(), |model| model.price)
    }
}

pub(super) fn read(fields: &Fields<'_>, kind: &'static Kind) -> Result<Option<Serving>, Fault> {
    let usual = kind.serving.as_ref();
    let Some(base) = base(fields, kind)? else {
        return match KEYS.iter().find_map(|key| fields.get(key)) {
            Some(view) => Err(view.fault(format!("`{}` without `base_url`", view.name))),
            None => Ok(None),
        };
    };
    let local = match fields.get("local") {
        Some(view) => view.boolean()?,
        None => base.is_loopback(),
    };
    if !base.tls && !local && !base.is_loopback() {
        return Err(fields
            .fault(format!(
                "the model server `{}` would be spoken to without TLS",
                base.host
            ))
            .with_hint("write `https://`, or `local: true` where the way to it is your own"));
    }
    let words = [Dialect::OpenAi, Dialect::Anthropic].map(|dialect| (dialect.word(), dialect));
    let dialect = match (fields.get("protocol"), usual) {
        (Some(view), _) => view.word(&words)?,
        (None, Some(usual)) => usual.dialect,
        (None, None) => Dialect::OpenAi,
    };
    Ok(Some(Serving {
        base,
        dialect,
        models: fields
            .get("models")
            .map_or(Ok(Vec::new()), |view| models(&view))?,
        clearance: match fields.get("clearance") {
            Some(view) => view.word(&Class::words())?,
            None if local => Class::Regulated,
            None => Class::Public,
        },
        residency: fields
            .get("residency")
            .map(|view| residency(&view))
            .transpose()?,
        local,
        auth: match fields.get("auth") {
            Some(view) => auth(&view)?,
            None => usual.map_or(Auth::Bearer, |usual| usual.auth.clone()),
        },
        pass_headers: pass_headers(fields)?,
        concurrent: fields
            .get("concurrent")
            .map(|view| view.number(1, 10_000))
            .transpose()?,
    }))
}

/// Where the API begins. A type whose servers run on this machine needs no line for it, nor does one whose own address
/// lies within what the entry says of hosts, ports and paths.
fn base(fields: &Fields<'_>, kind: &'static Kind) -> Result<Option<BaseUrl>, Fault> {
    if let Some(view) = fields.get("base_url") {
        return BaseUrl::parse(view.text()?)
            .map(Some)
            .map_err(|message| view.fault(message));
    }
    let Some(serving) = &kind.serving else {
        return Ok(None);
    };
    let Some(usual) = serving.base_url else {
        return Err(fields
            .fault(format!("`{}` has no usual address", kind.name))
            .with_hint("add `base_url: https://HOST/…`"));
    };
    BaseUrl::parse(usual)
        .map(Some)
        .map_err(|message| fields.fault(message))
}

/// Whether `text` may name a model.
pub(crate) fn is_model_name(text: &str) -> bool {
    (1..=MAX_MODEL).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `[NAME, …]`, or `{NAME: {input: PRICE, output: PRICE}}` by the million tokens.
fn models(view: &View<'_>) -> Result<Vec<Model>, Fault> {
    let mut models: Vec<Model> = Vec::new();
    let mut add = |view: &View<'_>, name: &str, price| {
        if !is_model_name(name) {
            return Err(view.fault(format!("`{name}` is no name of a model")));
        }
        if models.iter().any(|model| &*model.name == name) {
            return Err(view.fault(format!("the model `{name}` stands twice")));
        }
        if models.len() == MAX_MODELS {
            return Err(view.fault(format!("more than {MAX_MODELS} models")));
        }
        models.push(Model {
            name: Arc::from(name),
            price,
        });
        Ok(())
    };
    match &view.node.value {
        yaml::Value::List(_) => {
            for view in view.list()? {
                add(&view, view.text()?, Price::default())?;
            }
        }
        _ => {
            for (key, view) in view.entries()? {
                let price = match &view.node.value {
                    yaml::Value::Null => Price::default(),
                    _ => {
                        let fields = view.fields(&["input", "output"], &[])?;
                        let of = |key| fields.get(key).map_or(Ok(0), |view| price(&view));
                        Price {
                            input: of("input")?,
                            output: of("output")?,
                        }
                    }
                };
                add(&view, &key.text, price)?;
            }
        }
    }
    Ok(models)
}

/// A number of the currency, to a millionth.
pub(crate) fn price(view: &View<'_>) -> Result<u64, Fault> {
    let number = match &view.node.value {
        yaml::Value::Int(number) => u32::try_from(*number).ok().map(f64::from),
        yaml::Value::Float(number) => Some(*number),
        _ => None,
    };
    let Some(number) = number.filter(|number| (0.0..=MAX_PRICE).contains(number)) else {
        return Err(view.fault(format!("`{}` must be a price, such as 0.15", view.name)));
    };
    // At most 10^12, so it fits.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let micro = (number * MICRO).round() as u64;
    Ok(micro)
}

/// A word for where something is processed.
pub(crate) fn residency(view: &View<'_>) -> Result<String, Fault> {
    let text = view.text()?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > 32 || !text.bytes().all(plain) {
        return Err(view.fault(format!(
            "`{text}` is no residency, such as `eu` or `us-east`"
        )));
    }
    Ok(text.to_owned())
}

fn auth(view: &View<'_>) -> Result<Auth, Fault> {
    view.word(&[
        ("bearer", None),
        ("x-api-key", Some("x-api-key")),
        ("api-key", Some("api-key")),
    ])
    .map(|field| field.map_or(Auth::Bearer, Auth::Field))
}

fn pass_headers(fields: &Fields<'_>) -> Result<Vec<String>, Fault> {
    let Some(view) = fields.get("pass_headers") else {
        return Ok(PASS.map(str::to_owned).to_vec());
    };
    let list = view.list()?;
    if list.len() > MAX_HEADERS {
        return Err(view.fault(format!("more than {MAX_HEADERS} fields")));
    }
    list.iter()
        .map(|view| {
            let name = super::read::header(view)?;
            if NEVER_PASS.contains(&name.as_str()) {
                return Err(view.fault(format!(
                    "the field `{name}` of a sandbox never passes to a model server"
                )));
            }
            Ok(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_for_a_million_tokens() {
        let price = Price {
            input: 150_000,
            output: 600_000,
        };
        assert_eq!(price.cost(2_000_000, 500_000), 600_000);
        assert_eq!(price.cost(0, 1), 0);
        let dear = Price {
            input: u64::MAX,
            output: 1,
        };
        assert_eq!(dear.cost(3, 0), u64::MAX / MILLION);
    }
}
