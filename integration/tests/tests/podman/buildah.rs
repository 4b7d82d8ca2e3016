//! `buildah run`: it sets its bridge up after `create`, when the fence stands, so that the box's network is `none`, and
//! the router is reached all the same.

use std::time::Duration;

use crate::engine;
use nemoclaw_tests::podman::IMAGE;
use nemoclaw_tests::shell::finish;
use nemoclaw_tests::{Output, World, machine};

fn buildah(world: &World, args: &[&str]) -> Output {
    let mut command = machine::command(world, "buildah");
    command.args(args);
    finish(command, None, Duration::from_secs(60))
}

#[test]
fn a_build_step_runs_in_a_box_and_its_work_is_kept() {
    let Some(world) = engine() else { return };
    let container = buildah(world, &["from", IMAGE]).ok().text();
    let runtime = machine::runtime_text(world, "test");
    let step = |words: &[&str]| {
        let mut args = vec![
            "run",
            "--isolation",
            "oci",
            "--network",
            "none",
            "--runtime",
            &runtime,
            &container,
        ];
        args.extend(words);
        buildah(world, &args)
    };
    let fetched = step(&[
        "sh",
        "-c",
        "wget -q -O /sandbox/kept http://api.example.com/hello",
    ]);
    let kept = step(&["cat", "/sandbox/kept"]);
    let failed = step(&["sh", "-c", "exit 5"]);
    let outside = step(&["sh", "-c", "echo x >/etc/new"]);
    buildah(world, &["rm", &container]).ok();
    fetched.ok();
    kept.ok().says("\"nct\": \"ok\"");
    assert_ne!(failed.code, 0, "{failed:?}");
    outside.fails_saying("Read-only file system");
}
