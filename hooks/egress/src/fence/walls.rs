//! The fence's nf_tables: what may pass by a device, in and out. Through `lo` everything may.

use std::net::Ipv4Addr;

use super::{Facts, Way};
use crate::netlink::nft::{Chain, Family, Hook, Meta, Step, Table};
use crate::netlink::route::{Interface, LO};

/// The name of our tables.
pub const NAME: &str = "nemoclaw";
/// What came by a device carries it, and so do the replies. No process of the sandbox may set marks.
pub const MARK: u32 = 0x4e43;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// DNS.
pub const DNS: u16 = 53;
/// Docker's resolver in a user-defined network.
pub const DOCKER_RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

const ARP: u16 = 0x0806;
const IP: u16 = 0x0800;
const SYN: u8 = 0x02;
const SYN_AND_ACK: u8 = 0x12;
const RAW: i32 = -300;
const PREROUTING: u32 = 0;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const NETDEV_EGRESS: u32 = 1;
const PORTS: &str = "ports";

/// All tables for this way.
pub fn tables(sandbox: &str, facts: &Facts, way: &Way) -> Vec<Table> {
    let mut tables = vec![packets(sandbox, facts, way)];
    if facts.devices().next().is_some() {
        tables.push(frames(sandbox, facts));
    }
    tables
}

/// The packet is IPv4.
pub fn ipv4() -> Vec<Step> {
    vec![Step::Read(Meta::Family), Step::Is(vec![2])]
}

/// The packet is of this protocol.
pub fn protocol(number: u8) -> Vec<Step> {
    vec![Step::Read(Meta::Protocol), Step::Is(vec![number])]
}

/// The packet is TCP.
pub fn tcp() -> Vec<Step> {
    protocol(TCP)
}

/// The packet goes to this port; after [`protocol`].
pub fn to_port(port: u16) -> Vec<Step> {
    vec![
        Step::Transport {
            offset: 2,
            length: 2,
        },
        Step::Is(port.to_be_bytes().into()),
    ]
}

fn packets(sandbox: &str, facts: &Facts, way: &Way) -> Table {
    let mut chains = Vec::new();
    if let Way::Router {
        chains: capture,
        inbound,
        ..
    } = way
    {
        chains.extend([ports(inbound.as_deref()), mark(), untrack()]);
        chains.extend(capture.iter().cloned());
    }
    chains.push(base("out", OUTPUT, 0, false, outgoing(way)));
    chains.push(base("in", INPUT, 0, false, incoming(facts, way)));
    chains.push(base("through", FORWARD, 0, false, Vec::new()));
    Table {
        family: Family::Inet,
        name: NAME,
        note: sandbox.to_owned(),
        chains,
    }
}

/// Per device: ARP and marked TCP leave, no other frame, whoever made it.
fn frames(sandbox: &str, facts: &Facts) -> Table {
    let marked = [
        vec![
            Step::Read(Meta::EtherType),
            Step::Is(IP.to_be_bytes().into()),
        ],
        marked(),
        tcp(),
    ]
    .concat();
    let rules = vec![
        vec![
            Step::Read(Meta::EtherType),
            Step::Is(ARP.to_be_bytes().into()),
            Step::Accept,
        ],
        [marked, vec![Step::Accept]].concat(),
    ];
    let chains = facts.devices().map(|device| Chain {
        name: format!("frames{}", device.index),
        hook: Some(Hook {
            number: NETDEV_EGRESS,
            priority: 0,
            lenient: false,
            device: Some(device.name.clone()),
        }),
        rules: rules.clone(),
    });
    Table {
        family: Family::Netdev,
        name: NAME,
        note: sandbox.to_owned(),
        chains: chains.collect(),
    }
}

fn mark() -> Chain {
    let rule = vec![
        Step::Read(Meta::In),
        Step::IsNot(LO.to_ne_bytes().into()),
        Step::SetMark(MARK),
    ];
    base("mark", PREROUTING, RAW, true, vec![rule])
}

