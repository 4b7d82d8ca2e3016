//! Which endpoints may cover a host, found without walking all entries.

use std::collections::HashMap;

use crate::policy::{Endpoint, NetworkEntry};

/// A place in a layer: entry, endpoint.
pub(crate) type Slot = (u32, u32);

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

    /// The endpoints whose pattern covers `host`, in file order.
    pub fn covering<'a>(
        &self,
        entries: &'a [NetworkEntry],
        host: &str,
    ) -> Vec<(&'a NetworkEntry, &'a Endpoint)> {
        let mut slots: Vec<Slot> = self.exact.get(host).cloned().unwrap_or_default();
        let mut tail = host;
        while let Some((_, rest)) = tail.split_once('.') {
            slots.extend(self.tails.get(rest).into_iter().flatten());
            tail = rest;
        }
        slots.sort_unstable();
        slots
            .into_iter()
            .filter_map(|(e, i)| {
                let entry = entries.get(e as usize)?;
                Some((entry, entry.endpoints.get(i as usize)?))
            })
            .filter(|(_, endpoint)| endpoint.host.matches(host))
            .collect()
    }
}
