//! The name that was looked up, the SNI, Host and :authority must all be one.

use crate::support::{BACKENDS, curl, debian, mark};
use nemoclaw_tests::{nemoclaw, upstream};

#[test]
fn an_unlisted_name_does_not_exist() {
    let world = nemoclaw!();
    for runtime in BACKENDS {
        let container = debian(world, runtime);
        curl(&container, &["https://other.example.com/"]).exits(6); // could not resolve host
        container
            .exec(&[
                "python3",
                "-c",
                "import socket; socket.gethostbyname('other.example.com')",
            ])
            .fails_saying("Name or service not known");
    }
}

#[test]
fn a_host_header_of_another_name_is_refused() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let mark = mark();
    for host in ["other.example.com", "www.example.com", "evil.example.net"] {
        for scheme in ["https", "http"] {
            let header = format!("Host: {host}");
            for version in ["--http1.1", "--http2"] {
                let output = curl(
                    &container,
                    &[
                        version,
                        "-o",
                        "/dev/null",
                        "-w",
                        "%{http_code}",
                        "-H",
                        &header,
                        &format!("{scheme}://api.example.com/{mark}"),
                    ],
                );
                assert!(
                    !output.stdout.starts_with('2'),
                    "{scheme} {version} Host: {host}: {output:?}"
                );
            }
        }
    }
    assert!(upstream::requests(world, &mark).is_empty());
}

#[test]
fn a_wrong_sni_is_refused() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let mark = mark();
    // The address of an allowed name, the SNI of another: allowed, denied and foreign ones.
    for name in ["www.example.com", "other.example.com", "evil.example.net"] {
        let script = format!(
            "a=$(getent ahostsv4 api.example.com | cut -d' ' -f1 | head -1); curl -ksS -m 5 --resolve {name}:443:$a https://{name}/{mark}"
        );
        let output = container.exec(&["bash", "-c", &script]);
        assert!(
            output.code != 0 || output.stdout.contains("\"error\""),
            "SNI {name}: {output:?}"
        );
    }
    // On an endpoint that is passed through, the SNI must agree as well.
    let script = format!(
        "a=$(getent ahostsv4 raw.example.com | cut -d' ' -f1 | head -1); curl -ksS -m 5 --resolve www.example.com:443:$a https://www.example.com/{mark}"
    );
    assert_ne!(container.exec(&["bash", "-c", &script]).code, 0);
    assert!(upstream::requests(world, &mark).is_empty());
}

#[test]
fn an_address_instead_of_a_name_is_refused() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let mark = mark();
    for url in [
        format!("https://203.0.113.10/{mark}"),
        format!("http://203.0.113.10/{mark}"),
        format!("http://198.18.77.77/{mark}"),
    ] {
        let output = curl(
            &container,
            &["-k", "-o", "/dev/null", "-w", "%{http_code}", &url],
        );
        assert!(
            output.code != 0 || output.stdout.starts_with("403"),
            "{url}: {output:?}"
        );
    }
    // With the right name in the handshake, but without having asked for it.
    let words = [
        "-k",
        "--resolve",
        "api.example.com:443:203.0.113.10",
        &format!("https://api.example.com/{mark}"),
    ];
    let output = curl(&container, &words);
    assert!(!output.stdout.contains("\"nct\""), "{output:?}");
    assert!(upstream::requests(world, &mark).is_empty());
}

#[test]
fn an_unlisted_port_of_a_listed_name_is_refused() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let mark = mark();
    let output = curl(
        &container,
        &[
            "-w",
            "%{http_code}",
            "-o",
            "/dev/null",
            &format!("http://api.example.com:8080/{mark}"),
        ],
    );
    assert!(
        output.code != 0 || output.stdout.starts_with("403"),
        "{output:?}"
    );
    assert!(upstream::requests(world, &mark).is_empty());
    curl(
        &container,
        &[&format!("http://www.example.com:8080/{mark}")],
    )
    .ok()
    .says("\"nct\": \"ok\"");
}

#[test]
fn a_wildcard_covers_one_label() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    curl(&container, &["https://one.wild.example.com/"])
        .ok()
        .says("\"nct\": \"ok\"");
    curl(&container, &["https://a.b.wild.example.com/"]).exits(6);
    curl(&container, &["https://wild.example.com/"]).exits(6);
}
