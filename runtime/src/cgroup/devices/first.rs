//! Device rules for version 1: what all rules together mean, as lines without an order.
//!
//! The kernel keeps one word (all or none) and a list of exceptions, and passes over a line that takes away a part of an
//! exception. Written as they stand, ordered rules could so leave a device open; what cannot be written is refused here.

use std::collections::BTreeMap;

use super::{ALL, DeviceError, Kind, MKNOD, Pattern, READ, Rule, WRITE};

const ALLOW: &str = "devices.allow";
const DENY: &str = "devices.deny";

/// What the rules mean: a word for every device, and for which it is the other one.
#[derive(Debug, Default)]
struct Meaning {
    allow: bool,
    exceptions: BTreeMap<Pattern, u8>,
}

/// File and line, in the order to be written.
pub(super) fn lines(rules: &[Rule]) -> Result<Vec<(&'static str, String)>, DeviceError> {
    let mut meaning = Meaning::default();
    for rule in rules {
        meaning.take(rule)?;
    }
    let (all, exception) = match meaning.allow {
        true => (ALLOW, DENY),
        false => (DENY, ALLOW),
    };
    let lines = meaning
        .exceptions
        .iter()
        .map(|(pattern, access)| (exception, line(pattern, *access)));
    Ok(std::iter::once((all, "a".to_owned()))
        .chain(lines)
        .collect())
}

impl Meaning {
    fn take(&mut self, rule: &Rule) -> Result<(), DeviceError> {
        let Pattern { kind, major, minor } = rule.pattern;
        match kind {
            Some(_) => self.take_one(rule),
            None if major.is_none() && minor.is_none() && rule.access == ALL => {
                *self = Meaning {
                    allow: rule.allow,
                    exceptions: BTreeMap::new(),
                };
                Ok(())
            }
            // Version 1 knows both kinds only as all devices.
            None => [Kind::Block, Kind::Char].into_iter().try_for_each(|kind| {
                let pattern = Pattern {
                    kind: Some(kind),
                    ..rule.pattern
                };
                self.take_one(&Rule { pattern, ..*rule })
            }),
        }
    }

    fn take_one(&mut self, rule: &Rule) -> Result<(), DeviceError> {
        if rule.allow != self.allow {
            *self.exceptions.entry(rule.pattern).or_default() |= rule.access;
            return Ok(());
        }
        for (pattern, access) in &mut self.exceptions {
            if rule.pattern.covers(pattern) {
                *access &= !rule.access;
            } else if rule.pattern.meets(pattern) && *access & rule.access != 0 {
                let word = if rule.allow { "allow" } else { "deny" };
                return Err(DeviceError::Overlap(format!(
                    "{word} {}",
                    line(&rule.pattern, rule.access)
                )));
            }
        }
        self.exceptions.retain(|_, access| *access != 0);
        Ok(())
    }
}

fn line(pattern: &Pattern, access: u8) -> String {
    let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
    let kind = match pattern.kind {
        Some(Kind::Block) => 'b',
        Some(Kind::Char) => 'c',
        None => 'a',
    };
    let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
    let access: String = letters
        .into_iter()
        .filter(|(bit, _)| access & bit != 0)
        .map(|(_, letter)| letter)
        .collect();
    format!(
        "{kind} {}:{} {access}",
        number(pattern.major),
        number(pattern.minor)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, kind: Option<Kind>, numbers: (i64, i64), access: u8) -> Rule {
        let number = |number: i64| u32::try_from(number).ok();
        let pattern = Pattern {
            kind,
            major: number(numbers.0),
            minor: number(numbers.1),
        };
        Rule {
            allow,
            pattern,
            access,
        }
    }

    fn text(rules: &[Rule]) -> Vec<String> {
        let lines = lines(rules).unwrap();
        lines
            .iter()
            .map(|(file, line)| format!("{} {line}", file.trim_start_matches("devices.")))
            .collect()
    }

    const C: Option<Kind> = Some(Kind::Char);

    #[test]
    fn what_no_rule_names_is_refused() {
        assert_eq!(
            text(&[rule(true, C, (1, 3), ALL)]),
            ["deny a", "allow c 1:3 rwm"]
        );
        assert_eq!(text(&[]), ["deny a"]);
    }

    #[test]
    fn a_rule_for_all_forgets_those_before_it() {
        let all = rule(true, None, (-1, -1), ALL);
        let none = rule(false, None, (-1, -1), ALL);
        let one = rule(false, C, (5, 1), WRITE);
        assert_eq!(text(&[one, all]), ["allow a"]);
        assert_eq!(text(&[all, one]), ["allow a", "deny c 5:1 w"]);
        assert_eq!(text(&[all, none]), ["deny a"]);
    }

    #[test]
    fn a_later_rule_takes_away_from_an_earlier_one() {
        let rules = [
            rule(true, C, (1, 3), ALL),
            rule(true, C, (1, 5), READ),
            rule(false, C, (1, -1), READ),
        ];
        assert_eq!(text(&rules), ["deny a", "allow c 1:3 wm"]);
    }

    #[test]
    fn a_hole_in_a_wildcard_is_refused_and_not_left_open() {
        let rules = [rule(true, C, (1, -1), ALL), rule(false, C, (1, 3), WRITE)];
        let error = lines(&rules).unwrap_err().to_string();
        assert!(error.contains("`deny c 1:3 w`"), "{error}");
        let apart = [rule(true, C, (1, -1), READ), rule(false, C, (1, 3), WRITE)];
        assert_eq!(text(&apart), ["deny a", "allow c 1:* r"]);
    }

    #[test]
    fn a_rule_for_both_kinds_is_two_lines() {
        let rules = [rule(true, None, (-1, -1), MKNOD)];
        assert_eq!(text(&rules), ["deny a", "allow b *:* m", "allow c *:* m"]);
    }
}
