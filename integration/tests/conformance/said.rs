//! A call's result, and the questions that checks ask of it.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::check::Outcome;

/// No call of a runtime may take longer.
const LIMIT: Duration = Duration::from_secs(10);

/// One call's result.
#[derive(Debug, Clone)]
pub struct Said {
    /// The exit code; a signal as 1000 + its number, so that it differs from the shell's 128 + n.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// It worked.
    pub fn ok(self) -> Result<Said, String> {
        self.ends(0)
    }

    /// It ended with `code`.
    pub fn ends(self, code: i32) -> Result<Said, String> {
        if self.code == code {
            return Ok(self);
        }
        Err(format!(
            "ended with {} instead of {code}: {} {}",
            self.code,
            self.err.trim(),
            self.out.trim()
        ))
    }

    /// It failed by itself: an exit code, neither 0 nor a signal.
    pub fn fails(self) -> Result<Said, String> {
        if self.code != 0 && self.code < 1000 {
            return Ok(self);
        }
        Err(format!(
            "ended with {} and should have failed: {}",
            self.code,
            self.out.trim()
        ))
    }

    /// Its output without white space around it is exactly this.
    pub fn prints(self, expected: &str) -> Outcome {
        same("output", self.ok()?.out.trim(), expected.trim())
    }

    /// Either stream has the word.
    pub fn says(self, word: &str) -> Result<Said, String> {
        if self.out.contains(word) || self.err.contains(word) {
            return Ok(self);
        }
        Err(format!(
            "does not say {word:?}: {} {}",
            self.out.trim(),
            self.err.trim()
        ))
    }
}

/// `Err` unless both are the same.
pub fn same<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(
    what: &str,
    got: T,
    expected: U,
) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what} is {got:?} and must be {expected:?}"))
}

/// `Err` with the sentence unless it holds.
pub fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(otherwise()) }
}

/// Runs to the end with both streams in pipes.
pub fn finish(command: &mut Command) -> Result<Said, String> {
    feed(command, None)
}

/// As `finish`, with something on standard input.
pub fn feed(command: &mut Command, input: Option<&[u8]>) -> Result<Said, String> {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
        let _ = stdin.write_all(bytes);
    }
    let code = wait(&mut child)?;
    Ok(Said {
        code,
        out: collect(out)?,
        err: collect(err)?,
    })
}

/// Waits for the end of a child, at most `LIMIT`.
pub fn wait(child: &mut Child) -> Result<i32, String> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(code_of(status));
        }
        if started.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("a call did not end within {LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 1000 + status.signal().unwrap_or(0))
}

type Reader = std::sync::mpsc::Receiver<String>;

fn reader<R: Read + Send + 'static>(stream: Option<R>) -> Reader {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

fn collect(reader: Reader) -> Result<String, String> {
    reader
        .recv_timeout(LIMIT)
        .map_err(|_| "a stream of an ended call stays open".to_owned())
}

/// Polls until there is a value.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, String> {
    let started = Instant::now();
    loop {
        if let Some(value) = look() {
            return Ok(value);
        }
        if started.elapsed() > LIMIT {
            return Err(format!("waited {LIMIT:?} in vain for {what}"));
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}
