//! `privacy scan|explain`: what is sensitive in a text, and what becomes of it on its way to a model.

mod explain;
mod outcome;
mod scan;
mod words;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::Policy;
use zeroize::Zeroizing;

use crate::args::{Args, Privacy};
use crate::fault::Fault;
use crate::printer::{Printer, Tone};

/// `privacy explain` could not find out.
pub const CANNOT_TELL: u8 = 2;

/// Run it.
pub fn run(args: &Args, verb: &Privacy, printer: Printer) -> anyhow::Result<ExitCode> {
    let config = args.config.as_deref();
    match verb {
        Privacy::Scan(scan) => scan::run(config, scan, printer),
        Privacy::Explain(explain) => explain::run(config, explain, printer),
    }
}

/// A service is asked by the router alone: it sees every text as it is.
fn tell_of_services(policy: &Policy, printer: Printer) {
    let services: Vec<&str> = policy.services().into_iter().collect();
    if !services.is_empty() {
        printer.labelled(
            Tone::Warning,
            "warning",
            format_args!(
                "what {} would find is not found here: the service is not asked",
                services.join(", ")
            ),
        );
    }
}

/// The bytes of a file, or of standard input; gone from memory when they are dropped.
fn read(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        Fault::new(format!("cannot read `{}`", path.display()))
            .because(error)
            .exit(CANNOT_TELL)
    })?;
    Ok(bytes)
}
