//! `exec`: another process in a container that is there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::lifecycle::gone;
use crate::runtime::Runtime;
use crate::said::{feed, finish, holds, same, until};

checks![
    exec_runs_a_program,
    exec_passes_the_streams,
    exec_passes_standard_input,
    exec_gives_the_programs_exit_code,
    exec_tells_a_signal,
    exec_in_a_created_container_fails_or_works_but_never_starts_it,
    exec_in_a_stopped_container_fails,
    exec_in_a_paused_container_fails,
    exec_in_a_paused_container_works_when_told_so,
    a_missing_program_fails,
    a_program_without_the_right_to_run_fails,
    no_program_is_refused,
    options_of_the_program_are_the_programs,
    the_directory_is_the_containers,
    the_directory_is_the_options,
    a_missing_directory_fails_or_is_made,
    the_environment_is_the_containers,
    the_environment_gets_the_options,
    the_user_is_the_containers,
    the_user_is_the_options,
    the_group_is_the_options,
    additional_groups_are_the_options,
    capabilities_are_the_containers,
    capabilities_get_the_options,
    no_new_privileges_is_the_containers,
    no_new_privileges_is_the_options,
    a_process_file_says_everything,
    a_process_file_has_capabilities,
    a_process_file_has_limits,
    a_process_file_has_groups,
    #[beyond "the others leave it as it is"]
    a_process_file_has_an_oom_score,
    a_process_file_that_is_not_there_fails,
    a_process_file_that_is_no_json_fails,
    a_process_file_without_arguments_is_refused,
    a_detached_exec_returns_at_once,
    a_pid_file_holds_the_pid,
    a_pid_file_without_detach_is_written_too,
    descriptors_are_passed_on_when_asked,
    #[beyond "runc has it since 1.2"]
    the_umask_is_the_containers,
    limits_are_the_containers,
    ten_at_a_time_work,
    an_exec_ends_with_the_container,
    the_container_outlives_an_exec,
    large_output_arrives_whole,
    an_exec_sees_the_containers_files_and_processes,
    exec_into_a_read_only_root_works,
    exec_after_the_image_changed_its_programs_works,
    an_exec_leads_a_session_without_the_callers_terminal,
];

fn running(rt: &Runtime) -> Result<Bundle<'_>, String> {
    up(Bundle::sleeping(rt))
}

