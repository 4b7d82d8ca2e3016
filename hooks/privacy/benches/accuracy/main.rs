//! How much of what is sensitive is found, and how much else: recall and precision by detector.
//!
//! `cargo bench -p nemoclaw-privacy --bench accuracy`. Three corpora: texts made from templates with values that a seed makes
//! (with check digits, and with names that no list has), `corpus/held_out.txt`, written by hand and never generated from, and
//! this repository's own source code, in which no person lives. Exits with 1 below a promise. `--show` prints what was missed.
#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot read its corpus has nothing to measure"
)]

mod values;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nemoclaw_privacy::{Finding, Scanner, Setup};
use values::Seeded;

/// So many texts are made.
const TEXTS: usize = 4000;
/// Detectors of prose, and what is promised of them: recall, precision.
const PROSE: [(&str, f64, f64); 3] = [
    ("person_name", 0.80, 0.80),
    ("postal_address", 0.60, 0.80),
    ("organisation", 0.60, 0.80),
];
/// What is promised of everything with a form of its own.
const STRUCTURED: (f64, f64) = (0.99, 0.98);
/// So many hits a megabyte of source code.
const CODE: f64 = 1.0;

/// The templates: what stands in braces is made, all else is not sensitive.
const TEMPLATES: &str = include_str!("../../corpus/templates.txt");
const HELD_OUT: &str = include_str!("../../corpus/held_out.txt");

/// A text with what is sensitive in it: the detector, the first byte, behind the last.
struct Labelled {
    text: String,
    marks: Vec<(String, usize, usize)>,
}

/// What was counted of a detector.
#[derive(Default, Clone, Copy)]
struct Count {
    hit: usize,
    missed: usize,
    false_hits: usize,
}

impl Count {
    fn recall(self) -> f64 {
        self.hit as f64 / (self.hit + self.missed).max(1) as f64
    }

    fn precision(self) -> f64 {
        self.hit as f64 / (self.hit + self.false_hits).max(1) as f64
    }
}

fn main() -> ExitCode {
    let show = std::env::args().any(|argument| argument == "--show");
    let scanner = Scanner::new(&Setup::default()).unwrap();
    let mut out = io::stdout().lock();
    let mut kept = true;
    let made = made();
    let written: Vec<Labelled> = HELD_OUT.split("\n---\n").map(marked).collect();
    for (name, texts, all) in [
        ("made from templates", &made, true),
        ("written by hand", &written, false),
    ] {
        let counts = count(
            &scanner,
            texts,
            all,
            show.then_some(&mut out as &mut dyn io::Write),
        );
        writeln!(out, "{name}: {} texts", texts.len()).unwrap();
        for (detector, count) in counts {
            let (recall, precision) = promise(&detector);
            let good = count.recall() >= recall && count.precision() >= precision;
            kept &= good;
            writeln!(
                out,
                "  {detector:16} recall {:.3}  precision {:.3}  of {:5}{}",
                count.recall(),
                count.precision(),
                count.hit + count.missed,
                if good { "" } else { "  BELOW THE PROMISE" }
            )
            .unwrap();
        }
    }
    kept &= code(&scanner, &mut out, show);
    if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn promise(detector: &str) -> (f64, f64) {
    PROSE
        .iter()
        .find(|(name, ..)| *name == detector)
        .map_or(STRUCTURED, |&(_, recall, precision)| (recall, precision))
}

/// Texts from the templates.
fn made() -> Vec<Labelled> {
    let templates: Vec<&str> = TEMPLATES.split("\n---\n").collect();
    let mut seeded = Seeded(42);
    (0..TEXTS)
        .map(|at| filled(templates[at % templates.len()], &mut seeded))
        .collect()
}

/// A template with values.
fn filled(template: &str, seeded: &mut Seeded) -> Labelled {
    let mut labelled = Labelled {
        text: String::new(),
        marks: Vec::new(),
    };
    let mut rest = template;
    while let Some((before, more)) = rest.split_once("{{") {
        let (kind, behind) = more.split_once("}}").unwrap();
        labelled.text.push_str(before);
        let (detector, value) = value(kind, seeded);
        let start = labelled.text.len();
        labelled.text.push_str(&value);
        labelled
            .marks
            .push((detector.to_owned(), start, labelled.text.len()));
        rest = behind;
    }
    labelled.text.push_str(rest);
    labelled
}

fn value<'k>(kind: &'k str, seeded: &mut Seeded) -> (&'k str, String) {
    let make = match kind {
        "person_name" => values::person,
        "postal_address" => values::address,
        "organisation" => values::organisation,
        "payment_card" => values::card,
        "iban" => values::iban,
        "us_ssn" => values::ssn,
        "uk_nino" => values::nino,
        "es_dni" => values::dni,
        "pl_pesel" => values::pesel,
        "br_cpf" => values::cpf,
        "email" => values::email,
        "phone" => values::phone,
        "ip_address" => values::ip,
        "mac_address" => values::mac,
        "jwt" => values::jwt,
        "api_key" => values::key,
        "url_credentials" => values::url,
        other => panic!("no values for {other}"),
    };
    (kind, make(seeded))
}

