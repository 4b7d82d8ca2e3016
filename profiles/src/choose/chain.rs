//! The chain: who a policy would ask, before anything is said of what is in the call.
//!
//! Every layer must admit a provider with the model that it is asked for. The order is that of the first layer with a
//! chain of its own.

use std::sync::Arc;

use super::{Call, Limits, Link, Refused};
use crate::policy::{Inference, ModelLayer, Policy, Route, Target};
use crate::provider::{Provider, Providers, Serving};

/// A layer that asks models, with its route for the one that the agent names.
struct Routed<'a> {
    inference: &'a Inference,
    route: Option<&'a Route>,
}

pub(super) fn links<'a>(
    policy: &Policy,
    providers: &'a Providers,
    call: &Call<'_>,
) -> Result<Vec<Link<'a>>, Refused> {
    let layers = policy
        .models
        .iter()
        .map(|layer| routed(layer, call))
        .collect::<Result<Vec<Routed<'_>>, Refused>>()?;
    let chain = layers.iter().find(|layer| !layer.targets().is_empty());
    let Some(first) = chain.or(layers.first()) else {
        return Err(Refused::NoInference(policy.name.clone()));
    };
    let mut links = first.proposed(providers, call);
    links.retain(|link| layers.iter().all(|layer| layer.admits(link, call)));
    if first.route.is_none_or(|route| route.cheapest) {
        links.sort_by_key(|link| {
            let price = link.serving.price(&link.model);
            let sum = price.input.saturating_add(price.output);
            // Who takes any name may not have this one, and what a cloud asks for nothing is more likely a price that
            // nobody wrote down.
            let unsure = link.serving.models.is_empty();
            (unsure, sum == 0 && !link.serving.local, sum)
        });
    }
    Ok(links)
}

/// How patient the routes for a call are, and how many of it they let wait: the least that any says.
pub(super) fn limits(policy: &Policy, call: &Call<'_>) -> Limits {
    let routes = || {
        let layers = policy.inference_layers();
        layers.filter_map(|inference| inference.route(call.model).ok().flatten())
    };
    let timeout = routes().map(|route| route.timeout).min();
    let retries = routes().map(|route| route.retries).min();
    Limits {
        timeout: timeout.unwrap_or(Route::TIMEOUT),
        retries: retries.unwrap_or(Route::RETRIES),
        concurrent: routes().filter_map(|route| route.concurrent).min(),
    }
}

fn routed<'a>(layer: &'a ModelLayer, call: &Call<'_>) -> Result<Routed<'a>, Refused> {
    let Some(inference) = &layer.inference else {
        return Err(Refused::NoInference(layer.policy.clone()));
    };
    let route = inference.route(call.model).map_err(|_| Refused::NoRoute {
        policy: layer.policy.clone(),
        model: call.model.to_owned(),
    })?;
    Ok(Routed { inference, route })
}

impl Routed<'_> {
    /// The route's own chain; none is every provider that has the model.
    fn targets(&self) -> &[Target] {
        self.route.map_or(&[], |route| &route.to)
    }

    /// Whom this layer would ask, in its order.
    fn proposed<'a>(&self, providers: &'a Providers, call: &Call<'_>) -> Vec<Link<'a>> {
        if self.targets().is_empty() {
            return providers
                .entries
                .iter()
                .filter_map(|entry| link(entry, Arc::from(call.model)))
                .collect();
        }
        self.targets()
            .iter()
            .filter_map(|target| {
                let provider = providers.named(&target.provider)?;
                link(provider, asked(target, provider.serving.as_ref()?, call))
            })
            .collect()
    }

    /// Whether it would be asked with this model, and serves this sandbox.
    fn admits(&self, link: &Link<'_>, call: &Call<'_>) -> bool {
        let Link {
            provider, serving, ..
        } = link;
        let Inference {
            providers,
            residency,
            ..
        } = self.inference;
        let listed = providers
            .as_ref()
            .is_none_or(|names| names.contains(&provider.name));
        let there = residency
            .as_ref()
            .is_none_or(|places| match &serving.residency {
                Some(place) => places.contains(place),
                // What is the operator's own stays where it is.
                None => serving.local,
            });
        let named = self.targets().is_empty()
            || self.targets().iter().any(|target| {
                target.provider == provider.name && asked(target, serving, call) == link.model
            });
        let policies = call.policies.iter().map(String::as_str);
        let ours = provider.serves(call.sandbox, policies);
        listed && there && named && ours && serving.has(&link.model)
    }
}

/// The model that a target asks for: its own, else the agent's where the provider has it, else the provider's usual one.
fn asked(target: &Target, serving: &Serving, call: &Call<'_>) -> Arc<str> {
    if let Some(model) = &target.model {
        return model.clone();
    }
    match serving.models.first() {
        Some(usual) if !serving.has(call.model) => usual.name.clone(),
        _ => Arc::from(call.model),
    }
}

fn link(provider: &Provider, model: Arc<str>) -> Option<Link<'_>> {
    Some(Link {
        serving: provider.serving.as_ref()?,
        provider,
        model,
    })
}
