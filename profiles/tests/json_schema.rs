//! The JSON Schema says what the reader says: the same keys everywhere, and nothing refused that the reader takes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::BTreeSet;

use nemoclaw_policy::policy::Authority;
use nemoclaw_policy::{Policy, Source, builtin, schema};
use serde_json::{Value, json};

/// What the editor reads in the first line of each shipped file.
const HEADER: &str = "# yaml-language-server: $schema=../schema/policy.v1.json";

/// Whether `value` fits `schema`; a word of the language that stands here for the first time is a failure.
fn fits(schema: &Value, value: &Value) -> bool {
    schema
        .as_object()
        .unwrap()
        .iter()
        .all(|(word, wanted)| match word.as_str() {
            "$schema" | "title" | "description" | "additionalProperties" => true,
            "type" => match wanted.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                other => panic!("type {other}"),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|list| list.len() as u64 >= wanted.as_u64().unwrap()),
            "items" => value
                .as_array()
                .is_none_or(|list| list.iter().all(|item| fits(wanted, item))),
            "anyOf" => wanted
                .as_array()
                .unwrap()
                .iter()
                .any(|one| fits(one, value)),
            "not" => !fits(wanted, value),
            "required" => value.as_object().is_none_or(|map| {
                wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|key| map.contains_key(key.as_str().unwrap()))
            }),
            "properties" => value.as_object().is_none_or(|map| {
                map.iter().all(|(key, child)| match wanted.get(key) {
                    Some(own) => fits(own, child),
                    None => schema["additionalProperties"] != json!(false),
                })
            }),
            other => panic!("the test does not know the word {other}"),
        })
        && match (&schema["additionalProperties"], value.as_object()) {
            (rest @ Value::Object(_), Some(map)) => map.values().all(|child| fits(rest, child)),
            _ => true,
        }
}

fn loads(text: &str) -> bool {
    Policy::load_as(&Source::text("/p.yaml", text), Authority::Operator).is_ok()
}

/// Each mapping of the schema by the keys that lead to it (`*` for the author's, `[]` for items), with its own keys.
fn mappings(schema: &Value, path: &str, found: &mut Vec<(String, BTreeSet<String>)>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.push((path.to_owned(), properties.keys().cloned().collect()));
        for (key, child) in properties {
            mappings(child, &format!("{path}/{key}"), found);
        }
    }
    if schema["additionalProperties"].is_object() {
        mappings(&schema["additionalProperties"], &format!("{path}/*"), found);
    }
    if schema["items"].is_object() {
        mappings(&schema["items"], &format!("{path}/[]"), found);
    }
    for one in schema["anyOf"].as_array().into_iter().flatten() {
        mappings(one, path, found);
    }
}

/// The keys that the reader knows where `@` stands: it lists them when it meets one that is like none of them.
fn known_to_the_reader(text: &str) -> BTreeSet<String> {
    let text = format!("version: 1\n{}\n", text.replace('@', "zzzzzzzzzzzz: 1"));
    let fault = Policy::load_as(&Source::text("/p.yaml", &text), Authority::Operator).unwrap_err();
    let hint = fault.hint.clone().unwrap_or_else(|| panic!("{fault}"));
    let keys = hint
        .strip_prefix("known keys here: ")
        .unwrap_or_else(|| panic!("{fault}"));
    keys.split(", ").map(str::to_owned).collect()
}

