//! A line of the audit log: an event, or a mark of the chain, at its place.

use serde::{Deserialize, Serialize};

use super::chain::Link;
pub use super::form::event_line;
use super::ocsf::{Line, Metadata, OTHER, Text, Unmapped};
use super::{ALLOW, AUDIT, DENY, Event, Program};

/// OCSF's class of events that have no other.
const BASE: u32 = 0;
/// The kind of a line that belongs to the chain and not to the sandbox.
const CHAIN: &str = "chain";

/// What stands in a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Something happened.
    Event(Box<Event>),
    /// The first line of a file.
    Begin(Begin),
    /// A router went on with a file that another left without its last signature.
    Resume(Resume),
    /// The lines before this one are signed.
    Head(Signed),
}

/// See [`Entry::Begin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The last record of the files that were removed, in their turn, up to now; 0 while there are all.
    pub removed_through: u64,
}

/// See [`Entry::Resume`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The last record that was found in the files; 0 for none.
    pub found: u64,
    /// The last record that was signed.
    pub signed: u64,
}

/// See [`Entry::Head`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Of [`Link::signed_text`] of the line's own place, sandbox and time; hexadecimal.
    pub signature: String,
}

/// A line that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place.
    pub link: Link,
    /// The sandbox it says it is about.
    pub sandbox: String,
    /// When it was written.
    pub time: String,
    /// The rest.
    pub entry: Entry,
}

/// A line that is no record.
#[derive(Debug, thiserror::Error)]
#[error("the line is no record of an audit log")]
pub struct FormError(#[source] Option<serde_json::Error>);

/// The line of a mark of the chain at `link`, without its line feed. An event is none.
///
/// # Errors
/// It has no form in JSON.
pub fn mark_line(
    entry: &Entry,
    sandbox: &str,
    time: &str,
    link: Link,
) -> Result<String, serde_json::Error> {
    let mut line = Line::plain(BASE, OTHER, time, sandbox, link);
    line.unmapped.kind = CHAIN.into();
    match entry {
        Entry::Event(event) => return event_line(event, link),
        Entry::Begin(begin) => line.unmapped.begin = Some(*begin),
        Entry::Resume(resume) => line.unmapped.resume = Some(*resume),
        Entry::Head(head) => line.unmapped.head = Some(head.clone()),
    }
    serde_json::to_string(&line)
}

impl Record {
    /// Read a line.
    ///
    /// # Errors
    /// It is no record.
    pub fn parse(line: &str) -> Result<Record, FormError> {
        let line: Line = serde_json::from_str(line).map_err(|error| FormError(Some(error)))?;
        let link = Link {
            sequence: line.metadata.sequence,
            previous: line.unmapped.previous.ok_or(FormError(None))?,
        };
        let sandbox = line.unmapped.sandbox.clone().into_owned();
        let time = line.time_dt.clone().into_owned();
        let marks = &line.unmapped;
        let entry = match (
            marks.kind.as_ref(),
            &marks.begin,
            &marks.resume,
            &marks.head,
        ) {
            (CHAIN, Some(begin), None, None) => Entry::Begin(*begin),
            (CHAIN, None, Some(resume), None) => Entry::Resume(*resume),
            (CHAIN, None, None, Some(head)) => Entry::Head(head.clone()),
            (CHAIN, ..) => return Err(FormError(None)),
            _ => Entry::Event(Box::new(event(line))),
        };
        Ok(Record {
            link,
            sandbox,
            time,
            entry,
        })
    }

    /// The event, where it is one.
    #[must_use]
    pub fn event(self) -> Option<Event> {
        match self.entry {
            Entry::Event(event) => Some(*event),
            _ => None,
        }
    }
}

/// The event of a line that was read.
fn event(line: Line<'_>) -> Event {
    let owned = |text: Option<Text<'_>>| text.map(Text::into_owned);
    let evidence = line.evidences.map(|[evidence]| evidence);
    let (actor, endpoint, request) = match evidence {
        Some(seen) => (seen.actor, seen.dst_endpoint, seen.http_request),
        None => (line.actor, line.dst_endpoint, line.http_request),
    };
    let process = actor.map(|actor| actor.process);
    let pid = process.as_ref().and_then(|process| process.pid);
    let script = owned(line.unmapped.script);
    let program = process.and_then(|process| process.file).map(|file| {
        Box::new(Program {
            path: file.path.into_owned(),
            script,
            sha256: file.hashes.map(|[sum]| sum.value.into_owned()),
        })
    });
    let endpoint = endpoint.unwrap_or_default();
    let (method, path) = match request {
        Some(request) => (owned(request.http_method), owned(request.url.path)),
        None => (None, None),
    };
    Event {
        time: line.time_dt.into_owned(),
        sandbox: line.unmapped.sandbox.into_owned(),
        pid,
        program,
        kind: line.unmapped.kind.into_owned(),
        host: owned(endpoint.hostname.or(endpoint.ip)).unwrap_or_default(),
        port: endpoint.port.unwrap_or_default(),
        method,
        path,
        verdict: verdict(line.disposition.unwrap_or_default()),
        phase: owned(line.unmapped.phase),
        rule: line.firewall_rule.map(|rule| rule.name.into_owned()),
        reason: owned(line.message),
        proposal: owned(line.metadata.correlation_uid),
        finding: line.finding_info.map(|info| info.title.into_owned()),
        model: line
            .unmapped
            .inference
            .map(|call| Box::new(call.into_owned())),
        count: line.count,
        since: owned(line.start_time_dt),
        generation: line.unmapped.generation.unwrap_or_default(),
        bytes_out: line.traffic.as_ref().map_or(0, |traffic| traffic.bytes_out),
        bytes_in: line.traffic.as_ref().map_or(0, |traffic| traffic.bytes_in),
    }
}

fn verdict(disposition: Text<'_>) -> String {
    match disposition.as_ref() {
        "Allowed" => ALLOW.to_owned(),
        "Logged" => AUDIT.to_owned(),
        "Blocked" => DENY.to_owned(),
        _ => disposition.into_owned(),
    }
}

impl<'a> Line<'a> {
    /// A line with what every line has.
    pub(super) fn plain(
        class: u32,
        activity: u32,
        time: &'a str,
        sandbox: &'a str,
        link: Link,
    ) -> Line<'a> {
        let instant: Option<jiff::Timestamp> = time.parse().ok();
        Line {
            class_uid: class,
            category_uid: class / 1000,
            activity_id: activity,
            type_uid: class * 100 + activity,
            severity_id: 1,
            status_id: 1,
            status: "Success".into(),
            time: instant.map_or(0, jiff::Timestamp::as_millisecond),
            time_dt: Text::from(time),
            metadata: Metadata::ours(link.sequence),
            unmapped: Unmapped {
                sandbox: Text::from(sandbox),
                previous: Some(link.previous),
                ..Unmapped::default()
            },
            ..Line::default()
        }
    }
}
