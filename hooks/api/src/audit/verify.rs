//! Reads an audit log as somebody who does not trust it, and names the first record that is not as it was written.
//!
//! A hash tells that two neighbours do not fit, not which of them was changed. So each doubtful line is held against
//! the one behind it too: the one that its follower vouches for is the true one.

use std::path::PathBuf;

use super::chain::{Head, Keys, Link};
use super::record::{Entry, Record};

mod lines;

use lines::{Lines, Seen};

/// What a log is held against.
pub struct Against<'a> {
    /// Keys that the router signs with.
    pub keys: &'a Keys,
    /// The head that was kept apart; `None` for a file that has come from elsewhere.
    pub head: Option<&'a Head>,
    /// Whether the log begins with these files. A file that has come alone begins where it does.
    pub whole: bool,
    /// Whether a router may be writing at its end, which is not yet signed then.
    pub live: bool,
}

/// What a log has, all of it as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Lines, those of the chain included.
    pub records: u64,
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// Signatures that hold.
    pub signatures: u64,
    /// Lines after the last signature.
    pub unsigned: u64,
    /// The last line of the files that were removed in their turn.
    pub removed_through: u64,
    /// Lines that had no signature when a router went on after another that was killed.
    pub resumed_over: u64,
}

/// The first record that is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {what}", file.display())]
pub struct Bad {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: Wrong,
}

/// What can be wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// No record at all.
    #[error("this is no record: the line was changed, or is not ours")]
    Form,
    /// Other bytes than were written.
    #[error("record {0} was changed: what comes after it does not fit")]
    Changed(u64),
    /// No line that a file begins with.
    #[error(
        "a file does not begin with record {0}: what was before it is missing, or the order was changed"
    )]
    Beginning(u64),
    /// Lines are gone before this one.
    #[error("records {0} to {1} are missing before this line")]
    Missing(u64, u64),
    /// A line in another's place.
    #[error("record {found} stands where {expected} belongs: the order was changed")]
    Order {
        /// What stands there.
        found: u64,
        /// What belongs there.
        expected: u64,
    },
    /// A line that was not written by the router.
    #[error("this line was inserted: record {0} stands elsewhere")]
    Inserted(u64),
    /// Another's signature, or none of ours.
    #[error(
        "the signature is not the router's: something from record {since} on was changed and chained anew"
    )]
    Signature {
        /// The first record that it should vouch for.
        since: u64,
    },
    /// Lines are gone at the end.
    #[error("records {0} to {1} are missing after this line: the end was cut off")]
    Cut(u64, u64),
    /// Nobody vouches for the end.
    #[error(
        "the last {0} records, from this one on, have no signature: the router was killed, or the end was cut off or made up"
    )]
    Unsigned(u64),
}

/// Why a log is not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// There are no lines.
    #[error("there is no record in the audit log")]
    Empty,
    /// There are none, but there were.
    #[error("all {0} records are missing: the files are gone, or empty")]
    Gone(u64),
    /// The head that was kept apart is not the router's.
    #[error("the head of the audit log of `{sandbox}` is not signed by the router")]
    Head {
        /// The sandbox.
        sandbox: String,
    },
    /// The log is not what it was.
    #[error(transparent)]
    Bad(#[from] Bad),
}

/// Verify `files`, the oldest first.
///
/// # Errors
/// They cannot be read, or a record is not as it was written: the first such one.
pub fn verify(files: &[PathBuf], against: &Against<'_>) -> Result<Report, VerifyError> {
    if let Some(head) = against.head
        && !against.keys.verify(
            &head.next.signed_text(&head.sandbox, &head.time),
            &head.signature,
        )
    {
        return Err(VerifyError::Head {
            sandbox: head.sandbox.clone(),
        });
    }
    let mut lines = Lines::new(files);
    let mut walk = Walk::new(against);
    while let Some(seen) = lines.next()? {
        walk.step(seen, &mut lines)?;
    }
    walk.end()
}

/// Where the walk along the lines is.
struct Walk<'a> {
    against: &'a Against<'a>,
    next: Option<Link>,
    signed: u64,
    before: Option<Seen>,
    first_unsigned: Option<Place>,
    first: Option<Place>,
    report: Report,
}

/// A line of a file.
#[derive(Debug, Clone)]
struct Place {
    file: PathBuf,
    line: u64,
}

impl Place {
    fn bad(&self, what: Wrong) -> VerifyError {
        VerifyError::Bad(Bad {
            file: self.file.clone(),
            line: self.line,
            what,
        })
    }
}

