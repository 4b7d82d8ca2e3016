//! `privacy scan` and `privacy explain`: places and decisions, never a value.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a broken precondition must end the test with its reason"
)]

mod place;

use std::io::Write;
use std::process::Stdio;

use place::{Place, Ran};
use serde_json::{Value, json};

const MAIL: &str = "maria.lopez@example.org";
const CARD: &str = "4111 1111 1111 1111";
const SECRETS: [&str; 2] = ["maria.lopez", "4111"];

#[track_caller]
fn quiet(ran: &Ran) {
    for secret in SECRETS {
        assert!(
            !(ran.out.contains(secret) || ran.err.contains(secret)),
            "{secret} was printed: {} {}",
            ran.out,
            ran.err
        );
    }
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn scan_prints_one_object_a_finding_with_the_bytes_of_the_text() {
    let place = Place::new();
    let text = format!("Grüße an {MAIL}\nKarte: {CARD}\n");
    place.write("notes.txt", &text);
    let ran = place.run(&["privacy", "scan", "--json", "notes.txt"]);
    quiet(ran.ends_with(0));
    let found = lines(&ran);
    let mail = text.find(MAIL).unwrap();
    assert!(
        found.contains(&json!({
            "class": "personal", "detector": "email", "start": mail, "end": mail + MAIL.len()
        })),
        "{found:?}"
    );
    let card = text.find(CARD).unwrap();
    assert!(
        found.contains(&json!({
            "class": "regulated", "detector": "payment_card", "start": card, "end": card + CARD.len()
        })),
        "{found:?}"
    );
    assert!(ran.out.starts_with("{\"class\":"), "{}", ran.out);

    let ran = place.run(&["privacy", "scan", "notes.txt"]);
    quiet(
        ran.ends_with(0)
            .prints("1:10")
            .prints("2:8")
            .prints("payment_card"),
    );
}

#[test]
fn scan_reads_standard_input_and_bytes_that_are_no_text_move_nothing() {
    let place = Place::new();
    let mut child = place
        .command(&["privacy", "scan", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"\xff\xfe\x80 mail ").unwrap();
    input.write_all(MAIL.as_bytes()).unwrap();
    drop(input);
    let ran = Ran::of(child.wait_with_output().unwrap());
    quiet(ran.ends_with(0).says("3 bytes are no UTF-8"));
    assert_eq!(
        lines(&ran),
        [json!({"class": "personal", "detector": "email", "start": 9, "end": 9 + MAIL.len()})]
    );
}

#[test]
fn scan_looks_for_what_a_policy_looks_for() {
    let place = Place::new();
    place.write("notes.txt", &format!("{MAIL} {CARD} CASE-1234\n"));
    place.write(
        "p.yaml",
        "version: 1\ninference: {}\nprivacy:\n  detectors: { email: off, payment_card: secret }\n  patterns:\n    case-number: { regex: 'CASE-[0-9]{4}', class: internal }\n",
    );
    let ran = place.run(&[
        "privacy",
        "scan",
        "--json",
        "--policy",
        "p.yaml",
        "notes.txt",
    ]);
    quiet(ran.ends_with(0));
    let found: Vec<(Value, Value)> = lines(&ran)
        .into_iter()
        .map(|line| (line["detector"].clone(), line["class"].clone()))
        .collect();
    assert_eq!(
        found,
        [
            (json!("payment_card"), json!("secret")),
            (json!("case-number"), json!("internal"))
        ]
    );
    place
        .run(&["privacy", "scan", "none.txt"])
        .ends_with(2)
        .says("cannot read `none.txt`");
}

const POLICY: &str = "version: 1
inference:
  routes:
    - { models: ['gpt-*'], to: [hosted, own] }
privacy:
  rules:
    - { class: personal, to: cloud, do: redact }
";
const PROVIDERS: &str = "version: 1
providers:
  hosted: { type: openai, clearance: internal, models: [gpt-5], file: /none }
  own: { type: ollama, models: [qwen] }
";

fn routed() -> Place {
    let place = Place::new();
    let config = std::fs::read_to_string(place.path("config.yaml")).unwrap();
    let providers = place.write("providers.yaml", PROVIDERS);
    place.write(
        "config.yaml",
        &format!("{config}providers: {}\n", providers.display()),
    );
    place.write("p.yaml", POLICY);
    place
}

fn request(place: &Place, text: &str) {
    let body = json!({"model": "gpt-5", "messages": [
        {"role": "system", "content": "be brief"}, {"role": "user", "content": text}
    ]});
    place.write("request.json", &body.to_string());
}

#[test]
fn explain_says_who_may_answer_what_they_see_and_by_which_rule() {
    let place = routed();
    request(&place, &format!("write to {MAIL}"));
    let words = ["privacy", "explain", "request.json", "--policy", "p.yaml"];
    let ran = place.run(&words);
    quiet(
        ran.ends_with(0)
            .prints("messages[1].content")
            .prints("email (personal) is redacted")
            .prints("p.yaml:7:7")
            .prints("route: hosted/gpt-5, else own/qwen"),
    );
    let ran = place.run(&[&words[..], &["--json"]].concat());
    quiet(ran.ends_with(0));
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&told["api"], &told["label"], &told["route"]),
        (&json!("chat"), &json!("personal"), &json!("hosted/gpt-5"))
    );
    assert_eq!(
        told["found"][0],
        json!({"path": "messages[1].content", "class": "personal", "detector": "email",
            "start": 9, "end": 9 + MAIL.len()})
    );
    assert_eq!(told["chain"][0]["actions"][0]["action"], "redacted");
    assert_eq!(told["chain"][0]["sees"], "public");
    assert_eq!(told["chain"][1]["actions"][0]["action"], "kept");
}

