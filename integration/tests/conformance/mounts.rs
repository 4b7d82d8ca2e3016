//! Mounts: kinds, flags, and where a destination may lead.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use serde_json::json;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::{PLACE, Runtime};
use crate::said::{holds, same};

checks![
    a_directory_is_bound,
    a_file_is_bound,
    a_bind_without_the_option_but_of_the_type_works,
    a_write_to_a_bind_reaches_the_source,
    a_read_only_bind_is_read_only,
    a_bind_leaves_out_what_is_mounted_below,
    a_recursive_bind_has_what_is_mounted_below,
    a_read_only_recursive_bind_leaves_what_is_below_writable,
    recursive_read_only_reaches_what_is_below,
    the_recursive_options_reach_what_is_below,
    the_recursive_opposites_reach_what_is_below,
    flags_of_a_bind_are_set,
    flags_of_access_times_are_set,
    a_later_option_wins,
    a_tmpfs_has_its_size_and_mode,
    a_tmpfs_is_read_only_when_asked,
    a_tmpfs_copies_up_what_was_there,
    a_missing_destination_directory_is_made,
    a_missing_destination_file_is_made,
    a_destination_through_a_symlink_stays_inside,
    a_destination_with_dots_stays_inside,
    a_symlink_to_an_absolute_path_is_followed_inside,
    mounts_are_made_in_order,
    a_mount_below_a_mount_works,
    a_missing_source_fails_the_create_and_leaves_nothing,
    an_unknown_file_system_fails_the_create,
    an_unknown_option_fails_the_create,
    a_relative_source_is_below_the_bundle,
    a_source_that_is_a_symlink_is_followed,
    a_mount_without_options_works,
    proc_is_the_containers,
    proc_takes_its_options,
    mqueue_is_mounted,
    sysfs_is_mounted_read_only,
    devpts_is_its_own,
    devpts_takes_a_group,
    an_overlay_is_mounted,
    a_mount_with_mappings_shows_its_owners_mapped,
    mappings_without_the_option_are_enough,
    no_pivot_works,
];

/// `nix`'s flags for a host mount in this try's namespace.
pub fn host_mount(source: &str, target: &Path, kind: Option<&str>, flags: MsFlags) -> Outcome {
    fs::create_dir_all(target).map_err(|error| error.to_string())?;
    mount(Some(source), target, kind, flags, None::<&str>)
        .map_err(|error| format!("{}: {error}", target.display()))
}

/// A volume with another file system mounted on `below`.
pub fn nested(bundle: &Bundle) -> Result<PathBuf, String> {
    let volume = bundle.volume("nested");
    host_mount(
        "below",
        &volume.join("below"),
        Some("tmpfs"),
        MsFlags::empty(),
    )?;
    fs::write(volume.join("below/inner"), "").map_err(|error| error.to_string())?;
    Ok(volume)
}

fn a_directory_is_bound(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /vol");
    let volume = bundle.volume("v");
    fs::write(volume.join("file"), "").expect("file");
    bundle
        .mount("/vol", "bind", volume, &["bind"])
        .run()?
        .prints("file")
}

fn a_file_is_bound(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["cat", "/etc/hosts"]);
    let file = bundle.volume("v").join("hosts");
    fs::write(&file, "bound").expect("file");
    bundle
        .file("/etc/hosts", "own")
        .mount("/etc/hosts", "bind", file, &["bind"])
        .run()?
        .prints("bound")
}

fn a_bind_without_the_option_but_of_the_type_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /vol");
    let volume = bundle.volume("v");
    fs::write(volume.join("file"), "").expect("file");
    bundle
        .mount("/vol", "none", volume, &["rbind", "rw"])
        .run()?
        .prints("file")
}

fn a_write_to_a_bind_reaches_the_source(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo inside > /vol/file");
    let volume = bundle.volume("v");
    bundle
        .mount("/vol", "bind", &volume, &["bind"])
        .run()?
        .ok()?;
    same(
        "content",
        fs::read_to_string(volume.join("file")).unwrap_or_default(),
        "inside\n",
    )
}

fn a_read_only_bind_is_read_only(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /vol/x 2>&1 || true");
    let volume = bundle.volume("v");
    bundle
        .mount("/vol", "bind", volume, &["bind", "ro"])
        .run()?
        .ok()?
        .says("Read-only")
        .map(drop)
}

