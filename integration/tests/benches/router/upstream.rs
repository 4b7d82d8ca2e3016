//! The upstream: nginx with a small and a large file.

use std::fs;
use std::path::Path;

use crate::ground::{Ground, PLAIN, PORT, Server, TLS_ONE, TLS_TWO};

/// The small file, as an API's answer.
pub const SMALL: &str = "/api/1k";
/// The large file.
pub const LARGE: &str = "/api/16m";
/// Its bytes.
pub const LARGE_BYTES: usize = 16 << 20;

/// Starts it.
pub fn start(ground: &Ground) -> Server {
    let files = ground.path("files/api");
    fs::create_dir_all(&files).expect("files");
    fs::write(files.join("1k"), vec![b'x'; 1024]).expect("small file");
    fs::write(files.join("16m"), vec![b'x'; LARGE_BYTES]).expect("large file");
    let dir = ground.dir.display();
    let config = format!(
        "daemon off; worker_processes 1; pid {dir}/upstream.pid; error_log {dir}/upstream.err; user root;
         events {{ worker_connections 40000; }}
         http {{
           access_log off; sendfile on; tcp_nodelay on; keepalive_timeout 600s; keepalive_requests 1000000000;
           open_file_cache max=10; types {{ }} default_type text/plain;
           ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key; ssl_session_cache shared:s:1m;
           client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
           server {{
             listen {PLAIN}:{PORT} backlog=16384; listen {TLS_ONE}:{PORT} ssl backlog=16384; listen {TLS_TWO}:{PORT} ssl http2 backlog=16384;
             root {dir}/files;
           }}
         }}"
    );
    let file = ground.path("upstream.conf");
    fs::write(&file, config).expect("upstream.conf");
    let server = Server::start(
        ground,
        "upstream",
        Path::new("nginx"),
        &["-c", &file.display().to_string()],
    );
    server.listens(ground, PLAIN, PORT);
    server
}
