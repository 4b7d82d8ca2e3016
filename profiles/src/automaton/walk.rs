//! The walk over all texts at once.

use std::collections::HashSet;

use super::bytes::representatives;
use super::{ByteSet, Line, Places};

/// Lines that a text must match all of.
pub(super) type Lines<'a> = &'a [&'a Line];

/// Sets of places that are looked at before the walk gives up. Patterns that people write need some dozens.
const MAX_VISITED: usize = 5_000;

/// Whether every text that all of `inner` cover is covered by `outer`. `false` where the walk gives up.
pub(crate) fn all_within(inner: Lines<'_>, outer: &Line) -> bool {
    if outer.is_everything() || inner.contains(&outer) {
        return true;
    }
    if let Some(only) = inner.iter().find_map(|line| line.only()) {
        return outer.covers(&only) || !inner.iter().all(|line| line.covers(&only));
    }
    let found = walk(inner, outer, Copy::Plain, |inner, outer| inner && !outer);
    found == Some(false)
}

/// Whether a text exists that all of `these` and `other` cover. `true` where the walk gives up.
pub(crate) fn overlap(these: Lines<'_>, other: &Line) -> bool {
    if let Some(only) = other.only() {
        return these.iter().all(|line| line.covers(&only));
    }
    if let Some(only) = these.iter().find_map(|line| line.only()) {
        return other.covers(&only) && these.iter().all(|line| line.covers(&only));
    }
    let found = walk(these, other, Copy::Plain, |these, other| these && other);
    found != Some(false)
}

/// Whether a path exists that all of `these` cover, and that `other` covers once the `;parameters` of its segments are
/// cut off (see [`crate::path::without_parameters`]). `true` where the walk gives up.
pub(crate) fn overlap_without_parameters(these: Lines<'_>, other: &Line) -> bool {
    let found = walk(these, other, Copy::Bare(Bare::Start), |these, other| {
        these && other
    });
    found != Some(false)
}

/// What `other` is shown of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Copy {
    /// All of it.
    Plain,
    /// The path without parameters.
    Bare(Bare),
}

/// Where in a path the copy without parameters is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Bare {
    /// Before the first byte.
    Start,
    /// After a slash that is not copied yet; whether anything was.
    Slash(bool),
    /// In a segment's name.
    Name,
    /// In its parameters; whether anything was copied.
    Parameter(bool),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    inner: Vec<Places>,
    outer: Places,
    copy: Copy,
}

/// Whether a text exists of which `wanted` (all of `inner` cover it, `outer` covers its copy) holds; `None` gives up.
fn walk(
    inner: Lines<'_>,
    outer: &Line,
    copy: Copy,
    wanted: impl Fn(bool, bool) -> bool,
) -> Option<bool> {
    let marks = [ByteSet::of(b'/'), ByteSet::of(b';')];
    let marks = marks.iter().filter(|_| copy != Copy::Plain);
    let sets = inner.iter().copied().chain([outer]).flat_map(Line::sets);
    let alphabet = representatives(sets.chain(marks));
    let first = State {
        inner: inner.iter().map(|line| line.start()).collect(),
        outer: outer.start(),
        copy,
    };
    let mut visited: HashSet<State> = HashSet::new();
    let mut waiting = vec![first.clone()];
    visited.insert(first);
    while let Some(state) = waiting.pop() {
        let ends = inner
            .iter()
            .zip(&state.inner)
            .all(|(line, places)| line.ends(places));
        if ends && wanted(true, outer.ends(&state.finished(outer))) {
            return Some(true);
        }
        for byte in &alphabet {
            let next = state.after(*byte, inner, outer);
            if next.inner.iter().any(Places::is_empty) {
                continue;
            }
            if !visited.contains(&next) {
                if visited.len() >= MAX_VISITED {
                    return None;
                }
                visited.insert(next.clone());
                waiting.push(next);
            }
        }
    }
    Some(false)
}

impl State {
    fn after(&self, byte: u8, inner: Lines<'_>, outer: &Line) -> State {
        let (copy, outer) = match self.copy {
            Copy::Plain => (Copy::Plain, outer.step(&self.outer, byte)),
            Copy::Bare(bare) => {
                let (bare, outer) = bare.after(byte, &self.outer, outer);
                (Copy::Bare(bare), outer)
            }
        };
        State {
            inner: inner
                .iter()
                .zip(&self.inner)
                .map(|(line, places)| line.step(places, byte))
                .collect(),
            outer,
            copy,
        }
    }

    /// The outer places once the text ends here.
    fn finished(&self, outer: &Line) -> Places {
        match self.copy {
            Copy::Bare(Bare::Slash(_) | Bare::Parameter(false)) => outer.step(&self.outer, b'/'),
            _ => self.outer.clone(),
        }
    }
}