fn a_bind_leaves_out_what_is_mounted_below(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /vol/below");
    let volume = nested(&bundle)?;
    bundle
        .mount("/vol", "bind", volume, &["bind"])
        .run()?
        .prints("")
}

fn a_recursive_bind_has_what_is_mounted_below(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /vol/below");
    let volume = nested(&bundle)?;
    bundle
        .mount("/vol", "bind", volume, &["rbind"])
        .run()?
        .prints("inner")
}

fn a_read_only_recursive_bind_leaves_what_is_below_writable(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "touch /vol/x 2>/dev/null && echo top; touch /vol/below/x && echo below",
    );
    let volume = nested(&bundle)?;
    bundle
        .mount("/vol", "bind", volume, &["rbind", "ro"])
        .run()?
        .prints("below")
}

fn recursive_read_only_reaches_what_is_below(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "touch /vol/x 2>/dev/null && echo top; touch /vol/below/x 2>/dev/null && echo below; true",
    );
    let volume = nested(&bundle)?;
    bundle
        .mount("/vol", "bind", volume, &["rbind", "rro"])
        .run()?
        .prints("")
}

fn the_recursive_options_reach_what_is_below(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "awk '$5 ~ \"^/vol\" {print $5, $6}' /proc/self/mountinfo",
    );
    let volume = nested(&bundle)?;
    let options = ["rbind", "rnosuid", "rnodev", "rnoexec", "rnoatime"];
    bundle
        .mount("/vol", "bind", volume, &options)
        .run()?
        .prints("/vol rw,nosuid,nodev,noexec,noatime\n/vol/below rw,nosuid,nodev,noexec,noatime")
}

fn the_recursive_opposites_reach_what_is_below(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /vol/below/x && echo written");
    let volume = nested(&bundle)?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(
        None::<&str>,
        &volume.join("below"),
        None::<&str>,
        flags,
        None::<&str>,
    )
    .map_err(|error| error.to_string())?;
    bundle
        .mount("/vol", "bind", volume, &["rbind", "rrw"])
        .run()?
        .prints("written")
}

fn flags_of_a_bind_are_set(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "awk '$5 == \"/vol\" {print $6}' /proc/self/mountinfo");
    let volume = bundle.volume("v");
    bundle
        .mount(
            "/vol",
            "bind",
            volume,
            &["bind", "ro", "nosuid", "nodev", "noexec"],
        )
        .run()?
        .prints("ro,nosuid,nodev,noexec,relatime")
}

fn flags_of_access_times_are_set(rt: &Runtime) -> Outcome {
    for (options, expected) in [
        (&["noatime"][..], "rw,noatime"),
        (&["relatime"], "rw,relatime"),
        (&["strictatime"], "rw"),
        (&["nodiratime"], "rw,nodiratime,relatime"),
    ] {
        let bundle = Bundle::script(rt, "awk '$5 == \"/vol\" {print $6}' /proc/self/mountinfo");
        bundle
            .mount("/vol", "tmpfs", "tmpfs", options)
            .run()?
            .prints(expected)
            .map_err(|fault| format!("{options:?}: {fault}"))?;
    }
    Ok(())
}

fn a_later_option_wins(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "awk '$5 == \"/vol\" {print $6}' /proc/self/mountinfo");
    bundle
        .mount(
            "/vol",
            "tmpfs",
            "tmpfs",
            &["ro", "nosuid", "noexec", "rw", "suid"],
        )
        .run()?
        .prints("rw,noexec,relatime")
}

fn a_tmpfs_has_its_size_and_mode(rt: &Runtime) -> Outcome {
    let script =
        "stat -c '%a %u %g' /vol; grep ' /vol ' /proc/self/mountinfo | grep -o 'size=[0-9k]*'";
    let bundle = Bundle::script(rt, script);
    bundle
        .mount(
            "/vol",
            "tmpfs",
            "tmpfs",
            &["size=128k", "mode=1711", "uid=7", "gid=8"],
        )
        .run()?
        .prints("1711 7 8\nsize=128k")
}

