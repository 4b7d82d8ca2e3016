//! A bundle of busybox and the probe, and the calls that a check makes with it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nemoclaw_tests::world::tools_dir;
use serde_json::{Value, json};

use crate::check::Outcome;
use crate::runtime::{PLACE, Runtime};
use crate::said::{Said, finish, same, until, wait};

const APPLETS: &str = "sh cat echo sleep grep touch mkdir rm ln id env kill true false chmod mv ls stat readlink head \
    cut tr wc awk sed sort mount umount hostname pwd ulimit ps tty stty test dd mknod ionice find printf seq od";

/// A bundle, its id, and the spec that `run` and `create` write before they call the runtime.
#[derive(Debug)]
pub struct Bundle<'r> {
    /// The runtime that it is given to.
    pub runtime: &'r Runtime,
    /// The container's id.
    pub id: String,
    /// What config.json will hold.
    pub spec: Value,
    dir: PathBuf,
}

impl<'r> Bundle<'r> {
    /// A bundle whose program is `sh -c SCRIPT`.
    pub fn script(runtime: &'r Runtime, script: &str) -> Bundle<'r> {
        Bundle::program(runtime, &["sh", "-c", script])
    }

    /// A bundle whose program sleeps for longer than any check takes.
    pub fn sleeping(runtime: &'r Runtime) -> Bundle<'r> {
        Bundle::program(runtime, &["sleep", "100"])
    }

    /// A bundle with this program.
    pub fn program(runtime: &'r Runtime, args: &[&str]) -> Bundle<'r> {
        let id = runtime.id();
        let dir = Path::new(PLACE).join(&id);
        let bin = dir.join("rootfs/bin");
        fs::create_dir_all(&bin).expect("bin");
        fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox");
        for name in APPLETS.split_whitespace() {
            symlink("busybox", bin.join(name)).expect("applet");
        }
        for name in ["proc", "dev", "sys", "etc", "tmp", "work", "root"] {
            fs::create_dir(dir.join("rootfs").join(name)).expect("directory");
        }
        let spec = spec(args, &id);
        Bundle {
            runtime,
            id,
            spec,
            dir,
        }
    }

    /// Puts the probe into the root file system as `/bin/probe`.
    pub fn with_probe(self) -> Self {
        fs::copy(
            tools_dir().join("nemoclaw-probe"),
            self.rootfs().join("bin/probe"),
        )
        .expect("the probe");
        self
    }

    /// Sets one place of the spec, named by its JSON pointer, making objects on the way.
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let mut at = &mut self.spec;
        for key in pointer.trim_start_matches('/').split('/') {
            at = match key.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[key],
            };
        }
        *at = value;
        self
    }

    /// Appends to a list of the spec.
    pub fn push(mut self, pointer: &str, value: Value) -> Self {
        let list = self.spec.pointer_mut(pointer).and_then(Value::as_array_mut);
        match list {
            Some(list) => list.push(value),
            None => return self.set(pointer, json!([value])),
        }
        self
    }

    /// Adds a mount.
    pub fn mount(
        self,
        destination: &str,
        kind: &str,
        source: impl AsRef<Path>,
        options: &[&str],
    ) -> Self {
        let source = source.as_ref();
        self.push("/mounts", json!({ "destination": destination, "type": kind, "source": source, "options": options }))
    }

    /// Takes a namespace away.
    pub fn without_namespace(mut self, kind: &str) -> Self {
        let list = self.spec["linux"]["namespaces"]
            .as_array_mut()
            .expect("namespaces");
        list.retain(|namespace| namespace["type"] != kind);
        self
    }

    /// Gives exactly these capabilities in the sets bounding, effective and permitted.
    pub fn capabilities(self, names: &[&str]) -> Self {
        self.set(
            "/process/capabilities",
            json!({ "bounding": names, "effective": names, "permitted": names }),
        )
    }

    /// The bundle's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The root file system.
    pub fn rootfs(&self) -> PathBuf {
        self.dir.join("rootfs")
    }

    /// Writes a file into the root file system.
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.rootfs().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(path, text).expect("file");
        self
    }

    /// A directory beside the bundle, for volumes.
    pub fn volume(&self, name: &str) -> PathBuf {
        let path = self.dir.join("volumes").join(name);
        fs::create_dir_all(&path).expect("volume");
        path
    }

    /// Writes config.json.
    pub fn write(&self) {
        fs::write(self.dir.join("config.json"), self.spec.to_string()).expect("config.json");
    }

