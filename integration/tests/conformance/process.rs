//! The process that the config describes: arguments, directory, environment, limits, scheduling, personality.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{holds, same};

checks![
    the_arguments_arrive_as_they_are,
    a_program_is_found_in_the_path_of_its_own_environment,
    a_program_is_named_by_its_absolute_path,
    a_program_is_named_relative_to_its_directory,
    a_missing_program_fails_the_create,
    a_program_without_the_right_to_run_fails_the_create,
    a_directory_as_program_fails_the_create,
    no_arguments_are_refused,
    the_environment_is_exactly_the_configs,
    home_is_set_from_the_users_entry_when_it_is_missing,
    an_empty_environment_value_stays_empty,
    the_last_of_two_values_of_a_variable_counts,
    large_arguments_and_environments_arrive,
    the_directory_is_the_configs,
    a_missing_directory_is_made,
    a_relative_directory_is_refused,
    a_directory_that_is_a_file_fails_the_create,
    limits_are_set,
    a_limit_of_an_unknown_kind_is_refused,
    #[beyond "runc takes the last, crun leaves a cgroup behind"]
    a_limit_given_twice_is_refused,
    a_soft_limit_above_the_hard_one_is_refused,
    #[nowhere "raising a hard limit needs CAP_SYS_RESOURCE, which root lacks here"]
    a_hard_limit_is_raised,
    the_oom_score_is_set,
    the_oom_score_is_inherited_when_none_is_given,
    #[nowhere "lowering the OOM score needs CAP_SYS_RESOURCE, which root lacks here"]
    the_oom_score_is_lowered,
    the_umask_is_the_configs,
    the_umask_is_022_when_none_is_given,
    no_new_privileges_is_set,
    no_new_privileges_is_not_set_when_false,
    no_new_privileges_is_not_set_when_left_out,
    an_apparmor_profile_is_refused_where_the_kernel_has_none,
    #[beyond "priorities of I/O came with runc 1.2 and crun 1.9"]
    the_priority_of_io_is_set,
    #[beyond "schedulers came with runc 1.2 and crun 1.9"]
    the_scheduler_is_batch,
    #[beyond "schedulers came with runc 1.2 and crun 1.9"]
    the_scheduler_is_other_with_a_nice_value,
    #[beyond "schedulers came with runc 1.2 and crun 1.9"]
    an_unknown_scheduler_is_refused,
    the_personality_is_linux32,
    the_personality_is_linux,
    an_unknown_personality_is_refused,
    standard_streams_are_the_callers,
    standard_input_is_passed_on,
    no_descriptor_but_the_streams_is_open,
    the_program_leads_a_session,
    the_program_is_the_first_of_its_namespace,
    no_signal_is_blocked_or_ignored,
];

fn the_arguments_arrive_as_they_are(rt: &Runtime) -> Outcome {
    let args = [
        "sh",
        "-c",
        r#"for a in "$@"; do echo "[$a]"; done"#,
        "sh",
        "a b",
        "",
        "$HOME",
        "é\"'\\",
    ];
    Bundle::program(rt, &args)
        .run()?
        .prints("[a b]\n[]\n[$HOME]\n[é\"'\\]")
}

fn a_program_is_found_in_the_path_of_its_own_environment(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["ours"]).file("/opt/here/ours", "#!/bin/sh\necho found\n");
    executable(&bundle, "opt/here/ours");
    bundle
        .set("/process/env", json!(["PATH=/nowhere:/opt/here"]))
        .run()?
        .prints("found")
}

fn a_program_is_named_by_its_absolute_path(rt: &Runtime) -> Outcome {
    Bundle::program(rt, &["/bin/echo", "here"])
        .run()?
        .prints("here")
}

fn a_program_is_named_relative_to_its_directory(rt: &Runtime) -> Outcome {
    Bundle::program(rt, &["./echo", "here"])
        .set("/process/cwd", json!("/bin"))
        .run()?
        .prints("here")
}

