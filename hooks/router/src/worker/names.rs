//! Virtual addresses: each allowed name gets one of its own per sandbox, and the address *is* the name.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::limits;
use crate::link::SavedName;

/// 198.18.1.0: the first 256 addresses of the range are the router's own.
const FIRST: u32 = u32::from_be_bytes([198, 18, 1, 0]);
/// 198.20.0.0: behind the range.
const END: u32 = u32::from_be_bytes([198, 20, 0, 0]);

/// Why a name gets no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// [`limits::NAMES_PER_BOX`].
    #[error("this sandbox has asked for {} names already", limits::NAMES_PER_BOX)]
    TooMany,
    /// The policy's budget, or [`limits::WILDCARD_NAMES`] where that is less.
    #[error("this sandbox has asked for {0} new names under wildcards in this hour")]
    Budget(u64),
}

/// The names of one sandbox.
#[derive(Debug, Default)]
pub struct Names {
    addresses: HashMap<Arc<str>, Ipv4Addr>,
    names: HashMap<Ipv4Addr, Arc<str>>,
    wildcard: VecDeque<u64>,
}

impl Names {
    /// What an earlier worker gave out.
    #[must_use]
    pub fn restore(saved: &[SavedName]) -> Names {
        let mut names = Names::default();
        for entry in saved {
            names.insert(&entry.name, entry.address);
            if entry.wildcard {
                names.wildcard.push_back(entry.since);
            }
        }
        names
    }

    /// The name behind an address.
    #[must_use]
    pub fn name(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        self.names.get(&address).cloned()
    }

    /// The address of a name that has one.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<Ipv4Addr> {
        self.addresses.get(name).copied()
    }

    /// Give `name` an address: always the same for one sandbox, as long as no other name has it. A name that only a
    /// wildcard covers comes with the policy's budget for such names.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn assign(
        &mut self,
        sandbox: &str,
        name: &str,
        wildcard: Option<u64>,
        now: u64,
    ) -> Result<SavedName, NoAddress> {
        if self.addresses.len() >= limits::NAMES_PER_BOX {
            return Err(NoAddress::TooMany);
        }
        if let Some(budget) = wildcard {
            self.spend(budget, now)?;
        }
        let mut address = start(sandbox, name);
        while !usable(address) || self.names.contains_key(&Ipv4Addr::from(address)) {
            address = if address + 1 >= END {
                FIRST
            } else {
                address + 1
            };
        }
        let address = Ipv4Addr::from(address);
        self.insert(name, address);
        Ok(SavedName {
            name: name.to_owned(),
            address,
            since: now,
            wildcard: wildcard.is_some(),
        })
    }

    fn spend(&mut self, budget: u64, now: u64) -> Result<(), NoAddress> {
        let budget = budget.min(limits::WILDCARD_NAMES as u64);
        let window = limits::WILDCARD_WINDOW.as_secs();
        while self
            .wildcard
            .front()
            .is_some_and(|since| since + window <= now)
        {
            self.wildcard.pop_front();
        }
        if self.wildcard.len() as u64 >= budget {
            return Err(NoAddress::Budget(budget));
        }
        self.wildcard.push_back(now);
        Ok(())
    }

    fn insert(&mut self, name: &str, address: Ipv4Addr) {
        let name: Arc<str> = Arc::from(name);
        self.addresses.insert(name.clone(), address);
        self.names.insert(address, name);
    }
}

fn start(sandbox: &str, name: &str) -> u32 {
    let digest = Sha256::new()
        .chain_update(sandbox)
        .chain_update([0])
        .chain_update(name)
        .finalize();
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    FIRST + number % (END - FIRST)
}

/// Not an address that looks like a network or a broadcast.
fn usable(address: u32) -> bool {
    !matches!(address & 0xff, 0 | 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_address_and_the_address_is_the_name() {
        let mut names = Names::default();
        let given = names.assign("a", "example.com", None, 0).expect("address");
        assert_eq!(names.name(given.address).as_deref(), Some("example.com"));
        assert_eq!(names.address("example.com"), Some(given.address));
        let mut again = Names::default();
        assert_eq!(
            again
                .assign("a", "example.com", None, 9)
                .expect("address")
                .address,
            given.address
        );
    }

    #[test]
    fn addresses_lie_in_the_benchmark_range_behind_the_routers_own() {
        let mut names = Names::default();
        for number in 0..limits::NAMES_PER_BOX {
            let given = names
                .assign("a", &format!("n{number}.example"), None, 0)
                .expect("address");
            let [a, b, c, d] = given.address.octets();
            assert!(
                a == 198 && (b == 18 && c > 0 || b == 19) && d != 0 && d != 255,
                "{}",
                given.address
            );
        }
        assert_eq!(
            names.names.len(),
            limits::NAMES_PER_BOX,
            "two names share an address"
        );
        assert_eq!(
            names.assign("a", "one.more", None, 0),
            Err(NoAddress::TooMany)
        );
    }

    #[test]
    fn wildcard_names_have_a_budget_that_returns_after_an_hour_and_outlives_the_worker() {
        let mut names = Names::default();
        let mut saved = Vec::new();
        for number in 0..limits::WILDCARD_NAMES {
            saved.push(
                names
                    .assign("a", &format!("n{number}.example"), Some(u64::MAX), 100)
                    .expect("address"),
            );
        }
        assert_eq!(
            names.assign("a", "x.example", Some(u64::MAX), 200),
            Err(NoAddress::Budget(limits::WILDCARD_NAMES as u64))
        );
        let mut next = Names::restore(&saved);
        assert_eq!(
            next.assign("a", "x.example", Some(u64::MAX), 200),
            Err(NoAddress::Budget(limits::WILDCARD_NAMES as u64))
        );
        let mut few = Names::default();
        assert!(few.assign("a", "x.example", Some(1), 0).is_ok());
        assert_eq!(
            few.assign("a", "y.example", Some(1), 0),
            Err(NoAddress::Budget(1))
        );
        assert_eq!(next.address("n3.example"), names.address("n3.example"));
        assert!(next.assign("a", "exact.example", None, 200).is_ok());
        assert!(
            next.assign("a", "x.example", Some(u64::MAX), 100 + 3600)
                .is_ok()
        );
    }
}
