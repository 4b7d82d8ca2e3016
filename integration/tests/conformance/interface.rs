//! The command line: ids, options and their places, the files that a caller names, exit codes, descriptors.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::{PLACE, Runtime};
use crate::said::{finish, holds, same};

checks![
    ids_that_are_no_names_are_refused_by_create_and_run,
    ids_that_are_paths_are_refused_by_every_verb,
    ids_of_all_allowed_characters_work,
    no_id_is_refused,
    a_pid_file_holds_the_pid_and_nothing_else,
    a_pid_file_of_a_detached_run_holds_the_pid,
    a_pid_file_that_cannot_be_written_fails_the_create_and_leaves_nothing,
    the_bundle_is_the_current_directory_when_none_is_named,
    the_bundle_may_be_relative,
    the_state_names_the_bundle_absolutely,
    the_root_may_be_relative,
    containers_of_another_root_are_not_seen,
    a_missing_bundle_is_refused,
    a_bundle_without_config_is_refused,
    a_config_that_is_no_json_is_refused,
    a_config_without_version_is_refused,
    a_config_without_process_cannot_be_started,
    a_config_without_root_is_refused,
    a_missing_root_file_system_is_refused,
    a_config_with_unknown_fields_works,
    an_unknown_option_is_refused,
    an_unknown_verb_is_refused,
    options_may_stand_in_any_order,
    the_exit_code_of_run_is_the_programs,
    the_exit_code_of_run_tells_a_signal,
    run_removes_the_container_afterwards,
    run_with_keep_leaves_the_container_stopped,
    a_detached_run_leaves_the_container_running,
    a_detached_run_of_a_program_that_ends_at_once_works,
    a_failing_run_leaves_nothing,
    descriptors_are_passed_on_when_asked,
    sockets_of_systemd_are_passed_on,
];

const NOT_NAMES: [&str; 8] = ["", ".", "..", "../x", "a/b", "/abs", "a b", "a\nb"];

fn ids_that_are_no_names_are_refused_by_create_and_run(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::program(rt, &["true"]);
    let good = bundle.id.clone();
    for id in NOT_NAMES {
        id.clone_into(&mut bundle.id);
        let verdict = bundle.create()?.fails().and_then(|_| bundle.run()?.fails());
        good.clone_into(&mut bundle.id);
        verdict.map_err(|fault| format!("{id:?}: {fault}"))?;
    }
    Ok(())
}

fn ids_that_are_paths_are_refused_by_every_verb(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let witness = Path::new(PLACE).join("witness");
    fs::write(&witness, "").map_err(|error| error.to_string())?;
    for id in [".", "..", "../root", "../witness", "a/../b"] {
        let calls: [&[&str]; 9] = [
            &["start", id],
            &["state", id],
            &["kill", id, "KILL"],
            &["exec", id, "true"],
            &["pause", id],
            &["resume", id],
            &["ps", id],
            &["delete", id],
            &["update", "--pids-limit", "7", id],
        ];
        for call in calls {
            bundle
                .call(call)?
                .fails()
                .map_err(|fault| format!("{} {id:?}: {fault}", call[0]))?;
        }
        let _ = bundle.call(&["delete", "--force", id])?;
    }
    holds(witness.exists(), || "a file beside the root is gone".into())?;
    same("status", bundle.status()?, "running")
}

fn ids_of_all_allowed_characters_work(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::program(rt, &["echo", "fine"]);
    bundle.id = format!("{}_A+b-c.D", rt.id());
    bundle.run()?.prints("fine")
}

fn no_id_is_refused(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["true"]);
    bundle.write();
    for verb in [
        "create", "start", "state", "kill", "delete", "exec", "pause", "resume", "ps", "update",
        "run",
    ] {
        let mut command = bundle.command(&[verb]);
        finish(command.current_dir(bundle.dir()))?
            .fails()
            .map_err(|fault| format!("{verb}: {fault}"))?;
    }
    Ok(())
}

fn a_pid_file_holds_the_pid_and_nothing_else(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let path = bundle.dir().join("init.pid");
    bundle
        .create_with(&["--pid-file", &path.to_string_lossy()])?
        .ok()?;
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    same("pid file", text, bundle.pid()?.to_string())
}

fn a_pid_file_of_a_detached_run_holds_the_pid(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let path = bundle.dir().join("init.pid");
    detached(&bundle, &["--pid-file", &path.to_string_lossy()])?;
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    same("pid file", text, bundle.pid()?.to_string())
}

