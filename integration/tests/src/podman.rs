//! Podman on the second [`machine`], configured by its own files in `/etc/containers`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::container::unique;
use crate::shell::{Output, finish};
use crate::world::{World, alive};
use crate::{images, machine};

/// Its image, by Podman's name.
pub const IMAGE: &str = "localhost/nct/busybox";
/// The longest any command of a test may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Writes its configuration and loads its image, where that was not done yet.
///
/// # Panics
/// When that fails.
pub fn ensure(world: &World) {
    let _lock = world.lock("machine");
    machine::up(world);
    let key = world.path("podman/images.key");
    let holder = alive(&world.path("machine/holder.pid")).expect("machine");
    let want = format!("{} {holder}", images::key());
    if fs::read_to_string(&key).is_ok_and(|have| have == want) {
        return;
    }
    fs::create_dir_all(world.path("podman")).expect("podman directory");
    let script = format!(
        "set -e; mkdir -p /etc/containers; cp {0}/containers.conf {0}/storage.conf /etc/containers/",
        world.text("podman")
    );
    fs::write(world.path("podman/containers.conf"), containers_conf(world)).expect("conf");
    fs::write(world.path("podman/storage.conf"), storage_conf(world)).expect("conf");
    finish(shell(world, &script), None, LIMIT).ok();
    let tar = world.text("images/podman.tar");
    world
        .docker(&["save", "-o", &tar, "nct/busybox", "nct/pause"])
        .ok();
    podman(world, &["load", "-i", &tar]).ok();
    fs::remove_file(&tar).expect("tar");
    fs::write(key, want).expect("key");
}

/// Ends what it runs.
pub fn down(world: &World) {
    if alive(&world.path("machine/holder.pid")).is_some()
        && world.path("podman/images.key").exists()
    {
        podman(world, &["rm", "--all", "--force", "--time", "0"]);
    }
}

/// Runs podman.
pub fn podman(world: &World, args: &[&str]) -> Output {
    finish(client(world, args), None, LIMIT)
}

/// Its command, for tests that need its streams.
pub fn client(world: &World, args: &[&str]) -> Command {
    let mut command = machine::command(world, "podman");
    command.args(args);
    command
}

/// `podman --runtime RUNTIME run --rm OPTIONS IMAGE WORDS`, in the foreground.
pub fn run(world: &World, runtime: &str, options: &[&str], words: &[&str]) -> Output {
    let name = unique("podman");
    let mut args = vec!["--runtime", runtime, "run", "--rm", "--name", &name];
    args.extend(options);
    args.push(IMAGE);
    args.extend(words);
    let output = podman(world, &args);
    if output.code == 126 || output.code == 127 {
        podman(world, &["rm", "--force", "--ignore", &name]);
    }
    output
}

/// A detached container, removed when the test ends.
#[derive(Debug)]
pub struct Box<'w> {
    world: &'w World,
    /// Its name.
    pub name: String,
}

impl<'w> Box<'w> {
    /// `podman --runtime RUNTIME run -d OPTIONS IMAGE WORDS`; must succeed.
    #[track_caller]
    pub fn start(world: &'w World, runtime: &str, options: &[&str], words: &[&str]) -> Box<'w> {
        let container = Box {
            world,
            name: unique("podman"),
        };
        let mut args = vec!["--runtime", runtime, "run", "-d", "--name", &container.name];
        args.extend(options);
        args.push(IMAGE);
        args.extend(words);
        podman(world, &args).ok();
        container
    }

    /// `podman exec OPTIONS NAME WORDS`.
    pub fn exec(&self, options: &[&str], words: &[&str]) -> Output {
        let mut args = vec!["exec"];
        args.extend(options);
        args.push(&self.name);
        args.extend(words);
        podman(self.world, &args)
    }

    /// `podman VERB NAME`.
    pub fn verb(&self, words: &[&str]) -> Output {
        let mut args = words.to_vec();
        args.push(&self.name);
        podman(self.world, &args)
    }

    /// A field of `podman inspect`.
    #[track_caller]
    pub fn inspect(&self, template: &str) -> String {
        self.verb(&["inspect", "--format", template]).ok().text()
    }

    /// Its hardware address on the default network.
    #[track_caller]
    pub fn mac(&self) -> String {
        self.inspect("{{.NetworkSettings.MacAddress}}")
    }
}

impl Drop for Box<'_> {
    fn drop(&mut self) {
        self.verb(&["rm", "--force", "--time", "0", "--ignore"]);
    }
}

fn shell(world: &World, script: &str) -> Command {
    let mut command = machine::command(world, "sh");
    command.args(["-c", script]);
    command
}

/// What the machine's own containers.conf would say: limits that this machine's root may set, and runtimes by name.
fn containers_conf(world: &World) -> String {
    let mut text = "[containers]
default_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]
[engine]
cgroup_manager = \"cgroupfs\"
events_logger = \"none\"
[engine.runtimes]
"
    .to_owned();
    for policy in machine::POLICIES {
        let path = machine::runtime(world, policy);
        text += &format!("nemoclaw-{policy} = [\"{}\"]\n", path.display());
    }
    text
}

fn storage_conf(world: &World) -> String {
    format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}/root\"\nrunroot = \"/run/containers/storage\"\n",
        world.text("podman")
    )
}
