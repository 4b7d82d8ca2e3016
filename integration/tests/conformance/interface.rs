//! The command line: ids, options and their places, the files that a caller names, logs, exit codes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::{PLACE, Runtime};
use crate::said::{finish, holds, same, until};

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
    the_state_has_the_specs_fields,
    the_state_has_the_configs_annotations,
    a_stopped_container_has_no_pid,
    the_exit_code_of_run_is_the_programs,
    the_exit_code_of_run_tells_a_signal,
    run_removes_the_container_afterwards,
    run_with_keep_leaves_the_container_stopped,
    a_detached_run_leaves_the_container_running,
    a_detached_run_of_a_program_that_ends_at_once_works,
    a_failing_run_leaves_nothing,
    the_log_is_json_when_asked,
    the_log_is_text_when_asked,
    an_error_is_said_on_standard_error,
    the_version_is_told_in_lines,
    help_is_printed,
    descriptors_are_passed_on_when_asked,
    sockets_of_systemd_are_passed_on,
    the_specs_example_is_written_and_is_valid,
    the_specs_example_is_not_written_over_another,
    containers_are_listed_as_json,
    containers_are_listed_as_a_table,
    containers_are_listed_by_id_alone,
    an_empty_list_is_empty,
    processes_are_listed_as_json,
    processes_are_listed_as_a_table,
    #[beyond "`features` came with runc 1.1 and crun 1.9; Debian's runc does not name seccomp's flags, nor idmapped mounts"]
    features_are_told_as_the_spec_shapes_them,
    features_name_hooks_mounts_and_namespaces,
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

