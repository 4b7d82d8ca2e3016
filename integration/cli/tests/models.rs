//! Model servers as providers: set, listed, tested and found on this machine; `inference`; and what models cost.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a broken precondition must end the test with its reason"
)]

mod place;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response as HttpResponse};
use hyper_util::rt::TokioIo;
use nemoclaw_api::audit::chain::Link;
use nemoclaw_api::audit::record::event_line;
use nemoclaw_api::audit::{Event, FoundCount, ModelCall, REFUSED, SENT};
use nemoclaw_api::{Backend, BoxStatus, ModelSpend, Request, Response, wire};
use nemoclaw_policy::Class;
use place::{Place, Ran};
use serde_json::{Value, json};

const CANARY: &str = "s3cret-canary-7";
/// Path, and the field with a key.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;
type Answers = BTreeMap<&'static str, (u16, String)>;

/// A server of canned answers, and what it was asked.
struct Server {
    port: u16,
    asked: Asked,
}

fn serve(answers: Answers) -> Server {
    let asked = Asked::default();
    let (log, (tell, port)) = (asked.clone(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, log) = (answers.clone(), log.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let answer = answer(&answers, &log, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
    });
    Server {
        port: port.recv().unwrap(),
        asked,
    }
}

fn answer(
    answers: &Answers,
    log: &Asked,
    request: &HttpRequest<Incoming>,
) -> HttpResponse<Full<Bytes>> {
    let key = ["authorization", "x-api-key"]
        .iter()
        .find_map(|name| request.headers().get(*name))
        .map(|value| value.to_str().unwrap().to_owned());
    let path = request.uri().path();
    log.lock().unwrap().push((path.to_owned(), key));
    let (status, body) = answers
        .get(path)
        .cloned()
        .unwrap_or((404, "nothing here".to_owned()));
    HttpResponse::builder()
        .status(status)
        .header("location", "http://192.0.2.1/")
        .body(Full::new(body.into()))
        .unwrap()
}

fn models(owner: &str, names: &[&str]) -> (u16, String) {
    let data: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": name, "object": "model", "owned_by": owner}))
        .collect();
    (200, json!({"object": "list", "data": data}).to_string())
}

fn place() -> Place {
    let place = Place::new();
    let config = std::fs::read_to_string(place.path("config.yaml")).unwrap();
    let providers = place.path("etc/providers.yaml");
    place.write(
        "config.yaml",
        &format!("{config}providers: {}\n", providers.display()),
    );
    place
}

/// Entries as a person writes them.
fn with_entries(text: &str) -> Place {
    let place = place();
    std::fs::create_dir(place.path("etc")).unwrap();
    place.write("etc/providers.yaml", text);
    place
}

fn with_stdin(place: &Place, arguments: &[&str], text: &str) -> Ran {
    let mut child = place
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(!(ran.out.contains(CANARY) || ran.err.contains(CANARY)));
    ran
}

#[test]
fn a_model_server_of_ones_own_is_set_without_a_credential_and_one_elsewhere_is_not() {
    need_root!();
    let place = place();
    let set = |more: &[&str]| with_stdin(&place, &[&["provider", "set"], more].concat(), CANARY);
    set(&["qwen", "--type", "ollama", "--model", "qwen3:8b"])
        .ends_with(0)
        .says("models at 127.0.0.1:11434, for what is regulated at most");
    let hosted = [
        "hosted",
        "--type",
        "openai",
        "--model",
        "small",
        "--clearance",
        "internal",
    ];
    set(&hosted).ends_with(2).says("where is the credential?");
    let hosted = [
        &hosted[..],
        &["--price", "small=0.15/0.6", "--residency", "eu", "--stdin"],
    ]
    .concat();
    set(&hosted).ends_with(0);
    set(&["far", "--type", "vllm", "--base-url", "http://10.0.0.9/v1"])
        .ends_with(1)
        .says("without TLS");
    let far = [
        "far",
        "--type",
        "vllm",
        "--base-url",
        "http://10.0.0.9/v1",
        "--local",
    ];
    set(&far).ends_with(0);
    set(&["worse", "--type", "ollama", "--clearance", "topmost"]).ends_with(1);

    let ran = place.run(&["provider", "list"]);
    ran.ends_with(0)
        .prints("PROTOCOL")
        .prints("any       regulated")
        .prints("none needed")
        .prints("router is down");
    let told: Value =
        serde_json::from_str(&place.run(&["provider", "list", "--output", "json"]).out).unwrap();
    let hosted = &told["providers"][1];
    assert_eq!(hosted["serving"]["residency"], "eu");
    assert_eq!(hosted["serving"]["models"], json!(["small"]));
    assert_eq!(told["providers"][0]["credential"], false);
    place
        .run(&["provider", "show", "hosted"])
        .ends_with(0)
        .prints("small (0.15 in, 0.60 out by the million)");
    place.run(&["provider", "rm", "qwen"]).ends_with(0);
    assert!(!place.run(&["provider", "list"]).out.contains("qwen"));
}

#[test]
fn a_test_lists_the_models_and_sends_the_credential_to_the_base_url_alone() {
    need_root!();
    let server = serve(Answers::from([(
        "/v1/models",
        models("vllm", &["a", "b\u{1b}[31m"]),
    )]));
    let place = place();
    let url = format!("http://127.0.0.1:{}/v1", server.port);
    let set = [
        "provider",
        "set",
        "own",
        "--type",
        "vllm",
        "--base-url",
        &url,
        "--model",
        "c",
        "--stdin",
    ];
    with_stdin(&place, &set, CANARY).ends_with(0);
    let ran = with_stdin(&place, &["provider", "test", "own"], "");
    // There is no router that could hold it.
    ran.ends_with(1)
        .prints(&format!("own: 2 models at {url}, answered in "))
        .prints("  b?[31m")
        .says("it does not list `c`");
    assert_eq!(
        *server.asked.lock().unwrap(),
        [("/v1/models".to_owned(), Some(format!("Bearer {CANARY}")))]
    );
}

#[test]
fn a_test_says_what_is_wrong_and_goes_nowhere_else() {
    need_root!();
    let place = place();
    let test = |name: &str, base: &str| {
        let set = [
            "provider",
            "set",
            name,
            "--type",
            "vllm",
            "--base-url",
            base,
        ];
        place.run(&set).ends_with(0);
        place.run(&["provider", "test", name])
    };
    for (status, says) in [
        (401, "wants a credential"),
        (404, "no list of models"),
        (429, "too many requests"),
        (302, "leads elsewhere"),
        (500, "answers with 500"),
    ] {
        let server = serve(Answers::from([("/v1/models", (status, CANARY.to_owned()))]));
        let ran = test("own", &format!("http://127.0.0.1:{}/v1", server.port));
        ran.ends_with(1).says(says);
        assert!(!ran.err.contains(CANARY), "{}", ran.err);
        assert_eq!(server.asked.lock().unwrap().len(), 1);
    }
    let server = serve(Answers::from([("/v1/models", (200, "<html>".to_owned()))]));
    test("own", &format!("http://127.0.0.1:{}/v1", server.port))
        .ends_with(1)
        .says("lists no models");
    test("own", &format!("https://127.0.0.1:{}/v1", server.port))
        .ends_with(1)
        .says("there is no trusted TLS with `127.0.0.1`");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    test("own", &format!("http://127.0.0.1:{port}/v1"))
        .ends_with(1)
        .says("nothing takes connections at 127.0.0.1:")
        .says("nemoclaw provider detect");
}

#[test]
fn servers_on_this_machine_are_known_by_what_they_answer() {
    let ok = |body: Value| (200, body.to_string());
    let servers = [
        (
            "ollama",
            Answers::from([
                ("/api/version", ok(json!({"version": "0.9.1"}))),
                ("/v1/models", models("library", &["qwen3:8b"])),
            ]),
        ),
        (
            "llama.cpp",
            Answers::from([
                (
                    "/props",
                    ok(json!({"default_generation_settings": {}, "build_info": "b1"})),
                ),
                ("/v1/models", models("llamacpp", &["smol; reboot"])),
            ]),
        ),
        (
            "vllm",
            Answers::from([
                ("/version", ok(json!({"version": "0.10"}))),
                ("/v1/models", models("vllm", &["org/model"])),
            ]),
        ),
        (
            "lmstudio",
            Answers::from([
                (
                    "/api/v0/models",
                    ok(json!({"data": [{"id": "m", "state": "loaded"}]})),
                ),
                ("/v1/models", models("organization_owner", &["m"])),
            ]),
        ),
        (
            "nim",
            Answers::from([
                (
                    "/v1/version",
                    ok(json!({"release": "1.8.0", "api": "1.0.0"})),
                ),
                ("/v1/models", models("vllm", &["meta/llama"])),
            ]),
        ),
        ("generic", Answers::from([("/v1/models", models("", &[]))])),
        ("none", Answers::from([("/", (200, "a page".to_owned()))])),
    ];
    let place = place();
    let mut words = vec!["provider".to_owned(), "detect".to_owned()];
    let mut kinds = Vec::new();
    for (kind, answers) in servers {
        words.extend(["--port".to_owned(), serve(answers).port.to_string()]);
        kinds.push(kind);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = place.run(&words);
    ran.ends_with(0)
        .prints("org/model")
        .prints("nemoclaw provider set own --type generic --base-url http://127.0.0.1:");
    // Nothing that a server says of itself becomes a command.
    let reboot = |line: &&str| line.starts_with("nemoclaw ") && line.contains("reboot");
    assert_eq!(ran.out.lines().filter(reboot).count(), 0, "{}", ran.out);
    let told: Value =
        serde_json::from_str(&place.run(&[&words[..], &["--json"]].concat()).out).unwrap();
    let found: Vec<&str> = told["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["type"].as_str().unwrap())
        .collect();
    assert_eq!(found, kinds[..kinds.len() - 1]);
    assert_eq!(told["servers"][0]["version"], "0.9.1");
}

const POLICY: &str = "version: 1
inference:
  # who answers
  routes:
    - { models: ['gpt-*'], to: [hosted/small, own], timeout: 90s }
    - { models: ['*'], to: [gone] }
  budgets: { tokens: 100 }   # a day
privacy: {}
";
const ENTRIES: &str = "version: 1
providers:
  hosted: { type: openai, clearance: internal, models: { small: { input: 2, output: 4 } }, file: /none }
  own: { type: ollama, models: [qwen] }
";

fn status(place: &Place, path: &Path, generation: u64) -> BoxStatus {
    BoxStatus {
        sandbox: "worker".into(),
        pid: 7,
        policies: vec!["worker.yaml".into()],
        files: vec![path.to_owned(), place.path("other")],
        generation,
        fault: None,
        capture: Backend::SkLookup,
        allowed: 0,
        denied: 0,
        connections: 0,
        bytes_out: 0,
        bytes_in: 0,
        models: Some(ModelSpend {
            tokens: 60,
            requests: 2,
            cost_micro: 150,
            tokens_limit: Some(100),
            ..ModelSpend::default()
        }),
        last_denial: None,
        since: "2026-01-01T00:00:00Z".into(),
    }
}

/// The sandbox `worker` with its file, and a router that takes what is written there.
fn worker() -> (Place, PathBuf) {
    let place = with_entries(ENTRIES);
    let path = place.write("worker.yaml", POLICY);
    let handover = json!({
        "version": 1, "sandbox": "worker", "egress": "router",
        "policies": [{ "name": "worker.yaml", "path": path, "text": POLICY }],
        "router_socket": place.path("run/router.sock"), "capture": "auto", "inbound": null,
    });
    let directory = place.path("run/router/worker");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("egress.json"), handover.to_string()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(place.path("run/router.sock")).unwrap();
    let status = [3, 4].map(|generation| status(&place, &path, generation));
    let watched = path.clone();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let answer = match wire::receive::<Request>(&stream) {
                Ok((Request::List, _)) => {
                    let changed = std::fs::read_to_string(&watched).unwrap() != POLICY;
                    Response::Boxes {
                        boxes: vec![status[usize::from(changed)].clone()],
                    }
                }
                Ok((Request::Status, _)) => Response::Router(nemoclaw_api::RouterStatus {
                    providers: vec!["hosted".into()],
                    ..Default::default()
                }),
                _ => continue,
            };
            let _ = wire::send(&stream, &answer, &[]);
        }
    });
    (place, path)
}

