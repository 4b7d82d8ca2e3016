//! An OCI bundle of our own, given to the runtime without any engine.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::container::unique;
use crate::netns;
use crate::router::config_path;
use crate::shell::{Output, finish, sh};
use crate::world::{World, dist_dir};

/// A directory with `config.json` and the busybox image's tree.
#[derive(Debug)]
pub struct Bundle<'w> {
    world: &'w World,
    dir: tempfile::TempDir,
    stem: String,
}

impl<'w> Bundle<'w> {
    /// Unpacks the busybox image and writes runc's default spec, without a terminal.
    ///
    /// # Panics
    /// When that fails.
    pub fn make(world: &'w World, stem: &str) -> Bundle<'w> {
        let dir = tempfile::Builder::new()
            .prefix("bundle-")
            .tempdir_in(world.path("data"))
            .expect("bundle");
        fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("mode");
        let name = unique("export");
        world
            .docker(&["create", "--name", &name, "nct/busybox", "true"])
            .ok();
        let path = dir.path().display();
        let script = format!(
            "set -e; mkdir {path}/rootfs; DOCKER_HOST=unix://{} docker export {name} | tar -C {path}/rootfs -x; cd {path}; runc spec",
            world.text("eng/docker.sock")
        );
        let unpacked = sh(&script);
        world.docker(&["rm", "-f", &name]);
        unpacked.ok();
        let bundle = Bundle {
            world,
            dir,
            stem: stem.to_owned(),
        };
        bundle.edit(|spec| spec["process"]["terminal"] = Value::Bool(false));
        bundle
    }

    /// Its directory.
    pub fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Changes `config.json`.
    ///
    /// # Panics
    /// When it cannot be read or written.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let path = self.dir.path().join("config.json");
        let mut spec = serde_json::from_str(&fs::read_to_string(&path).expect("config.json"))
            .expect("config.json");
        change(&mut spec);
        fs::write(path, spec.to_string()).expect("config.json");
    }

    /// The runtime's command line up to the verb.
    pub fn runtime(&self, config: &str, policy: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", netns::path(netns::ENGINE).display()))
            .arg(dist_dir().join("nemoclaw-runtime"))
            .args(["--root", &self.world.text("run/direct-root"), "--config"])
            .arg(config_path(self.world, config))
            .args(["--policy", policy])
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// `run`: create, start, wait, delete.
    pub fn run(&self, config: &str, policy: &str, words: &[&str]) -> Output {
        self.edit(|spec| spec["process"]["args"] = serde_json::json!(words));
        let mut command = self.runtime(config, policy);
        command
            .args(["run", "--bundle"])
            .arg(self.dir.path())
            .arg(unique(&self.stem));
        finish(command, None, Duration::from_secs(30))
    }
}
