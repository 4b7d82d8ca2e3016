//! CDI device names, and what a policy says about devices.
//!
//! A policy that lists devices says two things: which it gives (the exact names), and which a box may have at most,
//! whoever gives them. A policy without the key says neither: it gives none, and leaves what an engine brings to the
//! engine's user.

use std::fmt;

/// A fully qualified device name: `vendor.com/class=name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceName {
    /// `vendor.com/class`.
    pub kind: String,
    /// The name, unique in its kind.
    pub name: String,
}

impl DeviceName {
    /// Reads `vendor.com/class=name`; `None` if it is not one.
    pub fn parse(text: &str) -> Option<DeviceName> {
        let (kind, name) = text.split_once('=')?;
        (is_kind(kind) && is_name(name)).then(|| DeviceName {
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.name)
    }
}

/// An entry of a list of devices: `vendor.com/class=name`, or `vendor.com/class=*` for all of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DevicePattern {
    /// `vendor.com/class`.
    pub kind: String,
    /// The device's name; `None` = each.
    pub name: Option<String>,
}

impl DevicePattern {
    /// Reads an entry; `None` if it is not one.
    pub fn parse(text: &str) -> Option<DevicePattern> {
        let (kind, name) = text.split_once('=')?;
        (is_kind(kind) && (name == "*" || is_name(name))).then(|| DevicePattern {
            kind: kind.to_owned(),
            name: (name != "*").then(|| name.to_owned()),
        })
    }

    /// Whether the entry names `device`.
    pub fn covers(&self, device: &DeviceName) -> bool {
        self.kind == device.kind && self.name.as_deref().is_none_or(|own| own == device.name)
    }

    /// The one device of an entry without a star.
    pub fn exact(&self) -> Option<DeviceName> {
        self.name.clone().map(|name| DeviceName {
            kind: self.kind.clone(),
            name,
        })
    }

    /// What both entries name.
    pub(crate) fn meet(&self, other: &DevicePattern) -> Option<DevicePattern> {
        match (&self.name, &other.name) {
            _ if self.kind != other.kind => None,
            (None, _) => Some(other.clone()),
            (_, None) => Some(self.clone()),
            (own, others) => (own == others).then(|| self.clone()),
        }
    }
}

impl fmt::Display for DevicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.name.as_deref().unwrap_or("*"))
    }
}

/// What a policy says about devices. The default says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    ceiling: Option<Vec<DevicePattern>>,
    requested: Vec<DeviceName>,
    /// Each of the policies that were met lists devices: one that lists none gives none either.
    complete: bool,
}

impl Devices {
    /// What the key `devices` with these entries says.
    pub fn listed(entries: Vec<DevicePattern>) -> Devices {
        Devices {
            requested: entries.iter().filter_map(DevicePattern::exact).collect(),
            ceiling: Some(entries),
            complete: true,
        }
    }

    /// What the box gets without anybody's asking.
    pub fn requested(&self) -> &[DeviceName] {
        &self.requested
    }

    /// What the box may have at most, whoever gives it; `None` = the policy does not say.
    pub fn ceiling(&self) -> Option<&[DevicePattern]> {
        self.ceiling.as_deref()
    }

    /// Whether each of the policies that were met lists devices: one that lists none gives none.
    pub(crate) fn gives(&self) -> bool {
        self.complete
    }

    /// Whether the box may have `device`, as far as this policy says.
    pub fn allow(&self, device: &DeviceName) -> bool {
        self.ceiling
            .as_ref()
            .is_none_or(|entries| entries.iter().any(|entry| entry.covers(device)))
    }

    /// What both say: no more than either allows, and no more given than all list.
    #[must_use]
    pub fn meet(&self, other: &Devices) -> Devices {
        let ceiling = match (&self.ceiling, &other.ceiling) {
            (None, None) => None,
            (None, Some(one)) | (Some(one), None) => Some(common(one, one)),
            (Some(a), Some(b)) => Some(common(a, b)),
        };
        let complete = self.complete && other.complete;
        let mut met = Devices {
            ceiling,
            requested: Vec::new(),
            complete,
        };
        if complete {
            let all = self.requested.iter().chain(&other.requested);
            met.requested = all.filter(|device| met.allow(device)).cloned().collect();
            met.requested.sort();
            met.requested.dedup();
        }
        met
    }
}

