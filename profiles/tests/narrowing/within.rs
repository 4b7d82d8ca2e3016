//! What is within and what is not, by example: one line for each thing a policy can ask for.

use nemoclaw_policy::narrow::diff::Change;
use nemoclaw_policy::narrow::{Axis, diff, is_within, meet};
use nemoclaw_policy::{Policy, Source, builtin};

fn load(name: &str, text: &str) -> Policy {
    Policy::load(&Source::text(name, &format!("version: 1\n{text}")))
        .unwrap_or_else(|fault| panic!("{fault}"))
}

pub fn child(text: &str) -> Policy {
    load("/child.yaml", text)
}

pub fn parent(text: &str) -> Policy {
    load("/parent.yaml", text)
}

fn endpoints(list: &[&str]) -> String {
    format!(
        "network_policies: {{ e: {{ endpoints: [{{ {} }}] }} }}\n",
        list.join(" }, { ")
    )
}

pub fn axes(child: &Policy, parent: &Policy) -> Vec<Axis> {
    is_within(child, parent)
        .err()
        .unwrap_or_default()
        .iter()
        .map(|widening| widening.axis)
        .collect()
}

/// Parent, then a child that is within it.
const WITHIN: &[(&str, &str)] = &[
    ("host: \"*.x.com\", port: 443", "host: a.x.com, port: 443"),
    (
        "host: \"**.x.com\", port: 443",
        "host: \"*.b.x.com\", port: 443",
    ),
    (
        "host: \"a*.x.com\", port: 443",
        "host: \"ab*.x.com\", port: 443",
    ),
    ("host: a.b, ports: [80, 443]", "host: a.b, port: 443"),
    (
        "host: a.b, port: 443, access: read-write",
        "host: a.b, port: 443, access: read-only",
    ),
    (
        "host: a.b, port: 443, access: full",
        "host: a.b, port: 443, access: read-write",
    ),
    (
        "host: a.b, port: 443",
        "host: a.b, port: 443, access: full, protocol: rest",
    ),
    (
        "host: a.b, port: 443, rules: [{ allow: { method: \"*\", path: \"/a/**\" } }]",
        "host: a.b, port: 443, rules: [{ allow: { method: GET, path: \"/a/b/*\" } }]",
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, rules: [{ allow: { method: GET, path: /a, query: { k: \"1\" } } }]",
    ),
    (
        "host: a.b, port: 443, rules: [{ allow: { method: GET, path: /a, query: { k: \"1*\" } } }]",
        "host: a.b, port: 443, rules: [{ allow: { method: GET, path: /a, query: { k: { any: [\"1\", \"12\"] }, z: q } } }]",
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, access: read-only, deny_rules: [{ method: GET, path: /a }]",
    ),
    (
        "host: a.b, port: 443, access: full, protocol: rest, deny_rules: [{ method: DELETE, path: \"**\" }]",
        "host: a.b, port: 443, access: read-write",
    ),
    (
        "host: a.b, port: 443, access: full, protocol: rest, deny_rules: [{ method: GET, path: /s/x }]",
        "host: a.b, port: 443, access: read-only, deny_rules: [{ method: \"*\", path: \"/s/**\" }]",
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, access: read-only, path: \"/a/**\"",
    ),
    (
        "host: a.b, port: 443, access: read-only, enforcement: audit",
        "host: a.b, port: 443, access: read-only, enforcement: ask",
    ),
    (
        "host: a.b, port: 443, access: read-only, enforcement: ask",
        "host: a.b, port: 443, access: read-only",
    ),
    (
        "host: a.b, port: 443, access: read-only, allowed_ips: [10.0.0.0/9, 10.128.0.0/9]",
        "host: a.b, port: 443, access: read-only, allowed_ips: [10.0.0.0/8]",
    ),
    (
        "host: a.b, port: 443, protocol: graphql, access: read-write",
        "host: a.b, port: 443, protocol: graphql, rules: [{ allow: { operation_type: query, fields: [viewer] } }]",
    ),
    (
        "host: a.b, port: 443, protocol: mcp, rules: [{ allow: { tool: \"list*\" } }, { allow: { method: initialize } }]",
        "host: a.b, port: 443, protocol: mcp, rules: [{ allow: { tool: { any: [list, lists] } } }]",
    ),
    (
        "host: a.b, port: 443, protocol: mcp, mcp: { allow_all_known_mcp_methods: true }",
        "host: a.b, port: 443, protocol: mcp, rules: [{ allow: { method: tools/list } }], mcp: { max_body_bytes: 10 }",
    ),
    (
        "host: a.b, port: 443, protocol: json-rpc, rules: [{ allow: { method: \"*\" } }]",
        "host: a.b, port: 443, protocol: json-rpc, rules: [{ allow: { method: x } }]",
    ),
    (
        "host: a.b, port: 443, access: full, protocol: rest",
        "host: a.b, port: 443, protocol: graphql, access: full",
    ),
    (
        "host: a.b, port: 443, access: read-only, credential_binding: { provider: \"*\" }",
        "host: a.b, port: 443, access: read-only, credential_binding: { provider: github }",
    ),
];

/// Parent, a child that asks for more, and in what.
const WIDER: &[(&str, &str, Axis)] = &[
    (
        "host: \"*.x.com\", port: 443",
        "host: \"**.x.com\", port: 443",
        Axis::Hosts,
    ),
    ("host: a.b, port: 443", "host: c.d, port: 443", Axis::Hosts),
    (
        "host: a.b, port: 443",
        "host: a.b, ports: [80, 443]",
        Axis::Ports,
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, access: read-write",
        Axis::Methods,
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443",
        Axis::Protocol,
    ),
    (
        "host: a.b, port: 443, rules: [{ allow: { method: GET, path: \"/a/*\" } }]",
        "host: a.b, port: 443, rules: [{ allow: { method: GET, path: \"/*\" } }]",
        Axis::Paths,
    ),
    (
        "host: a.b, port: 443, rules: [{ allow: { method: GET, path: /a, query: { k: \"1\" } } }]",
        "host: a.b, port: 443, rules: [{ allow: { method: GET, path: /a } }]",
        Axis::Query,
    ),
    (
        "host: a.b, port: 443, access: read-only, deny_rules: [{ method: GET, path: \"/s/**\" }]",
        "host: a.b, port: 443, access: read-only",
        Axis::DenyRules,
    ),
    (
        "host: a.b, port: 443, access: read-only, deny_rules: [{ method: GET, path: \"/s/**\" }]",
        "host: a.b, port: 443, access: read-only, deny_rules: [{ method: GET, path: \"/s/*.x\" }]",
        Axis::DenyRules,
    ),
    (
        "host: a.b, port: 443, access: read-only, path: \"/a/**\"",
        "host: a.b, port: 443, access: read-only",
        Axis::PathChoice,
    ),
    (
        "host: a.b, port: 443, access: read-only }, { host: a.b, port: 443, access: read-write, path: \"/a/**\"",
        "host: a.b, port: 443, access: read-only",
        Axis::PathChoice,
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, access: read-only, enforcement: ask",
        Axis::Enforcement,
    ),
    (
        "host: a.b, port: 443, access: read-only, enforcement: ask",
        "host: a.b, port: 443, access: read-only, enforcement: audit",
        Axis::Enforcement,
    ),
    (
        "host: a.b, port: 443",
        "host: a.b, port: 443, tls: skip",
        Axis::Tls,
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, access: read-only, allowed_ips: [10.0.0.0/8]",
        Axis::AllowedIps,
    ),
    (
        "host: a.b, port: 443, access: read-only, allowed_ips: [10.0.0.0/8]",
        "host: a.b, port: 443, access: read-only",
        Axis::AllowedIps,
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, access: read-only, allow_encoded_slash: true",
        Axis::EncodedSlash,
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, access: read-only, credential_binding: { provider: github }",
        Axis::Provider,
    ),
    (
        "host: a.b, port: 443, access: read-only, credential_binding: { provider: github }",
        "host: a.b, port: 443, access: read-only, credential_binding: { provider: github }, request_body_credential_rewrite: true",
        Axis::CredentialsInBodies,
    ),
    (
        "host: a.b, port: 443, protocol: websocket, access: full, credential_binding: { provider: github }",
        "host: a.b, port: 443, protocol: websocket, access: full, credential_binding: { provider: github }, websocket_credential_rewrite: true",
        Axis::CredentialsInWebsockets,
    ),
    (
        "host: a.b, port: 443",
        "host: a.b, port: 443, allow_uninspected_credentials: true",
        Axis::CredentialsUninspected,
    ),
    (
        "host: a.b, port: 443, protocol: graphql, access: read-only",
        "host: a.b, port: 443, protocol: graphql, access: read-write",
        Axis::Graphql,
    ),
    (
        "host: a.b, port: 443, protocol: graphql, access: read-only",
        "host: a.b, port: 443, protocol: graphql, access: read-only, graphql_max_body_bytes: 100000",
        Axis::MaxBody,
    ),
    (
        "host: a.b, port: 443, protocol: graphql, access: read-only",
        "host: a.b, port: 443, protocol: graphql, access: read-only, persisted_queries: allow_registered, graphql_persisted_queries: { x: { operation_type: query, fields: [a] } }",
        Axis::PersistedQueries,
    ),
    (
        "host: a.b, port: 443, protocol: mcp, rules: [{ allow: { tool: one } }]",
        "host: a.b, port: 443, protocol: mcp, rules: [{ allow: { tool: \"*\" } }]",
        Axis::Rpc,
    ),
    (
        "host: a.b, port: 443, protocol: mcp, rules: [{ allow: { tool: \"**\" } }]",
        "host: a.b, port: 443, protocol: mcp, rules: [{ allow: { tool: \"**\" } }], mcp: { strict_tool_names: false }",
        Axis::Mcp,
    ),
    (
        "host: a.b, port: 443, protocol: mcp, rules: [{ allow: { method: initialize } }]",
        "host: a.b, port: 443, protocol: mcp, mcp: { allow_all_known_mcp_methods: true }",
        Axis::Rpc,
    ),
    (
        "host: a.b, port: 443, access: read-only",
        "host: a.b, port: 443, protocol: websocket, access: read-only",
        Axis::Protocol,
    ),
];

#[test]
fn less_of_anything_is_within() {
    for (has, asks) in WITHIN {
        let (asks, has) = (child(&endpoints(&[asks])), parent(&endpoints(&[has])));
        assert_eq!(is_within(&asks, &has), Ok(()));
        assert!(
            !axes(&has, &asks).is_empty()
                || asks.network[0].entries[0].endpoints[0].allowed_ips.len() == 1,
            "the other way round it is more: {:?}",
            asks.network
        );
    }
}

#[test]
fn more_of_anything_is_told_with_its_axis() {
    for (has, asks, axis) in WIDER {
        let (asks, has) = (child(&endpoints(&[asks])), parent(&endpoints(&[has])));
        let found = axes(&asks, &has);
        assert!(
            found.contains(axis),
            "{axis} is not in {found:?}: {:?}",
            asks.network
        );
    }
}

/// Key, a value that allows less, a value that allows more.
const BOX: &[(Axis, &str, &str)] = &[
    (
        Axis::Mode,
        "box: { mode: confined }\n",
        "box: { mode: relaxed }\n",
    ),
    (
        Axis::Filesystem,
        "filesystem_policy: { read_only: [/d] }\n",
        "filesystem_policy: { read_only: [/d], read_write: [/d/e] }\n",
    ),
    (
        Axis::Filesystem,
        "filesystem_policy: {}\n",
        "filesystem_policy: { read_only: [/] }\n",
    ),
    (
        Axis::Workdir,
        "filesystem_policy: { include_workdir: false }\n",
        "filesystem_policy: { include_workdir: true }\n",
    ),
    (
        Axis::LandlockCompatibility,
        "landlock: { compatibility: hard_requirement }\n",
        "landlock: { compatibility: best_effort }\n",
    ),
    (
        Axis::LandlockAbi,
        "landlock: { minimum_abi: 4 }\n",
        "landlock: { minimum_abi: 3 }\n",
    ),
    (
        Axis::User,
        "process: { run_as_user: sandbox }\n",
        "process: {}\n",
    ),
    (
        Axis::Group,
        "process: { run_as_group: 7 }\n",
        "process: {}\n",
    ),
    (
        Axis::Capabilities,
        "box: { mode: relaxed, capabilities: [KILL] }\n",
        "box: { mode: relaxed, capabilities: [KILL, CHOWN] }\n",
    ),
    (
        Axis::DevicesGiven,
        "devices: [\"v.com/d=*\"]\n",
        "devices: [v.com/e=1]\n",
    ),
    (
        Axis::DevicesAllowed,
        "devices: [v.com/d=0]\n",
        "devices: [\"v.com/d=*\"]\n",
    ),
    (Axis::DevicesAllowed, "devices: []\n", ""),
    (
        Axis::Memory,
        "resources: { memory: 1Gi }\n",
        "resources: { memory: 2Gi }\n",
    ),
    (
        Axis::Cpu,
        "resources: { cpu: 1 }\n",
        "resources: { cpu: 1.5 }\n",
    ),
    (Axis::Pids, "resources: { pids: 4 }\n", "resources: {}\n"),
    (
        Axis::OpenFiles,
        "resources: { nofile: 100 }\n",
        "resources: { nofile: 200 }\n",
    ),
    (
        Axis::DiskSandbox,
        "resources: { disk: { /sandbox: 1G } }\n",
        "resources: { disk: { /sandbox: 2G } }\n",
    ),
    (Axis::DiskTmp, "resources: { disk: { /tmp: 1G } }\n", ""),
    (
        Axis::Requests,
        "budgets: { requests: 1 }\n",
        "budgets: { requests: 2 }\n",
    ),
    (Axis::BytesOut, "budgets: { bytes_out: 1M }\n", ""),
    (
        Axis::Connections,
        "budgets: { connections: 1 }\n",
        "budgets: { connections: 2 }\n",
    ),
    (
        Axis::WildcardNames,
        "budgets: { wildcard_names: 1 }\n",
        "budgets: { wildcard_names: 2 }\n",
    ),
    (Axis::Inbound, "ports: [80]\n", "ports: [80, 443]\n"),
    (Axis::Inbound, "ports: []\n", ""),
    (
        Axis::Resolve,
        "resolve: { a.b: 10.0.0.1 }\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 1 }] } }\n",
        "resolve: { a.b: [10.0.0.1, 10.0.0.2] }\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 1 }] } }\n",
    ),
    (
        Axis::Programs,
        "network_policies: { e: { endpoints: [{ host: a.b, port: 1 }], binaries: [{ path: /usr/bin/git }] } }\n",
        "network_policies: { e: { endpoints: [{ host: a.b, port: 1 }], binaries: [{ path: /usr/bin/* }] } }\n",
    ),
    (
        Axis::Programs,
        "network_policies: { e: { endpoints: [{ host: a.b, port: 1 }], binaries: [{ path: /usr/bin/* }] } }\n",
        "network_policies: { e: { endpoints: [{ host: a.b, port: 1 }] } }\n",
    ),
];

#[test]
fn each_key_beside_the_traffic_is_compared_in_its_own_direction() {
    for (axis, less, more) in BOX.iter().chain(super::models::EXAMPLES) {
        let (narrow, wide) = (parent(less), child(more));
        assert!(axes(&wide, &narrow).contains(axis), "{axis}: {less}{more}");
        if *axis != Axis::DevicesGiven {
            assert_eq!(is_within(&narrow, &wide), Ok(()), "{axis}: {less}{more}");
        }
        let change = |axis: Axis| {
            let all = diff(&narrow, &wide);
            all.into_iter()
                .find(|one| one.axis == axis)
                .unwrap()
                .change()
        };
        assert_eq!(change(*axis), Change::Widened, "{axis}: {less}{more}");
        let back = diff(&wide, &narrow)
            .into_iter()
            .find(|one| one.axis == *axis)
            .unwrap();
        assert_eq!(back.change(), Change::Narrowed, "{back}");
    }
}

#[test]
fn every_axis_has_an_example_that_widens_it() {
    for axis in Axis::ALL {
        let mut boxes = BOX.iter().chain(super::models::EXAMPLES);
        let known =
            boxes.any(|(own, ..)| *own == axis) || WIDER.iter().any(|(_, _, own)| *own == axis);
        assert!(known, "no example widens {axis}");
    }
}

#[test]
fn a_widening_names_the_line_that_asks_for_it() {
    let has = parent(
        "resources: { memory: 1Gi }\nnetwork_policies:\n  e:\n    endpoints:\n      - { host: a.b, port: 443, access: read-only }\n",
    );
    let asks = child(
        "resources:\n  memory: 2Gi\nnetwork_policies:\n  e:\n    endpoints:\n      - host: a.b\n        port: 443\n        rules:\n          - allow: { method: GET, path: \"**\" }\n          - allow: { method: DELETE, path: /x }\n",
    );
    let told: Vec<String> = is_within(&asks, &has)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "/child.yaml:3:11: resources.memory: asks for 2147483648, but the other has 1073741824",
            "/child.yaml:11:20: methods: asks for DELETE /x on a.b:443, but the other has GET **, HEAD **, OPTIONS **",
        ]
    );
    let all = diff(&has, &asks);
    let shown: Vec<String> = all
        .iter()
        .filter(|one| one.change() != Change::Same)
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[1].starts_with("methods: both ways\n  + DELETE /x on a.b:443 (was: GET **, HEAD **, OPTIONS **) at /child.yaml:11:20\n  - HEAD ** on a.b:443"), "{}", shown[1]);
}

#[test]
fn shipped_policies_and_presets_are_compared_as_people_expect() {
    let shipped =
        |name: &str| Policy::load(&Source::builtin(name, builtin::policy(name).unwrap())).unwrap();
    for name in builtin::policy_names() {
        let policy = shipped(name);
        assert_eq!(is_within(&policy, &policy), Ok(()));
        assert_eq!(
            is_within(&policy, &meet(&policy, &policy)),
            Ok(()),
            "{name}"
        );
        assert!(
            diff(&policy, &policy)
                .iter()
                .all(|one| one.change() == Change::Same),
            "{name}"
        );
    }
    assert_eq!(
        is_within(&shipped("offline"), &shipped("default")).is_ok(),
        axes(&shipped("offline"), &shipped("default")).is_empty()
    );
    assert!(axes(&shipped("unconfined"), &shipped("default")).contains(&Axis::Mode));
    assert!(axes(&shipped("dev"), &shipped("strict")).contains(&Axis::Mode));
    let all = format!("include: [{}]\n", builtin::preset_names().join(", "));
    for name in builtin::preset_names() {
        let one = child(&format!("include: [{name}]\n"));
        assert_eq!(is_within(&one, &parent(&all)), Ok(()), "{name}");
        assert!(!axes(&parent(&all), &one).is_empty(), "{name}");
    }
}
