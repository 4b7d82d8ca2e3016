//! The chain: the providers of the first layer's route that every other layer's route has too.

use std::sync::Arc;
use std::time::Duration;

use super::{Call, Link, Refused};
use crate::policy::{Inference, ModelLayer, Policy, Route};
use crate::provider::{Provider, Providers, Serving};

/// As a policy without routes has them.
const TIMEOUT: Duration = Duration::from_secs(60);
const RETRIES: u32 = 1;

pub(super) fn links<'a>(
    policy: &Policy,
    providers: &'a Providers,
    call: &Call<'_>,
) -> Result<Vec<Link<'a>>, Refused> {
    let mut layers = policy.models.iter();
    let first = layers
        .next()
        .ok_or_else(|| Refused::NoInference(policy.name.clone()))?;
    let mut links = links_of(first, providers, call)?;
    for layer in layers {
        let others = links_of(layer, providers, call)?;
        links.retain_mut(|link| {
            let same = |other: &&Link<'_>| {
                other.provider.name == link.provider.name && other.model == link.model
            };
            let Some(other) = others.iter().find(same) else {
                return false;
            };
            link.timeout = link.timeout.min(other.timeout);
            link.retries = link.retries.min(other.retries);
            link.concurrent = match (link.concurrent, other.concurrent) {
                (Some(own), Some(other)) => Some(own.min(other)),
                (own, other) => own.or(other),
            };
            true
        });
    }
    Ok(links)
}

fn links_of<'a>(
    layer: &ModelLayer,
    providers: &'a Providers,
    call: &Call<'_>,
) -> Result<Vec<Link<'a>>, Refused> {
    let Some(inference) = &layer.inference else {
        return Err(Refused::NoInference(layer.policy.clone()));
    };
    let route = inference.route(call.model).map_err(|_| Refused::NoRoute {
        policy: layer.policy.clone(),
        model: call.model.to_owned(),
    })?;
    let mut links = match route {
        Some(route) if !route.to.is_empty() => named(route, inference, providers, call),
        _ => every(route, inference, providers, call),
    };
    if route.is_none_or(|route| route.cheapest || route.to.is_empty()) {
        links.sort_by_key(|link| {
            let price = link.serving.price(&link.model);
            price.input.saturating_add(price.output)
        });
    }
    Ok(links)
}

/// The route's chain, in its order. A target that names no model takes the agent's where the provider has it, else the
/// provider's usual one.
fn named<'a>(
    route: &Route,
    inference: &Inference,
    providers: &'a Providers,
    call: &Call<'_>,
) -> Vec<Link<'a>> {
    route
        .to
        .iter()
        .filter_map(|target| {
            let (provider, serving) = usable(providers.named(&target.provider)?, inference, call)?;
            let model = match &target.model {
                Some(model) => model.clone(),
                None => match (serving.model(call.model), serving.models.first()) {
                    (Some(model), _) | (None, Some(model)) => model.name.clone(),
                    (None, None) => Arc::from(call.model),
                },
            };
            Some(link(provider, serving, model, Some(route)))
        })
        .collect()
}

/// Every provider that has the model.
fn every<'a>(
    route: Option<&Route>,
    inference: &Inference,
    providers: &'a Providers,
    call: &Call<'_>,
) -> Vec<Link<'a>> {
    providers
        .entries
        .iter()
        .filter_map(|entry| usable(entry, inference, call))
        .filter(|(_, serving)| serving.models.is_empty() || serving.model(call.model).is_some())
        .map(|(provider, serving)| link(provider, serving, Arc::from(call.model), route))
        .collect()
}

fn usable<'a>(
    provider: &'a Provider,
    inference: &Inference,
    call: &Call<'_>,
) -> Option<(&'a Provider, &'a Serving)> {
    let serving = provider.serving.as_ref()?;
    let listed = inference
        .providers
        .as_ref()
        .is_none_or(|names| names.contains(&provider.name));
    let there = inference.residency.as_ref().is_none_or(|places| {
        let place = serving.residency.as_deref();
        place.is_some_and(|place| places.iter().any(|own| own == place))
    });
    let ours = provider.serves(call.sandbox, call.policies.iter().map(String::as_str));
    (listed && there && ours).then_some((provider, serving))
}

fn link<'a>(
    provider: &'a Provider,
    serving: &'a Serving,
    model: Arc<str>,
    route: Option<&Route>,
) -> Link<'a> {
    Link {
        provider,
        serving,
        model,
        timeout: route.map_or(TIMEOUT, |route| route.timeout),
        retries: route.map_or(RETRIES, |route| route.retries),
        concurrent: route.and_then(|route| route.concurrent),
    }
}
