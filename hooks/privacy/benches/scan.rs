//! What a scan costs: MB/s of one core's CPU time, in pieces of 32 KiB, on prompts and on source code.
//!
//! `cargo bench -p nemoclaw-privacy --bench scan`. Exits with 1 below the promise. With a directory as its argument it
//! scans the files there instead and prints what was found by detector; `--show` prints where.
#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot read its corpus has nothing to measure"
)]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nemoclaw_privacy::{Scanner, Setup};
use rustix::time::{ClockId, clock_gettime};

/// The promises.
const PROMPTS: f64 = 200.0;
const CODE: f64 = 100.0;
const PIECE: usize = 32 * 1024;
const ROUNDS: usize = 7;
/// Prompts are made until there are this many bytes.
const AMOUNT: usize = 4 * 1024 * 1024;

/// Small numbers of its own, the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + self.below(10) as u8))
            .collect()
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const SENTENCES: &[&str] = &[
    "Please summarise the following conversation and list the open questions at the end.",
    "The quarterly report shows that revenue grew by 12% while costs stayed flat.",
    "Can you explain why the deployment failed after the certificate was renewed?",
    "I would like a polite answer to the customer below, in no more than five sentences.",
    "Der Vertrag läuft noch bis Ende des Jahres, danach kann monatlich gekündigt werden.",
    "Merci de vérifier que le document est complet avant de l'envoyer au client.",
    "It's important that the tone stays friendly, and that we don't promise a date.",
    "Por favor, revise el texto y corrija los errores de gramática y de estilo.",
    "Write a function that returns the first `n` primes, with tests: use no library.",
    "In 2019 we moved the service to a new region; since then latency is below 40 ms.",
    "Translate this paragraph to Italian, and keep the names of products as they are.",
    "The meeting with Dr. Weber was on Tuesday at 14:30 in the Berlin office.",
];

/// Prompts as people write them, with something sensitive in one sentence of ten.
fn prompts() -> String {
    let mut seeded = Seeded(7);
    let mut text = String::with_capacity(AMOUNT + 1024);
    while text.len() < AMOUNT {
        text.push_str(seeded.pick(SENTENCES));
        text.push(if seeded.below(6) == 0 { '\n' } else { ' ' });
        match seeded.below(60) {
            0 => text.push_str(&format!(
                "You can reach me at anna.{}@example.org. ",
                seeded.digits(3)
            )),
            1 => text.push_str(&format!("My phone number is +49 30 {}. ", seeded.digits(8))),
            2 => text.push_str(&format!(
                "The card is 4111 1111 1111 {}. ",
                seeded.digits(4)
            )),
            3 => text.push_str(&format!(
                "The host is 10.1.{}.{}. ",
                seeded.below(250),
                seeded.below(250)
            )),
            4 => text.push_str(&format!(
                "Order {} was paid on 2024-03-{}. ",
                seeded.digits(9),
                10 + seeded.below(18)
            )),
            5 => text.push_str(&format!(
                "export API_KEY={}abcdefXYZ{}\n",
                seeded.digits(9),
                seeded.digits(9)
            )),
            _ => {}
        }
    }
    text
}

/// The Rust files of this repository, and their texts.
fn code() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let mut text = String::new();
    for folder in ["profiles", "runtime", "hooks", "integration"] {
        for file in files(&root.join(folder)) {
            if file.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(file).unwrap_or_default());
            }
        }
    }
    text
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![folder.to_owned()];
    };
    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_symlink() {
            continue;
        }
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
        pieces.push(piece);
        rest = more;
    }
    pieces
}

fn seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The best of some rounds, in MB/s of CPU time.
fn speed(scanner: &Scanner, text: &str) -> (f64, usize) {
    let pieces = pieces(text);
    let mut best = 0.0_f64;
    let mut count = 0;
    for _ in 0..ROUNDS {
        let start = seconds();
        count = pieces
            .iter()
            .map(|piece| black_box(scanner.scan(piece)).len())
            .sum();
        best = best.max(text.len() as f64 / 1e6 / (seconds() - start));
    }
    (best, count)
}

/// What is found in files, by detector, with the hits a megabyte.
fn survey(scanner: &Scanner, folder: &Path, show: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut bytes = 0;
    let start = seconds();
    for file in files(folder) {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        bytes += text.len();
        for finding in scanner.scan(&text) {
            *counts.entry(finding.detector.to_string()).or_default() += 1;
            if show {
                let from = text.floor_char_boundary(finding.start.saturating_sub(50));
                let to = text.ceil_char_boundary((finding.end + 30).min(text.len()));
                writeln!(
                    out,
                    "{}\t{}\t{:?} | {:?} | {:?}",
                    finding.detector,
                    file.display(),
                    &text[from..finding.start],
                    &text[finding.start..finding.end.min(finding.start + 120)],
                    &text[finding.end.min(to)..to]
                )?;
            }
        }
    }
    let megabytes = bytes as f64 / 1e6;
    writeln!(
        out,
        "{megabytes:.1} MB, {:.0} MB/s",
        megabytes / (seconds() - start)
    )?;
    for (detector, count) in counts {
        writeln!(
            out,
            "{detector:18} {count:7} {:9.2}/MB",
            count as f64 / megabytes
        )?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let start = seconds();
    let scanner = Scanner::new(&Setup::default()).unwrap();
    let built = seconds() - start;
    if let Some(folder) = arguments.first() {
        survey(
            &scanner,
            Path::new(folder),
            arguments.iter().any(|argument| argument == "--show"),
        )
        .unwrap();
        return ExitCode::SUCCESS;
    }
    let (prompts, code) = (prompts(), code());
    let mut out = std::io::stdout().lock();
    writeln!(out, "scanner built in {:.1} ms", built * 1e3).unwrap();
    let mut holds = true;
    for (name, text, least) in [("prompts", &prompts, PROMPTS), ("code", &code, CODE)] {
        let (speed, count) = speed(&scanner, text);
        let megabytes = text.len() as f64 / 1e6;
        writeln!(out, "{name:8} {megabytes:6.1} MB {speed:7.0} MB/s {count:6} findings (promise: {least:.0} MB/s)").unwrap();
        holds &= speed >= least;
    }
    match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
