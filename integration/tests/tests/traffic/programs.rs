//! Unmodified programs reach allowed names: curl, git, pip, Node, Python.

use crate::support::{BACKENDS, curl, debian, mark};
use nemoclaw_tests::{nemoclaw, upstream};

#[test]
fn curl_reaches_an_allowed_name() {
    let world = nemoclaw!();
    for runtime in BACKENDS {
        let container = debian(world, runtime);
        let mark = mark();
        curl(
            &container,
            &[&format!("https://api.example.com/{mark}?q=1")],
        )
        .ok()
        .says("\"nct\": \"ok\"");
        let seen = upstream::requests(world, &mark);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(
            (seen[0]["host"].as_str(), seen[0]["sni"].as_str()),
            (Some("api.example.com"), Some("api.example.com"))
        );
        curl(&container, &[&format!("http://api.example.com/{mark}")])
            .ok()
            .says("\"nct\": \"ok\"");
    }
}

#[test]
fn curl_speaks_h2_with_the_router() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let words = [
        "--http2",
        "-o",
        "/dev/null",
        "-w",
        "%{http_version} %{http_code}",
        "https://api.example.com/h2",
    ];
    curl(&container, &words).ok().says("2 200");
    curl(
        &container,
        &[
            "--http1.1",
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
            "https://api.example.com/h1",
        ],
    )
    .ok()
    .says("1.1 200");
}

#[test]
fn git_clones_over_tls() {
    let world = nemoclaw!();
    for runtime in BACKENDS {
        let container = debian(world, runtime);
        container
            .exec(&[
                "git",
                "clone",
                "-q",
                "https://git.example.com/demo.git",
                "/sandbox/demo",
            ])
            .ok();
        container
            .exec(&["cat", "/sandbox/demo/README"])
            .ok()
            .says("hello from git");
    }
}

#[test]
fn git_cannot_push() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let script = "cd /sandbox && git clone -q https://git.example.com/demo.git d && cd d && echo x >x && git add x && \
                  git -c user.name=a -c user.email=a@example.com commit -qm x && git push origin HEAD:refs/heads/stolen";
    container.exec(&["bash", "-c", script]).fails_saying("403");
    let refs = nemoclaw_tests::sh(&format!(
        "git -C {} for-each-ref",
        world.text("srv/git/demo.git")
    ));
    assert!(!refs.stdout.contains("stolen"), "{refs:?}");
}

#[test]
fn pip_downloads_a_wheel() {
    let world = nemoclaw!();
    for runtime in BACKENDS {
        let container = debian(world, runtime);
        let words = [
            "pip",
            "--disable-pip-version-check",
            "download",
            "-q",
            "--no-cache-dir",
            "--index-url",
            "https://pypi.example.com/simple",
            "-d",
            "/sandbox",
            "nct-demo",
        ];
        container.exec_with(&["-e", "HOME=/sandbox"], &words).ok();
        container
            .exec(&["ls", "/sandbox"])
            .ok()
            .says("nct_demo-1.0-py3-none-any.whl");
    }
}

#[test]
fn node_fetches() {
    let world = nemoclaw!();
    for runtime in BACKENDS {
        let container = debian(world, runtime);
        let script = "fetch('https://api.example.com/node').then(r => r.text()).then(t => console.log(t)).catch(e => { console.error(e); process.exit(1) })";
        container
            .exec(&["node", "-e", script])
            .ok()
            .says("\"nct\": \"ok\"");
    }
}

#[test]
fn python_trusts_the_routers_authority() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let script = "import urllib.request; print(urllib.request.urlopen('https://api.example.com/python', timeout=10).read().decode())";
    container
        .exec(&["python3", "-c", script])
        .ok()
        .says("\"nct\": \"ok\"");
}

#[test]
fn the_usual_variables_name_the_bundle() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let names = [
        "SSL_CERT_FILE",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "PIP_CERT",
        "CARGO_HTTP_CAINFO",
    ];
    let exec = container.exec(&["env"]).ok();
    let run =
        nemoclaw_tests::container::run(world, "nemoclaw-test", &[], &["nct/debian", "env"]).ok();
    for name in names {
        assert!(
            run.stdout.contains(&format!("{name}=")),
            "run: {name}: {run:?}"
        );
        assert!(
            exec.stdout.contains(&format!("{name}=")),
            "exec: {name}: {exec:?}"
        );
    }
    // The image's own authorities stay beside ours.
    let count = container
        .exec(&["bash", "-c", "grep -c BEGIN $SSL_CERT_FILE"])
        .ok();
    assert!(
        count.text().parse::<u32>().expect("count") > 50,
        "{count:?}"
    );
}

#[test]
fn a_large_answer_comes_through_whole() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    for url in [
        "https://www.example.com/bytes/30000000",
        "http://www.example.com/bytes/30000000",
    ] {
        curl(
            &container,
            &["-m", "60", "-o", "/dev/null", "-w", "%{size_download}", url],
        )
        .ok()
        .says("30000000");
    }
}

#[test]
fn a_large_upload_comes_through_whole() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let script = "head -c 20000000 /dev/zero | curl -sS -m 60 --data-binary @- https://www.example.com/upload";
    container
        .exec(&["bash", "-c", script])
        .ok()
        .says("\"got\": 20000000");
}
