//! Pods, asked for as kubelet does: over the container runtime interface.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::container::unique;
use crate::shell::{Output, finish};
use crate::world::{World, tools_dir, workspace};
use crate::{containerd, shell};

/// The cgroup of all pods of the tests.
const CGROUP: &str = "/nct-pods";

/// One call; the answer's JSON is the standard output.
pub fn call(world: &World, method: &str, request: &Value) -> Output {
    let mut command = Command::new(tools_dir().join("venv/bin/python"));
    command
        .arg(workspace().join("integration/tests/clients/cri.py"))
        .arg(containerd::socket(world))
        .arg(method)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    finish(
        command,
        Some(request.to_string().as_bytes()),
        Duration::from_secs(90),
    )
}

/// One call that must succeed.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn answer(world: &World, method: &str, request: &Value) -> Value {
    let output = call(world, method, request).ok();
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A pod's sandbox, removed with all its containers when the test ends.
#[derive(Debug)]
pub struct Pod<'w> {
    /// Its world.
    pub world: &'w World,
    /// The sandbox's id, which is the box's name.
    pub id: String,
    config: Value,
}

impl<'w> Pod<'w> {
    /// A pod of `handler` with `annotations`; must come up.
    #[track_caller]
    pub fn start(world: &'w World, handler: &str, annotations: &[(&str, &str)]) -> Pod<'w> {
        Pod::ask(world, handler, annotations)
            .unwrap_or_else(|refused| panic!("no pod: {refused:?}\n{}", containerd::log(world)))
    }

    /// A pod of `handler`, or what the engine said instead.
    ///
    /// # Errors
    /// There is none.
    pub fn ask(
        world: &'w World,
        handler: &str,
        annotations: &[(&str, &str)],
    ) -> Result<Pod<'w>, Output> {
        containerd::ensure(world);
        let name = unique("pod");
        let annotations: serde_json::Map<String, Value> = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let config = json!({
            "metadata": { "name": name, "uid": name, "namespace": "default", "attempt": 0 },
            "hostname": name,
            "log_directory": world.text(&format!("ctr/logs/{name}")),
            "annotations": annotations,
            "linux": {
                "cgroup_parent": CGROUP,
                "security_context": { "namespace_options": { "pid": "CONTAINER" } },
            },
        });
        let request = json!({ "config": config, "runtime_handler": handler });
        let output = call(world, "RunPodSandbox", &request);
        if output.code != 0 {
            return Err(output);
        }
        let answer: Value = serde_json::from_str(&output.stdout).expect("an answer");
        Ok(Pod {
            world,
            id: text(&answer["pod_sandbox_id"]),
            config,
        })
    }

