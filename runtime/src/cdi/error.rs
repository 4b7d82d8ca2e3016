//! Why a device cannot be given: one sentence each, with what to do.

use std::io;
use std::path::PathBuf;

use nemoclaw_policy::device::DeviceName;

use super::{Asked, Asker, listed};

/// A request that cannot be met.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CdiError {
    /// No device name.
    #[error("{by} asks for `{text}`, which is no CDI device: write `vendor.com/class=name`")]
    Name {
        /// Who asks.
        by: Asker,
        /// What they say.
        text: String,
    },
    /// Not for annotations and variables to ask.
    #[error(
        "{} asks for the CDI device `{}`, which this node does not give away: list it under `cdi_devices` in the node's configuration, or under `devices` in the policy", .0.by, .0.device
    )]
    NotListed(Asked),
    /// More than the policy lists.
    #[error(
        "{} asks for the CDI device `{}`, which the policy `{policy}` does not list: add it to `devices` in the policy", asked.by, asked.device
    )]
    Beyond {
        /// The request.
        asked: Asked,
        /// The policy.
        policy: String,
    },
    /// The engine merged more than the policy lists.
    #[error(
        "the engine gives {what}{}: add the device to `devices` in the policy, or start the box without it{}",
        owned(owner.as_ref(), policy),
        unread(faults)
    )]
    Merged {
        /// The node, mount or hook.
        what: String,
        /// The device that it is of, if some file says so.
        owner: Option<DeviceName>,
        /// The policy.
        policy: String,
        /// Files that might describe its device, but cannot be used.
        faults: Vec<String>,
    },
    /// The engine merged a hook that may not run.
    #[error("the engine gives {what}, which is refused: {why}")]
    MergedHook {
        /// The hook.
        what: String,
        /// Why not, and what to do.
        why: String,
    },
    /// No file describes it.
    #[error(
        "no file in {} describes the CDI device `{name}`: {}",
        listed(dirs),
        help(name, faults)
    )]
    Unknown {
        /// The device.
        name: DeviceName,
        /// Where was searched.
        dirs: Vec<PathBuf>,
        /// Files that might describe it, but cannot be used.
        faults: Vec<String>,
    },
    /// Two files of one directory describe it.
    #[error(
        "`{}` and `{}` both describe the CDI device `{name}`: remove one of them", first.display(), second.display()
    )]
    Conflict {
        /// The device.
        name: DeviceName,
        /// A file.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// An edit that a box cannot have.
    #[error("`{}` cannot be applied: {why}", file.display())]
    Edit {
        /// The file.
        file: PathBuf,
        /// Why not, and what to do.
        why: String,
    },
}

fn owned(owner: Option<&DeviceName>, policy: &str) -> String {
    match owner {
        Some(name) => {
            format!(" of the CDI device `{name}`, which the policy `{policy}` does not list")
        }
        None => format!(", which no device that the policy `{policy}` lists has"),
    }
}

fn unread(faults: &[String]) -> String {
    match faults {
        [] => String::new(),
        _ => format!(" ({})", faults.join("; ")),
    }
}

fn shown(place: Option<(u64, u64)>) -> String {
    place.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"))
}

fn help(name: &DeviceName, faults: &[String]) -> String {
    if !faults.is_empty() {
        return faults.join("; ");
    }
    if name.kind.starts_with("nvidia.com/") {
        return "run `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`, and `nvidia-ctk cdi list` to see the names"
            .to_owned();
    }
    format!(
        "install the vendor's CDI file of the kind `{}`, or correct the name",
        name.kind
    )
}

/// A CDI file that is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// Cannot be read.
    #[error("the CDI file `{}` cannot be read: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Somebody else could have written it.
    #[error("the CDI file `{}` is not believed, since {why}: make root the only one who can write it", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Not as the format says.
    #[error("the CDI file `{}{}` is not used: {why}", path.display(), shown(*place))]
    Text {
        /// The file.
        path: PathBuf,
        /// Line and column, from 1, where there is one.
        place: Option<(u64, u64)>,
        /// Why not.
        why: String,
    },
}
