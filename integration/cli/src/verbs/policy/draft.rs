//! The narrowest policy that lets pass what was refused, with a comment on each line.
//!
//! Hosts, methods and paths are the agent's words: only what the strict reader takes for exactly this one request
//! becomes a rule, and only printable ASCII becomes a comment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use nemoclaw_api::audit::{Event, POLICY, ROUTER};
use nemoclaw_policy::decide::NameVerdict;
use nemoclaw_policy::path::normalise_path_with_slashes;
use nemoclaw_policy::{Flow, HttpRequest, Policy, Program, Source, Verdict};

use super::check::refused_by_rule;
use crate::fault::Fault;

/// Lines of one kind; who needs more should allow a host as a whole.
const MOST: usize = 1000;
/// Characters of a text that others chose.
const SHOWN: usize = 200;

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A name that was looked up.
    Name(String),
    /// A connection.
    Connection(String, u16),
    /// A request.
    Request(String, u16, String, String),
}

/// How often, when, and by whom.
#[derive(Debug, Default)]
struct Seen {
    count: u64,
    last: String,
    programs: BTreeSet<String>,
    program: Option<Program>,
    reason: String,
}

/// Refusals of a sandbox.
#[derive(Debug)]
pub struct Draft {
    sandbox: String,
    seen: BTreeMap<What, Seen>,
    left_out: u64,
}

/// Refusals by what becomes of them.
#[derive(Default)]
struct Sorted<'a> {
    rules: BTreeMap<&'a What, &'a Seen>,
    names: Vec<(&'a str, &'a Seen)>,
    others: Vec<(&'a What, &'a Seen, String)>,
}

impl Draft {
    /// Nothing yet.
    pub fn new(sandbox: &str) -> Draft {
        Draft {
            sandbox: sandbox.to_owned(),
            seen: BTreeMap::new(),
            left_out: 0,
        }
    }

    /// Take up a refusal.
    pub fn refused(&mut self, event: &Event) {
        let host = event.host.clone();
        let what = match (event.kind.as_str(), &event.method, &event.path) {
            (ROUTER | POLICY, ..) => return,
            ("dns", ..) => What::Name(host),
            ("http", Some(method), Some(path)) => {
                What::Request(host, event.port, method.clone(), path.clone())
            }
            ("tcp" | "tls", ..) => What::Connection(host, event.port),
            // A message on a connection that a request had opened: no rule on requests holds it.
            _ => return,
        };
        if !self.seen.contains_key(&what) && self.seen.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let seen = self.seen.entry(what).or_default();
        seen.count += event.count.unwrap_or(1).max(1);
        if event.time >= seen.last {
            seen.last = event.time.clone();
            seen.reason = event.reason.clone().unwrap_or_default();
        }
        if let Some(program) = &event.program {
            let scripts = program.script.clone();
            let shown = scripts.as_ref().unwrap_or(&program.path);
            seen.programs.insert(shown.clone());
            seen.program = Some(Program {
                exe: program.path.clone(),
                scripts: scripts.into_iter().collect(),
                ancestors: Vec::new(),
            });
        }
    }

