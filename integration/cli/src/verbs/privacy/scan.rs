//! `privacy scan`: what is sensitive in a text, by place. No character of it is printed.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::Class;
use nemoclaw_privacy::Finding;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::Scan;
use crate::models::scanner;
use crate::node::Node;
use crate::printer::{Printer, Tone, plain, table};
use crate::verbs::policy::check::nothing;
use crate::verbs::policy::find::{Subject, met};

/// A finding for programs.
#[derive(Serialize)]
struct Line<'a> {
    class: Class,
    detector: &'a str,
    start: usize,
    end: usize,
}

/// Run it.
pub fn run(config: Option<&Path>, args: &Scan, printer: Printer) -> anyhow::Result<ExitCode> {
    let scanner = match &args.policy {
        Some(given) => {
            let policy = met(&Subject::find(config, given)?.layers()?).ok_or_else(nothing)?;
            super::tell_of_services(&policy, printer);
            scanner::of(&policy, &Node::load(config)?.config.privacy)?
        }
        None => scanner::usual()?,
    };
    let bytes = super::read(&args.file)?;
    let (text, strange) = text(&bytes);
    if strange > 0 {
        printer.labelled(
            Tone::Warning,
            "warning",
            format_args!("{strange} bytes are no UTF-8: nothing is found in them"),
        );
    }
    let found = scanner.scan(&text);
    if args.json {
        printer.bytes(lines(&found)?.as_bytes())?;
    } else if found.is_empty() {
        printer.note("nothing was found");
    } else {
        printer.data(rows(&text, &found))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The bytes as a text in which everything stands where it stood: NUL takes the place of each byte that is none. How many
/// these are.
fn text(bytes: &[u8]) -> (Zeroizing<String>, usize) {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len()));
    let mut strange = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        strange += chunk.invalid().len();
        text.extend(chunk.invalid().iter().map(|_| '\0'));
    }
    (text, strange)
}

fn lines(found: &[Finding]) -> anyhow::Result<String> {
    let mut out = String::new();
    for finding in found {
        let line = Line {
            class: finding.class,
            detector: finding.detector.name(),
            start: finding.start,
            end: finding.end,
        };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(out)
}

fn rows(text: &str, found: &[Finding]) -> String {
    let mut rows = vec![
        ["PLACE", "CLASS", "DETECTOR", "BYTES"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut place = Walk::default();
    for finding in found {
        place.to(text, finding.start);
        rows.push(vec![
            format!("{}:{}", place.line + 1, place.column + 1),
            finding.class.to_string(),
            plain(finding.detector.name()),
            (finding.end - finding.start).to_string(),
        ]);
    }
    table(&rows)
}

/// A place in the text; findings come in order, so it is walked through once.
#[derive(Default)]
struct Walk {
    at: usize,
    line: usize,
    column: usize,
}

impl Walk {
    fn to(&mut self, text: &str, end: usize) {
        let Some(passed) = text.get(self.at..end) else {
            return;
        };
        self.line += passed.matches('\n').count();
        self.column = match passed.rsplit_once('\n') {
            Some((_, last)) => last.chars().count(),
            None => self.column + passed.chars().count(),
        };
        self.at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_moves_nothing_from_its_place() {
        let (text, strange) = text(b"\xffa\xf0\x9fb\xc3\xa9");
        assert_eq!((text.as_str(), strange), ("\0a\0\0b\u{e9}", 3));
    }

    #[test]
    fn a_place_is_told_by_line_and_character() {
        let text = "é\nab é x";
        let mut walk = Walk::default();
        walk.to(text, 5);
        assert_eq!((walk.line, walk.column), (1, 2));
        walk.to(text, 9);
        assert_eq!((walk.line, walk.column), (1, 5));
    }
}