impl Bare {
    fn after(self, byte: u8, places: &Places, outer: &Line) -> (Bare, Places) {
        let copied = match self {
            Bare::Start => false,
            Bare::Slash(copied) | Bare::Parameter(copied) => copied,
            Bare::Name => true,
        };
        match (self, byte) {
            (_, b'/') => (Bare::Slash(copied), places.clone()),
            (_, b';') => (Bare::Parameter(copied), places.clone()),
            (Bare::Slash(_) | Bare::Start, _) => {
                let slash = outer.step(places, b'/');
                (Bare::Name, outer.step(&slash, byte))
            }
            (Bare::Name, _) => (Bare::Name, outer.step(places, byte)),
            (Bare::Parameter(_), _) => (self, places.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::Glob;
    use crate::policy::HostPattern;
    use crate::segments::SegmentGlob;

    fn path(text: &str) -> Line {
        Glob::new(text).unwrap().line()
    }

    fn within(inner: &str, outer: &str) -> bool {
        all_within(&[&Line::path(), &path(inner)], &path(outer))
    }

    #[test]
    fn paths_are_within_what_covers_each_of_them() {
        for (inner, outer) in [
            ("/a/b", "/a/*"),
            ("**", "/**"),
            ("/a/*/c", "/a/**"),
            ("/a/*x*", "/*x*"),
            ("/v[1-3]/x", "/v?/x"),
            ("/a*b*", "/a*b*"),
            ("/*a*b", "/*b"),
            ("/**/x/y", "/**/y"),
        ] {
            assert!(within(inner, outer), "{inner} {outer}");
        }
        for (inner, outer) in [
            ("/a/*", "/a/b"),
            ("/**", "/a/**"),
            ("/v?/x", "/v[1-3]/x"),
            ("/a*", "/a*b"),
            ("/a", "/a/**"),
        ] {
            assert!(!within(inner, outer), "{inner} {outer}");
        }
    }

    #[test]
    fn patterns_overlap_where_one_text_matches_both() {
        let both = |a: &str, b: &str| overlap(&[&path(a)], &path(b));
        assert!(both("/a/*", "/*/b") && both("/x*", "/*y") && both("/a", "/**"));
        assert!(!both("/a/*", "/b/*") && !both("/x?", "/x") && !both("/[a-c]", "/[d-f]"));
    }

    #[test]
    fn a_path_with_parameters_can_reach_a_path_without() {
        let bare = |a: &str, b: &str| overlap_without_parameters(&[&path(a)], &path(b));
        assert!(
            bare("/;x/secret", "/secret") && !overlap(&[&path("/;x/secret")], &path("/secret"))
        );
        assert!(bare("/a;*", "/a") && bare("/;x", "/") && bare("/a/;x/", "/a/"));
        assert!(bare("/a/b", "/a/b") && !bare("/a/b", "/a") && !bare("/a;x/b", "/a"));
        assert!(bare("/**", "/secret"));
    }

    #[test]
    fn hosts_and_names_are_compared_too() {
        let host = |text: &str| HostPattern::parse(text).unwrap().line();
        let inside = |a: &str, b: &str| all_within(&[&host(a)], &host(b));
        assert!(inside("a.x.com", "*.x.com") && inside("*.x.com", "**.x.com"));
        assert!(inside("*.a.x.com", "**.x.com") && inside("api-*.x.com", "*.x.com"));
        assert!(!inside("**.x.com", "*.x.com") && !inside("x.com", "**.x.com"));
        assert!(overlap(&[&host("a.*.x.com")], &host("*.b.x.com")));
        assert!(!overlap(&[&host("*.x.com")], &host("*.y.com")));
        let glob = |text: &str| SegmentGlob::value(text).unwrap().line();
        assert!(all_within(&[&glob("a.x*")], &glob("a.**")));
        assert!(!all_within(&[&glob("a.*")], &glob("a.**")), "`a.`");
        assert!(!all_within(&[&glob("a.**")], &glob("a.*")));
        assert!(all_within(&[&glob("*")], &glob("*")));
        assert!(
            !all_within(&[&glob("*")], &glob("**")),
            "`*` covers the empty text"
        );
    }

    #[test]
    fn a_hostile_pattern_grants_nothing() {
        let far = |byte: char| path(&format!("/*{byte}{}", "?".repeat(40)));
        assert!(!all_within(&[&far('a')], &far('b')));
        assert!(overlap(&[&far('a')], &far('b')), "given up");
        let own = path(&format!("/*a{}*", "?".repeat(40)));
        assert!(all_within(&[&own], &own));
    }
}
