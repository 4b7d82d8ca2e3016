//! Where a box's cgroup lies: the engine's path, read as runc reads it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{self, Hierarchy, Layout, Version};

/// Where the box's processes are counted and limited. Kept in the box's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlace {
    /// `linux.cgroupsPath` of the private bundle.
    pub path: PathBuf,
    /// `--systemd-cgroup`.
    pub systemd: bool,
    /// What a relative path is below of, by hierarchy: the cgroups of who called `create`, which later verbs may not
    /// be in. Empty for an absolute path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub below: BTreeMap<String, PathBuf>,
}

impl CgroupPlace {
    /// The place that `path` means for a box that this process creates.
    ///
    /// # Errors
    /// A relative path, and this process's own cgroups cannot be read.
    pub fn new(path: PathBuf, systemd: bool) -> io::Result<CgroupPlace> {
        let below = match path.is_absolute() || systemd {
            true => BTreeMap::new(),
            false => {
                let layout = layout::of_this_machine()?;
                let own = std::fs::read_to_string("/proc/self/cgroup")?;
                relative(layout, &own, &layout::shown(layout)?)
            }
        };
        Ok(CgroupPlace {
            path,
            systemd,
            below,
        })
    }

    /// `slice:prefix:name`, where systemd shall make the cgroup; an absolute path is ours even then.
    pub(super) fn unit(&self) -> Option<&Path> {
        (self.systemd && self.path.is_relative()).then_some(self.path.as_path())
    }

    /// The directory of `path` in a hierarchy.
    pub(super) fn directory(&self, hierarchy: &Hierarchy, path: &Path) -> PathBuf {
        let below = self.below.get(&hierarchy.key());
        let start = match below {
            Some(below) => hierarchy.mount.join(plain(below)),
            None => hierarchy.mount.clone(),
        };
        start.join(plain(path))
    }
}

fn plain(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// What a relative path is below of in each hierarchy, for a process with these cgroups.
fn relative(layout: &Layout, own: &str, shown: &[PathBuf]) -> BTreeMap<String, PathBuf> {
    let own: BTreeMap<String, PathBuf> = layout::own(own)
        .map(|(names, path)| (names.join(","), path))
        .collect();
    let unified = layout.unified();
    let one = |(hierarchy, root): (&Hierarchy, &PathBuf)| {
        let path = own.get(&hierarchy.key())?;
        // Without a namespace of cgroups only a part of the hierarchy is mounted, and the path begins above it.
        let seen = path.strip_prefix(root).unwrap_or(path);
        // Version 2 hands nothing down from a cgroup with processes of its own, as that of this process: beside it.
        let beside = unified && hierarchy.version == Version::Two;
        let place = match beside {
            true => seen.parent().unwrap_or(Path::new("")),
            false => seen,
        };
        Some((hierarchy.key(), Path::new("/").join(place)))
    };
    layout.0.iter().zip(shown).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(version: Version, mount: &str, controllers: &[&str]) -> Hierarchy {
        Hierarchy {
            version,
            mount: mount.into(),
            controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn place(path: &str, below: BTreeMap<String, PathBuf>) -> CgroupPlace {
        CgroupPlace {
            path: path.into(),
            systemd: false,
            below,
        }
    }

    #[test]
    fn an_absolute_path_is_below_the_mount_point() {
        let memory = hierarchy(Version::One, "/sys/fs/cgroup/memory", &["memory"]);
        let place = place("/docker/abc", BTreeMap::new());
        assert_eq!(
            place.directory(&memory, &place.path),
            Path::new("/sys/fs/cgroup/memory/docker/abc")
        );
    }

    #[test]
    fn a_relative_path_is_below_the_callers_own_cgroup_in_each_hierarchy_of_version_1() {
        let layout = Layout(vec![
            hierarchy(Version::One, "/c/memory", &["memory"]),
            hierarchy(Version::One, "/c/cpu,cpuacct", &["cpu", "cpuacct"]),
        ]);
        let own = "5:memory:/docker/x/job\n4:cpu,cpuacct:/\n";
        let shown = [PathBuf::from("/docker/x"), PathBuf::from("/")];
        let place = place("a/b", relative(&layout, own, &shown));
        let directories = layout
            .0
            .iter()
            .map(|each| place.directory(each, &place.path));
        assert_eq!(
            directories.collect::<Vec<_>>(),
            [
                PathBuf::from("/c/memory/job/a/b"),
                PathBuf::from("/c/cpu,cpuacct/a/b")
            ]
        );
    }

    #[test]
    fn on_version_2_a_relative_path_is_beside_the_callers_own_cgroup() {
        let layout = Layout(vec![hierarchy(Version::Two, "/sys/fs/cgroup", &["memory"])]);
        for (own, expected) in [
            (
                "0::/user.slice/session.scope\n",
                "/sys/fs/cgroup/user.slice/a",
            ),
            ("0::/\n", "/sys/fs/cgroup/a"),
        ] {
            let place = place("a", relative(&layout, own, &["/".into()]));
            let found = place.directory(&layout.0[0], &place.path);
            assert_eq!(found, Path::new(expected));
        }
    }

    #[test]
    fn a_state_of_an_earlier_version_is_read() {
        let place: CgroupPlace =
            serde_json::from_str("{\"path\":\"/nemoclaw/a\",\"systemd\":false}").unwrap();
        assert!(place.below.is_empty());
    }
}
