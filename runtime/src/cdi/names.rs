//! CDI names: `vendor.com/class=name`.

use std::fmt;

/// A fully qualified device name.
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

    #[test]
    fn a_full_name_is_read_and_printed_the_same() {
        for text in [
            "nvidia.com/gpu=all",
            "vendor.com/net.class=0:1",
            "v/c=GPU-1_a",
        ] {
            assert_eq!(DeviceName::parse(text).unwrap().to_string(), text);
        }
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
        ] {
            assert_eq!(DeviceName::parse(text), None, "{text}");
        }
    }
}
