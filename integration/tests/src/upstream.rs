//! The servers in `nct-srv`: certificate authority, repository, package, and the log of what reached them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::netns;
use crate::shell::{sh, wait_for};
use crate::world::{World, alive, end, workspace};

/// Names the router's node configuration knows, with their addresses in `nct-srv`.
pub const HOSTS: &[(&str, &str)] = &[
    ("api.example.com", "203.0.113.10"),
    ("git.example.com", "203.0.113.11"),
    ("pypi.example.com", "203.0.113.12"),
    ("www.example.com", "203.0.113.13"),
    ("other.example.com", "203.0.113.14"),
    ("raw.example.com", "203.0.113.15"),
    ("one.wild.example.com", "203.0.113.16"),
    ("two.wild.example.com", "203.0.113.16"),
    ("evil.example.net", "203.0.113.16"),
];

/// The test authority's certificate.
pub fn ca(world: &World) -> PathBuf {
    world.path("tls/ca.pem")
}

fn pid_file(world: &World) -> PathBuf {
    world.path("run/upstream.pid")
}

/// Starts the servers, where they do not run yet.
///
/// # Panics
/// When they do not come up.
pub fn up(world: &World) {
    if alive(&pid_file(world)).is_some() {
        return;
    }
    certificates(world);
    repository(world);
    package(world);
    let srv = world.path("srv");
    fs::write(srv.join("zone.json"), zone()).expect("zone");
    let _ = fs::remove_file(srv.join("ready"));
    let log = File::create(world.path("log/upstream.log")).expect("log");
    let child = Command::new("setsid")
        .arg("nsenter")
        .arg(format!("--net={}", netns::path(netns::SERVERS).display()))
        .arg("python3")
        .arg(workspace().join("integration/tests/servers/upstream.py"))
        .arg(&srv)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .spawn()
        .expect("upstream servers");
    fs::write(pid_file(world), child.id().to_string()).expect("pid file");
    wait_for(
        "the upstream servers (log/upstream.log)",
        Duration::from_secs(20),
        || srv.join("ready").exists().then_some(()),
    );
}

/// Ends them.
pub fn down(world: &World) {
    end(&pid_file(world), 3);
}

/// What DNS in `nct-srv` answers; names that point where the router must not dial.
fn zone() -> String {
    serde_json::json!({
        "resolved.example.com": ["203.0.113.13"],
        "rebind.example.com": ["10.99.0.5"],
        "loopback.example.com": ["127.0.0.1"],
        "metadata.example.com": ["169.254.169.254"],
        "linklocal.example.com": ["169.254.7.7"],
    })
    .to_string()
}

fn certificates(world: &World) {
    let tls = world.text("tls");
    let srv = world.text("srv");
    let script = format!(
        "set -e; cd {tls}; test -e ca.pem || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
           -days 3650 -subj '/CN=nct test authority' -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
           -keyout ca.key -out ca.pem 2>/dev/null
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=example.com' -keyout server.key -out server.csr 2>/dev/null
        printf 'subjectAltName=DNS:example.com,DNS:*.example.com,DNS:*.wild.example.com,DNS:*.example.net\\nextendedKeyUsage=serverAuth\\nbasicConstraints=CA:FALSE\\n' >ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 800 -extfile ext -out server.crt 2>/dev/null
        cat server.crt ca.pem >{srv}/server.pem; cp server.key {srv}/server.key"
    );
    sh(&script).ok();
}

fn repository(world: &World) {
    let srv = world.text("srv");
    let script = format!(
        "set -e; test -d {srv}/git/demo.git && exit 0; rm -rf {srv}/work; mkdir -p {srv}/git; git init -q {srv}/work; cd {srv}/work
        echo 'hello from git' >README; git add README
        git -c user.name=t -c user.email=t@example.com commit -qm one; git clone -q --bare . {srv}/git/demo.git
        git -C {srv}/git/demo.git config http.receivepack true"
    );
    sh(&script).ok();
}

/// A wheel is a zip of three files; Python's own zipfile writes it.
fn package(world: &World) {
    let script = format!(
        "set -e; mkdir -p {srv}/packages; cd {srv}/packages; test -e nct_demo-1.0-py3-none-any.whl && exit 0
        python3 - <<'P'
import zipfile
z = zipfile.ZipFile('nct_demo-1.0-py3-none-any.whl', 'w')
d = 'nct_demo-1.0.dist-info/'
z.writestr('nct_demo.py', 'word = \"hello from pip\"\\n')
z.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: nct-demo\\nVersion: 1.0\\n')
z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: nct\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
z.writestr(d + 'RECORD', 'nct_demo.py,,\\n' + d + 'METADATA,,\\n' + d + 'WHEEL,,\\n' + d + 'RECORD,,\\n')
z.close()
P",
        srv = world.text("srv")
    );
    sh(&script).ok();
}

/// The lines that reached the servers and hold `mark` (put a unique word into the path or payload).
///
/// # Panics
/// When the log cannot be read.
pub fn requests(world: &World, mark: &str) -> Vec<serde_json::Value> {
    let log = fs::read_to_string(world.path("srv/requests.jsonl")).unwrap_or_default();
    log.lines()
        .filter(|line| line.contains(mark))
        .map(|line| serde_json::from_str(line).expect("request line"))
        .collect()
}
