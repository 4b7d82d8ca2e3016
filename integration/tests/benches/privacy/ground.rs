//! Where the bench happens: a node with its router, two sandboxes, and an upstream that answers at once.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nemoclaw_tests::node::{Node, Sandbox};
use nemoclaw_tests::shell::{run, wait_for};
use serde_json::Value;

use crate::meter;
use crate::texts;

/// The provider's name.
pub const HOST: &str = "cloud.test";
/// Its address.
pub const ADDRESS: &str = "203.0.113.10";
/// Where it speaks plain HTTP.
pub const PLAIN: u16 = 8090;
/// Where its answers are streams.
pub const STREAMS: u16 = 8443;

const PROVIDERS: &str = "\
version: 1
providers:
  open: { type: openai, base_url: 'https://cloud.test/v1', models: [big], file: $D/cloud.key, env: [CLOUD_KEY] }
  slow: { type: openai, base_url: 'https://slow.test/v1', models: [slow], file: $D/cloud.key, env: [SLOW_KEY] }
  streams: { type: openai, base_url: 'https://cloud.test:8443/v1', models: [streams], file: $D/cloud.key, env: [STREAMS_KEY] }
";

/// A policy with the usual rules for what is sensitive, or with none.
fn policy(privacy: bool) -> String {
    let privacy = if privacy { "privacy: {}\n" } else { "" };
    format!(
        "version: 1\nfilesystem_policy:\n  read_only: [/]\n  read_write: [/sandbox, /tmp, /dev/null]\ninference: {{}}\n{privacy}"
    )
}

/// The node, with its upstream running.
pub struct Ground {
    upstream: Child,
    /// The node.
    pub node: Node,
}

impl Ground {
    /// Starts it.
    pub fn set() -> Ground {
        if let Err(reason) = Node::possible() {
            panic!("{reason}");
        }
        let node = Node::start(&[HOST, "slow.test"], "");
        node.secret("cloud.key", "the-key-of-the-bench");
        node.providers(PROVIDERS, &["open", "slow", "streams"]);
        let upstream = upstream(&node);
        Ground { upstream, node }
    }

    /// A sandbox whose calls are looked through, or one whose calls are not.
    pub fn sandbox(&self, privacy: bool) -> Sandbox<'_> {
        self.node.sandbox(&policy(privacy))
    }

    /// Writes a request's body, where each sandbox sees it.
    pub fn body(&self, sandboxes: &[&Sandbox<'_>], name: &str, value: &Value) {
        let text = value.to_string();
        fs::write(self.node.path(name), &text).expect("a body");
        for sandbox in sandboxes {
            let script = format!("cat >/sandbox/{name} <<'END'\n{text}\nEND");
            sandbox.exec(&["sh", "-c", &script]).ok();
        }
    }

    /// The router's processes.
    pub fn router(&self) -> Vec<i32> {
        meter::family(self.node.router())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.upstream.kill();
        let _ = self.upstream.wait();
    }
}

fn upstream(node: &Node) -> Child {
    let dir = node.dir.path().display().to_string();
    let pem = node.authority.pem(HOST);
    for (name, text) in [
        ("cloud.pem", &pem.certificate),
        ("cloud.pem.key", &pem.key),
        ("answer.json", &texts::answer().to_string()),
        ("stream.sse", &texts::stream()),
    ] {
        fs::write(node.path(name), text).expect("a file of the upstream's");
    }
    // A POST for a static file is refused with 405, which an error page turns into the file.
    let place = |file: &str, kind: &str| {
        format!(
            "location / {{ root {dir}; default_type {kind}; client_max_body_size 8m; client_body_buffer_size 1m; \
             error_page 405 =200 /{file}; types {{ }} if ($request_method = POST) {{ rewrite .* /{file} break; }} }}"
        )
    };
    let config = format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.err; user root;
         events {{ worker_connections 1000; }}
         http {{ access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
           ssl_certificate {dir}/cloud.pem; ssl_certificate_key {dir}/cloud.pem.key; ssl_session_cache shared:s:1m; open_file_cache max=10;
           client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
           server {{ listen {ADDRESS}:443 ssl; listen {ADDRESS}:{PLAIN}; {} }}
           server {{ listen {ADDRESS}:{STREAMS} ssl; {} }} }}",
        place("answer.json", "application/json"),
        place("stream.sse", "text/event-stream"),
    );
    let file = node.path("nginx.conf");
    fs::write(&file, config).expect("nginx.conf");
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "nsenter"])
        .arg(format!("--net={}", node.outside.path().display()))
        .args(["nginx", "-c"])
        .arg(&file)
        .stdin(Stdio::null())
        .spawn()
        .expect("nginx");
    let net = format!("--net={}", node.host.path().display());
    let url = format!("http://{ADDRESS}:{PLAIN}/v1/chat/completions");
    wait_for("the upstream's answer", Duration::from_secs(10), || {
        let said = run(
            "nsenter",
            &[&net, "curl", "-sf", "-m", "2", "-d", "{}", &url],
        );
        said.stdout.contains("choices").then_some(())
    });
    child
}
