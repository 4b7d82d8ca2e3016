//! Without the right to, or on a read-only file system, one sentence says so.

use std::path::Path;

use nemoclaw_runtime::sys::fork;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, setuid};
use serde_json::json;

use crate::harness::{at, group, resources};

/// What `work` says in a process of its own, which may give up rights.
fn apart(work: impl FnOnce() -> Result<(), String>) -> String {
    let answer = fork::answer_of(|| work().err().unwrap_or_default().into_bytes());
    String::from_utf8(answer.expect("an answer")).expect("text")
}

#[test]
fn who_is_not_root_is_told_what_it_takes() {
    let Some(group) = group() else { return };
    let inner = at(&format!("/{}/box/inner", group.name));
    let said = apart(|| {
        setuid(Uid::from_raw(65534)).map_err(|error| error.to_string())?;
        inner.make().map_err(|error| error.to_string())
    });
    assert!(
        said.starts_with("cannot make the cgroup `/sys/fs/cgroup/"),
        "{said}"
    );
    assert!(said.contains("this takes root"), "{said}");
    let said = apart(|| {
        setuid(Uid::from_raw(65534)).map_err(|error| error.to_string())?;
        let wanted = resources(json!({ "pids": { "limit": 5 } }));
        group
            .cgroup
            .limit(&wanted)
            .map_err(|error| error.to_string())
    });
    assert!(
        said.starts_with("cannot set `pids.max` of container \"a\" to 5"),
        "{said}"
    );
    assert!(said.contains("this takes root"), "{said}");
}

#[test]
fn a_read_only_hierarchy_is_named_and_one_that_is_there_already_is_used() {
    let Some(group) = group() else { return };
    let inner = at(&format!("/{}/box/inner", group.name));
    let mounts: Vec<_> = group
        .directories()
        .into_iter()
        .filter_map(|path| path.ancestors().nth(2).map(Path::to_path_buf))
        .collect();
    let said = apart(|| {
        let plain = |error: nix::errno::Errno| error.to_string();
        unshare(CloneFlags::CLONE_NEWNS).map_err(plain)?;
        let none = None::<&str>;
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(none, "/", none, private, none).map_err(plain)?;
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        for path in &mounts {
            mount(none, path, none, read_only, none).map_err(plain)?;
        }
        if let Err(error) = at(&format!("/{}/box", group.name)).make() {
            return Err(format!("a second time: {error}"));
        }
        inner.make().map_err(|error| error.to_string())
    });
    assert!(
        said.starts_with("cannot make the cgroup `/sys/fs/cgroup/"),
        "{said}"
    );
    assert!(said.contains("mounted read-only"), "{said}");
}
