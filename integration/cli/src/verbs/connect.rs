//! `connect`: a shell in a running sandbox.

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::args::Target;
use crate::node::Node;
use crate::printer::Printer;
use crate::verbs::exec::{Command, enter};
use crate::verbs::pick;

/// Bash where there is one, else `sh`.
const SHELL: &str = "if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi";

/// Run it.
pub fn run(node: &Node, args: &Target, printer: Printer) -> anyhow::Result<ExitCode> {
    let sandbox = pick(node, args.name.as_deref())?;
    let words = ["/bin/sh", "-c", SHELL].map(str::to_owned);
    let terminal = std::io::stdin().is_terminal();
    enter(
        node,
        &sandbox,
        &Command {
            words: &words,
            environment: &[],
            terminal,
        },
        printer,
    )
}
