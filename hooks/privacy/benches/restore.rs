//! What restoring and watching add to relaying a stream, without its sockets: the same events go through the relay, variant
//! after variant, round by round; the best round counts.
//!
//! `cargo bench -p nemoclaw-privacy --bench restore`
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints its table, and ends when a step fails"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nemoclaw_inference::{Api, Channel, Relay, Rewrite};
use nemoclaw_policy::Class;
use nemoclaw_policy::detector::named;
use nemoclaw_privacy::restore::Restore;
use nemoclaw_privacy::{
    Answer, Detector, Finding, Scanner, SessionKey, Setup, Transform, Vault, Watch, rewrite,
};

const ROUNDS: usize = 40;
/// What restoring may add to relaying.
const MOST_ADDED: f64 = 0.05;
/// Events of a stream.
const EVENTS: usize = 2000;

fn main() {
    let empty = vault();
    let full = vault();
    let pseudonyms: Vec<String> = (0..1000)
        .map(|n| mint(&full, &format!("person{n}@example.org")))
        .collect();
    let events = events(&pseudonyms);
    let variants: [(&str, Variant); 4] = [
        ("relayed", Box::new(|| Box::new(Copied))),
        ("empty vault", answered(&empty, None)),
        ("1,000 pseudonyms", answered(&full, None)),
        ("watched for secrets", answered(&full, Some(watch()))),
    ];
    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        for (best, (_, variant)) in best.iter_mut().zip(&variants) {
            let start = Instant::now();
            relay(&events, variant);
            *best = (*best).min(start.elapsed());
        }
    }
    for (time, (name, _)) in best.iter().zip(&variants) {
        let each = time.as_nanos() / EVENTS as u128;
        let ratio = time.as_secs_f64() / best[0].as_secs_f64();
        println!("{name:<20} {each:>6} ns an event {ratio:>8.3}x");
    }
    let added = best[2].as_secs_f64() / best[0].as_secs_f64() - 1.0;
    assert!(
        added <= MOST_ADDED,
        "restoring adds {added:.3} of relaying, which is more than {MOST_ADDED}"
    );
    let text = "The quick brown fox asked Max, who knew six taxes, for an answer. ".repeat(16_000);
    let start = Instant::now();
    black_box(nemoclaw_privacy::restore_whole(&full, &text));
    let rate = text.len() as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!("a whole text         {rate:>6.0} MB/s");
}

/// What is put into a relay, for each stream anew.
type Variant = Box<dyn Fn() -> Box<dyn Rewrite>>;

/// What every rewrite costs: pieces are handed over and come back as they were.
struct Copied;

impl Rewrite for Copied {
    fn text(&mut self, _: Channel, piece: &str, out: &mut String) {
        out.push_str(piece);
    }

    fn end(&mut self, _: Channel, _: &mut String) {}

    fn whole(&mut self, _: Channel, _: &mut String) {}

    fn is_idle(&self) -> bool {
        false
    }
}

fn answered(vault: &Vault, watch: Option<Watch>) -> Variant {
    let (vault, both) = (
        vault.clone(),
        Restore {
            text: true,
            tool_calls: true,
        },
    );
    Box::new(move || Box::new(Answer::new(&vault, both, watch.clone())))
}

fn watch() -> Watch {
    let scanner = Scanner::new(&Setup::default()).expect("what ships");
    Watch {
        find: Arc::new(move |text| scanner.scan(text)),
        from: Class::Secret,
        phrases: false,
    }
}

/// Relays the stream, event by event.
fn relay(events: &[String], variant: &Variant) {
    let mut relay = Relay::new(Api::Chat, Api::Chat, "small", variant());
    let mut out = Vec::new();
    for event in events {
        relay.push(event.as_bytes(), &mut out).expect("a stream");
        black_box(&out);
        out.clear();
    }
}

/// Events as a model sends them, one in a hundred of which is a piece of a pseudonym.
fn events(pseudonyms: &[String]) -> Vec<String> {
    // One word in fifty with an `x` and one more that ends with it, which then waits: prose has fewer.
    let words: Vec<&str> = "The answer to your question is that a stream of events comes in pieces , each of which \
        the relay reads and may have to write again . For example , Max saw the first of them when the model had \
        said no more than one word , and so did everybody who looked at the screen then"
        .split_inclusive(' ')
        .collect();
    let mut pieces: Vec<String> = Vec::new();
    for n in 0..EVENTS {
        match n % 500 {
            0..5 => pieces.push(pseudonyms[n / 500][n % 500 * 6..].chars().take(6).collect()),
            5 => pieces.push(pseudonyms[n / 500][30..].to_owned()),
            _ => pieces.push(words[n % words.len()].to_owned()),
        }
    }
    let event = |piece: &String| {
        let chunk = serde_json::json!({
            "id": "chatcmpl-abcdefghijklmnopqrstuvwx", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "small", "choices": [{ "index": 0, "delta": { "content": piece }, "finish_reason": null }]
        });
        format!("data: {chunk}\n\n")
    };
    pieces.iter().map(event).collect()
}

fn vault() -> Vault {
    Vault::new(SessionKey::random().expect("random bytes"))
}

fn mint(vault: &Vault, value: &str) -> String {
    let detector = Detector::BuiltIn(named("email").expect("it ships"));
    let finding = Finding {
        class: Class::Personal,
        detector,
        start: 0,
        end: value.len(),
    };
    let sent = rewrite(value, &[finding], &|_| Transform::Pseudonymise, vault);
    sent.expect("there is room").expect("it is replaced")
}
