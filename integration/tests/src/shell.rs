//! Running commands, with a limit, and showing what they said when a test fails.

use std::fmt;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take before it is killed and the test fails.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command left behind.
#[derive(Clone)]
pub struct Output {
    /// The command line.
    pub command: String,
    /// Exit status; 128+n on a signal.
    pub code: i32,
    /// Standard output, lossy UTF-8.
    pub stdout: String,
    /// Standard error, lossy UTF-8.
    pub stderr: String,
    /// Wall time.
    pub took: Duration,
}

impl fmt::Debug for Output {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "$ {}", self.command)?;
        writeln!(out, "exit {} after {:?}", self.code, self.took)?;
        writeln!(out, "--- stdout\n{}", self.stdout.trim_end())?;
        write!(out, "--- stderr\n{}", self.stderr.trim_end())
    }
}

impl Output {
    /// Fails the test unless the command exited 0.
    #[track_caller]
    pub fn ok(self) -> Output {
        assert!(self.code == 0, "this command must succeed:\n{self:?}");
        self
    }

    /// Fails the test unless the command exited with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Output {
        assert!(
            self.code == code,
            "this command must exit {code}:\n{self:?}"
        );
        self
    }

    /// Fails the test unless the command failed and said `word` on either stream.
    #[track_caller]
    pub fn fails_saying(self, word: &str) -> Output {
        assert!(self.code != 0, "this command must fail:\n{self:?}");
        self.says(word)
    }

    /// Fails the test unless either stream holds `word`.
    #[track_caller]
    pub fn says(self, word: &str) -> Output {
        let said = self.stdout.contains(word) || self.stderr.contains(word);
        assert!(said, "the output must hold {word:?}:\n{self:?}");
        self
    }

    /// Fails the test when either stream holds `word`.
    #[track_caller]
    pub fn never_says(self, word: &str) -> Output {
        let said = self.stdout.contains(word) || self.stderr.contains(word);
        assert!(!said, "the output must not hold {word:?}:\n{self:?}");
        self
    }

    /// Standard output without surrounding white space.
    pub fn text(&self) -> String {
        self.stdout.trim().to_owned()
    }
}

/// Runs a program with arguments.
pub fn run(program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(args);
    finish(command, None, LIMIT)
}

/// Runs a shell script.
pub fn sh(script: &str) -> Output {
    run("sh", &["-c", script])
}

/// Runs a prepared command, feeding it `input`.
///
/// # Panics
/// When it cannot be started, or does not end within `limit`.
pub fn finish(mut command: Command, input: Option<&[u8]>, limit: Duration) -> Output {
    let line = describe(&command);
    let started = Instant::now();
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start `{line}`: {error}"));
    if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
        let _ = stdin.write_all(bytes);
    }
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    let mut late = false;
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait") {
            break status;
        }
        if started.elapsed() > limit {
            late = true;
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    let output = Output {
        command: line,
        code: code_of(status),
        stdout: stdout.join().expect("reader"),
        stderr: stderr.join().expect("reader"),
        took: started.elapsed(),
    };
    assert!(
        !late,
        "this command did not end within {limit:?}:\n{output:?}"
    );
    output
}

fn code_of(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

fn reader<R: Read + Send + 'static>(stream: Option<R>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Polls `check` every 20 ms until it gives a value.
///
/// # Panics
/// When `limit` passes first.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(
            started.elapsed() < limit,
            "waited {limit:?} in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
