//! A small world of random policies and flows, in which patterns often meet. Reproducible: a failure prints its seed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use nemoclaw_policy::decide::{Content, GraphqlOperation, Program, RpcCall};
use nemoclaw_policy::policy::{Endpoint, Enforcement, NetworkEntry, NetworkLayer, OperationKind};
use nemoclaw_policy::segments::SegmentGlob;
use nemoclaw_policy::{Flow, HttpRequest, Policy, Source};

use super::models;
use crate::dice::Dice;

const HOSTS: &[&str] = &[
    "a.x.com",
    "a.x.com",
    "b.x.com",
    "\"*.x.com\"",
    "\"**.x.com\"",
    "\"a*.x.com\"",
    "\"a.*.x.com\"",
    "10.1.2.3",
];
const NAMES: &[&str] = &[
    "a.x.com",
    "a.x.com",
    "b.x.com",
    "ab.x.com",
    "a.c.x.com",
    "c.d.x.com",
    "10.1.2.3",
    "x.com",
];
const PORTS: &[&str] = &["port: 443", "port: 443", "port: 80", "ports: [80, 443]"];
const GLOBS: &[&str] = &[
    "\"**\"",
    "\"**\"",
    "\"/**\"",
    "/a",
    "/a/**",
    "/a/*",
    "/a/b",
    "\"/*/b\"",
    "\"/[a-c]/**\"",
    "\"/a?\"",
    "\"/a;*\"",
    "\"/@s/**\"",
    "\"*b\"",
    "/",
];
const CHOICES: &[&str] = &[
    "/a/**",
    "/a/**",
    "/a",
    "\"/a/b\"",
    "\"/*/b\"",
    "\"/@s/**\"",
    "/c/**",
];
const PATHS: &[&str] = &[
    "/", "/a", "/a/", "/a/b", "/a/b/c", "/b", "/c/b", "/ab", "/a;x", "/;x/a/b", "/a/;x", "/q;x/b",
    "/a;b", "/@s%2Fn", "/@s/n", "/@s/n/b", "/a%2Fb", "/a/b%2Fc", "/c%2Fb", "/d/b", "/c;/b",
];
const METHODS: &[&str] = &["GET", "POST", "DELETE", "\"*\"", "GET"];
const QUERIES: &[&str] = &[
    "",
    "",
    "",
    ", query: { k: \"1\" }",
    ", query: { k: \"*\" }",
    ", query: { k: { any: [\"1\", \"2\"] }, z: \"v*\" }",
];
const VALUES: &[Option<&str>] = &[
    None,
    None,
    Some("k=1"),
    Some("k=1&k=2"),
    Some("k=3&z=va"),
    Some("k=1&z=va"),
    Some("z=q"),
];
const FIELDS: &[&str] = &[
    "",
    "",
    ", fields: [one]",
    ", fields: [one, two]",
    ", fields: [\"o*\"]",
];
const TITLES: &[&str] = &["", "", ", operation_name: Get", ", operation_name: \"G*\""];
const CALLS: &[&str] = &[
    "method: initialize",
    "method: tools/call",
    "method: tools/call, tool: one",
    "tool: { any: [one, two] }",
    "tool: \"o*\"",
    "tool: \"two words\"",
    "method: \"tools/*\"",
    "method: tools/list",
    "method: response",
    "method: vendor/steal",
];
const JSON_CALLS: &[&str] = &[
    "method: \"*\"",
    "method: tools/call",
    "method: initialize",
    "method: vendor/steal",
];
const PROVIDERS: &[&str] = &[
    "",
    "",
    "",
    ", credential_binding: { provider: one }",
    ", credential_binding: { provider: two }",
    ", credential_binding: { provider: \"*\" }, request_body_credential_rewrite: true",
];
const BINARIES: &[&str] = &["/usr/bin/curl", "/usr/bin/*", "/opt/**", "/usr/bin/python3"];

