//! Writing, truncating, linking, renaming and changing modes outside /sandbox and /tmp.

use nemoclaw_tests::probe::{Places, data_dir, everywhere};
use nemoclaw_tests::{nemoclaw, world};

const OUTSIDE: &[&str] = &[
    "write_root",
    "write_etc",
    "write_usr",
    "write_bin",
    "write_data",
    "overwrite_passwd",
    "overwrite_data",
    "overwrite_resolv_conf",
    "overwrite_hosts",
    "write_data_by_proc_root",
    "write_data_by_dir_fd",
    "tmpfile_data",
    "truncate_data",
    "truncate_passwd",
    "chmod_suid_data",
    "chmod_data",
    "chown_data",
    "utimes_data",
    "setxattr_data",
    "fchmod_suid_data",
    "rename_out",
    "rename_in",
    "link_out",
    "link_in",
    "symlink_out",
    "mkdir_out",
    "unlink_out",
];
const SETUID: &[&str] = &[
    "chmod_suid_sandbox",
    "chmod_sgid_tmp",
    "fchmodat_suid_sandbox",
];
const NODES: &[&str] = &["mknod_null", "mknod_disk", "mknod_sandbox"];

#[test]
fn without_the_box_they_work() {
    let world = world!();
    let data = data_dir(world);
    let mount = format!("{}:/data", data.path().display());
    let places = nemoclaw_tests::probe::without_box(world, &["-v", &mount], &["files"]);
    for name in OUTSIDE.iter().chain(SETUID).chain(NODES) {
        assert!(places[*name].worked(), "{:?}", places[*name]);
    }
}

#[test]
fn in_the_box_only_sandbox_and_tmp_are_writable() {
    let world = nemoclaw!();
    let data = data_dir(world);
    let mount = format!("{}:/data", data.path().display());
    let places: Places = everywhere(world, "nemoclaw", &["-v", &mount], &["files"]);
    places.always(&["write_sandbox", "write_tmp"]);
    // The baseline's own writes come first and must not hide the box's.
    places.refused(OUTSIDE);
    places.refused(SETUID);
    places.refused(NODES);
    places.refused(&[
        "fchmodat2_suid_sandbox",
        "create_suid_sandbox",
        "write_dev",
        "write_proc_sys",
        "write_proc_sysrq",
        "write_sys",
        "write_cgroup",
        "write_cgroup_procs",
        "read_kallsyms",
    ]);
    for table in [&places.run, &places.exec] {
        for name in [
            "write_data",
            "overwrite_data",
            "chmod_data",
            "truncate_data",
        ] {
            assert!(
                matches!(table[name].errno.as_str(), "EROFS" | "EACCES"),
                "{:?}",
                table[name]
            );
        }
    }
}

#[test]
fn the_hosts_files_stay_untouched() {
    use std::os::unix::fs::PermissionsExt;
    let world = nemoclaw!();
    let data = data_dir(world);
    let mount = format!("{}:/data", data.path().display());
    nemoclaw_tests::container::run(
        world,
        "nemoclaw",
        &["-v", &mount],
        &["nct/busybox", "/usr/bin/nemoclaw-probe", "files"],
    )
    .ok();
    assert_eq!(
        std::fs::read_to_string(data.path().join("file")).expect("file"),
        "untouched\n"
    );
    let mode = std::fs::metadata(data.path().join("tool"))
        .expect("tool")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
    let names: Vec<_> = std::fs::read_dir(data.path())
        .expect("dir")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
