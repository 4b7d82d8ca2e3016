//! Prints the JSON Schema of policies, made from the types; `make docs` keeps it in `profiles/schema/policy.v1.json`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let schema = nemoclaw_policy::schema::generate();
    let text = serde_json::to_string_pretty(&schema)?;
    writeln!(std::io::stdout(), "{text}")
}