fn the_state_has_the_specs_fields(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let state = bundle.state()?;
    holds(
        state["ociVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("1.")),
        || state.to_string(),
    )?;
    same("id", &state["id"], &json!(bundle.id))?;
    same("status", &state["status"], &json!("running"))?;
    let pid = state["pid"].as_i64().unwrap_or(0);
    let program = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    same("the program of pid", program, "sleep\u{0}100\u{0}")?;
    same(
        "bundle",
        state["bundle"].as_str().map(Path::new),
        Some(bundle.dir()),
    )
}

fn the_state_has_the_configs_annotations(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/annotations/com.example.key", json!("a value"));
    bundle.create()?.ok()?;
    same(
        "annotation",
        &bundle.state()?["annotations"]["com.example.key"],
        &json!("a value"),
    )
}

fn a_stopped_container_has_no_pid(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    let pid = bundle.state()?["pid"].clone();
    holds(pid.is_null() || pid == 0, || format!("pid is {pid}"))
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

/// The log of a call that fails, in a format.
fn log(rt: &Runtime, format: &str) -> Result<String, String> {
    let bundle = Bundle::sleeping(rt);
    let path = Path::new(PLACE).join("log");
    let mut command = bundle.command(&[]);
    command.args([
        "--log",
        &path.to_string_lossy(),
        "--log-format",
        format,
        "state",
        "not-there",
    ]);
    finish(&mut command)?.fails()?;
    fs::read_to_string(path).map_err(|error| error.to_string())
}

fn the_log_is_json_when_asked(rt: &Runtime) -> Outcome {
    let text = log(rt, "json")?;
    let last = text.lines().last().unwrap_or_default();
    let line: Value = serde_json::from_str(last).map_err(|error| format!("{error}: {text}"))?;
    same("level", &line["level"], &json!("error"))?;
    holds(
        line["msg"].as_str().is_some_and(|text| !text.is_empty()),
        || text.clone(),
    )?;
    holds(
        line["time"].as_str().is_some_and(|time| time.contains('T')),
        || text.clone(),
    )
}

fn the_log_is_text_when_asked(rt: &Runtime) -> Outcome {
    let text = log(rt, "text")?;
    holds(
        text.contains("does not exist") && serde_json::from_str::<Value>(&text).is_err(),
        || text.clone(),
    )
}

fn an_error_is_said_on_standard_error(rt: &Runtime) -> Outcome {
    let said = Bundle::sleeping(rt)
        .call(&["state", "not-there"])?
        .fails()?;
    same("standard output", said.out, "")?;
    holds(said.err.contains("does not exist"), || said.err.clone())
}

fn the_version_is_told_in_lines(rt: &Runtime) -> Outcome {
    let said = Bundle::sleeping(rt).call(&["--version"])?.ok()?;
    let lines: Vec<&str> = said.out.lines().collect();
    holds(
        lines[0].contains(" version ") && lines.iter().any(|line| line.starts_with("spec: ")),
        || said.out.clone(),
    )
}

fn help_is_printed(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    for words in [&["--help"][..], &["create", "--help"], &["exec", "--help"]] {
        bundle.call(words)?.ok()?.says("--")?;
    }
    Ok(())
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
    let bundle = Bundle::script(rt, "cat <&3; echo $LISTEN_FDS");
    bundle.write();
    let mut inner = bundle.command(&["run", "--bundle"]);
    inner.arg(bundle.dir()).arg(&bundle.id);
    let mut command = through_shell(&inner, "3<<A", "three\nA\n");
    finish(command.env("LISTEN_FDS", "1"))?.prints("three\n1")
}

/// The command, called by a shell with redirections and here-documents.
fn through_shell(
    inner: &std::process::Command,
    redirections: &str,
    documents: &str,
) -> std::process::Command {
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let line: Vec<String> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut command = std::process::Command::new("sh");
    let script = format!("{} {redirections}\n{documents}", line.join(" "));
    command
        .args(["-c", &script])
        .env_remove("RUST_BACKTRACE")
        .stdin(std::process::Stdio::null());
    command
}

fn the_specs_example_is_written_and_is_valid(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::sleeping(rt);
    finish(bundle.command(&["spec"]).current_dir(bundle.dir()))?.ok()?;
    let text =
        fs::read_to_string(bundle.dir().join("config.json")).map_err(|error| error.to_string())?;
    bundle.spec = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let bundle = bundle
        .set("/process/args", json!(["echo", "fine"]))
        .set("/process/terminal", json!(false));
    let bundle = bundle.set("/process/env", json!(["PATH=/bin"]));
    bundle
        .set("/linux/cgroupsPath", json!("/ncc/example"))
        .set("/process/rlimits", json!([]))
        .run()?
        .prints("fine")
}

fn the_specs_example_is_not_written_over_another(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.write();
    finish(bundle.command(&["spec"]).current_dir(bundle.dir()))?.fails()?;
    let text =
        fs::read_to_string(bundle.dir().join("config.json")).map_err(|error| error.to_string())?;
    same("config.json", text, bundle.spec.to_string())
}

fn containers_are_listed_as_json(rt: &Runtime) -> Outcome {
    let (one, two) = (Bundle::sleeping(rt), Bundle::sleeping(rt));
    one.up()?;
    two.create()?.ok()?;
    let said = one.call(&["list", "--format", "json"])?.ok()?;
    let list: Vec<Value> = serde_json::from_str(&said.out).map_err(|error| error.to_string())?;
    same("count", list.len(), 2)?;
    for (bundle, status) in [(&one, "running"), (&two, "created")] {
        let entry = list.iter().find(|entry| entry["id"] == bundle.id.as_str());
        let entry = entry.ok_or_else(|| format!("{} is not in {}", bundle.id, said.out))?;
        same("status", &entry["status"], &json!(status))?;
        same("pid", &entry["pid"], &json!(bundle.pid()?))?;
        same(
            "bundle",
            entry["bundle"].as_str().map(Path::new),
            Some(bundle.dir()),
        )?;
    }
    Ok(())
}

fn containers_are_listed_as_a_table(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let said = bundle.call(&["list"])?.ok()?;
    let lines: Vec<&str> = said.out.lines().collect();
    same("lines", lines.len(), 2)?;
    let head: Vec<&str> = lines[0].split_whitespace().take(3).collect();
    let row: Vec<&str> = lines[1].split_whitespace().take(3).collect();
    holds(head[1..] == ["PID", "STATUS"], || lines[0].into())?;
    same(
        "row",
        row,
        [bundle.id.as_str(), &bundle.pid()?.to_string(), "running"],
    )
}

fn containers_are_listed_by_id_alone(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    bundle.call(&["list", "-q"])?.prints(&bundle.id)
}

fn an_empty_list_is_empty(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.call(&["list", "-q"])?.prints("")?;
    let said = bundle.call(&["list", "--format", "json"])?.ok()?;
    let list: Value =
        serde_json::from_str(&said.out).map_err(|error| format!("{error}: {}", said.out))?;
    holds(list.is_null() || list == json!([]), || said.out.clone())
}

fn processes_are_listed_as_json(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "sleep 100 & sleep 100 & wait");
    bundle.up()?;
    let pid = i64::from(bundle.pid()?);
    until("three processes", || {
        let said = bundle.verb("ps", &["--format", "json"]).ok()?;
        let pids: Vec<i64> = serde_json::from_str(&said.out).ok()?;
        (pids.len() == 3 && pids.contains(&pid)).then_some(())
    })
}

fn processes_are_listed_as_a_table(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let said = bundle.verb("ps", &[])?.ok()?;
    let pid = bundle.pid()?.to_string();
    holds(
        said.out
            .lines()
            .any(|line| line.split_whitespace().any(|word| word == pid)),
        || said.out.clone(),
    )
}

fn features(rt: &Runtime) -> Result<Value, String> {
    let said = Bundle::sleeping(rt).call(&["features"])?.ok()?;
    serde_json::from_str(&said.out).map_err(|error| format!("{error}: {}", said.out))
}

fn features_are_told_as_the_spec_shapes_them(rt: &Runtime) -> Outcome {
    let features = features(rt)?;
    for pointer in [
        "/hooks",
        "/mountOptions",
        "/linux/namespaces",
        "/linux/capabilities",
        "/linux/seccomp/actions",
        "/linux/seccomp/operators",
        "/linux/seccomp/archs",
        "/linux/seccomp/knownFlags",
        "/linux/seccomp/supportedFlags",
    ] {
        let list = features.pointer(pointer).and_then(Value::as_array);
        holds(
            list.is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_string)),
            || format!("{pointer} is no list of words"),
        )?;
    }
    for pointer in [
        "/linux/cgroup/v1",
        "/linux/cgroup/v2",
        "/linux/cgroup/systemd",
        "/linux/apparmor/enabled",
        "/linux/selinux/enabled",
        "/linux/seccomp/enabled",
        "/linux/intelRdt/enabled",
        "/linux/mountExtensions/idmap/enabled",
    ] {
        holds(
            features.pointer(pointer).is_some_and(Value::is_boolean),
            || format!("{pointer} is not yes or no"),
        )?;
    }
    for pointer in ["/ociVersionMin", "/ociVersionMax"] {
        holds(
            features.pointer(pointer).is_some_and(Value::is_string),
            || format!("{pointer} is no version"),
        )?;
    }
    Ok(())
}

