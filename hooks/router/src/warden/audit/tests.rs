//! The log against those who change it afterwards, and against its own ends.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nemoclaw_api::audit::chain::{Hash, Head, Keys};
use nemoclaw_api::audit::record::{Entry, Record};
use nemoclaw_api::audit::verify::{Against, Bad, Report, VerifyError, Wrong, verify};
use nemoclaw_api::audit::{FoundCount, ModelCall, SENT};
use nemoclaw_policy::class::Class;
use nemoclaw_policy::node::AuditConfig;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::worker::event::{blank, denied};

const SMALL: AuditConfig = AuditConfig {
    max_bytes: 8000,
    keep: 3,
};

fn event(number: u16) -> Event {
    Event {
        method: Some("GET".into()),
        path: Some(format!("/{number}")),
        ..blank("box", "http", "api.test", number, 1)
    }
}

fn opened(root: &Path) -> AuditLog {
    AuditLog::open(root, SMALL).expect("log")
}

fn written(root: &Path, events: u16) {
    let mut log = opened(root);
    for number in 0..events {
        log.write("box", &event(number));
        if number % 7 == 6 {
            log.seal();
        }
    }
    log.close("box");
    assert_eq!(log.fault(), None);
}

/// The files, the oldest first.
fn files(root: &Path) -> Vec<PathBuf> {
    let directory = root.join("audit");
    let older = (1..100)
        .rev()
        .map(|number| directory.join(format!("box.jsonl.{number}")));
    let all = older.chain([directory.join("box.jsonl")]);
    all.filter(|path| path.exists()).collect()
}

fn head(root: &Path) -> Head {
    let text = std::fs::read(Head::path(root, "box")).expect("head");
    serde_json::from_slice(&text).expect("a head")
}

fn check_as(root: &Path, live: bool) -> Result<Report, VerifyError> {
    let keys = std::fs::read_to_string(Keys::path(root)).expect("keys");
    let against = Against {
        keys: &Keys::parse(&keys).expect("keys"),
        head: Some(&head(root)),
        whole: true,
        live,
    };
    verify(&files(root), &against)
}

fn check(root: &Path) -> Result<Report, VerifyError> {
    check_as(root, false)
}

fn bad(result: Result<Report, VerifyError>) -> Bad {
    match result {
        Err(VerifyError::Bad(bad)) => bad,
        other => panic!("{other:?}"),
    }
}

/// A whole log as the lines of its files, made once.
struct Sample {
    root: tempfile::TempDir,
    files: Vec<Vec<String>>,
}

fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let root = tempfile::tempdir().expect("directory");
        written(root.path(), 27);
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).expect("read");
            text.lines().map(str::to_owned).collect()
        };
        let files: Vec<Vec<String>> = files(root.path()).iter().map(read).collect();
        assert_eq!(
            files.len(),
            3,
            "the sample turns over twice and loses nothing"
        );
        Sample { root, files }
    })
}

impl Sample {
    /// A copy in which somebody changed `files`.
    fn changed(&self, files: &[Vec<String>]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("directory");
        for name in ["audit", "audit-heads"] {
            std::fs::create_dir(root.path().join(name)).expect("directory");
        }
        let copy = |from: PathBuf, to: PathBuf| std::fs::copy(from, to).expect("copy");
        copy(Keys::path(self.root.path()), Keys::path(root.path()));
        copy(
            Head::path(self.root.path(), "box"),
            Head::path(root.path(), "box"),
        );
        for (number, lines) in files.iter().rev().enumerate() {
            let end = if number == 0 {
                String::new()
            } else {
                format!(".{number}")
            };
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let path = root.path().join(format!("audit/box.jsonl{end}"));
            std::fs::write(path, text).expect("write");
        }
        root
    }

    /// The place of the `at`th line of all.
    fn place(&self, at: usize) -> (usize, usize) {
        let mut left = at;
        for (file, lines) in self.files.iter().enumerate() {
            if left < lines.len() {
                return (file, left);
            }
            left -= lines.len();
        }
        panic!("no line {at}")
    }

    fn count(&self) -> usize {
        self.files.iter().map(Vec::len).sum()
    }

