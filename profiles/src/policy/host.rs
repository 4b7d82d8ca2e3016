//! Host patterns: which names an endpoint covers.

use std::fmt;

use super::HostPattern;
use crate::automaton::{ByteSet, Line};

/// A whole name, as in the DNS.
const MAX_NAME: usize = 253;
/// One label, as in the DNS.
const MAX_LABEL: usize = 63;

impl HostPattern {
    /// Check and fold a pattern. `Err` is a message without a place.
    pub(crate) fn parse(text: &str) -> Result<HostPattern, String> {
        let folded = text.to_ascii_lowercase();
        if folded.is_empty() {
            return Err("the host is empty".into());
        }
        if folded.len() > MAX_NAME {
            return Err(format!("the host is longer than {MAX_NAME} characters"));
        }
        match folded.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(address)) => return Ok(HostPattern(address.to_string())),
            Ok(std::net::IpAddr::V6(_)) => {
                return Err(format!(
                    "`{text}` is an IPv6 address, which no sandbox can dial; name the host"
                ));
            }
            Err(_) => {}
        }
        if !folded.is_ascii() {
            return Err(format!(
                "`{text}` is not ASCII; write the name in its `xn--` form"
            ));
        }
        let labels: Vec<&str> = folded.split('.').collect();
        if labels.iter().all(|label| *label == "*" || *label == "**") {
            return Err(format!("`{text}` would cover every name"));
        }
        for (i, label) in labels.iter().enumerate() {
            check_label(text, label, i == 0, i + 1 == labels.len())?;
        }
        if folded.contains('*') && labels.iter().filter(|label| !label.contains('*')).count() < 2 {
            return Err(format!("`{text}` would cover a whole top-level domain"));
        }
        if labels
            .last()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(format!("`{text}` ends like an address and is no host name"));
        }
        Ok(HostPattern(folded))
    }

    /// Whether `host` (lower case, no trailing dot) is covered.
    pub fn matches(&self, host: &str) -> bool {
        if !self.is_wildcard() {
            return self.0 == host;
        }
        if let Some(rest) = self.0.strip_prefix("**.") {
            return labels_end_with(host, rest);
        }
        let (mut pattern, mut name) = (self.0.split('.'), host.split('.'));
        loop {
            match (pattern.next(), name.next()) {
                (None, None) => return true,
                (Some(pattern), Some(label)) if label_matches(pattern, label) => {}
                _ => return false,
            }
        }
    }

    /// Whether it covers more than one name.
    pub fn is_wildcard(&self) -> bool {
        self.0.contains('*')
    }

    /// The pattern in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In the form in which patterns are compared.
    pub(crate) fn line(&self) -> Line {
        let inside = ByteSet::but(b'.');
        let mut line = Line::new();
        for (i, label) in self.0.split('.').enumerate() {
            if i > 0 {
                line.text(b".");
            }
            match label {
                "**" => line.star(ByteSet::ALL),
                "*" => {
                    line.one(inside);
                    line.star(inside);
                }
                _ => {
                    for (i, part) in label.split('*').enumerate() {
                        if i > 0 {
                            line.star(inside);
                        }
                        line.text(part.as_bytes());
                    }
                }
            }
        }
        line
    }

    /// What follows the last label with a wildcard: every covered name ends with it.
    pub(crate) fn literal_tail(&self) -> &str {
        match self.0.rfind('*') {
            Some(star) => self.0[star..].split_once('.').map_or("", |(_, tail)| tail),
            None => &self.0,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_label(text: &str, label: &str, first: bool, last: bool) -> Result<(), String> {
    if label.is_empty() {
        return Err(format!("the host `{text}` has an empty label"));
    }
    if label.len() > MAX_LABEL {
        return Err(format!(
            "the host `{text}` has a label of more than {MAX_LABEL} characters"
        ));
    }
    let literal = label
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'*');
    if !literal {
        return Err(match label.contains([':', '/']) {
            true => format!("the host `{text}` must be a name alone, without scheme, port or path"),
            false => format!("the host `{text}` holds a character that no name has"),
        });
    }
    match label {
        "**" if first => Ok(()),
        _ if label.contains("**") => Err(format!(
            "`**` may only be the whole first label of a host, not as in `{text}`"
        )),
        _ if !label.contains('*') || first => Ok(()),
        "*" if !last => Ok(()),
        _ => Err(format!(
            "`*` may stand in the first label of a host or be a whole middle label, not as in `{text}`"
        )),
    }
}

/// Whether `host` is at least one label followed by `.rest`, where `rest` may hold whole-label wildcards.
fn labels_end_with(host: &str, rest: &str) -> bool {
    let (mut pattern, mut name) = (rest.rsplit('.'), host.rsplit('.'));
    loop {
        match (pattern.next(), name.next()) {
            (None, Some(_)) => return true,
            (Some(pattern), Some(label)) if label_matches(pattern, label) => {}
            _ => return false,
        }
    }
}

/// One label against a pattern in which each `*` covers any characters of that label.
fn label_matches(pattern: &str, label: &str) -> bool {
    if pattern == "*" {
        return !label.is_empty();
    }
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == label;
    };
    let Some(mut left) = label.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, host: &str) -> bool {
        HostPattern::parse(pattern).unwrap().matches(host)
    }

    #[test]
    fn a_star_covers_one_label_and_two_stars_one_or_more() {
        assert!(covers("*.example.com", "a.example.com"));
        assert!(!covers("*.example.com", "a.b.example.com"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(covers("**.example.com", "a.b.example.com"));
        assert!(!covers("**.example.com", "example.com"));
        assert!(!covers("**.example.com", "evilexample.com"));
        assert!(covers("a.*.example.com", "a.x.example.com"));
        assert!(covers("api-*.example.com", "api-7.example.com"));
        assert!(!covers("api-*.example.com", "api-7.x.example.com"));
        assert!(covers("a*b*c.example.com", "a1b2c.example.com"));
        assert!(!covers("ab*b.example.com", "ab.example.com"));
        assert!(covers("API.Example.COM", "api.example.com"));
    }

    #[test]
    fn patterns_that_cover_too_much_or_no_name_are_refused() {
        for pattern in [
            "*",
            "**",
            "*.com",
            "**.com",
            "*.*",
            "*.*.com",
            "x*.com",
            "a.b*.example.com",
            "a.**.com",
            "a.example.*",
            "**a.example.com",
            "",
            ".",
            "a..b",
            "[::1]",
            "https://x.y",
            "x.y:443",
            "x y.z",
            "bücher.de",
            "x.y.",
            "example.123",
        ] {
            assert!(HostPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn the_literal_tail_follows_the_last_wildcard() {
        assert_eq!(
            HostPattern::parse("*.b.*.example.com")
                .unwrap()
                .literal_tail(),
            "example.com"
        );
        assert_eq!(
            HostPattern::parse("**.example.com").unwrap().literal_tail(),
            "example.com"
        );
    }
}