impl<'a> Walk<'a> {
    fn new(against: &'a Against<'a>) -> Walk<'a> {
        Walk {
            against,
            next: None,
            signed: 0,
            before: None,
            first_unsigned: None,
            first: None,
            report: Report::default(),
        }
    }

    fn step(&mut self, seen: Seen, lines: &mut Lines<'_>) -> Result<(), VerifyError> {
        let record = seen.record.as_ref();
        let Some(record) = record.filter(|record| record.link.sequence > 0) else {
            // The router is about to write it.
            if seen.torn && self.against.live && lines.peek()?.is_none() {
                return Ok(());
            }
            return Err(seen.place.bad(Wrong::Form));
        };
        let link = record.link;
        let expected = self
            .next
            .unwrap_or(if self.against.whole && link.sequence == 1 {
                Link::FIRST
            } else {
                link
            });
        if link != expected {
            return Err(self.misfit(&seen, link, expected, lines)?);
        }
        if self.first.is_none() {
            if !matches!(record.entry, Entry::Begin(_)) {
                return Err(seen.place.bad(Wrong::Beginning(link.sequence)));
            }
            self.first = Some(seen.place.clone());
            self.report.first = link.sequence;
            self.signed = link.sequence - 1;
        }
        let after = Link {
            sequence: link.sequence + 1,
            previous: seen.hash,
        };
        if let Some(head) = self.against.head {
            // What was signed may not be what stands here, although all fits: it was chained anew.
            if head.next.sequence == link.sequence && head.next != link {
                let place = self
                    .before
                    .as_ref()
                    .map_or(&seen.place, |before| &before.place);
                return Err(place.bad(Wrong::Changed(link.sequence - 1)));
            }
            if head.next.sequence == after.sequence && head.next != after {
                return Err(seen.place.bad(Wrong::Changed(link.sequence)));
            }
        }
        let follower = lines.peek()?.and_then(Seen::link);
        self.note(&seen, record, follower.is_none_or(|link| link == after))?;
        self.report.records += 1;
        self.report.last = link.sequence;
        self.next = Some(after);
        self.before = Some(seen);
        Ok(())
    }

    /// What the record itself says of the chain. `vouched`: no line after it speaks against it.
    fn note(&mut self, seen: &Seen, record: &Record, vouched: bool) -> Result<(), VerifyError> {
        if self.first_unsigned.is_none() {
            self.first_unsigned = Some(seen.place.clone());
        }
        match &record.entry {
            Entry::Event(_) => {}
            Entry::Begin(begin) => {
                self.report.removed_through =
                    self.report.removed_through.max(begin.removed_through);
            }
            Entry::Resume(resume) => {
                self.report.resumed_over += resume.found.saturating_sub(resume.signed);
            }
            Entry::Head(head) => {
                let text = record.link.signed_text(&record.sandbox, &record.time);
                if !self.against.keys.verify(&text, &head.signature) {
                    let since = self.signed.max(1);
                    return Err(seen.place.bad(if vouched {
                        Wrong::Signature { since }
                    } else {
                        Wrong::Changed(record.link.sequence)
                    }));
                }
                self.report.signatures += 1;
                self.signed = record.link.sequence;
                self.first_unsigned = None;
            }
        }
        if self
            .against
            .head
            .is_some_and(|head| head.next.sequence == record.link.sequence + 1)
        {
            self.signed = record.link.sequence;
            self.first_unsigned = None;
        }
        Ok(())
    }

    /// Whose fault it is that `seen` does not stand where it says.
    fn misfit(
        &self,
        seen: &Seen,
        link: Link,
        expected: Link,
        lines: &mut Lines<'_>,
    ) -> Result<VerifyError, VerifyError> {
        let after = Link {
            sequence: link.sequence + 1,
            previous: seen.hash,
        };
        let follower = lines.peek()?.and_then(Seen::link);
        let head = self.against.head.map(|head| head.next);
        let vouched = follower == Some(after) || head == Some(after);
        let before = self.before.as_ref();
        let twin = before.and_then(Seen::link) == Some(link);
        let (place, what) = match (before, link.sequence, expected.sequence) {
            (Some(before), found, _) if twin && vouched && before.hash != seen.hash => {
                (&before.place, Wrong::Inserted(found))
            }
            // The first line's number is its own word; this one has a witness.
            (Some(before), found, wanted)
                if self.report.records == 1
                    && self.report.first != 1
                    && found < wanted
                    && (vouched || link == Link::FIRST) =>
            {
                (&before.place, Wrong::Changed(self.report.first))
            }
            (_, found, wanted) if found < wanted => (&seen.place, Wrong::Inserted(found)),
            (Some(before), found, wanted) if found == wanted && vouched => {
                (&before.place, Wrong::Changed(found - 1))
            }
            (_, found, wanted) if found == wanted || link.previous == expected.previous => {
                (&seen.place, Wrong::Changed(wanted))
            }
            (_, found, wanted) => {
                let near = follower.is_some_and(|next| {
                    next.sequence == wanted || (next.sequence == wanted + 1 && found > wanted + 1)
                });
                let what = if near {
                    Wrong::Order {
                        found,
                        expected: wanted,
                    }
                } else {
                    Wrong::Missing(wanted, found - 1)
                };
                (&seen.place, what)
            }
        };
        Ok(place.bad(what))
    }

    fn end(mut self) -> Result<Report, VerifyError> {
        let (Some(first), Some(last), Some(next)) = (&self.first, &self.before, self.next) else {
            return Err(match self.against.head {
                Some(head) => VerifyError::Gone(head.next.sequence - 1),
                None => VerifyError::Empty,
            });
        };
        let removed = self.report.removed_through;
        if self.against.whole && self.report.first > removed + 1 {
            let wrong = Wrong::Missing(removed + 1, self.report.first - 1);
            return Err(first.bad(wrong));
        }
        if let Some(head) = self.against.head
            && head.next.sequence > next.sequence
        {
            let wrong = Wrong::Cut(next.sequence, head.next.sequence - 1);
            return Err(last.place.bad(wrong));
        }
        self.report.unsigned = self.report.last - self.signed;
        match &self.first_unsigned {
            Some(place) if !self.against.live => {
                Err(place.bad(Wrong::Unsigned(self.report.unsigned)))
            }
            _ => Ok(self.report),
        }
    }
}
