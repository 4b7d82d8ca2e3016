//! What two looks at the router say together: rates, and the refusals since the first look.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use nemoclaw_api::audit::Event;
use nemoclaw_api::{BoxStatus, RouterStatus};

/// Refusals that are remembered.
const DENIALS: usize = 200;

/// One look at the router.
#[derive(Debug, Clone)]
pub struct Look {
    /// When.
    pub at: Instant,
    /// What it said, or why it said nothing.
    pub answers: Result<(Vec<BoxStatus>, RouterStatus), String>,
}

/// A sandbox in the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// As the router sees it.
    pub status: BoxStatus,
    /// Decisions a second that let something pass.
    pub allowed: f64,
    /// Refusals a second.
    pub denied: f64,
    /// Bytes a second, out and in together.
    pub bytes: f64,
}

/// What the rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Their names.
    #[default]
    Name,
    /// Open connections.
    Connections,
    /// Refusals a second, then refusals.
    Denials,
    /// Bytes a second.
    Traffic,
}

impl Order {
    /// The one after this.
    pub fn next(self) -> Order {
        match self {
            Order::Name => Order::Connections,
            Order::Connections => Order::Denials,
            Order::Denials => Order::Traffic,
            Order::Traffic => Order::Name,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Order::Name => "name",
            Order::Connections => "connections",
            Order::Denials => "refusals",
            Order::Traffic => "traffic",
        }
    }
}

/// The picture's content.
#[derive(Debug, Default)]
pub struct Board {
    /// The router, when it answered last.
    pub router: Option<RouterStatus>,
    /// Why it does not answer now.
    pub silent: Option<String>,
    /// Sandboxes, in their order.
    pub rows: Vec<Row>,
    /// The latest refusals, the newest first.
    pub denials: VecDeque<Event>,
    /// How the rows are sorted.
    pub order: Order,
    /// The first row that is shown.
    pub first: usize,
    before: Option<(Instant, BTreeMap<String, BoxStatus>)>,
}

impl Board {
    /// Take another look.
    pub fn take(&mut self, look: Look) {
        let (boxes, router) = match look.answers {
            Ok(answers) => answers,
            Err(error) => {
                self.silent = Some(error);
                self.rows.clear();
                self.before = None;
                return;
            }
        };
        self.silent = None;
        self.router = Some(router);
        let (at, before) = self.before.take().unwrap_or((look.at, BTreeMap::new()));
        let passed = look.at.saturating_duration_since(at);
        self.rows = boxes
            .iter()
            .map(|status| {
                let earlier = before.get(&status.sandbox);
                // Another sandbox of the same name counts anew.
                row(
                    status,
                    earlier.filter(|earlier| earlier.since == status.since),
                    passed,
                )
            })
            .collect();
        let mut news: Vec<Event> = boxes
            .iter()
            .filter_map(|status| {
                let last = status.last_denial.as_ref()?;
                let known = before.get(&status.sandbox)?.last_denial.as_ref();
                (known != Some(last)).then(|| last.clone())
            })
            .collect();
        news.sort_by(|one, other| one.time.cmp(&other.time));
        for event in news {
            self.denials.push_front(event);
        }
        self.denials.truncate(DENIALS);
        let named = boxes
            .into_iter()
            .map(|status| (status.sandbox.clone(), status));
        self.before = Some((look.at, named.collect()));
        self.sort();
    }

    /// Use the next order.
    pub fn reorder(&mut self) {
        self.order = self.order.next();
        self.sort();
    }

    /// Show other rows, `down` or up.
    pub fn scroll(&mut self, down: bool, by: usize) {
        self.first = if down {
            (self.first + by).min(self.rows.len().saturating_sub(1))
        } else {
            self.first.saturating_sub(by)
        };
    }

