//! Profiles of the kernel's other security modules, for kernels that have them.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use oci_spec::runtime::Process;

use super::error::{RaiseError, errno, kernel};

/// Says `Y` where AppArmor is on.
const APPARMOR: &str = "/sys/module/apparmor/parameters/enabled";
/// There where SELinux is on.
const SELINUX: &str = "/sys/fs/selinux/enforce";
/// Where a process says under which profile its next program runs.
const PROFILE: &str = "/proc/self/attr/apparmor/exec";
/// The same for a label of SELinux.
const LABEL: &str = "/proc/self/attr/exec";

/// Why a process cannot have what its configuration names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// No AppArmor.
    #[error(
        "the process shall run under the AppArmor profile `{0}`, and this kernel has no AppArmor: leave out `process.apparmorProfile`"
    )]
    NoAppArmor(String),
    /// No SELinux.
    #[error(
        "the process shall run under the SELinux label `{0}`, and this kernel has no SELinux: leave out `process.selinuxLabel`"
    )]
    NoSelinux(String),
}

/// Whether this kernel runs programs under AppArmor profiles.
#[must_use]
pub fn has_apparmor() -> bool {
    std::fs::read_to_string(APPARMOR).is_ok_and(|text| text.starts_with('Y'))
}

/// Whether this kernel runs programs under SELinux labels.
#[must_use]
pub fn has_selinux() -> bool {
    Path::new(SELINUX).exists()
}

/// Check, on the host, that `process` asks for nothing that the kernel lacks.
///
/// # Errors
/// What is lacking.
pub fn check(process: &Process) -> Result<(), LabelError> {
    if let Some(profile) = named(process.apparmor_profile())
        && !has_apparmor()
    {
        return Err(LabelError::NoAppArmor(profile.to_owned()));
    }
    if let Some(label) = named(process.selinux_label())
        && !has_selinux()
    {
        return Err(LabelError::NoSelinux(label.to_owned()));
    }
    Ok(())
}

fn named(given: &Option<String>) -> Option<&str> {
    given.as_deref().filter(|name| !name.is_empty())
}

/// Profiles to be named just before the program runs; opened while the host's `/proc` is there.
#[derive(Debug, Default)]
pub struct Labels(Vec<(File, Vec<u8>)>);

impl Labels {
    /// Those of the calling process.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn of(process: &Process) -> Result<Labels, RaiseError> {
        let profile =
            named(process.apparmor_profile()).map(|name| (PROFILE, format!("exec {name}")));
        let label = named(process.selinux_label()).map(|name| (LABEL, name.to_owned()));
        let open = |(path, text): (&str, String)| {
            let file = File::options().write(true).open(path);
            file.map(|file| (file, text.into_bytes()))
                .map_err(|error| kernel(format!("open `{path}`"))(errno(&error)))
        };
        let opened: Result<_, _> = profile.into_iter().chain(label).map(open).collect();
        opened.map(Labels)
    }

    /// Name them.
    ///
    /// # Errors
    /// The kernel does not know one.
    pub fn set(&self) -> Result<(), RaiseError> {
        self.0.iter().try_for_each(|(file, text)| {
            let shown = String::from_utf8_lossy(text);
            let mut file: &File = file;
            file.write_all(text)
                .map_err(|error| kernel(format!("set the profile `{shown}`"))(errno(&error)))
        })
    }
}
