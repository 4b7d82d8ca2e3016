//! The six kinds of hooks: when they run, where, with what, and what their failure means.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{holds, same, until};

checks![
    hooks_run_in_the_order_of_their_kinds,
    hooks_of_one_kind_run_in_the_configs_order,
    create_runs_the_first_three_kinds_and_start_the_rest,
    poststop_runs_at_delete,
    prestart_runs_in_the_runtimes_namespaces,
    create_runtime_runs_in_the_runtimes_namespaces,
    create_container_runs_in_the_containers_namespaces_on_the_hosts_tree,
    start_container_runs_inside_the_container,
    poststart_runs_in_the_runtimes_namespaces,
    poststop_runs_in_the_runtimes_namespaces,
    a_hook_gets_the_state_on_standard_input,
    create_runtime_is_told_a_status_before_running,
    create_runtime_is_told_the_first_process,
    poststart_is_told_the_first_process,
    poststop_is_told_that_it_stopped,
    a_hook_is_told_the_annotations,
    a_hooks_arguments_are_the_configs,
    a_hooks_environment_is_the_configs,
    a_hook_starts_in_the_bundle,
    a_hook_that_reads_nothing_is_no_failure,
    a_hook_that_prints_much_is_no_failure,
    a_failing_prestart_hook_fails_the_create_and_leaves_nothing,
    a_failing_create_runtime_hook_fails_the_create_and_leaves_nothing,
    a_failing_create_container_hook_fails_the_create_and_leaves_nothing,
    a_failing_start_container_hook_keeps_the_program_from_running,
    a_failing_poststop_hook_does_not_stop_the_delete,
    no_hook_follows_one_that_failed,
    a_missing_hook_program_fails_the_create,
    a_hook_that_takes_longer_than_its_time_fails_the_create,
    a_hook_within_its_time_is_no_failure,
    a_hook_killed_by_a_signal_fails_the_create,
    create_container_sees_the_mounts_and_can_change_them,
    run_runs_all_hooks,
    exec_runs_no_hooks,
];