/// Where a mapping of the schema stands, and texts with a key too many there: what they know together is what it has.
const PLACES: &[(&str, &[&str])] = &[
    ("", &["@"]),
    ("/box", &["box: { @ }"]),
    ("/filesystem_policy", &["filesystem_policy: { @ }"]),
    ("/landlock", &["landlock: { @ }"]),
    ("/process", &["process: { @ }"]),
    ("/resources", &["resources: { @ }"]),
    ("/resources/disk", &["resources: { disk: { @ } }"]),
    ("/budgets", &["budgets: { @ }"]),
    ("/inference", &["inference: { @ }"]),
    ("/inference/routes/[]", &["inference: { routes: [{ @ }] }"]),
    ("/inference/budgets", &["inference: { budgets: { @ } }"]),
    ("/privacy", &["inference: {}\nprivacy: { @ }"]),
    (
        "/privacy/restore",
        &["inference: {}\nprivacy: { restore: { @ } }"],
    ),
    (
        "/privacy/patterns/*",
        &["inference: {}\nprivacy: { patterns: { p: { @ } } }"],
    ),
    (
        "/privacy/rules/[]",
        &["inference: {}\nprivacy: { rules: [{ @ }] }"],
    ),
    (
        "/privacy/rules/[]/when",
        &["inference: {}\nprivacy: { rules: [{ do: block, when: { @ } }] }"],
    ),
    ("/network_policies/*", &["network_policies: { e: { @ } }"]),
    (
        "/network_policies/*/binaries/[]",
        &["network_policies: { e: { endpoints: [{ host: a.b, port: 1 }], binaries: [{ @ }] } }"],
    ),
    (
        "/network_policies/*/endpoints/[]",
        &["network_policies: { e: { endpoints: [{ @ }] } }"],
    ),
    (
        "/network_policies/*/endpoints/[]/credential_binding",
        &[
            "network_policies: { e: { endpoints: [{ host: a.b, port: 1, access: read-only, credential_binding: { @ } }] } }",
        ],
    ),
    (
        "/network_policies/*/endpoints/[]/mcp",
        &[
            "network_policies: { e: { endpoints: [{ host: a.b, port: 1, protocol: mcp, rules: [{ allow: { method: x } }], mcp: { @ } }] } }",
        ],
    ),
    (
        "/network_policies/*/endpoints/[]/json_rpc",
        &[
            "network_policies: { e: { endpoints: [{ host: a.b, port: 1, protocol: json-rpc, rules: [{ allow: { method: x } }], json_rpc: { @ } }] } }",
        ],
    ),
    (
        "/network_policies/*/endpoints/[]/graphql_persisted_queries/*",
        &[
            "network_policies: { e: { endpoints: [{ host: a.b, port: 1, protocol: graphql, access: full, persisted_queries: allow_registered, graphql_persisted_queries: { x: { @ } } }] } }",
        ],
    ),
    (
        "/network_policies/*/endpoints/[]/rules/[]",
        &["network_policies: { e: { endpoints: [{ host: a.b, port: 1, rules: [{ @ }] }] } }"],
    ),
];

/// A rule's keys by protocol; each is an own mapping of the schema.
const RULES: &[(&[&str], &str)] = &[
    (&["method", "path", "query"], "rest"),
    (&["operation_type", "operation_name", "fields"], "graphql"),
    (&["method", "tool", "params.name"], "mcp"),
];

#[test]
fn the_reader_and_the_schema_know_the_same_keys_everywhere() {
    let mut all = Vec::new();
    mappings(&schema::generate(), "", &mut all);
    let set =
        |keys: &[&str]| -> BTreeSet<String> { keys.iter().map(|key| (*key).to_owned()).collect() };
    for (place, keys) in all {
        let rule = ["/rules/[]/allow", "/deny_rules/[]"]
            .iter()
            .find(|end| place.ends_with(**end));
        if place == "/privacy/detectors" {
            let known = nemoclaw_policy::detector::all().iter().map(|own| own.name);
            assert_eq!(keys, known.map(str::to_owned).collect());
            continue;
        }
        let any = place.ends_with("/query/*")
            || place.ends_with("/tool")
            || place.ends_with("/params.name");
        let known: BTreeSet<String> = if let Some(end) = rule {
            let (own, protocol) = RULES
                .iter()
                .find(|(own, _)| set(own) == keys)
                .unwrap_or_else(|| panic!("{place}: {keys:?}"));
            let list = match *end {
                "/rules/[]/allow" => "rules: [{ allow: { @ } }]",
                _ => "access: full, deny_rules: [{ @ }]",
            };
            let list = if *protocol == "mcp" {
                list.replace("access: full", "rules: [{ allow: { method: x } }]")
            } else {
                list.to_owned()
            };
            let text = format!(
                "network_policies: {{ e: {{ endpoints: [{{ host: a.b, port: 1, protocol: {protocol}, {list} }}] }} }}"
            );
            assert_eq!(known_to_the_reader(&text), set(own), "{place}");
            continue;
        } else if any {
            known_to_the_reader(
                "network_policies: { e: { endpoints: [{ host: a.b, port: 1, rules: [{ allow: { method: GET, path: /a, query: { k: { @ } } } }] }] } }",
            )
        } else {
            let (_, texts) = PLACES
                .iter()
                .find(|(own, _)| *own == place)
                .unwrap_or_else(|| panic!("no text asks the reader about {place}"));
            texts
                .iter()
                .flat_map(|text| known_to_the_reader(text))
                .collect()
        };
        assert_eq!(keys, known, "at `{place}`");
    }
}

