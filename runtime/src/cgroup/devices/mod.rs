//! Which devices a box may use: the rules of its configuration and those that every box has, with the meaning that the
//! last rule which names a device and an access decides on it, and that what no rule names is refused.
//!
//! Version 1 has files for it ([`first`]); on version 2 the rules become a small program in the kernel ([`program`]).

mod first;
mod program;

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::{Branch, Cgroup, CgroupError, files};
use crate::sys::bpf;

/// Why the devices could not be limited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A rule that means nothing.
    #[error("the device rule `{0}` has no access: write some of `r`, `w` and `m`")]
    NoAccess(String),
    /// A rule with another letter.
    #[error("the device rule `{0}` has an access that is not of `r`, `w` and `m`")]
    BadAccess(String),
    /// A rule for what is no device.
    #[error("the device rule `{0}` has a type that is none of `a`, `b` and `c`")]
    BadType(String),
    /// A number that no device has.
    #[error("the device rule `{0}` has a number that no device has")]
    BadNumber(String),
    /// What version 1 cannot express.
    #[error(
        "the device rule `{0}` changes a part of an earlier rule with a wildcard, which cgroups of version 1 cannot do: write the rules without an overlap"
    )]
    Overlap(String),
    /// No hierarchy.
    #[error("this machine's cgroups have no controller `devices`, and no version 2")]
    NoController,
    /// Too many rules.
    #[error("{0} device rules make a program that is longer than the kernel takes")]
    TooLong(usize),
    /// The kernel refuses the program.
    #[error("cannot {step} the device program: {}{}", .source.desc(), bpf_hint(*.source))]
    Program {
        /// What was tried.
        step: &'static str,
        /// The kernel's word.
        source: Errno,
    },
}

fn bpf_hint(error: Errno) -> &'static str {
    match error {
        Errno::EPERM => " (this takes root in the host's user namespace)",
        Errno::EINVAL | Errno::ENOSYS => " (the kernel needs CONFIG_CGROUP_BPF)",
        _ => "",
    }
}

/// What is done to a device, as the kernel's program is told it.
pub(super) const MKNOD: u8 = 1;
pub(super) const READ: u8 = 2;
pub(super) const WRITE: u8 = 4;
pub(super) const ALL: u8 = MKNOD | READ | WRITE;

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Block,
    Char,
}

/// Which devices a rule names; nothing is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    pub kind: Option<Kind>,
    pub major: Option<u32>,
    pub minor: Option<u32>,
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub allow: bool,
    pub pattern: Pattern,
    /// Bits of what is done.
    pub access: u8,
}

/// What every box may use, as with runc: any node may be made, and these may be used.
const DEFAULTS: [(Kind, Option<u32>, Option<u32>, u8); 10] = [
    (Kind::Char, None, None, MKNOD),
    (Kind::Block, None, None, MKNOD),
    (Kind::Char, Some(1), Some(3), ALL), // null
    (Kind::Char, Some(1), Some(8), ALL), // random
    (Kind::Char, Some(1), Some(7), ALL), // full
    (Kind::Char, Some(5), Some(0), ALL), // tty
    (Kind::Char, Some(1), Some(5), ALL), // zero
    (Kind::Char, Some(1), Some(9), ALL), // urandom
    (Kind::Char, Some(136), None, ALL),  // the box's terminals
    (Kind::Char, Some(5), Some(2), ALL), // ptmx
];

impl Cgroup {
    /// Let the box use these devices and those of every box, and no others.
    pub(super) fn allow(&self, given: &[LinuxDeviceCgroup]) -> Result<(), CgroupError> {
        self.try_allow(given)
            .map_err(|source| CgroupError::Devices {
                id: self.id.clone(),
                source,
            })?
    }