/// A text with marks `[[detector:value]]`.
fn marked(text: &str) -> Labelled {
    let mut labelled = Labelled {
        text: String::new(),
        marks: Vec::new(),
    };
    let mut rest = text;
    while let Some((before, more)) = rest.split_once("[[") {
        let (mark, behind) = more.split_once("]]").unwrap();
        let (detector, value) = mark.split_once(':').unwrap();
        labelled.text.push_str(before);
        let start = labelled.text.len();
        labelled.text.push_str(value);
        labelled
            .marks
            .push((detector.to_owned(), start, labelled.text.len()));
        rest = behind;
    }
    labelled.text.push_str(rest);
    labelled
}

/// Whether a finding covers at least half of a mark.
fn covers(found: &Finding, start: usize, end: usize) -> bool {
    let common = found.end.min(end).saturating_sub(found.start.max(start));
    common * 2 >= end - start
}

/// Counts by detector; without `all` only what the texts have marks of.
fn count(
    scanner: &Scanner,
    texts: &[Labelled],
    all: bool,
    mut show: Option<&mut dyn io::Write>,
) -> BTreeMap<String, Count> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for labelled in texts {
        let found = scanner.scan(&labelled.text);
        for (detector, start, end) in &labelled.marks {
            let count = counts.entry(detector.clone()).or_default();
            if found
                .iter()
                .any(|one| one.detector.name() == detector && covers(one, *start, *end))
            {
                count.hit += 1;
            } else {
                count.missed += 1;
                if let Some(out) = &mut show {
                    writeln!(
                        out,
                        "missed {detector}: {:?} in {:?}",
                        &labelled.text[*start..*end],
                        labelled.text
                    )
                    .unwrap();
                }
            }
        }
        for one in found
            .iter()
            .filter(|one| all || PROSE.iter().any(|(name, ..)| *name == one.detector.name()))
        {
            let right = labelled.marks.iter().any(|(detector, start, end)| {
                detector == one.detector.name() && one.start < *end && *start < one.end
            });
            if !right {
                counts
                    .entry(one.detector.name().to_owned())
                    .or_default()
                    .false_hits += 1;
                if let Some(out) = &mut show {
                    writeln!(
                        out,
                        "false {}: {:?} in {:?}",
                        one.detector,
                        &labelled.text[one.start..one.end],
                        labelled.text
                    )
                    .unwrap();
                }
            }
        }
    }
    counts
}

/// What is found by the detectors of prose in this repository's own code, tests aside, whose texts have persons in them.
fn code(scanner: &Scanner, out: &mut impl io::Write, show: bool) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let (mut bytes, mut hits) = (0, 0);
    for folder in [
        "profiles/src",
        "runtime/src",
        "hooks/egress/src",
        "hooks/router/src",
        "integration/cli/src",
    ] {
        for file in files(&root.join(folder)) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            bytes += text.len();
            for one in scanner
                .scan(&text)
                .iter()
                .filter(|one| PROSE.iter().any(|(name, ..)| *name == one.detector.name()))
            {
                hits += 1;
                if show {
                    writeln!(
                        out,
                        "false {} in {}: {:?}",
                        one.detector,
                        file.display(),
                        &text[one.start..one.end]
                    )
                    .unwrap();
                }
            }
        }
    }
    let rate = hits as f64 / (bytes as f64 / 1e6);
    writeln!(
        out,
        "source code: {hits} names, addresses, organisations in {:.1} MB: {rate:.2} a MB",
        bytes as f64 / 1e6
    )
    .unwrap();
    rate <= CODE
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .into_iter()
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
