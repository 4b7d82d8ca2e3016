//! A look at a call: what it asks for, and what is sensitive in it, without a word of it kept.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nemoclaw_api::audit::{FoundCount, ModelCall};
use nemoclaw_inference::{Api, Call, Kind, Opaque, estimate_tokens};
use nemoclaw_policy::Class;
use nemoclaw_policy::choose::{self, Found};
use nemoclaw_privacy::{Finding, Scanner};

use super::ner;
use super::refuse::Refused;
use crate::limits;
use crate::worker::policy::Compiled;
use crate::worker::sandbox::Sandbox;

/// What is known of a call.
pub struct Glance {
    /// Which call.
    pub api: Api,
    /// Its body as it came.
    pub bytes: Bytes,
    /// Its body as it was read; whoever is asked first takes it.
    pub call: Option<Call>,
    /// What was found in each text, in the order in which they stand.
    pub leaves: Vec<Vec<Finding>>,
    /// The kinds of what was found.
    pub found: Vec<Found>,
    /// For each kind whether one stands where nothing can take its place.
    pub fixed: Vec<bool>,
    /// The model that is asked for.
    pub model: String,
    /// Whether the answer is to come piece by piece.
    pub stream: bool,
    /// Most tokens of the answer, all its choices together; a guess where the call does not say.
    pub max_tokens: u64,
    /// What is kept for the log.
    pub kept: ModelCall,
}

/// Look at a call's body.
///
/// # Errors
/// It is none, or holds something that nobody can look into.
pub async fn look(
    sandbox: &Arc<Sandbox>,
    policy: &Arc<Compiled>,
    api: Api,
    bytes: Bytes,
) -> Result<Glance, Refused> {
    let long = bytes.len() > limits::MODEL_INLINE;
    let text = bytes.clone();
    let mut call = aside(long, move || Call::read(api, &text))
        .await?
        .map_err(|error| Refused::invalid(StatusCode::BAD_REQUEST, error.to_string()))?;
    let Some(scanner) = policy.scanner.clone() else {
        return Ok(Glance::of(sandbox, api, bytes, call));
    };
    transparent(&call.opaque())?;
    let entities = ner::ask(sandbox, &policy.entities, &mut call).await?;
    let mut glance = Glance::of(sandbox, api, bytes, call);
    let sandbox = sandbox.clone();
    aside(long, move || {
        glance.scan(&sandbox, &scanner, entities);
        glance
    })
    .await
}

/// Work on a body: on a long one aside, so that other sandboxes do not wait for it.
async fn aside<T: Send + 'static>(
    long: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    if !long {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        let message = "the request could not be looked at";
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "not_looked_at", message)
    })
}

/// What a policy that looks at texts cannot let pass.
fn transparent(opaque: &[Opaque]) -> Result<(), Refused> {
    let why = opaque.iter().find_map(|one| match one {
        Opaque::Tokens => Some("a prompt of numbers, in which nobody can look for anything: send texts"),
        Opaque::Stored => Some(
            "something that a server keeps, in which nobody can look for anything: send the whole conversation",
        ),
        Opaque::Audio | Opaque::File | Opaque::Encrypted => None,
    });
    why.map_or(Ok(()), |why| {
        let message = format!("the request holds {why}");
        Err(Refused::new(StatusCode::BAD_REQUEST, "opaque", message))
    })
}

/// What the log holds instead of a model's name in which something was found.
const WITHHELD: &str = "(withheld)";

/// The word for a call in the log.
fn word(api: Api) -> &'static str {
    match api {
        Api::Chat => "chat",
        Api::Completions => "completions",
        Api::Responses => "responses",
        Api::Embeddings => "embeddings",
        Api::Models => "models",
        Api::Messages => "messages",
        Api::CountTokens => "count_tokens",
    }
}

