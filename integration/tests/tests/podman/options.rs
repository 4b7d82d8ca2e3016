//! Podman's options: runtimes by path and by name, annotations, limits, read-only roots, refusals.

use crate::engine;
use nemoclaw_tests::machine;
use nemoclaw_tests::podman::run;

const SECRET: &[&str] = &["cat", "/dir/secret"];

#[test]
fn a_runtimes_path_and_name_choose_the_policy() {
    let Some(world) = engine() else { return };
    run(world, &machine::runtime_text(world, "default"), &[], SECRET)
        .ok()
        .says("not for this policy");
    run(world, "nemoclaw-default", &[], SECRET)
        .ok()
        .says("not for this policy");
    for runtime in [
        machine::runtime_text(world, "strict"),
        "nemoclaw-strict".to_owned(),
    ] {
        run(world, &runtime, &[], SECRET).fails_saying("Permission denied");
    }
}

#[test]
fn an_annotation_narrows_and_never_widens() {
    let Some(world) = engine() else { return };
    let narrow = ["--annotation", "nemoclaw.dev/policy=strict"];
    run(world, "nemoclaw-default", &narrow, SECRET).fails_saying("Permission denied");
    let wide = ["--annotation", "nemoclaw.dev/policy=default"];
    run(world, "nemoclaw-strict", &wide, SECRET).fails_saying("Permission denied");
    let unlisted = ["--annotation", "nemoclaw.dev/policy=dev"];
    run(world, "nemoclaw-default", &unlisted, &["true"]).fails_saying("selectable");
}

#[test]
fn volumes_and_limits_work() {
    let Some(world) = engine() else { return };
    let data = nemoclaw_tests::probe::data_dir(world);
    let volume = format!("{}:/sandbox", data.path().display());
    let options = [
        "-v",
        &volume,
        "--pids-limit",
        "50",
        "--cpus",
        "0.5",
        "-m",
        "64m",
    ];
    let script = "echo written >/sandbox/new && cat /sandbox/file; echo x >/tmp/x && echo tmp; echo x >/dir/x || echo shut";
    let said = run(world, "nemoclaw-default", &options, &["sh", "-c", script]).ok();
    for word in ["untouched", "tmp", "shut"] {
        assert!(said.stdout.contains(word), "{said:?}");
    }
    assert!(data.path().join("new").exists());
}

#[test]
fn what_cannot_be_a_box_is_refused_in_one_sentence() {
    let Some(world) = engine() else { return };
    for (options, word) in [
        (["--privileged", "--rm"], "privileged"),
        (["--network", "host"], "network"),
        (["--pid", "host"], "pid"),
        (["--ipc", "host"], "ipc"),
    ] {
        run(world, "nemoclaw-test", &options, &["true"])
            .exits(126)
            .says("a sandbox cannot")
            .says(word);
    }
}

#[test]
fn a_read_only_root_and_a_tmpfs_keep_what_the_image_has_there() {
    let Some(world) = engine() else { return };
    // Podman's read-only root comes with fresh `/tmp`, `/run` and `/var/tmp`, into which the image's files are copied.
    let script = "echo x >/tmp/x && echo tmp; echo x >/dir/x || echo shut";
    let said = run(
        world,
        "nemoclaw-default",
        &["--read-only"],
        &["sh", "-c", script],
    )
    .ok();
    assert_eq!(said.text(), "tmp\nshut", "{said:?}");
    let fresh = ["--tmpfs", "/sandbox:size=2m"];
    let script =
        "test -d /sandbox/work && echo x >/sandbox/work/new && grep ' /sandbox ' /proc/mounts";
    run(world, "nemoclaw-default", &fresh, &["sh", "-c", script])
        .ok()
        .says("tmpfs");
    let empty = ["--tmpfs", "/sandbox:size=2m,notmpcopyup"];
    run(
        world,
        "nemoclaw-default",
        &empty,
        &["test", "-d", "/sandbox/work"],
    )
    .exits(1);
}