#[test]
fn what_is_in_force_is_shown_with_the_state_of_each_provider_and_what_was_spent() {
    need_root!();
    let (place, _) = worker();
    let ran = place.run(&["inference", "get"]);
    ran.ends_with(0)
        .prints("sandbox worker, generation 3")
        .prints("inference.local")
        .prints("hosted/small  held")
        .prints("own           needs no credential  may see what is regulated")
        .prints("gone  no such provider")
        .prints("spent in 24 h: 60 of 100 tokens, 2 requests, 0.00015 cost");
    let told: Value = serde_json::from_str(
        &place
            .run(&["inference", "get", "work", "--output", "json"])
            .out,
    )
    .unwrap();
    let route = &told["policies"][0]["inference"]["routes"][0];
    assert_eq!(
        (&route["timeout_s"], &route["to"][0]["state"]),
        (&json!(90), &json!("held"))
    );
    assert_eq!(told["spend"]["tokens_limit"], 100);
    place
        .run(&["status", "worker"])
        .prints("60 of 100 tokens, 2 requests, 0.00015 cost in 24 h");
}

#[test]
fn a_change_edits_the_file_and_says_when_it_holds() {
    need_root!();
    let (place, path) = worker();
    let set = ["inference", "set", "worker"];
    let change = [
        "--route",
        "gpt-*=own/qwen",
        "--requests",
        "5",
        "--cost",
        "1.5",
    ];
    let words = [&set[..], &change].concat();
    place
        .run(&[&words[..], &["--dry-run"]].concat())
        .ends_with(0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), POLICY);
    place
        .run(&words)
        .ends_with(0)
        .prints("sandbox worker: generation 4 in force after ");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "version: 1
