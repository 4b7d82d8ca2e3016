//! Which endpoints may cover a host, found without walking all entries.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::policy::{Endpoint, NetworkEntry};

/// A place in a layer: entry, endpoint.
type Slot = (u32, u32);

/// An endpoint that covers a flow, with its entry.
pub(crate) type Candidate<'a> = (&'a NetworkEntry, &'a Endpoint);

/// Candidates of one host: more than this many are rare, and cost an allocation.
pub(crate) type Candidates<'a> = SmallVec<[Candidate<'a>; 16]>;

/// Exact names, and wildcard patterns by what follows their last wildcard label.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostIndex {
    exact: HashMap<Box<str>, Vec<Slot>>,
    tails: HashMap<Box<str>, Vec<Slot>>,
}

impl HostIndex {
    pub fn new(entries: &[NetworkEntry]) -> HostIndex {
        let mut index = HostIndex::default();
        for (e, entry) in (0u32..).zip(entries) {
            for (i, endpoint) in (0u32..).zip(&entry.endpoints) {
                let map = if endpoint.host.is_wildcard() {
                    &mut index.tails
                } else {
                    &mut index.exact
                };
                map.entry(endpoint.host.literal_tail().into())
                    .or_default()
                    .push((e, i));
            }
        }
        index
    }

    /// The endpoints whose pattern covers `host` and that `wanted` takes, in file order.
    pub fn covering<'a>(
        &self,
        entries: &'a [NetworkEntry],
        host: &str,
        wanted: impl Fn(Candidate<'a>) -> bool,
    ) -> Candidates<'a> {
        let mut slots: SmallVec<[Slot; 16]> = SmallVec::new();
        let mut take = |found: &[Slot]| {
            slots.extend(found.iter().copied().filter(|(e, i)| {
                candidate(entries, *e, *i)
                    .is_some_and(|found| wanted(found) && found.1.host.matches(host))
            }));
        };
        if let Some(found) = self.exact.get(host) {
            take(found);
        }
        if !self.tails.is_empty() {
            let mut tail = host;
            while let Some((_, rest)) = tail.split_once('.') {
                if let Some(found) = self.tails.get(rest) {
                    take(found);
                }
                tail = rest;
            }
        }
        slots.sort_unstable();
        slots
            .iter()
            .filter_map(|(e, i)| candidate(entries, *e, *i))
            .collect()
    }
}

fn candidate(entries: &[NetworkEntry], e: u32, i: u32) -> Option<Candidate<'_>> {
    let entry = entries.get(e as usize)?;
    Some((entry, entry.endpoints.get(i as usize)?))
}
