//! What libcontainer says about its first error: its error values lose the cause on the way out of init.
//!
//! Its events go into a pipe that init shares, never into the log, which holds one sentence of ours.

use std::fmt::{Debug, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Between two events in the pipe.
const SEPARATOR: char = '\n';

/// The reading end.
#[derive(Debug)]
pub struct Witness(OwnedFd);

struct Events(OwnedFd);

impl Witness {
    /// Listen to the error events of this process and its forks.
    ///
    /// # Errors
    /// No pipe could be made.
    pub fn new() -> std::io::Result<Witness> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // Only the first witness of a process hears anything; a verb builds one box.
        tracing::subscriber::set_global_default(Events(writer)).ok();
        Ok(Witness(reader))
    }

    /// The first error event so far, which is the one nearest to the cause.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        let mut buffer = [0_u8; 4096];
        let length = nix::unistd::read(self.0.as_raw_fd(), &mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        text.split(SEPARATOR)
            .find(|line| !line.is_empty())
            .map(str::to_owned)
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR && metadata.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        // A full pipe holds the first event already.
        nix::unistd::write(&self.0, line.text().as_bytes()).ok();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        }
        .ok();
    }
}

impl Line {
    fn text(&self) -> String {
        let fields = self.fields.trim_start();
        let text = if fields.is_empty() {
            self.message.clone()
        } else {
            format!("{} ({fields})", self.message)
        };
        text.replace(SEPARATOR, " ") + "\n"
    }
}
