//! A path as rules see it.

use crate::path::{self, Bytes};

/// A path's reading, and the second one where a slash is encoded. What refuses looks at `bare` too: the path without
/// its segments' parameters.
pub(crate) struct Readings {
    first: Bytes,
    second: Option<Bytes>,
    bare: Option<Bytes>,
    /// It holds an encoded slash that only endpoints with `allow_encoded_slash` admit.
    pub encoded_slash: bool,
}

impl Readings {
    /// `None`: the path is not in the normal form.
    pub fn of(path: &str) -> Option<Readings> {
        let encoded_slash = path::encoded_slash(path)?;
        let (first, second) = path::readings(path)?;
        let bare = path::without_parameters(second.as_ref().unwrap_or(&first));
        Some(Readings {
            first,
            second,
            bare,
            encoded_slash,
        })
    }

    /// Whether `matches` holds in every reading.
    pub fn all(&self, matches: impl Fn(&[u8]) -> bool) -> bool {
        matches(&self.first) && self.second.as_deref().is_none_or(matches)
    }

    /// Whether `matches` holds in one reading, parameters cut off or not.
    pub fn any(&self, matches: impl Fn(&[u8]) -> bool) -> bool {
        std::iter::once(&self.first)
            .chain(&self.second)
            .chain(&self.bare)
            .any(|path| matches(path))
    }

    /// Whether `matches` holds in every reading, parameters cut off or not: for what must not go astray.
    pub fn all_and_bare(&self, matches: impl Fn(&[u8]) -> bool) -> bool {
        std::iter::once(&self.first)
            .chain(&self.second)
            .chain(&self.bare)
            .all(|path| matches(path))
    }
}