fn a_tmpfs_is_read_only_when_asked(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /vol/x 2>/dev/null || echo refused");
    bundle
        .mount("/vol", "tmpfs", "tmpfs", &["ro"])
        .run()?
        .prints("refused")
}

fn a_tmpfs_copies_up_what_was_there(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "cat /data/a /data/b/c; echo new > /data/a")
        .file("/data/a", "one ")
        .file("/data/b/c", "two");
    let bundle = bundle.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    bundle.run()?.prints("one two")?;
    same(
        "the file below",
        fs::read_to_string(bundle.rootfs().join("data/a")).unwrap_or_default(),
        "one ",
    )
}

fn a_missing_destination_directory_is_made(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "stat -c %F /not/there/yet; touch /not/there/yet/x");
    let volume = bundle.volume("v");
    bundle
        .mount("/not/there/yet", "bind", volume, &["bind"])
        .run()?
        .prints("directory")
}

fn a_missing_destination_file_is_made(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "cat /not/there/file");
    let file = bundle.volume("v").join("f");
    fs::write(&file, "bound").expect("file");
    bundle
        .mount("/not/there/file", "bind", file, &["bind"])
        .run()?
        .prints("bound")
}

/// The place that a link of the image would lead to on the host.
fn outside() -> PathBuf {
    let path = Path::new(PLACE).join("outside");
    fs::create_dir_all(&path).expect("directory");
    path
}

fn a_destination_through_a_symlink_stays_inside(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    let outside = outside();
    symlink(&outside, bundle.rootfs().join("link")).expect("link");
    let volume = bundle.volume("v");
    let said = bundle
        .mount("/link/made", "bind", volume, &["bind"])
        .run()?;
    holds(said.code < 1000, || format!("{said:?}"))?;
    let names: Vec<_> = fs::read_dir(outside).expect("outside").flatten().collect();
    holds(names.is_empty(), || format!("made on the host: {names:?}"))
}

fn a_symlink_to_an_absolute_path_is_followed_inside(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /real");
    fs::create_dir(bundle.rootfs().join("real")).expect("directory");
    symlink("/real", bundle.rootfs().join("link")).expect("link");
    let volume = bundle.volume("v");
    fs::write(volume.join("file"), "").expect("file");
    bundle
        .mount("/link", "bind", volume, &["bind"])
        .run()?
        .prints("file")
}

fn a_destination_with_dots_stays_inside(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /escaped");
    let volume = bundle.volume("v");
    fs::write(volume.join("file"), "").expect("file");
    bundle
        .mount("/../../escaped", "bind", volume, &["bind"])
        .run()?
        .prints("file")
}

fn mounts_are_made_in_order(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "cat /vol/name");
    let (one, two) = (bundle.volume("one"), bundle.volume("two"));
    fs::write(one.join("name"), "one").expect("file");
    fs::write(two.join("name"), "two").expect("file");
    bundle
        .mount("/vol", "bind", one, &["bind"])
        .mount("/vol", "bind", two, &["bind"])
        .run()?
        .prints("two")
}

fn a_mount_below_a_mount_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /vol/in/x && ls /vol/in");
    bundle
        .mount("/vol", "tmpfs", "tmpfs", &[])
        .mount("/vol/in", "tmpfs", "tmpfs", &["size=4k"])
        .run()?
        .prints("x")
}

fn a_missing_source_fails_the_create_and_leaves_nothing(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).mount("/vol", "bind", "/nowhere/at/all", &["bind"]);
    bundle.create()?.fails()?.says("/nowhere/at/all")?;
    bundle.verb("state", &[])?.fails()?;
    let left = bundle.cgroup("pids");
    holds(!left.exists(), || format!("{} is left", left.display()))
}

fn an_unknown_file_system_fails_the_create(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .mount("/vol", "nosuchfs", "none", &[])
        .create()?
        .fails()
        .map(drop)
}

fn an_unknown_option_fails_the_create(rt: &Runtime) -> Outcome {
    Bundle::sleeping(rt)
        .mount("/vol", "tmpfs", "tmpfs", &["nonsense=1"])
        .create()?
        .fails()
        .map(drop)
}

fn a_relative_source_is_below_the_bundle(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /vol");
    fs::write(bundle.volume("v").join("file"), "").expect("file");
    bundle
        .mount("/vol", "bind", "volumes/v", &["bind"])
        .run()?
        .prints("file")
}

