//! The right to load filters, where the engine does not ask for no_new_privs (policy `unconfined`).

use anyhow::{Result, bail};
use caps::Capability;
use oci_spec::runtime::{LinuxCapabilities, Spec};

use crate::enforce::capabilities;

/// A filter without no_new_privs needs CAP_SYS_ADMIN: give it to libcontainer's spec, and remember what to cut down to.
pub fn keep_loading_right(spec: &mut Spec) -> Result<Option<LinuxCapabilities>> {
    let Some(process) = spec.process_mut() else {
        return Ok(None);
    };
    let Some(wanted) = process.capabilities().clone() else {
        return Ok(None);
    };
    process.set_capabilities(Some(with_loading_right(&wanted)?));
    Ok(Some(wanted))
}

/// `wanted` with the right to load a filter.
///
/// # Errors
/// This process does not have it either.
pub fn with_loading_right(wanted: &LinuxCapabilities) -> Result<LinuxCapabilities> {
    if !caps::has_cap(None, caps::CapSet::Permitted, Capability::CAP_SYS_ADMIN)? {
        bail!(
            "a seccomp profile without no_new_privs needs CAP_SYS_ADMIN: add `--security-opt no-new-privileges`"
        );
    }
    let mut more = wanted.clone();
    capabilities::add(&mut more, Capability::CAP_SYS_ADMIN);
    capabilities::add(&mut more, Capability::CAP_SETPCAP);
    Ok(more)
}