impl Glance {
    fn of(sandbox: &Sandbox, api: Api, bytes: Bytes, call: Call) -> Glance {
        let media = |one: &Opaque| matches!(one, Opaque::Audio | Opaque::File);
        Glance {
            api,
            model: call.model().to_owned(),
            stream: call.stream(),
            max_tokens: call
                .max_tokens()
                .unwrap_or(limits::MODEL_TOKENS)
                .saturating_mul(call.answers()),
            kept: ModelCall {
                api: word(api).to_owned(),
                model: call.model().chars().take(256).collect(),
                tokens: estimate_tokens(&call),
                tools: call.has_tools(),
                images: call.has_images() || call.opaque().iter().any(media),
                session: sandbox.models.session.label(),
                ..ModelCall::default()
            },
            bytes,
            call: Some(call),
            leaves: Vec::new(),
            found: Vec::new(),
            fixed: Vec::new(),
        }
    }

    /// `entities` are what services have found in each text.
    fn scan(&mut self, sandbox: &Sandbox, scanner: &Scanner, entities: Vec<Vec<Finding>>) {
        let mut entities = entities.into_iter();
        let Some(mut call) = self.call.take() else {
            return;
        };
        let vault = sandbox.models.session.vault();
        let memory = &sandbox.models.memory;
        let remembers = !memory.is_empty();
        call.leaves(&mut |leaf, text| {
            if remembers && leaf.kind == Kind::Assistant {
                self.kept.conversation = self.kept.conversation.max(memory.label(text));
            }
            let known = entities.next().unwrap_or_default();
            let findings = vault.foreign(text, scanner.scan_with(text, known));
            let fixed = matches!(leaf.kind, Kind::Key | Kind::Handle);
            for finding in &findings {
                self.count(finding, fixed);
            }
            self.leaves.push(findings);
            None
        });
        self.call = Some(call);
        self.scan_model(scanner);
    }

    /// The model's name is the agent's word too: it goes to the log, and to a provider that lists no models.
    fn scan_model(&mut self, scanner: &Scanner) {
        let findings = scanner.scan_with(&self.model, Vec::new());
        if !findings.is_empty() {
            WITHHELD.clone_into(&mut self.kept.model);
        }
        // Names of persons and places do stand in names of models.
        for finding in findings.iter().filter(|one| one.class >= Class::Secret) {
            self.count(finding, true);
        }
    }

    fn count(&mut self, finding: &Finding, fixed: bool) {
        let name = finding.detector.name();
        let at = match self.found.iter().position(|found| &*found.detector == name) {
            Some(at) => at,
            None => {
                self.found.push(Found {
                    detector: name.into(),
                    class: finding.class,
                });
                self.fixed.push(false);
                self.kept.found.push(FoundCount {
                    detector: name.to_owned(),
                    class: finding.class,
                    count: 0,
                });
                self.found.len() - 1
            }
        };
        // A service's labels have one name and several classes.
        self.found[at].class = self.found[at].class.max(finding.class);
        self.kept.found[at].class = self.found[at].class;
        self.fixed[at] |= fixed;
        self.kept.found[at].count += 1;
    }

    /// What is decided on.
    #[must_use]
    pub fn question<'a>(&'a self, sandbox: &'a str, policies: &'a [String]) -> choose::Call<'a> {
        let now = Timestamp::now().to_zoned(TimeZone::UTC);
        let day = now.weekday().to_monday_zero_offset();
        let minute = i16::from(now.hour()) * 60 + i16::from(now.minute());
        choose::Call {
            model: &self.model,
            tokens: self.kept.tokens,
            tools: self.kept.tools,
            images: self.kept.images,
            sandbox,
            policies,
            day: day.unsigned_abs(),
            minute: minute.unsigned_abs(),
            session: self.kept.session,
            conversation: self.kept.conversation,
            found: &self.found,
        }
    }

    /// The kind of a finding.
    #[must_use]
    pub fn kind(&self, finding: &Finding) -> Option<usize> {
        let name = finding.detector.name();
        self.found.iter().position(|found| &*found.detector == name)
    }
}
