//! Devices: the nodes of /dev, and which of them a program may open.

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::holds;

checks![
    the_usual_devices_are_there,
    the_usual_devices_work,
    the_usual_links_are_there,
    a_character_device_is_made_as_described,
    a_fifo_is_made,
    a_device_in_a_directory_is_made,
    a_device_outside_dev_is_made,
    a_devices_mode_does_not_suffer_from_the_umask,
    a_device_of_an_unknown_type_is_refused,
    a_usual_device_may_be_listed_too,
    a_device_that_no_rule_allows_cannot_be_opened,
    a_device_that_a_rule_allows_can_be_opened,
    a_rule_for_reading_does_not_allow_writing,
    the_last_rule_counts,
    a_rule_without_numbers_is_for_all,
    a_made_node_is_no_way_around_the_rules,
    without_rules_only_the_usual_devices_are_open,
    the_rules_hold_in_exec_too,
    devices_of_a_user_namespace_are_the_hosts,
    a_read_only_dev_works,
    dev_without_a_mount_gets_its_nodes_too,
    update_changes_the_rules_of_devices_by_nothing_else,
];

fn the_usual_devices_are_there(rt: &Runtime) -> Outcome {
    let script =
        "for d in null zero full random urandom tty; do stat -c '%n %t:%T %a' /dev/$d; done";
    Bundle::script(rt, script).run()?.prints(
        "/dev/null 1:3 666\n/dev/zero 1:5 666\n/dev/full 1:7 666\n/dev/random 1:8 666\n/dev/urandom 1:9 666\n/dev/tty 5:0 666",
    )
}

fn the_usual_devices_work(rt: &Runtime) -> Outcome {
    let script = "echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; echo x 2>/dev/null > /dev/full || echo full";
    Bundle::script(rt, script).run()?.prints("3\n3\nfull")
}

fn the_usual_links_are_there(rt: &Runtime) -> Outcome {
    let script = "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done";
    Bundle::script(rt, script)
        .run()?
        .prints("/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx")
}

/// `/dev/kmsg`, which no default rule allows.
fn kmsg(path: &str) -> Value {
    json!({ "path": path, "type": "c", "major": 1, "minor": 11, "fileMode": 0o640, "uid": 7, "gid": 8 })
}

fn with_device<'r>(rt: &'r Runtime, script: &str, device: Value) -> Bundle<'r> {
    Bundle::script(rt, script).set("/linux/devices", json!([device]))
}

fn a_character_device_is_made_as_described(rt: &Runtime) -> Outcome {
    with_device(
        rt,
        "stat -c '%F %t:%T %a %u %g' /dev/log-of-kernel",
        kmsg("/dev/log-of-kernel"),
    )
    .run()?
    .prints("character special file 1:b 640 7 8")
}

fn a_fifo_is_made(rt: &Runtime) -> Outcome {
    let device = json!({ "path": "/dev/pipe", "type": "p", "fileMode": 0o600 });
    with_device(rt, "stat -c '%F %a' /dev/pipe", device)
        .run()?
        .prints("fifo 600")
}

fn a_device_in_a_directory_is_made(rt: &Runtime) -> Outcome {
    with_device(rt, "stat -c %t:%T /dev/a/b/c", kmsg("/dev/a/b/c"))
        .run()?
        .prints("1:b")
}

fn a_device_outside_dev_is_made(rt: &Runtime) -> Outcome {
    with_device(rt, "stat -c %t:%T /work/node", kmsg("/work/node"))
        .run()?
        .prints("1:b")
}

fn a_devices_mode_does_not_suffer_from_the_umask(rt: &Runtime) -> Outcome {
    let device =
        json!({ "path": "/dev/open", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 });
    with_device(rt, "stat -c %a /dev/open", device)
        .set("/process/user/umask", json!(0o77))
        .run()?
        .prints("666")
}

fn a_device_of_an_unknown_type_is_refused(rt: &Runtime) -> Outcome {
    let device = json!({ "path": "/dev/x", "type": "z", "major": 1, "minor": 3 });
    with_device(rt, "true", device).create()?.fails().map(drop)
}

