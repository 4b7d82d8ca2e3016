//! placeholder until branch seccomp lands
use oci_spec::runtime::LinuxNetDevice;
use std::collections::HashMap;
use std::os::fd::BorrowedFd;
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct NetDeviceError;
/// x
///
/// # Errors
/// x
pub fn move_all(
    _: &HashMap<String, LinuxNetDevice>,
    _: BorrowedFd<'_>,
) -> Result<(), NetDeviceError> {
    Ok(())
}
