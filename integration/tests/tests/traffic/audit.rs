//! Each decision is one JSON line.

use crate::support::{curl, debian, mark};
use nemoclaw_tests::nemoclaw;
use nemoclaw_tests::router::cli;
use nemoclaw_tests::shell::wait_for;

#[test]
fn allowed_and_denied_requests_are_recorded_without_their_query() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let mark = mark();
    curl(
        &container,
        &[&format!(
            "https://api.example.com/{mark}?token=secret-value"
        )],
    )
    .ok();
    curl(
        &container,
        &[
            "-X",
            "POST",
            &format!("https://api.example.com/{mark}?token=secret-value"),
        ],
    )
    .ok();
    curl(&container, &["https://other.example.com/"]);
    let path = world
        .path("data/audit")
        .join(format!("{}.jsonl", container.id()));
    let text = wait_for("the audit lines", std::time::Duration::from_secs(5), || {
        let text = std::fs::read_to_string(&path).ok()?;
        (text.matches(&mark).count() >= 2 && text.contains("other.example.com")).then_some(text)
    });
    assert!(!text.contains("secret-value"), "{text}");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON line"))
        .collect();
    let of = |method: &str| {
        lines.iter().find(|line| {
            line["http_request"]["http_method"] == method
                && line["http_request"]["url"]["path"]
                    .as_str()
                    .is_some_and(|path| path.contains(&mark))
        })
    };
    assert_eq!(of("GET").expect("GET line")["action"], "Allowed");
    let denied = of("POST").expect("POST line");
    assert_eq!(
        (
            denied["action"].as_str(),
            denied["dst_endpoint"]["hostname"].as_str()
        ),
        (Some("Denied"), Some("api.example.com"))
    );
    for key in [
        "/time",
        "/class_uid",
        "/unmapped/sandbox",
        "/dst_endpoint/port",
        "/unmapped/generation",
        "/firewall_rule/name",
    ] {
        assert!(denied.pointer(key).is_some(), "{key}: {denied}");
    }
    assert!(lines.iter().any(|line| line["unmapped"]["kind"] == "dns"
        && line["action"] == "Denied"
        && line["dst_endpoint"]["hostname"] == "other.example.com"));
    let said = cli(
        world,
        "config",
        &["logs", &container.id()[..12], "--denied"],
    )
    .ok();
    assert!(
        said.stdout.contains("POST") && said.stdout.contains("other.example.com"),
        "{said:?}"
    );
    cli(world, "config", &["status", &container.id()[..12]])
        .ok()
        .says("test");
}
