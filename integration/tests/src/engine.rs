//! Docker and containerd, started privately: own directories, own network namespace, no systemd.
//!
//! Two engines: the usual one, and one with `userns-remap`, started only by the tests that ask for it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::shell::{Output, finish, run, wait_for};
use crate::world::{World, alive, dist_dir, end, tree};
use crate::{cdi, machine, netns, router};

/// The longest any docker command of a test may take.
const LIMIT: Duration = Duration::from_secs(90);

/// Which of the two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// As people run it.
    Plain,
    /// With user namespaces for every container.
    Remapped,
}

impl Engine {
    fn dir(self, world: &World) -> PathBuf {
        world.path(match self {
            Engine::Plain => "eng",
            Engine::Remapped => "eng-userns",
        })
    }

    fn socket(self, world: &World) -> String {
        format!("{}/docker.sock", self.dir(world).display())
    }

    /// Runs the docker client against this engine.
    pub fn docker(self, world: &World, args: &[&str]) -> Output {
        finish(self.client(world, args), None, LIMIT)
    }

    /// The client's command, for tests that need its standard input or a terminal.
    pub fn client(self, world: &World, args: &[&str]) -> Command {
        let mut command = match tree() {
            Some(_) => machine::command(world, "docker"),
            None => Command::new("docker"),
        };
        command
            .args(args)
            .env("DOCKER_HOST", format!("unix://{}", self.socket(world)))
            .env_remove("DOCKER_CONTEXT");
        command
    }
}

/// Starts the plain engine, where it does not run yet.
pub fn up(world: &World) {
    start(world, Engine::Plain);
}

/// Starts `engine`, where it does not run yet. Call it under a lock.
///
/// # Panics
/// When a daemon does not come up.
pub fn start(world: &World, engine: Engine) {
    let dir = engine.dir(world);
    for folder in ["ctrd", "docker", "exec"] {
        fs::create_dir_all(dir.join(folder)).expect("engine directory");
    }
    let containerd = dir.join("containerd.pid");
    if alive(&containerd).is_none() {
        let _ = fs::remove_file(dir.join("containerd.sock"));
        fs::write(dir.join("containerd.toml"), containerd_config(&dir)).expect("containerd.toml");
        let config = dir.join("containerd.toml").display().to_string();
        let pid = daemon(world, engine, &["containerd", "-c", &config], "containerd");
        fs::write(&containerd, pid.to_string()).expect("pid file");
        wait_for("containerd's socket", Duration::from_secs(30), || {
            dir.join("containerd.sock").exists().then_some(())
        });
    }
    if alive(&dir.join("docker.pid")).is_none() {
        let _ = fs::remove_file(dir.join("docker.pid"));
        let config = dir.join("daemon.json");
        fs::write(&config, daemon_config(world, engine).to_string()).expect("daemon.json");
        daemon(
            world,
            engine,
            &["dockerd", "--config-file", &config.display().to_string()],
            "dockerd",
        );
    }
    wait_for(
        "dockerd (log/*dockerd.log)",
        Duration::from_secs(40),
        || {
            (engine
                .docker(world, &["version", "--format", "{{.Server.Version}}"])
                .code
                == 0)
                .then_some(())
        },
    );
}

/// Ends both engines and what they left.
pub fn down(world: &World) {
    for engine in [Engine::Plain, Engine::Remapped] {
        let dir = engine.dir(world);
        end(&dir.join("docker.pid"), 20);
        end(&dir.join("containerd.pid"), 10);
        end(&dir.join("holder.pid"), 1);
        end_shims(&format!("{}/", dir.display()));
    }
    let prefix = format!("{}/", world.dir.display());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for point in mounts
        .lines()
        .rev()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|point| point.starts_with(&prefix))
    {
        run("umount", &["-l", point]);
    }
}

/// Shims outlive containerd; those of this engine carry its directory in their arguments.
pub fn end_shims(marker: &str) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        if words.starts_with("/usr/bin/containerd-shim") && words.contains(marker) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

/// Starts a daemon in its network namespace, in a session of its own; gives its pid.
fn daemon(world: &World, engine: Engine, words: &[&str], name: &str) -> u32 {
    let log_name = if engine == Engine::Plain {
        format!("{name}.log")
    } else {
        format!("userns-{name}.log")
    };
    let log = fs::File::create(world.path("log").join(log_name)).expect("log file");
    let mut command = Command::new("setsid");
    let network = match engine {
        Engine::Plain => netns::ENGINE,
        Engine::Remapped => netns::REMAPPED,
    };
    command
        .arg("nsenter")
        .arg(format!("--net={}", netns::path(network).display()));
    let mounts = match (tree(), engine) {
        (Some(_), _) => Some(machine::namespace(world)),
        (None, Engine::Remapped) => Some(private_mounts(world)),
        (None, Engine::Plain) => None,
    };
    if let Some(mounts) = mounts {
        command.arg(format!("--mount={}", mounts.display()));
    }
    command
        .args(words)
        .env(
            "PATH",
            "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin",
        )
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .spawn()
        .expect("daemon")
        .id()
}