    /// Somebody changed the log so; the first bad record must be at `place`.
    fn expect(&self, files: &[Vec<String>], (file, line): (usize, usize)) -> Bad {
        let root = self.changed(files);
        let bad = bad(check(root.path()));
        let newest = files.len() - 1;
        let name = bad
            .file
            .file_name()
            .and_then(|name| name.to_str())
            .expect("name")
            .to_owned();
        let end = name.strip_prefix("box.jsonl").expect("our file");
        let number = end
            .strip_prefix('.')
            .map_or(0, |number| number.parse().expect("number"));
        assert_eq!(
            (newest - number, bad.line),
            (file, line as u64 + 1),
            "{bad}"
        );
        bad
    }
}

#[test]
fn a_log_that_nobody_changed_is_whole_over_its_turns() {
    let report = check(sample().root.path()).expect("whole");
    assert_eq!(report.records, sample().count() as u64);
    assert_eq!(
        (report.first, report.last, report.unsigned),
        (1, report.records, 0)
    );
    assert!(report.signatures >= 3, "{report:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_is_found_where_it_is(at in any::<Index>(), byte in any::<Index>(), bit in 0..7_u8) {
        let sample = sample();
        let (file, line) = sample.place(at.index(sample.count()));
        let mut files = sample.files.clone();
        let mut bytes = files[file][line].clone().into_bytes();
        let byte = byte.index(bytes.len());
        bytes[byte] ^= 1 << bit;
        prop_assume!(bytes[byte].is_ascii());
        files[file][line] = String::from_utf8(bytes).expect("ascii");
        sample.expect(&files, (file, line));
    }

    #[test]
    fn a_dropped_record_is_missed_where_it_was(at in any::<Index>()) {
        let sample = sample();
        // Dropping the last one is cutting, which has a test of its own.
        let (file, line) = sample.place(at.index(sample.count() - 1));
        let mut files = sample.files.clone();
        files[file].remove(line);
        let place = if line < files[file].len() { (file, line) } else { (file + 1, 0) };
        let bad = sample.expect(&files, place);
        let said = match bad.what {
            Wrong::Missing(from, to) => from == to,
            Wrong::Beginning(found) => found == 2 && place == (0, 0),
            _ => false,
        };
        prop_assert!(said, "{}", bad);
    }

    #[test]
    fn swapped_records_are_found_at_the_first_of_them(one in any::<Index>(), other in any::<Index>()) {
        let sample = sample();
        let (one, other) = (one.index(sample.count()), other.index(sample.count()));
        prop_assume!(one != other);
        let (first, second) = (sample.place(one.min(other)), sample.place(one.max(other)));
        let mut files = sample.files.clone();
        let kept = files[first.0][first.1].clone();
        files[first.0][first.1] = std::mem::replace(&mut files[second.0][second.1], kept);
        sample.expect(&files, first);
    }

    #[test]
    fn an_inserted_copy_of_a_record_is_found(from in any::<Index>(), at in any::<Index>()) {
        let sample = sample();
        let (from, at) = (from.index(sample.count()), at.index(sample.count()));
        // Of two equal neighbours none is the copy.
        prop_assume!(from != at);
        let (from, (file, line)) = (sample.place(from), sample.place(at));
        let mut files = sample.files.clone();
        files[file].insert(line, sample.files[from.0][from.1].clone());
        sample.expect(&files, (file, line));
    }

    #[test]
    fn an_inserted_record_that_fits_to_the_one_before_is_found(at in any::<Index>()) {
        let sample = sample();
        let (file, line) = sample.place(at.index(sample.count()));
        let mut files = sample.files.clone();
        let there = Record::parse(&files[file][line]).expect("a record");
        let forged = nemoclaw_api::audit::record::event_line(&event(666), there.link);
        files[file].insert(line, forged.expect("a line"));
        sample.expect(&files, (file, line));
    }

    #[test]
    fn a_log_that_was_cut_is_known_by_the_head_kept_apart(left in any::<Index>()) {
        let sample = sample();
        let mut files = sample.files.clone();
        let left = 1 + left.index(sample.count() - 1);
        while files.iter().map(Vec::len).sum::<usize>() > left {
            while files.last().is_some_and(Vec::is_empty) {
                files.pop();
            }
            files.last_mut().expect("a file").pop();
        }
        files.retain(|lines| !lines.is_empty());
        let bad = sample.expect(&files, sample.place(left - 1));
        prop_assert_eq!(bad.what, Wrong::Cut(left as u64 + 1, sample.count() as u64));
    }

    #[test]
    fn who_changes_a_record_and_chains_the_rest_anew_lacks_the_key(at in any::<Index>()) {
        let sample = sample();
        let at = at.index(sample.count());
        let place = sample.place(at);
        let mut files = sample.files.clone();
        let mut previous: Option<(Hash, Hash)> = None;
        for (number, line) in files.iter_mut().flatten().enumerate() {
            let before = Hash::of(line.as_bytes());
            if let Some((old, new)) = previous {
                *line = line.replace(&old.to_string(), &new.to_string());
            }
            if number == at {
                *line = line.replace("\"severity_id\":1", "\"severity_id\":2");
            }
            previous = Some((before, Hash::of(line.as_bytes())));
        }
        prop_assume!(files[place.0][place.1] != sample.files[place.0][place.1]);
        let root = sample.changed(&files);
        let bad = bad(check(root.path()));
        prop_assert!(matches!(bad.what, Wrong::Signature { since } if since <= at as u64 + 1)
            || bad.what == Wrong::Changed(sample.count() as u64), "{}", bad);
    }
}

