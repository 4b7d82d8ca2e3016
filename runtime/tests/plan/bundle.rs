//! What is written to disk, and that nothing stays behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nemoclaw_policy::handover::Handover;
use nemoclaw_runtime::bundle::{self, BundleError, rootfs};
use nemoclaw_runtime::plan::{NewDirectory, PathKind, Plan};
use tempfile::TempDir;

use super::World;

/// A directory with an engine's bundle, an image in it, and a place for state.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("bundle/rootfs/etc/ssl/certs")).unwrap();
        fs::write(dir.path().join("bundle/config.json"), "{}").unwrap();
        fs::write(dir.path().join("bundle/other"), "x").unwrap();
        fs::write(
            dir.path()
                .join("bundle/rootfs/etc/ssl/certs/ca-certificates.crt"),
            "IMAGE CA",
        )
        .unwrap();
        Place { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn plan(&self) -> Plan {
        let mut plan = World::of("docker20-bridge").plan().unwrap();
        let mut root = plan.spec.root().clone().unwrap();
        root.set_path(self.path("bundle/rootfs"));
        plan.spec.set_root(Some(root));
        let meta = fs::metadata(self.dir.path()).unwrap();
        for directory in &mut plan.directories {
            (directory.uid, directory.gid) = (meta.uid(), meta.gid());
        }
        plan
    }

    fn box_dir(&self) -> PathBuf {
        bundle::box_dir(&self.path("state"), "box1").unwrap()
    }

    fn write(&self, plan: &Plan) -> Result<bundle::Bundle, BundleError> {
        bundle::write(plan, &self.box_dir())
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_state_directory_holds_what_the_hook_and_the_mounts_need() {
    let place = Place::new();
    let plan = place.plan();
    let written = place.write(&plan).unwrap();
    let dir = place.box_dir();
    assert_eq!((mode(&dir), written.dir.as_path()), (0o711, dir.as_path()));
    assert_eq!(
        fs::read_to_string(dir.join("resolv.conf")).unwrap(),
        "nameserver 198.18.0.53\n"
    );
    assert_eq!(
        fs::read_to_string(dir.join("ca-bundle.pem")).unwrap(),
        "IMAGE CA\n"
    );
    assert_eq!(
        (
            mode(&dir.join("ca-bundle.pem")),
            mode(&dir.join("resolv.conf"))
        ),
        (0o444, 0o444)
    );
    let handover: Handover =
        serde_json::from_slice(&fs::read(dir.join("egress.json")).unwrap()).unwrap();
    assert_eq!(Some(handover), plan.handover);
    assert_eq!(
        fs::read_to_string(place.path("bundle/config.json")).unwrap(),
        "{}"
    );
    assert!(place.path("bundle/rootfs/sandbox/.policy").is_dir());
}

#[test]
fn undoing_leaves_nothing() {
    let place = Place::new();
    place.write(&place.plan()).unwrap().undo().unwrap();
    assert!(!place.box_dir().exists());
    assert!(!place.path("bundle/rootfs/sandbox").exists());
}

#[test]
fn a_failing_step_leaves_nothing() {
    let place = Place::new();
    let mut plan = place.plan();
    plan.directories.push(NewDirectory {
        path: "/etc/ssl/certs/ca-certificates.crt/x".into(),
        uid: 0,
        gid: 0,
    });
    assert!(place.write(&plan).is_err());
    assert!(!place.box_dir().exists());
    assert!(!place.path("bundle/rootfs/sandbox").exists());
}

#[test]
fn directories_are_never_made_through_a_link() {
    let place = Place::new();
    fs::create_dir(place.path("outside")).unwrap();
    symlink(place.path("outside"), place.path("bundle/rootfs/sandbox")).unwrap();
    assert!(place.write(&place.plan()).is_err());
    assert_eq!(fs::read_dir(place.path("outside")).unwrap().count(), 0);
}

#[test]
fn removing_twice_is_fine() {
    let place = Place::new();
    let kept = place.write(&place.plan()).unwrap();
    bundle::remove(&kept.dir).unwrap();
    bundle::remove(&kept.dir).unwrap();
    assert!(!kept.dir.exists());
}

#[test]
fn a_name_is_one_plain_file_name() {
    for name in ["", ".", "..", "a/b", "/a", "a/"] {
        assert!(
            bundle::box_dir(Path::new("/run/nemoclaw"), name).is_err(),
            "{name}"
        );
    }
}

#[test]
fn an_image_is_looked_at_without_following_its_links_out() {
    let place = Place::new();
    let root = place.path("bundle/rootfs");
    fs::write(place.path("secret"), "HOST").unwrap();
    symlink(place.path("secret"), root.join("etc/passwd")).unwrap();
    symlink(
        "/etc/ssl/certs/ca-certificates.crt",
        root.join("etc/ssl/cert.pem"),
    )
    .unwrap();
    symlink("/tmp", root.join("sandbox")).unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\nsandbox:x:42:\n").unwrap();
    fs::create_dir(root.join("tmp")).unwrap();
    let paths: BTreeSet<PathBuf> = [
        "/tmp",
        "/sandbox",
        "/sandbox/x",
        "/none",
        "/etc/group",
        "/etc/group/x",
    ]
    .iter()
    .map(PathBuf::from)
    .collect();
    let facts = rootfs::probe(&root, &paths).unwrap();
    let kind = |path: &str| facts.kind(Path::new(path));
    assert_eq!(kind("/tmp"), PathKind::Directory);
    assert_eq!(kind("/sandbox"), PathKind::Symlink);
    assert_eq!(kind("/sandbox/x"), PathKind::Symlink);
    assert_eq!(kind("/none"), PathKind::Missing);
    assert_eq!(kind("/etc/group"), PathKind::File);
    assert_eq!(kind("/etc/group/x"), PathKind::Other);
    assert!(facts.accounts.is_empty());
    assert_eq!(facts.sandbox_group, Some(42));
    // Two names of one file are one bundle.
    assert_eq!(
        facts.ca_bundles,
        [PathBuf::from("/etc/ssl/certs/ca-certificates.crt")]
    );
}

#[test]
fn what_is_no_ordinary_file_of_ordinary_size_is_no_ca_bundle() {
    let place = Place::new();
    let bundle = place.path("bundle/rootfs/etc/ssl/certs/ca-certificates.crt");
    let found = || {
        rootfs::probe(&place.path("bundle/rootfs"), &BTreeSet::new())
            .unwrap()
            .ca_bundles
    };
    assert_eq!(found().len(), 1);
    fs::OpenOptions::new()
        .write(true)
        .open(&bundle)
        .unwrap()
        .set_len((4 << 20) + 1)
        .unwrap();
    assert!(found().is_empty());
    fs::remove_file(&bundle).unwrap();
    nix::unistd::mkfifo(&bundle, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(found().is_empty());
}

#[test]
fn a_joined_sandboxs_ca_follows_the_images_own_bundle() {
    let place = Place::new();
    let guard = place.path("state/boxes/pod1");
    fs::create_dir_all(&guard).unwrap();
    fs::write(guard.join("ca-bundle.pem"), "ROUTER CA\n").unwrap();
    let mut plan = place.plan();
    if let Some(trust) = &mut plan.trust {
        trust.joined_box = Some(guard);
    }
    place.write(&plan).unwrap();
    assert_eq!(
        fs::read_to_string(place.box_dir().join("ca-bundle.pem")).unwrap(),
        "IMAGE CA\nROUTER CA\n"
    );
}
