//! `provider detect`: model servers that listen on this machine, and the commands that make providers of them.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::args::Detect;
use crate::models::http::Client;
use crate::models::servers::{self, Server, base_words, is_usual};
use crate::node::Node;
use crate::printer::{Printer, plain, table};

/// How long a server on this machine has for each question.
const PATIENCE: Duration = Duration::from_millis(700);
/// Where they usually listen: vLLM and NIM, Ollama, llama.cpp, LM Studio.
const USUAL: [u16; 4] = [8000, 11434, 8080, 1234];
/// Most models that a command names; beyond, it names none, which means any.
const NAMED: usize = 8;

/// A server for programs.
#[derive(Serialize)]
struct Row {
    r#type: &'static str,
    base_url: String,
    version: Option<String>,
    models: Vec<String>,
    /// The command that makes a provider of it.
    set: String,
}

#[derive(Serialize)]
struct Document {
    version: u32,
    servers: Vec<Row>,
}

/// Run it.
pub fn run(node: &Node, args: &Detect, printer: Printer) -> anyhow::Result<ExitCode> {
    let ports = if args.ports.is_empty() {
        &USUAL[..]
    } else {
        &args.ports
    };
    let servers = super::block_on(all(Client::new(&node.config.router, PATIENCE), ports))?;
    let rows: Vec<Row> = servers
        .iter()
        .map(|server| Row {
            r#type: server.kind,
            base_url: base_words(&server.base),
            version: server.version.clone(),
            models: server.models.clone(),
            set: command(server, &servers),
        })
        .collect();
    if args.json {
        printer.json(&Document {
            version: 1,
            servers: rows,
        })?;
    } else if rows.is_empty() {
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        printer.note(format_args!(
            "no model server answers on this machine at port {}",
            ports.join(", ")
        ));
    } else {
        printer.data(text(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All ports at once, in their order.
async fn all(client: Client, ports: &[u16]) -> Vec<Server> {
    let mut asked = JoinSet::new();
    for port in ports.iter().copied() {
        asked.spawn(servers::at(client.clone(), port));
    }
    let mut found: Vec<Server> = asked.join_all().await.into_iter().flatten().collect();
    found.sort_by_key(|server| ports.iter().position(|port| *port == server.base.port));
    found
}

fn text(rows: &[Row]) -> String {
    let head = ["TYPE", "BASE URL", "VERSION", "MODELS"].map(str::to_owned);
    let mut cells = vec![head.to_vec()];
    cells.extend(rows.iter().map(|row| {
        vec![
            row.r#type.to_owned(),
            row.base_url.clone(),
            plain(row.version.as_deref().unwrap_or("-")),
            plain(&row.models.join(", ")),
        ]
    }));
    let commands: Vec<String> = rows.iter().map(|row| row.set.clone()).collect();
    format!("{}\n\n{}", table(&cells), commands.join("\n"))
}

/// A server says its models' names itself: only those that no shell would read otherwise are written into a command.
fn command(server: &Server, all: &[Server]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+".contains(&byte);
    let same = all.iter().filter(|other| other.kind == server.kind).count();
    let name = match server.kind {
        "generic" => "own".to_owned(),
        kind => kind.replace('.', "-"),
    };
    let name = match same {
        1 => name,
        _ => format!("{name}-{}", server.base.port),
    };
    let mut words = format!("nemoclaw provider set {name} --type {}", server.kind);
    if !is_usual(server.kind, &server.base) {
        words.push_str(&format!(" --base-url {}", base_words(&server.base)));
    }
    let sound = server
        .models
        .iter()
        .all(|model| !model.is_empty() && !model.starts_with('-') && model.bytes().all(plain));
    if sound && server.models.len() <= NAMED {
        for model in &server.models {
            words.push_str(&format!(" --model {model}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemoclaw_policy::provider::BaseUrl;

    fn server(kind: &'static str, port: u16, models: &[&str]) -> Server {
        Server {
            kind,
            base: BaseUrl::parse(&format!("http://127.0.0.1:{port}/v1")).expect("a base URL"),
            models: models.iter().map(|name| (*name).to_owned()).collect(),
            version: None,
        }
    }

    #[test]
    fn a_command_names_what_differs_from_the_usual() {
        let usual = server("ollama", 11434, &["qwen3:8b"]);
        assert_eq!(
            command(&usual, std::slice::from_ref(&usual)),
            "nemoclaw provider set ollama --type ollama --model qwen3:8b"
        );
        let two = [server("llama.cpp", 1, &[]), server("llama.cpp", 2, &[])];
        assert_eq!(
            command(&two[1], &two),
            "nemoclaw provider set llama-cpp-2 --type llama.cpp --base-url http://127.0.0.1:2/v1"
        );
    }

    #[test]
    fn a_server_cannot_write_a_command_of_its_own() {
        for hostile in ["a; rm -rf /", "$(id)", "--local", "a\nb", "'"] {
            let one = server("vllm", 8000, &[hostile]);
            assert_eq!(
                command(&one, std::slice::from_ref(&one)),
                "nemoclaw provider set vllm --type vllm"
            );
        }
    }
}
