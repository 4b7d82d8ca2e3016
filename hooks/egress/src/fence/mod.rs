//! The fence: everything but captured traffic is refused at once. This file plans it, purely; `stand` puts it up.
//!
//! Routing rules refuse most (EACCES), also where no device is. nf_tables holds what routing cannot: sockets bound to a
//! device, IPv6 multicast, frames, and interfaces that the engine adds later.

mod stand;
pub mod walls;

use std::net::Ipv4Addr;

use crate::netlink::nft::{Chain, Table};
use crate::netlink::route::{Change, Family, Interface, LO, LOCAL, MAIN, Match, Rule, Target};

pub use stand::{Guard, guarded_for};

/// What is in the namespace before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// All interfaces.
    pub interfaces: Vec<Interface>,
    /// The kernel speaks IPv6.
    pub ipv6: bool,
}

/// How traffic may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// To the router's sockets.
    Router {
        /// The capture's chains.
        chains: Vec<Chain>,
        /// Ports that may be reached from outside; `None` = any TCP port.
        inbound: Option<Vec<u16>>,
    },
    /// Not at all.
    Offline,
}

/// Everything that is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// nf_tables, put up first and as a whole.
    pub tables: Vec<Table>,
    /// Files below `/proc/sys/net/ipv4` that get a `1`.
    pub switches: Vec<&'static str>,
    /// Routes, rules and links, in order.
    pub changes: Vec<Change>,
}

/// Replies to inbound connections carry the mark of what they answer.
const SWITCHES: [&str; 3] = [
    "tcp_fwmark_accept",
    "fwmark_reflect",
    "conf/all/src_valid_mark",
];
/// The kernel's own first rule, `from all lookup local`.
const KERNEL_RULE: Rule = rule(0, Match::All, Target::Table(LOCAL));

impl Facts {
    /// Interfaces that lead anywhere.
    pub fn devices(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces
            .iter()
            .filter(|interface| !interface.loopback)
    }
}

/// The fence around what `facts` tells.
pub fn plan(sandbox: &str, facts: &Facts, way: &Way) -> Plan {
    let outside = matches!(way, Way::Router { .. }) && facts.devices().next().is_some();
    Plan {
        tables: walls::tables(sandbox, facts, way),
        switches: if outside {
            SWITCHES.to_vec()
        } else {
            Vec::new()
        },
        changes: changes(facts, way),
    }
}

fn changes(facts: &Facts, way: &Way) -> Vec<Change> {
    let mut changes = Vec::new();
    if facts
        .interfaces
        .iter()
        .any(|interface| interface.index == LO && !interface.up)
    {
        changes.push(Change::Up(LO));
    }
    let mut add =
        |priority, matches, target| changes.push(Change::Add(rule(priority, matches, target)));
    if matches!(way, Way::Offline) {
        add(9, Match::To(walls::DOCKER_RESOLVER, 32), Target::Prohibit); // it would forward from the host's side
    }
    add(
        10,
        Match::To(Ipv4Addr::new(127, 0, 0, 0), 8),
        Target::Table(LOCAL),
    );
    for (address, _) in facts.devices().flat_map(|device| &device.addresses) {
        add(11, Match::To(*address, 32), Target::Table(LOCAL));
    }
    if matches!(way, Way::Router { .. }) {
        add(50, Match::Mark(walls::MARK), Target::Table(MAIN));
        add(100, Match::Protocol(walls::TCP), Target::Table(LOCAL));
        add(
            101,
            Match::Port(walls::UDP, walls::DNS),
            Target::Table(LOCAL),
        );
    }
    add(102, Match::All, Target::Prohibit);
    if facts.ipv6 {
        changes.push(Change::Add(Rule {
            family: Family::V6,
            ..rule(102, Match::All, Target::Prohibit)
        }));
    }
    changes.push(Change::Delete(KERNEL_RULE));
    match way {
        // In `local`, or the kernel could not refuse in a foreign address's name, and a dead router would mean waiting.
        Way::Router { .. } => changes.push(Change::AnyAddress(LOCAL)),
        Way::Offline => {
            let up = facts.devices().filter(|device| device.up);
            changes.extend(up.map(|device| Change::Down(device.index)));
        }
    }
    changes
}

const fn rule(priority: u32, matches: Match, target: Target) -> Rule {
    Rule {
        family: Family::V4,
        priority,
        matches,
        target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, address: [u8; 4], gateway: Option<Ipv4Addr>) -> Interface {
        let addresses = vec![(Ipv4Addr::from(address), 16)];
        Interface {
            index,
            name: format!("if{index}"),
            up: index != 1,
            loopback: index == 1,
            addresses,
            gateway,
        }
    }

    fn router() -> Way {
        Way::Router {
            chains: Vec::new(),
            inbound: None,
        }
    }

    #[test]
    fn with_lo_only_there_is_no_switch_and_no_device_chain() {
        let facts = Facts {
            interfaces: vec![interface(1, [127, 0, 0, 1], None)],
            ipv6: true,
        };
        let plan = plan("a", &facts, &router());
        assert!(plan.switches.is_empty());
        assert_eq!(plan.tables.len(), 1);
        assert_eq!(plan.changes[0], Change::Up(LO));
        assert_eq!(plan.changes.last(), Some(&Change::AnyAddress(LOCAL)));
    }

    #[test]
    fn every_own_address_of_a_device_stays_local() {
        let facts = Facts {
            interfaces: vec![
                interface(1, [127, 0, 0, 1], None),
                interface(7, [10, 0, 0, 2], None),
            ],
            ipv6: false,
        };
        let own = Change::Add(rule(
            11,
            Match::To(Ipv4Addr::new(10, 0, 0, 2), 32),
            Target::Table(LOCAL),
        ));
        let plan = plan("a", &facts, &router());
        assert!(plan.changes.contains(&own));
        assert_eq!(plan.switches, SWITCHES);
    }

    #[test]
    fn offline_takes_every_device_down_last_and_routes_nothing() {
        let facts = Facts {
            interfaces: vec![
                interface(1, [127, 0, 0, 1], None),
                interface(7, [10, 0, 0, 2], None),
            ],
            ipv6: true,
        };
        let plan = plan("a", &facts, &Way::Offline);
        assert_eq!(plan.changes.last(), Some(&Change::Down(7)));
        assert!(
            !plan
                .changes
                .iter()
                .any(|change| matches!(change, Change::AnyAddress(_)))
        );
        assert!(plan.switches.is_empty());
    }
}
