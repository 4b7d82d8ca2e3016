//! `integration/gpu/check`, which a person runs on a machine with a GPU, tried with a driver that stands in for one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use nemoclaw_tests::shell::{finish, run};
use nemoclaw_tests::world;
use nemoclaw_tests::world::{dist_dir, workspace};

#[test]
fn the_check_passes_with_a_driver_and_says_what_it_could_not_try_without() {
    world!();
    let stand_in = workspace().join("integration/tests/stand-in");
    let folder = tempfile::tempdir_in("/var/tmp").expect("folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    let library = folder.path().join("libcuda.so.1");
    let (source, library) = (stand_in.join("driver.c"), library.display().to_string());
    let words = [
        "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", &library,
    ];
    run(
        "gcc",
        &[words.as_slice(), &[&source.display().to_string()]].concat(),
    )
    .ok();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "bash"])
        .arg(stand_in.join("machine.sh"))
        .args([folder.path(), &dist_dir()]);
    let said = finish(command, None, Duration::from_secs(100)).ok();
    for word in [
        "PASS  without the device the kernel does not run: cuInit: CUDA_ERROR_NO_DEVICE",
        "PASS  policy gpu: the kernel runs in a sandbox",
        "PASS  nothing of /proc but its own files can be written",
        "PASS  the kernel runs in an exec'ed process",
        " passed, 0 failed",
    ] {
        assert!(said.stdout.contains(word), "{word:?}: {said:?}");
    }
    let mut bare = Command::new("bash");
    bare.arg(workspace().join("integration/gpu/check"))
        .arg(dist_dir());
    let said = finish(bare, None, Duration::from_secs(100)).ok();
    assert!(
        said.stdout.contains("SKIP  everything that needs a GPU"),
        "{said:?}"
    );
    assert!(said.stdout.contains("6 passed, 0 failed"), "{said:?}");
}