/// The fields of a random endpoint, as text.
fn endpoint_text(dice: &mut Dice) -> String {
    let (host, ports) = (dice.pick(HOSTS), dice.pick(PORTS));
    let mut text = format!("host: {host}, {ports}");
    let protocol = *dice.pick(&[
        "tcp",
        "rest",
        "rest",
        "rest",
        "rest",
        "websocket",
        "graphql",
        "mcp",
        "json-rpc",
    ]);
    let enforcement = *dice.pick(&["", "", "", "", ", enforcement: audit", ", enforcement: ask"]);
    text.push_str(&format!(", protocol: {protocol}{enforcement}"));
    if protocol == "tcp" {
        if dice.one_in(4) {
            text.push_str(", tls: skip");
        }
        return text;
    }
    if dice.one_in(3) {
        text.push_str(&format!(", path: {}", dice.pick(CHOICES)));
    }
    if dice.one_in(4) {
        text.push_str(", allow_encoded_slash: true");
    }
    let known = protocol == "mcp" && dice.one_in(3);
    let access = !matches!(protocol, "mcp" | "json-rpc") && dice.one_in(2);
    if access {
        let word = dice.pick(&["read-only", "read-write", "full"]);
        text.push_str(&format!(", access: {word}"));
    } else if !known {
        let rules: Vec<String> = (0..=dice.below(3))
            .map(|_| format!("{{ allow: {{ {} }} }}", rule_text(dice, protocol)))
            .collect();
        text.push_str(&format!(", rules: [{}]", rules.join(", ")));
    }
    if dice.one_in(4) {
        let rules: Vec<String> = (0..=dice.below(2))
            .map(|_| format!("{{ {} }}", rule_text(dice, protocol)))
            .collect();
        text.push_str(&format!(", deny_rules: [{}]", rules.join(", ")));
    }
    text.push_str(dice.word(PROVIDERS));
    text.push_str(&options_text(dice, protocol, known));
    if dice.one_in(8) {
        text.push_str(&format!(
            ", allowed_ips: [{}]",
            dice.pick(&["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3"])
        ));
    }
    text
}

fn options_text(dice: &mut Dice, protocol: &str, known: bool) -> String {
    let mut text = String::new();
    let strict = !dice.one_in(3);
    if protocol == "mcp" {
        text.push_str(&format!(
            ", mcp: {{ strict_tool_names: {strict}, allow_all_known_mcp_methods: {known} }}"
        ));
    }
    if matches!(protocol, "graphql" | "websocket") && dice.one_in(3) {
        let kind = dice.pick(&["query", "mutation"]);
        let field = dice.pick(&["one", "two"]);
        text.push_str(&format!(", persisted_queries: allow_registered, graphql_persisted_queries: {{ doc: {{ operation_type: {kind}, operation_name: Get, fields: [{field}] }} }}"));
    }
    text
}

fn rule_text(dice: &mut Dice, protocol: &str) -> String {
    let kind = *dice.pick(&["query", "mutation"]);
    let (title, fields) = (*dice.pick(TITLES), *dice.pick(FIELDS));
    match protocol {
        "graphql" => format!("operation_type: {kind}{title}{fields}"),
        "websocket" if dice.one_in(3) => format!("operation_type: {kind}{title}{fields}"),
        "websocket" => format!(
            "method: {}, path: {}",
            dice.pick(&["GET", "WEBSOCKET_TEXT", "\"*\""]),
            dice.pick(GLOBS)
        ),
        "mcp" => (*dice.pick(CALLS)).to_owned(),
        "json-rpc" => (*dice.pick(JSON_CALLS)).to_owned(),
        _ => format!(
            "method: {}, path: {}{}",
            dice.pick(METHODS),
            dice.pick(GLOBS),
            dice.pick(QUERIES)
        ),
    }
}

/// Checked endpoints, read from text once.
static ENDPOINTS: LazyLock<Vec<Endpoint>> = LazyLock::new(|| {
    let mut dice = Dice(7);
    (0..2500)
        .map(|_| {
            let text = endpoint_text(&mut dice);
            let text =
                format!("version: 1\nnetwork_policies: {{ e: {{ endpoints: [{{ {text} }}] }} }}\n");
            let policy = Policy::load(&Source::text("/w.yaml", &text))
                .unwrap_or_else(|fault| panic!("{fault}"));
            policy.network[0].entries[0].endpoints[0].clone()
        })
        .collect()
});

