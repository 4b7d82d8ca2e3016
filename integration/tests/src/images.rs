//! Images without a registry: trees packed with tar and imported.
//!
//! `nct/busybox` (busybox-static), `nct/debian` (with curl, git, pip, Node), `nct/scratch` (one static binary and nothing
//! else), `nct/pause` (the same, waiting: what holds a pod's namespaces), `nct/bare` (no /sandbox, /tmp, /etc), `nct/trojan`
//! (`/usr/sbin/ip` and friends that leave a mark when they are run), `nct/links` (`/sandbox` and `/tmp` are symlinks to
//! `/dir`), `nct/widen` (`ENV NEMOCLAW_POLICY=dev`).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::engine::Engine;
use crate::shell::{finish, sh};
use crate::world::{World, tools_dir};

const PATH_ENV: &str = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Imports all images into the plain engine, where they are missing or older than what they are made of.
pub fn up(world: &World) {
    for name in [
        "busybox", "scratch", "pause", "bare", "trojan", "links", "widen",
    ] {
        small(world, Engine::Plain, name);
    }
    debian(world);
}

/// Imports one of the small images into `engine`.
pub fn small(world: &World, engine: Engine, name: &str) {
    if current(world, engine, name) {
        return;
    }
    let tree = tempfile::tempdir_in(world.path("images")).expect("image tree");
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    match name {
        "scratch" | "pause" => copy_probe(tree.path(), "probe"),
        "bare" => bare(tree.path()),
        _ => busybox(tree.path()),
    }
    match name {
        "trojan" => trojans(tree.path()),
        "links" => links(tree.path()),
        _ => {}
    }
    let mut changes = vec![PATH_ENV];
    match name {
        "scratch" => changes.push("CMD [\"/probe\", \"hello\"]"),
        "pause" => changes.push("ENTRYPOINT [\"/probe\", \"sleep\"]"),
        "widen" => changes.push("ENV NEMOCLAW_POLICY=dev"),
        _ => {}
    }
    import(
        world,
        engine,
        name,
        &format!("tar -C {} -c .", tree.path().display()),
        &changes,
    );
}

/// Changes with the probe: images of an older one are made anew.
pub fn key() -> String {
    let probe = fs::metadata(tools_dir().join("nemoclaw-probe")).expect("probe");
    format!("4-{}-{}", probe.len(), probe.mtime())
}

fn current(world: &World, engine: Engine, name: &str) -> bool {
    let tag = format!("nct/{name}");
    let label = engine.docker(
        world,
        &[
            "image",
            "inspect",
            "-f",
            "{{index .Config.Labels \"nct.key\"}}",
            &tag,
        ],
    );
    label.code == 0 && label.text() == key()
}

fn import(world: &World, engine: Engine, name: &str, pack: &str, changes: &[&str]) {
    let mut args = vec!["import".to_owned()];
    for change in changes
        .iter()
        .map(|change| (*change).to_owned())
        .chain([format!("LABEL nct.key={}", key())])
    {
        args.extend(["-c".to_owned(), change]);
    }
    let client = engine.client(world, &[]);
    let host = client
        .get_envs()
        .find_map(|(key, value)| (key == "DOCKER_HOST").then_some(value?))
        .expect("host")
        .to_owned();
    let quoted: Vec<String> = args.iter().map(|word| format!("'{word}'")).collect();
    let mut command = std::process::Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{pack} | docker {} - nct/{name}", quoted.join(" ")))
        .env("DOCKER_HOST", host);
    finish(command, None, std::time::Duration::from_secs(120)).ok();
}

fn folders(tree: &Path, names: &[&str]) {
    for name in names {
        fs::create_dir_all(tree.join(name)).expect("folder");
    }
}

fn copy_probe(tree: &Path, to: &str) {
    fs::copy(tools_dir().join("nemoclaw-probe"), tree.join(to)).expect("probe");
}