/// The entries that are in both lists, the narrower of each pair.
fn common(a: &[DevicePattern], b: &[DevicePattern]) -> Vec<DevicePattern> {
    let mut both: Vec<DevicePattern> = a
        .iter()
        .flat_map(|one| b.iter().filter_map(|other| one.meet(other)))
        .collect();
    both.sort();
    both.dedup();
    both
}

/// Whether `text` is `vendor/class`, both beginning with a letter.
pub fn is_kind(text: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) && between_alphanumerics(part, b"-_.")
    };
    text.split_once('/')
        .is_some_and(|(vendor, class)| word(vendor) && word(class))
}

/// Whether `text` can name a device.
pub fn is_name(text: &str) -> bool {
    between_alphanumerics(text, b"-_.:")
}

/// Letters and digits, with `inner` only between them.
fn between_alphanumerics(text: &str, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || inner.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(entries: &[&str]) -> Devices {
        Devices::listed(
            entries
                .iter()
                .map(|entry| DevicePattern::parse(entry).unwrap())
                .collect(),
        )
    }

    fn shown(devices: &Devices) -> (Vec<String>, Vec<String>) {
        let ceiling = devices.ceiling().unwrap_or_default().iter();
        let requested = devices.requested().iter();
        (
            ceiling.map(ToString::to_string).collect(),
            requested.map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn a_full_name_is_read_and_printed_the_same() {
        for text in [
            "nvidia.com/gpu=all",
            "vendor.com/net.class=0:1",
            "v/c=GPU-1_a",
        ] {
            assert_eq!(DeviceName::parse(text).unwrap().to_string(), text);
            assert_eq!(DevicePattern::parse(text).unwrap().to_string(), text);
        }
        let star = DevicePattern::parse("v/c=*").unwrap();
        assert_eq!((star.to_string().as_str(), star.exact()), ("v/c=*", None));
    }

    #[test]
    fn what_is_no_full_name_is_not_read() {
        for text in [
            "",
            "all",
            "gpu=all",
            "nvidia.com/gpu",
            "nvidia.com/gpu=",
            "/gpu=a",
            "1v.com/gpu=a",
            "v.com/1gpu=a",
            "v.com/gpu=a=b",
            "v.com/gpu=-a",
            "v.com/gpu=a.",
            "v.com/a/b=c",
            "v.com/gpu=a b",
            "v.com/gpu=a*",
            "*/*=*",
        ] {
            assert_eq!(DeviceName::parse(text), None, "{text}");
            assert_eq!(DevicePattern::parse(text), None, "{text}");
        }
        assert_eq!(DeviceName::parse("v.com/gpu=*"), None);
    }

    #[test]
    fn exact_names_are_given_and_a_star_only_bounds() {
        let devices = listed(&["v.com/d=0", "v.com/e=*"]);
        assert_eq!(shown(&devices).1, ["v.com/d=0"]);
        let allows = |text: &str| devices.allow(&DeviceName::parse(text).unwrap());
        assert!(allows("v.com/d=0") && allows("v.com/e=7"));
        assert!(!allows("v.com/d=1") && !allows("w.com/e=7"));
        assert!(Devices::default().allow(&DeviceName::parse("v.com/d=1").unwrap()));
        assert!(!listed(&[]).allow(&DeviceName::parse("v.com/d=1").unwrap()));
    }

    #[test]
    fn a_star_and_a_name_meet_in_the_name() {
        let met = listed(&["v.com/d=0", "v.com/d=1"]).meet(&listed(&["v.com/d=*", "w.com/d=2"]));
        let both = vec!["v.com/d=0".to_owned(), "v.com/d=1".to_owned()];
        assert_eq!(shown(&met), (both.clone(), both));
        assert_eq!(
            shown(&listed(&["v.com/d=0"]).meet(&listed(&["v.com/d=1"]))),
            (vec![], vec![])
        );
    }

    #[test]
    fn a_policy_that_lists_no_devices_lets_none_be_given() {
        let one = listed(&["v.com/d=0"]);
        let silent = Devices::default();
        for met in [one.meet(&silent), silent.meet(&one)] {
            assert_eq!(shown(&met), (vec!["v.com/d=0".to_owned()], vec![]));
            // Nor does a third one bring it back.
            assert!(met.meet(&one).requested().is_empty());
        }
    }
}
