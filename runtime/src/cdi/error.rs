//! Why a device cannot be given: one sentence each, with what to do.

use std::io;
use std::path::PathBuf;

use super::{DeviceName, listed};

/// A request that cannot be met.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CdiError {
    /// No device name.
    #[error(
        "the annotation `{key}` asks for `{text}`, which is no CDI device: write `vendor.com/class=name`"
    )]
    Name {
        /// The annotation.
        key: String,
        /// What it says.
        text: String,
    },
    /// Not for annotations to ask.
    #[error(
        "an annotation asks for the CDI device `{0}`, which this node does not give away: list it under `cdi_devices` in the node's configuration"
    )]
    NotListed(DeviceName),
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
    #[error("the CDI file `{}` is not used: {why}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}
