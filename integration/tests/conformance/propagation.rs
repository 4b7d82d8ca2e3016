//! How mounts pass between host and container, and the root file system's own flags.

use std::fs;

use nix::mount::{MsFlags, mount};
use serde_json::json;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::mounts::{host_mount, nested};
use crate::runtime::{PLACE, Runtime};
use crate::said::{holds, same};

checks![
    a_private_bind_is_private,
    a_shared_bind_is_shared,
    a_slave_bind_is_a_slave,
    a_recursive_propagation_reaches_what_is_below,
    a_slave_bind_sees_a_later_mount_of_the_host,
    a_private_bind_does_not_see_a_later_mount_of_the_host,
    the_root_is_writable,
    the_root_is_read_only_when_asked,
    mounts_in_a_read_only_root_stay_writable,
    the_root_is_private_when_nothing_is_said,
    the_root_is_unbindable_when_asked,
    the_root_is_shared_when_asked,
    the_hosts_tree_is_gone,
    nothing_of_the_containers_mounts_reaches_the_host,
];

/// The optional fields of a mount, without their numbers.
fn propagation(path: &str) -> String {
    format!(
        "awk '$5 == \"{path}\" {{ s = \"\"; for (i = 7; $i != \"-\"; i++) {{ sub(/:.*/, \"\", $i); s = s \" \" $i }}; print \"is\" s }}' /proc/self/mountinfo"
    )
}

/// A volume that is a mount point of this propagation on the host, and the bundle that prints it as it is inside.
fn propagated<'r>(rt: &'r Runtime, option: &str, host: MsFlags) -> Result<Bundle<'r>, String> {
    let bundle = Bundle::script(rt, &propagation("/vol"));
    let volume = bundle.volume("v");
    host_mount("v", &volume, Some("tmpfs"), MsFlags::empty())?;
    mount(None::<&str>, &volume, None::<&str>, host, None::<&str>)
        .map_err(|error| error.to_string())?;
    Ok(bundle.mount("/vol", "bind", volume, &["bind", option]))
}

fn a_private_bind_is_private(rt: &Runtime) -> Outcome {
    propagated(rt, "private", MsFlags::MS_SHARED)?
        .run()?
        .prints("is")
}

fn a_shared_bind_is_shared(rt: &Runtime) -> Outcome {
    propagated(rt, "shared", MsFlags::MS_PRIVATE)?
        .run()?
        .prints("is shared")
}

fn a_slave_bind_is_a_slave(rt: &Runtime) -> Outcome {
    propagated(rt, "slave", MsFlags::MS_SHARED)?
        .set("/linux/rootfsPropagation", json!("rslave"))
        .run()?
        .prints("is master")
}

fn a_recursive_propagation_reaches_what_is_below(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, &propagation("/vol/below"));
    let volume = nested(&bundle)?;
    bundle
        .mount("/vol", "bind", volume, &["rbind", "rshared"])
        .run()?
        .prints("is shared")
}

/// What a bind of this propagation shows of a mount that the host made after the start.
fn later_mount(rt: &Runtime, option: &str) -> Result<String, String> {
    let bundle = Bundle::sleeping(rt);
    let volume = bundle.volume("v");
    host_mount("v", &volume, Some("tmpfs"), MsFlags::empty())?;
    mount(
        None::<&str>,
        &volume,
        None::<&str>,
        MsFlags::MS_SHARED,
        None::<&str>,
    )
    .map_err(|error| error.to_string())?;
    fs::create_dir(volume.join("later")).map_err(|error| error.to_string())?;
    let bundle = bundle
        .mount("/vol", "bind", &volume, &["rbind", option])
        .set("/linux/rootfsPropagation", json!(option));
    bundle.up()?;
    host_mount(
        "later",
        &volume.join("later"),
        Some("tmpfs"),
        MsFlags::empty(),
    )?;
    fs::write(volume.join("later/seen"), "").map_err(|error| error.to_string())?;
    Ok(bundle
        .exec(&["ls", "/vol/later"])?
        .ok()?
        .out
        .trim()
        .to_owned())
}

fn a_slave_bind_sees_a_later_mount_of_the_host(rt: &Runtime) -> Outcome {
    same("files", later_mount(rt, "rslave")?, "seen")
}

fn a_private_bind_does_not_see_a_later_mount_of_the_host(rt: &Runtime) -> Outcome {
    same("files", later_mount(rt, "rprivate")?, "")
}

fn the_root_is_writable(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /made");
    bundle.run()?.ok()?;
    holds(bundle.rootfs().join("made").exists(), || "not made".into())
}

fn the_root_is_read_only_when_asked(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /made 2>&1 || true");
    let bundle = bundle.set("/root/readonly", json!(true));
    bundle.run()?.ok()?.says("Read-only")?;
    holds(!bundle.rootfs().join("made").exists(), || "made".into())
}

fn mounts_in_a_read_only_root_stay_writable(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /dev/shm/x /vol/x && echo made").mount(
        "/vol",
        "tmpfs",
        "tmpfs",
        &[],
    );
    bundle
        .set("/root/readonly", json!(true))
        .run()?
        .prints("made")
}

fn the_root_is_private_when_nothing_is_said(rt: &Runtime) -> Outcome {
    Bundle::script(rt, &propagation("/")).run()?.prints("is")
}

/// The root's propagation inside, its own mount being shared on the host.
fn root_propagation(rt: &Runtime, word: &str) -> Result<String, String> {
    let bundle = Bundle::script(rt, &propagation("/"));
    let (flags, root) = (MsFlags::MS_BIND, bundle.rootfs());
    mount(Some(&root), &root, None::<&str>, flags, None::<&str>)
        .map_err(|error| error.to_string())?;
    mount(
        None::<&str>,
        &root,
        None::<&str>,
        MsFlags::MS_SHARED,
        None::<&str>,
    )
    .map_err(|error| error.to_string())?;
    let bundle = bundle.set("/linux/rootfsPropagation", json!(word));
    Ok(bundle.run()?.ok()?.out.trim().to_owned())
}

fn the_root_is_unbindable_when_asked(rt: &Runtime) -> Outcome {
    for word in ["unbindable", "runbindable"] {
        same(word, root_propagation(rt, word)?, "is unbindable")?;
    }
    Ok(())
}

fn the_root_is_shared_when_asked(rt: &Runtime) -> Outcome {
    for word in ["shared", "rshared"] {
        let seen = root_propagation(rt, word)?;
        holds(seen.contains("shared"), || format!("{word}: {seen}"))?;
    }
    Ok(())
}

fn the_hosts_tree_is_gone(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        &format!(
            "ls {PLACE} 2>/dev/null; grep -c '{PLACE} ' /proc/self/mountinfo; ls -a / | grep -i -E 'old|pivot'; true"
        ),
    );
    bundle.run()?.prints("0")
}

fn nothing_of_the_containers_mounts_reaches_the_host(rt: &Runtime) -> Outcome {
    let before =
        fs::read_to_string("/proc/thread-self/mountinfo").map_err(|error| error.to_string())?;
    let bundle = Bundle::sleeping(rt).mount("/vol", "tmpfs", "tmpfs", &[]);
    bundle.up()?;
    let after =
        fs::read_to_string("/proc/thread-self/mountinfo").map_err(|error| error.to_string())?;
    let new: Vec<&str> = after
        .lines()
        .filter(|line| !before.contains(line) && !line.contains("/root/"))
        .collect();
    holds(new.is_empty(), || format!("{new:?}"))
}
