//! Real models: llama.cpp's own server with a small one, started where it belongs and ended by its pid.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::node::{Node, Space};
use crate::shell::wait_for;
use crate::world::{tools_dir, workspace};

/// The longest that a loaded machine may need to read the weights.
const READY: Duration = Duration::from_secs(60);

/// A server of a real model; it ends with the value.
#[derive(Debug)]
pub struct Real {
    /// Where it listens, in its namespace.
    pub address: SocketAddr,
    process: Child,
}

impl Real {
    /// What this machine lacks for real models, if anything.
    pub fn possible() -> Result<(), String> {
        if python().exists() {
            return Ok(());
        }
        Err(format!(
            "`{}` is missing: run `integration/tests/setup.sh`",
            python().display()
        ))
    }

    /// Starts one on the loopback of a namespace, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(node: &Node, space: &Space, port: u16, name: &str) -> Real {
        let settings = json!({ "host": "127.0.0.1", "port": port, "name": name });
        let path = node.dir.path().join(format!("{name}.log"));
        let log = fs::File::create(&path).expect("log");
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "nice", "-n", "19", "nsenter"])
            .arg(format!("--net={}", space.path().display()))
            .arg(python())
            .arg(workspace().join("integration/tests/servers/model.py"))
            .arg(settings.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("a model's server");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut real = Real { address, process };
        let what = format!("a model ({})", path.display());
        wait_for(&what, READY, || {
            let ended = real.process.try_wait().expect("wait");
            assert!(
                ended.is_none(),
                "{ended:?}: {:?}",
                fs::read_to_string(&path)
            );
            healthy(space, address).then_some(())
        });
        real
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        self.process.kill().expect("kill");
        self.process.wait().expect("wait");
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether its `/health` says so: while it reads the weights the answer is 503.
fn healthy(space: &Space, address: SocketAddr) -> bool {
    use std::io::{Read, Write};
    space.inside(move || {
        let Ok(mut stream) = TcpStream::connect(address) else {
            return false;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let mut said = String::new();
        let _ = stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let _ = stream.read_to_string(&mut said);
        said.starts_with("HTTP/1.1 200")
    })
}

fn python() -> PathBuf {
    tools_dir().join("models/bin/python")
}
