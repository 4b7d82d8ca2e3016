//! containerd with its Kubernetes plugin, on the second [`machine`]: `ctr` and the container runtime interface call it.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::container::unique;
use crate::shell::{Output, finish, sh, wait_for};
use crate::world::{World, alive, end, tree};
use crate::{cdi, engine, images, machine};

/// The namespace of `ctr`'s containers; Kubernetes has its own.
pub const NAMESPACE: &str = "nct";
/// The small image, by containerd's name.
pub const BUSYBOX: &str = "docker.io/nct/busybox:latest";
/// The longest any command of a test may take.
const LIMIT: Duration = Duration::from_secs(90);

/// Handlers that a pod may name, and the policy in the name of the runtime they call.
const HANDLERS: [(&str, &str); 5] = [
    ("nemoclaw", "default"),
    ("nemoclaw-strict", "strict"),
    ("nemoclaw-offline", "offline"),
    ("nemoclaw-test", "test"),
    ("nemoclaw-device", "device"),
];

fn dir(world: &World) -> PathBuf {
    world.path("ctr")
}

/// Its socket.
pub fn socket(world: &World) -> PathBuf {
    dir(world).join("containerd.sock")
}

/// Starts it with all images, where it does not run yet.
///
/// # Panics
/// When it does not come up.
pub fn ensure(world: &World) {
    let _lock = world.lock("machine");
    machine::up(world);
    let pid_file = dir(world).join("containerd.pid");
    if alive(&pid_file).is_none() {
        fs::create_dir_all(dir(world).join("cni")).expect("directory");
        fs::write(dir(world).join("cni/10-nct.conflist"), network()).expect("network");
        fs::write(dir(world).join("config.toml"), config(world)).expect("config.toml");
        let _ = fs::remove_file(socket(world));
        let log = fs::File::create(world.path("log/machine-containerd.log")).expect("log");
        let child = machine::command(world, "setsid")
            .args(["containerd", "-c"])
            .arg(dir(world).join("config.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("containerd");
        fs::write(&pid_file, child.id().to_string()).expect("pid file");
    }
    wait_for(
        "containerd (log/machine-containerd.log)",
        Duration::from_secs(30),
        || (ctr(world, &["version"]).code == 0).then_some(()),
    );
    images(world);
}

/// Ends it and its shims.
pub fn down(world: &World) {
    end(&dir(world).join("containerd.pid"), 10);
    engine::end_shims(&format!("{}/", dir(world).display()));
}

/// `ctr` in [`NAMESPACE`].
pub fn ctr(world: &World, args: &[&str]) -> Output {
    finish(client(world, args), None, LIMIT)
}

/// Its command, for tests that need its streams.
pub fn client(world: &World, args: &[&str]) -> std::process::Command {
    let mut command = machine::command(world, "ctr");
    command
        .arg("--address")
        .arg(socket(world))
        .args(["--namespace", NAMESPACE])
        .args(args);
    command
}

/// A container of `ctr` with a running task, removed when the test ends.
#[derive(Debug)]
pub struct Task<'w> {
    world: &'w World,
    /// Its id, which is the box's name.
    pub id: String,
}

/// `ctr run OPTIONS` with the runtime whose name holds `policy`; `what` is the image, or a directory after `--rootfs`.
pub fn run(world: &World, policy: &str, options: &[&str], what: &str, words: &[&str]) -> Output {
    let id = unique("ctr");
    let output = ctr(
        world,
        &words_of_run(
            &machine::runtime_text(world, policy),
            options,
            what,
            &id,
            words,
        ),
    );
    forget(world, &id);
    output
}

/// As [`run`], with Debian's runc.
pub fn run_plain(world: &World, options: &[&str], what: &str, words: &[&str]) -> Output {
    let id = unique("ctr");
    let output = ctr(world, &words_of_run("runc", options, what, &id, words));
    forget(world, &id);
    output
}

fn words_of_run<'a>(
    binary: &'a str,
    options: &[&'a str],
    what: &'a str,
    id: &'a str,
    words: &[&'a str],
) -> Vec<&'a str> {
    let mut args = vec![
        "run",
        "--rm",
        "--runtime",
        "io.containerd.runc.v2",
        "--runc-binary",
        binary,
    ];
    args.extend(options);
    args.extend([what, id]);
    args.extend(words);
    args
}

fn forget(world: &World, id: &str) {
    ctr(world, &["tasks", "delete", "--force", id]);
    ctr(world, &["containers", "delete", id]);
}

impl<'w> Task<'w> {
    /// `ctr run --detach`; must succeed.
    #[track_caller]
    pub fn start(world: &'w World, policy: &str, options: &[&str], words: &[&str]) -> Task<'w> {
        Task::of(world, &machine::runtime_text(world, policy), options, words)
    }

    /// The same with Debian's runc.
    #[track_caller]
    pub fn start_plain(world: &'w World, options: &[&str], words: &[&str]) -> Task<'w> {
        Task::of(world, "runc", options, words)
    }

    #[track_caller]
    fn of(world: &'w World, binary: &str, options: &[&str], words: &[&str]) -> Task<'w> {
        let task = Task {
            world,
            id: unique("ctr"),
        };
        let mut args = words_of_run(binary, options, BUSYBOX, &task.id, words);
        args[1] = "--detach";
        ctr(world, &args).ok();
        task
    }

    /// `ctr tasks VERB OPTIONS ID WORDS`.
    pub fn verb(&self, verb: &[&str], words: &[&str]) -> Output {
        let mut args = vec!["tasks"];
        args.extend(verb);
        args.push(&self.id);
        args.extend(words);
        ctr(self.world, &args)
    }

    /// `ctr tasks exec`.
    pub fn exec(&self, words: &[&str]) -> Output {
        self.verb(&["exec", "--exec-id", &unique("exec")], words)
    }

    /// What `ctr tasks list` says of it: its pid and status.
    #[track_caller]
    pub fn listed(&self) -> (String, String) {
        let list = ctr(self.world, &["tasks", "list"]).ok();
        let row = list.stdout.lines().find(|line| line.starts_with(&self.id));
        let mut words = row
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .map(str::to_owned);
        (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        )
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        forget(self.world, &self.id);
    }
}

/// Docker's images for both namespaces, where they are missing or old.
fn images(world: &World) {
    let key = dir(world).join("images.key");
    if fs::read_to_string(&key).is_ok_and(|have| have == images::key()) {
        return;
    }
    let tar = world.path("images/containerd.tar");
    let names = ["pause", "busybox", "debian"].map(|name| format!("nct/{name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let tar_text = tar.display().to_string();
    let mut save = vec!["save", "-o", &tar_text];
    save.extend(&names);
    world.docker(&save).ok();
    for namespace in [NAMESPACE, "k8s.io"] {
        let mut command = machine::command(world, "ctr");
        command
            .arg("--address")
            .arg(socket(world))
            .args(["--namespace", namespace, "images", "import", "--no-unpack"])
            .arg(&tar);
        finish(command, None, LIMIT).ok();
    }
    fs::remove_file(&tar).expect("tar");
    fs::write(key, images::key()).expect("key");
}

/// The network of pods: a bridge as kubelet's nodes have it, with the rules that let it through Docker's firewall.
fn network() -> String {
    serde_json::json!({
        "cniVersion": "0.4.0",
        "name": "nct-pods",
        "plugins": [
            {
                "type": "bridge", "bridge": "nct-pods", "isGateway": true, "hairpinMode": true,
                "ipam": {
                    "type": "host-local", "ranges": [[{ "subnet": "10.77.0.0/16" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }]
                }
            },
            { "type": "firewall" },
        ]
    })
    .to_string()
}

fn config(world: &World) -> String {
    let dir = dir(world);
    let dir = dir.display();
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    let mut text = format!(
        "version = 2
root = \"{dir}/root\"
state = \"/run/containerd\"
[grpc]
  address = \"{dir}/containerd.sock\"
[ttrpc]
  address = \"{dir}/containerd.sock.ttrpc\"
[plugins.\"io.containerd.internal.v1.opt\"]
  path = \"{dir}/opt\"
[{cri}]
  sandbox_image = \"docker.io/nct/pause:latest\"
  restrict_oom_score_adj = true
  [{cri}.cni]
    bin_dir = \"/usr/lib/cni\"
    conf_dir = \"{dir}/cni\"
  [{cri}.containerd]
    default_runtime_name = \"runc\"
  [{cri}.containerd.runtimes.runc]
    runtime_type = \"io.containerd.runc.v2\"
"
    );
    if tree().is_some() {
        let devices = format!(
            "  enable_cdi = true\n  cdi_spec_dirs = [{:?}]\n",
            cdi::dir(world)
        );
        text = text.replacen("  restrict_oom", &format!("{devices}  restrict_oom"), 1);
    }
    for (handler, policy) in HANDLERS {
        text += &format!(
            "  [{cri}.containerd.runtimes.{handler}]
    runtime_type = \"io.containerd.runc.v2\"
    pod_annotations = [\"nemoclaw.dev/*\"]
    [{cri}.containerd.runtimes.{handler}.options]
      BinaryName = \"{}\"
",
            machine::runtime(world, policy).display()
        );
    }
    text
}

/// What containerd logged, for a test that failed.
#[must_use]
pub fn log(world: &World) -> String {
    sh(&format!(
        "tail -n 40 {}",
        world.text("log/machine-containerd.log")
    ))
    .stdout
}
