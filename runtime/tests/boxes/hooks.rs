//! What hooks print: nothing of it reaches the agent's output, and a failing one's last words are in the error.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Node, id, node};

/// Scripts as the engine's hooks at `stages`.
fn engine_hooks(node: &Node, script: &str, stages: &[&str]) -> Value {
    let path = node.path().join("engine-hook");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("hook");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    let hook = |stage: &&str| {
        let list = json!([{ "path": path, "args": ["engine-hook", stage], "timeout": 1 }]);
        ((*stage).to_owned(), list)
    };
    stages
        .iter()
        .map(hook)
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn the_agents_output_holds_nothing_of_the_hooks() {
    let Some(node) = node() else { return };
    node.write_hook("cat > /dev/null; echo egress noise >&2");
    let seen = node.path().join("seen");
    let script = format!(
        "echo \"$1\" >> {}; echo engine noise; echo more >&2",
        seen.display()
    );
    let stages = [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ];
    let hooks = engine_hooks(&node, &script, &stages);
    for policy in [None, Some("unconfined")] {
        fs::write(&seen, "").expect("file");
        let output = {
            node.config("echo out; echo err >&2", |config| {
                config["hooks"] = hooks.clone()
            });
            let bundle = node.bundle();
            let mut words = vec!["run", "--bundle", bundle.to_str().expect("path")];
            let box_id = id();
            words.push(&box_id);
            if let Some(policy) = policy {
                words.splice(0..0, ["--policy", policy]);
            }
            node.command(&words).output().expect("the runtime runs")
        };
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "err\n",
            "{policy:?}"
        );
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "out\n",
            "{policy:?}"
        );
        let ran = fs::read_to_string(&seen).expect("file");
        assert_eq!(ran.lines().collect::<Vec<_>>(), stages, "all hooks ran");
    }
}

#[test]
fn an_egress_hook_that_leaves_no_sentence_is_named_with_its_last_words() {
    let Some(node) = node() else { return };
    let path = node.path().join("hook.sh").display().to_string();
    let advice =
        "the node's configuration names it as `egress_hook`: correct that file or the hook";
    for (script, how) in [
        (
            "echo one >&2; echo two >&2; exit 3",
            "exit status: 3): one; two",
        ),
        ("exit 1", "exit status: 1)"),
        ("kill -9 $$", "signal: 9 (SIGKILL))"),
    ] {
        let box_id = id();
        node.write_hook(&format!("cat > /dev/null; {script}"));
        node.config("sleep 60", |_| {});
        let said = node.create(&box_id);
        assert_eq!(said.code, 1);
        let expected = format!("the egress hook failed: the hook `{path}` failed ({how}; {advice}");
        assert_eq!(node.errors().pop(), Some(expected));
        node.assert_nothing_left(&box_id);
    }
}

#[test]
fn an_engines_failing_hook_is_named_with_its_last_words() {
    let Some(node) = node() else { return };
    for stage in ["prestart", "createRuntime", "createContainer"] {
        let box_id = id();
        let hooks = engine_hooks(&node, "echo one >&2; echo two >&2; exit 3", &[stage]);
        node.config("sleep 60", |config| config["hooks"] = hooks);
        assert_eq!(node.create(&box_id).code, 1);
        let path = node.path().join("engine-hook");
        let expected = format!(
            "the hook `{}` failed (exit status: 3): one; two",
            path.display()
        );
        assert_eq!(node.errors().pop(), Some(expected), "{stage}");
        node.assert_nothing_left(&box_id);
    }
}

#[test]
fn an_engines_hook_that_takes_too_long_is_named() {
    let Some(node) = node() else { return };
    let box_id = id();
    let hooks = engine_hooks(&node, "exec sleep 20", &["createRuntime"]);
    node.config("sleep 60", |config| config["hooks"] = hooks);
    let begun = Instant::now();
    let said = node.create(&box_id);
    assert!(
        said.err
            .ends_with("engine-hook` took longer than 1 s and was killed"),
        "{}",
        said.err
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
    node.assert_nothing_left(&box_id);
}

#[test]
fn a_waiting_box_with_a_terminal_holds_none_of_its_callers_streams() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |config| {
        config["process"]["terminal"] = json!(true);
    });
    let socket = node.path().join("console.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("socket");
    let (sender, created) = std::sync::mpsc::channel();
    let bundle = node.bundle();
    let (bundle, socket) = (
        bundle.to_str().expect("path"),
        socket.to_str().expect("path"),
    );
    let mut create = node.command(&[
        "create",
        "--bundle",
        bundle,
        "--console-socket",
        socket,
        &box_id,
    ]);
    // A shim reads both until their end before it goes on to `start`.
    std::thread::spawn(move || sender.send(create.output()).expect("send"));
    let _terminal = listener.accept().expect("a terminal");
    let output = created.recv_timeout(Duration::from_secs(20));
    let deleted = node.call(&["delete", "--force", &box_id]);
    let output = output
        .expect("create's streams must end")
        .expect("the runtime runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(deleted.code, 0, "{}", deleted.err);
}
