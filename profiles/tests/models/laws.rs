//! What holds for all policies, providers and calls.

use nemoclaw_policy::Policy;
use nemoclaw_policy::choose::{Call, choose};
use nemoclaw_policy::narrow::{is_within, meet};
use nemoclaw_policy::provider::Provider;

use crate::dice::Dice;
use crate::naive::{self, Said};
use crate::world::{self, ASKED, PROVIDERS};

/// Random pairs of policies for each law.
const PAIRS: u64 = 100_000;

/// What the crate says of a provider that is asked for a model.
fn said(policy: &Policy, call: &Call<'_>, provider: &Provider, model: &str) -> Option<Said> {
    let choice = choose(policy, &PROVIDERS, call).ok()?;
    let own = choice
        .chain
        .iter()
        .find(|one| one.provider == provider.name && &*one.model == model)?;
    Some(Said {
        how: own.how.clone(),
        ask: own.ask.is_some(),
    })
}

fn order(policy: &Policy, call: &Call<'_>) -> Vec<String> {
    let chain = choose(policy, &PROVIDERS, call).map(|choice| choice.chain);
    let names = chain.unwrap_or_default().into_iter();
    names
        .map(|one| format!("{}/{}", one.provider, one.model))
        .collect()
}

fn each<'a>() -> impl Iterator<Item = (&'a Provider, &'static str)> {
    PROVIDERS
        .entries
        .iter()
        .flat_map(|provider| ASKED.iter().map(move |model| (provider, *model)))
}

#[test]
fn a_call_is_decided_as_the_language_says() {
    let (mut asked, mut kept_out) = (0, 0);
    for seed in 0..PAIRS / 4 {
        let mut dice = Dice(seed);
        let policy = world::policy(&mut dice);
        let made = world::made(&mut dice);
        let call = made.call();
        for (provider, model) in each() {
            let own = said(&policy, &call, provider, model);
            let comes = naive::comes_to(&policy, provider, model, &call);
            let naive = naive::says(&policy, provider, model, &call).filter(|_| comes);
            assert_eq!(
                own, naive,
                "seed {seed}: {} {model}: {call:?}\n{:#?}",
                provider.name, policy.models
            );
            asked += u32::from(own.is_some());
            kept_out += u32::from(comes && own.is_none());
        }
    }
    assert!(asked > 10_000 && kept_out > 10_000, "{asked} {kept_out}");
}

#[test]
fn what_was_met_asks_whom_both_would_ask_by_the_stricter_of_both() {
    let mut both_ask = 0;
    for seed in 0..PAIRS {
        let mut dice = Dice(seed ^ 0xaaaa_0000);
        let a = world::policy(&mut dice);
        let b = match dice.one_in(2) {
            true => world::changed(&mut dice, &a),
            false => world::policy(&mut dice),
        };
        let (met, turned) = (meet(&a, &b), meet(&b, &a));
        assert!(met == turned, "seed {seed}");
        let made = world::made(&mut dice);
        let call = made.call();
        let choice = choose(&met, &PROVIDERS, &call);
        assert_eq!(order(&met, &call), order(&turned, &call), "seed {seed}");
        let named = [&a, &b].map(|one| {
            one.models
                .iter()
                .any(|layer| naive::has_chain(layer, &call))
        });
        for (provider, model) in each() {
            let says = |policy: &Policy| naive::says(policy, provider, model, &call);
            let both = says(&a).zip(says(&b)).map(|(a, b)| a.and(&b));
            let comes = match named {
                [false, false] => model == call.model,
                _ => true,
            };
            let own = choice
                .as_ref()
                .ok()
                .and_then(|_| said(&met, &call, provider, model));
            assert_eq!(
                own,
                both.filter(|_| comes),
                "seed {seed}: {} {model}: {call:?}",
                provider.name
            );
            both_ask += u32::from(own.is_some());
        }
    }
    assert!(both_ask > 10_000, "{both_ask}");
}

#[test]
fn what_was_met_is_within_both() {
    for seed in 0..PAIRS {
        let mut dice = Dice(seed ^ 0xbbbb_0000);
        let (a, c) = (world::policy(&mut dice), world::policy(&mut dice));
        let b = world::changed(&mut dice, &a);
        let met = meet(&a, &b);
        for one in [&a, &b] {
            assert_eq!(is_within(&met, one), Ok(()), "seed {seed}");
        }
        assert!(
            meet(&met, &met) == met && meet(&met, &a) == met,
            "seed {seed}"
        );
        assert!(meet(&met, &c) == meet(&a, &meet(&b, &c)), "seed {seed}");
    }
}

#[test]
fn what_is_within_asks_nobody_more_and_shows_nobody_more() {
    let (mut within, mut seen) = (0, 0);
    for seed in 0..PAIRS {
        let mut dice = Dice(seed ^ 0xcccc_0000);
        let parent = world::policy(&mut dice);
        let child = match dice.one_in(8) {
            true => world::policy(&mut dice),
            false => world::changed(&mut dice, &parent),
        };
        if is_within(&child, &parent).is_err() {
            continue;
        }
        within += 1;
        for _ in 0..3 {
            let made = world::made(&mut dice);
            let call = made.call();
            let Ok(choice) = choose(&child, &PROVIDERS, &call) else {
                continue;
            };
            for one in choice.chain {
                let provider = PROVIDERS.named(&one.provider).unwrap();
                let has = naive::says(&parent, provider, &one.model, &call);
                let context = || {
                    format!(
                        "seed {seed}: {} {call:?}\n{:#?}\n{:#?}",
                        one.provider, child.models, parent.models
                    )
                };
                let has = has.unwrap_or_else(|| panic!("{}", context()));
                assert!(
                    has.how.iter().zip(&one.how).all(|(has, own)| own >= has),
                    "{}",
                    context()
                );
                assert!(one.ask.is_some() || !has.ask, "{}", context());
                seen += 1;
            }
        }
    }
    assert!(within > 10_000 && seen > 10_000, "{within} {seen}");
}
