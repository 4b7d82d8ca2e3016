//! `audit verify` and `audit show` on a log as the router writes it, and on what somebody made of it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may fail loudly"
)]

#[macro_use]
mod place;

use nemoclaw_api::audit::Event;
use nemoclaw_api::audit::chain::{Head, Keys, Link, hex};
use nemoclaw_api::audit::record::{Begin, Entry, Signed, event_line, mark_line};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::Value;

use place::{Place, Ran};

const TIME: &str = "2026-01-01T00:00:00.000000Z";

/// A machine with the log of the sandbox `worker`: eight lines, the last of them signs.
struct Logged {
    place: Place,
    lines: Vec<String>,
}

impl Logged {
    fn new() -> Logged {
        let place = Place::new();
        for name in ["data/audit", "data/audit-heads"] {
            std::fs::create_dir_all(place.path(name)).unwrap();
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let sign = |link: Link| Signed {
            signature: hex(pair
                .sign(link.signed_text("worker", TIME).as_bytes())
                .as_ref()),
        };
        let mut next = Link::FIRST;
        let mut lines = Vec::new();
        let mut push = |line: String| {
            next = next.after(line.as_bytes());
            lines.push(line);
            next
        };
        let begin = Entry::Begin(Begin { removed_through: 0 });
        let mut at = push(mark_line(&begin, "worker", TIME, Link::FIRST).unwrap());
        for number in 1..=6 {
            let event = Event {
                time: TIME.into(),
                sandbox: "worker".into(),
                kind: "http".into(),
                host: "a.example".into(),
                port: 443,
                method: Some("GET".into()),
                path: Some(format!("/{number}")),
                verdict: "allow".into(),
                ..Event::default()
            };
            at = push(event_line(&event, at).unwrap());
        }
        let head = Entry::Head(sign(at));
        let end = push(mark_line(&head, "worker", TIME, at).unwrap());
        let head = Head {
            sandbox: "worker".into(),
            time: TIME.into(),
            next: end,
            signature: sign(end).signature,
        };
        place.write(
            "data/audit-heads/worker.json",
            &serde_json::to_string(&head).unwrap(),
        );
        place.write("data/audit.pub", &Keys::line(pair.public_key().as_ref()));
        let logged = Logged { place, lines };
        logged.write(&logged.lines);
        logged
    }

    fn write(&self, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.place.write("data/audit/worker.jsonl", &text);
    }

    fn verify(&self, more: &[&str]) -> Ran {
        self.place.run(&[&["audit", "verify"], more].concat())
    }

    /// The log was changed so: the command must name this line and say why.
    fn is_bad(&self, lines: &[String], line: usize, why: &str) {
        self.write(lines);
        let ran = self.verify(&["worker"]);
        ran.ends_with(1).prints("bad").prints(why);
        let place = format!("data/audit/worker.jsonl:{line}:");
        assert!(ran.out.contains(&place), "{place}: {}", ran.out);
    }
}

#[test]
fn each_kind_of_tampering_is_named_with_its_line_and_gives_exit_code_1() {
    need_root!();
    let logged = Logged::new();
    logged
        .verify(&[])
        .ends_with(0)
        .prints("worker  good  records 1 to 8, 1 signatures");
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = logged.lines.clone();
        change(&mut lines);
        lines
    };
    let flipped = changed(&|lines| lines[3] = lines[3].replace("a.example", "b.example"));
    logged.is_bad(&flipped, 4, "record 4 was changed");
    let dropped = changed(&|lines| drop(lines.remove(3)));
    logged.is_bad(&dropped, 4, "records 4 to 4 are missing before this line");
    let swapped = changed(&|lines| lines.swap(3, 4));
    logged.is_bad(&swapped, 4, "record 5 stands where 4 belongs");
    let inserted = changed(&|lines| lines.insert(5, lines[2].clone()));
    logged.is_bad(
        &inserted,
        6,
        "this line was inserted: record 3 stands elsewhere",
    );
    let cut = changed(&|lines| lines.truncate(5));
    logged.is_bad(&cut, 5, "records 6 to 8 are missing after this line");
    let nonsense = changed(&|lines| lines[1] = "{}".into());
    logged.is_bad(&nonsense, 2, "this is no record");
    logged.is_bad(&[], 1, "all 8 records are missing");
}

