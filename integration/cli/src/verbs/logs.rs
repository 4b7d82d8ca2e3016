//! `logs`: what a detached sandbox printed, or what the router refused.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nemoclaw_api::audit::record::Record;
use nemoclaw_api::audit::{DENY, Event};

use crate::args::Logs;
use crate::direct::boxes::{self, Sandbox, State};
use crate::direct::log::{CURRENT, OLDER, Piece, Stream};
use crate::direct::names;
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::Printer;
use crate::verbs::{audit, pick};

/// How often a followed file is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Run it.
pub fn run(node: &Node, args: &Logs, printer: Printer) -> anyhow::Result<ExitCode> {
    if args.denied {
        denied(node, args, printer)?;
    } else {
        printed(&pick(node, args.name.as_deref())?, args, printer)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn printed(sandbox: &Sandbox, args: &Logs, printer: Printer) -> anyhow::Result<()> {
    let path = sandbox.path(CURRENT);
    if !path.exists() && !sandbox.record()?.detached {
        let fault = Fault::new(format!(
            "sandbox `{}` has no log: it was not detached",
            sandbox.name
        ));
        return Err(fault
            .hint("its output went to the terminal; `nemoclaw run -d` keeps a log")
            .into());
    }
    let show = |line: &str| {
        if args.json {
            return Ok(printer.data(line)?);
        }
        let piece: Piece = serde_json::from_str(line)?;
        match piece.stream {
            Stream::Stderr => Ok(printer.talk_bytes(piece.text.as_bytes())?),
            Stream::Stdout | Stream::Terminal => Ok(printer.bytes(piece.text.as_bytes())?),
        }
    };
    let mut older = Tail::new(sandbox.path(OLDER));
    older.read(&show)?;
    let mut current = Tail::new(path);
    loop {
        // Asked before reading: what is written before the end is then read after it.
        let running = matches!(sandbox.state()?, State::Running(_) | State::Created);
        current.read(&show)?;
        if !args.follow || !running {
            return Ok(());
        }
        std::thread::sleep(TICK);
    }
}

fn denied(node: &Node, args: &Logs, printer: Printer) -> anyhow::Result<()> {
    let names = audited(node)?;
    let name = names::find(args.name.as_deref(), &names)?;
    let show = |line: &str| {
        let Some(event) = Record::parse(line)?.event() else {
            return Ok(());
        };
        match (event.verdict == DENY, args.json) {
            (false, _) => Ok(()),
            (true, true) => Ok(printer.data(line)?),
            (true, false) => {
                Ok(printer.data(format_args!("{}  {}", event.time, sentence(&event)))?)
            }
        }
    };
    let mut tail = Tail::new(node.audit(name));
    loop {
        tail.read(&show)?;
        if !args.follow {
            return Ok(());
        }
        std::thread::sleep(TICK);
    }
}

/// Names with an audit log, and direct sandboxes without one yet.
fn audited(node: &Node) -> anyhow::Result<Vec<String>> {
    let mut names = boxes::names(node)?;
    names.extend(audit::names(node)?);
    names.sort();
    names.dedup();
    Ok(names)
}

/// One decision in words.
pub fn sentence(event: &Event) -> String {
    let mut words = vec![event.verdict.clone(), event.kind.clone()];
    words.extend(event.phase.clone());
    words.extend(event.method.clone());
    let port = if event.port == 0 {
        String::new()
    } else {
        format!(":{}", event.port)
    };
    words.push(format!(
        "{}{port}{}",
        event.host,
        event.path.clone().unwrap_or_default()
    ));
    if let Some(count) = event.count {
        words.push(format!("({count} times)"));
    }
    if let Some(reason) = &event.reason {
        words.push(format!("- {reason}"));
    }
    if let Some(rule) = &event.rule {
        words.push(format!("[{rule}]"));
    }
    words.join(" ")
}

/// A file of lines that grows and may be replaced by a new one.
struct Tail {
    path: PathBuf,
    open: Option<(u64, BufReader<File>)>,
    begun: Vec<u8>,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            open: None,
            begun: Vec::new(),
        }
    }

    /// Show every whole line that has come, through a replacement of the file.
    fn read(&mut self, show: &impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        loop {
            let fault =
                |error| Fault::new(format!("cannot read `{}`", self.path.display())).because(error);
            if self.open.is_none() {
                self.open = open(&self.path).map_err(fault)?;
            }
            let Some((inode, reader)) = &mut self.open else {
                return Ok(());
            };
            while reader.read_until(b'\n', &mut self.begun)? > 0 {
                if self.begun.last() != Some(&b'\n') {
                    break;
                }
                let line = std::mem::take(&mut self.begun);
                show(String::from_utf8_lossy(&line).trim_end_matches('\n'))?;
            }
            let now = std::fs::metadata(&self.path)
                .map(|meta| meta.ino())
                .unwrap_or(*inode);
            if now == *inode {
                return Ok(());
            }
            self.open = None;
        }
    }
}

fn open(path: &Path) -> std::io::Result<Option<(u64, BufReader<File>)>> {
    match File::open(path) {
        Ok(file) => Ok(Some((file.metadata()?.ino(), BufReader::new(file)))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::io::Write;

    #[test]
    fn a_tail_shows_each_whole_line_once_also_after_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let lines = RefCell::new(Vec::new());
        let show = |line: &str| {
            lines.borrow_mut().push(line.to_owned());
            Ok(())
        };
        let mut tail = Tail::new(path.clone());
        tail.read(&show).unwrap();
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        tail.read(&show).unwrap();
        file.write_all(b"o\nthree\n").unwrap();
        std::fs::rename(&path, directory.path().join("log.1")).unwrap();
        std::fs::write(&path, "four\n").unwrap();
        tail.read(&show).unwrap();
        assert_eq!(*lines.borrow(), ["one", "two", "three", "four"]);
    }
}