/// Policies that say all but traffic, read from text once.
static BOXES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let mut dice = Dice(11);
    (0..300)
        .map(|i| {
            let text = box_text(&mut dice);
            Policy::load(&Source::text(format!("/b{}.yaml", i % 7), &text))
                .unwrap_or_else(|fault| panic!("{fault}\n{text}"))
        })
        .collect()
});

fn box_text(dice: &mut Dice) -> String {
    let mut text = String::from("version: 1\n");
    let mode = *dice.pick(&[
        "confined",
        "confined",
        "confined",
        "relaxed, capabilities: [CHOWN, KILL]",
        "relaxed, capabilities: [KILL]",
        "offline",
    ]);
    text.push_str(&format!("box: {{ mode: {mode} }}\n"));
    if dice.one_in(2) {
        let level = |dice: &mut Dice| -> Vec<String> {
            ["/d", "/d/e", "/usr", "/srv", "/tmp"]
                .iter()
                .filter(|_| dice.one_in(3))
                .map(|path| (*path).to_owned())
                .collect()
        };
        let (read, mut write) = (level(dice), level(dice));
        write.retain(|path| !read.contains(path));
        text.push_str(&format!(
            "filesystem_policy: {{ read_only: [{}], read_write: [{}], include_workdir: {} }}\n",
            read.join(", "),
            write.join(", "),
            dice.one_in(2)
        ));
    }
    if dice.one_in(2) {
        let word = dice.pick(&["best_effort", "hard_requirement"]);
        text.push_str(&format!(
            "landlock: {{ compatibility: {word}, minimum_abi: {} }}\n",
            1 + dice.below(3)
        ));
    }
    if dice.one_in(3) {
        text.push_str(&format!(
            "process: {{ run_as_user: {} }}\n",
            dice.pick(&["sandbox", "5", "6"])
        ));
    }
    if dice.one_in(3) {
        let devices = dice.some(&["v.com/d=0", "v.com/d=1", "\"v.com/d=*\"", "w.com/e=0"], 3);
        let mut each: Vec<&str> = devices.into_iter().copied().collect();
        each.sort_unstable();
        each.dedup();
        text.push_str(&format!("devices: [{}]\n", each.join(", ")));
    }
    if dice.one_in(3) {
        text.push_str(&format!(
            "resources: {{ memory: {}Mi, pids: {}, disk: {{ /tmp: 1Gi }} }}\n",
            8 + dice.below(3),
            1 + dice.below(3)
        ));
    }
    if !mode.starts_with("offline") {
        if dice.one_in(3) {
            text.push_str(&format!(
                "budgets: {{ requests: {}, bytes_out: 1M }}\n",
                dice.below(3)
            ));
        }
        if dice.one_in(2) {
            text.push_str(dice.word(models::INFERENCE));
            text.push_str(dice.word(models::PRIVACY));
        }
        if dice.one_in(3) {
            text.push_str(&format!(
                "ports: [{}]\n",
                dice.pick(&["80", "80, 8080", "8080", ""])
            ));
        }
    }
    text
}

static GLOBS_OF_PROGRAMS: LazyLock<Vec<SegmentGlob>> = LazyLock::new(|| {
    BINARIES
        .iter()
        .map(|text| SegmentGlob::path(text).unwrap())
        .collect()
});

/// A random policy.
pub fn policy(dice: &mut Dice) -> Policy {
    let mut policy = dice.pick(&BOXES).clone();
    let entries = (0..=dice.below(3)).map(|i| entry(dice, i)).collect();
    let name = policy.name.clone();
    set(&mut policy, &name, entries, fixed(dice));
    policy
}

