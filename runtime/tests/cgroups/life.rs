//! Made, joined, frozen, signalled, emptied, removed.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use nemoclaw_runtime::cgroup::{Cgroup, CgroupPlace};
use nemoclaw_runtime::state::ProcessId;
use nix::unistd::Pid;

use crate::harness::{at, command, group, pid, version_2};

/// The cgroups of a process by hierarchy.
fn cgroups(pid: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("a process");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_process_that_joins_is_in_every_hierarchy() {
    let Some(group) = group() else { return };
    let mut child = group.sleeper();
    assert_eq!(group.cgroup.pids(), [Pid::from_raw(pid(&child))]);
    let ours = format!(":/{}/box", group.name);
    for line in cgroups(pid(&child)) {
        // Beside version 1, version 2 is joined for a limit only.
        let expected = version_2() || !line.starts_with("0::");
        assert_eq!(line.ends_with(&ours), expected, "{line}");
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(group.cgroup.pids().is_empty());
}

#[test]
fn a_process_may_enter_by_itself_and_its_children_are_in_it_too() {
    let Some(group) = group() else { return };
    let ours = format!(":/{}/box", group.name);
    let said = group.inside(|| {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut child = command("cat /proc/self/cgroup >/dev/null; sleep 1");
        let childs = fs::read_to_string(format!("/proc/{}/cgroup", child.id()));
        child.kill().ok();
        child.wait().ok();
        format!("{own}--\n{}", childs.unwrap_or_default())
    });
    let (own, childs) = said.split_once("--\n").expect("both");
    assert_eq!(own, childs);
    let hierarchies = own
        .lines()
        .filter(|line| version_2() || !line.starts_with("0::"));
    let outside: Vec<_> = hierarchies.filter(|line| !line.ends_with(&ours)).collect();
    assert!(outside.is_empty() && !own.is_empty(), "{said}");
}

#[test]
fn a_cgroup_is_made_twice_and_removed_twice() {
    let Some(group) = group() else { return };
    group.cgroup.make().expect("again");
    let cgroup = at(&format!("/{}/other/deep/box", group.name));
    cgroup.make().expect("made with those above");
    cgroup.remove().expect("removed");
    cgroup.remove().expect("nothing there");
    assert!(cgroup.pids().is_empty());
    for above in ["other/deep", "other"] {
        at(&format!("/{}/{above}", group.name))
            .remove()
            .expect("removed");
    }
}

#[test]
fn a_box_below_another_is_a_part_of_it() {
    let Some(group) = group() else { return };
    let inner = at(&format!("/{}/box/inner", group.name));
    inner.make().expect("made");
    let mut child = command("exec sleep 60");
    inner.join(Pid::from_raw(pid(&child))).expect("joined");
    assert_eq!(group.cgroup.pids(), inner.pids());
    group.cgroup.empty().expect("emptied");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
    // The inner one is removed with the outer one.
}

#[test]
fn a_frozen_box_stands_still_until_it_is_thawed_or_killed() {
    let Some(group) = group() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ticks");
    let script = format!("while :; do echo >> {}; sleep 0.01; done", file.display());
    let mut child = command(&script);
    group
        .cgroup
        .join(Pid::from_raw(pid(&child)))
        .expect("joined");
    let ticks = || fs::metadata(&file).map_or(0, |found| found.len());
    let moves = || {
        let before = ticks();
        (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            ticks() > before
        })
    };
    assert!(moves());
    assert!(!group.cgroup.is_frozen());
    group.cgroup.freeze().expect("frozen");
    assert!(group.cgroup.is_frozen());
    let before = ticks();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ticks(), before);
    group.cgroup.signal_all(libc::SIGCONT).expect("sent");
    assert!(group.cgroup.is_frozen(), "a signal thaws nobody");
    group.cgroup.thaw().expect("thawed");
    assert!(moves());
    group.cgroup.freeze().expect("frozen again");
    group.cgroup.empty().expect("emptied");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
}

#[test]
fn nobody_escapes_by_forking() {
    let Some(group) = group() else { return };
    let mut child = command("sleep 0.3; while :; do sleep 60 & done");
    group.limit(serde_json::json!({ "pids": { "limit": 60 } }));
    group
        .cgroup
        .join(Pid::from_raw(pid(&child)))
        .expect("joined");
    while group.cgroup.pids().len() < 20 {
        std::thread::sleep(Duration::from_millis(5));
    }
    group.cgroup.signal_all(libc::SIGKILL).expect("killed");
    child.wait().expect("ended");
    group.cgroup.empty().expect("emptied");
    assert!(group.cgroup.pids().is_empty());
}