    /// A command of the runtime, not yet run, with this verb and these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.runtime.command();
        command.args(words);
        command
    }

    /// A call with words as given.
    pub fn call(&self, words: &[&str]) -> Result<Said, String> {
        finish(&mut self.command(words))
    }

    /// `VERB [words…] ID`.
    pub fn verb(&self, verb: &str, words: &[&str]) -> Result<Said, String> {
        let mut command = self.command(&[verb]);
        finish(command.args(words).arg(&self.id))
    }

    /// `run` in the foreground.
    pub fn run(&self) -> Result<Said, String> {
        self.run_with(&[])
    }

    /// `run` in the foreground with more options.
    pub fn run_with(&self, options: &[&str]) -> Result<Said, String> {
        self.write();
        let mut command = self.command(&["run", "--bundle"]);
        finish(command.arg(&self.dir).args(options).arg(&self.id))
    }

    /// `create`, the program's streams in files, which `output` reads.
    pub fn create(&self) -> Result<Said, String> {
        self.create_with(&[])
    }

    /// `create` with more options.
    pub fn create_with(&self, options: &[&str]) -> Result<Said, String> {
        self.write();
        let mut command = self.command(&["create", "--bundle"]);
        self.to_files(command.arg(&self.dir).args(options).arg(&self.id))
    }

    /// Runs a command that leaves a program behind: its streams go to files.
    pub fn to_files(&self, command: &mut Command) -> Result<Said, String> {
        let file =
            |name: &str| File::create(self.dir.join(name)).map_err(|error| error.to_string());
        let child = command
            .stdout(Stdio::from(file("out")?))
            .stderr(Stdio::from(file("err")?))
            .spawn();
        let code = wait(&mut child.map_err(|error| error.to_string())?)?;
        let read = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        Ok(Said {
            code,
            out: read("out"),
            err: read("err"),
        })
    }

    /// `start`.
    pub fn start(&self) -> Result<Said, String> {
        self.verb("start", &[])
    }

    /// `create` and `start`, which must work.
    pub fn up(&self) -> Outcome {
        self.create()?.ok()?;
        self.start()?.ok().map(drop)
    }

    /// What `state` says.
    pub fn state(&self) -> Result<Value, String> {
        let said = self.verb("state", &[])?.ok()?;
        serde_json::from_str(&said.out)
            .map_err(|error| format!("state is no JSON: {error}: {}", said.out))
    }

    /// The status.
    pub fn status(&self) -> Result<String, String> {
        let state = self.state()?;
        let status = state["status"].as_str();
        status
            .map(str::to_owned)
            .ok_or_else(|| format!("no status in {state}"))
    }

    /// The init process.
    pub fn pid(&self) -> Result<i32, String> {
        let state = self.state()?;
        let pid = state["pid"]
            .as_i64()
            .and_then(|pid| i32::try_from(pid).ok());
        pid.filter(|pid| *pid > 0)
            .ok_or_else(|| format!("no pid in {state}"))
    }

    /// Waits for a status.
    pub fn becomes(&self, status: &str) -> Outcome {
        let what = format!("status {status}");
        until(&what, || {
            self.status().is_ok_and(|now| now == status).then_some(())
        })
    }

    /// What the created program has printed.
    pub fn output(&self) -> String {
        fs::read_to_string(self.dir.join("out")).unwrap_or_default()
    }

    /// Waits until the started program ended, and gives what it printed.
    pub fn ended(&self) -> Result<String, String> {
        self.becomes("stopped")?;
        Ok(self.output())
    }

    /// `exec ID WORDS…`, to its end.
    pub fn exec(&self, words: &[&str]) -> Result<Said, String> {
        self.exec_with(&[], words)
    }

    /// `exec OPTIONS ID WORDS…`, to its end.
    pub fn exec_with(&self, options: &[&str], words: &[&str]) -> Result<Said, String> {
        let mut command = self.command(&["exec"]);
        finish(command.args(options).arg(&self.id).args(words))
    }

    /// `exec --process FILE ID` with this process.
    pub fn exec_process(&self, process: &Value) -> Result<Said, String> {
        let path = self.dir.join("process.json");
        fs::write(&path, process.to_string()).map_err(|error| error.to_string())?;
        self.verb("exec", &["--process", &path.to_string_lossy()])
    }

    /// The directory of one cgroup v1 controller.
    pub fn cgroup(&self, controller: &str) -> PathBuf {
        Path::new("/sys/fs/cgroup")
            .join(controller)
            .join("ncc")
            .join(&self.id)
    }

    /// One file of a controller has this value.
    pub fn cgroup_has(&self, file: &str, expected: &str) -> Outcome {
        let controller = file.split('.').next().unwrap_or(file);
        let path = self.cgroup(controller).join(file);
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        same(file, text.trim(), expected)
    }
}

impl Drop for Bundle<'_> {
    fn drop(&mut self) {
        let _ = self.verb("delete", &["--force"]);
    }
}

/// A small ordinary config: five namespaces, few capabilities, its own cgroup, no devices but the usual ones.
fn spec(args: &[&str], id: &str) -> Value {
    let kinds = ["pid", "network", "ipc", "uts", "mount"];
    let names = ["CAP_KILL", "CAP_CHOWN", "CAP_NET_BIND_SERVICE"];
    json!({
        "ociVersion": "1.0.2",
        "root": { "path": "rootfs", "readonly": false },
        "hostname": "conformance",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 }, "args": args, "env": ["PATH=/bin"], "cwd": "/",
            "capabilities": { "bounding": names, "effective": names, "permitted": names },
            "noNewPrivileges": true
        },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
            { "destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] }
        ],
        "linux": {
            "cgroupsPath": format!("/ncc/{id}"),
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": kinds.map(|kind| json!({ "type": kind }))
        }
    })
}
