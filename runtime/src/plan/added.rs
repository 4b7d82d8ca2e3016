//! Mounts of our own: what every box has, whatever its engine gives.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;

/// Shared memory of a box whose engine gives none: Docker's size.
const SHM_OPTIONS: [&str; 5] = ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"];
/// `/tmp` of an image that has none.
const TMP_OPTIONS: [&str; 3] = ["nosuid", "nodev", "mode=1777"];

/// Adds a mount of ours: a file of the box's state directory, read-only, in place of what the engine put there.
pub fn replace_with_file(mounts: &mut Vec<Mount>, destination: &Path, source: PathBuf) {
    mounts.retain(|mount| mount.destination() != destination);
    mounts.push(new(
        destination,
        "bind",
        source,
        &["bind", "ro", "nosuid", "nodev", "noexec", "rprivate"],
    ));
}

/// Adds sized shared memory when the engine gives none.
pub fn add_shared_memory(mounts: &mut Vec<Mount>) {
    if !mounts
        .iter()
        .any(|mount| mount.destination() == Path::new("/dev/shm"))
    {
        mounts.push(new(
            Path::new("/dev/shm"),
            "tmpfs",
            PathBuf::from("shm"),
            &SHM_OPTIONS,
        ));
    }
}

/// Adds a `/tmp` for an image without one.
pub fn add_tmp(mounts: &mut Vec<Mount>) {
    mounts.push(new(
        Path::new(super::paths::TMP),
        "tmpfs",
        PathBuf::from("tmpfs"),
        &TMP_OPTIONS,
    ));
}

/// A mount.
pub fn new(destination: &Path, typ: &str, source: PathBuf, options: &[&str]) -> Mount {
    let mut mount = Mount::default();
    mount
        .set_destination(destination.to_path_buf())
        .set_typ(Some(typ.to_owned()))
        .set_source(Some(source))
        .set_options(Some(
            options.iter().map(|option| (*option).to_owned()).collect(),
        ))
        .set_uid_mappings(None)
        .set_gid_mappings(None);
    mount
}
