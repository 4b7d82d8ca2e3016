//! The probe's answers, and the two halves of an attack: it works without the box, it fails in it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::container::{Container, run};
use crate::shell::Output;
use crate::world::World;

/// One attempt's outcome.
#[derive(Debug, Clone, Deserialize)]
pub struct Attempt {
    /// Its name.
    #[serde(rename = "try")]
    pub name: String,
    /// `worked`, `refused`, `killed` or `timeout`.
    pub result: String,
    /// Name of the errno.
    pub errno: String,
    /// What came back.
    pub detail: String,
}

impl Attempt {
    /// Whether the attempt did what an attacker wants.
    pub fn worked(&self) -> bool {
        self.result == "worked"
    }
}

/// What `nemoclaw-probe state` says about its own process.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// 2 with a filter.
    pub seccomp: String,
    /// 1 when set.
    pub no_new_privs: String,
    /// Inheritable.
    pub cap_inh: String,
    /// Permitted.
    pub cap_prm: String,
    /// Effective.
    pub cap_eff: String,
    /// Bounding.
    pub cap_bnd: String,
    /// Ambient.
    pub cap_amb: String,
    /// Real, effective, saved, file system.
    pub uid: String,
    /// `N=target` of every open descriptor.
    #[serde(rename = "fds")]
    pub fds: Vec<String>,
    /// Session keyring's id, or a negative errno.
    #[serde(rename = "keyring")]
    pub keyring: i64,
    /// Working directory.
    #[serde(rename = "cwd")]
    pub cwd: String,
}

/// Reads the probe's lines.
///
/// # Panics
/// When the probe did not run.
#[track_caller]
pub fn parse(output: Output) -> BTreeMap<String, Attempt> {
    let output = output.ok();
    let attempts = output
        .stdout
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str::<Attempt>(line.trim()));
    let table: BTreeMap<_, _> = attempts
        .map(|attempt| {
            attempt.unwrap_or_else(|error| {
                panic!("the probe's line cannot be read: {error}\n{output:?}")
            })
        })
        .map(|attempt| (attempt.name.clone(), attempt))
        .collect();
    assert!(!table.is_empty(), "the probe said nothing:\n{output:?}");
    table
}

/// Reads the answer of `nemoclaw-probe state`.
///
/// # Panics
/// When the probe did not run.
#[track_caller]
pub fn parse_state(output: Output) -> State {
    let output = output.ok();
    serde_json::from_str(output.stdout.trim())
        .unwrap_or_else(|error| panic!("the probe's state cannot be read: {error}\n{output:?}"))
}

/// A writable host directory with the files that the probe attacks, removed with the value.
///
/// # Panics
/// When it cannot be made.
pub fn data_dir(world: &World) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::Builder::new()
        .prefix("data-")
        .tempdir_in(world.path("data"))
        .expect("data directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("mode");
    for name in ["file", "tool"] {
        std::fs::write(dir.path().join(name), "untouched\n").expect("file");
        std::fs::set_permissions(
            dir.path().join(name),
            std::fs::Permissions::from_mode(0o755),
        )
        .expect("mode");
    }
    dir
}

/// The three places where a program can stand: the baseline, the box's first process, and an exec'ed one.
#[derive(Debug)]
pub struct Places {
    /// Under Debian's runc.
    pub without: BTreeMap<String, Attempt>,
    /// As the first process of a box.
    pub run: BTreeMap<String, Attempt>,
    /// By `docker exec`.
    pub exec: BTreeMap<String, Attempt>,
}

/// Runs the probe in all three places with the same words.
#[track_caller]
pub fn everywhere(world: &World, runtime: &str, options: &[&str], words: &[&str]) -> Places {
    let without = without_box(world, options, words);
    let mut command = vec!["nct/busybox", "/usr/bin/nemoclaw-probe"];
    command.extend(words);
    let first = parse(run(world, runtime, options, &command));
    let container = Container::start(world, runtime, options, &["nct/busybox", "sleep", "300"]);
    let exec = parse(container.exec(&command[1..]));
    Places {
        without,
        run: first,
        exec,
    }
}

/// The baseline half alone.
#[track_caller]
pub fn without_box(world: &World, options: &[&str], words: &[&str]) -> BTreeMap<String, Attempt> {
    let mut command = vec!["nct/busybox", "/usr/bin/nemoclaw-probe"];
    command.extend(words);
    parse(run(world, "runc", options, &command))
}

impl Places {
    /// The attack works without the box, and with it fails in `run` and in `exec`.
    #[track_caller]
    pub fn only_without(&self, names: &[&str]) {
        let mut faults = Vec::new();
        for name in names {
            if !self.without[*name].worked() {
                faults.push(format!(
                    "baseline: {name} must work under runc, but: {:?}",
                    self.without[*name]
                ));
            }
        }
        faults.extend(self.reached(names));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Refused in the box; whether it works without depends on the machine's kernel.
    #[track_caller]
    pub fn refused(&self, names: &[&str]) {
        let faults = self.reached(names);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Works everywhere: what an agent needs.
    #[track_caller]
    pub fn always(&self, names: &[&str]) {
        for name in names {
            for (place, table) in [
                ("runc", &self.without),
                ("run", &self.run),
                ("exec", &self.exec),
            ] {
                assert!(
                    table[*name].worked(),
                    "{name} must work in {place}, but: {:?}",
                    table[*name]
                );
            }
        }
    }

    fn reached(&self, names: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        for name in names {
            for (place, table) in [("run", &self.run), ("exec", &self.exec)] {
                if table[*name].worked() {
                    faults.push(format!(
                        "{name} worked in the box ({place}): {:?}",
                        table[*name]
                    ));
                }
            }
        }
        faults
    }
}