fn features_name_hooks_mounts_and_namespaces(rt: &Runtime) -> Outcome {
    let features = features(rt)?;
    let wanted = [
        (
            "/hooks",
            "prestart createRuntime createContainer startContainer poststart poststop",
        ),
        ("/linux/namespaces", "cgroup ipc mount network pid user uts"),
        (
            "/mountOptions",
            "bind rbind ro rro nosuid rnosuid noexec private rprivate slave shared rshared",
        ),
        ("/linux/capabilities", "CAP_CHOWN CAP_SYS_ADMIN CAP_NET_RAW"),
        (
            "/linux/seccomp/actions",
            "SCMP_ACT_ALLOW SCMP_ACT_ERRNO SCMP_ACT_KILL_PROCESS SCMP_ACT_LOG SCMP_ACT_NOTIFY SCMP_ACT_TRACE SCMP_ACT_TRAP",
        ),
        (
            "/linux/seccomp/operators",
            "SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_MASKED_EQ SCMP_CMP_NE",
        ),
        ("/linux/seccomp/archs", "SCMP_ARCH_X86 SCMP_ARCH_X86_64"),
    ];
    for (pointer, words) in wanted {
        let list = features
            .pointer(pointer)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for word in words.split_whitespace() {
            holds(list.iter().any(|entry| entry == word), || {
                format!("{pointer} lacks {word}")
            })?;
        }
    }
    Ok(())
}
