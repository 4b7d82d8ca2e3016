//! wip
use crate::args::Cluster;
use crate::printer::Printer;
use std::process::ExitCode;
pub fn register(_: &Cluster, _: Printer) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
pub fn unregister(_: &Cluster, _: Printer) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
