//! Groups of digits with one separator between each: what a number looks like where people write it.

use crate::detect::bytes::{ALNUM, DIGIT, HEX, LETTER, before, has, is};

/// The most digits and groups of a number that a detector knows.
const MOST_DIGITS: usize = 20;
const MOST_GROUPS: usize = 10;

/// A group: its bytes, how many digits stand before it, and the separator before it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Group {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) first: usize,
    pub(super) separator: u8,
}

impl Group {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Groups of digits that follow each other.
#[derive(Debug)]
pub(super) struct Cluster {
    digits: [u8; MOST_DIGITS],
    count: usize,
    groups: [Group; MOST_GROUPS],
    len: usize,
}

/// A part of a cluster that has a shape.
pub(super) struct Part<'c> {
    /// Its digits as values.
    pub(super) digits: &'c [u8],
    /// Behind its last byte.
    pub(super) end: usize,
    /// The separator between its groups; 0 for one group.
    pub(super) separator: u8,
}

/// The separator at `at`, as a plain one, and its length: blanks and dashes beyond ASCII count as theirs.
pub(super) fn separator(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match *bytes.get(at)? {
        plain @ (b' ' | b'-' | b'.' | b'/') => Some((plain, 1)),
        0xC2 if bytes.get(at + 1) == Some(&0xA0) => Some((b' ', 2)),
        0xE2 if bytes.get(at + 1) == Some(&0x80) => match bytes.get(at + 2)? {
            0x80..=0x8A | 0xAF => Some((b' ', 3)),
            0x90..=0x95 => Some((b'-', 3)),
            _ => None,
        },
        0xE2 if bytes.get(at + 1) == Some(&0x88) && bytes.get(at + 2) == Some(&0x92) => {
            Some((b'-', 3))
        }
        _ => None,
    }
}

impl Cluster {
    /// The groups from the digit at `at` on.
    pub(super) fn read(bytes: &[u8], at: usize) -> Self {
        let mut cluster = Self {
            digits: [0; MOST_DIGITS],
            count: 0,
            groups: [Group::default(); MOST_GROUPS],
            len: 0,
        };
        let mut here = at;
        let mut mark = 0;
        while cluster.len < MOST_GROUPS {
            let start = here;
            let first = cluster.count;
            while here < bytes.len() && is(bytes[here], DIGIT) && cluster.count < MOST_DIGITS {
                cluster.digits[cluster.count] = bytes[here] - b'0';
                cluster.count += 1;
                here += 1;
            }
            if has(bytes, here, DIGIT) {
                cluster.count = first;
                break;
            }
            cluster.groups[cluster.len] = Group {
                start,
                end: here,
                first,
                separator: mark,
            };
            cluster.len += 1;
            match separator(bytes, here) {
                Some((next, length)) if has(bytes, here + length, DIGIT) => {
                    mark = next;
                    here += length;
                }
                _ => break,
            }
        }
        cluster
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups[..self.len]
    }

    /// The digits of the first `groups` groups.
    pub(super) fn digits(&self, groups: usize) -> &[u8] {
        let last = &self.groups[groups - 1];
        &self.digits[..last.first + last.len()]
    }

    /// The first groups, when they have these lengths and one separator, and the number ends there.
    pub(super) fn shape(&self, bytes: &[u8], lengths: &[usize]) -> Option<Part<'_>> {
        let groups = self.groups().get(..lengths.len())?;
        let fits = groups
            .iter()
            .zip(lengths)
            .all(|(group, length)| group.len() == *length);
        if !fits {
            return None;
        }
        self.part(bytes, lengths.len())
    }

    /// The first `count` groups, when they have one separator and the number ends there.
    pub(super) fn part(&self, bytes: &[u8], count: usize) -> Option<Part<'_>> {
        let groups = self.groups().get(..count)?;
        let separator = groups.get(1).map_or(0, |group| group.separator);
        let one = groups
            .iter()
            .skip(1)
            .all(|group| group.separator == separator);
        let end = groups.last()?.end;
        if !one || !self.ends(bytes, count, separator) {
            return None;
        }
        Some(Part {
            digits: self.digits(count),
            end,
            separator,
        })
    }

    /// The first groups, of these lengths and each behind its own separator.
    pub(super) fn mixed(&self, bytes: &[u8], shape: &[(u8, usize)]) -> Option<Part<'_>> {
        let groups = self.groups().get(..shape.len())?;
        let fits = groups
            .iter()
            .zip(shape)
            .enumerate()
            .all(|(index, (group, (mark, length)))| {
                group.len() == *length && (index == 0 || group.separator == *mark)
            });
        let last = shape.last()?.0;
        if !fits || !self.ends(bytes, shape.len(), last) {
            return None;
        }
        Some(Part {
            digits: self.digits(shape.len()),
            end: groups.last()?.end,
            separator: last,
        })
    }

    /// Whether the number ends behind the first `count` groups: no letter follows, and no digit behind a separator that
    /// binds (the number's own, other than a blank).
    fn ends(&self, bytes: &[u8], count: usize, separator: u8) -> bool {
        let end = self.groups[count - 1].end;
        if has(bytes, end, ALNUM) || bytes.get(end) == Some(&b'_') {
            return false;
        }
        let more = match self.groups().get(count) {
            Some(group) => Some(group.separator),
            None => self::separator(bytes, end)
                .filter(|(_, length)| has(bytes, end + length, DIGIT))
                .map(|(mark, _)| mark),
        };
        match more {
            None => {
                !(bytes.get(end) == Some(&b'-')
                    && has(bytes, end + 1, LETTER | DIGIT)
                    && separator == 0)
            }
            Some(b' ') => true,
            Some(b'.') => separator != 0 && separator != b'.',
            Some(mark) => mark != separator && separator == b' ',
        }
    }
}

/// Whether `start..end`, groups of four, stand in a table of such groups: one more before or behind.
pub(super) fn in_table(bytes: &[u8], start: usize, end: usize) -> bool {
    let four = |from: usize| {
        bytes
            .get(from..from + 4)
            .is_some_and(|group| group.iter().all(|byte| is(*byte, HEX)))
    };
    let behind = matches!(bytes.get(end), Some(b' ' | b'\n'))
        && four(end + 1)
        && !has(bytes, end + 5, ALNUM);
    let first = start >= 5 && matches!(bytes[start - 1], b' ' | b'\n') && four(start - 5);
    behind || (first && !before(bytes, start - 5, ALNUM))
}

/// Whether a number may begin at `at`: behind no letter, and behind no digit and a separator that binds.
pub(super) fn begins(bytes: &[u8], at: usize) -> bool {
    if at == 0 {
        return true;
    }
    match bytes[at - 1] {
        b'_' | b'$' => false,
        // `[.4300.0020.0011.0002]` stands in a table of weights.
        b'.' | b'*' if bytes[..at - 1].ends_with(b"[") => false,
        b'-' | b'.' | b'/' => !before(bytes, at - 1, DIGIT),
        _ => crate::detect::bytes::begins(bytes, at),
    }
}
