//! Devices: the engine's nodes are kept, but not those that are the host's memory or disks, and never all of them.

use std::collections::HashMap;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, LinuxNetDevice, LinuxResources};

use super::Refusal;

/// Major number of the memory devices, and those minors that read or write all memory or the kernel's log.
const MEMORY_MAJOR: i64 = 1;
const MEMORY_MINORS: [i64; 4] = [1, 2, 4, 11];
/// Major number of the SCSI generic devices: raw commands to disks.
const SCSI_GENERIC_MAJOR: i64 = 21;

/// Whether the last rule about every device opens them all.
pub fn allow_everything(resources: &LinuxResources) -> bool {
    let about_all = |major: Option<i64>, minor: Option<i64>| {
        major.is_none_or(|m| m < 0) && minor.is_none_or(|m| m < 0)
    };
    resources
        .devices()
        .iter()
        .flatten()
        .filter(|rule| about_all(rule.major(), rule.minor()))
        .rfind(|rule| matches!(rule.typ(), None | Some(LinuxDeviceType::A)))
        .is_some_and(|rule| rule.allow())
}

/// Refuses nodes that are a way round every other wall; returns the rest's paths.
pub fn check(devices: Option<&[LinuxDevice]>) -> Result<Vec<PathBuf>, Refusal> {
    let mut paths = Vec::new();
    for device in devices.into_iter().flatten() {
        let path = super::paths::normal(device.path()).filter(|path| path.starts_with("/dev"));
        let why = match (device.typ(), device.major(), device.minor()) {
            _ if path.is_none() => Some("it is not below /dev"),
            (LinuxDeviceType::B, ..) => Some("it is a block device of the host"),
            (LinuxDeviceType::C | LinuxDeviceType::U, MEMORY_MAJOR, minor)
                if MEMORY_MINORS.contains(&minor) =>
            {
                Some("it is the host's memory or kernel log")
            }
            (LinuxDeviceType::C | LinuxDeviceType::U, SCSI_GENERIC_MAJOR, _) => {
                Some("it takes raw commands for a disk of the host")
            }
            _ => None,
        };
        match (path, why) {
            (Some(path), None) => paths.push(path),
            (_, why) => {
                return Err(Refusal::Device {
                    path: device.path().clone(),
                    why: why.unwrap_or_default(),
                });
            }
        }
    }
    Ok(paths)
}

/// Refuses network devices of the host: nothing of theirs would pass the router.
pub fn check_network(devices: Option<&HashMap<String, LinuxNetDevice>>) -> Result<(), Refusal> {
    match devices.and_then(|devices| devices.keys().min()) {
        Some(name) => Err(Refusal::NetworkDevice(name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxDeviceCgroup;

    fn device(path: &str, typ: LinuxDeviceType, major: i64, minor: i64) -> LinuxDevice {
        let mut device = LinuxDevice::default();
        device
            .set_path(path.into())
            .set_typ(typ)
            .set_major(major)
            .set_minor(minor);
        device
    }

    fn rule(allow: bool, major: Option<i64>) -> LinuxDeviceCgroup {
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(allow)
            .set_major(major)
            .set_access(Some("rwm".to_owned()));
        rule
    }

    #[test]
    fn disks_memory_and_nodes_outside_dev_are_refused_and_others_kept() {
        for (path, typ, major, minor) in [
            ("/dev/sda", LinuxDeviceType::B, 8, 0),
            ("/dev/sg0", LinuxDeviceType::C, 21, 0),
            ("/dev/x", LinuxDeviceType::C, 1, 1),
            ("/sandbox/null", LinuxDeviceType::C, 1, 3),
            ("/dev/../sandbox/null", LinuxDeviceType::C, 1, 3),
        ] {
            assert!(
                check(Some(&[device(path, typ, major, minor)])).is_err(),
                "{path}"
            );
        }
        let kept = check(Some(&[device("/dev/vendor0", LinuxDeviceType::C, 1, 3)]));
        assert_eq!(kept, Ok(vec![PathBuf::from("/dev/vendor0")]));
    }

    #[test]
    fn the_last_rule_about_all_devices_counts() {
        let mut resources = LinuxResources::default();
        resources.set_devices(Some(vec![rule(false, None), rule(true, Some(1))]));
        assert!(!allow_everything(&resources));
        resources.set_devices(Some(vec![rule(false, None), rule(true, None)]));
        assert!(allow_everything(&resources));
        resources.set_devices(Some(vec![rule(true, Some(-1)), rule(false, None)]));
        assert!(!allow_everything(&resources));
    }
}
