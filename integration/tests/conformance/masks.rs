//! Masked and read-only paths, and kernel parameters.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::holds;

checks![
    a_masked_file_is_empty,
    a_masked_directory_is_empty,
    a_masked_directory_cannot_be_written,
    a_masked_path_that_is_not_there_is_no_failure,
    a_masked_path_of_proc_is_empty,
    a_masked_symlink_leads_nowhere_outside,
    a_read_only_file_cannot_be_written,
    a_read_only_directory_cannot_be_written,
    a_read_only_path_that_is_not_there_is_no_failure,
    a_read_only_path_keeps_its_flags,
    a_mount_may_be_a_read_only_path,
    masks_hold_in_exec_too,
    the_usual_paths_of_engines_work_together,
    a_parameter_of_the_network_is_set,
    a_parameter_of_ipc_is_set,
    several_parameters_are_set,
    a_parameter_of_the_host_is_refused,
    a_parameter_of_a_namespace_that_is_not_new_is_refused,
    an_unknown_parameter_fails_the_create,
    the_name_of_the_host_is_no_parameter_without_a_namespace,
];

fn masking<'r>(rt: &'r Runtime, script: &str, paths: &[&str]) -> Bundle<'r> {
    Bundle::script(rt, script).set("/linux/maskedPaths", json!(paths))
}

fn a_masked_file_is_empty(rt: &Runtime) -> Outcome {
    let bundle = masking(rt, "wc -c < /etc/secret", &["/etc/secret"]);
    bundle.file("/etc/secret", "secret").run()?.prints("0")
}

fn a_masked_directory_is_empty(rt: &Runtime) -> Outcome {
    let bundle = masking(rt, "ls -A /secrets", &["/secrets"]);
    bundle.file("/secrets/one", "secret").run()?.prints("")
}

fn a_masked_directory_cannot_be_written(rt: &Runtime) -> Outcome {
    let bundle = masking(
        rt,
        "touch /secrets/x 2>/dev/null || echo refused",
        &["/secrets"],
    );
    bundle
        .file("/secrets/one", "secret")
        .run()?
        .prints("refused")
}

fn a_masked_path_that_is_not_there_is_no_failure(rt: &Runtime) -> Outcome {
    masking(
        rt,
        "ls /nothing 2>/dev/null || echo nothing",
        &["/nothing", "/no/thing"],
    )
    .run()?
    .prints("nothing")
}

fn a_masked_path_of_proc_is_empty(rt: &Runtime) -> Outcome {
    let paths = [
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/proc/acpi",
        "/proc/interrupts",
    ];
    masking(
        rt,
        "cat /proc/interrupts /proc/timer_list 2>/dev/null | wc -c",
        &paths,
    )
    .run()?
    .prints("0")
}

fn a_masked_symlink_leads_nowhere_outside(rt: &Runtime) -> Outcome {
    let bundle = masking(rt, "wc -c < /real; echo", &["/link"]).file("/real", "four");
    symlink("/real", bundle.rootfs().join("link")).expect("link");
    let said = bundle.run()?;
    // Masked through the link, or refused: never is another file masked on the host.
    holds(
        said.code != 0 || ["0", "4"].contains(&said.out.trim()),
        || format!("{said:?}"),
    )
}

fn reading<'r>(rt: &'r Runtime, script: &str, paths: &[&str]) -> Bundle<'r> {
    Bundle::script(rt, script).set("/linux/readonlyPaths", json!(paths))
}

fn a_read_only_file_cannot_be_written(rt: &Runtime) -> Outcome {
    let bundle = reading(
        rt,
        "echo x 2>/dev/null > /etc/file || cat /etc/file",
        &["/etc/file"],
    );
    bundle.file("/etc/file", "kept").run()?.prints("kept")
}

fn a_read_only_directory_cannot_be_written(rt: &Runtime) -> Outcome {
    let bundle = reading(
        rt,
        "touch /data/x 2>/dev/null || ls /data; touch /tmp/x",
        &["/data"],
    );
    bundle.file("/data/one", "").run()?.prints("one")
}

fn a_read_only_path_that_is_not_there_is_no_failure(rt: &Runtime) -> Outcome {
    reading(rt, "echo fine", &["/nothing"])
        .run()?
        .prints("fine")
}

