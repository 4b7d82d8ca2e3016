//! `nemoclaw-runtime`: what container engines call.

use std::process::ExitCode;

fn main() -> ExitCode {
    nemoclaw_runtime::verbs::main(std::env::args_os())
}
