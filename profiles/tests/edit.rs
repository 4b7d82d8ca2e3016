//! Presets are added to a policy's text and taken out of it, and nothing else changes.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use nemoclaw_policy::edit::{EditError, exclude, include};
use nemoclaw_policy::{Policy, Source, builtin};
use proptest::prelude::*;

fn source(text: &str) -> Source {
    Source::text("./p.yaml", text)
}

fn with(text: &str, preset: &str) -> String {
    include(&source(text), preset).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn without(text: &str, preset: &str) -> String {
    exclude(&source(text), preset).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn a_policy_without_a_list_gets_one_behind_its_version() {
    assert_eq!(
        with("# mine\nversion: 1 # one\n\nports: [80]\n", "pypi"),
        "# mine\nversion: 1 # one\ninclude: [pypi]\n\nports: [80]\n"
    );
    assert_eq!(with("version: 1", "pypi"), "version: 1\ninclude: [pypi]");
    assert_eq!(
        with("  version: 1\r\n  ports: []\r\n", "pypi"),
        "  version: 1\r\n  include: [pypi]\r\n  ports: []\r\n"
    );
}

#[test]
fn lists_of_every_form_keep_all_their_other_bytes() {
    for (before, after) in [
        ("include: []", "include: [pypi]"),
        ("include: [ ]", "include: [pypi ]"),
        ("include: [npm]", "include: [npm, pypi]"),
        ("include: [ npm ] # why", "include: [ npm, pypi ] # why"),
        ("include: [npm,]", "include: [npm, pypi,]"),
        (
            "include: ['npm', \"slack\"]",
            "include: ['npm', \"slack\", pypi]",
        ),
        (
            "include: [\n  npm, # a\n  slack # b\n]",
            "include: [\n  npm, # a\n  slack, pypi # b\n]",
        ),
        (
            "include:\n  - npm # why",
            "include:\n  - npm # why\n  - pypi",
        ),
        (
            "include:\n- npm\n-\tslack",
            "include:\n- npm\n-\tslack\n-\tpypi",
        ),
        (
            "include: # x\n  # y\n  - \"npm\"\n  # z",
            "include: # x\n  # y\n  - \"npm\"\n  - pypi\n  # z",
        ),
    ] {
        for (head, tail) in [
            ("version: 1\n", "\n"),
            ("", "\nversion: 1\nports: [80] # é\n"),
            ("# é ü\nversion: 1\n", ""),
        ] {
            let text = |middle: &str| format!("{head}{middle}{tail}");
            assert_eq!(with(&text(before), "pypi"), text(after));
            assert_eq!(without(&text(after), "pypi"), text(before), "{after}");
            let windows = |middle: &str| text(middle).replace('\n', "\r\n");
            assert_eq!(with(&windows(before), "pypi"), windows(after));
            assert_eq!(without(&windows(after), "pypi"), windows(before));
        }
    }
}

#[test]
fn what_is_taken_out_leaves_its_comment_and_an_empty_list() {
    for (before, after) in [
        ("include: [npm, pypi]", "include: [pypi]"),
        ("include: [npm]", "include: []"),
        ("include:\n  - npm", "include: []"),
        (
            "include: # which\n  - npm # for the build",
            "include: [] # which\n  # for the build",
        ),
        (
            "include:\n  - npm # n\n  - pypi # p",
            "include:\n  # n\n  - pypi # p",
        ),
        (
            "include: [\n  npm, # a\n  pypi\n]",
            "include: [\n  # a\n  pypi\n]",
        ),
        ("include: [\n  npm,\n  pypi\n]", "include: [\n  pypi\n]"),
    ] {
        let text = |middle: &str| format!("version: 1\n{middle}\nports: [80]\n");
        let done = without(&text(before), "npm");
        let same = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(same(&done), same(&text(after)), "{done}");
    }
}

#[test]
fn what_is_no_clean_edit_is_refused() {
    let refused = |result: Result<String, EditError>| result.unwrap_err().to_string();
    let one = source("version: 1\ninclude: [npm]\n");
    assert!(refused(include(&one, "npm")).contains("includes the preset `npm` already"));
    assert!(refused(exclude(&one, "pypi")).contains("does not include the preset `pypi`"));
    let unknown = include(&one, "pyp").unwrap_err();
    assert_eq!(unknown.hint().unwrap(), "did you mean `pypi`?");
    let clash = source(
        "version: 1\nnetwork_policies:\n  pypi:\n    endpoints:\n      - { host: pypi.org, port: 443 }\n",
    );
    assert!(refused(include(&clash, "pypi")).contains("stands in this policy already"));
    assert!(refused(include(&source("version: 1\nincluded: []\n"), "npm")).contains("unknown key"));
    assert!(refused(include(&source("{version: 1}"), "npm")).contains("form"));
    assert!(
        refused(include(
            &source("version: 1\nbox: { mode: offline }\n"),
            "npm"
        ))
        .contains("means nothing")
    );
}

fn forms() -> impl Strategy<Value = (String, Vec<&'static str>)> {
    let names =
        proptest::sample::subsequence(builtin::preset_names().to_vec(), 0..5).prop_shuffle();
    let comment = prop_oneof![Just(""), Just(" # [a, b]"), Just("\t# include: é")];
    (
        names,
        0..4_u8,
        comment,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(names, form, comment, first, windows, ended)| {
            let listed = match (form, names.is_empty()) {
                (_, true) => format!("include: []{comment}"),
                (0, _) => format!("include: [{}]{comment}", names.join(", ")),
                (1, _) => format!("include: [ '{}' ]{comment}", names.join("' , '")),
                (2, _) => format!(
                    "include:{comment}\n  - {}",
                    names.join(&format!("{comment}\n  - "))
                ),
                _ => format!(
                    "include:\n-   \"{}\"{comment}",
                    names.join("\"\n# x\n-   \"")
                ),
            };
            let rest = "ports: [80]   # é\nresources: { pids: 50 }";
            let mut text = match first {
                true => format!("# top\n{listed}\nversion: 1\n{rest}"),
                false => format!("version: 1\n{rest}\n\n{listed}"),
            };
            if ended {
                text.push('\n');
            }
            if windows {
                text = text.replace('\n', "\r\n");
            }
            (text, names)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn adding_changes_one_place_and_taking_out_gives_the_old_bytes(
        (text, names) in forms(),
        preset in proptest::sample::select(builtin::preset_names().to_vec()),
    ) {
        prop_assume!(Policy::load(&source(&text)).is_ok());
        if names.contains(&preset) {
            let less = without(&text, preset);
            let loaded = Policy::load(&source(&less)).unwrap();
            prop_assert!(loaded.network[0].entries.len() < Policy::load(&source(&text)).unwrap().network[0].entries.len());
            let comments = |text: &str| text.matches('#').count();
            prop_assert_eq!(comments(&less), comments(&text));
            return Ok(());
        }
        let Ok(more) = include(&source(&text), preset) else {
            // Two presets may name an entry alike.
            return Ok(());
        };
        let kept: Vec<&str> = text.lines().filter(|line| more.lines().any(|one| one == *line)).collect();
        prop_assert!(text.lines().count() - kept.len() <= 1, "{}\n{}", text, more);
        prop_assert_eq!(without(&more, preset), text);
    }
}

mod inference {
    use super::*;
    use nemoclaw_policy::edit::inference;

    fn set(text: &str, key: &'static str, value: &str) -> String {
        inference(&source(text), key, value).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    const ROUTES: &str = "\n  - { models: [a], to: [x] }";

    #[test]
    fn a_policy_that_asks_no_model_begins_to_behind_its_version() {
        assert_eq!(
            set(
                "# mine\nversion: 1 # one\n\nports: [80]\n",
                "routes",
                ROUTES
            ),
            "# mine\nversion: 1 # one\ninference:\n  routes:\n    - { models: [a], to: [x] }\n\nports: [80]\n"
        );
        assert_eq!(
            set(
                "version: 1\r\ninference: {}\r\nports: []\r\n",
                "providers",
                "[x]"
            ),
            "version: 1\r\ninference: \r\n  providers: [x]\r\nports: []\r\n"
        );
    }

    #[test]
    fn one_key_is_replaced_and_all_that_stands_around_it_stays() {
        let before = "version: 1\ninference: # models\n    # who\n    providers: [x, y] # both\n    routes: # ways\n    - to: [x]\n      # inside\n      models: [m]\n    - to: [y]\n\n    # how much\n    budgets: { tokens: 5 }\nports: [80]\n";
        assert_eq!(
            set(before, "routes", ROUTES),
            "version: 1\ninference: # models\n    # who\n    providers: [x, y] # both\n    routes:\n      - { models: [a], to: [x] }\n\n    # how much\n    budgets: { tokens: 5 }\nports: [80]\n"
        );
        assert_eq!(
            set(before, "budgets", "{ requests: 7 }"),
            before.replace("budgets: { tokens: 5 }", "budgets: { requests: 7 }")
        );
        assert_eq!(
            set(before, "residency", "[eu]"),
            before.replace("# models\n", "# models\n    residency: [eu]\n")
        );
    }

    #[test]
    fn what_would_change_more_than_the_key_is_refused() {
        let refused = |text: &str, value: &str| inference(&source(text), "routes", value);
        let plain = "version: 1\ninference:\n  providers: [x]\n";
        for (text, value) in [
            ("version: 1\ninference: { providers: [x] }\n", ROUTES),
            ("{ version: 1, inference: {} }\n", ROUTES),
            (plain, "[]\nproviders: [y]"),
            (plain, "\n  - { models: [a], to: [x] }\nresidency: [eu]"),
        ] {
            assert!(
                matches!(
                    refused(text, value),
                    Err(EditError::Form { .. } | EditError::After(_))
                ),
                "{text:?} {value:?}"
            );
        }
        assert!(matches!(
            refused("version: 2\n", ROUTES),
            Err(EditError::Before(_))
        ));
        assert!(matches!(
            refused(plain, "\n  - { to: [x/] }"),
            Err(EditError::After(_))
        ));
    }
}