/// Docker redirects 127.0.0.11:53 to its own resolver by NAT; what is not tracked is not redirected.
fn untrack() -> Chain {
    let field = |offset| {
        vec![
            Step::Network { offset, length: 4 },
            Step::Is(DOCKER_RESOLVER.octets().into()),
        ]
    };
    let rules = [12, 16].map(|offset| [ipv4(), field(offset), vec![Step::Untrack]].concat());
    base("untrack", OUTPUT, RAW, true, rules.into())
}

fn outgoing(way: &Way) -> Vec<Vec<Step>> {
    let mut rules = vec![vec![
        Step::Read(Meta::Out),
        Step::Is(LO.to_ne_bytes().into()),
        Step::Accept,
    ]];
    if matches!(way, Way::Router { .. }) {
        // An accepted socket keeps its mark when it is disconnected and connected anew: so no new connection goes out.
        let flags = vec![
            Step::Transport {
                offset: 13,
                length: 1,
            },
            Step::Mask(vec![SYN_AND_ACK]),
            Step::Is(vec![SYN]),
        ];
        rules.push([tcp(), flags, vec![Step::Reset]].concat());
        rules.push([ipv4(), marked(), tcp(), vec![Step::Accept]].concat());
    }
    rules.push(vec![Step::Prohibit]);
    rules
}

/// From outside only TCP to the policy's ports, and of a device's own network only its gateway: siblings do not dial in.
/// A device that comes later lets nothing in.
fn incoming(facts: &Facts, way: &Way) -> Vec<Vec<Step>> {
    let mut rules = vec![vec![
        Step::Read(Meta::In),
        Step::Is(LO.to_ne_bytes().into()),
        Step::Accept,
    ]];
    if matches!(way, Way::Router { .. }) {
        rules.extend(facts.devices().flat_map(from_device));
    }
    rules
}

fn from_device(device: &Interface) -> Vec<Vec<Step>> {
    let by = || {
        [
            ipv4(),
            vec![
                Step::Read(Meta::In),
                Step::Is(device.index.to_ne_bytes().into()),
            ],
        ]
        .concat()
    };
    let source = || Step::Network {
        offset: 12,
        length: 4,
    };
    let mut rules = Vec::new();
    if let Some(gateway) = device.gateway {
        rules.push(
            [
                by(),
                vec![
                    source(),
                    Step::Is(gateway.octets().into()),
                    Step::Jump(PORTS),
                ],
            ]
            .concat(),
        );
    }
    for (address, length) in &device.addresses {
        let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
        let network = (u32::from(*address) & mask).to_be_bytes();
        let siblings = [
            by(),
            vec![
                source(),
                Step::Mask(mask.to_be_bytes().into()),
                Step::Is(network.into()),
            ],
        ]
        .concat();
        rules.push([siblings.clone(), tcp(), vec![Step::Reset]].concat());
        rules.push([siblings, vec![Step::Drop]].concat());
    }
    rules.push([by(), vec![Step::Jump(PORTS)]].concat());
    rules
}

fn ports(inbound: Option<&[u16]>) -> Chain {
    let rules = match inbound {
        None => vec![[tcp(), vec![Step::Accept]].concat()],
        Some(ports) => ports
            .iter()
            .map(|port| [tcp(), to_port(*port), vec![Step::Accept]].concat())
            .collect(),
    };
    Chain {
        name: PORTS.into(),
        hook: None,
        rules,
    }
}

fn marked() -> Vec<Step> {
    vec![Step::Read(Meta::Mark), Step::Is(MARK.to_ne_bytes().into())]
}

fn base(name: &str, number: u32, priority: i32, lenient: bool, rules: Vec<Vec<Step>>) -> Chain {
    Chain {
        name: name.into(),
        hook: Some(Hook {
            number,
            priority,
            lenient,
            device: None,
        }),
        rules,
    }
}
