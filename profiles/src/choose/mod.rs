//! Which providers may answer a call to a model, in which order, and what becomes of what was found in it: a pure function
//! of the policy, the node's providers and the call.

mod chain;
mod effect;
mod moment;

use std::sync::Arc;
use std::time::Duration;

use crate::class::Class;
use crate::policy::Policy;
use crate::provider::{Provider, Providers, Serving};
use crate::source::Location;
use effect::Effect;
pub use moment::Moment;

/// Where the router answers: by TLS only.
pub const PORT: u16 = 443;

/// A call.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The model that the agent names.
    pub model: &'a str,
    /// Its length in tokens, an estimate.
    pub tokens: u64,
    /// Whether it brings tools.
    pub tools: bool,
    /// Whether it brings pictures.
    pub images: bool,
    /// The sandbox's name.
    pub sandbox: &'a str,
    /// The sandbox's policies, by name.
    pub policies: &'a [String],
    /// The day, 0 is Monday, UTC.
    pub day: u8,
    /// The minute of the day, UTC.
    pub minute: u16,
    /// The highest class that a model has seen in this sandbox.
    pub session: Class,
    /// The highest class that a model had seen when it gave the answers that this call repeats.
    pub conversation: Class,
    /// What was found, each kind once.
    pub found: &'a [Found],
}

/// A kind of finding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// The detector.
    pub detector: Arc<str>,
    /// Its class, where a policy does not give it another.
    pub class: Class,
}

/// What takes a finding's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transform {
    /// Nothing.
    Keep,
    /// A typed name that becomes the value again in answers.
    Pseudonymise,
    /// A mask.
    Redact,
}

/// Who may answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The provider.
    pub provider: Arc<str>,
    /// The model that it is asked for.
    pub model: Arc<str>,
    /// What becomes of each of [`Call::found`].
    pub how: Vec<Transform>,
    /// The highest class that it sees.
    pub sees: Class,
    /// The rule for which a person must be asked.
    pub ask: Option<Location>,
    /// The rules that decided, each once.
    pub by: Vec<Location>,
    /// How long the head of its answer may take.
    pub timeout: Duration,
    /// How often it is asked again.
    pub retries: u32,
    /// Most requests of the sandbox on its route at once.
    pub concurrent: Option<u32>,
}

/// Who may not, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The provider.
    pub provider: Arc<str>,
    /// The class that it may not see, where that is why.
    pub class: Option<Class>,
    /// One sentence; it never holds what was found.
    pub reason: String,
    /// The rule, where one decided.
    pub rule: Option<Location>,
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Who may answer, in order.
    pub chain: Vec<Candidate>,
    /// Who may not.
    pub withheld: Vec<Withheld>,
}

/// Why nobody may answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No `inference`.
    #[error("the policy `{0}` asks no model")]
    NoInference(String),
    /// No route takes the model.
    #[error("no route of the policy `{policy}` takes the model `{model}`")]
    NoRoute {
        /// The policy.
        policy: String,
        /// The model.
        model: String,
    },
    /// Nobody has it.
    #[error("no provider that this sandbox may ask has the model `{0}`")]
    NoProvider(String),
    /// All were withheld.
    #[error("{}", sentence(.0))]
    Withheld(Vec<Withheld>),
}

fn sentence(all: &[Withheld]) -> String {
    let class = all.iter().filter_map(|one| one.class).max();
    let reasons: Vec<String> = all
        .iter()
        .map(|one| format!("{}: {}", one.provider, one.reason))
        .collect();
    let what = match class {
        Some(class) => format!("no provider may see what is {class} in this request"),
        None => "no provider may have this request".to_owned(),
    };
    format!("{what} ({})", reasons.join("; "))
}

impl Refused {
    /// The class that nobody may see, where that is why.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self {
            Refused::Withheld(all) => all.iter().filter_map(|one| one.class).max(),
            _ => None,
        }
    }
}

/// Whether the router answers `host` itself: some layer says so. A layer that does not cannot open a way past the others'
/// rules, and one that asks no model lets nobody answer there.
#[must_use]
pub fn serves(policy: &Policy, host: &str) -> bool {
    policy.inference_layers().any(|own| own.serves(host))
}

/// Decide.
///
/// # Errors
/// Nobody may answer.
pub fn choose(policy: &Policy, providers: &Providers, call: &Call<'_>) -> Result<Choice, Refused> {
    let links = chain::links(policy, providers, call)?;
    if links.is_empty() {
        return Err(Refused::NoProvider(call.model.to_owned()));
    }
    let Limits {
        timeout,
        retries,
        concurrent,
    } = chain::limits(policy, call);
    let mut choice = Choice::default();
    for link in links {
        match effect::of(policy, call, link.provider, link.serving) {
            Ok(Effect { how, ask, by }) => choice.chain.push(Candidate {
                provider: link.provider.name.clone(),
                model: link.model,
                sees: effect::seen(policy, call, &how),
                how,
                ask,
                by,
                timeout,
                retries,
                concurrent,
            }),
            Err(withheld) => choice.withheld.push(withheld),
        }
    }
    if choice.chain.is_empty() {
        return Err(Refused::Withheld(choice.withheld));
    }
    Ok(choice)
}

/// A provider that could answer.
struct Link<'a> {
    provider: &'a Provider,
    serving: &'a Serving,
    model: Arc<str>,
}

/// What routes say of time and number.
struct Limits {
    timeout: Duration,
    retries: u32,
    concurrent: Option<u32>,
}
