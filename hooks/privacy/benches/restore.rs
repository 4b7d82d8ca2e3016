//! What restoring and watching add to relaying a stream: the same events are read, put through and written again,
//! variant after variant, round by round; the best round counts.
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

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::named;
use nemoclaw_privacy::restore::{Place, Restore};
use nemoclaw_privacy::{
    Detector, Finding, Restorer, SessionKey, Transform, Vault, Watch, Watcher, rewrite,
};
use serde_json::Value;

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
    let mut variants: [(&str, Variant); 4] = [
        ("relayed", Box::new(|piece, out| out.push_str(piece))),
        ("empty vault", restored(&empty)),
        ("1,000 pseudonyms", restored(&full)),
        ("watched for secrets", watched(&full)),
    ];
    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        for (best, (_, variant)) in best.iter_mut().zip(&mut variants) {
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

/// What happens to a piece on its way.
type Variant = Box<dyn FnMut(&str, &mut String)>;

fn restored(vault: &Vault) -> Variant {
    let mut restorer = Restorer::new(
        vault,
        Restore {
            text: true,
            tools: true,
        },
    );
    Box::new(move |piece, out| restorer.text(0_u32, Place::Text, piece, out))
}

fn watched(vault: &Vault) -> Variant {
    let watch = Watch {
        find: Arc::new(|_| Vec::new()),
        from: Class::Secret,
        phrases: false,
    };
    let mut watcher = Watcher::new(watch, vault);
    Box::new(move |piece, out| watcher.text(0_u32, Place::Text, piece, out))
}

/// Reads each event, puts its text through, and writes it again.
fn relay(events: &[String], variant: &mut Variant) {
    let mut out = String::new();
    for event in events {
        let mut event: Value = serde_json::from_str(event).expect("an event");
        let content = &mut event["choices"][0]["delta"]["content"];
        out.clear();
        variant(content.as_str().expect("a text"), &mut out);
        *content = Value::from(out.as_str());
        black_box(serde_json::to_vec(&event).expect("an event"));
    }
}

/// Events as a model sends them, one in a hundred of which is a piece of a pseudonym.
fn events(pseudonyms: &[String]) -> Vec<String> {
    let words = [
        "The", " answer", " is", " that", " Max", " asked", ",", " six", " times", ".", "\n\n",
        " the",
    ];
    let mut pieces: Vec<String> = Vec::new();
    for n in 0..EVENTS {
        match n % 500 {
            0..5 => pieces.push(pseudonyms[n / 500][n % 500 * 6..].chars().take(6).collect()),
            5 => pieces.push(pseudonyms[n / 500][30..].to_owned()),
            _ => pieces.push(words[n * 7 % words.len()].to_owned()),
        }
    }
    let event = |piece: &String| {
        serde_json::json!({
            "id": "chatcmpl-abcdefghijklmnopqrstuvwx", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "small", "choices": [{ "index": 0, "delta": { "content": piece }, "finish_reason": null }]
        })
        .to_string()
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
