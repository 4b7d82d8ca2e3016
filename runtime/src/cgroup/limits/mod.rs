//! A box's limits: what was asked for, as values for files, and the files written.
//!
//! Deciding is pure (a file for each kind of resource); only what a limit that is not named has now is read. A value that
//! this machine has no place for is refused and never left out, except where runc leaves it out too.

mod block;
mod cpu;
mod memory;
mod others;

use std::io;

use oci_spec::runtime::LinuxResources;

use super::layout::Version;
use super::{Branch, Cgroup, CgroupError, files};

/// A value for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    file: String,
    value: String,
    lacking: Lacking,
}

/// What to do where the file is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lacking {
    /// Say so.
    Refuse,
    /// Nothing was asked that this kernel does not do anyway.
    Skip,
    /// Write another one.
    Instead(Box<Setting>),
}

/// The values of one controller.
struct Group {
    /// By its names in version 1 and 2.
    names: &'static [&'static str],
    settings: Vec<Setting>,
}

/// What was decided, or the sentence why not.
type Decided = Result<Vec<Setting>, String>;

/// The text of a file of the controller as it is now.
type Now<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Setting {
    fn new(file: impl Into<String>, value: impl ToString) -> Setting {
        Setting {
            file: file.into(),
            value: value.to_string(),
            lacking: Lacking::Refuse,
        }
    }

    /// Left out where there is no such file.
    fn or_skip(self) -> Setting {
        let lacking = Lacking::Skip;
        Setting { lacking, ..self }
    }

    /// Another one where there is no such file.
    fn or(self, other: Setting) -> Setting {
        let lacking = Lacking::Instead(Box::new(other));
        Setting { lacking, ..self }
    }
}

impl Cgroup {
    /// Set all limits but those of devices.
    pub(super) fn set(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        let groups = self.decide(resources)?;
        if let Some(unit) = &self.systemd {
            unit.tell(resources)?;
        }
        groups.iter().try_for_each(|group| self.write_group(group))
    }

    /// Quota (below zero: none) and period of CPU time in force; `None` where CPU time is not counted.
    #[must_use]
    pub fn cpu_time(&self) -> Option<(i64, u64)> {
        let branch = self.branch(&["cpu"])?;
        cpu::in_force(branch.hierarchy.version, &|file| {
            files::read(&branch.directory, file).ok()
        })
    }

    fn decide(&self, resources: &LinuxResources) -> Result<Vec<Group>, CgroupError> {
        let mut groups = Vec::new();
        let mut add = |names: &'static [&'static str],
                       decide: &dyn Fn(Version, Now<'_>) -> Decided|
         -> Result<(), CgroupError> {
            let branch = self.branch(names);
            let version = branch.map_or(self.main().hierarchy.version, |branch| {
                branch.hierarchy.version
            });
            let now = |file: &str| files::read(&branch?.directory, file).ok();
            let settings = decide(version, &now).map_err(|why| CgroupError::Refused {
                id: self.id.clone(),
                why,
            })?;
            groups.push(Group { names, settings });
            Ok(())
        };
        if let Some(cpu) = resources.cpu() {
            add(&["cpuset"], &|_, _| Ok(cpu::sets(cpu)))?;
            add(&["cpu"], &|version, now| cpu::time(version, cpu, now))?;
        }
        if let Some(memory) = resources.memory() {
            add(&["memory"], &|version, now| {
                memory::settings(version, memory, now)
            })?;
        }
        if let Some(pids) = resources.pids() {
            add(&["pids"], &|_, _| Ok(others::pids(pids)))?;
        }
        if let Some(block) = resources.block_io() {
            add(&["blkio", "io"], &|version, _| {
                block::settings(version, block)
            })?;
        }
        if let Some(pages) = resources.hugepage_limits() {
            add(&["hugetlb"], &|version, _| others::pages(version, pages))?;
        }
        if let Some(network) = resources.network() {
            add(&["net_cls"], &|_, _| Ok(others::class(network)))?;
            add(&["net_prio"], &|_, _| Ok(others::priorities(network)))?;
        }
        if let Some(rdma) = resources.rdma() {
            add(&["rdma"], &|_, _| others::rdma(rdma))?;
        }
        groups.extend(self.unified(resources)?);
        groups.retain(|group| !group.settings.is_empty());
        Ok(groups)
    }