inference:
  # who answers
  routes:
    - { models: [\"gpt-*\"], to: [\"own/qwen\"], timeout: 90s }
  budgets: { tokens: 100, requests: 5, cost: 1.5 }
privacy: {}
"
    );
    place.run(&set).ends_with(2).says("what is to change?");
    place
        .run(&[&set[..], &["--route", "x"]].concat())
        .ends_with(2)
        .says("is no route");
    place
        .run(&[&set[..], &["--provider", "a b"]].concat())
        .ends_with(1)
        .says("no provider's name");
}

fn call(decision: &str, served: Option<&str>, found: &[(&str, Class)]) -> ModelCall {
    ModelCall {
        api: "chat".into(),
        model: "gpt-5".into(),
        provider: served.map(|_| "hosted".into()),
        served: served.map(Into::into),
        decision: decision.into(),
        tokens_in: 1_000_000,
        tokens_out: 500_000,
        cost: if decision == SENT { 4_000_000 } else { 0 },
        found: found
            .iter()
            .map(|(detector, class)| FoundCount {
                detector: (*detector).into(),
                class: *class,
                count: 1,
            })
            .collect(),
        ..ModelCall::default()
    }
}

fn log(place: &Place, calls: Vec<ModelCall>) {
    let mut link = Link::FIRST;
    let mut text = String::new();
    for (number, call) in calls.into_iter().enumerate() {
        let event = Event {
            time: format!("2026-01-05T00:00:0{number}.000000Z"),
            sandbox: "worker".into(),
            kind: "http".into(),
            host: "inference.local".into(),
            port: 443,
            method: Some("POST".into()),
            model: Some(Box::new(call)),
            ..Event::default()
        };
        let line = event_line(&event, link).unwrap();
        link = link.after(line.as_bytes());
        text.push_str(&line);
        text.push('\n');
    }
    place.write("worker.jsonl", &text);
}

