//! The node's provider entries: what is read, what is refused, and where a credential may go.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use nemoclaw_policy::provider::{Place, Providers, SecretSource, check_secret, kinds, load};
use nemoclaw_policy::{Policy, Source};

fn parsed(entries: &str) -> Result<Providers, String> {
    let text = format!("version: 1\nproviders:\n{entries}");
    Providers::parse(&Source::text("providers.yaml", &text)).map_err(|fault| fault.one_line())
}

const OWN: &str = "  own:\n    type: generic\n    hosts: [api.test, '*.b.test']\n    ports: [443, 8443]\n    \
                   paths: ['/v1/**']\n    env: [OWN_KEY]\n    file: /etc/nemoclaw/credentials/own\n";

#[test]
fn a_type_knows_where_its_credential_goes_and_an_entry_may_say_otherwise() {
    let read = parsed("  hub: { type: github, systemd: hub }\n  ghe: { type: github, hosts: [git.test], env: [GHE], file: /a }\n").unwrap();
    let hub = read.named("hub").unwrap();
    assert!(hub.reaches("api.github.com", 443, "/user"));
    assert!(!hub.reaches("api.github.com", 80, "/user"));
    assert!(!hub.reaches("git.test", 443, "/user"));
    assert!(hub.takes_header("authorization") && !hub.takes_header("x-echo"));
    assert!(!hub.also_in.contains(&Place::Url));
    assert_eq!(hub.secret, Some(SecretSource::Systemd("hub".into())));
    assert!(read.of_key("GHE").unwrap().reaches("git.test", 443, "/"));
    assert!(
        !read
            .of_key("GHE")
            .unwrap()
            .reaches("api.github.com", 443, "/")
    );
}

#[test]
fn every_type_can_be_read_with_what_it_lacks() {
    for kind in kinds().iter().filter(|kind| kind.serving.is_none()) {
        let mut entry = format!("  a:\n    type: {}\n    file: /a\n", kind.name);
        for (key, missing, value) in [
            ("hosts", kind.hosts.is_empty(), "[a.test]"),
            ("ports", kind.ports.is_empty(), "[443]"),
            ("paths", kind.paths.is_empty(), "[/**]"),
            ("env", kind.env.is_empty(), "[A]"),
        ] {
            if missing {
                let fault = parsed(&entry).unwrap_err();
                assert!(fault.contains(&format!("lacks `{key}`")), "{fault}");
                entry.push_str(&format!("    {key}: {value}\n"));
            }
        }
        parsed(&entry).unwrap();
    }
}

#[test]
fn host_port_and_every_reading_of_the_path_must_be_covered() {
    let read = parsed(OWN).unwrap();
    let own = read.named("own").unwrap();
    for (host, port, path) in [
        ("api.test", 443, "/v1/x"),
        ("api.test", 8443, "/v1"),
        ("a.b.test", 443, "/v1/x%20y"),
    ] {
        assert!(own.reaches(host, port, path), "{host}:{port}{path}");
    }
    for (host, port, path) in [
        ("api.test", 80, "/v1/x"),
        ("evil.test", 443, "/v1/x"),
        ("a.a.b.test", 443, "/v1/x"),
        ("api.test", 443, "/v2/x"),
        ("api.test", 443, "/v10"),
        ("api.test", 443, "/;x/v1/y/../../v2"),
        ("api.test", 443, "/v1;/x"),
    ] {
        assert!(!own.reaches(host, port, path), "{host}:{port}{path}");
    }
}

#[test]
fn who_may_use_it_is_told_by_sandbox_and_policy() {
    let read = parsed(&format!(
        "{OWN}    sandboxes: ['worker-*']\n    policies: [research]\n"
    ))
    .unwrap();
    let own = read.named("own").unwrap();
    assert!(own.serves("worker-1", ["ceiling", "research"]));
    assert!(!own.serves("worker-1", ["default"]));
    assert!(!own.serves("other", ["research"]));
    assert!(!own.serves("worker-1", []));
    assert!(parsed(OWN).unwrap().named("own").unwrap().serves("any", []));
}

