//! A person's first evening: their own directory as /sandbox.

use std::os::unix::fs::{PermissionsExt, chown};

use nemoclaw_tests::container::run;
use nemoclaw_tests::router::cli;
use nemoclaw_tests::{World, nemoclaw};

fn project(world: &World) -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("project-")
        .tempdir_in(world.path("data"))
        .expect("project");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    std::fs::write(dir.path().join("README"), "mine\n").expect("file");
    for path in [dir.path().to_owned(), dir.path().join("README")] {
        chown(path, Some(1000), Some(1000)).expect("owner");
    }
    dir
}

#[test]
fn with_docker_the_right_user_works_and_root_is_told_of_it() {
    let world = nemoclaw!();
    let project = project(world);
    let mount = format!("{}:/sandbox", project.path().display());
    run(
        world,
        "nemoclaw",
        &["-v", &mount, "-u", "1000:1000"],
        &[
            "nct/busybox",
            "sh",
            "-c",
            "cat /sandbox/README; echo new >/sandbox/new",
        ],
    )
    .ok()
    .says("mine");
    assert_eq!(
        std::fs::read_to_string(project.path().join("new")).expect("new"),
        "new\n"
    );
    run(world, "nemoclaw", &["-v", &mount], &["nct/busybox", "true"]).fails_saying("-u 1000:1000");
}

#[test]
fn the_direct_engine_runs_as_the_directorys_owner() {
    let world = nemoclaw!();
    let project = project(world);
    let mount = format!("{}:/sandbox", project.path().display());
    let said = cli(
        world,
        "config",
        &[
            "run",
            "--policy",
            "test",
            "-v",
            &mount,
            "--",
            "sh",
            "-c",
            "id -u; cat /sandbox/README; echo new >/sandbox/new",
        ],
    )
    .ok();
    said.says("1000").says("mine");
    assert_eq!(
        std::fs::read_to_string(project.path().join("new")).expect("new"),
        "new\n"
    );
}
