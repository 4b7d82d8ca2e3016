//! `-v SRC:DST[:ro]`: a directory or file of this machine inside the sandbox.

use std::path::{Component, Path, PathBuf};

use crate::fault::Fault;

/// A checked volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// On this machine: absolute, links followed (the path is the user's own).
    pub source: PathBuf,
    /// In the sandbox: absolute and normal.
    pub target: PathBuf,
    /// Mounted read-only, whatever the policy says.
    pub read_only: bool,
}

/// The text of a volume, before the file system is asked.
fn split(text: &str) -> anyhow::Result<(&str, &str, bool)> {
    let wrong = || {
        Fault::new(format!("`-v {text}` is no volume"))
            .hint("write `-v SRC:DST` or `-v SRC:DST:ro`")
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match parts.as_slice() {
        [source, target] | [source, target, "rw"] => (*source, *target, false),
        [source, target, "ro"] => (*source, *target, true),
        _ => return Err(wrong().into()),
    };
    let path = Path::new(target);
    let normal = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if source.is_empty() || !path.is_absolute() || !normal || path == Path::new("/") {
        return Err(wrong().into());
    }
    Ok((source, target, read_only))
}

impl Volume {
    /// Check a `-v` value; the source must exist.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let (source, target, read_only) = split(text)?;
        let found = std::fs::canonicalize(source)
            .map_err(|error| Fault::new(format!("cannot mount `{source}`")).because(error))?;
        // Components again, so that `/a//b/` becomes `/a/b`.
        Ok(Self {
            source: found,
            target: Path::new(target).components().collect(),
            read_only,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_a_source_an_absolute_target_and_perhaps_ro() {
        assert_eq!(split("/a:/b").unwrap(), ("/a", "/b", false));
        assert_eq!(split("a:/b:ro").unwrap(), ("a", "/b", true));
        for bad in [
            "",
            "/a",
            ":/b",
            "/a:b",
            "/a:/b/../c",
            "/a:/",
            "/a:/b:rx",
            "/a:/b:ro:z",
        ] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_is_made_normal() {
        assert_eq!(
            Volume::parse("/tmp:/data//x/").unwrap().target,
            Path::new("/data/x")
        );
    }
}