#[test]
fn a_view_shows_the_boxs_own_part_of_each_hierarchy() {
    let Some(group) = group() else { return };
    let views = group.cgroup.views();
    let names: BTreeSet<_> = views.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names.len(), views.len());
    for view in &views {
        let ours = Path::new(&group.name).join("box");
        assert!(view.directory.ends_with(ours), "{view:?}");
        assert!(view.directory.join("cgroup.procs").exists(), "{view:?}");
    }
    if version_2() {
        assert_eq!(names, BTreeSet::from([""]));
    } else {
        assert!(names.contains("memory") && !names.contains("unified"));
        let shared = views.iter().filter(|view| view.name.contains(','));
        assert!(shared.into_iter().all(|view| view.aliases.len() > 1));
    }
}

#[test]
fn only_version_2_alone_can_be_cloned_into() {
    let Some(group) = group() else { return };
    let opened = group.cgroup.open_for_clone().expect("opened");
    assert_eq!(opened.is_some(), version_2());
}

#[test]
fn a_box_that_has_cgroups_of_its_own_is_joined_where_its_first_process_lives() {
    let Some(group) = group().filter(|_| version_2()) else {
        return;
    };
    let inner = at(&format!("/{}/box/inner", group.name));
    inner.make().expect("made");
    let mut init = command("exec sleep 60");
    let pid_of_init = pid(&init);
    inner.join(Pid::from_raw(pid_of_init)).expect("joined");
    let handed = &group.directories()[0].join("cgroup.subtree_control");
    fs::write(handed, "+pids").expect("handed down");
    let mut child = command("exec sleep 60");
    let cgroup = at(&format!("/{}/box", group.name));
    let pid_of_child = Pid::from_raw(pid(&child));
    assert!(cgroup.join(pid_of_child).is_err(), "nobody may live there");
    let cgroup = cgroup.with_init(ProcessId::of(pid_of_init));
    cgroup.join(pid_of_child).expect("joined");
    assert_eq!(cgroups(pid(&child)), cgroups(pid_of_init));
    let opened = cgroup.open_for_clone().expect("opened").expect("version 2");
    let path = fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    assert!(path.expect("a path").ends_with("box/inner"));
    group.cgroup.empty().expect("emptied");
    for process in [&mut init, &mut child] {
        assert_eq!(process.wait().expect("ended").signal(), Some(9));
    }
}

#[test]
fn a_cgroup_that_was_left_frozen_is_made_anew_as_one_that_runs() {
    let Some(group) = group() else { return };
    group.cgroup.freeze().expect("frozen");
    group.cgroup.make().expect("made");
    assert!(!group.cgroup.is_frozen());
}

#[test]
fn a_relative_path_is_near_this_processs_own_cgroup() {
    let Some(group) = group() else { return };
    let name = format!("{}-relative", group.name);
    let place = CgroupPlace::new(name.clone().into(), false).expect("a place");
    let cgroup = Cgroup::at("a", &place).expect("cgroups");
    cgroup.make().expect("made");
    let own = fs::read_to_string("/proc/self/cgroup").expect("own cgroups");
    for view in cgroup.views() {
        let line = own.lines().find(|line| {
            let key = line.split(':').nth(1).unwrap_or_default();
            key.trim_start_matches("name=") == view.name
        });
        let path = line
            .and_then(|line| line.splitn(3, ':').nth(2))
            .expect("a line");
        let near = match version_2() {
            true => Path::new(path).parent().unwrap_or(Path::new("/")),
            false => Path::new(path),
        };
        let expected = near.join(&name);
        let expected = expected.strip_prefix("/").expect("absolute");
        assert!(view.directory.ends_with(expected), "{view:?} {path}");
    }
    cgroup.remove().expect("removed");
}

#[test]
fn without_systemd_a_unit_is_refused_with_a_sentence() {
    if Path::new("/run/systemd/system").exists() {
        return;
    }
    let place = CgroupPlace::new("system.slice:nemoclaw:a".into(), true).expect("a place");
    let error = Cgroup::at("a", &place).expect_err("a refusal").to_string();
    assert!(error.contains("leave out --systemd-cgroup"), "{error}");
}