fn a_missing_program_fails_the_create(rt: &Runtime) -> Outcome {
    for name in ["nothing-here", "/bin/nothing-here"] {
        Bundle::program(rt, &[name])
            .create()?
            .fails()?
            .says("nothing-here")?;
    }
    Ok(())
}

fn a_program_without_the_right_to_run_fails_the_create(rt: &Runtime) -> Outcome {
    Bundle::program(rt, &["/etc/text"])
        .file("/etc/text", "text")
        .create()?
        .fails()
        .map(drop)
}

fn a_directory_as_program_fails_the_create(rt: &Runtime) -> Outcome {
    Bundle::program(rt, &["/etc"]).create()?.fails().map(drop)
}

fn no_arguments_are_refused(rt: &Runtime) -> Outcome {
    Bundle::program(rt, &[]).create()?.fails().map(drop)
}

fn the_environment_is_exactly_the_configs(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "tr '\\0' '\\n' < /proc/1/environ | sort");
    let bundle = bundle.set(
        "/process/env",
        json!(["PATH=/bin", "HOME=/work", "A=b c=d"]),
    );
    let mut command = bundle.command(&["run", "--bundle"]);
    bundle.write();
    command
        .arg(bundle.dir())
        .arg(&bundle.id)
        .env("OUTSIDE", "1");
    crate::said::finish(&mut command)?.prints("A=b c=d\nHOME=/work\nPATH=/bin")
}

fn home_is_set_from_the_users_entry_when_it_is_missing(rt: &Runtime) -> Outcome {
    let passwd = "root:x:0:0:root:/root:/bin/sh\nworker:x:33:33::/work:/bin/sh\n";
    let bundle = Bundle::script(rt, "echo $HOME").file("/etc/passwd", passwd);
    bundle
        .set("/process/user", json!({ "uid": 33, "gid": 33 }))
        .run()?
        .prints("/work")
}

fn an_empty_environment_value_stays_empty(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo \"[${A-unset}]\"");
    bundle
        .set("/process/env", json!(["PATH=/bin", "A="]))
        .run()?
        .prints("[]")
}

fn the_last_of_two_values_of_a_variable_counts(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo $A");
    bundle
        .set("/process/env", json!(["PATH=/bin", "A=1", "A=2"]))
        .run()?
        .prints("2")
}

fn large_arguments_and_environments_arrive(rt: &Runtime) -> Outcome {
    let long = "x".repeat(100_000);
    let bundle = Bundle::program(rt, &["sh", "-c", "echo ${#A} ${#1}", "sh", &long]);
    let many: Vec<String> = (0..500).map(|at| format!("V{at}={at}")).collect();
    let env: Vec<String> = [format!("A={long}"), "PATH=/bin".into()]
        .into_iter()
        .chain(many)
        .collect();
    bundle
        .set("/process/env", json!(env))
        .run()?
        .prints("100000 100000")
}

fn the_directory_is_the_configs(rt: &Runtime) -> Outcome {
    Bundle::program(rt, &["pwd"])
        .set("/process/cwd", json!("/work"))
        .run()?
        .prints("/work")
}

fn a_missing_directory_is_made(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["pwd"]).set("/process/cwd", json!("/made/for/this"));
    bundle.run()?.prints("/made/for/this")
}

fn a_relative_directory_is_refused(rt: &Runtime) -> Outcome {
    Bundle::program(rt, &["pwd"])
        .set("/process/cwd", json!("work"))
        .create()?
        .fails()
        .map(drop)
}

fn a_directory_that_is_a_file_fails_the_create(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["pwd"]).file("/etc/text", "");
    bundle
        .set("/process/cwd", json!("/etc/text"))
        .create()?
        .fails()
        .map(drop)
}

