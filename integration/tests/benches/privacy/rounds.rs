//! The rounds: in each, every subject with every size of prompt once, in a new order.

use std::time::Duration;

use nemoclaw_tests::bench::Dice;
use nemoclaw_tests::model::{Model, Plan};
use nemoclaw_tests::node::Sandbox;

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

/// Where a sandbox asks.
const LOCAL: &str = "https://inference.local";
/// Sizes of prompts.
pub const SIZES: [(&str, usize); 2] = [("4k", 4 << 10), ("64k", 64 << 10)];
/// How many times as long a peer takes, so how much less it is asked.
const SLOWER: usize = 20;

/// Who is asked, from where.
struct Subject<'a> {
    name: &'static str,
    from: From<'a>,
    url: String,
    /// Processes whose time counts.
    watched: Vec<i32>,
    slower: usize,
}

/// The sandboxes that ask.
struct Boxes<'n> {
    ours: Sandbox<'n>,
    unread: Sandbox<'n>,
    fresh: Sandbox<'n>,
}

impl Boxes<'_> {
    fn new(ground: &Ground) -> Boxes<'_> {
        let boxes = Boxes {
            ours: ground.sandbox(true),
            unread: ground.sandbox(false),
            fresh: ground.sandbox(true),
        };
        for (name, bytes) in SIZES {
            let request = texts::request("big", &texts::prompt(bytes), false);
            ground.body(&[&boxes.ours, &boxes.unread], name, &request);
        }
        // Nobody is in these: who has met nobody has nothing to restore.
        for model in ["streams", "slow"] {
            let request = texts::request(model, "Tell me a story about the sea.", true);
            ground.body(&[&boxes.ours, &boxes.unread, &boxes.fresh], model, &request);
        }
        boxes
    }
}

/// All rounds; the first warms up and is not counted.
pub fn run(wish: &Wish, samples: &mut Samples) {
    let ground = Ground::set();
    let slow: Model = ground.node.provider("slow.test", None);
    slow.always(Plan {
        between: Duration::from_millis(20),
        ..Plan::text("One two three four five.")
    });
    let boxes = Boxes::new(&ground);
    let litellm = wish
        .wants(LITELLM)
        .then(|| Litellm::start(&ground.node))
        .transpose()
        .unwrap_or_else(|sentence| {
            samples.left_out.push(sentence);
            None
        });
    let mut subjects = subjects(&ground, &boxes, litellm.as_ref());
    subjects.retain(|subject| subject.name.starts_with("direct") || wish.wants(subject.name));
    let mut dice = Dice::new(wish.seed);
    for round in 0..=wish.rounds {
        let mut of_this_round = Samples::default();
        dice.shuffle(&mut subjects);
        for subject in &subjects {
            for (size, _) in SIZES {
                let count = (wish.requests / subject.slower).max(10);
                let took =
                    load::requests(subject.from, &subject.url, size, count, &subject.watched);
                of_this_round.add(subject.name, size, P50, took.p50);
                of_this_round.add(subject.name, size, P99, took.p99);
                of_this_round.add(subject.name, size, REQUEST, took.processor);
            }
        }
        if wish.wants(OURS) {
            streams(wish, &ground, &boxes, &mut of_this_round);
        }
        if round > 0 {
            samples.take(of_this_round);
        }
    }
    analyzed(wish, samples);
}

fn subjects<'a>(
    ground: &'a Ground,
    boxes: &'a Boxes<'_>,
    litellm: Option<&Litellm>,
) -> Vec<Subject<'a>> {
    let subject = |name, from, place: &str, watched, slower| Subject {
        name,
        from,
        url: format!("{place}/v1/chat/completions"),
        watched,
        slower,
    };
    let (host, router) = (From::Host(&ground.node), ground.router());
    let (direct, plain) = (
        format!("https://{ADDRESS}"),
        format!("http://{ADDRESS}:{PLAIN}"),
    );
    let mut list = vec![
        subject(DIRECT, host, &direct, Vec::new(), 1),
        subject(DIRECT_PLAIN, host, &plain, Vec::new(), 1),
        subject(OURS, From::Sandbox(&boxes.ours), LOCAL, router.clone(), 1),
        subject(UNREAD, From::Sandbox(&boxes.unread), LOCAL, router, 1),
    ];
    if let Some(peer) = litellm {
        let place = format!("http://127.0.0.1:{}", peers::PORT);
        list.push(subject(LITELLM, host, &place, peer.pids(), SLOWER));
    }
    list
}

/// Streams: what restoring costs, and how long the first word takes.
fn streams(wish: &Wish, ground: &Ground, boxes: &Boxes<'_>, samples: &mut Samples) {
    let router = ground.router();
    let local = format!("{LOCAL}/v1/chat/completions");
    let direct = format!("https://{ADDRESS}:{STREAMS}/v1/chat/completions");
    let count = (wish.requests / 2).max(10);
    for (name, from, url) in [
        (DIRECT, From::Host(&ground.node), direct.as_str()),
        (OURS, From::Sandbox(&boxes.ours), local.as_str()),
        (UNREAD, From::Sandbox(&boxes.unread), local.as_str()),
        // The same policy in a sandbox that has sent no person's name: nothing to look for in the answer.
        (FRESH, From::Sandbox(&boxes.fresh), local.as_str()),
    ] {
        let took = load::requests(from, url, "streams", count, &router);
        samples.add(name, STREAM, P50, took.p50);
        samples.add(name, STREAM, P99, took.p99);
        samples.add(name, STREAM, REQUEST, took.processor);
    }
    let slow = ground.node.address("slow.test").to_string();
    for (name, from, address, host) in [
        (DIRECT, From::Host(&ground.node), slow.as_str(), "slow.test"),
        (
            OURS,
            From::Sandbox(&boxes.ours),
            "inference.local",
            "inference.local",
        ),
    ] {
        samples.add(
            name,
            STREAM,
            FIRST,
            load::first_word(from, address, host, "slow", 20),
        );
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
