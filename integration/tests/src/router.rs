//! The node's configurations and the router under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::shell::{Output, finish, wait_for};
use crate::world::{World, alive, dist_dir, end};
use crate::{netns, upstream};

/// The policy of the runtimes `nemoclaw-test` and `nemoclaw-tproxy`: what the traffic tests expect.
pub const TEST_POLICY: &str = "\
version: 1
filesystem_policy:
  read_only: [/usr, /lib, /lib64, /bin, /sbin, /etc, /proc, /dev/urandom, /app, /opt, /var]
  read_write: [/sandbox, /tmp, /dev/null]
network_policies:
  api:
    endpoints:
      - { host: api.example.com, ports: [443, 80], protocol: rest, access: read-only }
  git:
    endpoints:
      - { host: git.example.com, port: 443, protocol: rest, rules: [ { allow: { method: GET, path: '/**' } }, { allow: { method: POST, path: '/*/git-upload-pack' } } ] }
  packages:
    endpoints:
      - { host: pypi.example.com, port: 443, protocol: rest, access: read-only }
  full:
    endpoints:
      - { host: www.example.com, ports: [443, 80, 8080], protocol: rest, access: full }
  passed:
    endpoints:
      - { host: raw.example.com, ports: [443, 7], protocol: tcp, tls: skip }
  wild:
    endpoints:
      - { host: '*.wild.example.com', port: 443, protocol: rest, access: read-only }
  resolved:
    endpoints:
      - { host: resolved.example.com, port: 443, protocol: rest, access: read-only }
      - { host: rebind.example.com, ports: [443, 80], protocol: rest, access: full }
      - { host: loopback.example.com, ports: [443, 80], protocol: rest, access: full }
      - { host: metadata.example.com, ports: [443, 80], protocol: rest, access: full }
      - { host: linklocal.example.com, ports: [443, 80], protocol: rest, access: full }
";

/// The policy of the runtimes `nemoclaw-device`: it may have the device of the vendor that does not exist.
const DEVICE_POLICY: &str = "\
version: 1
devices: ['nct.example/fake=*']
filesystem_policy:
  read_only: [/]
  read_write: [/sandbox, /tmp]
";

/// The policy `given`: it has the device without anybody's asking, and no network.
const GIVEN_POLICY: &str = "\
version: 1
box: { mode: offline }
devices: [nct.example/fake=one]
filesystem_policy:
  read_only: [/]
  read_write: [/sandbox, /tmp]
";

/// Where the node configuration `name` lies.
pub fn config_path(world: &World, name: &str) -> PathBuf {
    world.path("node").join(format!("{name}.yaml"))
}

/// The state directory of the router and runtimes with configuration `name`.
pub fn state_dir(world: &World, name: &str) -> PathBuf {
    world
        .path(if matches!(name, "config" | "tproxy" | "badhook") {
            "state"
        } else {
            "state-other"
        })
        .join(if matches!(name, "config" | "tproxy" | "badhook") {
            ""
        } else {
            name
        })
}

/// Writes the node configurations and policies that the engines' runtimes name.
///
/// # Panics
/// When they cannot be written.
pub fn write_config(world: &World) {
    for (name, capture, hook) in [
        ("config", "auto", "nemoclaw-egress"),
        ("tproxy", "tproxy", "nemoclaw-egress"),
        ("absent", "auto", "nemoclaw-egress"),
        ("badhook", "auto", "../bad-hook"),
    ] {
        let hook = if hook.contains("bad") {
            world.path("node/bad-hook")
        } else {
            dist_dir().join(hook)
        };
        write_one(world, name, capture, &hook);
    }
    let bad = world.path("node/bad-hook");
    put(
        &bad,
        "#!/bin/sh\ncat >/dev/null\necho 'nct: this hook fails on purpose' >&2\nexit 1\n",
        0o755,
    );
    put(&world.path("node/policies/test.yaml"), TEST_POLICY, 0o644);
    put(
        &world.path("node/policies/device.yaml"),
        DEVICE_POLICY,
        0o644,
    );
    put(&world.path("node/policies/given.yaml"), GIVEN_POLICY, 0o644);
}

/// Makes the file say `text`, whole at once: tests of other processes read it meanwhile.
fn put(path: &Path, text: &str, mode: u32) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    fs::write(&draft, text).expect("file");
    fs::set_permissions(&draft, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("mode");
    fs::rename(&draft, path).expect("file");
}

