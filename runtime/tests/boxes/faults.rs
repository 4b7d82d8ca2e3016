//! Damaged state, a full disk and monstrous configurations: one sentence at once, and nothing half-made.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::harness::{Node, id, node};

/// How long a refusal may take, on a machine that does other things beside.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// How much memory a call may need, in KiB.
const MEMORY_LIMIT: i64 = 100 << 10;

/// The call fails with one sentence, which has `words`, within the limits of time and memory.
fn refused(node: &Node, args: &[&str], words: &str) {
    let begun = Instant::now();
    let told = node.errors().len();
    let said = node.call(args);
    let passed = begun.elapsed();
    let errors = node.errors().split_off(told);
    assert!(matches!(said.code, 1 | 255), "{args:?}: {}", said.code);
    assert_eq!(errors.len(), 1, "{args:?}: {errors:?}");
    assert!(errors[0].contains(words), "{args:?}: {}", errors[0]);
    assert!(passed < TIME_LIMIT, "{args:?}: {passed:?}");
    // The most that any call of this test's has needed.
    let needed = getrusage(UsageWho::RUSAGE_CHILDREN)
        .expect("usage")
        .max_rss();
    assert!(needed < MEMORY_LIMIT, "{args:?}: {needed} KiB");
}

fn create_is_refused(node: &Node, words: &str) {
    let box_id = id();
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    refused(node, &["create", "--bundle", bundle, &box_id], words);
    node.assert_nothing_left(&box_id);
    let left = fs::read_dir(node.path().join("state/boxes"));
    assert_eq!(left.into_iter().flatten().count(), 0);
}

#[test]
fn a_configuration_that_is_no_file_is_refused_at_once() {
    let Some(node) = node() else { return };
    let path = node.bundle().join("config.json");
    create_is_refused(&node, "No such file");
    fs::create_dir(&path).expect("directory");
    create_is_refused(&node, "it is a directory");
    fs::remove_dir(&path).expect("removed");
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("fifo");
    create_is_refused(&node, "it is a fifo");
    fs::remove_file(&path).expect("removed");
    let socket = UnixListener::bind(&path).expect("socket");
    create_is_refused(&node, "cannot read");
    drop(socket);
    fs::remove_file(&path).expect("removed");
    symlink("config.json", &path).expect("link");
    create_is_refused(&node, "symbolic link");
    fs::remove_file(&path).expect("removed");
    symlink("/dev/zero", &path).expect("link");
    create_is_refused(&node, "it is a device");
}

#[test]
fn a_monstrous_configuration_is_refused_at_once() {
    let Some(node) = node() else { return };
    let path = node.bundle().join("config.json");
    let mut file = fs::File::create(&path).expect("file");
    for _ in 0..64 {
        file.write_all(&vec![b' '; 1 << 20]).expect("written");
    }
    create_is_refused(&node, "it is longer than 4 MiB");
    node.config("exit 0", |config| {
        let one = json!({ "destination": "/tmp/x", "type": "tmpfs", "source": "tmpfs" });
        config["mounts"] = Value::Array(vec![one; 10_000]);
    });
    create_is_refused(&node, "has 10000 mounts");
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        let text = format!("{{\"ociVersion\":\"1.0.2\",\"mounts\":{deep}}}");
        fs::write(&path, text).expect("written");
        create_is_refused(&node, "cannot read");
    }
    node.config("exit 0", |config| {
        config["process"]["env"] = Value::Array(vec![json!(""); 1_000_000]);
    });
    // That long, but no longer than a configuration can be: it works, in as little memory.
    let box_id = id();
    let said = node.create(&box_id);
    assert_eq!(said.code, 0, "{}", said.err);
    let needed = getrusage(UsageWho::RUSAGE_CHILDREN)
        .expect("usage")
        .max_rss();
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
    assert!(needed < 2 * MEMORY_LIMIT, "{needed} KiB");
    node.config("exit 0", |_| {});
    let said = node.run(&id());
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn a_configuration_cut_off_anywhere_is_refused() {
    let Some(node) = node() else { return };
    node.config("exit 0", |_| {});
    let path = node.bundle().join("config.json");
    let whole = fs::read(&path).expect("config");
    for length in (0..whole.len()).step_by(whole.len() / 40) {
        fs::write(&path, &whole[..length]).expect("written");
        create_is_refused(&node, "cannot read");
    }
    fs::write(&path, [0xff; 4096]).expect("written");
    create_is_refused(&node, "cannot read");
}

