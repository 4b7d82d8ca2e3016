//! Mounts: in one form, read-only where the policy says so, ours in place of the engine's.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;

use super::paths::{PathRules, normal, resolved};
use super::{HostFacts, Refusal, sources};

/// Mounts of the kernel that keep their own flags.
pub const KEPT: [&str; 4] = ["/proc", "/dev/pts", "/dev/shm", "/dev/mqueue"];
/// File systems that a box may have mounted, beside binds. No overlay: its options name directories of the host.
const TYPES: [&str; 5] = ["tmpfs", "ramfs", "devpts", "mqueue", "cgroup"];

/// Whether `mount` is a bind mount.
pub fn is_bind(mount: &Mount) -> bool {
    mount.typ().as_deref() == Some("bind") || has_option(mount, &["bind", "rbind"])
}

/// Whether the engine asks for a read-only mount.
pub fn asks_readonly(mount: &Mount) -> bool {
    has_option(mount, &["ro", "rro"])
}

fn has_option(mount: &Mount, names: &[&str]) -> bool {
    mount
        .options()
        .iter()
        .flatten()
        .any(|option| names.contains(&option.as_str()))
}

/// What becomes of `..` in a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dots {
    /// A sandbox's plan compares destinations by their names.
    Refused,
    /// It leads upwards, and never above the box's root.
    Resolved,
}

/// Brings `mount` into one form without changing what it means (also under `unconfined`).
pub fn normalised(mount: &Mount, bundle: &Path, dots: Dots) -> Result<Mount, Refusal> {
    let refused = |why: &str| Refusal::Mount {
        destination: mount.destination().clone(),
        why: why.to_owned(),
    };
    let mut planned = mount.clone();
    planned.set_destination(match dots {
        Dots::Refused => {
            normal(mount.destination()).ok_or_else(|| refused("its destination has `..`"))?
        }
        Dots::Resolved => resolved(mount.destination()),
    });
    match mount.source() {
        Some(source) if is_bind(mount) => drop(planned.set_source(Some(bundle.join(source)))),
        Some(_) => {}
        None if is_bind(mount) => return Err(refused("it is a bind mount without a source")),
        None => drop(
            planned.set_source(Some(
                mount
                    .typ()
                    .clone()
                    .unwrap_or_else(|| "none".to_owned())
                    .into(),
            )),
        ),
    }
    Ok(planned)
}

/// The box's mounts, from normalised ones.
pub fn confined(
    given: Vec<Mount>,
    rules: &PathRules,
    host: &HostFacts,
    remarks: &mut Vec<String>,
) -> Result<Vec<Mount>, Refusal> {
    let destinations: Vec<PathBuf> = given
        .iter()
        .map(|mount| mount.destination().clone())
        .collect();
    let mut planned = Vec::with_capacity(given.len() + 4);
    for mut mount in given {
        check_place(&mount)?;
        if is_bind(&mount) {
            let source = mount.source().clone().unwrap_or_default();
            mount.set_source(Some(sources::check(&source, host)?));
        }
        let destination = mount.destination().clone();
        let mut options = private(mount.options().as_deref().unwrap_or_default());
        if !keeps_flags(&destination) && !rules.mount_writable(&destination) {
            if is_volume(&mount) && !asks_readonly(&mount) {
                let shown = destination.display();
                remarks.push(format!(
                    "the mount on `{shown}` is read-only: the policy does not let it be written"
                ));
            }
            // The walls make it read-only in any case, after mount points inside it could be made; but not on the
            // kernel's places, which keep their flags.
            let below =
                |other: &&PathBuf| **other != destination && other.starts_with(&destination);
            let kernels = ["/proc", "/sys", "/dev"]
                .iter()
                .any(|path| destination.starts_with(path));
            if kernels || !destinations.iter().any(|other| below(&other)) {
                readonly(&mut options, is_bind(&mount));
            }
        }
        if !keeps_flags(&destination) || is_bind(&mount) {
            set(&mut options, "nosuid", &["suid"]);
            set(&mut options, "nodev", &["dev"]);
        }
        mount.set_options(Some(options));
        planned.push(mount);
    }
    Ok(planned)
}

