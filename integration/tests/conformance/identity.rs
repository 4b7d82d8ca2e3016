//! Whom the program runs as: user, groups, capabilities.

use serde_json::json;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{holds, same};

checks![
    the_user_and_group_are_the_configs,
    a_user_without_entry_works,
    additional_groups_are_set,
    groups_of_the_caller_are_dropped,
    the_image_names_no_groups,
    the_users_files_belong_to_it,
    capabilities_are_exactly_the_configs,
    each_set_is_its_own,
    no_capabilities_means_none,
    capabilities_left_out_mean_none,
    ambient_capabilities_survive_for_another_user,
    a_user_without_ambient_capabilities_has_none_effective,
    ambient_needs_inheritable,
    a_capability_outside_the_bounding_set_cannot_be_gained,
    all_capabilities_of_the_caller_can_be_given,
    an_unknown_capability_does_not_stop_the_rest,
    #[nowhere "root lacks CAP_SYS_RESOURCE here"]
    a_capability_that_the_caller_lacks_is_given,
    the_working_directory_may_be_one_that_only_the_user_can_enter,
    standard_streams_can_be_opened_again_by_the_user,
];

fn the_user_and_group_are_the_configs(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "id -u; id -g; grep -E '^[UG]id' /proc/self/status");
    bundle
        .set("/process/user", json!({ "uid": 1234, "gid": 567 }))
        .run()?
        .prints("1234\n567\nUid:\t1234\t1234\t1234\t1234\nGid:\t567\t567\t567\t567")
}

fn a_user_without_entry_works(rt: &Runtime) -> Outcome {
    let bundle =
        Bundle::script(rt, "id -u; pwd").file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    bundle
        .set(
            "/process/user",
            json!({ "uid": 4_000_000, "gid": 4_000_001 }),
        )
        .run()?
        .prints("4000000\n/")
}

const GROUPS: &str = "grep Groups /proc/self/status | tr -s '\\t ' ' '";

fn additional_groups_are_set(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, GROUPS);
    bundle
        .set(
            "/process/user",
            json!({ "uid": 7, "gid": 8, "additionalGids": [20, 5, 3000] }),
        )
        .run()?
        .prints("Groups: 5 20 3000")
}

fn groups_of_the_caller_are_dropped(rt: &Runtime) -> Outcome {
    Bundle::script(rt, GROUPS)
        .set("/process/user", json!({ "uid": 7, "gid": 8 }))
        .run()?
        .prints("Groups:")
}

fn the_image_names_no_groups(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, GROUPS)
        .file("/etc/passwd", "u:x:7:8::/:/bin/sh\n")
        .file("/etc/group", "wheel:x:99:u\n");
    bundle
        .set("/process/user", json!({ "uid": 7, "gid": 8 }))
        .run()?
        .prints("Groups:")
}

fn the_users_files_belong_to_it(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /tmp/x; stat -c '%u %g %a' /tmp/x");
    std::fs::set_permissions(
        bundle.rootfs().join("tmp"),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .expect("mode");
    bundle
        .set("/process/user", json!({ "uid": 7, "gid": 8 }))
        .run()?
        .prints("7 8 644")
}

/// The five sets, as the kernel counts them: inheritable, permitted, effective, bounding, ambient.
const SETS: &str = "awk '/^Cap/ {sub(/^0+/, \"\", $2); print ($2 == \"\" ? 0 : $2)}' /proc/self/status | tr '\\n' ' '";

fn capabilities_are_exactly_the_configs(rt: &Runtime) -> Outcome {
    Bundle::script(rt, SETS)
        .capabilities(&["CAP_CHOWN", "CAP_KILL"])
        .run()?
        .prints("0 21 21 21 0")
}

fn each_set_is_its_own(rt: &Runtime) -> Outcome {
    let sets = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_CHOWN"], "inheritable": ["CAP_KILL"]
    });
    // Root's programs regain at execve what is permitted, but, with no_new_privs, nothing more.
    let bundle = Bundle::script(rt, SETS).set("/process/capabilities", sets);
    bundle.run()?.prints("20 21 21 a1 0")
}