fn set(
    policy: &mut Policy,
    name: &str,
    entries: Vec<NetworkEntry>,
    resolve: BTreeMap<String, Vec<std::net::IpAddr>>,
) {
    policy.network = vec![NetworkLayer::new(name, entries, resolve)];
}

fn fixed(dice: &mut Dice) -> BTreeMap<String, Vec<std::net::IpAddr>> {
    let mut fixed = BTreeMap::new();
    if dice.one_in(8) {
        let address = dice.pick(&["10.1.2.3", "203.0.113.5"]).parse().unwrap();
        fixed.insert(
            (*dice.pick(&["a.x.com", "b.x.com"])).to_owned(),
            vec![address],
        );
    }
    fixed
}

fn entry(dice: &mut Dice, i: usize) -> NetworkEntry {
    let binaries = match dice.one_in(4) {
        true => dice
            .some(&GLOBS_OF_PROGRAMS, 2)
            .into_iter()
            .cloned()
            .collect(),
        false => Vec::new(),
    };
    NetworkEntry {
        key: format!("e{i}").into(),
        name: None,
        endpoints: dice.some(&ENDPOINTS, 2).into_iter().cloned().collect(),
        binaries,
    }
}

/// A policy that was made from `of` by a few changes, most of which take away.
pub fn changed(dice: &mut Dice, of: &Policy) -> Policy {
    let mut policy = of.clone();
    if dice.one_in(2) {
        let other = dice.pick(&BOXES);
        policy.resources = other.resources;
        policy.mode = policy.mode.min(other.mode);
    }
    if dice.one_in(8) {
        policy.models = dice.pick(&BOXES).models.clone();
    }
    let name = "/child.yaml";
    let Some(layer) = of.network.first() else {
        return policy;
    };
    let mut entries = layer.entries.clone();
    let resolve = if dice.one_in(6) {
        fixed(dice)
    } else {
        layer.resolve.clone()
    };
    for _ in 0..=dice.below(3) {
        let i = dice.below(entries.len());
        let j = dice.below(entries[i].endpoints.len());
        let other = dice.pick(&ENDPOINTS).clone();
        let many = entries.len() > 1;
        let endpoint = &mut entries[i].endpoints[j];
        match dice.below(16) {
            0 if many => drop(entries.remove(i)),
            1 => {
                entries[i].binaries = dice
                    .some(&GLOBS_OF_PROGRAMS, 1)
                    .into_iter()
                    .cloned()
                    .collect()
            }
            2 => endpoint.ports = vec![*dice.pick(&[80, 443])],
            3 => endpoint.host = other.host,
            4 => endpoint.path = other.path,
            5 if endpoint.rules.len() > 1 => drop(endpoint.rules.pop()),
            6 if other.protocol == endpoint.protocol && !endpoint.open => {
                endpoint.rules = other.rules
            }
            7 if other.protocol == endpoint.protocol => {
                endpoint.deny_rules.extend(other.deny_rules)
            }
            8 => drop(endpoint.deny_rules.pop()),
            9 => {
                endpoint.enforcement =
                    *dice.pick(&[Enforcement::Enforce, Enforcement::Ask, Enforcement::Audit])
            }
            10 => {
                endpoint.encoded_slash = !endpoint.encoded_slash
                    && endpoint.protocol != nemoclaw_policy::policy::Protocol::Tcp
            }
            11 => endpoint.credentials = other.credentials,
            12 => endpoint.mcp = other.mcp,
            13 => endpoint.persisted = other.persisted,
            14 => endpoint.allowed_ips = other.allowed_ips,
            _ if dice.one_in(3) => *endpoint = other,
            _ => entries[i].endpoints.push(other),
        }
    }
    set(&mut policy, name, entries, resolve);
    policy
}

/// The layer and an entry for a host that no other covers.
pub fn with_an_entry_more(layer: &NetworkLayer) -> NetworkLayer {
    let text =
        "version: 1\nnetwork_policies: { more: { endpoints: [{ host: z.y.org, port: 443 }] } }\n";
    let more = Policy::load(&Source::text("/m.yaml", text)).unwrap();
    let mut entries = layer.entries.clone();
    entries.extend(more.network[0].entries.iter().cloned());
    NetworkLayer::new(layer.policy.clone(), entries, layer.resolve.clone())
}

