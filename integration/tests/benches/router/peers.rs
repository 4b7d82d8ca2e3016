//! haproxy, nginx and Envoy with one worker each, in front of the same upstream, with the same check of method, host and path
//! and with TLS on both sides where ours has it. Ours records every request and connection, so with `--logs on` (the
//! default) each of theirs leaves a line in a file too; with `--logs off` theirs leave none.

use std::fs;
use std::path::{Path, PathBuf};

use nemoclaw_tests::world::workspace;

use crate::ground::{Ground, PORT, PROXIES, Server};
use crate::meter;
use crate::subjects::{ENVOY, HAPROXY, Mode, NGINX, Subject};

/// Whether peers log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    /// A line for each request and each connection.
    On,
    /// None.
    Off,
}

/// A peer that runs.
pub struct Peer {
    /// What is measured.
    pub subject: Subject,
    _server: Server,
}

/// Starts a peer.
///
/// # Errors
/// It is not installed: one sentence.
pub fn start(ground: &Ground, name: &'static str, logs: Logs) -> Result<Peer, String> {
    let file = ground.path(&format!("{name}.conf"));
    let words = match name {
        HAPROXY => vec!["-f".to_owned(), file.display().to_string()],
        NGINX => vec!["-c".to_owned(), file.display().to_string()],
        _ => [
            "-c",
            &file.display().to_string(),
            "--concurrency",
            "1",
            "-l",
            "error",
            "--disable-hot-restart",
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    let text = match name {
        HAPROXY => haproxy(&ground.dir, logs),
        NGINX => nginx(&ground.dir, logs),
        _ => envoy(&ground.dir, logs),
    };
    let program = match name {
        HAPROXY => PathBuf::from("/usr/sbin/haproxy"),
        NGINX => PathBuf::from("/usr/sbin/nginx"),
        _ => workspace().join("target/bench/envoy/envoy/_bin/envoy"),
    };
    if !program.exists() {
        return Err(format!(
            "{name} is left out: there is no `{}`",
            program.display()
        ));
    }
    // Envoy goes by the end of the name.
    fs::write(&file, text).expect("configuration");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let server = Server::start(ground, name, &program, &words);
    for mode in Mode::ALL {
        server.listens(ground, PROXIES, mode.peer_port(name));
    }
    let subject = Subject {
        name,
        client: None,
        pids: meter::family(server.pid()),
    };
    Ok(Peer {
        subject,
        _server: server,
    })
}

fn port(peer: &str, mode: Mode) -> String {
    format!("{PROXIES}:{}", mode.peer_port(peer))
}

fn haproxy(dir: &Path, logs: Logs) -> String {
    let dir = dir.display();
    // Its standard output is a file.
    let (log, tcp, http) = match logs {
        Logs::On => (
            " log stdout format raw local0\n",
            " log global\n option tcplog\n",
            " log global\n option httplog\n",
        ),
        Logs::Off => ("", "", ""),
    };
    let mut text = format!(
        "global\n nbthread 1\n maxconn 9000\n{log}\
         defaults\n mode http\n timeout connect 30s\n timeout client 600s\n timeout server 600s\n timeout http-keep-alive 600s\n http-reuse always\n\
         frontend l4\n mode tcp\n{tcp} bind {}\n default_backend l4\nbackend l4\n mode tcp\n server up {}:{PORT}\n",
        port(HAPROXY, Mode::L4),
        Mode::L4.upstream(),
    );
    for (mode, bind, server) in [
        (Mode::L7, "", ""),
        (
            Mode::TlsOne,
            " ssl crt @/both.pem alpn http/1.1",
            " ssl verify required ca-file @/ca.pem sni str(tls.ours.test)",
        ),
        (
            Mode::TlsTwo,
            " ssl crt @/both.pem alpn h2",
            " ssl verify required ca-file @/ca.pem sni str(h2.ours.test) alpn h2",
        ),
    ] {
        let name = mode.name();
        text += &format!(
            "frontend {name}\n{http} bind {0}{bind}\n acl host hdr(host) -i {1}:{2}\n acl path path_beg /api/\n \
             http-request deny unless METH_GET host path\n default_backend {name}\nbackend {name}\n server up {3}:{PORT}{server}\n",
            port(HAPROXY, mode),
            mode.host(HAPROXY),
            mode.peer_port(HAPROXY),
            mode.upstream(),
        );
    }
    text.replace("@", &dir.to_string())
}

fn nginx(dir: &Path, logs: Logs) -> String {
    let (tcp, http) = match logs {
        Logs::On => (
            "log_format tcp '$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time'; access_log @/nginx-tcp.log tcp;",
            "access_log @/nginx-http.log combined;",
        ),
        Logs::Off => ("", "access_log off;"),
    };
    let tls = |mode: Mode, h2: &str| {
        format!(
            "server {{ listen {} ssl{h2} backlog=16384; server_name {}; ssl_certificate @/server.pem; ssl_certificate_key @/server.key; \
             location /api/ {{ limit_except GET {{ deny all; }} proxy_pass https://{}; proxy_ssl_verify on; \
             proxy_ssl_trusted_certificate @/ca.pem; proxy_ssl_name tls.ours.test; proxy_ssl_server_name on; }} location / {{ return 403; }} }}",
            port(NGINX, mode),
            mode.host(NGINX),
            mode.name(),
        )
    };
    let pools = Mode::ALL.map(|mode| {
        format!(
            "upstream {} {{ server {}:{PORT}; keepalive 64; keepalive_requests 1000000000; }}",
            mode.name(),
            mode.upstream()
        )
    });
    let text = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;
         daemon off; worker_processes 1; pid @/nginx.pid; error_log @/nginx.err; user root;
         events {{ worker_connections 40000; }}
         stream {{ {tcp} server {{ listen {} backlog=16384; proxy_pass {}:{PORT}; }} }}
         http {{
           {http} tcp_nodelay on; keepalive_timeout 600s; keepalive_requests 1000000000;
           client_body_temp_path @/n1; proxy_temp_path @/n2; fastcgi_temp_path @/n3; uwsgi_temp_path @/n4; scgi_temp_path @/n5;
           proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $http_host; proxy_max_temp_file_size 0;
           {}
           server {{ listen {} backlog=16384; server_name {};
             location /api/ {{ limit_except GET {{ deny all; }} proxy_pass http://l7; }} location / {{ return 403; }} }}
           {} {}
         }}",
        port(NGINX, Mode::L4),
        Mode::L4.upstream(),
        pools.concat(),
        port(NGINX, Mode::L7),
        Mode::L7.host(NGINX),
        tls(Mode::TlsOne, ""),
        tls(Mode::TlsTwo, " http2"),
    );
    text.replace('@', &dir.display().to_string())
}

/// JSON, which Envoy reads as YAML.
fn envoy(dir: &Path, logs: Logs) -> String {
    let at = |address: &str, port: u16| serde_json::json!({ "socket_address": { "address": address, "port_value": port } });
    let file = |name: &str| serde_json::json!({ "filename": dir.join(name) });
    let of = |kind: &str| format!("type.googleapis.com/envoy.extensions.{kind}");
    let log = match logs {
        Logs::On => serde_json::json!([{ "name": "log", "typed_config": {
            "@type": of("access_loggers.file.v3.FileAccessLog"), "path": dir.join("envoy-access.log") } }]),
        Logs::Off => serde_json::json!([]),
    };
    let mut listeners = Vec::new();
    let mut clusters = Vec::new();
    for mode in Mode::ALL {
        let name = mode.name();
        let secure = matches!(mode, Mode::TlsOne | Mode::TlsTwo);
        let filter = if mode == Mode::L4 {
            serde_json::json!({ "name": "tcp", "typed_config": {
                "@type": of("filters.network.tcp_proxy.v3.TcpProxy"), "stat_prefix": name, "cluster": name, "access_log": log } })
        } else {
            serde_json::json!({ "name": "http", "typed_config": {
                "@type": of("filters.network.http_connection_manager.v3.HttpConnectionManager"),
                "stat_prefix": name, "generate_request_id": false, "access_log": log,
                "route_config": { "virtual_hosts": [ { "name": name, "domains": [format!("{}:{}", mode.host(ENVOY), mode.peer_port(ENVOY))],
                    "routes": [ { "match": { "prefix": "/api/", "headers": [ { "name": ":method", "string_match": { "exact": "GET" } } ] },
                                  "route": { "cluster": name, "timeout": "600s" } } ] } ] },
                "http_filters": [ { "name": "router", "typed_config": { "@type": of("filters.http.router.v3.Router"), "suppress_envoy_headers": true } } ] } })
        };
        let mut chain = serde_json::json!({ "filters": [filter] });
        let mut cluster = serde_json::json!({ "name": name, "type": "STATIC", "connect_timeout": "30s", "load_assignment": { "cluster_name": name,
            "endpoints": [ { "lb_endpoints": [ { "endpoint": { "address": at(mode.upstream(), PORT) } } ] } ] } });
        if secure {
            let alpn = if mode == Mode::TlsTwo {
                "h2"
            } else {
                "http/1.1"
            };
            chain["transport_socket"] = serde_json::json!({ "name": "tls", "typed_config": {
                "@type": of("transport_sockets.tls.v3.DownstreamTlsContext"), "common_tls_context": { "alpn_protocols": [alpn],
                "tls_certificates": [ { "certificate_chain": file("server.pem"), "private_key": file("server.key") } ] } } });
            cluster["transport_socket"] = serde_json::json!({ "name": "tls", "typed_config": {
                "@type": of("transport_sockets.tls.v3.UpstreamTlsContext"), "sni": "tls.ours.test",
                "common_tls_context": { "alpn_protocols": [alpn], "validation_context": { "trusted_ca": file("ca.pem") } } } });
        }
        if mode == Mode::TlsTwo {
            cluster["typed_extension_protocol_options"] = serde_json::json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": of("upstreams.http.v3.HttpProtocolOptions"), "explicit_http_config": { "http2_protocol_options": {} } } });
        }
        clusters.push(cluster);
        listeners.push(serde_json::json!({ "name": name, "address": at(PROXIES, mode.peer_port(ENVOY)), "filter_chains": [chain] }));
    }
    serde_json::json!({ "static_resources": { "listeners": listeners, "clusters": clusters } })
        .to_string()
}