fn a_usual_device_may_be_listed_too(rt: &Runtime) -> Outcome {
    let device = json!({ "path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 0, "gid": 0 });
    with_device(rt, "echo x > /dev/null && echo fine", device)
        .run()?
        .prints("fine")
}

/// A bundle whose rules are to deny all and then these.
fn with_rules<'r>(rt: &'r Runtime, script: &str, rules: Value) -> Bundle<'r> {
    let mut list = vec![json!({ "allow": false, "access": "rwm" })];
    list.extend(rules.as_array().cloned().unwrap_or_default());
    with_device(rt, script, kmsg("/dev/k"))
        .set("/linux/resources/devices", json!(list))
        .capabilities(&["CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYSLOG"])
}

const OPEN: &str =
    "(exec 3< /dev/k) 2>/dev/null && echo read; (exec 3> /dev/k) 2>/dev/null && echo written; true";

fn a_device_that_no_rule_allows_cannot_be_opened(rt: &Runtime) -> Outcome {
    with_rules(rt, OPEN, json!([])).run()?.prints("")
}

fn a_device_that_a_rule_allows_can_be_opened(rt: &Runtime) -> Outcome {
    let rule = json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm" });
    with_rules(rt, OPEN, json!([rule]))
        .run()?
        .prints("read\nwritten")
}

fn a_rule_for_reading_does_not_allow_writing(rt: &Runtime) -> Outcome {
    let rule = json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "r" });
    with_rules(rt, OPEN, json!([rule])).run()?.prints("read")
}

fn the_last_rule_counts(rt: &Runtime) -> Outcome {
    let rule = |allow: bool, access: &str| json!({ "allow": allow, "type": "c", "major": 1, "minor": 11, "access": access });
    with_rules(rt, OPEN, json!([rule(true, "rwm"), rule(false, "w")]))
        .run()?
        .prints("read")
}

fn a_rule_without_numbers_is_for_all(rt: &Runtime) -> Outcome {
    let rule = json!({ "allow": true, "type": "c", "access": "rw" });
    with_rules(rt, OPEN, json!([rule]))
        .run()?
        .prints("read\nwritten")
}

fn a_made_node_is_no_way_around_the_rules(rt: &Runtime) -> Outcome {
    let script = "mknod /tmp/n c 1 11 2>/dev/null; (exec 3< /tmp/n) 2>/dev/null && echo read; true";
    with_rules(rt, script, json!([])).run()?.prints("")
}

fn without_rules_only_the_usual_devices_are_open(rt: &Runtime) -> Outcome {
    let mut bundle = with_rules(rt, OPEN, json!([]));
    bundle.spec["linux"]
        .as_object_mut()
        .map(|linux| linux.remove("resources"));
    bundle.run()?.prints("")
}

fn the_rules_hold_in_exec_too(rt: &Runtime) -> Outcome {
    let bundle = with_rules(rt, "sleep 100", json!([]));
    bundle.up()?;
    bundle.exec(&["sh", "-c", OPEN])?.prints("")
}

fn devices_of_a_user_namespace_are_the_hosts(rt: &Runtime) -> Outcome {
    let bundle = crate::namespaces::in_user_namespace(Bundle::script(
        rt,
        "echo x > /dev/null && stat -c '%t:%T' /dev/null; grep -c ' /dev/null ' /proc/self/mountinfo",
    ));
    bundle.run()?.prints("1:3\n1")
}

fn a_read_only_dev_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "echo x > /dev/null && echo fine; touch /dev/x 2>/dev/null || echo refused",
    );
    let said = bundle
        .set("/mounts/1/options", json!(["nosuid", "mode=755", "ro"]))
        .run()?;
    said.prints("fine\nrefused")
}

fn dev_without_a_mount_gets_its_nodes_too(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::script(rt, "echo x > /dev/null && stat -c %t:%T /dev/null");
    bundle.spec["mounts"]
        .as_array_mut()
        .expect("mounts")
        .truncate(1);
    bundle.run()?.prints("1:3")
}

fn update_changes_the_rules_of_devices_by_nothing_else(rt: &Runtime) -> Outcome {
    let bundle = with_rules(rt, "sleep 100", json!([]));
    bundle.up()?;
    bundle.verb("update", &["--pids-limit", "50"])?.ok()?;
    let said = bundle.exec(&["sh", "-c", OPEN])?.ok()?;
    holds(said.out.is_empty(), || said.out.clone())
}
