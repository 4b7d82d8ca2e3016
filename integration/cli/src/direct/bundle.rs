//! The OCI bundle of a direct sandbox, as a value: a pure function of what was asked for.
//!
//! It says what an engine would say and no more. Hardening is the runtime's: masked paths, capabilities, seccomp,
//! limits, the hook, the CA bundle and `resolv.conf` are added by its plan.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::direct::own::Own;
use crate::direct::user::User;
use crate::direct::volume::Volume;
use crate::fault::Fault;

/// Where a command looks for programs.
const SEARCH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Name, which becomes the host name.
    pub name: String,
    /// Command.
    pub command: Vec<String>,
    /// Variables, `KEY=VALUE`, the last of a key wins.
    pub environment: Vec<String>,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// Who it runs as.
    pub user: User,
    /// The root directory on this machine.
    pub root: PathBuf,
    /// Root directory shared with others: nothing in it may change.
    pub root_read_only: bool,
    /// Directories of the host's root to bind read-only at the same place, without the leading `/`.
    pub host_binds: Vec<PathBuf>,
    /// Writable directories of its own.
    pub own: Own,
    /// Volumes.
    pub volumes: Vec<Volume>,
}

/// The `config.json`.
pub fn compose(wish: &Wish) -> Value {
    let namespaces =
        ["pid", "network", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "hostname": wish.name,
        "root": { "path": wish.root, "readonly": wish.root_read_only },
        "process": process(wish),
        "mounts": mounts(wish),
        "linux": {
            "cgroupsPath": format!("/nemoclaw/{}", wish.name),
            "namespaces": namespaces,
        },
    })
}

fn process(wish: &Wish) -> Value {
    let mut environment = vec![
        SEARCH.to_owned(),
        "HOME=/sandbox".to_owned(),
        "LANG=C.UTF-8".to_owned(),
    ];
    if wish.terminal {
        environment.push("TERM=xterm-256color".to_owned());
    }
    environment.extend(wish.environment.iter().cloned());
    json!({
        "terminal": wish.terminal,
        "user": { "uid": wish.user.uid, "gid": wish.user.gid },
        "args": wish.command,
        "env": last_of_each(environment),
        "cwd": "/sandbox",
        "noNewPrivileges": true,
    })
}

