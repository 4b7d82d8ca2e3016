//! A machine of its own for one test, and what came of a call. Each test file uses a part of it.

#![allow(
    dead_code,
    missing_docs,
    reason = "shared by test files that use different parts"
)]

use std::path::PathBuf;
use std::process::{Command, Output};

/// The built command.
pub const BINARY: &str = env!("CARGO_BIN_EXE_nemoclaw");

/// A machine of its own: configuration, state and data in a temporary directory.
pub struct Place {
    /// Removed at the end.
    pub directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory };
        let (state, data) = (place.path("run"), place.path("data"));
        place.write(
            "config.yaml",
            &format!(
                "version: 1\nstate_dir: {}\ndata_dir: {}\n",
                state.display(),
                data.display()
            ),
        );
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env("NEMOCLAW_CONFIG", self.path("config.yaml"))
            .env("NEMOCLAW_RUNTIME", "/bin/true");
        command.current_dir(self.directory.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }
}

/// What came of a call.
pub struct Ran {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    pub fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.out,
            self.err
        );
        self
    }

    #[track_caller]
    pub fn says(&self, words: &str) -> &Self {
        assert!(
            self.err.contains(words),
            "{words:?} is not in stderr: {}",
            self.err
        );
        self
    }

    #[track_caller]
    pub fn prints(&self, words: &str) -> &Self {
        assert!(
            self.out.contains(words),
            "{words:?} is not in stdout: {}",
            self.out
        );
        self
    }
}

/// Whether this is root.
pub fn root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Verbs that read sandboxes need root; elsewhere these tests say that they are left out.
#[macro_export]
macro_rules! need_root {
    () => {
        if !$crate::place::root() {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "CI must run as root"
            );
            eprintln!("skipped: needs root");
            return;
        }
    };
}
