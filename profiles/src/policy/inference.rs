//! `inference`: which models a sandbox may ask, through which providers, and what it may spend on them.
//!
//! A policy without the key asks none. Routes are tried in order; the first whose patterns match the model that the agent
//! names gives the chain of providers that may answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::HostPattern;
use super::options::is_provider_name;
use super::resources::least;
use crate::provider::{self, price, residency};
use crate::segments::SegmentGlob;
use crate::source::{Diagnostic, Location};
use crate::yaml::View;

type Fault = Box<Diagnostic>;

/// The name that every sandbox with `inference` knows.
pub const LOCAL_NAME: &str = "inference.local";
/// Most routes, targets of one, and names in any list.
const MAX_ITEMS: usize = 128;
/// The greatest number a budget may be: more is no budget.
const MAX_COUNT: u64 = 1_000_000_000_000;
/// The longest that a route may say, seconds.
const MAX_SECONDS: u32 = 3600;
/// The pattern of a route that says no models.
const ANY: &str = "*";

/// `inference`.
#[derive(Debug, Clone, PartialEq)]
pub struct Inference {
    /// `hosts`: names of providers that the router answers itself, beside [`LOCAL_NAME`].
    pub hosts: Vec<HostPattern>,
    /// `providers`: who may be asked; `None` is any of the node's that serves this sandbox.
    pub providers: Option<Vec<Arc<str>>>,
    /// `residency`: only providers that process there; `None` is anywhere.
    pub residency: Option<Vec<String>>,
    /// `routes`, in order; none is one that takes any model to any provider that has it.
    pub routes: Vec<Route>,
    /// `budgets`.
    pub budgets: ModelBudgets,
}

/// One of `routes`. Equality ignores its place.
#[derive(Debug, Clone)]
pub struct Route {
    /// `models`: what the agent may name here; a pattern.
    pub models: Vec<SegmentGlob>,
    /// `to`: the chain, in order; empty is every provider that has the model.
    pub to: Vec<Target>,
    /// The chain is tried by price and not in order: `prefer: cheapest`, and where `to` is omitted.
    pub cheapest: bool,
    /// `timeout`: how long the head of an answer may take.
    pub timeout: Duration,
    /// `retries`: how often one provider is asked again before the next is.
    pub retries: u32,
    /// `concurrent`: most requests of the sandbox on this route at once.
    pub concurrent: Option<u32>,
    /// Where it stands.
    pub at: Location,
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        let axes = |route: &Route| {
            (
                (route.models.clone(), route.to.clone(), route.cheapest),
                (route.timeout, route.retries, route.concurrent),
            )
        };
        axes(self) == axes(other)
    }
}

/// One of a chain: `PROVIDER`, or `PROVIDER/MODEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The provider.
    pub provider: Arc<str>,
    /// The model that is asked instead of the one that the agent names.
    pub model: Option<Arc<str>>,
}

/// `inference.budgets`: limits for a day (the last 24 hours); `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelBudgets {
    /// `tokens`: sent and received together.
    pub tokens: Option<u64>,
    /// `requests`.
    pub requests: Option<u64>,
    /// `cost`: millionths of the currency in which the providers' prices are.
    pub cost: Option<u64>,
}

impl ModelBudgets {
    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &ModelBudgets) -> ModelBudgets {
        ModelBudgets {
            tokens: least(self.tokens, other.tokens),
            requests: least(self.requests, other.requests),
            cost: least(self.cost, other.cost),
        }
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.tokens.is_some() || self.requests.is_some() || self.cost.is_some()
    }
}

impl Route {
    /// How long the head of an answer may take, where no route says.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
    /// How often a provider that is busy or broken is asked again, where no route says.
    pub const RETRIES: u32 = 1;
}

impl Inference {
    /// Whether the router answers `host` itself.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        host == LOCAL_NAME || self.hosts.iter().any(|own| own.matches(host))
    }

    /// The route of a model; `Ok(None)` where there are no routes at all.
    ///
    /// # Errors
    /// No route takes it.
    pub fn route(&self, model: &str) -> Result<Option<&Route>, NoRoute> {
        if self.routes.is_empty() {
            return Ok(None);
        }
        self.routes
            .iter()
            .find(|route| route.models.iter().any(|pattern| pattern.matches(model)))
            .map(Some)
            .ok_or(NoRoute)
    }
}

/// No route takes a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoute;

pub(super) fn load(view: &View<'_>) -> Result<Inference, Fault> {
    let keys = view.fields(
        &["hosts", "providers", "residency", "routes", "budgets"],
        &[],
    )?;
    let hosts = match keys.get("hosts") {
        Some(view) => bounded(&view)?.iter().map(host).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let providers = match keys.get("providers") {
        Some(view) => Some(each_once(&view, provider)?),
        None => None,
    };
    let residency = match keys.get("residency") {
        Some(view) => Some(each_once(&view, residency)?),
        None => None,
    };
    let routes = match keys.get("routes") {
        Some(view) => {
            view.some_list()?;
            bounded(&view)?
                .iter()
                .map(|view| route(view, providers.as_deref()))
                .collect::<Result<_, _>>()?
        }
        None => Vec::new(),
    };
    if let Some(view) = keys.get("routes") {
        reached(&routes, &view.list()?)?;
    }
    Ok(Inference {
        hosts,
        providers,
        residency,
        routes,
        budgets: keys
            .get("budgets")
            .map_or(Ok(ModelBudgets::default()), |view| budgets(&view))?,
    })
}

/// A list that is not empty, and in which nothing stands twice.
fn each_once<T: PartialEq>(
    view: &View<'_>,
    read: impl Fn(&View<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    view.some_list()?;
    let mut values = Vec::new();
    for view in bounded(view)? {
        let value = read(&view)?;
        if values.contains(&value) {
            return Err(view.fault(format!("`{}` stands twice", view.text()?)));
        }
        values.push(value);
    }
    Ok(values)
}

/// A list of at most [`MAX_ITEMS`].
pub(super) fn bounded<'a>(view: &View<'a>) -> Result<Vec<View<'a>>, Fault> {
    let list = view.list()?;
    if list.len() > MAX_ITEMS {
        return Err(view.fault(format!("`{}` has more than {MAX_ITEMS} items", view.name)));
    }
    Ok(list)
}

