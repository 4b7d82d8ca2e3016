//! An event in OCSF's words: its class, and which field holds what.

use std::borrow::Cow;
use std::net::IpAddr;

use super::chain::Link;
use super::ocsf::{
    Actor, Device, Endpoint, Evidence, File, FindingInfo, Fingerprint, HttpRequest, Line, OTHER,
    Process, Product, Rule, Source, Text, Traffic, Url,
};
use super::{ALLOW, AUDIT, CLOSE, DENY, Event, OPEN, POLICY, ROUTER};

/// The line of an event at `link`, without its line feed.
///
/// # Errors
/// It has no form in JSON.
pub fn event_line(event: &Event, link: Link) -> Result<String, serde_json::Error> {
    let (class, activity) = class(event);
    let mut line = Line::plain(class, activity, &event.time, &event.sandbox, link);
    line.unmapped.kind = text(&event.kind);
    line.unmapped.phase = event.phase.as_deref().map(Text::from);
    line.unmapped.generation = Some(event.generation);
    line.unmapped.script = event
        .program
        .as_ref()
        .and_then(|program| program.script.as_deref().map(Text::from));
    line.unmapped.inference = event.model.as_deref().map(Cow::Borrowed);
    line.severity_id = severity(event);
    if event.verdict == DENY {
        (line.status_id, line.status) = (2, "Failure".into());
    }
    let (action, disposition) = outcome(&event.verdict);
    (line.action_id, line.action) = (Some(action.0), Some(action.1.into()));
    (line.disposition_id, line.disposition) = (Some(disposition.0), Some(disposition.1.into()));
    line.count = event.count;
    line.start_time_dt = event.since.as_deref().map(Text::from);
    line.message = event.reason.as_deref().map(Text::from);
    line.metadata.correlation_uid = event.proposal.as_deref().map(Text::from);
    line.firewall_rule = event.rule.as_deref().map(|rule| Rule { name: text(rule) });
    line.traffic = (event.bytes_in > 0 || event.bytes_out > 0).then(|| Traffic {
        bytes: event.bytes_in.saturating_add(event.bytes_out),
        bytes_in: event.bytes_in,
        bytes_out: event.bytes_out,
    });
    about(&mut line, event, class, link);
    serde_json::to_string(&line)
}

/// Who and what the event is about, in the place where the class has it.
fn about<'a>(line: &mut Line<'a>, event: &'a Event, class: u32, link: Link) {
    let seen = Evidence {
        actor: actor(event),
        dst_endpoint: endpoint(event),
        http_request: request(event),
    };
    if let Some(finding) = &event.finding {
        line.finding_info = Some(FindingInfo {
            uid: format!("{}/{}", event.sandbox, link.sequence).into(),
            title: text(finding),
        });
        line.evidences = Some([seen]);
        return;
    }
    line.actor = seen.actor;
    line.dst_endpoint = seen.dst_endpoint;
    line.http_request = seen.http_request;
    match class {
        NETWORK | HTTP => {
            line.src_endpoint = Some(Source {
                name: text(&event.sandbox),
            });
        }
        CONFIG => {
            line.device = Some(Device {
                name: text(&event.sandbox),
                type_id: OTHER,
                kind: "sandbox".into(),
            });
        }
        _ => line.app = Some(Product::ours()),
    }
}

const FINDING: u32 = 2004;
const NETWORK: u32 = 4001;
const HTTP: u32 = 4002;
const CONFIG: u32 = 5019;
const LIFECYCLE: u32 = 6002;

/// The class of an event, and its activity there.
fn class(event: &Event) -> (u32, u32) {
    let phase = |open, close, else_| match event.phase.as_deref() {
        Some(OPEN) => open,
        Some(CLOSE) => close,
        _ => else_,
    };
    if event.finding.is_some() {
        return (FINDING, 1);
    }
    match event.kind.as_str() {
        POLICY => (CONFIG, 1),
        ROUTER => (LIFECYCLE, phase(3, 4, OTHER)),
        "http" => (HTTP, method(event.method.as_deref())),
        _ if event.method.is_some() => (HTTP, method(event.method.as_deref())),
        _ if event.verdict == DENY => (NETWORK, 5),
        _ => (NETWORK, phase(1, 2, 6)),
    }
}

fn method(method: Option<&str>) -> u32 {
    match method {
        None => 0,
        Some("CONNECT") => 1,
        Some("DELETE") => 2,
        Some("GET") => 3,
        Some("HEAD") => 4,
        Some("OPTIONS") => 5,
        Some("POST") => 6,
        Some("PUT") => 7,
        Some("TRACE") => 8,
        Some("PATCH") => 9,
        Some(_) => OTHER,
    }
}

/// From 1, informational, to 4, high.
fn severity(event: &Event) -> u32 {
    match event.verdict.as_str() {
        _ if event.finding.is_some() => 4,
        DENY => 3,
        AUDIT => 2,
        _ => 1,
    }
}

type Word<'a> = (u32, &'a str);

/// Action and disposition of a verdict; one that OCSF does not know stands there in our word.
fn outcome(verdict: &str) -> (Word<'static>, Word<'_>) {
    match verdict {
        ALLOW => ((1, "Allowed"), (1, "Allowed")),
        AUDIT => ((1, "Allowed"), (17, "Logged")),
        DENY => ((2, "Denied"), (2, "Blocked")),
        other => ((0, "Unknown"), (OTHER, other)),
    }
}

fn text(text: &str) -> Text<'_> {
    Text::from(text)
}

fn actor(event: &Event) -> Option<Actor<'_>> {
    if event.pid.is_none() && event.program.is_none() {
        return None;
    }
    let file = event.program.as_ref().map(|program| File {
        name: text(program.path.rsplit('/').next().unwrap_or_default()),
        path: text(&program.path),
        type_id: 1,
        hashes: program.sha256.as_deref().map(|sum| {
            [Fingerprint {
                algorithm: "SHA-256".into(),
                algorithm_id: 3,
                value: text(sum),
            }]
        }),
    });
    Some(Actor {
        process: Process {
            pid: event.pid,
            file,
            sandbox: text(&event.sandbox),
        },
    })
}

fn endpoint(event: &Event) -> Option<Endpoint<'_>> {
    if event.host.is_empty() && event.port == 0 {
        return None;
    }
    let port = (event.port != 0).then_some(event.port);
    let host = Some(text(&event.host));
    Some(if event.host.parse::<IpAddr>().is_ok() {
        Endpoint {
            ip: host,
            port,
            ..Endpoint::default()
        }
    } else {
        Endpoint {
            hostname: host,
            port,
            ..Endpoint::default()
        }
    })
}

fn request(event: &Event) -> Option<HttpRequest<'_>> {
    if event.method.is_none() && event.path.is_none() {
        return None;
    }
    Some(HttpRequest {
        http_method: event.method.as_deref().map(Text::from),
        url: Url {
            hostname: text(&event.host),
            path: event.path.as_deref().map(Text::from),
            port: event.port,
        },
    })
}
