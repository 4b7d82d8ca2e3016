//! The JSON Schema of policies, for editors and for whoever writes policies by program.
//!
//! Its words come from the types that the reader fills. A test asks the reader for the keys that it knows at each place
//! and compares, so that neither can have a key that the other lacks. The schema knows forms, words and bounds; what
//! depends on more than one place (say which protocol has which rules) only the reader knows in full.

mod endpoint;
mod models;

use serde_json::{Map, Value, json};

use crate::builtin;
use crate::policy::{GRANTABLE, Mode};

/// The schema as it ships: `profiles/schema/policy.v1.json`.
pub const TEXT: &str = include_str!("../../schema/policy.v1.json");

/// The schema, made anew from the types. `make docs` writes it to the file.
#[must_use]
pub fn generate() -> Value {
    let mut schema = object(
        "A NemoClaw policy: what a sandbox may do. What is not listed is refused.",
        &[
            (
                "version",
                described(json!({ "const": 1 }), "The version of this language: 1."),
            ),
            ("box", mode()),
            ("filesystem_policy", filesystem()),
            ("landlock", landlock()),
            ("process", process()),
            (
                "devices",
                list(
                    text(),
                    "CDI devices: `vendor.com/class=name` is given to the box, `vendor.com/class=*` only lets it be given.",
                ),
            ),
            ("resources", resources()),
            ("budgets", budgets()),
            (
                "ports",
                list(
                    port(),
                    "TCP ports of the box that may be reached from outside; omitted, any.",
                ),
            ),
            ("resolve", resolve()),
            (
                "include",
                list(
                    words(builtin::preset_names()),
                    "Presets whose entries are added to `network_policies`.",
                ),
            ),
            (
                "network_policies",
                map(
                    endpoint::entry(),
                    "Entries by name; any of them may let a flow pass, a deny rule beats them all.",
                ),
            ),
            ("inference", models::inference()),
            ("privacy", models::privacy()),
        ],
        &["version"],
    );
    if let Some(fields) = schema.as_object_mut() {
        fields.insert(
            "$schema".into(),
            json!("http://json-schema.org/draft-07/schema#"),
        );
        fields.insert("title".into(), json!("NemoClaw policy, version 1"));
    }
    schema
}

fn mode() -> Value {
    let modes = [
        Mode::Offline,
        Mode::Confined,
        Mode::Relaxed,
        Mode::Unconfined,
    ];
    object(
        "What kind of box. Only an operator's policy may relax it.",
        &[
            (
                "mode",
                described(
                    words(&modes.map(Mode::word)),
                    "`offline`: no network but loopback. `confined`: the usual box. `relaxed`: with a writable root and capabilities. `unconfined`: no sandbox at all.",
                ),
            ),
            (
                "capabilities",
                list(
                    words(GRANTABLE),
                    "Capabilities kept, beside `mode: relaxed` only.",
                ),
            ),
        ],
        &[],
    )
}

fn filesystem() -> Value {
    object(
        "Paths with all below them; the deepest listed path decides, an unlisted one has no access.",
        &[
            (
                "read_only",
                list(text(), "Absolute paths that may be read and executed."),
            ),
            (
                "read_write",
                list(text(), "Absolute paths that may be written too."),
            ),
            (
                "include_workdir",
                flag("The working directory may be written too."),
            ),
        ],
        &[],
    )
}

fn landlock() -> Value {
    object(
        "What the kernel must be able to hold.",
        &[
            (
                "compatibility",
                described(
                    words(&["best_effort", "hard_requirement"]),
                    "Whether a box starts on a kernel below `minimum_abi`. Omitted: `hard_requirement`.",
                ),
            ),
            (
                "minimum_abi",
                whole(
                    1,
                    Some(16),
                    "The lowest version of Landlock that is enough.",
                ),
            ),
        ],
        &[],
    )
}

fn process() -> Value {
    let account = |of: &str| {
        described(
            json!({ "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": u32::MAX - 1 },
                { "type": "string" },
            ] }),
            &format!("The {of} of the first process: `sandbox`, or a number that is not 0."),
        )
    };
    object(
        "Who the first process runs as; omitted, the image's choice.",
        &[
            ("run_as_user", account("user")),
            ("run_as_group", account("group")),
        ],
        &[],
    )
}

fn resources() -> Value {
    object(
        "How much of the machine the box may use.",
        &[
            ("memory", size("Memory, swap included, such as `512Mi`.")),
            (
                "cpu",
                described(
                    json!({ "anyOf": [{ "type": "number" }, { "type": "string" }] }),
                    "CPUs: `2`, `0.5`, or `\"500m\"`.",
                ),
            ),
            ("pids", whole(1, Some(4_194_304), "Processes and threads.")),
            (
                "nofile",
                whole(16, Some(1_048_576), "Open files of each process."),
            ),
            (
                "disk",
                object(
                    "How much the writable directories may hold.",
                    &[
                        ("/sandbox", size("What `/sandbox` may hold.")),
                        ("/tmp", size("What `/tmp` may hold.")),
                    ],
                    &[],
                ),
            ),
        ],
        &[],
    )
}

fn budgets() -> Value {
    const MOST: u64 = 1_000_000_000;
    object(
        "How much traffic in an hour; omitted, no limit of the policy's.",
        &[
            (
                "requests",
                whole(0, Some(MOST), "HTTP requests and WebSocket texts."),
            ),
            (
                "bytes_out",
                size("Bytes that leave the sandbox, such as `10M`."),
            ),
            ("connections", whole(0, Some(MOST), "Connections.")),
            (
                "wildcard_names",
                whole(0, Some(MOST), "Distinct names that only a wildcard covers."),
            ),
        ],
        &[],
    )
}

fn resolve() -> Value {
    let address = json!({ "type": "string" });
    map(
        json!({ "anyOf": [address, { "type": "array", "items": address, "minItems": 1 }] }),
        "Fixed addresses of names, before any resolver; such a name has no others.",
    )
}

/// A mapping with these keys and no others.
fn object(doc: &str, keys: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|(key, schema)| ((*key).to_owned(), schema.clone()))
        .collect();
    let mut schema = json!({
        "description": doc,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A mapping whose keys are the author's.
fn map(values: Value, doc: &str) -> Value {
    json!({ "description": doc, "type": "object", "additionalProperties": values })
}

fn list(items: Value, doc: &str) -> Value {
    json!({ "description": doc, "type": "array", "items": items })
}

/// A list that must not be empty.
fn some(items: Value, doc: &str) -> Value {
    let mut schema = list(items, doc);
    schema["minItems"] = json!(1);
    schema
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

fn flag(doc: &str) -> Value {
    json!({ "description": doc, "type": "boolean" })
}

fn whole(least: u64, most: Option<u64>, doc: &str) -> Value {
    let mut schema = json!({ "description": doc, "type": "integer", "minimum": least });
    if let Some(most) = most {
        schema["maximum"] = json!(most);
    }
    schema
}

fn port() -> Value {
    whole(1, Some(u16::MAX.into()), "A TCP port.")
}

/// A number of bytes, or a text with a unit.
fn size(doc: &str) -> Value {
    described(
        json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] }),
        doc,
    )
}

fn described(mut schema: Value, doc: &str) -> Value {
    schema["description"] = json!(doc);
    schema
}