#[test]
fn without_the_head_kept_apart_a_cut_shows_as_records_without_signature() {
    let sample = sample();
    let mut files = sample.files.clone();
    let last = files.last_mut().expect("a file");
    last.pop();
    let root = sample.changed(&files);
    let keys = std::fs::read_to_string(Keys::path(root.path())).expect("keys");
    let against = Against {
        keys: &Keys::parse(&keys).expect("keys"),
        head: None,
        whole: true,
        live: false,
    };
    let found = bad(verify(&super::tests::files(root.path()), &against));
    assert!(matches!(found.what, Wrong::Unsigned(_)), "{found}");
    let alone = sample.files[1].clone();
    let path = root.path().join("alone.jsonl");
    std::fs::write(&path, alone.join("\n") + "\n").expect("write");
    let against = Against {
        whole: false,
        ..against
    };
    let report = verify(&[path], &against).expect("a file that was turned over is whole alone");
    assert_eq!(report.records, alone.len() as u64);
}

#[test]
fn a_log_goes_on_where_an_earlier_router_left_it_and_half_a_line_is_healed() {
    let root = tempfile::tempdir().expect("directory");
    written(root.path(), 3);
    written(root.path(), 3);
    let report = check(root.path()).expect("whole");
    assert_eq!(report.resumed_over, 0);
    let mut log = opened(root.path());
    log.write("box", &event(1));
    drop(log);
    let path = root.path().join("audit/box.jsonl");
    let mut text = std::fs::read_to_string(&path).expect("read");
    text.push_str("{\"half\":");
    std::fs::write(&path, text).expect("write");
    assert!(matches!(bad(check(root.path())).what, Wrong::Form));
    written(root.path(), 1);
    let report = check(root.path()).expect("whole again");
    assert_eq!(
        report.resumed_over, 1,
        "a router was killed before it signed"
    );
}

#[test]
fn a_router_that_finds_its_log_cut_goes_on_but_hides_nothing() {
    for (left, without_head) in [(4, false), (0, false), (4, true)] {
        let root = tempfile::tempdir().expect("directory");
        written(root.path(), 9);
        let path = root.path().join("audit/box.jsonl");
        let text = std::fs::read_to_string(&path).expect("read");
        let all = text.lines().count();
        let kept: String = text
            .lines()
            .take(left)
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&path, kept).expect("write");
        if without_head {
            std::fs::remove_file(Head::path(root.path(), "box")).expect("remove");
        }
        written(root.path(), 2);
        if without_head {
            // Whoever can remove both files leaves a log that ends early; that it was not signed there is said.
            assert_eq!(check(root.path()).expect("fits").resumed_over, left as u64);
            continue;
        }
        let found = bad(check(root.path()));
        assert_eq!(
            found.what,
            Wrong::Missing(left as u64 + 1, all as u64),
            "{found}"
        );
        assert_eq!(found.line, left as u64 + 1);
    }
}

#[test]
fn a_file_that_is_removed_under_the_router_is_missed() {
    let root = tempfile::tempdir().expect("directory");
    let mut log = opened(root.path());
    log.write("box", &event(1));
    log.seal();
    std::fs::remove_file(root.path().join("audit/box.jsonl")).expect("remove");
    log.write("box", &event(2));
    log.seal();
    log.write("box", &event(3));
    log.close("box");
    assert!(matches!(bad(check(root.path())).what, Wrong::Missing(1, 3)));
}

