//! Options of `create`, `run` and `exec` that hand descriptors over or leave something out.

use std::fs;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::harness::{Node, id, node};

/// The word and the pid of the process that a socket's next sender hands over.
fn received(listener: &UnixListener) -> (String, i32) {
    let (stream, _) = listener.accept().expect("a sender");
    let mut bytes = [0_u8; 64];
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let mut space = nix::cmsg_space!([i32; 1]);
    let message = recvmsg::<()>(
        stream.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::empty(),
    )
    .expect("a message");
    let length = message.bytes;
    let descriptors = message.cmsgs().expect("control").find_map(|one| match one {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    let info = format!("/proc/self/fdinfo/{}", descriptors.expect("a descriptor"));
    let text = fs::read_to_string(info).expect("fdinfo");
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:\t"));
    let word = String::from_utf8_lossy(&bytes[..length]).into_owned();
    (word, pid.expect("a pidfd").parse().expect("a number"))
}

fn pid(node: &Node, id: &str) -> i64 {
    let state: serde_json::Value =
        serde_json::from_str(&node.call(&["state", id]).out).expect("state");
    state["pid"].as_i64().expect("pid")
}

#[test]
fn a_pidfd_of_the_new_process_is_sent_to_the_socket() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    let path = node.path().join("pidfd.sock");
    let socket = path.to_str().expect("path");
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    let create = [
        "create",
        "--pidfd-socket",
        socket,
        "--bundle",
        bundle,
        &box_id,
    ];
    let refused = node.call(&create);
    assert!(
        refused.err.contains("cannot connect to the pidfd socket"),
        "{}",
        refused.err
    );
    node.assert_nothing_left(&box_id);
    let listener = UnixListener::bind(&path).expect("socket");
    let created = node
        .command(&create)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(created.expect("the runtime runs").success());
    let (word, first) = received(&listener);
    assert_eq!(
        (word.as_str(), i64::from(first)),
        ("standard", pid(&node, &box_id))
    );
    assert_eq!(node.call(&["start", &box_id]).code, 0);
    let said = node.call(&["exec", "--pidfd-socket", socket, &box_id, "true"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let (word, later) = received(&listener);
    assert_eq!(word, "setns");
    assert_ne!(later, first);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

/// A call of the runtime with descriptors 3 and 4 open on files that hold `three` and `four`.
fn with_descriptors(node: &Node, set: &str, args: &[&str]) -> String {
    for name in ["three", "four"] {
        fs::write(node.path().join(name), name).expect("file");
    }
    let at = |name: &str| node.path().join(name).display().to_string();
    let runtime = node.command(args);
    let mut shell = Command::new("sh");
    let script = format!(
        "exec 3<{} 4<{}; {set} exec \"$0\" \"$@\"",
        at("three"),
        at("four")
    );
    shell
        .arg("-c")
        .arg(script)
        .arg(runtime.get_program())
        .args(runtime.get_args());
    let output = shell.stdin(Stdio::null()).output().expect("sh");
    let errors = node.errors().join("; ");
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn only_descriptors_that_were_named_reach_the_program() {
    let Some(node) = node() else { return };
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    let script = "cat <&3 2>/dev/null || echo -n none; echo -n ' '; cat <&4 2>/dev/null || echo -n none; echo \" $LISTEN_FDS\"";
    for (set, preserve, expected) in [
        ("", "0", "none none \n"),
        ("", "1", "three none \n"),
        ("", "2", "three four \n"),
        ("LISTEN_FDS=1", "0", "three none 1\n"),
        ("LISTEN_FDS=1", "1", "three four 1\n"),
    ] {
        let shell = format!("( {script} ) 2>/dev/null");
        node.config(&shell, |_| {});
        let box_id = id();
        let args = [
            "run",
            "--preserve-fds",
            preserve,
            "--bundle",
            bundle,
            &box_id,
        ];
        assert_eq!(
            with_descriptors(&node, set, &args),
            expected,
            "run {set} {preserve}"
        );
        node.config("sleep 60", |_| {});
        node.up(&box_id);
        let args = [
            "exec",
            "--preserve-fds",
            preserve,
            &box_id,
            "sh",
            "-c",
            &shell,
        ];
        assert_eq!(
            with_descriptors(&node, set, &args),
            expected,
            "exec {set} {preserve}"
        );
        assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    }
}

#[test]
fn keep_leaves_a_stopped_container() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("exit 3", |_| {});
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    let said = node.call(&[
        "run",
        "--keep",
        "--no-subreaper",
        &box_id,
        "--bundle",
        bundle,
    ]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(node.call(&["state", &box_id]).out.contains("\"stopped\""));
    let table = node.call(&["list"]).out;
    assert!(
        table.starts_with("ID ") && table.contains("stopped"),
        "{table}"
    );
    assert_eq!(node.call(&["list", "--quiet"]).out, format!("{box_id}\n"));
    assert_eq!(node.call(&["delete", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn without_pivot_root_the_box_still_has_its_own_root() {
    let Some(node) = node() else { return };
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    let secret = node.path().join("secret");
    fs::write(&secret, "host").expect("file");
    let script = format!(
        "cat {} 2>/dev/null; touch /x 2>/dev/null && echo wrote; cd /; cat ../../../{} 2>/dev/null; echo here",
        secret.display(),
        secret.display()
    );
    node.config(&script, |_| {});
    let said = node.call(&["run", "--no-pivot", "--bundle", bundle, &id()]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "here\n"),
        "{}",
        said.err
    );
}

#[test]
fn a_call_that_wants_no_new_keyring_is_obeyed_or_overruled_but_never_refused() {
    for policy in ["offline", "unconfined"] {
        let Some(node) = node() else { return };
        let node = node.under(policy);
        let bundle = node.bundle();
        let bundle = bundle.to_str().expect("path");
        node.config("echo here", |_| {});
        let said = node.call(&["run", "--no-new-keyring", "--bundle", bundle, &id()]);
        assert_eq!(
            (said.code, said.out.as_str()),
            (0, "here\n"),
            "{}",
            said.err
        );
    }
}

#[test]
fn an_exec_with_a_label_or_another_cgroup_is_refused() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    for (option, value) in [
        ("--process-label", "system_u:object_r:x:s0"),
        ("--cgroup", "/sub"),
    ] {
        let said = node.call(&["exec", option, value, &box_id, "true"]);
        assert_eq!(said.code, 255);
        assert!(
            said.err.contains(&format!("leave out {option}")),
            "{}",
            said.err
        );
    }
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

#[test]
fn a_checkpoint_is_refused_and_the_box_goes_on_and_a_restore_makes_nothing() {
    let Some(node) = node() else { return };
    let box_id = id();
    let images = node.path().join("images");
    let images = images.to_str().expect("path");
    let bundle = node.bundle();
    let bundle = bundle.to_str().expect("path");
    let checkpoint = |id: &str| {
        node.call(&[
            "checkpoint",
            "--image-path",
            images,
            "--work-path",
            images,
            id,
        ])
    };
    assert!(checkpoint(&box_id).err.contains("does not exist"));
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    let said = checkpoint(&box_id);
    assert_eq!(said.code, 1);
    assert!(
        said.err.starts_with("cannot checkpoint container"),
        "{}",
        said.err
    );
    assert!(node.call(&["state", &box_id]).out.contains("\"running\""));
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    let pid_file = node.path().join("pid");
    let restore = [
        "restore",
        "--image-path",
        images,
        "--work-path",
        images,
        "--detach",
        "--pid-file",
        pid_file.to_str().expect("path"),
        "-no-subreaper",
        "--bundle",
        bundle,
        &box_id,
    ];
    let said = node.call(&restore);
    assert_eq!(said.code, 1);
    assert!(
        said.err.starts_with("cannot restore container"),
        "{}",
        said.err
    );
    assert!(node.call(&["restore", ".."]).err.contains("is not valid"));
    assert!(!pid_file.exists());
    node.assert_nothing_left(&box_id);
}

#[test]
fn state_list_and_ps_come_as_tables_and_as_json() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    for (verb, with_id, head) in [
        ("state", true, "ID "),
        ("list", false, "ID "),
        ("ps", true, "UID"),
    ] {
        let call = |format: &str| {
            let mut args = vec![verb, "--format", format];
            args.extend(with_id.then_some(box_id.as_str()));
            node.call(&args).out
        };
        let table = call("table");
        assert!(table.starts_with(head), "{verb}: {table}");
        assert_eq!(table.lines().count(), 2, "{verb}: {table}");
        serde_json::from_str::<serde_json::Value>(&call("json")).expect("JSON");
    }
    let pids: Vec<i64> =
        serde_json::from_str(&node.call(&["ps", "-f", "json", &box_id]).out).expect("pids");
    assert_eq!(pids, [pid(&node, &box_id)]);
    let list = node.call(&["list", "--format", "json"]).out;
    assert!(list.starts_with("[{\"ociVersion\":"), "{list}");
    assert_eq!(list.lines().count(), 1, "{list}");
    let own = node.call(&["ps", &box_id, "-o", "pid,comm"]).out;
    assert!(own.trim_start().starts_with("PID COMMAND"), "{own}");
    assert_eq!(own.lines().count(), 2, "{own}");
    for (options, words) in [("-o comm", "no column PID"), ("--nonsense", "refused")] {
        let mut args = vec!["ps", box_id.as_str()];
        args.extend(options.split(' '));
        assert!(node.call(&args).err.contains(words), "{options}");
    }
    assert_eq!(node.call(&["delete", &box_id, "--force"]).code, 0);
}
