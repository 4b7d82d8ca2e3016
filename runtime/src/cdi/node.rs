//! A device node's type and numbers: as a CDI file gives them, else those of the node on this host.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};
use oci_spec::runtime as oci;

use super::spec::DeviceNode;

/// What a node leads to.
#[derive(Debug, Clone, Copy)]
pub struct HostNode {
    /// Kind.
    pub typ: oci::LinuxDeviceType,
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Permission bits.
    pub mode: u32,
}

impl HostNode {
    /// The node at `path` of this host, links followed; the error ends a sentence that begins with it.
    pub fn at(path: &Path) -> Result<HostNode, String> {
        let meta = fs::metadata(path).map_err(|error| format!("cannot be found: {error}"))?;
        let kind = meta.file_type();
        let typ = if kind.is_char_device() {
            oci::LinuxDeviceType::C
        } else if kind.is_block_device() {
            oci::LinuxDeviceType::B
        } else if kind.is_fifo() {
            oci::LinuxDeviceType::P
        } else {
            return Err("is no device on this host".to_owned());
        };
        let number = |part: u64| i64::try_from(part).map_err(|error| error.to_string());
        Ok(HostNode {
            typ,
            major: number(major(meta.rdev()))?,
            minor: number(minor(meta.rdev()))?,
            mode: meta.mode() & 0o777,
        })
    }

    /// The node that a CDI file describes.
    pub fn of(given: &DeviceNode) -> Result<HostNode, String> {
        let found = HostNode::at(Path::new(given.on_host()));
        let typ = given.typ.as_deref().map(node_type).transpose()?;
        let numbers = given.major.filter(|major| *major != 0).zip(typ);
        match (found, numbers) {
            (Ok(host), None) if typ.is_some_and(|typ| !same_type(typ, host.typ)) => {
                Err("is of another type on this host".to_owned())
            }
            (Ok(host), None) => Ok(host),
            (found, Some((major, typ))) => Ok(HostNode {
                typ,
                major,
                minor: given.minor.unwrap_or(0),
                mode: found.map_or(0o666, |host| host.mode),
            }),
            (Err(why), None) => Err(why),
        }
    }

    /// Whether both lead to the same device.
    pub fn is(&self, other: &HostNode) -> bool {
        same_type(self.typ, other.typ) && self.major == other.major && self.minor == other.minor
    }

    /// Whether `device` leads there.
    pub fn is_device(&self, device: &oci::LinuxDevice) -> bool {
        same_type(self.typ, device.typ())
            && (self.major, self.minor) == (device.major(), device.minor())
    }
}

fn node_type(letter: &str) -> Result<oci::LinuxDeviceType, String> {
    Ok(match letter {
        "c" => oci::LinuxDeviceType::C,
        "u" => oci::LinuxDeviceType::U,
        "b" => oci::LinuxDeviceType::B,
        "p" => oci::LinuxDeviceType::P,
        _ => return Err(format!("has the unknown type `{letter}`")),
    })
}

/// `u` is another word for `c`.
pub fn same_type(one: oci::LinuxDeviceType, other: oci::LinuxDeviceType) -> bool {
    let plain = |typ| match typ {
        oci::LinuxDeviceType::U => oci::LinuxDeviceType::C,
        other => other,
    };
    plain(one) == plain(other)
}