fn a_pid_file_that_cannot_be_written_fails_the_create_and_leaves_nothing(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle
        .create_with(&["--pid-file", "/nowhere/at/all/pid"])?
        .fails()?;
    bundle.verb("state", &[])?.fails()?;
    let left = bundle.cgroup("pids");
    holds(!left.exists(), || format!("{} is left", left.display()))
}

/// `run --detach`, with the program's streams in files.
fn detached(bundle: &Bundle, options: &[&str]) -> Outcome {
    bundle.write();
    let mut command = bundle.command(&["run", "--detach", "--bundle"]);
    bundle
        .to_files(command.arg(bundle.dir()).args(options).arg(&bundle.id))?
        .ok()
        .map(drop)
}

fn the_bundle_is_the_current_directory_when_none_is_named(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["echo", "fine"]);
    bundle.write();
    finish(
        bundle
            .command(&["run", &bundle.id])
            .current_dir(bundle.dir()),
    )?
    .prints("fine")
}

fn the_bundle_may_be_relative(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["echo", "fine"]);
    bundle.write();
    let name = bundle
        .dir()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let mut command = bundle.command(&["run", "--bundle", &format!("./{name}/"), &bundle.id]);
    finish(command.current_dir(PLACE))?.prints("fine")
}

fn the_state_names_the_bundle_absolutely(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.write();
    bundle
        .to_files(
            bundle
                .command(&["create", &bundle.id])
                .current_dir(bundle.dir()),
        )?
        .ok()?;
    same(
        "bundle",
        bundle.state()?["bundle"].as_str().map(Path::new),
        Some(bundle.dir()),
    )
}

fn the_root_may_be_relative(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.write();
    let relative = |words: &[&str]| {
        let mut command = std::process::Command::new(bundle.command(&[]).get_program());
        let given: Vec<_> = bundle
            .command(words)
            .get_args()
            .map(ToOwned::to_owned)
            .collect();
        let at = given
            .iter()
            .position(|word| word == "--root")
            .expect("an option")
            + 1;
        command
            .args(&given[..at])
            .arg("./root")
            .args(&given[at + 1..])
            .current_dir(PLACE)
            .env_remove("RUST_BACKTRACE");
        command
    };
    bundle
        .to_files(&mut relative(&[
            "run",
            "--detach",
            "--bundle",
            &bundle.dir().to_string_lossy(),
            &bundle.id,
        ]))?
        .ok()?;
    finish(&mut relative(&["state", &bundle.id]))?
        .ok()?
        .says("running")?;
    same("status by the absolute path", bundle.status()?, "running")
}

fn containers_of_another_root_are_not_seen(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let other = Path::new(PLACE).join("other");
    fs::create_dir(&other).map_err(|error| error.to_string())?;
    finish(
        bundle
            .command(&[])
            .args(["--root", &other.to_string_lossy(), "state", &bundle.id]),
    )?
    .fails()
    .map(drop)
}

fn a_missing_bundle_is_refused(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle
        .call(&["create", "--bundle", "/nowhere/at/all", &bundle.id])?
        .fails()
        .map(drop)
}

/// `create` of a bundle whose config is this text.
fn with_config(rt: &Runtime, text: &str) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    fs::write(bundle.dir().join("config.json"), text).expect("config.json");
    let mut command = bundle.command(&["create", "--bundle"]);
    bundle
        .to_files(command.arg(bundle.dir()).arg(&bundle.id))?
        .fails()?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn a_bundle_without_config_is_refused(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let mut command = bundle.command(&["create", "--bundle"]);
    finish(command.arg(bundle.dir()).arg(&bundle.id))?
        .fails()?
        .says("config.json")
        .map(drop)
}

fn a_config_that_is_no_json_is_refused(rt: &Runtime) -> Outcome {
    for text in ["", "{", "not json", "[]", "{\"ociVersion\": 7}"] {
        with_config(rt, text).map_err(|fault| format!("{text:?}: {fault}"))?;
    }
    Ok(())
}

fn a_config_without_version_is_refused(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::sleeping(rt);
    bundle
        .spec
        .as_object_mut()
        .map(|spec| spec.remove("ociVersion"));
    bundle.create()?.fails().map(drop)
}

fn a_config_without_process_cannot_be_started(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::sleeping(rt);
    bundle
        .spec
        .as_object_mut()
        .map(|spec| spec.remove("process"));
    if bundle.create()?.code != 0 {
        return Ok(());
    }
    bundle.start()?.fails().map(drop)
}