fn a_source_that_is_a_symlink_is_followed(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "ls /vol");
    let volume = bundle.volume("v");
    fs::write(volume.join("file"), "").expect("file");
    let link = bundle.dir().join("link");
    symlink(volume, &link).expect("link");
    bundle
        .mount("/vol", "bind", link, &["bind"])
        .run()?
        .prints("file")
}

fn a_mount_without_options_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "touch /vol/x && echo made");
    bundle
        .push(
            "/mounts",
            json!({ "destination": "/vol", "type": "tmpfs", "source": "tmpfs" }),
        )
        .run()?
        .prints("made")
}

fn proc_is_the_containers(rt: &Runtime) -> Outcome {
    Bundle::script(
        rt,
        "ls /proc | grep -E '^[0-9]+$' | head -n 1; readlink /proc/1/exe",
    )
    .run()?
    .prints("1\n/bin/busybox")
}

fn proc_takes_its_options(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "awk '$5 == \"/proc\" {print $6}' /proc/self/mountinfo");
    bundle
        .set(
            "/mounts/0/options",
            json!(["nosuid", "noexec", "nodev", "ro"]),
        )
        .run()?
        .prints("ro,nosuid,nodev,noexec,relatime")
}

fn mqueue_is_mounted(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "grep -c ' /dev/mqueue .* - mqueue ' /proc/self/mountinfo",
    );
    bundle
        .mount(
            "/dev/mqueue",
            "mqueue",
            "mqueue",
            &["nosuid", "noexec", "nodev"],
        )
        .run()?
        .prints("1")
}

fn sysfs_is_mounted_read_only(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "ls -d /sys/kernel; awk '$5 == \"/sys\" {print $6}' /proc/self/mountinfo",
    );
    bundle
        .mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", "ro"],
        )
        .run()?
        .prints("/sys/kernel\nro,nosuid,nodev,noexec,relatime")
}

fn devpts_is_its_own(rt: &Runtime) -> Outcome {
    Bundle::script(
        rt,
        "ls /dev/pts; readlink /dev/ptmx; stat -c %a /dev/pts/ptmx",
    )
    .run()?
    .prints("ptmx\npts/ptmx\n666")
}

fn devpts_takes_a_group(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "grep ' /dev/pts ' /proc/self/mountinfo | grep -o 'gid=[0-9]*'",
    );
    bundle
        .set(
            "/mounts/2/options",
            json!(["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        )
        .run()?
        .prints("gid=5")
}

fn an_overlay_is_mounted(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "cat /vol/low; touch /vol/up");
    let [low, up, work] = ["low", "up", "work"].map(|name| bundle.volume(name));
    fs::write(low.join("low"), "from below").expect("file");
    let options = [
        format!("lowerdir={}", low.display()),
        format!("upperdir={}", up.display()),
        format!("workdir={}", work.display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    bundle
        .mount("/vol", "overlay", "overlay", &options)
        .run()?
        .prints("from below")?;
    holds(up.join("up").exists(), || {
        "nothing in the upper directory".into()
    })
}

/// A container without a user namespace, and a volume of user 0 that is mounted with user 0 shown as 1000.
fn mapped(rt: &Runtime, options: &[&str]) -> Outcome {
    let bundle = Bundle::script(rt, "stat -c '%u %g' /vol");
    let map = json!([{ "containerID": 0, "hostID": 1000, "size": 10 }]);
    let volume = bundle.volume("v");
    let entry = json!({ "destination": "/vol", "type": "bind", "source": volume, "options": options, "uidMappings": map, "gidMappings": map });
    bundle.push("/mounts", entry).run()?.prints("1000 1000")
}

fn a_mount_with_mappings_shows_its_owners_mapped(rt: &Runtime) -> Outcome {
    mapped(rt, &["bind", "idmap"])
}

fn mappings_without_the_option_are_enough(rt: &Runtime) -> Outcome {
    mapped(rt, &["rbind"])
}

fn no_pivot_works(rt: &Runtime) -> Outcome {
    Bundle::script(rt, "ls /bin/busybox")
        .run_with(&["--no-pivot"])?
        .prints("/bin/busybox")
}