#[test]
fn a_log_without_its_head_or_with_anothers_is_not_good() {
    need_root!();
    let logged = Logged::new();
    let path = logged.place.path("data/audit-heads/worker.json");
    let head = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, head.replace("\"sequence\":9", "\"sequence\":6")).unwrap();
    logged
        .verify(&[])
        .ends_with(1)
        .prints("not the head that the router signed");
    std::fs::remove_file(&path).unwrap();
    logged
        .verify(&[])
        .ends_with(1)
        .prints("the signed head is missing");
    logged.is_bad(&logged.lines[..5], 1, "have no signature");
    std::fs::remove_file(logged.place.path("data/audit.pub")).unwrap();
    logged
        .verify(&[])
        .ends_with(2)
        .says("hint: name the file `audit.pub`");
}

#[test]
fn a_file_from_elsewhere_is_verified_by_the_key_that_is_named() {
    let logged = Logged::new();
    let key = logged.place.path("data/audit.pub");
    let arguments = ["./data/audit/worker.jsonl", "--key", key.to_str().unwrap()];
    logged.verify(&arguments).ends_with(0).prints("good");
    let other = logged.place.write("other.pub", &Keys::line(&[1; 32]));
    let arguments = [arguments[0], "--key", other.to_str().unwrap()];
    logged
        .verify(&arguments)
        .ends_with(1)
        .prints("worker.jsonl:8: the signature is not the router's");
    logged.write(&logged.lines[..7]);
    let arguments = [arguments[0], "--key", key.to_str().unwrap()];
    logged
        .verify(&arguments)
        .ends_with(1)
        .prints("the last 7 records");
    logged
        .verify(&["./none.jsonl", "--key", key.to_str().unwrap()])
        .ends_with(2);
}

#[test]
fn the_json_form_has_a_version_and_the_place_of_the_fault() {
    need_root!();
    let logged = Logged::new();
    let found = |code| -> Value {
        let ran = logged.verify(&["worker", "--output", "json"]);
        serde_json::from_str(&ran.ends_with(code).out).unwrap()
    };
    let good = found(0);
    assert_eq!(
        (&good["version"], &good["logs"][0]["good"]),
        (&1.into(), &true.into())
    );
    assert_eq!(good["logs"][0]["report"]["last"], 8);
    logged.write(&[&logged.lines[..2], &logged.lines[3..]].concat());
    let bad = found(1);
    assert_eq!(bad["logs"][0]["bad"]["line"], 3);
    assert_eq!(bad["logs"][0]["good"], false);
}

#[test]
fn show_tells_all_events_of_all_files_in_words_or_as_they_stand() {
    need_root!();
    let logged = Logged::new();
    let text = |lines: &[String]| {
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    logged
        .place
        .write("data/audit/worker.jsonl.1", &text(&logged.lines[..3]));
    logged
        .place
        .write("data/audit/worker.jsonl", &text(&logged.lines[3..]));
    let ran = logged.place.run(&["audit", "show"]);
    ran.ends_with(0);
    let expected: String = (1..=6)
        .map(|number| format!("{TIME}  allow http GET a.example:443/{number}\n"))
        .collect();
    assert_eq!(ran.out, expected);
    let ran = logged.place.run(&["audit", "show", "wor", "--json"]);
    assert_eq!(ran.ends_with(0).out, text(&logged.lines));
    logged.place.write("data/audit/worker.jsonl", "{}\n");
    logged
        .place
        .run(&["audit", "show"])
        .ends_with(1)
        .says("run `nemoclaw audit verify worker`");
}