fn host(view: &View<'_>) -> Result<HostPattern, Fault> {
    let host = HostPattern::parse(view.text()?).map_err(|message| view.fault(message))?;
    if host.is_wildcard() {
        return Err(view.fault(format!("`{host}` is a pattern; `hosts` names single hosts")));
    }
    if host.as_str().parse::<IpAddr>().is_ok() {
        return Err(view.fault(format!("`{host}` is an address; `hosts` names hosts")));
    }
    Ok(host)
}

/// A provider's name.
pub(super) fn provider(view: &View<'_>) -> Result<Arc<str>, Fault> {
    let text = view.text()?;
    known_name(view, text)?;
    Ok(Arc::from(text))
}

fn known_name(view: &View<'_>, name: &str) -> Result<(), Fault> {
    if is_provider_name(name) {
        return Ok(());
    }
    Err(view.fault(format!(
        "`{name}` is no provider's name: letters, digits, `-` and `_`, at most 64"
    )))
}

/// A pattern for a value, such as `claude-*`.
pub(super) fn pattern(view: &View<'_>) -> Result<SegmentGlob, Fault> {
    SegmentGlob::name(view.text()?).map_err(|message| view.fault(message))
}

fn route(view: &View<'_>, providers: Option<&[Arc<str>]>) -> Result<Route, Fault> {
    let keys = view.fields(
        &["models", "to", "prefer", "timeout", "retries", "concurrent"],
        &[],
    )?;
    let models = match keys.get("models") {
        Some(view) => {
            view.some_list()?;
            let patterns = bounded(&view)?;
            patterns.iter().map(pattern).collect::<Result<_, _>>()?
        }
        None => vec![SegmentGlob::name(ANY).map_err(|message| view.fault(message))?],
    };
    let to = match keys.get("to") {
        Some(view) => each_once(&view, |view| target(view, providers))?,
        None => Vec::new(),
    };
    let cheapest = match keys.get("prefer") {
        Some(view) => view.word(&[("order", false), ("cheapest", true)])?,
        None => to.is_empty(),
    };
    if let Some(view) = keys.get("prefer").filter(|_| to.is_empty() && !cheapest) {
        return Err(view.fault("`prefer: order` needs the order that `to` gives"));
    }
    let timeout = keys.get("timeout");
    let retries = keys.get("retries");
    let concurrent = keys.get("concurrent").map(|view| view.number(1, 10_000));
    Ok(Route {
        models,
        to,
        cheapest,
        timeout: timeout.map_or(Ok(Route::TIMEOUT), |view| view.seconds(MAX_SECONDS))?,
        retries: retries.map_or(Ok(Route::RETRIES), |view| view.number(0, 10))?,
        concurrent: concurrent.transpose()?,
        at: view.at(),
    })
}

/// `PROVIDER` or `PROVIDER/MODEL`.
fn target(view: &View<'_>, providers: Option<&[Arc<str>]>) -> Result<Target, Fault> {
    let text = view.text()?;
    let (name, model) = match text.split_once('/') {
        Some((name, model)) => (name, Some(model)),
        None => (text, None),
    };
    known_name(view, name)?;
    if let Some(model) = model.filter(|model| !provider::is_model_name(model)) {
        return Err(view.fault(format!(
            "`{model}` is no name of a model: write PROVIDER/MODEL"
        )));
    }
    if providers.is_some_and(|known| known.iter().all(|own| **own != *name)) {
        return Err(view.fault(format!(
            "`{name}` is not in `providers`, so it is never asked"
        )));
    }
    Ok(Target {
        provider: Arc::from(name),
        model: model.map(Arc::from),
    })
}

/// A route behind one that takes all its models is never taken.
fn reached(routes: &[Route], views: &[View<'_>]) -> Result<(), Fault> {
    for (index, (route, view)) in routes.iter().zip(views).enumerate() {
        let takes = |pattern: &SegmentGlob| {
            let same = |own: &SegmentGlob| own == pattern || own.as_str() == ANY;
            routes[..index]
                .iter()
                .find(|before| before.models.iter().any(same))
        };
        let before: Option<Vec<&Route>> = route.models.iter().map(takes).collect();
        if let Some(before) = before.and_then(|all| all.into_iter().next()) {
            return Err(view
                .fault(format!(
                    "this route is never taken: the one in line {} takes its models",
                    before.at.line
                ))
                .with_hint("routes are tried in order: put the narrower one first"));
        }
    }
    Ok(())
}

fn budgets(view: &View<'_>) -> Result<ModelBudgets, Fault> {
    let keys = view.fields(&["tokens", "requests", "cost"], &[])?;
    let count = |key| {
        keys.get(key)
            .map(|view| view.big_number(0, MAX_COUNT))
            .transpose()
    };
    Ok(ModelBudgets {
        tokens: count("tokens")?,
        requests: count("requests")?,
        cost: keys.get("cost").map(|view| price(&view)).transpose()?,
    })
}