#[test]
fn explain_keeps_what_is_regulated_on_local_models_and_says_why() {
    let place = routed();
    request(&place, &format!("my card is {CARD}"));
    let words = ["privacy", "explain", "request.json", "--policy", "p.yaml"];
    let ran = place.run(&words);
    quiet(
        ran.ends_with(0)
            .prints("hosted: payment_card (regulated) stays on local models")
            .prints("route: own/qwen"),
    );
    place.write("p.yaml", &POLICY.replace("[hosted, own]", "[hosted]"));
    let ran = place.run(&words);
    quiet(
        ran.ends_with(1)
            .prints("refused: no provider may see what is regulated in this request"),
    );
    let after = place.run(&[&words[..], &["--conversation", "secret"]].concat());
    after.ends_with(1).prints("refused:");
}

#[test]
fn explain_cannot_tell_what_is_no_request() {
    let place = routed();
    let words = ["privacy", "explain", "request.json", "--policy", "p.yaml"];
    for (body, says) in [
        ("{}", "its shape is that of no known call"),
        ("[1", "the request's body is"),
        (
            r#"{"model":"gpt-5","messages":5}"#,
            "the request cannot be read",
        ),
    ] {
        place.write("request.json", body);
        place.run(&words).ends_with(2).says(says);
    }
}

#[test]
fn the_nodes_lists_and_documents_are_searched_where_a_policy_names_them() {
    let place = routed();
    let config = std::fs::read_to_string(place.path("config.yaml")).unwrap();
    let list = place.write("codenames", "# of ours\nProject Heron\n");
    std::fs::create_dir(place.path("plans")).unwrap();
    let passage = "the new pumps will be made in the hall near the river from the first of march on and nobody may hear of it before";
    place.write("plans/a.txt", passage);
    place.write(
        "config.yaml",
        &format!(
            "{config}privacy:\n  lists: {{ codenames: {{ file: {}, class: secret }} }}\n  documents: {{ plans: {{ directory: {}, class: regulated }} }}\n",
            list.display(),
            place.path("plans").display()
        ),
    );
    place.write(
        "p.yaml",
        "version: 1\ninference: {}\nprivacy: { lists: [codenames, plans] }\n",
    );
    place.write("notes.txt", &format!("We talked of Project Heron yesterday. I have nothing to add to it so far.\n\n{passage}\n"));
    let scan = [
        "privacy",
        "scan",
        "--json",
        "notes.txt",
        "--policy",
        "p.yaml",
    ];
    let ran = place.run(&scan);
    let found: Vec<(Value, Value)> = lines(ran.ends_with(0))
        .into_iter()
        .map(|line| (line["detector"].clone(), line["class"].clone()))
        .collect();
    assert_eq!(
        found,
        [
            (json!("codenames"), json!("secret")),
            (json!("plans"), json!("regulated"))
        ]
    );
    place.write(
        "p.yaml",
        "version: 1\ninference: {}\nprivacy: { lists: [others] }\n",
    );
    place
        .run(&scan)
        .ends_with(1)
        .says("the policy names the list `others`, which the node's configuration does not have");
}

#[test]
fn explain_refuses_what_nobody_can_look_into_and_what_nothing_can_replace() {
    let place = routed();
    let words = ["privacy", "explain", "request.json", "--policy", "p.yaml"];
    place.write(
        "request.json",
        r#"{"model":"gpt-5","input":"go on","previous_response_id":"r"}"#,
    );
    place
        .run(&words)
        .ends_with(1)
        .prints("refused: the request holds what the server keeps");
    let body = json!({"model": "gpt-5", "messages": [{"role": "user", "content": "x", "extra": {MAIL: 1}}]});
    place.write("request.json", &body.to_string());
    let ran = place.run(&words);
    quiet(
        ran.ends_with(0)
            .prints("hosted: email stands where nothing can take its place")
            .prints("route: own/qwen"),
    );
}
