//! Create, start, kill, delete: the state machine, with every call in the wrong state.

use std::fs;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{holds, same, until};

checks![
    a_created_container_is_created,
    the_program_waits_for_start,
    a_started_container_is_running,
    a_container_whose_program_ended_is_stopped,
    starting_twice_fails,
    starting_a_stopped_container_fails,
    deleting_a_running_container_fails_and_leaves_it_running,
    deleting_a_created_container_works,
    deleting_a_stopped_container_removes_it,
    deleting_by_force_ends_a_running_container,
    deleting_by_force_what_is_not_there_is_no_failure,
    deleting_twice_fails,
    a_created_container_can_be_killed,
    a_killed_container_is_stopped,
    killing_a_stopped_container_fails,
    a_signal_reaches_the_program,
    the_signal_is_term_when_none_is_named,
    a_signal_is_named_by_number_name_or_short_name,
    an_unknown_signal_fails_and_the_program_lives,
    every_verb_fails_on_an_unknown_id,
    an_id_is_free_again_after_delete,
    an_id_in_use_is_refused_and_its_container_lives,
    an_id_of_a_stopped_container_is_in_use,
    kill_all_reaches_every_process,
    deleting_ends_processes_that_the_program_left_behind,
    a_config_changed_after_create_does_not_matter,
];

fn a_created_container_is_created(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.create()?.ok()?;
    same("status", bundle.status()?, "created")
}

fn the_program_waits_for_start(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo ran");
    bundle.create()?.ok()?;
    std::thread::sleep(std::time::Duration::from_millis(50));
    same("output before start", bundle.output(), "")?;
    bundle.start()?.ok()?;
    same("output after start", bundle.ended()?, "ran\n")
}

fn a_started_container_is_running(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    same("status", bundle.status()?, "running")
}

fn a_container_whose_program_ended_is_stopped(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "exit 3");
    bundle.up()?;
    bundle.becomes("stopped")
}

fn starting_twice_fails(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    bundle.start()?.fails()?;
    same("status", bundle.status()?, "running")
}

fn starting_a_stopped_container_fails(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle.start()?.fails()?;
    same("status", bundle.status()?, "stopped")
}

fn deleting_a_running_container_fails_and_leaves_it_running(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    bundle.verb("delete", &[])?.fails()?;
    same("status", bundle.status()?, "running")
}

fn deleting_a_created_container_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.create()?.ok()?;
    bundle.verb("delete", &[])?.ok()?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn deleting_a_stopped_container_removes_it(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle.verb("delete", &[])?.ok()?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn deleting_by_force_ends_a_running_container(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let pid = bundle.pid()?;
    bundle.verb("delete", &["--force"])?.ok()?;
    until("the program's end", || gone(pid).then_some(()))?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn deleting_by_force_what_is_not_there_is_no_failure(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .verb("delete", &["--force"])?
        .ok()
        .map(drop)
}

fn deleting_twice_fails(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.create()?.ok()?;
    bundle.verb("delete", &["--force"])?.ok()?;
    bundle.verb("delete", &[])?.fails().map(drop)
}

fn a_created_container_can_be_killed(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.create()?.ok()?;
    bundle.call(&["kill", &bundle.id, "KILL"])?.ok()?;
    bundle.becomes("stopped")
}

fn a_killed_container_is_stopped(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    bundle.call(&["kill", &bundle.id, "KILL"])?.ok()?;
    bundle.becomes("stopped")
}

fn killing_a_stopped_container_fails(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle
        .call(&["kill", &bundle.id, "TERM"])?
        .fails()
        .map(drop)
}

/// A program that says which signal it got.
const TRAPS: &str = "for s in TERM HUP USR1 USR2; do trap \"echo $s; exit\" $s; done; echo ready; while :; do sleep 0.01; done";

fn ready(bundle: &Bundle) -> Outcome {
    bundle.up()?;
    until("the trap", || {
        bundle.output().contains("ready").then_some(())
    })
}

fn a_signal_reaches_the_program(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, TRAPS);
    ready(&bundle)?;
    bundle.call(&["kill", &bundle.id, "USR1"])?.ok()?;
    same("output", bundle.ended()?, "ready\nUSR1\n")
}

fn the_signal_is_term_when_none_is_named(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, TRAPS);
    ready(&bundle)?;
    bundle.call(&["kill", &bundle.id])?.ok()?;
    same("output", bundle.ended()?, "ready\nTERM\n")
}