fn a_read_only_path_keeps_its_flags(rt: &Runtime) -> Outcome {
    let bundle = reading(
        rt,
        "awk '$5 == \"/proc/sys\" {print $6}' /proc/self/mountinfo",
        &["/proc/sys"],
    );
    bundle
        .set("/mounts/0/options", json!(["nosuid", "noexec", "nodev"]))
        .run()?
        .prints("ro,nosuid,nodev,noexec,relatime")
}

fn a_mount_may_be_a_read_only_path(rt: &Runtime) -> Outcome {
    let bundle = reading(rt, "touch /vol/x 2>/dev/null || echo refused", &["/vol"]);
    bundle
        .mount("/vol", "tmpfs", "tmpfs", &[])
        .run()?
        .prints("refused")
}

fn masks_hold_in_exec_too(rt: &Runtime) -> Outcome {
    let bundle = masking(rt, "sleep 100", &["/etc/secret"]).file("/etc/secret", "secret");
    let bundle = bundle
        .file("/data/one", "")
        .set("/linux/readonlyPaths", json!(["/data"]));
    bundle.up()?;
    bundle
        .exec(&[
            "sh",
            "-c",
            "wc -c < /etc/secret; touch /data/x 2>/dev/null || echo refused",
        ])?
        .prints("0\nrefused")
}

fn the_usual_paths_of_engines_work_together(rt: &Runtime) -> Outcome {
    let masked = [
        "/proc/asound",
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ];
    let readonly = [
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/proc/sys",
        "/proc/sysrq-trigger",
    ];
    let bundle = masking(
        rt,
        "echo 1 2>/dev/null > /proc/sys/net/ipv4/ip_forward || echo refused; ls /sys/firmware | wc -l",
        &masked,
    );
    let bundle = bundle.mount(
        "/sys",
        "sysfs",
        "sysfs",
        &["nosuid", "noexec", "nodev", "ro"],
    );
    bundle
        .set("/linux/readonlyPaths", json!(readonly))
        .run()?
        .prints("refused\n0")
}

fn a_parameter_of_the_network_is_set(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["cat", "/proc/sys/net/ipv4/ip_forward"]);
    bundle
        .set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }))
        .run()?
        .prints("1")
}

fn a_parameter_of_ipc_is_set(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["cat", "/proc/sys/kernel/shm_rmid_forced"]);
    bundle
        .set("/linux/sysctl", json!({ "kernel.shm_rmid_forced": "1" }))
        .run()?
        .prints("1")
}

fn several_parameters_are_set(rt: &Runtime) -> Outcome {
    let files = [
        "kernel/msgmax",
        "fs/mqueue/queues_max",
        "net/ipv4/ping_group_range",
    ]
    .map(|name| format!("/proc/sys/{name}"));
    let args: Vec<&str> = std::iter::once("cat")
        .chain(files.iter().map(String::as_str))
        .collect();
    let values = json!({ "kernel.msgmax": "4096", "fs.mqueue.queues_max": "17", "net.ipv4.ping_group_range": "0 7" });
    Bundle::program(rt, &args)
        .set("/linux/sysctl", values)
        .run()?
        .prints("4096\n17\n0\t7")
}

fn a_parameter_of_the_host_is_refused(rt: &Runtime) -> Outcome {
    let before =
        fs::read_to_string("/proc/sys/vm/swappiness").map_err(|error| error.to_string())?;
    Bundle::sleeping(rt)
        .set("/linux/sysctl", json!({ "vm.swappiness": before.trim() }))
        .create()?
        .fails()
        .map(drop)
}

fn a_parameter_of_a_namespace_that_is_not_new_is_refused(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).without_namespace("ipc");
    let value = fs::read_to_string("/proc/sys/kernel/msgmax").map_err(|error| error.to_string())?;
    bundle
        .set("/linux/sysctl", json!({ "kernel.msgmax": value.trim() }))
        .create()?
        .fails()
        .map(drop)
}

fn an_unknown_parameter_fails_the_create(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .set("/linux/sysctl", json!({ "net.ipv4.nonsense": "1" }))
        .create()?
        .fails()
        .map(drop)
}

fn the_name_of_the_host_is_no_parameter_without_a_namespace(rt: &Runtime) -> Outcome {
    let own = fs::read_to_string("/proc/sys/kernel/hostname").map_err(|error| error.to_string())?;
    let mut bundle = Bundle::sleeping(rt).without_namespace("uts");
    bundle
        .spec
        .as_object_mut()
        .map(|spec| spec.remove("hostname"));
    bundle
        .set("/linux/sysctl", json!({ "kernel.hostname": own.trim() }))
        .create()?
        .fails()
        .map(drop)
}