fn limits_are_set(rt: &Runtime) -> Outcome {
    let script = "grep -E '^Max (core|open|file locks|stack|processes)' /proc/self/limits | awk '{print $(NF-2), $(NF-1)}' | sort; ulimit -n";
    let limit =
        |kind: &str, soft: u64, hard: u64| json!({ "type": kind, "soft": soft, "hard": hard });
    let limits = json!([
        limit("RLIMIT_NOFILE", 100, 200),
        limit("RLIMIT_CORE", 0, 4096)
    ]);
    let said = Bundle::script(rt, script)
        .set("/process/rlimits", limits)
        .run()?
        .ok()?;
    let says = |word: &str| {
        holds(said.out.contains(word), || {
            format!("no {word:?} in {}", said.out)
        })
    };
    says("100 200")?;
    says("0 4096")?;
    holds(said.out.ends_with("100\n"), || said.out.clone())
}

fn a_limit_of_an_unknown_kind_is_refused(rt: &Runtime) -> Outcome {
    let limits = json!([{ "type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1 }]);
    Bundle::program(rt, &["true"])
        .set("/process/rlimits", limits)
        .create()?
        .fails()
        .map(drop)
}

fn a_limit_given_twice_is_refused(rt: &Runtime) -> Outcome {
    let one = json!({ "type": "RLIMIT_NOFILE", "soft": 10, "hard": 10 });
    Bundle::program(rt, &["true"])
        .set("/process/rlimits", json!([one, one]))
        .create()?
        .fails()
        .map(drop)
}

fn a_soft_limit_above_the_hard_one_is_refused(rt: &Runtime) -> Outcome {
    let limits = json!([{ "type": "RLIMIT_NOFILE", "soft": 200, "hard": 100 }]);
    Bundle::program(rt, &["true"])
        .set("/process/rlimits", limits)
        .create()?
        .fails()
        .map(drop)
}

fn a_hard_limit_is_raised(rt: &Runtime) -> Outcome {
    let limits = json!([{ "type": "RLIMIT_NOFILE", "soft": 30000, "hard": 30000 }]);
    Bundle::script(rt, "ulimit -Hn")
        .set("/process/rlimits", limits)
        .run()?
        .prints("30000")
}

fn the_oom_score_is_set(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["cat", "/proc/self/oom_score_adj"]);
    bundle
        .set("/process/oomScoreAdj", json!(77))
        .run()?
        .prints("77")
}

fn the_oom_score_is_inherited_when_none_is_given(rt: &Runtime) -> Outcome {
    let own = fs::read_to_string("/proc/self/oom_score_adj").map_err(|error| error.to_string())?;
    Bundle::program(rt, &["cat", "/proc/self/oom_score_adj"])
        .run()?
        .prints(&own)
}

fn the_oom_score_is_lowered(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["cat", "/proc/self/oom_score_adj"]);
    bundle
        .set("/process/oomScoreAdj", json!(-500))
        .run()?
        .prints("-500")
}

fn the_umask_is_the_configs(rt: &Runtime) -> Outcome {
    Bundle::script(rt, "umask")
        .set("/process/user/umask", json!(0o27))
        .run()?
        .prints("0027")
}

fn the_umask_is_022_when_none_is_given(rt: &Runtime) -> Outcome {
    Bundle::script(rt, "umask").run()?.prints("0022")
}

const PRIVS: &str = "grep NoNewPrivs /proc/self/status";

fn no_new_privileges_is_set(rt: &Runtime) -> Outcome {
    Bundle::script(rt, PRIVS)
        .set("/process/noNewPrivileges", json!(true))
        .run()?
        .prints("NoNewPrivs:\t1")
}

fn no_new_privileges_is_not_set_when_false(rt: &Runtime) -> Outcome {
    Bundle::script(rt, PRIVS)
        .set("/process/noNewPrivileges", json!(false))
        .run()?
        .prints("NoNewPrivs:\t0")
}

fn no_new_privileges_is_not_set_when_left_out(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::script(rt, PRIVS);
    bundle.spec["process"]
        .as_object_mut()
        .map(|process| process.remove("noNewPrivileges"));
    bundle.run()?.prints("NoNewPrivs:\t0")
}

fn an_apparmor_profile_is_refused_where_the_kernel_has_none(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["true"]).set("/process/apparmorProfile", json!("nonsense"));
    bundle.create()?.fails().map(drop)
}