/// A mount namespace in which `/etc/subuid` and `/etc/subgid` give `nobody` a range: the machine's own stay as they are.
fn private_mounts(world: &World) -> PathBuf {
    let dir = Engine::Remapped.dir(world);
    fs::write(
        dir.join("subids"),
        "nobody:200000:65536\nnogroup:200000:65536\n",
    )
    .expect("subids");
    let script = format!(
        "for f in /etc/subuid /etc/subgid; do test -e $f || touch $f; mount --bind {}/subids $f; done",
        dir.display()
    );
    machine::mounts(&dir, &script)
}

fn containerd_config(dir: &std::path::Path) -> String {
    let dir = dir.display();
    format!(
        "version = 2\nroot = \"{dir}/ctrd/root\"\nstate = \"{dir}/ctrd/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\n  address = \"{dir}/containerd.sock\"\n[ttrpc]\n  address = \"{dir}/containerd.sock.ttrpc\"\n"
    )
}

fn daemon_config(world: &World, engine: Engine) -> Value {
    let dir = engine.dir(world).display().to_string();
    let mut config = json!({
        "data-root": format!("{dir}/docker"),
        "exec-root": format!("{dir}/exec"),
        "pidfile": format!("{dir}/docker.pid"),
        "hosts": [format!("unix://{dir}/docker.sock")],
        "containerd": format!("{dir}/containerd.sock"),
        "storage-driver": "overlay2",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "shutdown-timeout": 5,
        "runtimes": runtimes(world),
    });
    if tree().is_some() {
        config["features"] = json!({ "cdi": true });
        config["cdi-spec-dirs"] = json!([cdi::dir(world)]);
    }
    if engine == Engine::Remapped {
        config["userns-remap"] = json!("nobody:nogroup");
        config["bridge"] = json!("none");
        config["iptables"] = json!(false);
    }
    config
}

/// The runtimes every engine knows: name, node configuration, policy.
fn runtimes(world: &World) -> Value {
    let mut table = serde_json::Map::new();
    for (name, config, policy) in [
        ("nemoclaw", "config", None),
        ("nemoclaw-strict", "config", Some("strict")),
        ("nemoclaw-offline", "config", Some("offline")),
        ("nemoclaw-dev", "config", Some("dev")),
        ("nemoclaw-unconfined", "config", Some("unconfined")),
        ("nemoclaw-unknown", "config", Some("no-such-policy")),
        ("nemoclaw-test", "config", Some("test")),
        ("nemoclaw-device", "config", Some("device")),
        ("nemoclaw-tproxy", "tproxy", Some("test")),
        ("nemoclaw-absent", "absent", Some("test")),
        ("nemoclaw-badhook", "badhook", Some("test")),
    ] {
        table.insert(name.into(), runtime_entry(world, config, policy));
    }
    Value::Object(table)
}

fn runtime_entry(world: &World, config: &str, policy: Option<&str>) -> Value {
    let mut args = vec![
        "--config".to_owned(),
        router::config_path(world, config).display().to_string(),
    ];
    if let Some(policy) = policy {
        args.extend(["--policy".to_owned(), policy.to_owned()]);
    }
    json!({ "path": dist_dir().join("nemoclaw-runtime"), "runtimeArgs": args })
}

/// Adds a runtime to the running plain engine: `name`, with node configuration `config` and a policy name or file.
///
/// # Panics
/// When dockerd does not take it over.
pub fn add_runtime(world: &World, name: &str, config: &str, policy: &str) {
    let _lock = world.lock("runtimes");
    let dir = Engine::Plain.dir(world);
    let path = dir.join("daemon.json");
    let text = fs::read_to_string(&path).expect("daemon.json");
    let mut json: Value = serde_json::from_str(&text).expect("daemon.json");
    json["runtimes"][name] = runtime_entry(world, config, Some(policy));
    fs::write(&path, json.to_string()).expect("daemon.json");
    let pid = alive(&dir.join("docker.pid")).expect("dockerd");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGHUP,
    )
    .expect("SIGHUP");
    wait_for(
        "dockerd to know the new runtime",
        Duration::from_secs(10),
        || {
            let known = Engine::Plain.docker(world, &["info", "--format", "{{json .Runtimes}}"]);
            known.stdout.contains(&format!("\"{name}\"")).then_some(())
        },
    );
}

impl World {
    /// The docker client against the plain engine.
    pub fn docker(&self, args: &[&str]) -> Output {
        Engine::Plain.docker(self, args)
    }
}
