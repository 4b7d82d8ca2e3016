//! `linux.intelRdt`: the share of cache and memory bandwidth that a box gets, through the file system `resctrl`.
//!
//! A class is a directory there, and a monitoring group a directory below it. A class that the configuration names may
//! be shared with other boxes, so it stays when the box goes; one that has the box's own id goes with it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxIntelRdt;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Where the file system is mounted.
pub const ROOT: &str = "/sys/fs/resctrl";
/// The class in which everything is that is in no other.
const ROOT_CLASS: &str = "/";
/// Directories of the kernel's own beside the classes.
const RESERVED: [&str; 3] = ["info", "mon_data", "mon_groups"];
/// What the deprecated switches want the machine to count.
const CACHE_COUNTER: &str = "llc_occupancy";
const BANDWIDTH_COUNTER: &str = "mbm_";

/// A box's place in the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The class's directory.
    class: PathBuf,
    /// Whether it goes with the box.
    own: bool,
    /// The monitoring group's directory.
    monitor: Option<PathBuf>,
}

/// Why a box cannot get its share.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdtError {
    /// No such file system.
    #[error("`linux.intelRdt` needs the file system resctrl on `{}`, and it is not there: run `mount -t resctrl resctrl {}` on a machine that has it", .0.display(), .0.display())]
    NotMounted(PathBuf),
    /// The configuration's value means nothing.
    #[error("`linux.intelRdt.{field}` is not valid: {reason}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A class that was to be there.
    #[error("`linux.intelRdt` names the class `{0}` without a share, and there is no such class")]
    NoClass(String),
    /// A class with another share.
    #[error(
        "the class `{class}` of `linux.intelRdt` is there with `{found}`, and the configuration wants `{wanted}`"
    )]
    Differs {
        /// The class.
        class: String,
        /// What it has.
        found: String,
        /// What it should have.
        wanted: String,
    },
    /// The machine does not count that.
    #[error("`linux.intelRdt.{0}` asks for what this machine does not count")]
    NoCounter(&'static str),
    /// The file system refused.
    #[error("cannot {step} `{}`{}", path.display(), said(told))]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// What the file system says of it.
        told: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn said(told: &str) -> String {
    if told.is_empty() {
        String::new()
    } else {
        format!(" ({told})")
    }
}

/// Make the class and the monitoring group of the box `id` in the file system at `root`, or find the class.
///
/// # Errors
/// The file system is not there, the configuration is not valid, or the class is not as it says. Nothing is left.
pub fn prepare(root: &Path, given: &LinuxIntelRdt, id: &str) -> Result<Group, RdtError> {
    if !root.join("schemata").exists() {
        return Err(RdtError::NotMounted(root.to_owned()));
    }
    check_counters(root, given)?;
    let shares = shares(given)?;
    let named = given.clos_id().as_deref().filter(|name| !name.is_empty());
    let name = named.unwrap_or(id);
    let class = class(root, name)?;
    let wanted = shares.iter().any(Option::is_some);
    let found = class.exists();
    match named {
        Some(_) if found && wanted => compare(&class, name, &shares)?,
        Some(_) if !found && !wanted => return Err(RdtError::NoClass(name.to_owned())),
        _ if !found => make(root, &class)?,
        _ => {}
    }
    let monitored = given.enable_monitoring() == &Some(true);
    let group = Group {
        own: named.is_none(),
        monitor: monitored.then(|| class.join("mon_groups").join(id)),
        class,
    };
    // A class that was found under its name has the share already.
    let unwritten = shares.iter().flatten().filter(|_| group.own || !found);
    let filled = unwritten
        .map(|share| write(root, &group.class.join("schemata"), share))
        .chain(group.monitor.iter().map(|monitor| make(root, monitor)))
        .collect::<Result<(), _>>();
    if let Err(error) = filled {
        if !found {
            // The first error is the one to tell.
            std::fs::remove_dir(&group.class).ok();
        }
        return Err(error);
    }
    Ok(group)
}

impl Group {
    /// Put a process in. Its children will be there too.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn join(&self, root: &Path, pid: i32) -> Result<(), RdtError> {
        // In this order: entering a class leaves the monitoring group of another.
        for directory in [Some(&self.class), self.monitor.as_ref()]
            .into_iter()
            .flatten()
        {
            write(root, &directory.join("tasks"), &pid.to_string())?;
        }
        Ok(())
    }

    /// Remove what is the box's alone. What is gone already is removed.
    ///
    /// # Errors
    /// The file system refuses; the rest is removed all the same.
    pub fn remove(&self) -> Result<(), RdtError> {
        let own = self.own.then_some(&self.class);
        let mut result = Ok(());
        for directory in [self.monitor.as_ref(), own].into_iter().flatten() {
            match std::fs::remove_dir(directory) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    result = result.and(Err(RdtError::Kernel {
                        step: "remove",
                        path: directory.clone(),
                        told: String::new(),
                        source,
                    }));
                }
            }
        }
        result
    }
}