fn mounts(wish: &Wish) -> Vec<Value> {
    let kernel = |target: &str, kind: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    let mut mounts = vec![
        kernel("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        kernel(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        kernel(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        kernel(
            "/dev/shm",
            "tmpfs",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        ),
        kernel("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        kernel("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ];
    for path in &wish.host_binds {
        let path = Path::new("/").join(path);
        mounts.push(bind(&path, &path, true));
    }
    mounts.extend(
        wish.own
            .directories
            .iter()
            .map(|(source, target)| bind(source, target, false)),
    );
    mounts.extend(wish.own.in_memory.iter().map(|(target, bytes)| {
        let size = format!("size={bytes}");
        let options = ["nosuid", "nodev", "mode=1777", size.as_str()];
        json!({ "destination": target, "type": "tmpfs", "source": "tmpfs", "options": options })
    }));
    // A volume below another one must come after it.
    let mut volumes: Vec<&Volume> = wish.volumes.iter().collect();
    volumes.sort_by_key(|volume| volume.target.components().count());
    mounts.extend(
        volumes
            .into_iter()
            .map(|volume| bind(&volume.source, &volume.target, volume.read_only)),
    );
    mounts
}

fn bind(source: &Path, target: &Path, read_only: bool) -> Value {
    let access = if read_only { "ro" } else { "rw" };
    json!({ "destination": target, "type": "bind", "source": source, "options": ["rbind", access, "nosuid", "nodev", "rprivate"] })
}

/// The process of `exec`: that of the bundle with another command, terminal and variables added.
pub fn exec_process(
    config: &Value,
    command: &[String],
    environment: &[String],
    terminal: bool,
) -> anyhow::Result<Value> {
    let mut process = config.get("process").cloned().unwrap_or_default();
    let object = process
        .as_object_mut()
        .ok_or_else(|| Fault::new("the bundle has no process"))?;
    let old = object
        .get("env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut all: Vec<String> = old.filter_map(Value::as_str).map(str::to_owned).collect();
    if terminal {
        all.push("TERM=xterm-256color".to_owned());
    }
    all.extend(environment.iter().cloned());
    object.insert("args".to_owned(), json!(command));
    object.insert("terminal".to_owned(), json!(terminal));
    object.insert("env".to_owned(), json!(last_of_each(all)));
    Ok(process)
}

/// `-e` values: `KEY=VALUE` as it stands, `KEY` with the value from `lookup`, or nothing when it has none.
pub fn variables(
    given: &[String],
    lookup: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Vec<String>> {
    let mut out = Vec::new();
    for text in given {
        let key = text.split('=').next().unwrap_or_default();
        if key.is_empty() || text.contains('\0') {
            return Err(Fault::new(format!("`-e {text}` is no variable"))
                .hint("write `-e KEY=VALUE`")
                .into());
        }
        if text.contains('=') {
            out.push(text.clone());
        } else if let Some(value) = lookup(key) {
            out.push(format!("{key}={value}"));
        }
    }
    Ok(out)
}

/// One value of each key, the last, at the place of the first.
fn last_of_each(all: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for text in all {
        let key = text.split('=').next().unwrap_or_default();
        match out
            .iter_mut()
            .find(|old| old.split('=').next() == Some(key))
        {
            Some(old) => *old = text,
            None => out.push(text),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        let volume = |source: &str, target: &str, read_only| Volume {
            source: source.into(),
            target: target.into(),
            read_only,
        };
        Wish {
            name: "worker".to_owned(),
            command: vec!["true".to_owned()],
            environment: vec!["LANG=de".to_owned()],
            terminal: false,
            user: User {
                uid: 1000,
                gid: 100,
            },
            root: "/r".into(),
            root_read_only: true,
            host_binds: vec!["usr".into()],
            own: Own {
                directories: vec![("/own/tmp".into(), "/tmp".into())],
                in_memory: vec![("/scratch".into(), 4096)],
            },
            volumes: vec![
                volume("/b", "/data/inner", true),
                volume("/a", "/data", false),
            ],
        }
    }

    #[test]
    fn volumes_come_after_what_they_lie_in_and_host_directories_are_read_only() {
        let spec = compose(&wish());
        let mounts = spec["mounts"].as_array().unwrap();
        let place = |target: &str| {
            mounts
                .iter()
                .position(|mount| mount["destination"] == target)
                .unwrap()
        };
        assert!(place("/data") < place("/data/inner"));
        let options = |target: &str| mounts[place(target)]["options"].clone();
        assert_eq!(
            options("/usr"),
            json!(["rbind", "ro", "nosuid", "nodev", "rprivate"])
        );
        assert_eq!(options("/data/inner")[1], "ro");
        assert_eq!(options("/tmp")[1], "rw");
        assert_eq!(options("/scratch")[3], "size=4096");
    }

    #[test]
    fn no_namespace_is_shared_and_no_capability_is_asked_for() {
        let spec = compose(&wish());
        let kinds: Vec<&str> = spec["linux"]["namespaces"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["type"].as_str())
            .collect();
        assert_eq!(kinds, ["pid", "network", "ipc", "uts", "mount", "cgroup"]);
        assert!(spec["process"].get("capabilities").is_none());
        assert_eq!(spec["process"]["noNewPrivileges"], true);
    }

    #[test]
    fn the_last_value_of_a_variable_wins() {
        let env = compose(&wish())["process"]["env"].clone();
        assert_eq!(env, json!([SEARCH, "HOME=/sandbox", "LANG=de"]));
    }

    #[test]
    fn an_exec_keeps_the_user_and_changes_the_command() {
        let config = compose(&wish());
        let process = exec_process(&config, &["ps".to_owned()], &["A=1".to_owned()], true).unwrap();
        assert_eq!(process["args"], json!(["ps"]));
        assert_eq!(process["user"], config["process"]["user"]);
        assert_eq!(process["terminal"], true);
        assert!(process["env"].as_array().unwrap().contains(&json!("A=1")));
    }

    #[test]
    fn a_variable_without_a_value_is_taken_from_here() {
        let given = ["A=1=2".to_owned(), "B".to_owned(), "C".to_owned()];
        let found = variables(&given, |key| (key == "B").then(|| "here".to_owned())).unwrap();
        assert_eq!(found, ["A=1=2", "B=here"]);
        assert!(variables(&["=x".to_owned()], |_| None).is_err());
    }
}