    /// The draft: it loads strictly, and allows each request for which it has a line.
    pub fn text(&self, policy: Option<&Policy>) -> anyhow::Result<String> {
        let sorted = self.sort(policy);
        let mut out = format!(
            "# Draft from what was refused to sandbox `{}`. Nothing is applied: read every line, drop what the agent\n\
             # does not need, and put the rest under network_policies of its policy.\nversion: 1\n",
            ascii(&self.sandbox)
        );
        if !sorted.rules.is_empty() {
            out.push_str("\nnetwork_policies:\n");
            out.push_str(&entries(&sorted.rules));
        }
        if !sorted.names.is_empty() {
            out.push_str("\n# Names that no entry covers; which port was meant is not known:\n");
        }
        for (name, seen) in &sorted.names {
            let entry = match exact_host(name) {
                true => format!(
                    "{}: {{ endpoints: [{{ host: {}, port: 443, access: read-only }}] }}",
                    word(name),
                    word(name)
                ),
                false => ascii(name),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "#   {entry} # looked up {}", seen.words());
        }
        if !sorted.others.is_empty() {
            out.push_str("\n# Refused for another reason than a missing rule:\n");
        }
        for (what, seen, why) in &sorted.others {
            let _ = writeln!(
                out,
                "#   {}: {} # {}",
                ascii(&what.words()),
                ascii(why),
                seen.words()
            );
        }
        if self.left_out > 0 {
            let _ = writeln!(
                out,
                "\n# {} more refusals are left out: this is too much for rules on single requests.",
                self.left_out
            );
        }
        Policy::load(&Source::text("draft", &out)).map_err(|fault| {
            Fault::new("cannot draft a policy from these refusals").because(fault.one_line())
        })?;
        Ok(out)
    }

    fn sort(&self, policy: Option<&Policy>) -> Sorted<'_> {
        let mut sorted = Sorted::default();
        for (what, seen) in &self.seen {
            let why = policy.and_then(|policy| other_reason(policy, what, seen));
            match (what, why) {
                (_, Some(why)) => sorted.others.push((what, seen, why)),
                (What::Name(name), None) => sorted.names.push((name, seen)),
                (_, None) if !what.is_exact() => sorted.others.push((
                    what,
                    seen,
                    "no rule can be written that allows this and nothing else".to_owned(),
                )),
                (_, None) => {
                    sorted.rules.insert(what, seen);
                }
            }
        }
        let requests: BTreeSet<(String, u16)> = sorted
            .rules
            .keys()
            .filter(|what| matches!(what, What::Request(..)))
            .map(|what| what.place())
            .collect();
        // Rules on requests let the connection pass; an endpoint without rules beside them would be no use.
        sorted.rules.retain(|what, _| {
            !matches!(what, What::Connection(..)) || !requests.contains(&what.place())
        });
        let hosts: BTreeSet<String> = sorted.rules.keys().map(|what| what.place().0).collect();
        sorted.names.retain(|(name, _)| !hosts.contains(*name));
        sorted
    }
}

/// Why it was refused, where a missing rule is not the reason.
fn other_reason(policy: &Policy, what: &What, seen: &Seen) -> Option<String> {
    let by_now = || {
        Some(format!(
            "the policies in force cover it; it was refused because {}",
            seen.reason
        ))
    };
    if let What::Name(name) = what {
        return match policy.name_verdict(name) {
            NameVerdict::Unknown => None,
            NameVerdict::Exact | NameVerdict::Wildcard => by_now(),
        };
    }
    let flow = what.flow(seen.program.as_ref());
    let wanted = policy.inspection(&flow);
    if wanted.graphql.is_some() || wanted.rpc.is_some() {
        return Some(format!("decided by what its body says: {}", seen.reason));
    }
    let verdict = policy.decide(&flow);
    match &verdict {
        Verdict::Allow { .. } => by_now(),
        Verdict::Ask { .. } => Some("a person is asked: `nemoclaw approvals list`".to_owned()),
        Verdict::Deny { reason, .. } if refused_by_rule(policy, &verdict) => Some(reason.clone()),
        Verdict::Deny {
            rule: None, reason, ..
        } if policy.needs_program(&what.place().0, what.place().1) => Some(reason.clone()),
        Verdict::Deny { .. } => None,
    }
}

impl What {
    fn place(&self) -> (String, u16) {
        match self {
            What::Name(host) => (host.clone(), 0),
            What::Connection(host, port) | What::Request(host, port, ..) => (host.clone(), *port),
        }
    }

    fn words(&self) -> String {
        match self {
            What::Name(host) => host.clone(),
            What::Connection(host, port) => format!("{host}:{port}"),
            What::Request(host, port, method, path) => format!("{method} {host}:{port}{path}"),
        }
    }

