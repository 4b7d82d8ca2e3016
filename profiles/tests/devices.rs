//! The policy's key `devices`: what is accepted, and what is refused with which words at which place.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use nemoclaw_policy::{Policy, Source};

fn good(text: &str) -> Policy {
    Policy::load(&Source::text("p.yaml", text)).unwrap()
}

/// The fault in `version: 1` and `text`, on one line.
fn bad(text: &str) -> String {
    let source = Source::text("p.yaml", &format!("version: 1\n{text}"));
    Policy::load(&source).unwrap_err().one_line()
}

#[test]
fn devices_are_given_by_name_and_bounded_by_a_star() {
    let policy = good("version: 1\ndevices: [v.com/d=0, \"w.com/e=*\"]\n");
    let given: Vec<String> = policy
        .devices
        .requested()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(given, ["v.com/d=0"]);
    assert_eq!(policy.devices.ceiling().unwrap().len(), 2);
    assert_eq!(
        good("version: 1\ndevices: []\n").devices.ceiling(),
        Some([].as_slice())
    );
    assert_eq!(good("version: 1\n").devices.ceiling(), None);
}

#[test]
fn a_fault_in_devices_is_told_with_its_place() {
    for (text, words) in [
        (
            "devices: all\n",
            "p.yaml:2:10: `devices` must be a list, not a text",
        ),
        ("devices: [all]\n", "p.yaml:2:11: `all` is no CDI device"),
        (
            "devices: [v.com/d=0, v.com/d]\n",
            "p.yaml:2:22: `v.com/d` is no CDI device",
        ),
        ("devices: [7]\n", "p.yaml:2:11: `devices` must be a text"),
        (
            "devices: [v.com/d=0, v.com/d=0]\n",
            "p.yaml:2:22: `v.com/d=0` stands twice",
        ),
        ("devices: [v.com/d=0*]\n", "is no CDI device"),
        (
            "box: {mode: unconfined}\ndevices: []\n",
            "`devices` means nothing",
        ),
    ] {
        let fault = bad(text);
        assert!(fault.contains(words), "{text}  said: {fault}");
    }
    let many: Vec<String> = (0..257).map(|n| format!("v.com/d={n}")).collect();
    assert!(bad(&format!("devices: [{}]\n", many.join(", "))).contains("at most 256"));
}