/// A hook that runs a script on the host.
fn hook(script: &str) -> Value {
    json!({ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"] })
}

/// The file that hooks write to, seen from the host.
fn notes(bundle: &Bundle) -> PathBuf {
    bundle.rootfs().join("notes")
}

/// A hook that appends a line to the notes.
fn note(bundle: &Bundle, kind: &str, line: &str) -> Value {
    let path = if kind == "startContainer" {
        PathBuf::from("/notes")
    } else {
        notes(bundle)
    };
    hook(&format!("echo {line} >> {}", path.display()))
}

fn noted(bundle: &Bundle) -> Vec<String> {
    let text = fs::read_to_string(notes(bundle)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// Every kind notes its name; so does the program.
fn all_kinds<'r>(rt: &'r Runtime, program: &str) -> Bundle<'r> {
    let mut bundle = Bundle::script(rt, program);
    for kind in KINDS {
        bundle.spec["hooks"][kind] = json!([note(&bundle, kind, kind)]);
    }
    bundle
}

fn hooks_run_in_the_order_of_their_kinds(rt: &Runtime) -> Outcome {
    let bundle = all_kinds(rt, "echo program >> /notes");
    bundle.run()?.ok()?;
    let seen = noted(&bundle);
    let at = |name: &str| seen.iter().position(|line| line == name);
    holds(
        at("startContainer") < at("program") && at("program") < at("poststop"),
        || format!("{seen:?}"),
    )?;
    // poststart runs beside the container's own startContainer in other runtimes.
    let order: Vec<&str> = seen
        .iter()
        .map(String::as_str)
        .filter(|line| !["program", "poststart"].contains(line))
        .collect();
    let kinds = KINDS.into_iter().filter(|kind| *kind != "poststart");
    same("order", order, kinds.collect::<Vec<_>>())?;
    holds(at("createContainer") < at("poststart"), || {
        format!("{seen:?}")
    })
}

fn hooks_of_one_kind_run_in_the_configs_order(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    let list: Vec<Value> = (0..5)
        .map(|at| note(&bundle, "createRuntime", &at.to_string()))
        .collect();
    let bundle = bundle.set("/hooks/createRuntime", json!(list));
    bundle.create()?.ok()?;
    same("order", noted(&bundle), ["0", "1", "2", "3", "4"])
}

fn create_runs_the_first_three_kinds_and_start_the_rest(rt: &Runtime) -> Outcome {
    let bundle = all_kinds(rt, "sleep 100");
    bundle.create()?.ok()?;
    same("at create", noted(&bundle), &KINDS[..3])?;
    bundle.start()?.ok()?;
    same("after start", noted(&bundle), &KINDS[..5])
}

fn poststop_runs_at_delete(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    let poststop = note(&bundle, "poststop", "poststop");
    let bundle = bundle.set("/hooks/poststop", json!([poststop]));
    bundle.up()?;
    bundle.becomes("stopped")?;
    same("before delete", noted(&bundle).len(), 0)?;
    bundle.verb("delete", &[])?.ok()?;
    same("after delete", noted(&bundle), ["poststop"])
}

const NAMESPACES: [&str; 5] = ["mnt", "net", "uts", "ipc", "pid"];

/// The namespaces that a hook of a kind ran in, as links of /proc.
fn namespaces_of(rt: &Runtime, kind: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let bundle = Bundle::script(rt, "sleep 100");
    let path = notes(&bundle);
    let script = format!(
        "for n in {}; do readlink /proc/self/ns/$n; done > {}",
        NAMESPACES.join(" "),
        path.display()
    );
    let bundle = bundle.set(&format!("/hooks/{kind}"), json!([hook(&script)]));
    bundle.up()?;
    if kind == "poststop" {
        bundle.verb("delete", &["--force"])?.ok()?;
    }
    let own = NAMESPACES.map(|name| fs::read_link(format!("/proc/thread-self/ns/{name}")));
    let own = own
        .into_iter()
        .map(|link| link.unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    Ok((noted(&bundle), own))
}

fn in_the_runtimes(rt: &Runtime, kind: &str) -> Outcome {
    let (hooks, own) = namespaces_of(rt, kind)?;
    same("namespaces", hooks, own)
}

fn prestart_runs_in_the_runtimes_namespaces(rt: &Runtime) -> Outcome {
    in_the_runtimes(rt, "prestart")
}

fn create_runtime_runs_in_the_runtimes_namespaces(rt: &Runtime) -> Outcome {
    in_the_runtimes(rt, "createRuntime")
}

fn poststart_runs_in_the_runtimes_namespaces(rt: &Runtime) -> Outcome {
    in_the_runtimes(rt, "poststart")
}

fn poststop_runs_in_the_runtimes_namespaces(rt: &Runtime) -> Outcome {
    in_the_runtimes(rt, "poststop")
}

fn create_container_runs_in_the_containers_namespaces_on_the_hosts_tree(rt: &Runtime) -> Outcome {
    let (hooks, own) = namespaces_of(rt, "createContainer")?;
    same("count", hooks.len(), own.len())?;
    for (at, name) in NAMESPACES.iter().enumerate().take(4) {
        holds(hooks[at] != own[at], || format!("{name} is the runtime's"))?;
    }
    Ok(())
}

fn start_container_runs_inside_the_container(rt: &Runtime) -> Outcome {
    let inside = json!({ "path": "/bin/sh", "args": ["sh", "-c", "hostname > /notes; pwd >> /notes; ls /bin/busybox >> /notes"], "env": ["PATH=/bin"] });
    let bundle = Bundle::script(rt, "true").set("/hooks/startContainer", json!([inside]));
    bundle.run()?.ok()?;
    same(
        "notes",
        noted(&bundle),
        ["conformance", "/", "/bin/busybox"],
    )
}

/// The state that a hook of a kind got.
fn state_of<'r>(rt: &'r Runtime, kind: &str) -> Result<(Bundle<'r>, Value), String> {
    let bundle = Bundle::sleeping(rt);
    let script = format!("cat > {}", notes(&bundle).display());
    let bundle = bundle
        .set(&format!("/hooks/{kind}"), json!([hook(&script)]))
        .set("/annotations/com.example.key", json!("value"));
    bundle.up()?;
    if kind == "poststop" {
        bundle.verb("delete", &["--force"])?.ok()?;
    }
    let text = fs::read_to_string(notes(&bundle)).map_err(|error| error.to_string())?;
    let state = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    Ok((bundle, state))
}

fn a_hook_gets_the_state_on_standard_input(rt: &Runtime) -> Outcome {
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ] {
        let (bundle, state) = state_of(rt, kind)?;
        same(kind, &state["id"], &json!(bundle.id))?;
        same(kind, &state["bundle"], &json!(bundle.dir()))?;
        holds(
            state["ociVersion"].is_string() && state["status"].is_string(),
            || format!("{kind}: {state}"),
        )?;
    }
    Ok(())
}

fn create_runtime_is_told_a_status_before_running(rt: &Runtime) -> Outcome {
    let (_, state) = state_of(rt, "createRuntime")?;
    holds(
        ["creating", "created"]
            .iter()
            .any(|status| state["status"] == *status),
        || state.to_string(),
    )
}

fn create_runtime_is_told_the_first_process(rt: &Runtime) -> Outcome {
    let (bundle, state) = state_of(rt, "createRuntime")?;
    same("pid", &state["pid"], &json!(bundle.pid()?))
}

fn poststart_is_told_the_first_process(rt: &Runtime) -> Outcome {
    let (bundle, state) = state_of(rt, "poststart")?;
    same("pid", &state["pid"], &json!(bundle.pid()?))
}

fn poststop_is_told_that_it_stopped(rt: &Runtime) -> Outcome {
    let (_, state) = state_of(rt, "poststop")?;
    same("status", &state["status"], &json!("stopped"))
}

fn a_hook_is_told_the_annotations(rt: &Runtime) -> Outcome {
    let (_, state) = state_of(rt, "createRuntime")?;
    same(
        "annotation",
        &state["annotations"]["com.example.key"],
        &json!("value"),
    )
}

/// What one createRuntime hook, changed by `change`, noted.
fn one(rt: &Runtime, script: &str, change: impl FnOnce(&mut Value)) -> Result<Vec<String>, String> {
    let bundle = Bundle::sleeping(rt);
    let mut entry = hook(&script.replace("NOTES", &notes(&bundle).to_string_lossy()));
    change(&mut entry);
    let bundle = bundle.set("/hooks/createRuntime", json!([entry]));
    bundle.create()?.ok()?;
    Ok(noted(&bundle))
}

fn a_hooks_arguments_are_the_configs(rt: &Runtime) -> Outcome {
    let seen = one(rt, "printf '%s\\n' \"$0\" \"$@\" > NOTES", |entry| {
        entry["args"]
            .as_array_mut()
            .expect("args")
            .extend(["zero", "one two", ""].map(Value::from));
    })?;
    same("arguments", seen, ["zero", "one two", ""])
}

fn a_hooks_environment_is_the_configs(rt: &Runtime) -> Outcome {
    let seen = one(
        rt,
        "env | grep -v -E '^(PWD|SHLVL|_)=' | sort > NOTES",
        |entry| {
            entry["env"] = json!(["PATH=/usr/bin:/bin", "A=b c"]);
        },
    )?;
    same("environment", seen, ["A=b c", "PATH=/usr/bin:/bin"])
}

fn a_hook_starts_in_the_bundle(rt: &Runtime) -> Outcome {
    let seen = one(rt, "ls config.json > NOTES", |_| {})?;
    same("files", seen, ["config.json"])
}

fn a_hook_that_reads_nothing_is_no_failure(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/annotations/large", json!("x".repeat(200_000)));
    bundle
        .set("/hooks/createRuntime", json!([hook("exec <&-; exit 0")]))
        .create()?
        .ok()
        .map(drop)
}

fn a_hook_that_prints_much_is_no_failure(rt: &Runtime) -> Outcome {
    let script = "head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2";
    Bundle::sleeping(rt)
        .set("/hooks/createRuntime", json!([hook(script)]))
        .create()?
        .ok()
        .map(drop)
}

/// A failing hook fails the create, and no state, cgroup or process stays.
fn fails_the_create(rt: &Runtime, kind: &str) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let pid = bundle.dir().join("pid");
    let script = format!(
        "grep -o '\"pid\": *[0-9]*' | grep -o '[0-9]*' > {}; exit 7",
        pid.display()
    );
    let bundle = bundle.set(&format!("/hooks/{kind}"), json!([hook(&script)]));
    bundle.create()?.fails()?;
    bundle.verb("state", &[])?.fails()?;
    let left = bundle.cgroup("pids");
    holds(!left.exists(), || format!("{} is left", left.display()))?;
    let pid = fs::read_to_string(pid)
        .unwrap_or_default()
        .trim()
        .parse()
        .unwrap_or(0);
    if kind == "createContainer" || pid == 0 {
        return Ok(());
    }
    until("the first process's end", || {
        crate::lifecycle::gone(pid).then_some(())
    })
}

