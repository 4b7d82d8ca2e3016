//! A vendor that does not exist, with a device that does: a character device, a library, a variable.

use std::fs;
use std::path::PathBuf;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::json;

use crate::world::World;

/// The device's name.
pub const DEVICE: &str = "nct.example/fake=one";
/// Where it is in a container.
pub const NODE: &str = "/dev/nct-fake";
/// Where its library is.
pub const LIBRARY: &str = "/usr/lib/nct/libfake.so";

/// The directory with its description.
pub fn dir(world: &World) -> PathBuf {
    world.path("cdi/specs")
}

/// Makes the device and its description.
///
/// # Panics
/// When that fails.
pub fn up(world: &World) {
    fs::create_dir_all(dir(world)).expect("directory");
    let node = world.path("cdi/node");
    if !node.exists() {
        // The device of `/dev/zero`, under a name that no program knows.
        mknod(
            &node,
            SFlag::S_IFCHR,
            Mode::from_bits_truncate(0o666),
            makedev(1, 5),
        )
        .expect("device");
    }
    let library = world.path("cdi/libfake.so");
    fs::write(&library, "a library\n").expect("library");
    let spec = json!({
        "cdiVersion": "0.6.0",
        "kind": "nct.example/fake",
        "devices": [{
            "name": "one",
            "containerEdits": {
                "env": ["NCT_FAKE=one"],
                "deviceNodes": [{ "path": NODE, "hostPath": node, "type": "c", "major": 1, "minor": 5, "permissions": "rw" }],
                "mounts": [{ "hostPath": library, "containerPath": LIBRARY, "options": ["ro", "nosuid", "nodev", "bind"] }],
            }
        }]
    });
    fs::write(dir(world).join("nct.json"), spec.to_string()).expect("description");
}
