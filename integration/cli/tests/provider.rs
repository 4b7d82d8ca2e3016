//! `provider`: secrets go into files of root's alone, never through argv, and are never printed.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a broken precondition must end the test with its reason"
)]

mod place;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use place::{Place, Ran};

const CANARY: &str = "s3cret-canary-1";

fn place() -> Option<Place> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let place = Place::new();
    let config = std::fs::read_to_string(place.path("config.yaml")).unwrap();
    let providers = place.path("etc/providers.yaml");
    place.write(
        "config.yaml",
        &format!("{config}providers: {}\n", providers.display()),
    );
    Some(place)
}

fn with_stdin(place: &Place, arguments: &[&str], text: &str) -> Ran {
    let mut child = place
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(
        !(ran.out.contains(CANARY) || ran.err.contains(CANARY)),
        "{} {}",
        ran.out,
        ran.err
    );
    ran
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    with_stdin(place, arguments, "")
}

fn mode(place: &Place, name: &str) -> u32 {
    std::fs::metadata(place.path(name))
        .unwrap()
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn a_credential_is_kept_shown_without_its_text_changed_and_forgotten() {
    let Some(place) = place() else { return };
    let set = [
        "provider",
        "set",
        "own",
        "--type",
        "generic",
        "--host",
        "api.test",
        "--port",
        "443",
        "--path",
        "/v1/**",
        "--env",
        "OWN_KEY",
        "--sandbox",
        "worker-*",
        "--stdin",
    ];
    let ran = with_stdin(&place, &set, &format!("{CANARY}\n"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let secret = "etc/credentials/own";
    assert_eq!(std::fs::read_to_string(place.path(secret)).unwrap(), CANARY);
    assert_eq!(
        (mode(&place, secret), mode(&place, "etc/credentials")),
        (0o600, 0o700)
    );
    let entries = std::fs::read_to_string(place.path("etc/providers.yaml")).unwrap();
    assert!(
        entries.contains("hosts: [\"api.test\"]") && !entries.contains(CANARY),
        "{entries}"
    );

    let ran = run(&place, &["provider", "list", "--output", "json"]);
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["providers"][0]["env"][0], "OWN_KEY");
    assert_eq!(told["providers"][0]["held"], serde_json::Value::Null);
    let ran = run(&place, &["provider", "show", "own"]);
    assert!(
        ran.out.contains("/v1/**") && ran.out.contains("worker-*"),
        "{}",
        ran.out
    );

    std::fs::write(
        place.path("etc/providers.yaml"),
        format!("# mine\n{entries}"),
    )
    .unwrap();
    let ran = with_stdin(
        &place,
        &["provider", "set", "own", "--stdin"],
        "another-secret",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(
        std::fs::read_to_string(place.path(secret)).unwrap(),
        "another-secret"
    );
    let now = std::fs::read_to_string(place.path("etc/providers.yaml")).unwrap();
    assert_eq!(now, format!("# mine\n{entries}"));

    let ran = run(&place, &["provider", "test", "own"]);
    assert_eq!(ran.code, Some(1), "no router: {}", ran.err);
    let ran = run(&place, &["provider", "rm", "own"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!place.path(secret).exists());
    assert!(
        std::fs::read_to_string(place.path("etc/providers.yaml"))
            .unwrap()
            .starts_with("# mine\n")
    );
    assert_eq!(run(&place, &["provider", "show", "own"]).code, Some(1));
}

#[test]
fn a_credential_on_the_command_line_or_of_a_bad_form_is_refused_and_nothing_is_written() {
    let Some(place) = place() else { return };
    let base = ["provider", "set", "hub", "--type", "github"];
    for more in [
        vec![CANARY],
        vec!["--secret", CANARY],
        vec!["--token", CANARY, "--stdin"],
        vec!["--stdin", "--", CANARY],
    ] {
        let ran = run(&place, &[base.as_slice(), &more].concat());
        assert_eq!(ran.code, Some(2), "{more:?}: {}", ran.err);
        assert!(ran.err.contains("--stdin"), "{}", ran.err);
    }
    for text in ["", "short", "s3cret-canary-1\r\nx: y", "s3cret\u{7f}canary"] {
        let ran = with_stdin(&place, &[base.as_slice(), &["--stdin"]].concat(), text);
        assert_eq!(ran.code, Some(1), "{text:?}: {}", ran.err);
        assert!(ran.err.contains("no credential"), "{}", ran.err);
    }
    assert_ne!(run(&place, &base).code, Some(0), "no source");
    let ran = with_stdin(&place, &["provider", "set", "new", "--stdin"], CANARY);
    assert!(ran.err.contains("--type"), "{}", ran.err);
    let ran = with_stdin(
        &place,
        &["provider", "set", "../x", "--type", "github", "--stdin"],
        CANARY,
    );
    assert!(ran.err.contains("no provider's name"), "{}", ran.err);
    let generic = ["provider", "set", "gen", "--type", "generic", "--stdin"];
    let ran = with_stdin(&place, &generic, CANARY);
    assert!(ran.err.contains("lacks `hosts`"), "{}", ran.err);
    assert!(!place.path("etc").exists());
}

#[test]
fn it_comes_from_a_variable_a_file_or_systemd() {
    let Some(place) = place() else { return };
    let mut command = place.command(&[
        "provider",
        "set",
        "a",
        "--type",
        "github",
        "--from-env",
        "MINE",
    ]);
    let ran = Ran::of(command.env("MINE", CANARY).output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let file = place.write("token", "s3cret-canary-2\n");
    let file = file.to_str().unwrap();
    let ran = run(
        &place,
        &[
            "provider",
            "set",
            "b",
            "--type",
            "gitlab",
            "--from-file",
            file,
        ],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let read =
        |name: &str| std::fs::read_to_string(place.path("etc/credentials").join(name)).unwrap();
    assert_eq!(
        (read("a").as_str(), read("b").as_str()),
        (CANARY, "s3cret-canary-2")
    );
    let ran = run(
        &place,
        &[
            "provider",
            "set",
            "c",
            "--type",
            "nvidia",
            "--systemd",
            "nv",
        ],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        run(&place, &["provider", "show", "c"])
            .out
            .contains("systemd's credential nv")
    );
    let ran = with_stdin(&place, &["provider", "set", "c", "--stdin"], CANARY);
    assert!(ran.err.contains("systemd's `nv`"), "{}", ran.err);
}
