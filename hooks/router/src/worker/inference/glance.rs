//! A look at a call: what it asks for, and what is sensitive in it, without a word of it kept.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use nemoclaw_api::audit::{FoundCount, ModelCall};
use nemoclaw_inference::{Api, Call, Kind, Opaque, estimate_tokens};
use nemoclaw_policy::choose::{self, Moment};
use nemoclaw_privacy::{Finding, Kinds, Scanner};

use super::ner;
use super::refuse::Refused;
use crate::worker::policy::Compiled;
use crate::worker::sandbox::Sandbox;
use crate::{clock, limits};

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
    pub kinds: Kinds,
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
    let Some(closed) = opaque.iter().find(|one| one.is_closed()) else {
        return Ok(());
    };
    let (what, instead) = match closed {
        Opaque::Tokens => ("a prompt of numbers", "texts"),
        _ => ("something that a server keeps", "the whole conversation"),
    };
    let message =
        format!("the request holds {what}, in which nobody can look for anything: send {instead}");
    Err(Refused::new(StatusCode::BAD_REQUEST, "opaque", message))
}

/// What the log holds instead of a model's name in which something was found.
const WITHHELD: &str = "(withheld)";

impl Glance {
    fn of(sandbox: &Sandbox, api: Api, bytes: Bytes, call: Call) -> Glance {
        Glance {
            api,
            model: call.model().to_owned(),
            stream: call.stream(),
            max_tokens: call
                .max_tokens()
                .unwrap_or(limits::MODEL_TOKENS)
                .saturating_mul(call.answers()),
            kept: ModelCall {
                api: api.word().to_owned(),
                model: call.model().chars().take(256).collect(),
                tokens: estimate_tokens(&call),
                tools: call.has_tools(),
                images: call.has_media(),
                session: sandbox.models.session.label(),
                ..ModelCall::default()
            },
            bytes,
            call: Some(call),
            leaves: Vec::new(),
            kinds: Kinds::default(),
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
            for finding in &findings {
                self.kinds.add(finding, leaf.kind.is_fixed());
            }
            self.leaves.push(findings);
            None
        });
        self.call = Some(call);
        if self.kinds.add_model(&self.model, scanner) {
            WITHHELD.clone_into(&mut self.kept.model);
        }
        let counted = self.kinds.counted().map(|(found, count)| FoundCount {
            detector: found.detector.to_string(),
            class: found.class,
            count,
        });
        self.kept.found = counted.collect();
    }

    /// What is decided on.
    #[must_use]
    pub fn question<'a>(&'a self, sandbox: &'a str, policies: &'a [String]) -> choose::Call<'a> {
        let now = Moment::at(clock::unix_seconds());
        choose::Call {
            model: &self.model,
            tokens: self.kept.tokens,
            tools: self.kept.tools,
            images: self.kept.images,
            sandbox,
            policies,
            day: now.day,
            minute: now.minute,
            session: self.kept.session,
            conversation: self.kept.conversation,
            found: self.kinds.found(),
        }
    }
}
