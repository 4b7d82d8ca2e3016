//! Puts the commit into the binary for `--version`.

use std::process::Command;

fn main() {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let commit = output
        .ok()
        .filter(|output| output.status.success())
        .map(|output| output.stdout);
    let commit = commit
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| "unknown".to_owned());
    // Cargo reads this line.
    #[allow(clippy::print_stdout)]
    {
        println!("cargo::rustc-env=NEMOCLAW_COMMIT={}", commit.trim());
        println!("cargo::rerun-if-env-changed=NEMOCLAW_COMMIT");
        println!("cargo::rerun-if-changed=build.rs");
    }
}
