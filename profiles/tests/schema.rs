//! Every row of the schema: what is accepted, and what is refused with which words at which place.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::path::{Path, PathBuf};

use nemoclaw_policy::policy::{Authority, Enforcement, Identity, Level, Mode, Protocol, Tls};
use nemoclaw_policy::{Diagnostic, Policy, Source};

fn load(text: &str) -> Result<Policy, Box<Diagnostic>> {
    Policy::load(&Source::text("p.yaml", text))
}

fn good(text: &str) -> Policy {
    load(text).unwrap_or_else(|fault| panic!("{fault}\n--- in\n{text}"))
}

/// The fault in `version: 1` and `text`, on one line.
fn bad(text: &str) -> String {
    match load(&format!("version: 1\n{text}")) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(fault) => fault.one_line(),
    }
}

fn endpoint(fields: &str) -> String {
    format!("network_policies:\n  e:\n    endpoints:\n      - {{ {fields} }}\n")
}

fn good_endpoint(fields: &str) -> nemoclaw_policy::policy::Endpoint {
    good(&format!("version: 1\n{}", endpoint(fields))).network[0].entries[0].endpoints[0].clone()
}

fn bad_endpoint(fields: &str, words: &str) {
    let fault = bad(&endpoint(fields));
    assert!(
        fault.contains(words),
        "{fields}\n  said: {fault}\n  want: {words}"
    );
}

#[test]
fn version_must_be_one() {
    good("version: 1\n");
    for (text, words) in [
        ("landlock: {}\n", "p.yaml:1:1: the document lacks `version`"),
        (
            "version: 2\n",
            "p.yaml:1:10: `version` is 2, but must be from 1 to 1",
        ),
        (
            "version: \"1\"\n",
            "p.yaml:1:10: `version` must be a whole number, not a text",
        ),
        ("", "the text is empty"),
        ("# only a comment\n", "the text is empty"),
        (
            "- version: 1\n",
            "`the document` must be a mapping, not a list",
        ),
    ] {
        let fault = load(text).unwrap_err().one_line();
        assert!(fault.contains(words), "{text}: {fault}");
    }
}

#[test]
fn yaml_that_a_policy_does_not_need_is_refused() {
    for (text, words) in [
        (
            "landlock: {}\nlandlock: {}\n",
            "p.yaml:3:1: the key `landlock` stands twice",
        ),
        ("landlock: &a {}\n", "anchors and aliases are not allowed"),
        ("landlock: *a\n", "anchors and aliases are not allowed"),
        ("---\nversion: 1\n", "one file holds one document"),
        ("<<: {landlock: {}}\n", "merge keys"),
        ("landlock: !foo {}\n", "p.yaml:2:"),
        ("landlock: {compatibility\n", "p.yaml:"),
        ("process: {run_as_user: yes_}\n", "p.yaml:2:24"),
        (
            "filesystem_policy: {include_workdir: yes}\n",
            "must be `true` or `false`, not a text",
        ),
    ] {
        let fault = bad(text);
        assert!(fault.contains(words), "{text}: {fault}");
    }
    assert!(
        load(&format!("version: 1\n#{}", "x".repeat(1 << 20)))
            .unwrap_err()
            .message
            .contains("1 MiB")
    );
    assert!(
        load(&format!(
            "version: 1\na: {}{}",
            "[".repeat(200),
            "]".repeat(200)
        ))
        .is_err()
    );
}

#[test]
fn a_misspelt_key_names_the_right_one() {
    assert_eq!(
        bad("landlok: {}\n"),
        "p.yaml:2:1: unknown key `landlok` in the document (did you mean `landlock`?)"
    );
    assert!(bad(&endpoint("host: a.example.com, prot: 443")).contains("did you mean `port`?"));
    assert!(
        bad(&endpoint(
            "host: a.example.com, port: 443, access: readonly"
        ))
        .contains("did you mean `read-only`?")
    );
    assert!(
        bad("landlock: {compatibility: hard-requirement}\n")
            .contains("did you mean `hard_requirement`?")
    );
}

