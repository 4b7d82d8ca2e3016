//! LiteLLM's proxy in front of the same upstream, and Presidio's analyzer on the same texts.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nemoclaw_tests::node::Node;
use nemoclaw_tests::shell::{finish, run, wait_for};
use nemoclaw_tests::world::workspace;

use crate::ground::{ADDRESS, PLAIN};

/// LiteLLM's port.
pub const PORT: u16 = 4000;

fn program(name: &str) -> Result<PathBuf, String> {
    let path = workspace()
        .join("target/bench/privacy-peers/bin")
        .join(name);
    let ready = path
        .parent()
        .and_then(|bin| bin.parent())
        .map(|dir| dir.join("versions"));
    if ready.is_some_and(|ready| ready.exists()) && path.exists() {
        return Ok(path);
    }
    Err(format!(
        "there is no `{}`: run `integration/tests/benches/setup-privacy.sh`",
        path.display()
    ))
}

/// LiteLLM; it ends with the value.
pub struct Litellm(Child);

impl Litellm {
    /// Starts it on the host's loopback, and waits for its first answer.
    pub fn start(node: &Node) -> Result<Litellm, String> {
        let program = program("litellm")?;
        let config = format!(
            "model_list:\n  - model_name: big\n    litellm_params: {{ model: openai/big, api_base: 'http://{ADDRESS}:{PLAIN}/v1', api_key: unused }}\n\
             litellm_settings: {{ telemetry: false, num_retries: 0 }}\n"
        );
        let file = node.path("litellm.yaml");
        fs::write(&file, config).expect("configuration");
        let log = fs::File::create(node.path("litellm.log")).expect("log");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "nsenter"])
            .arg(format!("--net={}", node.host.path().display()))
            .arg(program)
            .arg("--config")
            .arg(&file)
            .args([
                "--host",
                "127.0.0.1",
                "--num_workers",
                "1",
                "--port",
                &PORT.to_string(),
            ])
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env(
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY",
                "true",
            )
            .env("LITELLM_LOG", "ERROR")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("litellm");
        let peer = Litellm(child);
        let net = format!("--net={}", node.host.path().display());
        let url = format!("http://127.0.0.1:{PORT}/v1/chat/completions");
        let body = r#"{"model":"big","messages":[{"role":"user","content":"hello"}]}"#;
        wait_for("LiteLLM's answer", Duration::from_secs(90), || {
            let words = [
                &net,
                "curl",
                "-sf",
                "-m",
                "20",
                "-H",
                "content-type: application/json",
                "-d",
                body,
                &url,
            ];
            run("nsenter", &words)
                .stdout
                .contains("choices")
                .then_some(())
        });
        Ok(peer)
    }

    /// Its processes.
    pub fn pids(&self) -> Vec<i32> {
        crate::meter::family(self.0.id().cast_signed())
    }
}

impl Drop for Litellm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Microseconds that Presidio's analyzer takes for each of the texts, the median of `count`.
pub fn presidio(texts: &[&str], count: usize) -> Result<Vec<f64>, String> {
    let mut command = Command::new(program("python")?);
    command
        .args(["-c", include_str!("presidio.py"), &count.to_string()])
        .args(texts)
        .stderr(Stdio::null());
    let said = finish(command, None, Duration::from_secs(120)).ok();
    Ok(said
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("took ")?.parse().ok())
        .collect())
}