    fn flow<'a>(&'a self, program: Option<&'a Program>) -> Flow<'a> {
        match self {
            What::Name(host) => Flow::to(host, 0),
            What::Connection(host, port) => Flow::to(host, *port).of(program),
            What::Request(host, port, method, path) => Flow::to(host, *port)
                .of(program)
                .with(HttpRequest::new(method, path)),
        }
    }

    /// Whether a line of its own loads, and allows it by words that mean nothing else.
    fn is_exact(&self) -> bool {
        let literal = match self {
            What::Name(host) | What::Connection(host, _) => exact_host(host),
            What::Request(host, _, method, path) => {
                exact_host(host)
                    && method.bytes().all(|byte| byte.is_ascii_uppercase())
                    // A long path stands in the record cut short, and then in no form that a request has.
                    && normalise_path_with_slashes(path).is_ok_and(|normal| normal == *path)
            }
        };
        if !literal {
            return false;
        }
        let seen = Seen::default();
        let text = format!(
            "version: 1\nnetwork_policies:\n{}",
            entries(&BTreeMap::from([(self, &seen)]))
        );
        Policy::load(&Source::text("draft", &text))
            .is_ok_and(|policy| policy.decide(&self.flow(None)).passes())
    }
}

impl Seen {
    fn words(&self) -> String {
        let times = match self.count {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let programs: Vec<String> = self
            .programs
            .iter()
            .take(3)
            .map(|path| ascii(path))
            .collect();
        let by = match programs.is_empty() {
            true => String::new(),
            false => format!(", by {}", programs.join(", ")),
        };
        format!("{times}, last {}{by}", ascii(&self.last))
    }
}

/// One entry for each host, one endpoint for each of its ports.
fn entries(rules: &BTreeMap<&What, &Seen>) -> String {
    type Ports<'a> = BTreeMap<u16, Vec<(&'a What, &'a Seen)>>;
    let mut hosts: BTreeMap<String, Ports<'_>> = BTreeMap::new();
    for (what, seen) in rules {
        let (host, port) = what.place();
        let ports = hosts.entry(host).or_default();
        ports.entry(port).or_default().push((what, seen));
    }
    let mut out = String::new();
    for (host, ports) in &hosts {
        let host = word(host);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {host}:\n    endpoints:");
        for (port, lines) in ports {
            endpoint(&mut out, &host, *port, lines);
        }
    }
    out
}

fn endpoint(out: &mut String, host: &str, port: u16, lines: &[(&What, &Seen)]) {
    let mut requests = lines.iter().filter_map(|(what, seen)| match what {
        What::Request(_, _, method, path) => Some((method, path, seen)),
        _ => None,
    });
    let mut next = requests.next();
    if next.is_none() {
        for (_, seen) in lines {
            let _ = writeln!(
                out,
                "      - {{ host: {host}, port: {port} }} # {}",
                seen.words()
            );
        }
        return;
    }
    let _ = writeln!(
        out,
        "      - host: {host}\n        port: {port}\n        protocol: rest\n        rules:"
    );
    while let Some((method, path, seen)) = next {
        let _ = writeln!(
            out,
            "          - allow: {{ method: {method}, path: {} }} # {}",
            quoted(&literal(path)),
            seen.words()
        );
        next = requests.next();
    }
}

/// A name without wildcards, or an address.
fn exact_host(host: &str) -> bool {
    let name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    !host.is_empty() && (host.bytes().all(name) || host.parse::<IpAddr>().is_ok())
}

/// A path as a pattern that is this path only.
fn literal(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if "*?[]{}#".contains(c) {
            let _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A YAML word for a host.
fn word(host: &str) -> String {
    let begins = host.starts_with(|first: char| first.is_ascii_lowercase());
    if begins && host.contains('.') && !host.contains(':') {
        host.to_owned()
    } else {
        quoted(host)
    }
}

/// A text in YAML's double quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What others chose, for a comment.
fn ascii(text: &str) -> String {
    text.chars()
        .take(SHOWN)
        .map(|c| match c {
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemoclaw_api::audit::{DENY, Program as Who};
    use proptest::prelude::*;

    fn event(kind: &str, host: &str, port: u16, request: Option<(&str, &str)>) -> Event {
        Event {
            time: "2026-01-01T00:00:00Z".into(),
            kind: kind.into(),
            host: host.into(),
            port,
            method: request.map(|(method, _)| method.into()),
            path: request.map(|(_, path)| path.into()),
            verdict: DENY.into(),
            ..Event::default()
        }
    }

    fn drafted(events: &[Event], policy: Option<&str>) -> String {
        let policy = policy.map(|text| Policy::load(&Source::text("./p.yaml", text)).unwrap());
        let mut draft = Draft::new("worker");
        for event in events {
            draft.refused(event);
        }
        draft.text(policy.as_ref()).unwrap()
    }

    fn allows(text: &str, host: &str, port: u16, request: Option<(&str, &str)>) -> bool {
        let policy = Policy::load(&Source::text("draft", text)).unwrap();
        let flow = Flow::to(host, port);
        let flow = match request {
            Some((method, path)) => flow.with(HttpRequest::new(method, path)),
            None => flow,
        };
        policy.decide(&flow).passes()
    }

    #[test]
    fn a_draft_allows_exactly_what_was_refused() {
        let paths = ["/a", "/a/b", "/x%5By%5D", "/q/*", "/s;t", "/%C3%A9", "/"];
        let mut events = vec![event("tcp", "db.example.org", 5432, None)];
        for path in paths {
            events.push(event("http", "api.example.org", 443, Some(("POST", path))));
        }
        events.push(event("tcp", "api.example.org", 443, None));
        let text = drafted(&events, None);
        for path in paths {
            let drawn = allows(&text, "api.example.org", 443, Some(("POST", path)));
            assert!(
                drawn || text.contains(&format!("443{path}: no rule")),
                "{path}\n{text}"
            );
            assert!(!allows(&text, "api.example.org", 443, Some(("PUT", path))));
            assert!(!allows(&text, "api.example.org", 80, Some(("POST", path))));
            assert!(!allows(
                &text,
                "other.example.org",
                443,
                Some(("POST", path))
            ));
            let beside = format!("{path}z");
            assert!(
                !allows(&text, "api.example.org", 443, Some(("POST", &beside))),
                "{beside}\n{text}"
            );
        }
        assert!(!allows(
            &text,
            "api.example.org",
            443,
            Some(("POST", "/q/r"))
        ));
        assert!(allows(&text, "db.example.org", 5432, None));
        assert!(!allows(&text, "db.example.org", 5433, None));
    }

    #[test]
    fn what_means_more_than_it_says_becomes_a_comment() {
        let events = [
            event("http", "*.example.org", 443, Some(("GET", "/"))),
            event("http", "api.example.org", 443, Some(("*", "/"))),
            event(
                "http",
                "api.example.org",
                443,
                Some(("GET", "/a\n  evil: 1")),
            ),
            event("http", "api.example.org", 443, Some(("BREW", "/"))),
            event("tcp", "**.example.org", 22, None),
            event("dns", "a\u{2028}b\u{1b}[2J\n*.org", 0, None),
            event("dns", "looked.example.org", 0, None),
        ];
        let text = drafted(&events, None);
        let policy = Policy::load(&Source::text("draft", &text)).unwrap();
        assert!(policy.network[0].entries.is_empty(), "{text}");
        assert!(
            text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)),
            "{text}"
        );
        assert!(text.contains("host: looked.example.org, port: 443"));
        assert_eq!(text.matches("no rule can be written").count(), 5, "{text}");
    }

    #[test]
    fn what_a_deny_rule_a_limit_or_a_person_decides_is_not_drafted() {
        let policy = "version: 1
network_policies:
  a:
    endpoints:
      - { host: a.example.org, port: 443, protocol: rest, access: read-only, deny_rules: [{ method: GET, path: /secret }] }
      - { host: ask.example.org, port: 443, protocol: rest, enforcement: ask }
  b:
    binaries: [{ path: /usr/bin/git }]
    endpoints: [{ host: b.example.org, port: 443 }]
";
        let mut other = event("tcp", "b.example.org", 443, None);
        other.program = Some(Box::new(Who {
            path: "/usr/bin/curl".into(),
            ..Who::default()
        }));
        let mut limited = event("http", "a.example.org", 443, Some(("GET", "/fine")));
        limited.reason = Some("the budget of requests is spent".into());
        let events = [
            event("http", "a.example.org", 443, Some(("GET", "/secret"))),
            limited,
            event("http", "ask.example.org", 443, Some(("POST", "/x"))),
            other,
            event("dns", "a.example.org", 0, None),
            event("http", "a.example.org", 443, Some(("POST", "/new"))),
        ];
        let text = drafted(&events, Some(policy));
        let drawn = Policy::load(&Source::text("draft", &text)).unwrap();
        assert_eq!(drawn.network[0].entries.len(), 1, "{text}");
        assert!(allows(&text, "a.example.org", 443, Some(("POST", "/new"))));
        assert!(!allows(
            &text,
            "a.example.org",
            443,
            Some(("GET", "/secret"))
        ));
        assert!(text.contains("the budget of requests is spent"), "{text}");
        assert!(text.contains("refused by the deny rule"), "{text}");
        assert!(text.contains("for /usr/bin/git only"), "{text}");
        assert!(text.contains("a person is asked"), "{text}");
    }

    #[test]
    fn every_line_says_how_often_when_and_by_whom() {
        let mut one = event("http", "api.example.org", 443, Some(("GET", "/a")));
        one.count = Some(4);
        one.program = Some(Box::new(Who {
            path: "/usr/bin/python3".into(),
            script: Some("/sandbox/agent.py".into()),
            sha256: None,
        }));
        let mut two = event("http", "api.example.org", 443, Some(("GET", "/a")));
        two.time = "2026-01-02T00:00:00Z".into();
        let text = drafted(&[one, two], None);
        assert!(
            text.contains("# 5 times, last 2026-01-02T00:00:00Z, by /sandbox/agent.py"),
            "{text}"
        );
    }

    fn wild() -> impl Strategy<Value = String> {
        "[a-z/*?\\[\\]{}%#.;: \n\\\\\"'é\u{2028}-]{0,12}"
    }

    proptest! {
        #[test]
        fn whatever_the_agent_says_a_draft_loads_and_allows_no_other_request(
            said in proptest::collection::vec((wild(), "(GET|POST|\\*|get|BREW)", wild()), 1..6),
            other in (wild(), "(GET|POST|PUT)", "[a-z/*.%\\[-]{0,6}"),
        ) {
            let hosts = ["api.example.org", "b.example.org"];
            let events: Vec<Event> = said
                .iter()
                .enumerate()
                .map(|(place, (host, method, path))| {
                    let host = if place % 3 == 0 { host } else { hosts[place % 2] };
                    event("http", host, 443, Some((method, &format!("/{path}"))))
                })
                .collect();
            let text = drafted(&events, None);
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            let (host, method, path) = other;
            let path = format!("/{path}");
            for host in hosts.into_iter().chain([host.as_str()]) {
                let asked = |event: &Event| {
                    (event.host.as_str(), event.method.as_deref(), event.path.as_deref())
                        == (host, Some(method.as_str()), Some(path.as_str()))
                };
                if !events.iter().any(asked) {
                    prop_assert!(!allows(&text, host, 443, Some((&method, &path))), "{} {} {}\n{}", host, method, path, text);
                }
            }
        }
    }
}