#[test]
fn filesystem_paths_are_absolute_bounded_and_never_a_writable_root() {
    let files = |fields: &str| format!("filesystem_policy: {{ {fields} }}\n");
    let policy = good(&format!(
        "version: 1\n{}",
        files("read_only: [/usr/, //opt], read_write: [/sandbox, /data], include_workdir: true")
    ));
    assert!(policy.filesystem.read_only.contains(&PathBuf::from("/usr")));
    assert!(policy.filesystem.read_only.contains(&PathBuf::from("/opt")));
    assert!(policy.filesystem.include_workdir);
    for (fields, words) in [
        (
            "read_write: [/]",
            "p.yaml:2:35: `read_write` may not be `/`",
        ),
        ("read_write: [//]", "may not be `/`"),
        ("read_only: [usr]", "is not absolute"),
        ("read_only: [/usr/../etc]", "holds `.` or `..`"),
        ("read_only: [/usr/./x]", "holds `.` or `..`"),
        ("read_only: [\"/a\\u0000b\"]", "control character"),
        ("read_only: [7]", "must be a text, not a whole number"),
        ("read_only: /usr", "must be a list, not a text"),
        (
            "read_only: [/a], read_write: [/a]",
            "stands under `read_only` too",
        ),
        ("read_write: [/home/*]", "holds a wildcard"),
        (
            "writable: [/a]",
            "unknown key `writable` in `filesystem_policy`",
        ),
    ] {
        let fault = bad(&files(fields));
        assert!(fault.contains(words), "{fields}: {fault}");
    }
    let list = |n: usize| {
        (0..n)
            .map(|i| format!("/p{i}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    good(&format!(
        "version: 1\n{}",
        files(&format!("read_only: [{}]", list(256)))
    ));
    assert!(bad(&files(&format!("read_only: [{}]", list(257)))).contains("at most 256"));
    good(&format!(
        "version: 1\n{}",
        files(&format!("read_only: [\"/{}\"]", "x".repeat(4095)))
    ));
    assert!(
        bad(&files(&format!("read_only: [\"/{}\"]", "x".repeat(4096))))
            .contains("longer than 4096")
    );
}

#[test]
fn the_baseline_is_added_where_the_file_says_nothing() {
    let level = |text: &str, path: &str| {
        good(&format!("version: 1\n{text}"))
            .filesystem
            .level(Path::new(path))
    };
    assert_eq!(level("", "/usr/bin/env"), Level::Read);
    assert_eq!(level("", "/sandbox/x"), Level::Write);
    assert_eq!(level("", "/root"), Level::None);
    assert_eq!(
        level("filesystem_policy: { read_only: [/tmp] }\n", "/tmp/x"),
        Level::Read
    );
    assert_eq!(
        level("filesystem_policy: { read_only: [/opt] }\n", "/etc/hosts"),
        Level::Read
    );
    let below = "filesystem_policy: { read_only: [/sandbox/.openclaw], read_write: [/sandbox] }\n";
    assert_eq!(level(below, "/sandbox/.openclaw/x"), Level::Read);
    assert_eq!(level(below, "/sandbox/.openclaws"), Level::Write);
}

#[test]
fn landlock_and_process_take_their_words_only() {
    assert!(!good("version: 1\n").landlock.best_effort);
    assert!(
        good("version: 1\nlandlock: {compatibility: best_effort}\n")
            .landlock
            .best_effort
    );
    assert_eq!(
        good("version: 1\nlandlock: {minimum_abi: 6}\n")
            .landlock
            .minimum_abi,
        6
    );
    assert!(bad("landlock: {minimum_abi: 0}\n").contains("from 1 to"));
    assert!(
        bad("landlock: {compatibility: none}\n").contains("unknown `compatibility` value `none`")
    );
    let user = |value: &str| {
        good(&format!("version: 1\nprocess: {{run_as_user: {value}}}\n"))
            .process
            .run_as_user
    };
    assert_eq!(user("sandbox"), Some(Identity::Sandbox));
    assert_eq!(user("1"), Some(Identity::Id(1)));
    assert_eq!(user("\"1000\""), Some(Identity::Id(1000)));
    assert_eq!(user("4294967294"), Some(Identity::Id(u32::MAX - 1)));
    assert_eq!(
        good("version: 1\nprocess: {run_as_group: 5}\n")
            .process
            .run_as_user,
        None
    );
    for value in ["0", "\"0\"", "root", "\"000\""] {
        assert!(
            bad(&format!("process: {{run_as_group: {value}}}\n")).contains("is root"),
            "{value}"
        );
    }
    for value in [
        "4294967295",
        "-1",
        "nobody",
        "1.5",
        "[]",
        "\"99999999999\"",
        "\"9999999999\"",
    ] {
        assert!(
            bad(&format!("process: {{run_as_user: {value}}}\n"))
                .contains("must be `sandbox` or a number"),
            "{value}"
        );
    }
}

#[test]
fn hosts_and_ports_follow_the_table() {
    for host in [
        "a.example.com",
        "\"*.example.com\"",
        "\"api-*.example.com\"",
        "\"a.*.example.com\"",
        "\"**.example.com\"",
        "LOCALHOST",
        "10.1.2.3",
    ] {
        good_endpoint(&format!("host: {host}, port: 1"));
    }
    for host in [
        "\"*\"",
        "\"*.com\"",
        "\"**\"",
        "\"a.b*.example.com\"",
        "\"a.**.example.com\"",
        "\"\"",
        "\"[::1]\"",
        "\"2001:db8::1\"",
        "\"a:443\"",
    ] {
        bad_endpoint(&format!("host: {host}, port: 1"), "p.yaml:5:17: ");
    }
    assert!(bad(&endpoint("host: *.example.com, port: 1")).contains("quotes"));
    assert_eq!(good_endpoint("host: a.b, port: 65535").ports, [65535]);
    assert_eq!(
        good_endpoint("host: a.b, port: 1, ports: [443, 80, 80]").ports,
        [80, 443]
    );
    for (fields, words) in [
        (
            "host: a.b, port: 0",
            "`port` is 0, but must be from 1 to 65535",
        ),
        (
            "host: a.b, port: 99999",
            "p.yaml:5:28: `port` is 99999, but must be from 1 to 65535",
        ),
        (
            "host: a.b, port: \"443\"",
            "must be a whole number, not a text",
        ),
        ("host: a.b, ports: []", "`ports` is an empty list"),
        ("host: a.b, ports: [80, 0]", "but must be from 1"),
        ("host: a.b", "lacks `port`"),
        ("port: 1", "lacks `host`"),
        ("host: 7, port: 1", "`host` must be a text"),
    ] {
        bad_endpoint(fields, words);
    }
}

#[test]
fn protocol_access_and_rules_agree() {
    let protocol = |fields: &str| good_endpoint(&format!("host: a.b, port: 1{fields}")).protocol;
    assert_eq!(protocol(""), Protocol::Tcp);
    assert_eq!(protocol(", protocol: tcp"), Protocol::Tcp);
    assert_eq!(protocol(", access: full"), Protocol::Tcp);
    assert_eq!(protocol(", access: read-only"), Protocol::Rest);
    assert_eq!(protocol(", protocol: rest, access: full"), Protocol::Rest);
    assert_eq!(
        good_endpoint("host: a.b, port: 1, access: read-only")
            .rules
            .len(),
        3
    );
    let methods = good_endpoint("host: a.b, port: 1, access: read-write").rules;
    assert_eq!(
        methods
            .iter()
            .map(|rule| rule.matcher.to_string())
            .collect::<Vec<_>>(),
        [
            "GET **",
            "HEAD **",
            "OPTIONS **",
            "POST **",
            "PUT **",
            "PATCH **"
        ]
    );
    assert_eq!(
        good_endpoint("host: a.b, port: 1").enforcement,
        Enforcement::Enforce
    );
    assert_eq!(
        good_endpoint("host: a.b, port: 1, enforcement: audit").enforcement,
        Enforcement::Audit
    );
    assert_eq!(
        good_endpoint("host: a.b, port: 1, tls: skip").tls,
        Tls::Skip
    );
    good_endpoint("host: a.b, port: 1, rules: [{allow: {method: get, path: /x}}], path: /x/**");
    for (fields, words) in [
        ("protocol: rest", "allows no request"),
        (
            "protocol: rest, deny_rules: [{method: GET, path: /}]",
            "allows no request",
        ),
        (
            "protocol: tcp, access: read-only",
            "`access` looks at requests",
        ),
        (
            "protocol: tcp, rules: [{allow: {method: GET, path: /}}]",
            "`rules` looks at requests",
        ),
        ("protocol: tcp, path: /x", "`path` looks at requests"),
        (
            "access: full, rules: [{allow: {method: GET, path: /}}]",
            "exclude each other",
        ),
        ("rules: []", "`rules` is an empty list"),
        (
            "access: full, deny_rules: []",
            "`deny_rules` is an empty list",
        ),
        ("access: delete", "unknown `access` value"),
        ("rules: [{method: GET, path: /}]", "unknown key `method`"),
        ("rules: [{allow: {method: GET}}]", "`allow` lacks `path`"),
        ("rules: [{allow: {path: /}}]", "`allow` lacks `method`"),
        (
            "rules: [{allow: {method: GTE, path: /}}]",
            "did you mean `GET`?",
        ),
        (
            "rules: [{allow: {method: GET, path: x}}]",
            "must begin with `/`",
        ),
        (
            "rules: [{allow: {method: GET, path: /a/../b}}]",
            "holds `//`, `.` or `..`",
        ),
        (
            "rules: [{allow: {method: GET, path: \"/[a\"}}]",
            "is not closed",
        ),
        ("protocol: http", "unknown `protocol` value `http`"),
        ("enforcement: warn", "unknown `enforcement` value"),
        ("tls: none", "unknown `tls` value"),
        (
            "protocol: rest, access: full, tls: skip",
            "leaves the connection closed",
        ),
        (
            "protocol: rest, access: full, tls: passthrough",
            "leaves the connection closed",
        ),
    ] {
        bad_endpoint(&format!("host: a.b, port: 1, {fields}"), words);
    }
}

#[test]
fn what_is_not_honoured_is_refused_by_name_and_never_ignored() {
    assert_eq!(
        bad("agents: {}\n"),
        "p.yaml:2:1: `agents` is not supported yet"
    );
    assert!(
        bad("network_middlewares: {}\n")
            .contains("p.yaml:2:1: `network_middlewares`: no middleware")
    );
    for key in ["credential_signing", "signing_service", "signing_region"] {
        bad_endpoint(
            &format!("host: a.b, port: 1, {key}: x"),
            &format!("p.yaml:5:31: `{key}`: requests are not signed (AWS SigV4) here"),
        );
    }
    bad_endpoint(
        "host: a.b, port: 1, protocol: sql",
        "unknown `protocol` value",
    );
    for (protocol, key) in [
        ("rest", "operation_type: query"),
        ("rest", "tool: x"),
        ("graphql", "method: GET"),
        ("mcp", "path: /"),
        ("json-rpc", "tool: x"),
    ] {
        bad_endpoint(
            &format!("host: a.b, port: 1, protocol: {protocol}, rules: [{{allow: {{{key}}}}}]"),
            "unknown key",
        );
    }
}

#[test]
fn only_an_operator_may_relax_a_box() {
    let load_as = |text: &str, authority| {
        Policy::load_as(
            &Source::text("p.yaml", &format!("version: 1\n{text}")),
            authority,
        )
    };
    for mode in ["offline", "confined"] {
        assert!(load_as(&format!("box: {{mode: {mode}}}\n"), Authority::User).is_ok());
    }
    for mode in ["relaxed", "unconfined"] {
        let text = format!("box: {{mode: {mode}}}\n");
        assert!(load_as(&text, Authority::Operator).is_ok());
        let fault = load_as(&text, Authority::User).unwrap_err().one_line();
        assert!(
            fault.contains("p.yaml:2:13: ") && fault.contains("may not stand in this file"),
            "{fault}"
        );
    }
    for name in [
        "NET_RAW",
        "NET_ADMIN",
        "SYS_ADMIN",
        "SYS_PTRACE",
        "MKNOD",
        "BPF",
    ] {
        assert!(
            bad(&format!("box: {{mode: relaxed, capabilities: [{name}]}}\n"))
                .contains("no policy may give")
        );
    }
    assert!(bad("box: {capabilities: [CHOWN]}\n").contains("beside `mode: relaxed`"));
    assert!(
        bad("box: {mode: offline}\nnetwork_policies: {}\n")
            .contains("means nothing in a box of mode `offline`")
    );
    assert!(bad("box: {mode: unconfined}\nprocess: {}\n").contains("means nothing"));
    let dev = good(
        "version: 1\nbox: {mode: relaxed, capabilities: [CHOWN]}\nfilesystem_policy: {read_write: [/]}\n",
    );
    assert_eq!(
        (dev.mode, dev.filesystem.level(Path::new("/etc"))),
        (Mode::Relaxed, Level::Write)
    );
}

#[test]
fn files_in_the_shape_of_others_load_or_are_refused_as_the_table_says() {
    let read = |name: &str| {
        Source::text(
            name,
            &std::fs::read_to_string(format!("tests/data/{name}")).unwrap(),
        )
    };
    let (shell, warnings) = Policy::load_as(&read("openshell.yaml"), Authority::User).unwrap();
    assert_eq!((shell.network[0].entries.len(), warnings.len()), (2, 0));
    assert_eq!(shell.process.run_as_user, Some(Identity::Sandbox));
    let (claw, warnings) = Policy::load_as(&read("nemoclaw.yaml"), Authority::User).unwrap();
    assert_eq!(
        claw.filesystem.level(Path::new("/sandbox/.openclaw")),
        Level::Read
    );
    assert_eq!(claw.network[0].entries[1].endpoints[0].tls, Tls::Skip);
    let told: Vec<String> = warnings.iter().map(Diagnostic::one_line).collect();
    assert_eq!(
        told,
        [
            "nemoclaw.yaml:23:14: `tls: terminate` is an old word, read as `auto`",
            "nemoclaw.yaml:29:73: `tls: passthrough` is an old word, read as `skip`",
        ]
    );
    let programs = Policy::load(&read("openshell_binaries.yaml")).unwrap();
    let binaries: Vec<String> = programs.network[0].entries[0]
        .binaries
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(binaries, ["/usr/bin/git"]);
}

#[test]
fn columns_count_characters() {
    let fault = load("version: 1\nnetwork_policies: {\"ü é\": {endpoints: []}}\n").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "p.yaml:2:39: `endpoints` is an empty list\n  |\n2 | network_policies: {\"ü é\": {endpoints: []}}\n  |                                       ^"
    );
}

#[test]
fn a_caret_stands_below_the_wrong_port() {
    let fault = load("version: 1\nnetwork_policies:\n  web:\n    endpoints:\n      - host: example.com\n        port: 99999\n").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "p.yaml:6:15: `port` is 99999, but must be from 1 to 65535\n  |\n6 |         port: 99999\n  |               ^"
    );
}
