//! The list of models that a sandbox may ask for.

use std::collections::BTreeSet;

use http::request::Parts;
use http::{Response, StatusCode};
use nemoclaw_inference::{Api, Dialect, model_reply, models_reply};
use nemoclaw_policy::Policy;
use nemoclaw_policy::provider::Providers;

use super::refuse::{Refused, event, json_response};
use crate::worker::body::Body;
use crate::worker::http::Inspected;

/// Answer a question for models.
///
/// # Errors
/// There is none of that name.
pub fn list(
    connection: &Inspected,
    head: &Parts,
    dialect: Dialect,
) -> Result<Response<Body>, Refused> {
    let sandbox = &connection.sandbox;
    let policy = sandbox.policy.snapshot();
    let vault = sandbox.node.vault.load_full();
    let names = names(
        &policy.policy,
        vault.providers(),
        &sandbox.name,
        &policy.names(),
    );
    let body = match Api::model_asked(head.uri.path()) {
        None => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            models_reply(&names, dialect)
        }
        Some(name) if names.contains(name) => model_reply(name, dialect),
        Some(_) => {
            let message = "this sandbox may not ask for a model of that name";
            return Err(Refused::new(
                StatusCode::NOT_FOUND,
                "model_not_found",
                message,
            ));
        }
    };
    sandbox.node.sink.event(event(connection, head));
    Ok(json_response(StatusCode::OK, body))
}

/// What the routes name without a star, and what providers have that some route takes. Every layer must take a name.
fn names(
    policy: &Policy,
    providers: &Providers,
    sandbox: &str,
    policies: &[String],
) -> BTreeSet<String> {
    let named = policy
        .inference_layers()
        .flat_map(|inference| &inference.routes)
        .flat_map(|route| &route.models)
        .filter(|pattern| pattern.is_literal())
        .map(|pattern| pattern.as_str().to_owned());
    let served = providers
        .entries
        .iter()
        .filter(|entry| entry.serves(sandbox, policies.iter().map(String::as_str)))
        .filter_map(|entry| entry.serving.as_ref())
        .flat_map(|serving| &serving.models)
        .map(|model| model.name.to_string());
    named
        .chain(served)
        .filter(|name| {
            policy.models.iter().all(|layer| {
                let inference = layer.inference.as_ref();
                inference.is_some_and(|inference| inference.route(name).is_ok())
            })
        })
        .collect()
}