    /// The files of version 2 that are named as they are.
    fn unified(&self, resources: &LinuxResources) -> Result<Option<Group>, CgroupError> {
        let Some(all) = resources.unified().as_ref().filter(|all| !all.is_empty()) else {
            return Ok(None);
        };
        let why = match self.main().hierarchy.version {
            Version::One => Err("`unified` needs cgroups of version 2".to_owned()),
            Version::Two => others::unified(all),
        };
        let settings = why.map_err(|why| CgroupError::Refused {
            id: self.id.clone(),
            why,
        })?;
        Ok(Some(Group {
            names: &[],
            settings,
        }))
    }

    fn write_group(&self, group: &Group) -> Result<(), CgroupError> {
        let branch = match group.names {
            [] => Some(self.main()),
            names => self.branch(names),
        };
        let Some(branch) = branch else {
            // `decide` keeps no group without a setting.
            let first = &group.settings[0];
            let why = format!(
                "this machine's cgroups have no controller `{}`",
                group.names[0]
            );
            return self.lacks(first, &why);
        };
        if branch.optional {
            let names = group.names.iter().map(|name| (*name).to_owned());
            let made = branch.make_second(&names.collect::<Vec<_>>());
            made.map_err(|source| CgroupError::Make {
                path: branch.directory.clone(),
                source,
            })?;
        }
        self.write_all(branch, group.settings.clone())
    }

    /// Write them all; one that the kernel finds invalid may be valid once the others are written.
    fn write_all(&self, branch: &Branch, mut settings: Vec<Setting>) -> Result<(), CgroupError> {
        loop {
            let count = settings.len();
            let mut refused = Vec::new();
            let mut first = None;
            for setting in settings {
                match self.write_one(branch, &setting) {
                    Ok(()) => {}
                    Err(error) if invalid(&error) => {
                        first.get_or_insert(error);
                        refused.push(setting);
                    }
                    Err(error) => return Err(error),
                }
            }
            match first {
                None => return Ok(()),
                Some(error) if refused.len() == count => return Err(error),
                Some(_) => settings = refused,
            }
        }
    }

    fn write_one(&self, branch: &Branch, setting: &Setting) -> Result<(), CgroupError> {
        let Err(source) = files::write(&branch.directory, &setting.file, &setting.value) else {
            return Ok(());
        };
        let lacking = source.kind() == io::ErrorKind::NotFound
            || source.raw_os_error() == Some(libc::EOPNOTSUPP);
        match &setting.lacking {
            Lacking::Skip if lacking => Ok(()),
            Lacking::Instead(other) if lacking => self.write_one(branch, other),
            _ if lacking && branch.directory.exists() => {
                let why = match branch.hierarchy.version {
                    Version::One => "this kernel has no such limit",
                    Version::Two => {
                        "this kernel has no such limit, or the cgroup above does not hand its controller down, as it cannot while processes live in it"
                    }
                };
                self.lacks(setting, why)
            }
            _ => Err(CgroupError::Value {
                file: setting.file.clone(),
                id: self.id.clone(),
                value: setting.value.clone(),
                source,
            }),
        }
    }

    fn lacks(&self, setting: &Setting, why: &str) -> Result<(), CgroupError> {
        Err(CgroupError::Lacking {
            file: setting.file.clone(),
            id: self.id.clone(),
            value: setting.value.clone(),
            why: why.to_owned(),
        })
    }
}

fn invalid(error: &CgroupError) -> bool {
    matches!(error, CgroupError::Value { source, .. } if source.raw_os_error() == Some(libc::EINVAL))
}

/// `-1` and all below it mean no limit.
fn or_max(value: i64) -> String {
    match value {
        ..0 => "max".to_owned(),
        _ => value.to_string(),
    }
}
