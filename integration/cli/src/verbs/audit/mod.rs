//! `audit show|verify`: the router's records.

mod files;
mod show;
mod verify;

use std::process::ExitCode;

pub use files::{names, of};

use crate::args::Audit;
use crate::node::Node;
use crate::printer::Printer;

/// `audit verify` could not find out.
pub const CANNOT_TELL: u8 = 2;

/// Run it.
pub fn run(node: &Node, verb: &Audit, printer: Printer) -> anyhow::Result<ExitCode> {
    match verb {
        Audit::Show { name, json } => show::run(node, name.as_deref(), *json, printer),
        Audit::Verify(verify) => verify::run(node, verify, printer),
    }
}