/// The directory of the class `name`.
fn class(root: &Path, name: &str) -> Result<PathBuf, RdtError> {
    if name == ROOT_CLASS {
        return Ok(root.to_owned());
    }
    if matches!(name, "." | "..") || name.contains(['/', '\n']) || RESERVED.contains(&name) {
        return Err(invalid(
            "closID",
            format!("`{name}` cannot be a class's name"),
        ));
    }
    Ok(root.join(name))
}

/// What is written to `schemata`, in this order: what the older fields say, and what `schemata` says.
fn shares(given: &LinuxIntelRdt) -> Result<[Option<String>; 2], RdtError> {
    let cache = given.l3_cache_schema().as_deref().unwrap_or_default();
    let bandwidth = given.mem_bw_schema().as_deref().unwrap_or_default();
    if !bandwidth.is_empty() && (!bandwidth.starts_with("MB:") || bandwidth.contains('\n')) {
        let reason = format!("`{bandwidth}` is not one line that begins with `MB:`");
        return Err(invalid("memBwSchema", reason));
    }
    let replaced = |line: &&str| bandwidth.is_empty() || !line.trim_start().starts_with("MB:");
    let older = cache.lines().filter(replaced).chain(bandwidth.lines());
    let newer = given
        .schemata()
        .iter()
        .flatten()
        .flat_map(|text| text.lines());
    let joined = |lines: Vec<&str>| (!lines.is_empty()).then(|| lines.join("\n"));
    Ok([joined(older.collect()), joined(newer.collect())])
}

/// The deprecated switches name counters, which a machine has or has not.
fn check_counters(root: &Path, given: &LinuxIntelRdt) -> Result<(), RdtError> {
    let features = std::fs::read_to_string(root.join("info/L3_MON/mon_features"));
    let features = features.unwrap_or_default();
    let counts = |counter: &str| features.lines().any(|line| line.starts_with(counter));
    if given.enable_cmt() == &Some(true) && !counts(CACHE_COUNTER) {
        return Err(RdtError::NoCounter("enableCMT"));
    }
    if given.enable_mbm() == &Some(true) && !counts(BANDWIDTH_COUNTER) {
        return Err(RdtError::NoCounter("enableMBM"));
    }
    Ok(())
}

/// A class that others may use must have the share already.
fn compare(class: &Path, name: &str, shares: &[Option<String>]) -> Result<(), RdtError> {
    let path = class.join("schemata");
    let found = std::fs::read_to_string(&path).map_err(|source| RdtError::Kernel {
        step: "read",
        path,
        told: String::new(),
        source,
    })?;
    let wanted = shares
        .iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    let (has, wants) = (values(&found), values(&wanted));
    if wants
        .iter()
        .all(|(place, value)| has.get(place) == Some(value))
    {
        return Ok(());
    }
    let line = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    Err(RdtError::Differs {
        class: name.to_owned(),
        found: line(&found),
        wanted: line(&wanted),
    })
}

/// The value of every resource and domain, `L3:0=f;1=f0`, without what is only writing: blanks, zeros in front, case.
fn values(text: &str) -> BTreeMap<(String, String), String> {
    let plain = |text: &str| text.trim().trim_start_matches('0').to_ascii_lowercase();
    let mut found = BTreeMap::new();
    for (resource, domains) in text.lines().filter_map(|line| line.split_once(':')) {
        for domain in domains
            .split(';')
            .filter(|domain| !domain.trim().is_empty())
        {
            let (domain, value) = domain.split_once('=').unwrap_or((domain, ""));
            found.insert((resource.trim().to_owned(), plain(domain)), plain(value));
        }
    }
    found
}

fn invalid(field: &'static str, reason: String) -> RdtError {
    RdtError::Value { field, reason }
}

fn make(root: &Path, directory: &Path) -> Result<(), RdtError> {
    match std::fs::create_dir(directory) {
        // A box with this id was killed half-way.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(refused(root, "make the group", directory, error))
        }
        _ => Ok(()),
    }
}

fn write(root: &Path, file: &Path, text: &str) -> Result<(), RdtError> {
    std::fs::write(file, format!("{text}\n"))
        .map_err(|error| refused(root, "write to", file, error))
}

fn refused(root: &Path, step: &'static str, path: &Path, source: io::Error) -> RdtError {
    let told = std::fs::read_to_string(root.join("info/last_cmd_status")).unwrap_or_default();
    RdtError::Kernel {
        step,
        path: path.to_owned(),
        told: told.lines().next().unwrap_or_default().trim().to_owned(),
        source,
    }
}
