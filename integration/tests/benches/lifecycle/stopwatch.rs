//! One timed call: by a small program in C, whose own memory does not count as the measured program's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The built tools.
#[derive(Debug)]
pub struct Stopwatch {
    dir: PathBuf,
}

/// What was measured.
#[derive(Debug)]
pub struct Lap {
    /// When it was begun, in nanoseconds of CLOCK_MONOTONIC.
    pub begun: u64,
    /// From before it was spawned until it was waited for, in milliseconds.
    pub milliseconds: f64,
    /// Peak memory of it and of the processes that it waited for, in KiB.
    pub kib: u64,
    /// Processor time of the same, in milliseconds.
    pub work: f64,
    /// What it printed on both streams.
    pub output: Vec<u8>,
}

/// Compiles both tools into `dir`.
pub fn build(dir: &Path) -> Stopwatch {
    let stopwatch = Stopwatch {
        dir: dir.to_owned(),
    };
    let program = dir.join("program");
    fs::create_dir(&program).expect("directory");
    for (name, text, flags) in [
        ("stopwatch", include_str!("stopwatch.c"), &["-static"][..]),
        (
            "first",
            include_str!("first.c"),
            &["-static", "-nostdlib", "-fno-stack-protector"][..],
        ),
    ] {
        let source = dir.join(format!("{name}.c"));
        fs::write(&source, text).expect("source");
        let built = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(program.join(name))
            .args(flags)
            .arg(&source)
            .status();
        let built = built.expect("a C compiler: run `integration/packaging/setup.sh`");
        assert!(built.success(), "cannot compile {name}.c");
    }
    stopwatch
}

impl Stopwatch {
    /// The directory with `first`, which tells the time of its first instruction.
    pub fn programs(&self) -> PathBuf {
        self.dir.join("program")
    }

    /// A program that does nothing when it is called with an argument.
    pub fn nothing(&self) -> PathBuf {
        self.programs().join("first")
    }

    /// Runs `program`, which must exit with 0.
    pub fn time(&self, program: &Path, words: &[&std::ffi::OsStr], config: Option<&Path>) -> Lap {
        let (result, said) = (self.dir.join("lap"), self.dir.join("said"));
        let _ = fs::remove_file(&result);
        // A file and no pipe: a box that goes on holds its streams.
        let output = File::create(&said).expect("output");
        let mut command = Command::new(self.programs().join("stopwatch"));
        command.arg(&result).arg(program).args(words);
        if let Some(config) = config {
            command.env("NEMOCLAW_CONFIG", config);
        }
        let status = command
            .env_remove("RUST_BACKTRACE")
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("output"))
            .stderr(output)
            .status()
            .expect("the stopwatch");
        let line = fs::read_to_string(&result).unwrap_or_default();
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let output = fs::read(&said).unwrap_or_default();
        let &[begun, ended, kib, work, 0] = numbers.as_slice() else {
            panic!(
                "`{} {}` failed ({status}, {line:?}): {}",
                program.display(),
                words.join(std::ffi::OsStr::new(" ")).display(),
                String::from_utf8_lossy(&output)
            );
        };
        Lap {
            begun,
            milliseconds: (ended - begun) as f64 / 1e6,
            kib,
            work: work as f64 / 1e3,
            output,
        }
    }
}
