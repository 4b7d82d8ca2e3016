//! What holds for all policies and all flows.

use nemoclaw_policy::decide::{AddressVerdict, Handling};
use nemoclaw_policy::narrow::{is_within, meet};
use nemoclaw_policy::{Flow, Policy, Verdict};

use crate::dice::Dice;
use crate::naive::{self, Rank, Said};
use crate::world;

/// Random pairs of policies for each law.
const PAIRS: u64 = 100_000;

/// What the crate says of a flow, in the naive evaluator's words.
fn said(policy: &Policy, flow: &Flow<'_>) -> Said {
    match policy.decide(flow) {
        Verdict::Deny { .. } => Said {
            rank: Rank::Deny,
            grant: nemoclaw_policy::decide::Grant::default(),
        },
        Verdict::Ask { grant, .. } => Said {
            rank: Rank::Ask,
            grant,
        },
        Verdict::Allow {
            audit_only: true,
            grant,
            ..
        } => Said {
            rank: Rank::Record,
            grant,
        },
        Verdict::Allow { grant, .. } => Said {
            rank: Rank::Allow,
            grant,
        },
    }
}

/// How far an address may be dialled.
fn reach(policy: &Policy, host: &str, port: u16, address: std::net::IpAddr) -> u8 {
    match policy.address_verdict(host, port, address) {
        AddressVerdict::Refused => 0,
        AddressVerdict::Public => 1,
        AddressVerdict::Listed => 2,
    }
}

#[test]
fn a_flow_is_decided_as_the_language_says() {
    let mut passed = [0u32; 4];
    for seed in 0..PAIRS {
        let mut dice = Dice(seed);
        let policy = world::policy(&mut dice);
        for _ in 0..4 {
            let flow = world::flow(&mut dice);
            let own = said(&policy, &flow);
            let naive = naive::decide(&policy, &flow);
            assert_eq!(own, naive, "seed {seed}: {flow:?}\n{:#?}", policy.network);
            passed[own.rank as usize] += 1;
        }
    }
    assert!(passed.iter().all(|count| *count > 500), "{passed:?}");
}

#[test]
fn what_was_met_allows_exactly_what_both_allow() {
    let mut passed = 0;
    for seed in 0..PAIRS {
        let mut dice = Dice(seed ^ 0xaaaa_0000);
        let a = world::policy(&mut dice);
        let b = match dice.one_in(2) {
            true => world::changed(&mut dice, &a),
            false => world::policy(&mut dice),
        };
        let met = meet(&a, &b);
        for _ in 0..3 {
            let flow = world::flow(&mut dice);
            let both = naive::decide(&a, &flow).and(naive::decide(&b, &flow));
            assert_eq!(said(&met, &flow), both, "seed {seed}: {flow:?}");
            passed += u32::from(both.rank == Rank::Allow);
        }
        let (host, port, address) = world::address(&mut dice);
        let both = reach(&a, host, port, address).min(reach(&b, host, port, address));
        assert_eq!(reach(&met, host, port, address), both, "seed {seed}");
    }
    assert!(passed > 5000, "{passed}");
}

#[test]
fn meeting_is_commutative_associative_and_idempotent() {
    for seed in 0..PAIRS {
        let mut dice = Dice(seed ^ 0xbbbb_0000);
        let a = world::policy(&mut dice);
        let b = world::changed(&mut dice, &a);
        let c = world::policy(&mut dice);
        let (ab, ba) = (meet(&a, &b), meet(&b, &a));
        assert!(ab == ba, "seed {seed}: {ab:#?}\n{ba:#?}");
        let (left, right) = (meet(&ab, &c), meet(&a, &meet(&b, &c)));
        assert!(left == right, "seed {seed}: {left:#?}\n{right:#?}");
        assert!(meet(&ab, &ab) == ab && meet(&ab, &a) == ab, "seed {seed}");
        let aa = meet(&a, &a);
        assert!(
            aa == meet(&aa, &a) && aa.network == a.network,
            "seed {seed}"
        );
    }
}

#[test]
fn what_was_met_is_within_both() {
    for seed in 0..PAIRS {
        let mut dice = Dice(seed ^ 0xcccc_0000);
        let a = world::policy(&mut dice);
        let b = match dice.one_in(2) {
            true => world::changed(&mut dice, &a),
            false => world::policy(&mut dice),
        };
        if nemoclaw_policy::narrow::identity_conflict(&a, &b).is_some() {
            continue;
        }
        let met = meet(&a, &b);
        for one in [&a, &b] {
            assert_eq!(is_within(&met, one), Ok(()), "seed {seed}");
        }
    }
}

#[test]
fn a_policy_is_within_one_that_has_an_entry_more() {
    let mut told = 0;
    for seed in 0..PAIRS / 5 {
        let mut dice = Dice(seed ^ 0xdddd_0000);
        let child = world::policy(&mut dice);
        let mut parent = child.clone();
        parent.network = vec![world::with_an_entry_more(&child.network[0])];
        if let Err(wider) = is_within(&child, &parent) {
            told += 1;
            assert!(told < 5, "seed {seed}: {wider:#?}\n{:#?}", child.network);
        }
    }
}

#[test]
fn what_is_within_lets_nothing_more_pass() {
    let (mut within, mut flows) = (0, 0);
    for seed in 0..PAIRS {
        let mut dice = Dice(seed ^ 0xeeee_0000);
        let parent = world::policy(&mut dice);
        let child = match dice.one_in(8) {
            true => world::policy(&mut dice),
            false => world::changed(&mut dice, &parent),
        };
        if is_within(&child, &parent).is_err() {
            continue;
        }
        within += 1;
        for _ in 0..10 {
            let flow = world::flow(&mut dice);
            let (asked, has) = (naive::decide(&child, &flow), naive::decide(&parent, &flow));
            let both = asked.clone().and(has.clone());
            assert_eq!(
                asked, both,
                "seed {seed}: {flow:?}, the parent says {has:?}\nchild {:#?}\nparent {:#?}",
                child.network, parent.network
            );
            flows += u32::from(asked.rank > Rank::Deny);
            let raw = Flow { http: None, ..flow };
            if child.handling(&raw) == Handling::PassL4 {
                assert_eq!(
                    parent.handling(&raw),
                    Handling::PassL4,
                    "seed {seed}: {raw:?}"
                );
            }
            let (host, port, address) = world::address(&mut dice);
            if child.decide(&Flow { host, port, ..raw }).passes() {
                let (asked, has) = (
                    reach(&child, host, port, address),
                    reach(&parent, host, port, address),
                );
                assert!(asked <= has, "seed {seed}: {host}:{port} {address}");
            }
        }
    }
    assert!(within > 10_000 && flows > 10_000, "{within} {flows}");
}