fn the_priority_of_io_is_set(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ionice -p $$");
    let wanted = json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 });
    bundle
        .set("/process/ioPriority", wanted)
        .run()?
        .prints("best-effort: prio 6")
}

/// Scheduling policy and nice value, as the kernel counts them.
const SCHEDULING: &str = "awk '{print $41, $19}' /proc/self/stat";

fn the_scheduler_is_batch(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, SCHEDULING);
    bundle
        .set("/process/scheduler", json!({ "policy": "SCHED_BATCH" }))
        .run()?
        .prints("3 0")
}

fn the_scheduler_is_other_with_a_nice_value(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, SCHEDULING);
    bundle
        .set(
            "/process/scheduler",
            json!({ "policy": "SCHED_OTHER", "nice": 7 }),
        )
        .run()?
        .prints("0 7")
}

fn an_unknown_scheduler_is_refused(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["true"]);
    bundle
        .set("/process/scheduler", json!({ "policy": "SCHED_NONSENSE" }))
        .create()?
        .fails()
        .map(drop)
}

fn the_personality_is_linux32(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "cat /proc/self/personality; uname -m")
        .set("/linux/personality/domain", json!("LINUX32"));
    bundle.run()?.prints("00000008\ni686")
}

fn the_personality_is_linux(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "cat /proc/self/personality")
        .set("/linux/personality/domain", json!("LINUX"));
    bundle.run()?.prints("00000000")
}

fn an_unknown_personality_is_refused(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["true"]).set("/linux/personality/domain", json!("NONSENSE"));
    bundle.create()?.fails().map(drop)
}

fn standard_streams_are_the_callers(rt: &Runtime) -> Outcome {
    let said = Bundle::script(rt, "echo out; echo err >&2").run()?.ok()?;
    same("standard output", said.out, "out\n")?;
    same("standard error", said.err, "err\n")
}

fn standard_input_is_passed_on(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["cat"]);
    bundle.write();
    let mut command = bundle.command(&["run", "--bundle"]);
    command.arg(bundle.dir()).arg(&bundle.id);
    let text = "line\n".repeat(10_000);
    let said = crate::said::feed(&mut command, Some(text.as_bytes()))?.ok()?;
    holds(said.out == text, || {
        format!("{} of {} bytes came", said.out.len(), text.len())
    })
}

fn no_descriptor_but_the_streams_is_open(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let said = bundle
        .exec(&["sh", "-c", "ls /proc/1/fd; ls /proc/$$/fd; true"])?
        .ok()?;
    let names: Vec<&str> = said.out.split_whitespace().collect();
    same("descriptors", names, ["0", "1", "2", "0", "1", "2"])
}

fn the_program_leads_a_session(rt: &Runtime) -> Outcome {
    Bundle::script(rt, "awk '{print $1, $5, $6}' /proc/1/stat")
        .run()?
        .prints("1 1 1")
}

fn the_program_is_the_first_of_its_namespace(rt: &Runtime) -> Outcome {
    Bundle::script(rt, "echo $$ $PPID").run()?.prints("1 0")
}

fn no_signal_is_blocked_or_ignored(rt: &Runtime) -> Outcome {
    let said = Bundle::program(rt, &["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"])
        .run()?
        .ok()?;
    for line in said.out.lines() {
        let bits = line
            .split('\t')
            .nth(1)
            .and_then(|text| u64::from_str_radix(text, 16).ok());
        // Signals 32 and 33 are the C library's own.
        holds(bits.is_some_and(|bits| bits & 0x7fff_ffff == 0), || {
            line.to_owned()
        })?;
    }
    Ok(())
}

/// Gives a file of the root file system the right to run.
fn executable(bundle: &Bundle, path: &str) {
    fs::set_permissions(
        bundle.rootfs().join(path),
        fs::Permissions::from_mode(0o755),
    )
    .expect("mode");
}
