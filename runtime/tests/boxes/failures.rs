//! Whatever fails, or is killed, leaves nothing behind and no id taken.

use std::fs;
use std::time::Duration;

use crate::harness::{id, node};

#[test]
fn a_failing_hook_leaves_nothing_and_its_sentence_is_the_error() {
    let Some(node) = node() else { return };
    let box_id = id();
    let error = node
        .path()
        .join("state/boxes")
        .join(&box_id)
        .join("egress.error");
    node.write_hook(&format!(
        "cat > /dev/null; echo 'the router does not answer: start it' > {}; exit 1",
        error.display()
    ));
    node.config("sleep 60", |_| {});
    let said = node.create(&box_id);
    assert_eq!(said.code, 1);
    assert_eq!(node.errors(), ["the router does not answer: start it"]);
    node.assert_nothing_left(&box_id);
    node.write_hook("cat > /dev/null");
    node.config("exit 0", |_| {});
    assert_eq!(node.run(&box_id).code, 0);
}

#[test]
fn a_missing_program_is_told_in_dockers_words_and_leaves_nothing() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("", |config| {
        config["process"]["args"] = serde_json::json!(["no-such-program"])
    });
    assert_eq!(node.create(&box_id).code, 1);
    assert_eq!(
        node.errors(),
        ["exec: \"no-such-program\": executable file not found in $PATH"]
    );
    node.assert_nothing_left(&box_id);
}

#[test]
fn a_program_that_cannot_run_fails_the_start_with_its_sentence() {
    let Some(node) = node() else { return };
    let box_id = id();
    let path = node.rootfs().join("bin/nonsense");
    fs::write(&path, [0x7f, 0, 1, 2]).expect("file");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    node.config("", |config| {
        config["process"]["args"] = serde_json::json!(["nonsense"])
    });
    assert_eq!(node.create(&box_id).code, 0);
    assert_eq!(node.call(&["start", &box_id]).code, 1);
    assert_eq!(node.errors(), ["exec: \"nonsense\": exec format error"]);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn a_create_that_is_killed_never_blocks_its_id() {
    let Some(node) = node() else { return };
    node.config("exit 0", |_| {});
    let bundle = node.bundle();
    for step in 0..12 {
        let box_id = id();
        let mut command = node.command(&[
            "create",
            "--bundle",
            bundle.to_str().expect("path"),
            &box_id,
        ]);
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("run");
        std::thread::sleep(Duration::from_millis(4 + 8 * step));
        child.kill().expect("kill");
        child.wait().expect("wait");
        if step % 2 == 0 {
            assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
            node.assert_nothing_left(&box_id);
        }
        let finished = node.path().join("state/boxes").join(&box_id).exists()
            && node.call(&["state", &box_id]).out.contains("\"created\"");
        if !finished {
            let again = node.run(&box_id);
            assert_eq!(again.code, 0, "step {step}: {}", again.err);
        }
        assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
        node.assert_nothing_left(&box_id);
    }
}

#[test]
fn of_many_creates_after_a_killed_one_exactly_one_gets_the_id() {
    let Some(node) = node() else { return };
    node.config("exec sleep 60", |_| {});
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    for step in 0..4 {
        let box_id = id();
        let create = || {
            let mut command = node.command(&["create", "--bundle", bundle, &box_id]);
            command
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .expect("run")
        };
        let mut first = create();
        std::thread::sleep(Duration::from_millis(20 + 10 * step));
        first.kill().expect("kill");
        first.wait().expect("wait");
        let others: Vec<_> = (0..4).map(|_| create()).collect();
        let done = others
            .into_iter()
            .map(|mut create| create.wait().expect("wait"))
            .filter(std::process::ExitStatus::success)
            .count();
        assert!(done <= 1, "{done} creates got the id");
        assert_eq!(node.call(&["start", &box_id]).code, 0);
        assert_eq!(node.call(&["exec", &box_id, "true"]).code, 0);
        assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
        node.assert_nothing_left(&box_id);
    }
}

#[test]
fn a_delete_that_is_killed_never_blocks_the_id() {
    let Some(node) = node() else { return };
    node.config("exec sleep 60", |_| {});
    let box_id = id();
    for step in 0..16 {
        assert_eq!(node.create(&box_id).code, 0, "step {step}");
        let mut delete = node
            .command(&["delete", "--force", &box_id])
            .spawn()
            .expect("run");
        std::thread::sleep(Duration::from_millis(2 * step));
        delete.kill().expect("kill");
        delete.wait().expect("wait");
        assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
        node.assert_nothing_left(&box_id);
    }
}

#[test]
fn a_killed_claims_draft_is_swept_by_the_next() {
    let Some(node) = node() else { return };
    node.config("exit 0", |_| {});
    let draft = node.path().join("state/boxes/~999999999");
    fs::create_dir_all(&draft).expect("directory");
    assert_eq!(node.run(&id()).code, 0);
    assert!(!draft.exists());
}

#[test]
fn a_cgroup_that_others_live_in_is_refused_and_they_live_on() {
    let Some(node) = node() else { return };
    let (first, second) = (id(), id());
    let path = format!("/nemoclaw/{first}");
    node.config("exec sleep 60", |config| {
        config["linux"]["cgroupsPath"] = serde_json::json!(path)
    });
    node.up(&first);
    let said = node.create(&second);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("is in use by 1 other"), "{}", said.err);
    node.assert_nothing_left(&second);
    assert!(node.call(&["state", &first]).out.contains("running"));
    assert_eq!(node.call(&["delete", "--force", &first]).code, 0);
    node.config("exit 0", |config| {
        config["linux"]["cgroupsPath"] = serde_json::json!("/nemoclaw/../../../../tmp/x")
    });
    let said = node.create(&second);
    assert!(said.err.contains("has `..`"), "{}", said.err);
    node.assert_nothing_left(&second);
}

#[test]
fn an_id_that_is_no_name_is_refused_by_every_verb() {
    let Some(node) = node() else { return };
    node.config("exit 0", |_| {});
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    for bad in ["..", ".", "a/b", "../x"] {
        for verb in [
            vec!["create", "--bundle", bundle, bad],
            vec!["run", "--bundle", bundle, bad],
            vec!["start", bad],
            vec!["state", bad],
            vec!["kill", bad, "9"],
            vec!["delete", "--force", bad],
            vec!["exec", bad, "true"],
            vec!["ps", bad],
            vec!["events", bad],
            vec!["checkpoint", bad],
            vec!["restore", bad],
            vec!["pause", bad],
            vec!["resume", bad],
            vec!["update", "--pids-limit", "5", bad],
        ] {
            let said = node.call(&verb);
            assert_ne!(said.code, 0, "{verb:?}");
            assert!(said.err.contains("is not valid"), "{verb:?}: {}", said.err);
        }
    }
}
