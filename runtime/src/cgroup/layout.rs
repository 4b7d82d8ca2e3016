//! Where this machine's cgroups are.
//!
//! They are looked for under the names that all distributions use, and each is asked for by statfs(2). The list of all
//! mounts, which is long on a host of many containers, is read only where they are not there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};

use super::files;

/// Where cgroups are mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// Version 2 beside version 1.
const BESIDE: &str = "unified";
/// This process's cgroups, a line for each hierarchy.
const OWN: &str = "/proc/self/cgroup";
/// All mounts.
const MOUNTS: &str = "/proc/self/mountinfo";
/// Before the name of a hierarchy without controllers.
const NAMED: &str = "name=";

/// Of the kernel's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// One tree of cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub version: Version,
    pub mount: PathBuf,
    /// `name=systemd` for one without.
    pub controllers: Vec<String>,
}

/// All of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout(pub Vec<Hierarchy>);

impl Hierarchy {
    /// Its name in `/proc/self/cgroup`; nothing for version 2.
    pub fn key(&self) -> String {
        match self.version {
            Version::One => self.controllers.join(","),
            Version::Two => String::new(),
        }
    }

    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|each| each == controller)
    }

    /// Whether it limits nothing, and only counts.
    pub fn only_counts(&self) -> bool {
        self.controllers.iter().all(|name| name.starts_with(NAMED))
    }
}

impl Layout {
    /// Whether there is version 2 only.
    pub fn unified(&self) -> bool {
        self.0.iter().all(|each| each.version == Version::Two)
    }
}

/// This machine's, found once.
///
/// # Errors
/// There are none.
pub(super) fn of_this_machine() -> io::Result<&'static Layout> {
    static FOUND: OnceLock<Layout> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let found = find(Path::new(ROOT))?;
    Ok(FOUND.get_or_init(|| found))
}

fn find(root: &Path) -> io::Result<Layout> {
    if version(root) == Some(Version::Two) {
        return Ok(Layout(vec![second(root)?]));
    }
    let lines = std::fs::read_to_string(OWN)?;
    let mut mounts = None;
    let mut all = Vec::new();
    for (controllers, _) in own(&lines).filter(|(controllers, _)| !controllers.is_empty()) {
        let usual = usual(root, &controllers).filter(|path| version(path) == Some(Version::One));
        let mount = match usual {
            Some(mount) => Some(mount),
            None => {
                let text = match &mounts {
                    Some(text) => text,
                    None => mounts.insert(std::fs::read_to_string(MOUNTS)?),
                };
                mounted(text, &controllers)
            }
        };
        all.extend(mount.map(|mount| Hierarchy {
            version: Version::One,
            mount,
            controllers,
        }));
    }
    let beside = root.join(BESIDE);
    if version(&beside) == Some(Version::Two) {
        all.push(second(&beside)?);
    }
    if all.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Layout(all))
}

fn second(mount: &Path) -> io::Result<Hierarchy> {
    let controllers = files::read(mount, "cgroup.controllers")?;
    Ok(Hierarchy {
        version: Version::Two,
        mount: mount.to_path_buf(),
        controllers: controllers.split_whitespace().map(str::to_owned).collect(),
    })
}

fn version(path: &Path) -> Option<Version> {
    match statfs(path).ok()?.filesystem_type() {
        CGROUP_SUPER_MAGIC => Some(Version::One),
        CGROUP2_SUPER_MAGIC => Some(Version::Two),
        _ => None,
    }
}

/// Controllers and path of each line of `/proc/self/cgroup`; no controllers for version 2.
pub(super) fn own(text: &str) -> impl Iterator<Item = (Vec<String>, PathBuf)> + '_ {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let names = parts.next()?.split(',').filter(|name| !name.is_empty());
        Some((names.map(str::to_owned).collect(), parts.next()?.into()))
    })
}

/// Where distributions mount it: by all its controllers, or by one of them, which may be a link to the first.
fn usual(root: &Path, controllers: &[String]) -> Option<PathBuf> {
    let joined = controllers.join(",");
    let name = joined.strip_prefix(NAMED).unwrap_or(&joined);
    let whole = root.join(name);
    if controllers.len() < 2 || whole.exists() {
        return Some(whole);
    }
    root.join(&controllers[0]).canonicalize().ok()
}

/// The mount point of the hierarchy with these controllers in the list of mounts.
fn mounted(mounts: &str, controllers: &[String]) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        if right.next()? != "cgroup" {
            return None;
        }
        let options = right.nth(1)?;
        let has = |name: &String| options.split(',').any(|option| option == name);
        let point = left.split(' ').nth(4)?;
        controllers.iter().all(has).then(|| plain(point))
    })
}

/// The part of each hierarchy that is mounted, by its mount point: `/` unless this is a container without a namespace
/// of cgroups.
pub(super) fn shown(layout: &Layout) -> io::Result<Vec<PathBuf>> {
    let mounts = std::fs::read_to_string(MOUNTS)?;
    let root_of = |hierarchy: &Hierarchy| {
        let fields = mounts.lines().map(|line| line.split(' '));
        let mut found = fields
            .filter_map(|mut fields| Some((plain(fields.nth(3)?), plain(fields.next()?))))
            .filter(|(_, point)| *point == hierarchy.mount);
        // The last one covers the others.
        found
            .next_back()
            .map_or_else(|| PathBuf::from("/"), |(root, _)| root)
    };
    Ok(layout.0.iter().map(root_of).collect())
}

/// A path as `mountinfo` writes it: a space is `\040`.
fn plain(word: &str) -> PathBuf {
    let mut text = word.to_owned();
    for (written, meant) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        text = text.replace(written, meant);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn the_lines_of_a_process_name_controllers_and_a_path() {
        let text = "9:name=systemd:/\n4:cpu,cpuacct:/a:b/c\n0::/x\n";
        let found: Vec<_> = own(text).collect();
        assert_eq!(found[0], (names("name=systemd"), PathBuf::from("/")));
        assert_eq!(found[1], (names("cpu,cpuacct"), PathBuf::from("/a:b/c")));
        assert_eq!(found[2], (Vec::new(), PathBuf::from("/x")));
    }

    #[test]
    fn a_hierarchy_at_an_unusual_place_is_found_among_the_mounts() {
        let text = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                    35 31 0:32 / /c\\040g/mem rw,relatime shared:4 - cgroup cgroup rw,memory\n\
                    40 31 0:37 / /cg/sd rw - cgroup cgroup rw,xattr,name=systemd\n\
                    41 31 0:38 / /cg/u rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            mounted(text, &names("memory")),
            Some(PathBuf::from("/c g/mem"))
        );
        assert_eq!(
            mounted(text, &names("name=systemd")),
            Some(PathBuf::from("/cg/sd"))
        );
        assert_eq!(mounted(text, &names("pids")), None);
    }

    #[test]
    fn a_shared_hierarchy_is_found_by_its_name_or_by_a_link() {
        let root = tempfile::tempdir().unwrap();
        let both = names("cpu,cpuacct");
        std::fs::create_dir(root.path().join("cpuacct,cpu")).unwrap();
        std::os::unix::fs::symlink("cpuacct,cpu", root.path().join("cpu")).unwrap();
        let real = root.path().canonicalize().unwrap();
        assert_eq!(usual(&real, &both), Some(real.join("cpuacct,cpu")));
        std::fs::create_dir(root.path().join("cpu,cpuacct")).unwrap();
        assert_eq!(usual(&real, &both), Some(real.join("cpu,cpuacct")));
        assert_eq!(
            usual(&real, &names("name=systemd")),
            Some(real.join("systemd"))
        );
    }
}