/// Mounts that only the walls make read-only: they must then be where they were asked for, and not where a link of the
/// image has led them.
pub fn left_to_walls(mounts: &[Mount], rules: &PathRules) -> Vec<PathBuf> {
    let left = |mount: &&Mount| {
        let destination = mount.destination();
        !keeps_flags(destination) && !rules.mount_writable(destination) && !asks_readonly(mount)
    };
    mounts
        .iter()
        .filter(left)
        .map(|mount| mount.destination().clone())
        .collect()
}

/// `/dev` and what lies on it, and `/proc`, work only with the flags the engine chose.
fn keeps_flags(destination: &Path) -> bool {
    KEPT.iter().any(|kept| destination == Path::new(kept)) || destination == Path::new("/dev")
}

/// Whether a user asked for the mount, and not the engine for its own sake.
fn is_volume(mount: &Mount) -> bool {
    const ENGINES: [&str; 5] = [
        "/etc/hosts",
        "/etc/hostname",
        "/etc/resolv.conf",
        "/run/.containerenv",
        "/dev/termination-log",
    ];
    let engines = ENGINES
        .iter()
        .any(|file| mount.destination() == Path::new(file));
    !engines && (is_bind(mount) || mount.typ().as_deref() == Some("tmpfs"))
}

/// A box's file systems stand where its walls expect them: masked paths only hold on the usual `/proc` and `/sys`.
fn check_place(mount: &Mount) -> Result<(), Refusal> {
    let destination = mount.destination();
    let refused = |why: String| {
        Err(Refusal::Mount {
            destination: destination.clone(),
            why,
        })
    };
    if destination == Path::new("/") {
        return refused("it would replace the whole file system".to_owned());
    }
    if is_bind(mount) {
        let kernel = ["/proc", "/sys"]
            .iter()
            .any(|path| destination.starts_with(path));
        let devices = ["/dev", "/dev/pts", "/dev/mqueue"]
            .iter()
            .any(|path| destination == Path::new(path));
        return if kernel || devices {
            refused("that place is the kernel's".to_owned())
        } else {
            Ok(())
        };
    }
    match mount.typ().as_deref() {
        Some("proc") if destination == Path::new("/proc") => Ok(()),
        Some("sysfs") if destination == Path::new("/sys") => Ok(()),
        Some("cgroup2") if destination.starts_with("/sys/fs/cgroup") => Ok(()),
        Some("cgroup") if !destination.starts_with("/sys/fs/cgroup") => {
            refused("a cgroup file system belongs on /sys/fs/cgroup".to_owned())
        }
        Some(typ) if TYPES.contains(&typ) => Ok(()),
        Some(typ) => refused(format!(
            "the file system type `{typ}` is not one a sandbox may have there"
        )),
        None => refused("it has neither a type nor the option `bind`".to_owned()),
    }
}

/// Options with every propagation but private removed: what the host mounts later must not appear, writable, in a box.
fn private(options: &[String]) -> Vec<String> {
    const PROPAGATION: [&str; 8] = [
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
        "unbindable",
        "runbindable",
    ];
    let given = options
        .iter()
        .any(|option| PROPAGATION.contains(&option.as_str()));
    let mut out: Vec<String> = options
        .iter()
        .filter(|option| !PROPAGATION.contains(&option.as_str()))
        .cloned()
        .collect();
    if given {
        out.push("rprivate".to_owned());
    }
    out
}

/// Makes the mount read-only, a bind with everything mounted below it.
fn readonly(options: &mut Vec<String>, bind: bool) {
    set(options, "ro", &["rw", "rrw"]);
    if bind {
        set(options, "rro", &[]);
    }
}