fn up(bundle: Bundle<'_>) -> Result<Bundle<'_>, String> {
    bundle.up()?;
    Ok(bundle)
}

fn exec_runs_a_program(rt: &Runtime) -> Outcome {
    running(rt)?.exec(&["echo", "a b", "c"])?.prints("a b c")
}

fn exec_passes_the_streams(rt: &Runtime) -> Outcome {
    let said = running(rt)?
        .exec(&["sh", "-c", "echo out; echo err >&2"])?
        .ok()?;
    same("standard output", said.out, "out\n")?;
    same("standard error", said.err, "err\n")
}

fn exec_passes_standard_input(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let text = "line\n".repeat(20_000);
    let said = feed(
        &mut bundle.command(&["exec", &bundle.id, "cat"]),
        Some(text.as_bytes()),
    )?
    .ok()?;
    holds(said.out == text, || {
        format!("{} bytes came", said.out.len())
    })
}

fn exec_gives_the_programs_exit_code(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    for code in [0, 1, 42, 127, 255] {
        bundle
            .exec(&["sh", "-c", &format!("exit {code}")])?
            .ends(code)?;
    }
    Ok(())
}

fn exec_tells_a_signal(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.exec(&["sh", "-c", "kill -9 $$"])?.ends(137)?;
    bundle
        .exec(&["sh", "-c", "kill -15 $$"])?
        .ends(143)
        .map(drop)
}

fn exec_in_a_created_container_fails_or_works_but_never_starts_it(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.create()?.ok()?;
    bundle.exec(&["true"])?;
    same("status", bundle.status()?, "created")?;
    bundle.start()?.ok().map(drop)
}

fn exec_in_a_stopped_container_fails(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle.exec(&["true"])?.fails().map(drop)
}

fn exec_in_a_paused_container_fails(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    let said = bundle.exec(&["true"])?.fails().map(drop);
    bundle.verb("resume", &[])?.ok()?;
    said
}

fn exec_in_a_paused_container_works_when_told_so(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    // It is frozen with the rest until the container goes on.
    let child = bundle
        .command(&["exec", "--ignore-paused", &bundle.id, "true"])
        .spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    std::thread::sleep(std::time::Duration::from_millis(100));
    bundle.verb("resume", &[])?.ok()?;
    same("exit code", crate::said::wait(&mut child)?, 0)
}

fn a_missing_program_fails(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle
        .exec(&["nothing-here"])?
        .fails()?
        .says("nothing-here")?;
    bundle.exec(&["/bin/nothing-here"])?.fails().map(drop)
}

fn a_program_without_the_right_to_run_fails(rt: &Runtime) -> Outcome {
    let bundle = up(Bundle::sleeping(rt).file("/etc/text", "text"))?;
    bundle.exec(&["/etc/text"])?.fails().map(drop)
}

fn no_program_is_refused(rt: &Runtime) -> Outcome {
    running(rt)?.exec(&[])?.fails().map(drop)
}

fn options_of_the_program_are_the_programs(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle
        .exec(&["sh", "-c", "echo $0 $1 $2", "--cwd", "--user=7", "-e"])?
        .prints("--cwd --user=7 -e")?;
    bundle.exec(&["echo", "-n", "x"])?.prints("x")
}

fn the_directory_is_the_containers(rt: &Runtime) -> Outcome {
    up(Bundle::sleeping(rt).set("/process/cwd", json!("/work")))?
        .exec(&["pwd"])?
        .prints("/work")
}

fn the_directory_is_the_options(rt: &Runtime) -> Outcome {
    running(rt)?
        .exec_with(&["--cwd", "/tmp"], &["pwd"])?
        .prints("/tmp")
}

fn a_missing_directory_fails_or_is_made(rt: &Runtime) -> Outcome {
    let said = running(rt)?.exec_with(&["--cwd", "/not/there"], &["pwd"])?;
    holds(said.code != 0 || said.out.trim() == "/not/there", || {
        format!("{said:?}")
    })
}

fn the_environment_is_the_containers(rt: &Runtime) -> Outcome {
    let bundle = up(Bundle::sleeping(rt).set("/process/env", json!(["PATH=/bin", "A=container"])))?;
    bundle.exec(&["sh", "-c", "echo $A"])?.prints("container")
}

fn the_environment_gets_the_options(rt: &Runtime) -> Outcome {
    let bundle = up(Bundle::sleeping(rt).set("/process/env", json!(["PATH=/bin", "A=1", "B=2"])))?;
    bundle
        .exec_with(
            &["--env", "A=new", "--env", "C=3 4"],
            &["sh", "-c", "echo $A $B $C"],
        )?
        .prints("new 2 3 4")
}

const WHO: [&str; 3] = [
    "sh",
    "-c",
    "id -u; id -g; grep Groups /proc/self/status | tr -s '\\t ' ' '",
];

fn the_user_is_the_containers(rt: &Runtime) -> Outcome {
    let user = json!({ "uid": 7, "gid": 8, "additionalGids": [20] });
    up(Bundle::sleeping(rt).set("/process/user", user))?
        .exec(&["sh", "-c", "id -u; id -g"])?
        .prints("7\n8")
}

fn the_user_is_the_options(rt: &Runtime) -> Outcome {
    running(rt)?
        .exec_with(&["--user", "1000"], &["id", "-u"])?
        .prints("1000")
}

fn the_group_is_the_options(rt: &Runtime) -> Outcome {
    running(rt)?
        .exec_with(&["-u", "1000:2000"], &["sh", "-c", "id -u; id -g"])?
        .prints("1000\n2000")
}

fn additional_groups_are_the_options(rt: &Runtime) -> Outcome {
    let options = [
        "--user",
        "7:8",
        "--additional-gids",
        "30",
        "--additional-gids",
        "40",
    ];
    running(rt)?
        .exec_with(&options, &WHO)?
        .prints("7\n8\nGroups: 30 40")
}

const CAPS: [&str; 3] = ["sh", "-c", "grep -E 'Cap(Eff|Bnd)' /proc/self/status"];

fn capabilities_are_the_containers(rt: &Runtime) -> Outcome {
    let bundle = up(Bundle::sleeping(rt).capabilities(&["CAP_CHOWN", "CAP_KILL"]))?;
    bundle
        .exec(&CAPS)?
        .prints("CapEff:\t0000000000000021\nCapBnd:\t0000000000000021")
}

fn capabilities_get_the_options(rt: &Runtime) -> Outcome {
    let bundle = up(Bundle::sleeping(rt).capabilities(&["CAP_CHOWN", "CAP_KILL"]))?;
    bundle
        .exec_with(&["--cap", "CAP_SETUID"], &CAPS)?
        .prints("CapEff:\t00000000000000a1\nCapBnd:\t00000000000000a1")
}

const PRIVS: [&str; 3] = ["sh", "-c", "grep NoNewPrivs /proc/self/status"];

fn no_new_privileges_is_the_containers(rt: &Runtime) -> Outcome {
    up(Bundle::sleeping(rt))?
        .exec(&PRIVS)?
        .prints("NoNewPrivs:\t1")?;
    up(Bundle::sleeping(rt).set("/process/noNewPrivileges", json!(false)))?
        .exec(&PRIVS)?
        .prints("NoNewPrivs:\t0")
}

fn no_new_privileges_is_the_options(rt: &Runtime) -> Outcome {
    let bundle = up(Bundle::sleeping(rt).set("/process/noNewPrivileges", json!(false)))?;
    bundle
        .exec_with(&["--no-new-privs"], &PRIVS)?
        .prints("NoNewPrivs:\t1")
}

/// A process that runs a script.
fn process(script: &str) -> Value {
    json!({ "terminal": false, "user": { "uid": 0, "gid": 0 }, "args": ["sh", "-c", script], "env": ["PATH=/bin"], "cwd": "/" })
}

fn a_process_file_says_everything(rt: &Runtime) -> Outcome {
    let mut process = process("id -u; id -g; pwd; echo $A; umask; env | grep -c CONTAINER");
    process["user"] = json!({ "uid": 7, "gid": 8, "umask": 0o77 });
    process["env"] = json!(["PATH=/bin", "A=file"]);
    process["cwd"] = json!("/work");
    let bundle = up(Bundle::sleeping(rt).set("/process/env", json!(["PATH=/bin", "CONTAINER=1"])))?;
    let said = bundle.exec_process(&process)?;
    same("output", said.out.trim(), "7\n8\n/work\nfile\n0077\n0")
}

fn a_process_file_has_capabilities(rt: &Runtime) -> Outcome {
    let mut process = process("grep -E 'Cap(Eff|Bnd)' /proc/self/status");
    process["capabilities"] = json!({ "bounding": ["CAP_SETUID"], "effective": ["CAP_SETUID"], "permitted": ["CAP_SETUID"] });
    running(rt)?
        .exec_process(&process)?
        .prints("CapEff:\t0000000000000080\nCapBnd:\t0000000000000080")
}

fn a_process_file_has_limits(rt: &Runtime) -> Outcome {
    let mut process = process("ulimit -n");
    process["rlimits"] = json!([{ "type": "RLIMIT_NOFILE", "soft": 77, "hard": 88 }]);
    running(rt)?.exec_process(&process)?.prints("77")
}

fn a_process_file_has_groups(rt: &Runtime) -> Outcome {
    let mut process = process(WHO[2]);
    process["user"] = json!({ "uid": 7, "gid": 8, "additionalGids": [30, 40] });
    running(rt)?
        .exec_process(&process)?
        .prints("7\n8\nGroups: 30 40")
}

fn a_process_file_has_an_oom_score(rt: &Runtime) -> Outcome {
    let mut process = process("cat /proc/self/oom_score_adj");
    process["oomScoreAdj"] = json!(99);
    running(rt)?.exec_process(&process)?.prints("99")
}

fn a_process_file_that_is_not_there_fails(rt: &Runtime) -> Outcome {
    running(rt)?
        .verb("exec", &["--process", "/nowhere/process.json"])?
        .fails()
        .map(drop)
}

fn a_process_file_that_is_no_json_fails(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let path = bundle.dir().join("bad.json");
    for text in ["", "{", "[]", "7"] {
        fs::write(&path, text).map_err(|error| error.to_string())?;
        bundle
            .verb("exec", &["--process", &path.to_string_lossy()])?
            .fails()
            .map_err(|fault| format!("{text:?}: {fault}"))?;
    }
    Ok(())
}

fn a_process_file_without_arguments_is_refused(rt: &Runtime) -> Outcome {
    let mut process = process("");
    process["args"] = json!([]);
    running(rt)?.exec_process(&process)?.fails().map(drop)
}

/// `exec --detach` with more options, the streams in files.
fn detached(bundle: &Bundle, options: &[&str], words: &[&str]) -> Outcome {
    let mut command = bundle.command(&["exec", "--detach"]);
    bundle
        .to_files(command.args(options).arg(&bundle.id).args(words))?
        .ok()
        .map(drop)
}

fn a_detached_exec_returns_at_once(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    detached(
        &bundle,
        &[],
        &["sh", "-c", "echo first; sleep 0.3; echo second; sleep 100"],
    )?;
    holds(!bundle.output().contains("second"), || "it waited".into())?;
    until("the output", || {
        bundle.output().contains("second").then_some(())
    })
}

fn a_pid_file_holds_the_pid(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let path = bundle.dir().join("exec.pid");
    detached(
        &bundle,
        &["--pid-file", &path.to_string_lossy()],
        &["sleep", "77"],
    )?;
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    until("the program", || {
        (fs::read_to_string(format!("/proc/{text}/cmdline")).ok()? == "sleep\u{0}77\u{0}")
            .then_some(())
    })?;
    same("pid file", text.trim(), text.as_str())
}

fn a_pid_file_without_detach_is_written_too(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let path = bundle.dir().join("exec.pid");
    bundle
        .exec_with(&["--pid-file", &path.to_string_lossy()], &["true"])?
        .ok()?;
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    holds(text.parse::<i32>().is_ok(), || text.clone())
}

fn descriptors_are_passed_on_when_asked(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let inner = bundle.command(&[
        "exec",
        "--preserve-fds",
        "1",
        &bundle.id,
        "sh",
        "-c",
        "cat <&3",
    ]);
    finish(&mut crate::interface::through_shell(
        &inner,
        "3<<A",
        "three\nA\n",
    ))?
    .prints("three")
}

fn the_umask_is_the_containers(rt: &Runtime) -> Outcome {
    let bundle = up(Bundle::sleeping(rt).set("/process/user/umask", json!(0o27)))?;
    bundle.exec(&["sh", "-c", "umask"])?.prints("0027")
}

fn limits_are_the_containers(rt: &Runtime) -> Outcome {
    let limits = json!([{ "type": "RLIMIT_NOFILE", "soft": 77, "hard": 88 }]);
    up(Bundle::sleeping(rt).set("/process/rlimits", limits))?
        .exec(&["sh", "-c", "ulimit -n; ulimit -Hn"])?
        .prints("77\n88")
}

fn ten_at_a_time_work(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let commands: Vec<_> = (0..10)
        .map(|at| bundle.command(&["exec", &bundle.id, "echo", &at.to_string()]))
        .collect();
    let threads: Vec<_> = commands
        .into_iter()
        .map(|mut command| std::thread::spawn(move || finish(&mut command)))
        .collect();
    for (at, thread) in threads.into_iter().enumerate() {
        thread
            .join()
            .map_err(|_| "a thread failed".to_owned())??
            .prints(&at.to_string())?;
    }
    Ok(())
}

fn an_exec_ends_with_the_container(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let path = bundle.dir().join("exec.pid");
    detached(
        &bundle,
        &["--pid-file", &path.to_string_lossy()],
        &["sleep", "100"],
    )?;
    let pid = fs::read_to_string(&path)
        .unwrap_or_default()
        .trim()
        .parse()
        .map_err(|_| "no pid".to_owned())?;
    bundle.verb("delete", &["--force"])?.ok()?;
    until("its end", || gone(pid).then_some(()))
}

fn the_container_outlives_an_exec(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    for _ in 0..3 {
        bundle.exec(&["false"])?.ends(1)?;
    }
    same("status", bundle.status()?, "running")
}

fn large_output_arrives_whole(rt: &Runtime) -> Outcome {
    let said = running(rt)?
        .exec(&[
            "sh",
            "-c",
            "yes | head -c 3000000 || dd if=/dev/zero bs=1000 count=3000 2>/dev/null",
        ])?
        .ok()?;
    same("bytes", said.out.len(), 3_000_000)
}

fn an_exec_sees_the_containers_files_and_processes(rt: &Runtime) -> Outcome {
    let bundle = up(Bundle::script(rt, "touch /work/made; exec sleep 100"))?;
    until("the file", || {
        bundle.rootfs().join("work/made").exists().then_some(())
    })?;
    bundle
        .exec(&[
            "sh",
            "-c",
            "ls /work; cat /proc/1/cmdline | tr '\\0' ' '; hostname",
        ])?
        .prints("made\nsleep 100 conformance")
}

fn exec_into_a_read_only_root_works(rt: &Runtime) -> Outcome {
    up(Bundle::sleeping(rt).set("/root/readonly", json!(true)))?
        .exec(&["echo", "fine"])?
        .prints("fine")
}

fn exec_after_the_image_changed_its_programs_works(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let path = bundle.rootfs().join("bin/new");
    fs::write(&path, "#!/bin/sh\necho new\n").map_err(|error| error.to_string())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .map_err(|error| error.to_string())?;
    bundle.exec(&["new"])?.prints("new")
}

fn an_exec_leads_a_session_without_the_callers_terminal(rt: &Runtime) -> Outcome {
    running(rt)?
        .exec(&[
            "sh",
            "-c",
            "[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && cut -d' ' -f7 /proc/$$/stat",
        ])?
        .prints("0")
}
