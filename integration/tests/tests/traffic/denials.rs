//! A denial answers in the agent's protocol, names its rule, and never reaches the server.

use crate::support::{BACKENDS, curl, debian, mark};
use nemoclaw_tests::{nemoclaw, upstream};

#[test]
fn a_post_under_read_only_gets_the_403_json() {
    let world = nemoclaw!();
    for runtime in BACKENDS {
        let container = debian(world, runtime);
        let mark = mark();
        for scheme in ["https", "http"] {
            let url = format!("{scheme}://api.example.com/{mark}?secret=1");
            let output = curl(
                &container,
                &["-w", "\n%{http_code}", "-X", "POST", "-d", "stolen", &url],
            )
            .ok();
            let (body, code) = output.stdout.trim().rsplit_once('\n').unwrap_or_default();
            assert_eq!(code, "403", "{output:?}");
            let body: serde_json::Value =
                serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {output:?}"));
            for key in ["error", "sandbox", "host", "method", "path", "rule", "hint"] {
                assert!(
                    body.get(key).is_some(),
                    "the answer must have `{key}`: {body}"
                );
            }
            assert_eq!(
                (body["host"].as_str(), body["method"].as_str()),
                (Some("api.example.com"), Some("POST"))
            );
            assert_eq!(
                body["path"].as_str(),
                Some(format!("/{mark}").as_str()),
                "the path stands without its query"
            );
            assert_eq!(body["sandbox"].as_str(), Some(container.id().as_str()));
        }
        assert!(
            upstream::requests(world, &mark).is_empty(),
            "nothing may reach the server"
        );
    }
}

#[test]
fn a_denied_request_over_h2_gets_the_same() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    curl(
        &container,
        &[
            "--http2",
            "-w",
            "\n%{http_version} %{http_code}",
            "-X",
            "DELETE",
            "https://api.example.com/x",
        ],
    )
    .ok()
    .says("2 403")
    .says("\"hint\"");
}

#[test]
fn an_allowed_request_follows_a_denied_one_on_the_same_connection() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let words = [
        "--http1.1",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{num_connects}\n",
        "-X",
        "DELETE",
        "https://api.example.com/a",
        "--next",
        "-o",
        "/dev/null",
        "-sS",
        "-w",
        "%{http_code} %{num_connects}\n",
        "https://api.example.com/b",
    ];
    let output = curl(&container, &words).ok();
    assert!(
        output.stdout.contains("403 1") && output.stdout.contains("200"),
        "{output:?}"
    );
}

#[test]
fn a_request_smuggled_behind_another_is_decided_on_too() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let mark = mark();
    let script = format!(
        "exec 3<>/dev/tcp/api.example.com/80; printf 'GET /a HTTP/1.1\\r\\nHost: api.example.com\\r\\nContent-Length: 4\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\nPOST /{mark} HTTP/1.1\\r\\nHost: api.example.com\\r\\nContent-Length: 0\\r\\n\\r\\n' >&3; timeout 3 cat <&3"
    );
    container.exec(&["bash", "-c", &script]);
    assert!(
        upstream::requests(world, &mark).is_empty(),
        "the second request must not get out"
    );
}