    fn sort(&mut self) {
        self.rows.sort_by(|one, other| {
            let more = |one: f64, other: f64| other.total_cmp(&one);
            let by = match self.order {
                Order::Name => std::cmp::Ordering::Equal,
                Order::Connections => other.status.connections.cmp(&one.status.connections),
                Order::Denials => {
                    more(one.denied, other.denied).then(other.status.denied.cmp(&one.status.denied))
                }
                Order::Traffic => more(one.bytes, other.bytes),
            };
            by.then_with(|| one.status.sandbox.cmp(&other.status.sandbox))
        });
        self.first = self.first.min(self.rows.len().saturating_sub(1));
    }
}

fn row(status: &BoxStatus, earlier: Option<&BoxStatus>, passed: Duration) -> Row {
    let seconds = passed.as_secs_f64();
    let rate = |of: fn(&BoxStatus) -> u64| match earlier {
        Some(earlier) if seconds > 0.0 => of(status).saturating_sub(of(earlier)) as f64 / seconds,
        _ => 0.0,
    };
    Row {
        status: status.clone(),
        allowed: rate(|status| status.allowed),
        denied: rate(|status| status.denied),
        bytes: rate(|status| status.bytes_in.saturating_add(status.bytes_out)),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use nemoclaw_api::Backend;

    pub fn router() -> RouterStatus {
        RouterStatus {
            version: "0.1.0".into(),
            warden_pid: 1,
            worker_pid: Some(2),
            boxes: 1,
            ..RouterStatus::default()
        }
    }

    pub fn status(name: &str, allowed: u64, denied: u64, connections: u64) -> BoxStatus {
        BoxStatus {
            sandbox: name.into(),
            pid: 7,
            policies: vec!["strict".into()],
            files: Vec::new(),
            generation: 3,
            fault: None,
            capture: Backend::SkLookup,
            allowed,
            denied,
            connections,
            bytes_out: 0,
            bytes_in: denied * 2048,
            models: None,
            last_denial: (denied > 0).then(|| Event {
                time: format!("2026-01-01T00:00:0{denied}.000000Z"),
                sandbox: name.into(),
                kind: "http".into(),
                host: "evil.test".into(),
                port: 443,
                verdict: "deny".into(),
                reason: Some("no rule".into()),
                ..Event::default()
            }),
            since: "2026-01-01T00:00:00Z".into(),
        }
    }

    pub fn look(at: Instant, boxes: Vec<BoxStatus>) -> Look {
        Look {
            at,
            answers: Ok((boxes, router())),
        }
    }

    #[test]
    fn rates_are_what_came_between_two_looks_and_each_new_refusal_is_listed_once() {
        let begin = Instant::now();
        let mut board = Board::default();
        board.take(look(
            begin,
            vec![status("b", 10, 1, 1), status("a", 0, 0, 9)],
        ));
        assert_eq!(board.denials.len(), 0, "what was before is not new");
        assert_eq!(board.rows[0].status.sandbox, "a");
        let later = begin + Duration::from_secs(2);
        board.take(look(
            later,
            vec![status("a", 0, 0, 9), status("b", 14, 3, 1)],
        ));
        assert_eq!((board.rows[1].allowed, board.rows[1].denied), (2.0, 1.0));
        assert_eq!(board.rows[1].bytes, 2048.0);
        board.take(look(
            later,
            vec![status("a", 0, 0, 9), status("b", 14, 3, 1)],
        ));
        assert_eq!(board.denials.len(), 1);
        let names = |board: &Board| {
            board
                .rows
                .iter()
                .map(|row| row.status.sandbox.clone())
                .collect::<String>()
        };
        let orders: Vec<String> = (0..4)
            .map(|_| {
                board.reorder();
                names(&board)
            })
            .collect();
        assert_eq!(orders, ["ab", "ba", "ab", "ab"]);
        board.take(Look {
            at: later,
            answers: Err("the router is not running".into()),
        });
        assert!(board.rows.is_empty() && board.silent.is_some());
    }
}