fn a_config_without_root_is_refused(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::sleeping(rt);
    bundle.spec.as_object_mut().map(|spec| spec.remove("root"));
    bundle.create()?.fails().map(drop)
}

fn a_missing_root_file_system_is_refused(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .set("/root/path", json!("nothing"))
        .create()?
        .fails()
        .map(drop)
}

fn a_config_with_unknown_fields_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["echo", "fine"]).set("/unheardOf", json!({ "a": [1] }));
    bundle
        .set("/process/unheardOf", json!(1))
        .set("/linux/unheardOf", json!("x"))
        .run()?
        .prints("fine")
}

fn an_unknown_option_is_refused(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.write();
    let dir = bundle.dir().to_string_lossy();
    bundle
        .call(&["create", "--unheard-of", "--bundle", &dir, &bundle.id])?
        .fails()?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn an_unknown_verb_is_refused(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .call(&["unheard-of"])?
        .fails()
        .map(drop)
}

fn options_may_stand_in_any_order(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.write();
    let (dir, pid) = (
        bundle.dir().to_string_lossy().into_owned(),
        bundle.dir().join("pid"),
    );
    let words = [
        "create",
        &format!("--pid-file={}", pid.display()),
        "-b",
        &dir,
        &bundle.id,
    ];
    bundle.to_files(&mut bundle.command(&words))?.ok()?;
    holds(pid.exists(), || "no pid file".into())
}

fn the_exit_code_of_run_is_the_programs(rt: &Runtime) -> Outcome {
    for code in [0, 1, 7, 126, 127, 255] {
        Bundle::script(rt, &format!("exit {code}"))
            .run()?
            .ends(code)?;
    }
    Ok(())
}

fn the_exit_code_of_run_tells_a_signal(rt: &Runtime) -> Outcome {
    for signal in [9, 15, 11] {
        // The first process of a pid namespace gets no signal that it has no handler for, but from outside.
        let bundle =
            Bundle::script(rt, &format!("kill -{signal} $$; sleep 1")).without_namespace("pid");
        bundle.run()?.ends(128 + signal)?;
    }
    Ok(())
}

fn run_removes_the_container_afterwards(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "exit 4");
    bundle.run()?.ends(4)?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn run_with_keep_leaves_the_container_stopped(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "exit 4");
    bundle.run_with(&["--keep"])?.ends(4)?;
    same("status", bundle.status()?, "stopped")?;
    bundle.verb("delete", &[])?.ok().map(drop)
}

fn a_detached_run_leaves_the_container_running(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    detached(&bundle, &[])?;
    same("status", bundle.status()?, "running")
}

fn a_detached_run_of_a_program_that_ends_at_once_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo ended");
    detached(&bundle, &[])?;
    same("output", bundle.ended()?, "ended\n")
}

fn a_failing_run_leaves_nothing(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["nothing-here"]);
    bundle.run()?.fails()?;
    bundle.verb("state", &[])?.fails()?;
    let left = bundle.cgroup("pids");
    holds(!left.exists(), || format!("{} is left", left.display()))
}

fn descriptors_are_passed_on_when_asked(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "cat <&3; cat <&4");
    bundle.write();
    let mut inner = bundle.command(&["run", "--preserve-fds", "2", "--bundle"]);
    inner.arg(bundle.dir()).arg(&bundle.id);
    finish(&mut through_shell(
        &inner,
        "3<<A 4<<B",
        "three\nA\nfour\nB\n",
    ))?
    .prints("three\nfour")
}

fn sockets_of_systemd_are_passed_on(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "cat <&3; echo $LISTEN_FDS $LISTEN_PID");
    bundle.write();
    let mut inner = bundle.command(&["run", "--bundle"]);
    inner.arg(bundle.dir()).arg(&bundle.id);
    let mut command = through_shell(&inner, "3<<A", "three\nA\n");
    finish(command.env("LISTEN_FDS", "1"))?.prints("three\n1 1")
}

/// The command, called by a shell with redirections and here-documents.
pub fn through_shell(
    inner: &std::process::Command,
    redirections: &str,
    documents: &str,
) -> std::process::Command {
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let line: Vec<String> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut command = std::process::Command::new("sh");
    let script = format!(
        "export LISTEN_PID=$$; exec {} {redirections}\n{documents}",
        line.join(" ")
    );
    command
        .args(["-c", &script])
        .env_remove("RUST_BACKTRACE")
        .stdin(std::process::Stdio::null());
    command
}