fn no_capabilities_means_none(rt: &Runtime) -> Outcome {
    Bundle::script(rt, SETS)
        .capabilities(&[])
        .run()?
        .prints("0 0 0 0 0")
}

fn capabilities_left_out_mean_none(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::script(rt, SETS);
    bundle.spec["process"]
        .as_object_mut()
        .map(|process| process.remove("capabilities"));
    bundle.run()?.prints("0 0 0 0 0")
}

fn ambient_capabilities_survive_for_another_user(rt: &Runtime) -> Outcome {
    let names = ["CAP_CHOWN", "CAP_KILL"];
    let sets = json!({ "bounding": names, "permitted": names, "effective": names, "inheritable": names, "ambient": ["CAP_KILL"] });
    let bundle = Bundle::script(rt, SETS).set("/process/user", json!({ "uid": 7, "gid": 8 }));
    bundle
        .set("/process/capabilities", sets)
        .run()?
        .prints("21 20 20 21 20")
}

fn a_user_without_ambient_capabilities_has_none_effective(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, SETS).set("/process/user", json!({ "uid": 7, "gid": 8 }));
    bundle
        .capabilities(&["CAP_CHOWN", "CAP_KILL"])
        .run()?
        .prints("0 0 0 21 0")
}

fn ambient_needs_inheritable(rt: &Runtime) -> Outcome {
    let names = ["CAP_CHOWN", "CAP_KILL"];
    let sets =
        json!({ "bounding": names, "permitted": names, "effective": names, "ambient": names });
    let bundle = Bundle::script(rt, SETS).set("/process/user", json!({ "uid": 7, "gid": 8 }));
    let said = bundle.set("/process/capabilities", sets).run()?;
    // Refused, or without the ambient set: either way nothing is gained.
    holds(said.code != 0 || said.out.trim() == "0 0 0 21 0", || {
        said.out.clone()
    })
}

fn a_capability_outside_the_bounding_set_cannot_be_gained(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "mknod /tmp/x c 1 3 2>/dev/null && echo made || echo refused",
    );
    bundle.capabilities(&["CAP_CHOWN"]).run()?.prints("refused")
}

fn all_capabilities_of_the_caller_can_be_given(rt: &Runtime) -> Outcome {
    let names: Vec<&str> = ALL
        .split_whitespace()
        .filter(|name| *name != "CAP_SYS_RESOURCE")
        .collect();
    Bundle::script(rt, SETS)
        .capabilities(&names)
        .run()?
        .prints("0 1fffeffffff 1fffeffffff 1fffeffffff 0")
}

fn an_unknown_capability_does_not_stop_the_rest(rt: &Runtime) -> Outcome {
    let said = Bundle::script(rt, SETS)
        .capabilities(&["CAP_CHOWN", "CAP_FROM_THE_FUTURE"])
        .run()?;
    // runc warns and goes on, others refuse: never is it taken for another one.
    holds(said.code != 0 || said.out.trim() == "0 1 1 1 0", || {
        said.out.clone()
    })
}

fn a_capability_that_the_caller_lacks_is_given(rt: &Runtime) -> Outcome {
    Bundle::script(rt, SETS)
        .capabilities(&["CAP_SYS_RESOURCE"])
        .run()?
        .prints("0 1000000 1000000 1000000 0")
}

fn the_working_directory_may_be_one_that_only_the_user_can_enter(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["pwd"]);
    let path = bundle.rootfs().join("work");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("mode");
    std::os::unix::fs::chown(&path, Some(7), Some(8)).expect("owner");
    bundle
        .set("/process/user", json!({ "uid": 7, "gid": 8 }))
        .set("/process/cwd", json!("/work"))
        .run()?
        .prints("/work")
}

fn standard_streams_can_be_opened_again_by_the_user(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo out > /dev/stdout; echo err > /dev/stderr");
    let said = bundle
        .set("/process/user", json!({ "uid": 7, "gid": 8 }))
        .run()?
        .ok()?;
    same("standard output", said.out, "out\n")?;
    same("standard error", said.err, "err\n")
}

const ALL: &str = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID \
    CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK \
    CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT \
    CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL \
    CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON \
    CAP_BPF CAP_CHECKPOINT_RESTORE";