#[test]
fn the_shipped_schema_is_the_one_the_types_make() {
    let shipped: Value = serde_json::from_str(schema::TEXT).unwrap();
    assert_eq!(shipped, schema::generate(), "run `make docs`");
    assert!(schema::TEXT.ends_with("}\n"));
}

/// A YAML text as JSON.
fn tree(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn every_shipped_file_names_the_schema_and_fits_it() {
    let schema = schema::generate();
    let policies = builtin::policy_names()
        .iter()
        .map(|name| builtin::policy(name).unwrap());
    let presets = builtin::preset_names()
        .iter()
        .map(|name| builtin::preset(name).unwrap());
    for text in policies.chain(presets) {
        assert_eq!(text.lines().next(), Some(HEADER), "{text}");
        assert!(fits(&schema, &tree(text)), "{text}");
    }
    for name in ["nemoclaw", "openshell", "openshell_binaries"] {
        let path = format!("{}/tests/data/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        assert!(
            fits(&schema, &tree(&std::fs::read_to_string(path).unwrap())),
            "{name}"
        );
    }
}

/// Every key, with a lawful value.
const FULL: &str = r#"
version: 1
box: { mode: relaxed, capabilities: [CHOWN] }
filesystem_policy: { read_only: [/d], read_write: [/e], include_workdir: true }
landlock: { compatibility: best_effort, minimum_abi: 3 }
process: { run_as_user: sandbox, run_as_group: 7 }
devices: [v.com/d=0]
resources: { memory: 1Gi, cpu: 1.5, pids: 10, nofile: 100, disk: { /sandbox: 1G, /tmp: 100000 } }
budgets: { requests: 1, bytes_out: 1M, connections: 2, wildcard_names: 3 }
ports: [80]
resolve: { a.b: 10.0.0.1, c.d: [10.0.0.2] }
include: [npm]
inference:
  hosts: [api.openai.com]
  providers: [own, big]
  residency: [eu]
  routes:
    - { models: ["gpt-*"], to: [own/small, big], prefer: cheapest, timeout: 90s, retries: 2, concurrent: 4 }
    - {}
  budgets: { tokens: 100000, requests: 50, cost: 2.5 }
privacy:
  images: block
  sticky: sandbox
  restore: { text: true, tool_calls: false }
  answers: "off"
  detectors: { email: secret, organisation: "off" }
  lists: [codenames]
  patterns: { ticket: { regex: "TCK-[0-9]+", class: internal } }
  ner: finder
  rules:
    - { class: [secret, regulated], detector: [api_key, codenames], to: [cloud, own], clearance_below: secret, do: route, via: local }
    - { class: internal, detector: ticket, to: cloud, do: redact, when: { models: ["gpt-*"], tokens_over: 10, tools: true, hours: "22:00-06:00", days: [mon, fri], sandboxes: ["a-*"], session: personal } }
    - { do: ask, when: { days: sat, models: x } }
network_policies:
  e:
    name: An entry
    binaries: [{ path: /usr/bin/git }]
    endpoints:
      - { host: a.b, port: 443, ports: [443], protocol: rest, tls: auto, enforcement: audit, path: /a/**, allowed_ips: [10.0.0.0/8], allow_encoded_slash: true, rules: [{ allow: { method: GET, path: /a, query: { k: "1", z: { any: ["2"] } } } }], deny_rules: [{ method: "*", path: /b }], credential_binding: { provider: github }, request_body_credential_rewrite: true }
      - { host: a.b, port: 443, protocol: websocket, access: full, credential_binding: { provider: github }, websocket_credential_rewrite: true, allow_uninspected_credentials: true }
      - { host: a.b, port: 443, protocol: graphql, rules: [{ allow: { operation_type: query, operation_name: G, fields: [a] } }], graphql_max_body_bytes: 10, persisted_queries: allow_registered, graphql_persisted_queries: { x: { operation_type: query, operation_name: G, fields: [a] } } }
      - { host: a.b, port: 443, protocol: mcp, rules: [{ allow: { method: tools/call, tool: { any: [a] } } }, { allow: { params.name: b } }], deny_rules: [{ tool: c }], mcp: { max_body_bytes: 10, strict_tool_names: false, allow_all_known_mcp_methods: true } }
      - { host: a.b, port: 443, protocol: json-rpc, rules: [{ allow: { method: x } }], json_rpc: { max_body_bytes: 10 } }
"#;

/// The tree with each of its values in turn replaced by `other`, or taken out.
fn changed(tree: &Value, other: Option<&Value>) -> Vec<Value> {
    let mut all = Vec::new();
    match tree {
        Value::Object(map) => {
            for (key, child) in map {
                let with = |new: Option<Value>| {
                    let mut map = map.clone();
                    match new {
                        Some(new) => drop(map.insert(key.clone(), new)),
                        None => drop(map.remove(key)),
                    }
                    Value::Object(map)
                };
                all.push(with(other.cloned()));
                all.extend(changed(child, other).into_iter().map(|new| with(Some(new))));
            }
        }
        Value::Array(list) => {
            for (i, child) in list.iter().enumerate() {
                let with = |new: Option<Value>| {
                    let mut list = list.clone();
                    match new {
                        Some(new) => list[i] = new,
                        None => drop(list.remove(i)),
                    }
                    Value::Array(list)
                };
                all.push(with(other.cloned()));
                all.extend(changed(child, other).into_iter().map(|new| with(Some(new))));
            }
        }
        _ => {}
    }
    all
}

#[test]
fn the_schema_refuses_nothing_that_the_reader_takes_and_most_of_what_it_does_not() {
    let schema = schema::generate();
    let full = Policy::load_as(&Source::text("/p.yaml", FULL), Authority::Operator);
    full.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(fits(&schema, &tree(FULL)));
    let others = [
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!("zzzz"),
        json!(-1),
        json!(0),
        json!(5_000_000_000_u64),
        json!(1.5),
    ];
    let (mut both, mut reader_only) = (0, 0);
    for other in others.iter().map(Some).chain([None]) {
        for text in changed(&tree(FULL), other) {
            match (loads(&text.to_string()), fits(&schema, &text)) {
                (true, false) => panic!("the reader takes what the schema refuses: {text}"),
                (false, false) => both += 1,
                (false, true) => reader_only += 1,
                (true, true) => {}
            }
        }
    }
    assert!(both > 4 * reader_only, "{both} {reader_only}");
}

#[test]
fn what_the_schema_can_know_it_refuses() {
    let schema = schema::generate();
    for text in [
        "{}",
        "version: 2",
        "version: 1\nnetwork_policie: {}",
        "version: 1\nports: [0]",
        "version: 1\nports: [65536]",
        "version: 1\nlandlock: { minimum_abi: 17 }",
        "version: 1\ninference: { routes: [] }",
        "version: 1\ninference: { budgets: { cost: -1 } }",
        "version: 1\ninference: {}\nprivacy: { images: some }",
        "version: 1\ninference: {}\nprivacy: { detectors: { mail: off } }",
        "version: 1\ninference: {}\nprivacy: { rules: [{ class: secret }] }",
        "version: 1\ninference: {}\nprivacy: { rules: [{ class: secrets, do: block }] }",
        "version: 1\nbox: { mode: loose }",
        "version: 1\ninclude: [nothing]",
        "version: 1\nnetwork_policies: { e: { endpoints: [] } }",
        "version: 1\nnetwork_policies: { e: { endpoints: [{ host: a.b }] } }",
        "version: 1\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 1, protocol: ftp }] } }",
        "version: 1\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 1, access: full, rules: [{ allow: { method: GET, path: /a } }] }] } }",
        "version: 1\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 1, rules: [{ allow: { method: GTE, path: /a } }] }] } }",
        "version: 1\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 1, access: read-only }], binaries: [] } }",
    ] {
        assert!(!fits(&schema, &tree(text)) && !loads(text), "{text}");
    }
}