#[test]
fn faults_name_their_place_and_what_helps_and_never_the_secret() {
    for (entries, told) in [
        ("  a: { type: github }\n", "names no secret"),
        (
            "  a: { type: github, file: /a, systemd: b }\n",
            "one secret",
        ),
        ("  a: { type: github, file: a }\n", "absolute"),
        ("  a: { type: github, file: /a/../b }\n", "absolute"),
        (
            "  a: { type: github, systemd: ../b }\n",
            "systemd credential",
        ),
        ("  a: { type: github, secret: s3cret }\n", "--stdin"),
        (
            "  a: { type: github, token: s3cret, file: /a }\n",
            "--stdin",
        ),
        ("  a: { type: gitbub, file: /a }\n", "did you mean `github`"),
        (
            "  a: { type: github, file: /a, models: [x] }\n",
            "`models` without `base_url`",
        ),
        (
            "  a: { type: github, file: /a, host: [x] }\n",
            "did you mean `hosts`",
        ),
        ("  a: { type: github, file: /a, hosts: ['*'] }\n", "`*`"),
        ("  a: { type: github, file: /a, ports: [0] }\n", "from 1 to"),
        (
            "  a: { type: github, file: /a, env: [PATH] }\n",
            "programs obey",
        ),
        (
            "  a: { type: github, file: /a, env: [LD_PRELOAD] }\n",
            "programs obey",
        ),
        (
            "  a: { type: github, file: /a, env: ['A=B'] }\n",
            "no name of a variable",
        ),
        ("  a: { type: github, file: /a, env: [] }\n", "empty list"),
        (
            "  a: { type: github, file: /a, headers: ['x y'] }\n",
            "header field",
        ),
        ("  a b: { type: github, file: /a }\n", "no provider's name"),
        (
            "  a: { type: github, file: /a }\n  b: { type: github, file: /b }\n",
            "is given by `a` already",
        ),
    ] {
        let fault = parsed(entries).unwrap_err();
        assert!(
            fault.starts_with("providers.yaml:") && fault.contains(told),
            "{entries}: {fault}"
        );
        assert!(!fault.contains("s3cret"), "{fault}");
    }
}

#[test]
fn what_could_break_a_header_is_no_secret() {
    assert_eq!(check_secret("sk-proj_A1+/=.~\"\\ x"), Ok(()));
    for text in [
        "",
        "a\r\nx: y",
        "a\n",
        "a\0",
        "é",
        " a",
        "a ",
        "nemoclaw:resolve:env:A",
        &"x".repeat(9000),
    ] {
        let fault = check_secret(text).unwrap_err();
        assert!(text.len() < 3 || !fault.contains(text), "{fault}");
    }
}

#[test]
fn a_sandbox_gets_placeholders_of_what_every_layer_binds() {
    let read = parsed(&format!("{OWN}  hub: {{ type: github, file: /a }}\n")).unwrap();
    let policy = |binding: &str| {
        let text = format!(
            "version: 1\nnetwork_policies:\n  a:\n    endpoints:\n      - {{ host: api.test, port: 443, protocol: rest, access: full{binding} }}\n"
        );
        Policy::load(&Source::text("p.yaml", &text)).unwrap()
    };
    let own = policy(", credential_binding: { provider: own }");
    let any = policy(", credential_binding: { provider: \"*\" }");
    let none = policy("");
    let keys = |policy: &Policy| read.environment("a", policy, &["p"]);
    assert_eq!(
        keys(&own),
        [(
            "OWN_KEY".to_owned(),
            "nemoclaw:resolve:env:OWN_KEY".to_owned()
        )]
    );
    assert!(keys(&any).is_empty() && keys(&none).is_empty());
    let meet = nemoclaw_policy::narrow::meet;
    assert_eq!(keys(&meet(&own, &any)).len(), 1);
    assert!(keys(&meet(&own, &none)).is_empty());
}

#[test]
fn no_file_means_no_providers_and_an_open_file_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("providers.yaml");
    assert!(load(&path).unwrap().1.entries.is_empty());
    std::fs::write(&path, format!("version: 1\nproviders:\n{OWN}")).unwrap();
    assert_eq!(load(&path).unwrap().1.entries.len(), 1);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(load(&path).is_err());
}
