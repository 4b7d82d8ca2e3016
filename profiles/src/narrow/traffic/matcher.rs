//! Matchers against matchers: whether one covers what another does, and whether both can match one thing.

use super::side::{segment_within, segments_overlap};
use crate::policy::{GraphqlMatcher, QueryMatcher, RpcMatcher, RpcMethod};
use crate::segments::SegmentGlob;

/// Whether each of `inner` is within one of `outer`.
fn each_within(inner: &[SegmentGlob], outer: &[SegmentGlob]) -> bool {
    inner
        .iter()
        .all(|glob| outer.iter().any(|other| segment_within(glob, other)))
}

fn any_overlap(a: &[SegmentGlob], b: &[SegmentGlob]) -> bool {
    a.iter()
        .any(|glob| b.iter().any(|other| segments_overlap(glob, other)))
}

/// Whether `outer` wants of a query only what `inner` wants too.
pub(super) fn query_within(inner: &[QueryMatcher], outer: &[QueryMatcher]) -> bool {
    outer.iter().all(|wanted| {
        inner
            .iter()
            .any(|own| own.name == wanted.name && each_within(&own.any, &wanted.any))
    })
}

/// Whether a query can be allowed by `allow` and hit by `deny`: all values of a parameter match the first, one the
/// second.
pub(super) fn queries_overlap(allow: &[QueryMatcher], deny: &[QueryMatcher]) -> bool {
    deny.iter().all(|hit| {
        allow
            .iter()
            .filter(|own| own.name == hit.name)
            .all(|own| any_overlap(&own.any, &hit.any))
    })
}

fn name_within(inner: Option<&SegmentGlob>, outer: Option<&SegmentGlob>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (Some(inner), Some(outer)) => segment_within(inner, outer),
        (None, Some(_)) => false,
    }
}

/// Whether `outer` matches whatever `inner` does: both as allow rules, or both as deny rules.
pub(super) fn graphql_within(inner: &GraphqlMatcher, outer: &GraphqlMatcher) -> bool {
    let GraphqlMatcher { kind, name, fields } = inner;
    *kind == outer.kind
        && name_within(name.as_ref(), outer.name.as_ref())
        && (outer.fields.is_empty() || (!fields.is_empty() && each_within(fields, &outer.fields)))
}

/// Whether an operation can be allowed by `allow` and hit by `deny`.
pub(super) fn graphql_overlaps(allow: &GraphqlMatcher, deny: &GraphqlMatcher) -> bool {
    let names = match (&allow.name, &deny.name) {
        (Some(a), Some(b)) => segments_overlap(a, b),
        _ => true,
    };
    allow.kind == deny.kind
        && names
        && (allow.fields.is_empty()
            || deny.fields.is_empty()
            || any_overlap(&allow.fields, &deny.fields))
}

/// Whether `method` is one that the matcher is about.
pub(super) fn names_method(matcher: &RpcMatcher, method: &str) -> bool {
    match &matcher.method {
        RpcMethod::Any => true,
        RpcMethod::Exact(own) => own == method,
        RpcMethod::Tools(glob) => method
            .strip_prefix("tools/")
            .is_some_and(|rest| glob.matches(rest)),
    }
}

fn method_within(inner: &RpcMethod, outer: &RpcMatcher) -> bool {
    match (inner, &outer.method) {
        (_, RpcMethod::Any) => true,
        (RpcMethod::Any, _) => false,
        (RpcMethod::Exact(method), _) => names_method(outer, method),
        (RpcMethod::Tools(a), RpcMethod::Tools(b)) => segment_within(a, b),
        (RpcMethod::Tools(_), RpcMethod::Exact(_)) => false,
    }
}

/// Whether `outer` matches whatever `inner` does, tool names aside that must be strict.
pub(super) fn rpc_within(inner: &RpcMatcher, outer: &RpcMatcher) -> bool {
    let RpcMatcher { method, tools } = inner;
    method_within(method, outer)
        && (outer.tools.is_empty() || (!tools.is_empty() && each_within(tools, &outer.tools)))
}

/// Whether both can match one call.
pub(super) fn rpc_overlaps(a: &RpcMatcher, b: &RpcMatcher) -> bool {
    let methods = match (&a.method, &b.method) {
        (RpcMethod::Any, _) | (_, RpcMethod::Any) => true,
        (RpcMethod::Exact(method), _) => names_method(b, method),
        (_, RpcMethod::Exact(method)) => names_method(a, method),
        (RpcMethod::Tools(a), RpcMethod::Tools(b)) => segments_overlap(a, b),
    };
    methods && (a.tools.is_empty() || b.tools.is_empty() || any_overlap(&a.tools, &b.tools))
}
