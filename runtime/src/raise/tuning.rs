//! placeholder until branch seccomp lands
use oci_spec::runtime::{Linux, Process};
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct TuningError;
/// x
///
/// # Errors
/// x
pub fn apply(_: &Process, _: Option<&Linux>) -> Result<(), TuningError> { Ok(()) }