#[test]
fn recorded_calls_are_decided_again_under_another_policy() {
    let place = with_entries(ENTRIES);
    log(
        &place,
        vec![
            call(SENT, Some("small"), &[]),
            call(SENT, Some("small"), &[("email", Class::Personal)]),
            call(SENT, Some("small"), &[("api_key", Class::Secret)]),
            call(REFUSED, None, &[]),
        ],
    );
    place.write(
        "next.yaml",
        "version: 1
inference: { routes: [{ models: ['gpt-*'], to: [hosted, own] }] }
privacy:
  rules:
    - { class: personal, do: route, via: local }
    - { class: secret, do: block }
",
    );
    let words = [
        "inference",
        "replay",
        "./worker.jsonl",
        "--policy",
        "next.yaml",
    ];
    let ran = place.run(&words);
    ran.ends_with(0)
        .prints("hosted/small  the same")
        .prints("hosted/small  own/qwen")
        .prints("a rule keeps api_key (secret) from it")
        .prints("4 calls: 1 the same, 1 to another model, 1 refused now, 1 no longer refused; cost 12.00 before, 8.00 after");
    let json = [&words[..], &["--changed", "--output", "json"]].concat();
    let told: Value = serde_json::from_str(&place.run(&json).out).unwrap();
    assert_eq!(told["calls"].as_array().unwrap().len(), 3);
    assert_eq!(told["totals"]["newly_refused"], 1);

    place.write("worker.jsonl", "{}\n");
    place.run(&words).ends_with(1).says("is no audit log");
}