    /// The kernel's refusal of a file inside, that of a rule outside.
    fn try_allow(
        &self,
        given: &[LinuxDeviceCgroup],
    ) -> Result<Result<(), CgroupError>, DeviceError> {
        let rules = rules(given)?;
        if let Some(branch) = self.branch(&["devices"]) {
            return Ok(self.write_rules(branch, &first::lines(&rules)?));
        }
        let branch = self.second().ok_or(DeviceError::NoController)?;
        let program = program::compile(&rules);
        if program.len() > bpf::PROGRAM_MOST {
            return Err(DeviceError::TooLong(rules.len()));
        }
        match branch.open(&branch.directory) {
            Ok(directory) => filter(directory.as_fd(), &program).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    fn write_rules(
        &self,
        branch: &Branch,
        lines: &[(&'static str, String)],
    ) -> Result<(), CgroupError> {
        lines.iter().try_for_each(|(file, line)| {
            files::write(&branch.directory, file, line).map_err(|source| CgroupError::Value {
                file: (*file).to_owned(),
                id: self.id.clone(),
                value: line.clone(),
                source,
            })
        })
    }
}

/// Have the kernel ask `program` about the devices of a cgroup, and no earlier program of ours. While both are there,
/// both must allow a use.
fn filter(directory: BorrowedFd<'_>, program: &[u64]) -> Result<(), DeviceError> {
    let failed = |step| move |source| DeviceError::Program { step, source };
    let earlier = bpf::device_filters(directory).map_err(failed("look for an earlier one of"))?;
    let program = bpf::load_device_filter(program).map_err(failed("load"))?;
    bpf::attach_device_filter(directory, program.as_fd()).map_err(failed("attach"))?;
    for id in earlier {
        // One that went away meanwhile is not there to be asked.
        let Ok(old) = bpf::program_by_id(id) else {
            continue;
        };
        if bpf::is_ours(old.as_fd()).map_err(failed("read an earlier one of"))? {
            bpf::detach_device_filter(directory, old.as_fd())
                .map_err(failed("detach an earlier one of"))?;
        }
    }
    Ok(())
}

/// The rules of a configuration, and after them those of every box.
fn rules(given: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>, DeviceError> {
    let mut rules = given.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    rules.extend(DEFAULTS.map(|(kind, major, minor, access)| Rule {
        allow: true,
        pattern: Pattern {
            kind: Some(kind),
            major,
            minor,
        },
        access,
    }));
    Ok(rules)
}

fn rule(given: &LinuxDeviceCgroup) -> Result<Rule, DeviceError> {
    let kind = match given.typ() {
        None | Some(LinuxDeviceType::A) => None,
        Some(LinuxDeviceType::B) => Some(Kind::Block),
        Some(LinuxDeviceType::C) => Some(Kind::Char),
        Some(_) => return Err(DeviceError::BadType(written(given))),
    };
    let number = |number: Option<i64>| match number {
        // Below zero is what Go programs write for any.
        None | Some(..0) => Ok(None),
        Some(number) => match u32::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(DeviceError::BadNumber(written(given))),
        },
    };
    Ok(Rule {
        allow: given.allow(),
        pattern: Pattern {
            kind,
            major: number(given.major())?,
            minor: number(given.minor())?,
        },
        access: access(given)?,
    })
}

fn access(given: &LinuxDeviceCgroup) -> Result<u8, DeviceError> {
    let letters = given.access().as_deref().unwrap_or_default();
    let mut access = 0;
    for letter in letters.chars() {
        access |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            _ => return Err(DeviceError::BadAccess(written(given))),
        };
    }
    match access {
        0 => Err(DeviceError::NoAccess(written(given))),
        access => Ok(access),
    }
}

/// A rule of a configuration as version 1 writes it.
fn written(given: &LinuxDeviceCgroup) -> String {
    let number = |number: Option<i64>| match number {
        None | Some(..0) => "*".to_owned(),
        Some(number) => number.to_string(),
    };
    let kind = given.typ();
    let kind = kind.as_ref().map_or("a", LinuxDeviceType::as_str);
    let access = given.access().as_deref().unwrap_or_default();
    format!(
        "{} {kind} {}:{} {access}",
        if given.allow() { "allow" } else { "deny" },
        number(given.major()),
        number(given.minor())
    )
}

impl Pattern {
    /// Whether every device of `other` is one of these.
    fn covers(&self, other: &Pattern) -> bool {
        fn one<T: PartialEq>(mine: Option<T>, other: Option<T>) -> bool {
            mine.is_none() || mine == other
        }
        one(self.kind, other.kind) && one(self.major, other.major) && one(self.minor, other.minor)
    }

    /// Whether some device is one of both.
    fn meets(&self, other: &Pattern) -> bool {
        fn one<T: PartialEq>(mine: Option<T>, other: Option<T>) -> bool {
            mine.is_none() || other.is_none() || mine == other
        }
        one(self.kind, other.kind) && one(self.major, other.major) && one(self.minor, other.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> LinuxDeviceCgroup {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_rule_is_read_as_it_is_meant() {
        let found = rule(&given(
            "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":-1,\"access\":\"rw\"}",
        ))
        .unwrap();
        let pattern = Pattern {
            kind: Some(Kind::Char),
            major: Some(10),
            minor: None,
        };
        assert_eq!(found.pattern, pattern);
        assert_eq!((found.allow, found.access), (true, READ | WRITE));
        let all = rule(&given("{\"allow\":false,\"access\":\"rwm\"}")).unwrap();
        assert_eq!((all.pattern.kind, all.access), (None, ALL));
    }

    #[test]
    fn a_rule_that_means_nothing_is_refused_by_its_text() {
        for (text, words) in [
            (
                "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3}",
                "`allow c 1:3 ` has no access",
            ),
            (
                "{\"allow\":false,\"access\":\"rx\"}",
                "`deny a *:* rx` has an access",
            ),
            (
                "{\"allow\":true,\"type\":\"p\",\"access\":\"r\"}",
                "`allow p *:* r` has a type",
            ),
            (
                "{\"allow\":true,\"type\":\"b\",\"major\":4294967296,\"access\":\"r\"}",
                "has a number",
            ),
        ] {
            let error = rule(&given(text)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