fn a_signal_is_named_by_number_name_or_short_name(rt: &Runtime) -> Outcome {
    for (word, name) in [
        ("1", "HUP"),
        ("SIGUSR2", "USR2"),
        ("HUP", "HUP"),
        ("usr1", "USR1"),
    ] {
        let bundle = Bundle::script(rt, TRAPS);
        ready(&bundle)?;
        bundle.call(&["kill", &bundle.id, word])?.ok()?;
        same(word, bundle.ended()?, format!("ready\n{name}\n"))?;
    }
    Ok(())
}

fn an_unknown_signal_fails_and_the_program_lives(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    for word in ["NONSENSE", "SIGNONSENSE", "1234"] {
        bundle.call(&["kill", &bundle.id, word])?.fails()?;
    }
    same("status", bundle.status()?, "running")
}

fn every_verb_fails_on_an_unknown_id(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let id = bundle.id.as_str();
    let calls: [&[&str]; 9] = [
        &["start", id],
        &["state", id],
        &["kill", id, "TERM"],
        &["delete", id],
        &["exec", id, "true"],
        &["pause", id],
        &["resume", id],
        &["ps", id],
        &["update", "--pids-limit", "7", id],
    ];
    for call in calls {
        bundle
            .call(call)?
            .fails()
            .map_err(|fault| format!("{}: {fault}", call[0]))?;
    }
    Ok(())
}

fn an_id_is_free_again_after_delete(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo again");
    for _ in 0..3 {
        bundle.up()?;
        same("output", bundle.ended()?, "again\n")?;
        bundle.verb("delete", &[])?.ok()?;
    }
    Ok(())
}

fn an_id_in_use_is_refused_and_its_container_lives(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let pid = bundle.pid()?;
    bundle.create()?.fails()?;
    bundle.run()?.fails()?;
    same("pid", bundle.pid()?, pid)
}

fn an_id_of_a_stopped_container_is_in_use(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle.create()?.fails().map(drop)
}

fn kill_all_reaches_every_process(rt: &Runtime) -> Outcome {
    let bundle =
        Bundle::script(rt, "sleep 100 & sleep 100 & wait; sleep 100").without_namespace("pid");
    bundle.up()?;
    let procs = bundle.cgroup("pids").join("cgroup.procs");
    let count = || {
        fs::read_to_string(&procs)
            .unwrap_or_default()
            .lines()
            .count()
    };
    until("three processes", || (count() == 3).then_some(()))?;
    bundle.call(&["kill", "--all", &bundle.id, "KILL"])?.ok()?;
    until("their end", || (count() == 0).then_some(()))
}

fn deleting_ends_processes_that_the_program_left_behind(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "sleep 100 & true").without_namespace("pid");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle.verb("delete", &["--force"])?.ok()?;
    let left = bundle.cgroup("pids");
    holds(!left.exists(), || format!("{} is left", left.display()))
}

fn a_config_changed_after_create_does_not_matter(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::script(rt, "echo first");
    bundle.create()?.ok()?;
    bundle.spec["process"]["args"] = serde_json::json!(["sh", "-c", "echo second"]);
    bundle.write();
    bundle.start()?.ok()?;
    same("output", bundle.ended()?, "first\n")
}

/// Whether a process ended; one that nobody has waited for counts as ended.
pub fn gone(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit(')')
        .next()
        .is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
}