/// Puts `flag` in and its opposites out.
fn set(options: &mut Vec<String>, flag: &str, opposites: &[&str]) {
    options.retain(|option| !opposites.contains(&option.as_str()));
    if !options.iter().any(|option| option == flag) {
        options.push(flag.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::super::added::{new, replace_with_file};
    use super::super::{SourceFacts, SourceKind};
    use super::*;
    use nemoclaw_policy::policy::Filesystem;

    fn rules() -> PathRules {
        let filesystem = Filesystem {
            read_only: vec!["/".into()],
            read_write: vec!["/sandbox".into(), "/tmp".into()],
            include_workdir: false,
        };
        PathRules::new(&filesystem, Path::new("/"))
    }

    fn host(source: &str) -> HostFacts {
        let facts = SourceFacts {
            canonical: source.into(),
            kind: SourceKind::Directory,
            uid: 0,
            gid: 0,
            mode: 0o755,
            capacity: None,
        };
        HostFacts {
            sources: [(PathBuf::from(source), facts)].into(),
            ..HostFacts::default()
        }
    }

    fn options_of(mounts: Vec<Mount>) -> Vec<Vec<String>> {
        let planned = confined(mounts, &rules(), &host("/v"), &mut Vec::new()).unwrap();
        planned
            .iter()
            .map(|mount| mount.options().clone().unwrap_or_default())
            .collect()
    }

    fn bind(destination: &str, options: &[&str]) -> Mount {
        new(Path::new(destination), "bind", PathBuf::from("/v"), options)
    }

    #[test]
    fn a_volume_outside_the_writable_paths_becomes_read_only_and_says_so() {
        let mut remarks = Vec::new();
        let planned = confined(
            vec![bind("/data", &["rbind", "rw", "rshared"])],
            &rules(),
            &host("/v"),
            &mut remarks,
        );
        let options = planned.unwrap()[0].options().clone().unwrap();
        assert_eq!(
            options,
            ["rbind", "rprivate", "ro", "rro", "nosuid", "nodev"]
        );
        assert_eq!(remarks.len(), 1);
    }

    #[test]
    fn a_volume_on_a_writable_path_stays_as_asked_but_without_setuid_and_devices() {
        assert_eq!(
            options_of(vec![bind("/sandbox", &["rbind", "dev"])]),
            [["rbind", "nosuid", "nodev"]]
        );
        assert_eq!(
            options_of(vec![bind("/sandbox/x", &["rbind", "ro"])]),
            [["rbind", "ro", "nosuid", "nodev"]]
        );
    }

    #[test]
    fn a_mount_with_mounts_below_is_left_to_the_walls() {
        let options = options_of(vec![
            bind("/data", &["rbind"]),
            bind("/data/sub", &["rbind"]),
        ]);
        assert!(!options[0].contains(&"ro".to_owned()));
        assert!(options[1].contains(&"ro".to_owned()));
    }

    #[test]
    fn kernel_file_systems_elsewhere_are_refused() {
        for (destination, typ) in [
            ("/p", "proc"),
            ("/s", "sysfs"),
            ("/c", "cgroup"),
            ("/d", "ext4"),
            ("/sandbox/o", "overlay"),
            ("/", "tmpfs"),
        ] {
            let mount = new(Path::new(destination), typ, PathBuf::from(typ), &[]);
            assert!(
                confined(vec![mount], &rules(), &host("/v"), &mut Vec::new()).is_err(),
                "{destination}"
            );
        }
        for destination in ["/proc/sys", "/sys/fs/cgroup", "/proc", "/dev", "/dev/pts"] {
            let mounts = vec![bind(destination, &["bind"])];
            assert!(
                confined(mounts, &rules(), &host("/v"), &mut Vec::new()).is_err(),
                "{destination}"
            );
        }
    }

    #[test]
    fn sources_and_destinations_are_brought_into_one_form() {
        let mut mount = new(Path::new("dev//mqueue"), "mqueue", PathBuf::new(), &[]);
        mount.set_source(None);
        let planned = normalised(&mount, Path::new("/b"), Dots::Refused).unwrap();
        assert_eq!(planned.source().as_deref(), Some(Path::new("mqueue")));
        assert_eq!(planned.destination(), Path::new("/dev/mqueue"));
        let mut relative = bind("/data", &["bind"]);
        relative.set_source(Some("files".into()));
        assert_eq!(
            normalised(&relative, Path::new("/b"), Dots::Refused)
                .unwrap()
                .source()
                .as_deref(),
            Some(Path::new("/b/files"))
        );
    }

    #[test]
    fn parents_in_destinations_are_refused() {
        let given = bind("/a/../../proc", &["bind"]);
        assert!(normalised(&given, Path::new("/b"), Dots::Refused).is_err());
        let resolved = normalised(&given, Path::new("/b"), Dots::Resolved).unwrap();
        assert_eq!(resolved.destination(), Path::new("/proc"));
    }

    #[test]
    fn our_files_take_the_place_of_the_engines() {
        let mut mounts = vec![bind("/etc/resolv.conf", &["rbind"])];
        replace_with_file(
            &mut mounts,
            Path::new("/etc/resolv.conf"),
            "/run/nemoclaw/boxes/a/resolv.conf".into(),
        );
        assert_eq!(mounts.len(), 1);
        assert!(asks_readonly(&mounts[0]));
    }
}
