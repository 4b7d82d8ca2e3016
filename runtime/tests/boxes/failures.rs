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
