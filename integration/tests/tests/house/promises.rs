//! No test, no promise: each numbered promise of `docs/promises.md` names a test or bench that exists.

use super::sources::files;
use nemoclaw_tests::world::workspace;

#[test]
fn every_promise_names_a_test_that_exists() {
    let path = workspace().join("docs/promises.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("docs/promises.md lists what we promise and which test holds it: {error}")
    });
    let sources = files(&["profiles", "runtime", "hooks", "integration"], "rs");
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| {
            line.starts_with("| ") && !line.starts_with("| ---") && !line.starts_with("| Promise")
        })
        .collect();
    assert!(!rows.is_empty(), "no promise in {}", path.display());
    let mut faults = Vec::new();
    for row in rows {
        let named: Vec<&str> = row
            .rsplit('|')
            .nth(1)
            .unwrap_or_default()
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        if named.is_empty() {
            faults.push(format!("names no test: {row}"));
        }
        for name in named {
            let function = name.rsplit("::").next().unwrap_or(name);
            let exists = sources
                .iter()
                .any(|source| source.text.contains(&format!("fn {function}(")));
            if !exists {
                faults.push(format!("no test `{name}`: {row}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