fn busybox(tree: &Path) {
    folders(
        tree,
        &[
            "bin",
            "usr/bin",
            "usr/sbin",
            "etc",
            "root",
            "proc",
            "sys",
            "dev",
            "tmp",
            "sandbox/work",
            "dir",
            "home/agent",
            "var",
        ],
    );
    applets(tree);
    copy_probe(tree, "usr/bin/nemoclaw-probe");
    fs::write(tree.join("dir/secret"), "not for this policy\n").expect("secret");
    fs::write(
        tree.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nsandbox:x:1000:1000::/sandbox:/bin/sh\n",
    )
    .expect("passwd");
    fs::write(tree.join("etc/group"), "root:x:0:\nsandbox:x:1000:\n").expect("group");
    common(tree);
}

fn applets(tree: &Path) {
    fs::copy("/bin/busybox", tree.join("bin/busybox")).expect("busybox-static");
    for applet in sh("/bin/busybox --list")
        .ok()
        .stdout
        .lines()
        .filter(|applet| *applet != "busybox")
    {
        symlink("busybox", tree.join("bin").join(applet)).expect("applet");
    }
}

/// What the probe expects to find.
fn common(tree: &Path) {
    for name in ["etc/nct-victim", "etc/nct-victim2"] {
        fs::write(tree.join(name), "victim\n").expect("victim");
    }
    for name in ["tmp", "sandbox"] {
        fs::set_permissions(tree.join(name), fs::Permissions::from_mode(0o1777)).expect("mode");
    }
}

fn bare(tree: &Path) {
    folders(tree, &["bin"]);
    applets(tree);
    copy_probe(tree, "bin/nemoclaw-probe");
}

/// Programs of the image that a careless runtime or hook might run: each leaves a mark in the box and answers nothing.
fn trojans(tree: &Path) {
    for name in ["ip", "nft", "iptables", "modprobe", "nsenter", "mount"] {
        let path = tree.join("usr/sbin").join(name);
        fs::write(&path, "#!/bin/sh\necho \"$0 $*\" >>/tmp/trojan-was-run\necho \"$0 $*\" >>/sandbox/trojan-was-run\nexit 0\n").expect("trojan");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
        let _ = fs::remove_file(tree.join("bin").join(name));
        fs::copy(&path, tree.join("bin").join(name)).expect("trojan");
    }
}

fn links(tree: &Path) {
    for name in ["tmp", "sandbox"] {
        fs::remove_dir_all(tree.join(name)).expect("folder");
        symlink("/var/tmp/nct-host-dir", tree.join(name)).expect("link");
    }
    folders(tree, &["var/tmp/nct-host-dir"]);
}

/// The Debian tree with the probe and Node added; a second tar archive appended to the first.
fn debian(world: &World) {
    if current(world, Engine::Plain, "debian") {
        return;
    }
    let tree = tempfile::tempdir_in(world.path("images")).expect("image tree");
    folders(tree.path(), &["usr/bin", "etc", "sandbox", "tmp"]);
    copy_probe(tree.path(), "usr/bin/nemoclaw-probe");
    common(tree.path());
    fs::copy(
        tools_dir().join("venv/node"),
        tree.path().join("usr/bin/node"),
    )
    .expect("node");
    let pack = format!(
        "{{ cp {0}/debian.tar {1}/debian-full.tar && tar -C {2} -rf {1}/debian-full.tar ./usr/bin/nemoclaw-probe ./usr/bin/node ./etc/nct-victim ./etc/nct-victim2 ./sandbox && cat {1}/debian-full.tar; }}",
        tools_dir().display(),
        world.path("images").display(),
        tree.path().display()
    );
    import(
        world,
        Engine::Plain,
        "debian",
        &pack,
        &[PATH_ENV, "ENV LANG=C.UTF-8"],
    );
    let _ = fs::remove_file(world.path("images/debian-full.tar"));
}
