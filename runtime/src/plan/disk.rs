//! The policy's `resources.disk`: a limited directory is a file system of at most that size, or the box is refused.
//!
//! A tmpfs is cut down to the limit, and `/tmp` becomes one where it would be the image's own directory. A volume cannot be
//! cut down: it must lie on a file system that is small enough, as one that the direct engine makes.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;

use super::make::Given;
use super::mounts::{asks_readonly, is_bind};
use super::paths::{Access, PathRules, SANDBOX, TMP};
use super::{Inputs, Refusal, added as ours};

/// Options that say how large a tmpfs may become; the last one counts.
const SIZES: [&str; 2] = ["size=", "nr_blocks="];

/// One limited directory.
struct Limited<'a> {
    policy: &'a str,
    path: &'a Path,
    bytes: u64,
}

/// Puts the policy's limits into the box's `mounts`; the places of the mounts that it adds.
pub fn limit(
    inputs: &Inputs<'_>,
    given: &Given<'_>,
    mounts: &mut Vec<Mount>,
    rules: &PathRules,
    remarks: &mut Vec<String>,
) -> Result<Vec<PathBuf>, Refusal> {
    let mut added = Vec::new();
    let disk = inputs.policy.resources.disk;
    for (path, bytes) in [(SANDBOX, disk.sandbox), (TMP, disk.tmp)] {
        let path = Path::new(path);
        let Some(bytes) = bytes.filter(|_| may_be_written(path, rules)) else {
            continue;
        };
        let limited = Limited {
            policy: &inputs.policy.name,
            path,
            bytes,
        };
        limited.check_below(mounts, rules)?;
        let there = mounts.iter_mut().rfind(|mount| mount.destination() == path);
        match there {
            Some(mount) => limited.check(mount, inputs, remarks)?,
            // The image's directories stay read-only then.
            None if given.root.readonly() == Some(true) => {}
            None if path == Path::new(TMP) => {
                mounts.push(limited.tmpfs());
                added.push(path.to_path_buf());
            }
            None => return Err(limited.no_size("the image's own directory".to_owned())),
        }
    }
    Ok(added)
}

/// Whether anything at or below `path` may be written.
fn may_be_written(path: &Path, rules: &PathRules) -> bool {
    rules.access(path) == Access::Write
        || rules
            .read_write
            .iter()
            .any(|listed| listed.starts_with(path) && rules.access(listed) == Access::Write)
}

impl Limited<'_> {
    /// A mount below is another file system: what it holds is not counted.
    fn check_below(&self, mounts: &[Mount], rules: &PathRules) -> Result<(), Refusal> {
        let below = mounts.iter().find(|mount| {
            let destination = mount.destination();
            destination != self.path
                && destination.starts_with(self.path)
                && rules.mount_writable(destination)
                && !asks_readonly(mount)
        });
        match below {
            None => Ok(()),
            Some(mount) => Err(Refusal::BeyondSize {
                policy: self.policy.to_owned(),
                path: self.path.to_path_buf(),
                mount: mount.destination().clone(),
            }),
        }
    }

    /// The mount on the directory itself.
    fn check(
        &self,
        mount: &mut Mount,
        inputs: &Inputs<'_>,
        remarks: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        if asks_readonly(mount) {
            return Ok(());
        }
        if is_bind(mount) {
            let source = mount.source().clone().unwrap_or_default();
            return self.check_volume(&source, inputs);
        }
        if mount.typ().as_deref() != Some("tmpfs") {
            let typ = mount.typ().clone().unwrap_or_default();
            return Err(self.no_size(format!("the {typ} there")));
        }
        let mut options = mount.options().clone().unwrap_or_default();
        let asked = options.iter().rev().find_map(|option| size(option));
        if asked.is_some_and(|asked| asked <= self.bytes) {
            return Ok(());
        }
        options.retain(|option| !SIZES.iter().any(|name| option.starts_with(name)));
        options.push(format!("size={}", self.bytes));
        mount.set_options(Some(options));
        remarks.push(format!(
            "the tmpfs on `{}` is made smaller: the policy limits it",
            self.path.display()
        ));
        Ok(())
    }

    fn check_volume(&self, source: &Path, inputs: &Inputs<'_>) -> Result<(), Refusal> {
        let all = inputs.host.sources.values();
        let capacity = all
            .filter(|facts| facts.canonical == source)
            .find_map(|facts| facts.capacity);
        if capacity.is_some_and(|capacity| capacity <= self.bytes) {
            return Ok(());
        }
        Err(self.no_size(format!("the volume `{}`", source.display())))
    }

    fn tmpfs(&self) -> Mount {
        let size = format!("size={}", self.bytes);
        let options = ["nosuid", "nodev", "mode=1777", size.as_str()];
        ours::new(self.path, "tmpfs", PathBuf::from("tmpfs"), &options)
    }

    fn no_size(&self, what: String) -> Refusal {
        Refusal::NoSize {
            policy: self.policy.to_owned(),
            path: self.path.to_path_buf(),
            limit: self.bytes,
            what,
        }
    }
}

/// The bytes that a tmpfs option names: `Some(u64::MAX)` for a size that is no number (a share of the memory) or none at
/// all (zero, or counted in blocks); `None` for another option.
fn size(option: &str) -> Option<u64> {
    let text = SIZES.iter().find_map(|name| option.strip_prefix(name))?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        _ if option.starts_with("nr_blocks") => None,
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        "t" => Some(40),
        _ => None,
    };
    let bytes = shift.and_then(|shift: u32| number.parse::<u64>().ok()?.checked_mul(1 << shift));
    Some(bytes.filter(|bytes| *bytes > 0).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tmpfs_says_its_size_in_the_kernels_units() {
        for (option, bytes) in [
            ("size=65536", Some(65_536)),
            ("size=64k", Some(65_536)),
            ("size=1M", Some(1 << 20)),
            ("size=2g", Some(2 << 30)),
            ("size=0", Some(u64::MAX)),
            ("size=50%", Some(u64::MAX)),
            ("size=", Some(u64::MAX)),
            ("size=99999999999999999999", Some(u64::MAX)),
            ("nr_blocks=10", Some(u64::MAX)),
            ("mode=1777", None),
        ] {
            assert_eq!(size(option), bytes, "{option}");
        }
    }
}
