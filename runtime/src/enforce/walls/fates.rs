//! What becomes of each path that the walls touch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::plan::Walls;

/// What becomes of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Device nodes open, nothing is made or removed.
    Devices,
    /// As the engine mounted it.
    Kept,
    /// Writable, no set-user-ID, no device nodes.
    Writable,
    /// Read-only again, below a writable path.
    ReadOnly,
}

/// Paths and their fates, parents first. A path named twice gets the stricter fate.
pub(super) fn fates(walls: &Walls) -> Vec<(PathBuf, Fate)> {
    let mut fates = BTreeMap::new();
    let groups = [
        (&walls.kept, Fate::Kept),
        (&walls.writable, Fate::Writable),
        (&walls.readonly, Fate::ReadOnly),
    ];
    for (paths, fate) in groups {
        for path in paths {
            // Writing to a device needs no writable mount, and `nodev` would close it.
            let fate = if fate == Fate::Writable && path.starts_with("/dev") {
                Fate::Kept
            } else {
                fate
            };
            let entry = fates.entry(path.clone()).or_insert(fate);
            *entry = (*entry).max(fate);
        }
    }
    // A directory between a writable path and a read-only one below it becomes a mount of its own: those cannot be
    // renamed, or the agent could put another tree in the read-only one's place.
    for path in &walls.readonly {
        let between = path.ancestors().skip(1).filter(|above| {
            let below = |writable: &PathBuf| above.starts_with(writable) && above != writable;
            walls.writable.iter().any(below)
        });
        for above in between {
            fates.entry(above.to_path_buf()).or_insert(Fate::Writable);
        }
    }
    fates.insert(PathBuf::from("/dev"), Fate::Devices);
    // The whole root is no clone: `writable_root` says what becomes of it.
    fates.remove(Path::new("/"));
    let mut ordered: Vec<_> = fates.into_iter().collect();
    ordered.sort_by_key(|(path, _)| path.components().count());
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walls() -> Walls {
        Walls {
            writable: vec!["/sandbox".into(), "/tmp".into(), "/sandbox/keep/out".into()],
            kept: vec!["/proc".into(), "/dev/pts".into()],
            readonly: vec!["/sandbox/keep".into()],
            ..Walls::default()
        }
    }

    #[test]
    fn parents_come_before_what_lies_below_them() {
        let ordered: Vec<_> = fates(&walls()).into_iter().map(|(path, _)| path).collect();
        let at = |name: &str| {
            ordered
                .iter()
                .position(|path| path == Path::new(name))
                .expect("listed")
        };
        assert!(
            at("/sandbox") < at("/sandbox/keep") && at("/sandbox/keep") < at("/sandbox/keep/out")
        );
        assert!(at("/dev") < at("/dev/pts"));
    }

    #[test]
    fn what_lies_between_a_writable_path_and_a_read_only_one_below_is_pinned() {
        let walls = Walls {
            writable: vec!["/sandbox".into()],
            readonly: vec!["/sandbox/a/b/keys".into()],
            ..Walls::default()
        };
        let fates = fates(&walls);
        for path in ["/sandbox/a", "/sandbox/a/b"] {
            assert!(fates.contains(&(path.into(), Fate::Writable)), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_both_writable_and_read_only_is_read_only() {
        let walls = Walls {
            writable: vec!["/a".into()],
            readonly: vec!["/a".into()],
            ..Walls::default()
        };
        assert!(fates(&walls).contains(&("/a".into(), Fate::ReadOnly)));
    }

    #[test]
    fn a_device_in_the_writable_list_stays_a_device() {
        let walls = Walls {
            writable: vec!["/dev/null".into()],
            ..Walls::default()
        };
        assert!(fates(&walls).contains(&("/dev/null".into(), Fate::Kept)));
    }

    #[test]
    fn the_root_itself_is_never_cloned() {
        let walls = Walls {
            writable: vec!["/".into()],
            ..Walls::default()
        };
        assert!(!fates(&walls).iter().any(|(path, _)| path == Path::new("/")));
    }
}
