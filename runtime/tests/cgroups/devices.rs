//! Which devices a process of the box can open: asked of the kernel, whichever version enforces it.

use std::fs::OpenOptions;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::json;

use crate::harness::{Group, group, resources};

/// What every Linux has, and no box by itself: character 1:11.
const KMSG: (u64, u64) = (1, 11);

/// Which of reading and writing a device is refused inside; the device is made inside too.
fn refused(group: &Group, (major, minor): (u64, u64)) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("device");
    group.inside(|| {
        let made = mknod(&path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(major, minor));
        if let Err(error) = made {
            return format!("mknod {error}");
        }
        let mut said = String::new();
        for (name, read, write) in [("r", true, false), ("w", false, true), ("+", true, true)] {
            if !opens(&path, read, write) {
                said.push_str(name);
            }
        }
        said
    })
}

fn opens(path: &Path, read: bool, write: bool) -> bool {
    OpenOptions::new()
        .read(read)
        .write(write)
        .open(path)
        .is_ok()
}

#[test]
fn without_rules_the_devices_stay_as_they_are_and_a_refusal_of_all_leaves_those_of_every_box() {
    let Some(group) = group() else { return };
    group.limit(json!({ "devices": [] }));
    assert_eq!(refused(&group, KMSG), "", "not limited");
    group.limit(json!({ "devices": [{ "allow": false, "access": "rwm" }] }));
    assert_eq!(refused(&group, KMSG), "rw+");
    for usual in [(1, 3), (1, 5), (1, 9)] {
        assert_eq!(refused(&group, usual), "", "{usual:?}");
    }
}

#[test]
fn the_last_rule_that_names_an_access_decides_on_it() {
    let Some(group) = group() else { return };
    let none = json!({ "allow": false, "access": "rwm" });
    let kmsg = |allow: bool, access: &str| json!({ "allow": allow, "type": "c", "major": 1, "minor": 11, "access": access });
    for (rules, expected) in [
        (vec![none.clone()], "rw+"),
        (vec![none.clone(), kmsg(true, "r")], "w+"),
        (vec![none.clone(), kmsg(true, "r"), kmsg(true, "w")], ""),
        (vec![none.clone(), kmsg(true, "rw"), kmsg(false, "w")], "w+"),
        (vec![kmsg(true, "rw"), none.clone()], "rw+"),
        (vec![json!({ "allow": true, "access": "rwm" })], ""),
        (
            vec![json!({ "allow": true, "access": "rwm" }), kmsg(false, "r")],
            "r+",
        ),
        (
            vec![
                none,
                json!({ "allow": true, "type": "c", "major": 1, "access": "rw" }),
            ],
            "",
        ),
    ] {
        // Each replaces the rules before it.
        group.limit(json!({ "devices": rules }));
        assert_eq!(refused(&group, KMSG), expected, "{rules:?}");
    }
}

#[test]
fn a_change_of_other_limits_leaves_the_devices() {
    let Some(group) = group() else { return };
    group.limit(json!({ "devices": [{ "allow": false, "access": "rwm" }] }));
    for changed in [
        json!({ "pids": { "limit": 20 } }),
        json!({ "devices": [], "pids": { "limit": 20 } }),
    ] {
        group.cgroup.change(&resources(changed)).expect("changed");
        assert_eq!(refused(&group, KMSG), "rw+");
    }
    let opened = json!({ "devices": [{ "allow": true, "access": "rwm" }] });
    group.cgroup.change(&resources(opened)).expect("changed");
    assert_eq!(refused(&group, KMSG), "");
}

#[test]
fn a_rule_that_means_nothing_leaves_the_box_without_a_change() {
    let Some(group) = group() else { return };
    let said = group.refused(json!({ "devices": [{ "allow": true, "type": "c", "access": "" }] }));
    assert!(said.contains("cannot limit the devices"), "{said}");
}