static OPERATIONS: LazyLock<Vec<Vec<GraphqlOperation>>> = LazyLock::new(|| {
    let mut all = vec![
        Vec::new(),
        vec![GraphqlOperation::Stored { id: "doc".into() }],
        vec![GraphqlOperation::Stored { id: "new".into() }],
    ];
    for kind in [OperationKind::Query, OperationKind::Mutation] {
        for name in [None, Some("Get"), Some("Put")] {
            for fields in [&["one"][..], &["two"], &["one", "two"], &["on", "one"]] {
                all.push(vec![GraphqlOperation::Document {
                    kind,
                    name: name.map(str::to_owned),
                    fields: fields.iter().map(|field| (*field).to_owned()).collect(),
                }]);
            }
        }
    }
    let two: Vec<GraphqlOperation> = all.iter().flatten().step_by(5).cloned().collect();
    all.extend(two.chunks(2).map(<[_]>::to_vec));
    all
});

static RPC: LazyLock<Vec<Vec<RpcCall>>> = LazyLock::new(|| {
    let call = |method: &str, name: Option<&str>| RpcCall::Method {
        method: method.into(),
        name: name.map(str::to_owned),
    };
    let mut all = vec![vec![], vec![RpcCall::Answer]];
    for method in [
        "initialize",
        "tools/list",
        "tools/x",
        "vendor/steal",
        "ping",
    ] {
        all.push(vec![call(method, None)]);
    }
    for name in [
        None,
        Some("one"),
        Some("two"),
        Some("two words"),
        Some("other"),
    ] {
        all.push(vec![call("tools/call", name)]);
        all.push(vec![call("tools/call", name), call("initialize", None)]);
    }
    all
});

static PROGRAMS: LazyLock<Vec<Program>> = LazyLock::new(|| {
    let program = |exe: &str, script: Option<&str>| Program {
        exe: exe.into(),
        scripts: script.into_iter().map(str::to_owned).collect(),
        ancestors: Vec::new(),
    };
    vec![
        program("/usr/bin/curl", None),
        program("/usr/bin/python3", Some("/opt/a/b")),
        program("/bin/sh", None),
    ]
});

/// A random flow.
pub fn flow(dice: &mut Dice) -> Flow<'static> {
    let program = match dice.below(4) {
        0 => None,
        _ => Some(dice.pick(&PROGRAMS)),
    };
    let http = (!dice.one_in(8)).then(|| request(dice));
    Flow {
        host: dice.word(NAMES),
        port: *dice.pick(&[443, 443, 80]),
        program,
        http,
    }
}

fn request(dice: &mut Dice) -> HttpRequest<'static> {
    let method = *dice.pick(&[
        "GET",
        "GET",
        "POST",
        "POST",
        "DELETE",
        "PUT",
        "HEAD",
        "WEBSOCKET_TEXT",
        "WEBSOCKET_BINARY",
    ]);
    let content = match dice.below(7) {
        0 => Content::Nothing,
        1 => Content::Unreadable,
        2 => Content::Graphql(dice.pick::<Vec<_>>(&OPERATIONS)),
        3 => Content::Rpc(dice.pick::<Vec<_>>(&RPC)),
        _ => Content::Unread,
    };
    HttpRequest {
        method,
        path: dice.word(PATHS),
        query: *dice.pick(VALUES),
        upgrade: !method.starts_with("WEBSOCKET") && dice.one_in(5),
        content,
    }
}

/// A host, a port and an address to dial.
pub fn address(dice: &mut Dice) -> (&'static str, u16, std::net::IpAddr) {
    let address = dice.pick(&["10.1.2.3", "10.2.0.1", "203.0.113.5", "192.0.2.1"]);
    (
        dice.word(NAMES),
        *dice.pick(&[80, 443]),
        address.parse().unwrap(),
    )
}