/// A box is up; its file `name` is damaged, and then it is as it was.
fn damaged(name: &str, verbs: &[&[&str]]) {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("exec sleep 600", |_| {});
    node.up(&box_id);
    let path = node.path().join("state/boxes").join(&box_id).join(name);
    let whole = fs::read(&path).expect("state");
    let check = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        for verb in verbs {
            let args: Vec<&str> = verb
                .iter()
                .map(|word| {
                    if *word == "ID" {
                        box_id.as_str()
                    } else {
                        *word
                    }
                })
                .collect();
            refused(&node, &args, &format!("{box_id}/{name}"));
        }
        // It never hides the others, nor is it in their way.
        assert_eq!(node.call(&["list", "--quiet"]).code, 0);
    };
    for length in (0..whole.len()).step_by(whole.len() / 8) {
        check(&whole[..length]);
    }
    check(&[0; 4096]);
    check(b"[[[[");
    let value: Value = serde_json::from_slice(&whole).expect("JSON");
    for place in places(&value) {
        let mut other = value.clone();
        let field = other.pointer_mut(&place).expect("a field");
        // An empty box of another shape, which no field of ours can be.
        *field = json!({ "no": { "such": "thing" } });
        if field_is_a_map(&place) {
            *field = json!(7);
        }
        check(other.to_string().as_bytes());
    }
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("directory");
    check_directory(&node, &box_id, verbs);
    fs::remove_dir(&path).expect("removed");
    fs::write(&path, &whole).expect("written");
    assert_eq!(node.call(&["exec", &box_id, "true"]).code, 0);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

fn check_directory(node: &Node, box_id: &str, verbs: &[&[&str]]) {
    for verb in verbs {
        let args: Vec<&str> = verb
            .iter()
            .map(|word| if *word == "ID" { box_id } else { *word })
            .collect();
        refused(node, &args, "it is a directory");
    }
}

/// Where each field of an object of ours is, two levels deep.
fn places(value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (name, inner) in value.as_object().expect("an object") {
        all.push(format!("/{name}"));
        let inner = inner
            .as_object()
            .filter(|_| !field_is_a_map(&format!("/{name}")));
        // The engine's own process is not of our making.
        let inner = inner.filter(|_| name != "process").into_iter().flatten();
        all.extend(inner.map(|(below, _)| format!("/{name}/{below}")));
    }
    all
}

/// Fields that hold whatever names there are, or leave out what they do not know.
fn field_is_a_map(place: &str) -> bool {
    matches!(place, "/annotations" | "/process" | "/cgroup/directories")
}

#[test]
fn a_box_with_a_damaged_state_says_which_file() {
    damaged(
        "state.json",
        &[
            &["state", "ID"],
            &["start", "ID"],
            &["exec", "ID", "true"],
            &["delete", "--force", "ID"],
        ],
    );
}

#[test]
fn an_exec_never_runs_behind_walls_that_cannot_be_read() {
    damaged("walls.json", &[&["exec", "ID", "true"]]);
}

#[test]
fn an_exec_never_runs_behind_walls_that_lack_one() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("exec sleep 600", |_| {});
    node.up(&box_id);
    let path = node.path().join("state/boxes").join(&box_id);
    let path = path.join("walls.json");
    let value: Value = serde_json::from_slice(&fs::read(&path).expect("walls")).expect("JSON");
    for place in ["/confinement", "/filters", "/confinement/landlock"] {
        let fields = value.pointer(place).and_then(Value::as_object);
        for name in fields.expect("an object").keys() {
            let mut other = value.clone();
            let object = other.pointer_mut(place).and_then(Value::as_object_mut);
            object.expect("an object").remove(name);
            fs::write(&path, other.to_string()).expect("written");
            refused(&node, &["exec", &box_id, "true"], "missing field");
        }
    }
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

/// The state lies on a file system of its own, until the end of the test.
struct Small<'a>(&'a Path);

impl Small<'_> {
    fn change(&self, flags: MsFlags, options: &str) {
        let kind = Some("tmpfs");
        mount(kind, self.0, kind, flags, Some(options)).expect("mounted");
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        umount2(self.0, MntFlags::MNT_DETACH).ok();
    }
}

#[test]
fn without_room_for_its_state_nothing_is_made_and_what_lives_can_be_removed() {
    let Some(node) = node() else { return };
    node.config("exec sleep 600", |_| {});
    let state = node.path().join("state");
    fs::create_dir(&state).expect("state");
    let small = Small(&state);
    for options in [
        "size=16k",
        "size=64k,nr_inodes=3",
        "size=64k,nr_inodes=5",
        "size=64k,nr_inodes=6",
    ] {
        small.change(MsFlags::empty(), options);
        create_is_refused(&node, "No space left on device");
        umount2(&state, MntFlags::MNT_DETACH).expect("unmounted");
    }
    small.change(MsFlags::empty(), "size=1m");
    let box_id = id();
    let said = node.create(&box_id);
    assert_eq!(said.code, 0, "{}", said.err);
    // Nothing is left for anyone.
    fs::write(state.join("filler"), vec![0; 2 << 20]).expect_err("full");
    let said = node.call(&["start", &box_id]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(node.call(&["state", &box_id]).out.contains("\"running\""));
    create_is_refused_beside(&node, "No space left on device");
    small.change(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, "size=1m");
    create_is_refused_beside(&node, "Read-only file system");
    assert_eq!(node.call(&["exec", &box_id, "true"]).code, 0);
    small.change(MsFlags::MS_REMOUNT, "size=1m");
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

fn create_is_refused_beside(node: &Node, words: &str) {
    let box_id = id();
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    refused(node, &["create", "--bundle", bundle, &box_id], words);
    node.assert_nothing_left(&box_id);
}