    /// A started container of this pod.
    #[track_caller]
    pub fn container(&self, name: &str, image: &str, words: &[&str]) -> Member<'_> {
        self.ask_container(name, image, words, &json!({}))
            .unwrap_or_else(|refused| {
                panic!("no container: {refused:?}\n{}", containerd::log(self.world))
            })
    }

    /// A started container with more in its configuration, or what the engine said instead.
    ///
    /// # Errors
    /// It cannot be created or started.
    pub fn ask_container(
        &self,
        name: &str,
        image: &str,
        words: &[&str],
        more: &Value,
    ) -> Result<Member<'_>, Output> {
        let mut config = json!({
            "metadata": { "name": name },
            "image": { "image": format!("docker.io/{image}:latest") },
            "command": words,
            "log_path": format!("{name}.log"),
            "linux": {
                "resources": { "memory_limit_in_bytes": 512 << 20 },
                "security_context": { "namespace_options": { "pid": "CONTAINER" } },
            },
        });
        merge(&mut config, more);
        let request = json!({
            "pod_sandbox_id": self.id, "config": config, "sandbox_config": self.config
        });
        let made = call(self.world, "CreateContainer", &request);
        if made.code != 0 {
            return Err(made);
        }
        let answer: Value = serde_json::from_str(&made.stdout).expect("an answer");
        let member = Member {
            pod: self,
            id: text(&answer["container_id"]),
            name: name.to_owned(),
        };
        let started = call(
            self.world,
            "StartContainer",
            &json!({ "container_id": member.id }),
        );
        if started.code != 0 {
            return Err(started);
        }
        Ok(member)
    }

    /// What the engine says of the sandbox.
    #[track_caller]
    pub fn status(&self) -> Value {
        let request = json!({ "pod_sandbox_id": self.id, "verbose": true });
        answer(self.world, "PodSandboxStatus", &request)
    }

    /// Its address.
    #[track_caller]
    pub fn ip(&self) -> String {
        text(&self.status()["status"]["network"]["ip"])
    }

    /// Host pid of the pause process.
    #[track_caller]
    pub fn pid(&self) -> i64 {
        pid(&self.status())
    }

    /// Hardware address of its interface.
    #[track_caller]
    pub fn mac(&self) -> String {
        let pid = self.pid().to_string();
        let link = shell::run(
            "nsenter",
            &["-t", &pid, "-n", "ip", "-o", "link", "show", "eth0"],
        )
        .ok();
        let mut words = link.stdout.split_whitespace();
        words.find(|word| *word == "link/ether");
        words.next().unwrap_or_default().to_owned()
    }

    /// `StopPodSandbox`, `RemovePodSandbox`.
    #[track_caller]
    pub fn end(&self) {
        for method in ["StopPodSandbox", "RemovePodSandbox"] {
            answer(self.world, method, &json!({ "pod_sandbox_id": self.id }));
        }
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        for method in ["StopPodSandbox", "RemovePodSandbox"] {
            call(self.world, method, &json!({ "pod_sandbox_id": self.id }));
        }
    }
}

/// A container of a pod; it ends with the pod.
#[derive(Debug)]
pub struct Member<'p> {
    pod: &'p Pod<'p>,
    /// Its id.
    pub id: String,
    name: String,
}

impl Member<'_> {
    /// `ExecSync`, as an output.
    #[track_caller]
    pub fn exec(&self, words: &[&str]) -> Output {
        let request = json!({ "container_id": self.id, "cmd": words, "timeout": 30 });
        let called = call(self.pod.world, "ExecSync", &request);
        let Ok(answer) = serde_json::from_str::<Value>(&called.stdout) else {
            return called;
        };
        Output {
            command: words.join(" "),
            code: answer["exit_code"]
                .as_i64()
                .map_or(0, |code| i32::try_from(code).expect("code")),
            stdout: text(&answer["stdout"]),
            stderr: text(&answer["stderr"]),
            took: called.took,
        }
    }

    /// What the engine says of it.
    #[track_caller]
    pub fn status(&self) -> Value {
        let request = json!({ "container_id": self.id, "verbose": true });
        answer(self.pod.world, "ContainerStatus", &request)
    }

    /// One call about this container; `more` is added to its id.
    #[track_caller]
    pub fn call(&self, method: &str, more: &Value) -> Value {
        let mut request = json!({ "container_id": self.id });
        merge(&mut request, more);
        answer(self.pod.world, method, &request)
    }

    /// Host pid of its first process.
    #[track_caller]
    pub fn pid(&self) -> i64 {
        pid(&self.status())
    }

    /// Its log file as kubelet finds it.
    pub fn log(&self) -> String {
        let directory = text(&self.pod.config["log_directory"]);
        std::fs::read_to_string(format!("{directory}/{}.log", self.name)).unwrap_or_default()
    }

    /// Waits until its log holds `word`.
    #[track_caller]
    pub fn logs(&self, word: &str) {
        shell::wait_for(
            &format!("{word:?} in the log"),
            Duration::from_secs(40),
            || self.log().contains(word).then_some(()),
        );
    }
}

/// Adds what `more` has to `all`, in depth.
fn merge(all: &mut Value, more: &Value) {
    match more {
        Value::Object(fields) => {
            for (key, value) in fields {
                merge(&mut all[key], value);
            }
        }
        other => *all = other.clone(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The pid in the verbose part of a status, which is JSON in a string.
fn pid(status: &Value) -> i64 {
    let info: Value = serde_json::from_str(&text(&status["info"]["info"])).expect("verbose status");
    info["pid"].as_i64().expect("pid")
}
