//! OpenMetrics text, read as strictly as its specification has it: a page that this takes, a scraper takes.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// A page.
#[derive(Debug)]
pub struct Page {
    families: Vec<Family>,
}

#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    unit: Option<String>,
    help: bool,
    samples: Vec<(String, Labels, f64)>,
}

impl Page {
    /// Read a page.
    pub fn read(text: &str) -> Page {
        let body = text
            .strip_suffix("# EOF\n")
            .expect("the end mark, once and last");
        assert!(!body.contains("# EOF"), "the end mark stands in the page");
        let mut families: Vec<Family> = Vec::new();
        for line in body.lines() {
            assert!(!line.is_empty() && line.trim() == line, "{line:?}");
            match line.strip_prefix("# ") {
                Some(said) => described(said, &mut families),
                None => {
                    let family = families.last_mut().expect("a family before its samples");
                    let sample = sample(line);
                    family.takes(&sample, line);
                    family.samples.push(sample);
                }
            }
        }
        let names: BTreeSet<&str> = families.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names.len(), families.len(), "a family stands in two places");
        families.iter().for_each(Family::is_sound);
        Page { families }
    }

    /// The value of one sample.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut samples = self.families.iter().flat_map(|family| &family.samples);
        samples
            .find(|(found, labels, _)| found == name && *labels == wanted)
            .map(|(_, _, value)| *value)
    }

    /// Names of all samples that there can be.
    pub fn names(&self) -> BTreeSet<String> {
        let of = |family: &Family| {
            let name = family.name.clone();
            let ends = suffixes(&family.kind);
            ends.iter()
                .map(move |end| format!("{name}{end}"))
                .collect::<Vec<_>>()
        };
        self.families.iter().flat_map(of).collect()
    }
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_count", "_sum"],
        "info" => &["_info"],
        _ => panic!("a type that we do not have: {kind}"),
    }
}

/// `HELP name text`, `TYPE name type` or `UNIT name unit`.
fn described(said: &str, families: &mut Vec<Family>) {
    let mut words = said.splitn(3, ' ');
    let mut word = || words.next().expect("a word and a name and more");
    let (what, name, rest) = (word(), word(), word());
    assert!(is_name(name), "{name}");
    if families.last().is_none_or(|family| family.name != name) {
        families.push(Family {
            name: name.to_owned(),
            ..Family::default()
        });
    }
    let family = families.last_mut().expect("one");
    assert!(
        family.samples.is_empty(),
        "described after its samples: {name}"
    );
    match what {
        "HELP" => assert!(!std::mem::replace(&mut family.help, true) && !rest.is_empty()),
        "TYPE" => {
            assert!(family.kind.is_empty(), "two types: {name}");
            family.kind = rest.to_owned();
        }
        "UNIT" => {
            assert!(
                name.ends_with(&format!("_{rest}")),
                "{name} does not end with its unit"
            );
            family.unit = Some(rest.to_owned());
        }
        other => panic!("`# {other}`"),
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(plain)
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase())
}

/// `name{label="value",…} number`, without a timestamp.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (key, after) = rest.split_once("=\"").expect("a label");
            assert!(is_name(key), "{line}");
            let (value, after) = quoted(after);
            assert!(
                labels.insert(key.to_owned(), value).is_none(),
                "twice: {line}"
            );
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').expect("another label");
        }
    }
    let number = rest.strip_prefix(' ').expect("one space");
    (
        name.to_owned(),
        labels,
        number.parse().expect("a number and nothing else"),
    )
}

/// What stands before the closing quotation mark, and what behind it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => match letters.next().map(|(_, letter)| letter) {
                Some('n') => value.push('\n'),
                Some(letter @ ('\\' | '"')) => value.push(letter),
                other => panic!("an escape that there is not: {other:?}"),
            },
            letter => value.push(letter),
        }
    }
    panic!("no end: {text}")
}

impl Family {
    fn takes(&self, (name, labels, value): &(String, Labels, f64), line: &str) {
        let end = name
            .strip_prefix(self.name.as_str())
            .expect("the family's name");
        assert!(suffixes(&self.kind).contains(&end), "{line}");
        assert_eq!(labels.contains_key("le"), end == "_bucket", "{line}");
        assert!(self.kind == "gauge" || *value >= 0.0, "{line}");
        let twice = |other: &(String, Labels, f64)| other.0 == *name && other.1 == *labels;
        assert!(!self.samples.iter().any(twice), "twice: {line}");
    }

    fn is_sound(&self) {
        assert!(
            self.help && !self.kind.is_empty(),
            "{} is not described",
            self.name
        );
        if self.kind != "histogram" {
            return;
        }
        let of = |end: &str| {
            let name = format!("{}{end}", self.name);
            let samples = self
                .samples
                .iter()
                .filter(move |(found, ..)| *found == name);
            samples
                .map(|(_, labels, value)| (labels.get("le").cloned(), *value))
                .collect::<Vec<_>>()
        };
        let buckets = of("_bucket");
        let bounds: Vec<f64> = buckets
            .iter()
            .map(|(le, _)| le.as_deref().expect("a bound").parse().expect("a number"))
            .collect();
        assert!(
            bounds.is_sorted() && bounds.last() == Some(&f64::INFINITY),
            "{bounds:?}"
        );
        assert!(
            buckets.is_sorted_by(|(_, one), (_, next)| one <= next),
            "{buckets:?}"
        );
        let all = buckets.last().map(|(_, count)| *count);
        assert_eq!(
            all,
            of("_count").first().map(|(_, count)| *count),
            "{}",
            self.name
        );
        assert_eq!(of("_sum").len(), 1);
    }
}
