//! Capture by nf_tables `tproxy`: for machines where BPF cannot be loaded.
//!
//! With the router gone `tproxy` finds no socket and the rule ends; the next one refuses, so that nothing hangs.

use std::os::fd::OwnedFd;

use nemoclaw_api::Backend;

use super::Capture;
use crate::fence::Facts;
use crate::fence::walls::{DOCKER_RESOLVER, UDP, protocol, tcp, to_port};
use crate::netlink::nft::{Chain, Hook, Meta, Step};
use crate::netlink::route::LO;
use crate::sockets::{ADDRESS, DNS_PORT, LISTENER_PORT};

const PREROUTING: u32 = 0;
/// Priority `mangle`.
const MANGLE: i32 = -150;

/// The back-end; all it needs is in nf_tables.
#[derive(Debug, Clone, Copy)]
pub struct Tproxy;

impl Capture for Tproxy {
    fn backend(&self) -> Backend {
        Backend::Tproxy
    }

    fn chains(&self, facts: &Facts) -> Vec<Chain> {
        let resolver = to(DOCKER_RESOLVER.octets().into(), None);
        let mut rules = vec![
            vec![
                Step::Read(Meta::In),
                Step::IsNot(LO.to_ne_bytes().into()),
                Step::Accept,
            ],
            vec![Step::Read(Meta::Family), Step::IsNot(vec![2]), Step::Accept],
        ];
        rules.extend(taken(&resolver));
        rules.push([resolver, vec![Step::Prohibit]].concat());
        rules.push(
            [
                to(vec![127, 0, 0, 0], Some(vec![255, 0, 0, 0])),
                vec![Step::Accept],
            ]
            .concat(),
        );
        let own = facts.devices().flat_map(|device| &device.addresses);
        rules.extend(
            own.map(|(address, _)| {
                [to(address.octets().into(), None), vec![Step::Accept]].concat()
            }),
        );
        rules.extend(taken(&[]));
        rules.push(vec![Step::Prohibit]);
        let hook = Hook {
            number: PREROUTING,
            priority: MANGLE,
            lenient: false,
            device: None,
        };
        vec![Chain {
            name: "capture".into(),
            hook: Some(hook),
            rules,
        }]
    }

    fn into_descriptors(self: Box<Self>) -> Option<(OwnedFd, OwnedFd)> {
        None
    }
}

/// TCP and DNS among what `these` match go to the router's sockets, and are refused when those are gone.
fn taken(these: &[Step]) -> Vec<Vec<Step>> {
    let dns = [protocol(UDP), to_port(DNS_PORT)].concat();
    let rule = |what: &[Step], verdict: &[Step]| [these, what, verdict].concat();
    vec![
        rule(
            &tcp(),
            &[Step::Tproxy(ADDRESS, LISTENER_PORT), Step::Accept],
        ),
        rule(&tcp(), &[Step::Reset]),
        rule(&dns, &[Step::Tproxy(ADDRESS, DNS_PORT), Step::Accept]),
    ]
}

fn to(address: Vec<u8>, mask: Option<Vec<u8>>) -> Vec<Step> {
    let mut steps = vec![Step::Network {
        offset: 16,
        length: 4,
    }];
    steps.extend(mask.map(Step::Mask));
    steps.push(Step::Is(address));
    steps
}
