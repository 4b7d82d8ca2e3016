//! What holds in `run` holds in `exec`.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::{id, node};

const PROBE: &str =
    "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; echo fds: $(echo /proc/self/fd/*)";
const WALLS: &str = "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
                     CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";

#[test]
fn an_execed_process_stands_behind_the_same_walls_as_the_first() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config(PROBE, |_| {});
    let first = node.run(&box_id);
    assert!(first.out.starts_with(WALLS), "{}{}", first.out, first.err);
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    let later = node.call(&["exec", &box_id, "sh", "-c", PROBE]);
    assert_eq!(later.out, first.out, "{}", later.err);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn capabilities_in_a_process_json_are_replaced() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    let all = json!(["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_MKNOD"]);
    let process = json!({
        "user": { "uid": 0, "gid": 0 }, "cwd": "/", "env": ["PATH=/bin"], "args": ["sh", "-c", PROBE],
        "noNewPrivileges": false,
        "capabilities": { "bounding": all, "effective": all, "permitted": all, "inheritable": all, "ambient": all }
    });
    let file = node.path().join("process.json");
    fs::write(&file, process.to_string()).expect("process.json");
    let said = node.call(&["exec", "--process", file.to_str().expect("path"), &box_id]);
    assert!(said.out.starts_with(WALLS), "{}{}", said.out, said.err);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

#[test]
fn only_sandbox_and_tmp_can_be_written_and_volumes_elsewhere_cannot() {
    let Some(node) = node() else { return };
    let box_id = id();
    let data = node.path().join("data-volume");
    fs::create_dir(&data).expect("volume");
    fs::write(data.join("file"), "x").expect("file");
    let mount = json!({ "destination": "/data", "type": "bind", "source": data, "options": ["rbind", "rw"] });
    let script = "for path in /x /etc/x /data/x /bin/x /dev/x; do touch $path 2>/dev/null && echo wrote $path; done; \
                  chmod 4755 /data/file 2>/dev/null && echo chmod; echo more 2>/dev/null >> /data/file && echo appended; \
                  touch /sandbox/x /tmp/x && echo fine; chmod 4755 /sandbox/x 2>/dev/null && echo setuid";
    node.config(script, |config| {
        config["mounts"].as_array_mut().expect("mounts").push(mount)
    });
    let said = node.run(&box_id);
    assert_eq!(said.out, "fine\n", "{}", said.err);
    assert_eq!(fs::read_to_string(data.join("file")).expect("file"), "x");
}

#[test]
fn an_exec_after_a_writable_path_was_exchanged_for_a_link_is_refused() {
    let Some(node) = node() else { return };
    let box_id = id();
    let policy = "version: 1\nfilesystem_policy:\n  include_workdir: false\n  read_only: [/]\n  read_write: [/sandbox/work, /tmp]\n";
    fs::write(node.path().join("policies/work.yaml"), policy).expect("policy");
    let node = node.under("work");
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    assert_eq!(
        node.call(&["exec", &box_id, "touch", "/sandbox/work/a"])
            .code,
        0
    );
    let work = node.rootfs().join("sandbox/work");
    fs::rename(&work, node.rootfs().join("sandbox/old")).expect("rename");
    symlink("/etc", &work).expect("link");
    let said = node.call(&["exec", &box_id, "true"]);
    assert_eq!(said.code, 255);
    assert!(
        said.err.contains("/sandbox/work` was exchanged"),
        "{}",
        said.err
    );
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

#[test]
fn a_link_in_the_image_leads_nobody_to_the_host() {
    let Some(node) = node() else { return };
    let box_id = id();
    let outside = node.path().join("outside");
    fs::create_dir(&outside).expect("directory");
    fs::remove_dir_all(node.rootfs().join("sandbox")).expect("remove");
    symlink(&outside, node.rootfs().join("sandbox")).expect("link");
    node.config("touch /sandbox/x", |_| {});
    let said = node.run(&box_id);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("symbolic link"), "{}", said.err);
    assert_eq!(fs::read_dir(&outside).expect("directory").count(), 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn a_volume_that_the_image_leads_below_a_writable_path_is_refused() {
    let Some(node) = node() else { return };
    let (volume, other) = (node.path().join("volume"), node.path().join("other"));
    std::fs::create_dir_all(volume.join("sub")).expect("directory");
    std::fs::create_dir(&other).expect("directory");
    std::fs::create_dir(node.rootfs().join("sandbox/d")).expect("directory");
    std::os::unix::fs::symlink("/sandbox/d", node.rootfs().join("data")).expect("link");
    let bind = |source: &std::path::Path, destination: &str| serde_json::json!({ "destination": destination, "type": "bind", "source": source, "options": ["rbind"] });
    node.config("touch /data/written", |config| {
        let mounts = config["mounts"].as_array_mut().expect("mounts");
        mounts.extend([bind(&volume, "/data"), bind(&other, "/data/sub")]);
    });
    let said = node.run(&id());
    assert_ne!(said.code, 0);
    assert!(said.err.contains("symbolic link"), "{}", said.err);
    assert!(!volume.join("written").exists());
}

#[test]
fn a_read_only_path_below_a_writable_one_can_be_neither_replaced_nor_made() {
    let Some(node) = node() else { return };
    let policy = "version: 1\nbox: {mode: offline}\nfilesystem_policy:\n  read_only: [/, /sandbox/a/keys]\n  \
                  read_write: [/sandbox, /tmp]\n";
    std::fs::write(node.path().join("policies/nested.yaml"), policy).expect("policy");
    let node = node.under("nested");
    node.config(
        "mv /sandbox/a /sandbox/b; echo x > /sandbox/a/keys/x; echo fine > /sandbox/a/y && cat /sandbox/a/y",
        |_| {},
    );
    let said = node.run(&id());
    assert_eq!(said.out, "fine\n", "{}", said.err);
    assert!(!node.rootfs().join("sandbox/a/keys/x").exists());
    // A volume that lacks the path.
    let volume = node.path().join("volume");
    std::fs::create_dir_all(volume.join("a")).expect("volume");
    node.config("mkdir /sandbox/a/keys", |config| {
        config["mounts"].as_array_mut().expect("mounts").push(
            serde_json::json!({ "destination": "/sandbox", "type": "bind", "source": volume, "options": ["rbind"] }),
        );
    });
    let said = node.run(&id());
    assert!(
        said.err
            .contains("`/sandbox/a/keys` does not exist in the box, where the agent could make it"),
        "{}",
        said.err
    );
}

#[test]
fn a_source_that_is_exchanged_for_a_link_never_shows_what_it_may_not() {
    let Some(node) = node() else { return };
    let (source, link) = (node.path().join("source"), node.path().join("link"));
    std::fs::create_dir(&source).expect("directory");
    symlink(node.path().join("policies"), &link).expect("link");
    std::fs::write(node.path().join("policies/seen"), "").expect("file");
    let bind = json!({ "destination": "/sandbox/v", "type": "bind", "source": source, "options": ["rbind"] });
    node.config("echo /sandbox/v/*", |config| {
        config["mounts"].as_array_mut().expect("mounts").push(bind)
    });
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
                nix::fcntl::renameat2(None, &source, None, &link, flags).expect("exchange");
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        });
        let seen = (0..20).any(|_| node.run(&id()).out.contains("seen"));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(!seen);
    });
}