/// Writes one node configuration; `name` other than the shared ones has a state directory and router of its own.
///
/// # Panics
/// When it cannot be written.
pub fn write_one(world: &World, name: &str, capture: &str, hook: &Path) {
    let hosts: Vec<String> = upstream::HOSTS
        .iter()
        .map(|(host, address)| format!("    {host}: [{address}]"))
        .collect();
    let state = state_dir(world, name);
    fs::create_dir_all(&state).expect("state directory");
    let devices = match name {
        "config" => format!(
            "cdi_dirs: [{}]\ncdi_devices: ['nct.example/fake=*']\n",
            crate::cdi::dir(world).display()
        ),
        _ => String::new(),
    };
    let text = format!(
        "version: 1\nselectable:\n  - strict\n  - default\n  - offline\n  - {{ name: unconfined, widens: true }}\npolicy_dir: {node}/policies\n\
         state_dir: {state}\ndata_dir: {data}\nproviders: {node}/providers.yaml\negress_hook: {hook}\ncapture: {capture}\n{devices}router:\n  socket: {state}/router.sock\n  user: nobody\n\
         \x20 resolvers: [203.0.113.2]\n  extra_ca: [{ca}]\n  hosts:\n{hosts}\n",
        node = world.path("node").display(),
        state = state.display().to_string().trim_end_matches('/'),
        data = world.path("data").display(),
        hook = hook.display(),
        ca = upstream::ca(world).display(),
        hosts = hosts.join("\n"),
    );
    put(&config_path(world, name), &text, 0o644);
}

/// A router in `nct-eng`.
#[derive(Debug)]
pub struct Router<'w> {
    world: &'w World,
    name: String,
}

impl<'w> Router<'w> {
    /// Starts a router of the test's own; ends with the value.
    pub fn start(world: &'w World, name: &str) -> Router<'w> {
        write_one(world, name, "auto", &dist_dir().join("nemoclaw-egress"));
        launch(world, name);
        Router {
            world,
            name: name.to_owned(),
        }
    }

    /// Pid of its warden.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> i32 {
        alive(&pid_file(self.world, &self.name)).expect("the router must run")
    }

    /// Pid of its worker: the warden's child.
    ///
    /// # Panics
    /// When there is none.
    pub fn worker(&self) -> i32 {
        worker_of(self.pid()).expect("the router must have a worker")
    }
}

impl Drop for Router<'_> {
    fn drop(&mut self) {
        end(&pid_file(self.world, &self.name), 5);
    }
}

/// The first child of `warden`.
pub fn worker_of(warden: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{warden}/task/{warden}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn pid_file(world: &World, name: &str) -> PathBuf {
    world.path(&format!("run/router-{name}.pid"))
}

/// Pid of the shared router's warden.
pub fn shared_pid(world: &World) -> Option<i32> {
    alive(&pid_file(world, "config"))
}

/// Starts the shared router, where it does not run yet.
///
/// # Panics
/// When the binaries are missing, or it does not come up.
pub fn ensure(world: &World) {
    for name in [
        "nemoclaw-runtime",
        "nemoclaw-egress",
        "nemoclaw-router",
        "nemoclaw",
    ] {
        let path = dist_dir().join(name);
        assert!(
            path.exists(),
            "`{}` is missing: run `make build`, or set NEMOCLAW_DIST",
            path.display()
        );
    }
    let _lock = world.lock("router");
    launch(world, "config");
}

fn launch(world: &World, name: &str) {
    if alive(&pid_file(world, name)).is_some() {
        return;
    }
    let socket = state_dir(world, name).join("router.sock");
    let _ = fs::remove_file(&socket);
    let log = fs::File::create(world.path("log").join(format!("router-{name}.log"))).expect("log");
    let child = Command::new("setsid")
        .arg("nsenter")
        .arg(format!("--net={}", netns::path(netns::ENGINE).display()))
        .arg(dist_dir().join("nemoclaw-router"))
        .arg("run")
        .arg("--config")
        .arg(config_path(world, name))
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .spawn()
        .expect("router");
    fs::write(pid_file(world, name), child.id().to_string()).expect("pid file");
    wait_for(
        &format!("the router's socket (log/router-{name}.log)"),
        Duration::from_secs(15),
        || socket.exists().then_some(()),
    );
}

/// Ends every router of this world.
pub fn down(world: &World) {
    for entry in fs::read_dir(world.path("run"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with("router-") {
            end(&entry.path(), 5);
        }
    }
}

/// The user's command, with node configuration `name`, in `nct-eng`.
pub fn cli(world: &World, name: &str, words: &[&str]) -> Output {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", netns::path(netns::ENGINE).display()))
        .arg(dist_dir().join("nemoclaw"))
        .args(words)
        .env("NEMOCLAW_CONFIG", config_path(world, name))
        .env_remove("RUST_BACKTRACE");
    finish(command, None, Duration::from_secs(60))
}
