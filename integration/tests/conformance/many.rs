//! Many calls at a time, and calls that end at once: nothing hangs, nothing is mixed up, nothing stays.

use std::process::Command;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{Said, finish, holds, same};

checks![
    twenty_runs_at_a_time_end,
    twenty_runs_of_nothing_one_after_another_end,
    twenty_creates_and_deletes_at_a_time_work,
    one_of_many_creates_of_an_id_wins,
    states_and_lists_work_while_others_come_and_go,
    deletes_at_a_time_of_one_container_are_no_harm,
];

/// Runs all commands at a time.
fn together(commands: Vec<Command>) -> Result<Vec<Said>, String> {
    let threads: Vec<_> = commands
        .into_iter()
        .map(|mut command| std::thread::spawn(move || finish(&mut command)))
        .collect();
    let joined = threads
        .into_iter()
        .map(|thread| thread.join().map_err(|_| "a thread failed".to_owned())?);
    joined.collect()
}

fn call(bundle: &Bundle, words: &[&str]) -> Command {
    bundle.write();
    let mut command = bundle.command(words);
    command.arg("--bundle").arg(bundle.dir()).arg(&bundle.id);
    command
}

fn twenty_runs_at_a_time_end(rt: &Runtime) -> Outcome {
    let bundles: Vec<Bundle> = (0..20)
        .map(|at| Bundle::script(rt, &format!("echo {at}; exit {at}")))
        .collect();
    let said = together(
        bundles
            .iter()
            .map(|bundle| call(bundle, &["run"]))
            .collect(),
    )?;
    for (at, said) in (0..).zip(said) {
        let said = said.ends(at)?;
        same("output", said.out, format!("{at}\n"))?;
    }
    Ok(())
}

fn twenty_runs_of_nothing_one_after_another_end(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["true"]);
    (0..20).try_for_each(|_| bundle.run()?.ok().map(drop))
}

fn twenty_creates_and_deletes_at_a_time_work(rt: &Runtime) -> Outcome {
    let bundles: Vec<Bundle> = (0..20).map(|_| Bundle::sleeping(rt)).collect();
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let work = |id: String, dir: std::path::PathBuf, create: Command, delete: Command| {
            move || {
                let (mut create, mut delete) = (create, delete);
                let file =
                    std::fs::File::create(dir.join("out")).map_err(|error| error.to_string())?;
                let mut child = create
                    .stdout(file)
                    .spawn()
                    .map_err(|error| error.to_string())?;
                same("create", crate::said::wait(&mut child)?, 0)
                    .map_err(|fault| format!("{id}: {fault}"))?;
                finish(&mut delete)?.ok().map(drop)
            }
        };
        let threads: Vec<_> = bundles
            .iter()
            .map(|bundle| {
                let delete = bundle.command(&["delete", "--force", &bundle.id]);
                scope.spawn(work(
                    bundle.id.clone(),
                    bundle.dir().to_owned(),
                    call(bundle, &["create"]),
                    delete,
                ))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a thread failed".into()))
            })
            .collect()
    });
    outcomes.into_iter().collect()
}

fn one_of_many_creates_of_an_id_wins(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let commands: Vec<Command> = (0..8)
        .map(|_| call(&bundle, &["run", "--detach"]))
        .collect();
    let mut children = Vec::new();
    for mut command in commands {
        let file =
            || std::fs::File::create(bundle.dir().join("out")).map_err(|error| error.to_string());
        children.push(
            command
                .stdout(file()?)
                .stderr(file()?)
                .spawn()
                .map_err(|error| error.to_string())?,
        );
    }
    let codes: Vec<i32> = children
        .iter_mut()
        .map(crate::said::wait)
        .collect::<Result<_, _>>()?;
    same(
        "that worked",
        codes.iter().filter(|code| **code == 0).count(),
        1,
    )?;
    same("status", bundle.status()?, "running")
}

fn states_and_lists_work_while_others_come_and_go(rt: &Runtime) -> Outcome {
    let steady = Bundle::sleeping(rt);
    steady.up()?;
    let bundles: Vec<Bundle> = (0..8).map(|_| Bundle::program(rt, &["true"])).collect();
    let mut commands: Vec<Command> = bundles
        .iter()
        .map(|bundle| call(bundle, &["run"]))
        .collect();
    commands.extend((0..8).map(|_| steady.command(&["list", "-q"])));
    commands.extend((0..8).map(|_| steady.command(&["state", &steady.id])));
    let said = together(commands)?;
    for (at, said) in said.into_iter().enumerate() {
        let said = said.ok().map_err(|fault| format!("call {at}: {fault}"))?;
        holds(at < 8 || said.out.contains(&steady.id), || {
            format!("call {at}: {}", said.out)
        })?;
    }
    Ok(())
}

fn deletes_at_a_time_of_one_container_are_no_harm(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let said = together(
        (0..6)
            .map(|_| bundle.command(&["delete", "--force", &bundle.id]))
            .collect(),
    )?;
    holds(said.iter().any(|said| said.code == 0), || {
        format!("{said:?}")
    })?;
    bundle.verb("state", &[])?.fails().map(drop)
}
