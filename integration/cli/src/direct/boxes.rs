//! The records of direct sandboxes: one directory each, written once a stage, read by every verb.

use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::direct::process::Process;
use crate::fault::Fault;
use crate::node::Node;

/// What was asked for; written before anything runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// 1.
    pub version: u32,
    /// RFC 3339, UTC.
    pub created: String,
    /// The command.
    pub command: Vec<String>,
    /// `--policy`, if given; a file's path is absolute.
    pub policy: Option<String>,
    /// `host`, or the directory.
    pub rootfs: String,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Whether a keeper holds it.
    pub detached: bool,
}

/// How the command ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    /// Exit code, 128+n after a signal.
    pub code: u8,
    /// RFC 3339, UTC.
    pub at: String,
}

/// What is so now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Made, not started.
    Created,
    /// Its first process lives.
    Running(Process),
    /// It ended with this code.
    Stopped(u8),
    /// Its process is gone, and nobody was there to see how it ended.
    Lost,
}

impl State {
    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running(_) => "running",
            Self::Stopped(_) => "stopped",
            Self::Lost => "lost",
        }
    }
}

/// A sandbox's directory.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Its name, which is the container id too.
    pub name: String,
    /// `<data_dir>/direct/<name>`.
    pub directory: PathBuf,
}

impl Sandbox {
    /// The directory of a name, whether it is there or not.
    pub fn new(node: &Node, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            directory: node.direct().join(name),
        }
    }

    /// Make the directory, for root only.
    pub fn create(&self) -> anyhow::Result<()> {
        let parent = self.directory.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
        DirBuilder::new()
            .mode(0o700)
            .create(&self.directory)
            .map_err(|error| {
                if error.kind() != std::io::ErrorKind::AlreadyExists {
                    return Fault::new(format!("cannot make `{}`", self.directory.display()))
                        .because(error);
                }
                let name = &self.name;
                Fault::new(format!("there is a sandbox `{name}` already"))
                    .hint(format!("run `nemoclaw rm {name}`, or choose another name"))
            })?;
        Ok(())
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What was asked for.
    pub fn record(&self) -> anyhow::Result<Record> {
        let record: Option<Record> = self.read("box.json")?;
        let gone = || Fault::new(format!("sandbox `{}` has no record", self.name));
        let helpful = || gone().hint(format!("run `nemoclaw rm -f {}`", self.name));
        record.ok_or_else(|| helpful().into())
    }

    /// Write one of the records.
    pub fn write(&self, file: &str, value: &impl Serialize) -> anyhow::Result<()> {
        let path = self.path(file);
        write_whole(&path, serde_json::to_string_pretty(value)?.as_bytes()).map_err(|error| {
            Fault::new(format!("cannot write `{}`", path.display()))
                .because(error)
                .into()
        })
    }

    /// Its first process, once there is one.
    pub fn process(&self) -> anyhow::Result<Option<Process>> {
        self.read("started.json")
    }

    /// What is so now.
    pub fn state(&self) -> anyhow::Result<State> {
        let ended: Option<Ended> = self.read("ended.json")?;
        let process = self.process()?;
        Ok(match (ended, process) {
            (Some(ended), _) => State::Stopped(ended.code),
            (None, Some(process)) if process.is_alive() => State::Running(process),
            (None, Some(_)) => State::Lost,
            (None, None) => State::Created,
        })
    }

    fn read<T: DeserializeOwned>(&self, file: &str) -> anyhow::Result<Option<T>> {
        let path = self.path(file);
        match std::fs::read(&path) {
            Ok(text) => {
                let value = serde_json::from_slice(&text);
                let fault =
                    |error| Fault::new(format!("`{}` is damaged", path.display())).because(error);
                Ok(Some(value.map_err(fault)?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::new(format!("cannot read `{}`", path.display()))
                .because(error)
                .into()),
        }
    }

    /// Remove the directory. Refused while anything is mounted below it: the host's `/usr` might be.
    pub fn remove(&self) -> anyhow::Result<()> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let directory = std::fs::canonicalize(&self.directory)?;
        if let Some(mount) = mounted_below(&mounts, &directory) {
            let fault = Fault::new(format!(
                "sandbox `{}` is not removed, because `{mount}` is still mounted",
                self.name
            ));
            return Err(fault.hint(format!("run `umount -R {mount}`")).into());
        }
        std::fs::remove_dir_all(&directory).map_err(|error| {
            Fault::new(format!("cannot remove `{}`", directory.display()))
                .because(error)
                .into()
        })
    }
}

/// The first mount point at or below a directory, in `mountinfo`'s words.
fn mounted_below<'a>(mountinfo: &'a str, directory: &Path) -> Option<&'a str> {
    let escaped = directory
        .to_string_lossy()
        .replace('\\', "\\134")
        .replace(' ', "\\040");
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    let mut below = points.filter(|point| Path::new(point).starts_with(&escaped));
    below.next()
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("tmp");
    let mut file: File = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    std::fs::rename(&new, path)
}

/// The names of all direct sandboxes, sorted.
pub fn names(node: &Node) -> anyhow::Result<Vec<String>> {
    let directory = node.direct();
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Fault::new(format!("cannot read `{}`", directory.display()))
                .because(error)
                .into());
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Now, RFC 3339, UTC, whole seconds.
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_below_the_directory_is_seen_and_a_neighbour_is_not() {
        let info = "1 0 8:1 / / rw - ext4 a rw\n2 1 8:1 /usr /d/box/rootfs/usr ro - ext4 a rw\n";
        assert_eq!(
            mounted_below(info, Path::new("/d/box")),
            Some("/d/box/rootfs/usr")
        );
        assert_eq!(mounted_below(info, Path::new("/d/bo")), None);
        let spaced = "2 1 8:1 / /d/a\\040b/x rw - ext4 a rw";
        assert_eq!(
            mounted_below(spaced, Path::new("/d/a b")),
            Some("/d/a\\040b/x")
        );
    }
}
