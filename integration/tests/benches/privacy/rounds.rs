//! The rounds: in each, every subject with every size of prompt once, in a new order.

use std::time::Duration;

use nemoclaw_tests::bench::Dice;
use nemoclaw_tests::model::{Model, Plan};

use crate::command_line::Wish;
use crate::ground::{ADDRESS, Ground, PLAIN, STREAMS};
use crate::load::{self, From};
use crate::numbers::Samples;
use crate::peers::{self, Litellm};
use crate::texts;

/// The upstream itself, by TLS.
pub const DIRECT: &str = "direct";
/// The upstream itself, by plain HTTP.
pub const DIRECT_PLAIN: &str = "direct-plain";
/// A sandbox with `privacy`.
pub const OURS: &str = "ours";
/// A sandbox without it: the call is read, sent and answered all the same.
pub const UNREAD: &str = "ours-unread";
/// A sandbox with `privacy` that has nothing to restore.
pub const FRESH: &str = "ours-nothing-to-restore";
/// LiteLLM.
pub const LITELLM: &str = "litellm";
/// Presidio's analyzer.
pub const PRESIDIO: &str = "presidio";

/// Median time of a request, microseconds.
pub const P50: &str = "p50_us";
/// 99th percentile of the same.
pub const P99: &str = "p99_us";
/// Microseconds of processor time for a request.
pub const REQUEST: &str = "cpu_us_per_request";
/// Microseconds to the first word of a stream.
pub const FIRST: &str = "first_word_us";
/// The name of the measures of streams.
pub const STREAM: &str = "stream";

/// Sizes of prompts.
pub const SIZES: [(&str, usize); 2] = [("4k", 4 << 10), ("64k", 64 << 10)];
/// How many times as long a peer takes, so how much less it is asked.
const SLOWER: usize = 20;

/// All rounds; the first warms up and is not counted.
pub fn run(wish: &Wish, samples: &mut Samples) {
    let ground = Ground::set();
    let node = &ground.node;
    let slow: Model = node.provider("slow.test", None);
    slow.always(Plan {
        between: Duration::from_millis(20),
        ..Plan::text("One two three four five.")
    });
    let (ours, unread, fresh) = (ground.sandbox(true), ground.sandbox(false), ground.sandbox(true));
    for (name, bytes) in SIZES {
        let request = texts::request("big", &texts::prompt(bytes), false);
        ground.body(&[&ours, &unread], name, &request);
    }
    // Nobody is in these: who has met nobody has nothing to restore.
    let nobody = "Tell me a story about the sea.";
    for (name, model) in [("streams", "streams"), ("slow", "slow")] {
        ground.body(&[&ours, &unread, &fresh], name, &texts::request(model, nobody, true));
    }
    let litellm = if wish.wants(LITELLM) {
        Litellm::start(node).map_err(|sentence| samples.left_out.push(sentence)).ok()
    } else {
        None
    };
    let router = ground.router();
    let bearer = |port: u16| format!("http://{ADDRESS}:{port}/v1/chat/completions");
    let local = "https://inference.local/v1/chat/completions".to_owned();
    let mut subjects: Vec<(&str, From<'_>, String, Vec<i32>, usize)> = vec![
        (DIRECT, From::Host(node), format!("https://{ADDRESS}/v1/chat/completions"), Vec::new(), 1),
        (DIRECT_PLAIN, From::Host(node), bearer(PLAIN), Vec::new(), 1),
        (OURS, From::Sandbox(&ours), local.clone(), router.clone(), 1),
        (UNREAD, From::Sandbox(&unread), local.clone(), router.clone(), 1),
    ];
    if let Some(peer) = &litellm {
        subjects.push((LITELLM, From::Host(node), bearer(peers::PORT).replace(ADDRESS, "127.0.0.1"), peer.pids(), SLOWER));
    }
    subjects.retain(|(name, ..)| name.starts_with("direct") || wish.wants(name));
    let mut dice = Dice::new(wish.seed);
    for round in 0..=wish.rounds {
        let mut of_this_round = Samples::default();
        dice.shuffle(&mut subjects);
        for (name, from, url, watched, slower) in &subjects {
            for (size, _) in SIZES {
                let count = (wish.requests / slower).max(10);
                let took = load::requests(*from, url, size, count, watched);
                of_this_round.add(name, size, P50, took.p50);
                of_this_round.add(name, size, P99, took.p99);
                of_this_round.add(name, size, REQUEST, took.processor);
            }
        }
        streams(wish, &ground, [&ours, &unread, &fresh], &mut of_this_round);
        if round > 0 {
            samples.take(of_this_round);
        }
    }
    analyzed(wish, samples);
}

/// Streams: what restoring costs, and how long the first word takes.
fn streams(wish: &Wish, ground: &Ground, [ours, unread, fresh]: [&nemoclaw_tests::node::Sandbox<'_>; 3], samples: &mut Samples) {
    let router = ground.router();
    let local = "https://inference.local/v1/chat/completions";
    let direct = format!("https://{ADDRESS}:{STREAMS}/v1/chat/completions");
    let count = (wish.requests / 2).max(10);
    for (name, from, url) in [
        (DIRECT, From::Host(&ground.node), direct.as_str()),
        (OURS, From::Sandbox(ours), local),
        (UNREAD, From::Sandbox(unread), local),
        // The same policy in a sandbox that has sent no person's name: nothing to look for in the answer.
        (FRESH, From::Sandbox(fresh), local),
    ] {
        let took = load::requests(from, url, "streams", count, &router);
        samples.add(name, STREAM, P50, took.p50);
        samples.add(name, STREAM, P99, took.p99);
        samples.add(name, STREAM, REQUEST, took.processor);
    }
    let slow = ground.node.address("slow.test").to_string();
    for (name, from, address, host) in [
        (DIRECT, From::Host(&ground.node), slow.as_str(), "slow.test"),
        (OURS, From::Sandbox(ours), "inference.local", "inference.local"),
    ] {
        samples.add(name, STREAM, FIRST, load::first_word(from, address, host, "slow", 20));
    }
}

/// Presidio's analyzer alone: a router in Python would come on top.
fn analyzed(wish: &Wish, samples: &mut Samples) {
    if !wish.wants(PRESIDIO) {
        return;
    }
    let texts = SIZES.map(|(_, bytes)| texts::prompt(bytes));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for _ in 0..wish.rounds.min(3) {
        match peers::presidio(&texts, 5) {
            Ok(times) => {
                for ((size, _), took) in SIZES.into_iter().zip(times) {
                    samples.add(PRESIDIO, size, P50, took);
                }
            }
            Err(sentence) => return samples.left_out.push(sentence),
        }
    }
}