#[test]
fn files_are_private_turn_over_at_their_limit_and_the_oldest_go_not_unseen() {
    let root = tempfile::tempdir().expect("directory");
    written(root.path(), 120);
    let found = files(root.path());
    assert_eq!(found.len(), 4, "{found:?}");
    for path in &found {
        let file = std::fs::metadata(path).expect("file");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert!(file.len() < 2 * u64::from(SMALL.max_bytes), "{path:?}");
    }
    let report = check(root.path()).expect("whole");
    assert_eq!(report.removed_through + 1, report.first);
    assert!(report.first > 1);
    std::fs::remove_file(&found[0]).expect("remove");
    let missed = bad(check(root.path()));
    assert!(
        matches!(missed.what, Wrong::Missing(from, _) if from == report.first),
        "{missed}"
    );
}

#[test]
fn a_turn_that_was_interrupted_anywhere_is_finished() {
    for step in 0..3 {
        let root = tempfile::tempdir().expect("directory");
        written(root.path(), 4);
        let directory = root.path().join("audit");
        let path = |end: &str| directory.join(format!("box.jsonl{end}"));
        // What the warden leaves when it is killed before the new file, before or between the renames.
        let mut log = opened(root.path());
        log.write("box", &event(9));
        log.logs
            .get_mut("box")
            .expect("log")
            .turn(&log.signer, 3)
            .expect("turned");
        drop(log);
        if step < 2 {
            std::fs::rename(path(""), path(".next")).expect("rename");
        }
        if step == 0 {
            std::fs::rename(path(".1"), path("")).expect("rename");
        }
        written(root.path(), 4);
        assert!(!path(".next").exists());
        let report = check(root.path()).expect("whole");
        assert_eq!((report.first, report.unsigned), (1, 0), "step {step}");
    }
}

/// A call to a model with something of everything.
fn model_call() -> ModelCall {
    ModelCall {
        api: "chat".into(),
        model: "gpt-5".into(),
        provider: Some("cloud".into()),
        decision: SENT.into(),
        tokens_in: 9,
        found: vec![FoundCount {
            detector: "email".into(),
            class: Class::Personal,
            count: 2,
        }],
        tools: true,
        ..ModelCall::default()
    }
}

#[test]
fn a_line_is_in_the_words_of_the_schema_and_comes_back_as_it_went() {
    let full = Event {
        pid: Some(7),
        program: Some(Box::new(nemoclaw_api::audit::Program {
            path: "/usr/bin/python3".into(),
            script: Some("/sandbox/agent.py".into()),
            sha256: Some("ab".repeat(32)),
        })),
        rule: Some("api / GET /x (p.yaml:1:2)".into()),
        reason: Some("no \"rule\"\n".into()),
        proposal: Some("p-1".into()),
        count: Some(3),
        since: Some("2026-01-01T00:00:00.000001Z".into()),
        bytes_out: 5,
        bytes_in: 6,
        ..denied(event(443), "no rule", None)
    };
    let finding = Event {
        finding: Some("rebinding".into()),
        ..full.clone()
    };
    let close = Event {
        kind: "tcp".into(),
        host: "203.0.113.10".into(),
        phase: Some("close".into()),
        verdict: "audit".into(),
        method: None,
        path: None,
        ..event(22)
    };
    let other = Event {
        verdict: "held".into(),
        ..event(1)
    };
    let asked = Event {
        model: Some(Box::new(model_call())),
        ..event(443)
    };
    let policy = blank("box", "policy", "", 0, 2);
    let router = Event {
        phase: Some("open".into()),
        ..blank("box", "router", "", 0, 2)
    };
    let classes = [
        (&full, 400_203),
        (&finding, 200_401),
        (&close, 400_102),
        (&other, 400_203),
        (&asked, 400_203),
        (&policy, 501_901),
        (&router, 600_203),
    ];
    for (event, kind) in classes {
        let link = nemoclaw_api::audit::chain::Link::FIRST;
        let line = nemoclaw_api::audit::record::event_line(event, link).expect("a line");
        assert!(!line.contains('\n'));
        let back = Record::parse(&line).expect("a record");
        assert_eq!(back.entry, Entry::Event(Box::new(event.clone())));
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["type_uid"], kind, "{value:#}");
        assert_eq!(value["class_uid"], kind / 100);
        assert_eq!(value["category_uid"], kind / 100_000);
        assert_eq!(value["metadata"]["version"], "1.7.0");
        assert!(
            value["time"]
                .as_i64()
                .is_some_and(|time| time > 1_700_000_000_000)
        );
    }
}