fn a_failing_prestart_hook_fails_the_create_and_leaves_nothing(rt: &Runtime) -> Outcome {
    fails_the_create(rt, "prestart")
}

fn a_failing_create_runtime_hook_fails_the_create_and_leaves_nothing(rt: &Runtime) -> Outcome {
    fails_the_create(rt, "createRuntime")
}

fn a_failing_create_container_hook_fails_the_create_and_leaves_nothing(rt: &Runtime) -> Outcome {
    fails_the_create(rt, "createContainer")
}

fn a_failing_start_container_hook_keeps_the_program_from_running(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo ran");
    let bundle = bundle.set(
        "/hooks/startContainer",
        json!([{ "path": "/bin/false", "args": ["false"] }]),
    );
    bundle.create()?.ok()?;
    bundle.start()?;
    until("its end", || {
        bundle
            .status()
            .map_or(true, |status| status == "stopped")
            .then_some(())
    })?;
    holds(!bundle.output().contains("ran"), || {
        "the program ran".into()
    })
}

fn a_failing_poststop_hook_does_not_stop_the_delete(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    let second = note(&bundle, "poststop", "second");
    let bundle = bundle.set("/hooks/poststop", json!([hook("exit 7"), second]));
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle.verb("delete", &[])?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn no_hook_follows_one_that_failed(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let (first, last) = (
        note(&bundle, "createRuntime", "first"),
        note(&bundle, "createRuntime", "last"),
    );
    let bundle = bundle.set("/hooks/createRuntime", json!([first, hook("exit 1"), last]));
    bundle.create()?.fails()?;
    same("notes", noted(&bundle), ["first"])
}

fn a_missing_hook_program_fails_the_create(rt: &Runtime) -> Outcome {
    let bundle =
        Bundle::sleeping(rt).set("/hooks/createRuntime", json!([{ "path": "/nowhere/hook" }]));
    bundle.create()?.fails()?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn a_hook_that_takes_longer_than_its_time_fails_the_create(rt: &Runtime) -> Outcome {
    let mut slow = hook("sleep 8");
    slow["timeout"] = json!(1);
    let started = Instant::now();
    let bundle = Bundle::sleeping(rt).set("/hooks/createRuntime", json!([slow]));
    bundle.create()?.fails()?;
    holds(started.elapsed() < Duration::from_secs(5), || {
        format!("it took {:?}", started.elapsed())
    })
}

fn a_hook_within_its_time_is_no_failure(rt: &Runtime) -> Outcome {
    let mut quick = hook("sleep 0.1");
    quick["timeout"] = json!(5);
    Bundle::sleeping(rt)
        .set("/hooks/createRuntime", json!([quick]))
        .create()?
        .ok()
        .map(drop)
}

fn a_hook_killed_by_a_signal_fails_the_create(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .set("/hooks/createRuntime", json!([hook("kill -9 $$")]))
        .create()?
        .fails()
        .map(drop)
}

fn create_container_sees_the_mounts_and_can_change_them(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /vol /work");
    let (volume, root) = (bundle.volume("v"), bundle.rootfs());
    fs::write(volume.join("from-the-volume"), "").map_err(|error| error.to_string())?;
    let script = format!(
        "mount --bind {} {}/work && ls {}/vol/from-the-volume",
        volume.display(),
        root.display(),
        root.display()
    );
    let bundle = bundle.mount("/vol", "bind", &volume, &["bind"]);
    bundle
        .set("/hooks/createContainer", json!([hook(&script)]))
        .run()?
        .prints("/vol:\nfrom-the-volume\n\n/work:\nfrom-the-volume")
}

fn run_runs_all_hooks(rt: &Runtime) -> Outcome {
    let bundle = all_kinds(rt, "exit 3");
    bundle.run()?.ends(3)?;
    same("count", noted(&bundle).len(), 6)
}

fn exec_runs_no_hooks(rt: &Runtime) -> Outcome {
    let bundle = all_kinds(rt, "sleep 100");
    bundle.up()?;
    let before = noted(&bundle).len();
    bundle.exec(&["true"])?.ok()?;
    same("notes", noted(&bundle).len(), before)
}
