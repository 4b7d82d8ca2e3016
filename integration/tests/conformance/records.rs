//! What a runtime tells: state, list, processes, features, version, logs, and the example of a config.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::{PLACE, Runtime};
use crate::said::{finish, holds, same, until};

checks![
    the_state_has_the_specs_fields,
    the_state_has_the_configs_annotations,
    a_stopped_container_has_no_pid,
    the_log_is_json_when_asked,
    the_log_is_text_when_asked,
    an_error_is_said_on_standard_error,
    the_version_is_told_in_lines,
    help_is_printed,
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
