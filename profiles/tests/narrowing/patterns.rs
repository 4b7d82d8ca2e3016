//! Patterns as their description has them: matched by trying everything.

use nemoclaw_policy::segments::SegmentGlob;

/// Labels of a pattern against labels of a name.
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let (pattern, host): (Vec<&str>, Vec<&str>) =
        (pattern.split('.').collect(), host.split('.').collect());
    if let Some((&"**", rest)) = pattern.split_first() {
        return host.len() > rest.len() && labels(rest, &host[host.len() - rest.len()..]);
    }
    labels(&pattern, &host)
}

pub fn labels(pattern: &[&str], host: &[&str]) -> bool {
    pattern.len() == host.len()
        && pattern.iter().zip(host).all(|(pattern, label)| {
            let parts: Vec<Part> = pattern
                .bytes()
                .map(|byte| match byte {
                    b'*' => Part::Many,
                    byte => Part::Byte(byte),
                })
                .collect();
            (*pattern != "*" || !label.is_empty()) && covers(&parts, label.as_bytes(), None)
        })
}

/// A part of a glob.
#[derive(Debug, Clone)]
pub enum Part {
    Byte(u8),
    One,
    Many,
    /// `**` between separators: one segment or more.
    Segments,
    Class(bool, Vec<(u8, u8)>),
}

pub fn parts(text: &str) -> Vec<Part> {
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'*' => parts.push(Part::Many),
            b'?' => parts.push(Part::One),
            b'[' => {
                let end = i + 2 + text[i + 2..].find(']').expect("closed");
                let mut inside = &text[i + 1..end];
                let negated = inside.starts_with('!');
                inside = inside.trim_start_matches('!');
                let set = inside.as_bytes();
                // The tests write ranges only, or single characters.
                let ranges = match set {
                    [low, b'-', high] => vec![(*low, *high)],
                    all => all.iter().map(|byte| (*byte, *byte)).collect(),
                };
                parts.push(Part::Class(negated, ranges));
                i = end;
            }
            byte => parts.push(Part::Byte(byte)),
        }
        i += 1;
    }
    parts
}

/// Whether the parts cover the text; `separator` stops all but `**`.
pub fn covers(parts: &[Part], text: &[u8], separator: Option<u8>) -> bool {
    let free = |byte: u8| Some(byte) != separator;
    match (parts.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((Part::Many, rest)), _) => {
            covers(rest, text, separator)
                || text
                    .split_first()
                    .is_some_and(|(byte, after)| free(*byte) && covers(parts, after, separator))
        }
        (Some((Part::Segments, rest)), Some((_, after))) => {
            covers(rest, after, separator) || covers(parts, after, separator)
        }
        (Some((part, rest)), Some((byte, after))) => {
            let fits = match part {
                Part::Byte(own) => own == byte,
                Part::One => free(*byte),
                Part::Class(negated, ranges) => {
                    free(*byte)
                        && ranges
                            .iter()
                            .any(|(low, high)| (low..=high).contains(&byte))
                            != *negated
                }
                Part::Many | Part::Segments => false,
            };
            fits && covers(rest, after, separator)
        }
        _ => false,
    }
}

/// A path glob: `*` and `**` cross `/`.
pub fn glob(pattern: &str, path: &[u8]) -> bool {
    covers(&parts(pattern), path, None)
}

/// An endpoint's `path`: `/x/**` covers `/x` too.
pub fn tree(pattern: &str, path: &[u8]) -> bool {
    let root = pattern.strip_suffix("/**").or(pattern.strip_suffix("/*"));
    glob(pattern, path) || root.is_some_and(|root| glob(root, path))
}

pub fn any_segment(globs: &[SegmentGlob], value: &str, separator: u8) -> bool {
    globs
        .iter()
        .any(|glob| segment(glob.as_str(), value, separator))
}

/// A segment glob: `*` stays inside a segment, `**` as a whole segment covers one or more.
pub fn segment(pattern: &str, value: &str, separator: u8) -> bool {
    let mut all = Vec::new();
    for (i, part) in pattern.split(char::from(separator)).enumerate() {
        if i > 0 {
            all.push(Part::Byte(separator));
        }
        match part {
            "**" => all.push(Part::Segments),
            _ => all.extend(parts(part)),
        }
    }
    covers(&all, value.as_bytes(), Some(separator))
}
