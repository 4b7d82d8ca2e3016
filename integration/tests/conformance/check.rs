//! A check: one law of an OCI runtime, tried on any runtime.

use std::fmt::Write as _;
use std::path::PathBuf;

use nemoclaw_tests::skip;

use crate::runtime::{Kind, Runtime};

/// What a check says: nothing, or one sentence on what was not as it must be.
pub type Outcome = Result<(), String>;

/// What is known of a check beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// At least one of the installed runtimes passes.
    Held,
    /// None of the installed runtimes passes, for this reason, mostly their age; ours does.
    Beyond(&'static str),
    /// No runtime can pass on this machine, for this reason.
    Nowhere(&'static str),
}

/// A named check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// `conformance::topic::law`.
    pub name: &'static str,
    /// What is known of it.
    pub mark: Mark,
    /// The check.
    pub run: fn(&Runtime) -> Outcome,
}

/// Lists a topic's checks, and makes a test of each for our runtime.
macro_rules! checks {
    ($($(#[$mark:ident $why:literal])? $name:ident),+ $(,)?) => {
        /// The checks of this topic.
        pub const CHECKS: &[$crate::check::Check] = &[$($crate::check::Check {
            name: concat!(module_path!(), "::", stringify!($name)),
            mark: $crate::check::mark!($($mark $why)?),
            run: $name,
        }),+];
        mod ours {
            $(#[test]
            fn $name() {
                $crate::check::ours(super::CHECKS, stringify!($name));
            })+
        }
    };
}
macro_rules! mark {
    () => {
        $crate::check::Mark::Held
    };
    (beyond $why:literal) => {
        $crate::check::Mark::Beyond($why)
    };
    (nowhere $why:literal) => {
        $crate::check::Mark::Nowhere($why)
    };
}
pub(crate) use {checks, mark};

/// The test of one check for our runtime.
///
/// # Panics
/// When the check fails.
pub fn ours(checks: &[Check], law: &str) {
    let wanted = |check: &&Check| check.name.rsplit("::").next() == Some(law);
    let check = checks.iter().find(wanted).expect("a listed check");
    if let Err(reason) = Runtime::available(Kind::Ours) {
        return skip::announce(check.name, &reason);
    }
    if let Mark::Nowhere(reason) = check.mark {
        return skip::tell(check.name, &format!("no runtime passes here: {reason}"));
    }
    if let Err(fault) = Runtime::try_on(Kind::Ours, check.run) {
        panic!("{fault}");
    }
}

/// All checks on all runtimes: what a peer passes, ours passes.
///
/// # Panics
/// When a peer passes a check that ours fails, or a mark is not true.
pub fn compare(checks: &[Check], peers: &[Kind]) {
    let only = std::env::var("NEMOCLAW_CONFORMANCE_ONLY").unwrap_or_default();
    let mut table = String::from("check | runc | crun | ours | why\n--- | --- | --- | --- | ---\n");
    let mut faults = Vec::new();
    for check in checks.iter().filter(|check| check.name.contains(&only)) {
        let name = check.name.trim_start_matches("conformance::");
        let theirs: Vec<Outcome> = peers
            .iter()
            .map(|peer| Runtime::try_on(*peer, check.run))
            .collect();
        let own = Runtime::try_on(Kind::Ours, check.run);
        let passed = theirs.iter().any(Result::is_ok);
        match check.mark {
            Mark::Held if !passed => faults.push(format!("{name}: no peer passes it")),
            Mark::Beyond(_) | Mark::Nowhere(_) if passed => {
                faults.push(format!("{name}: a peer passes it, against its mark"));
            }
            _ => {}
        }
        if own.is_err() && !matches!(check.mark, Mark::Nowhere(_)) {
            faults.push(format!("{name}: ours fails it"));
        }
        row(&mut table, name, &theirs, &own);
    }
    let path = std::env::var_os("NEMOCLAW_CONFORMANCE_TABLE").map_or_else(
        || nemoclaw_tests::world::tools_dir().join("conformance.md"),
        PathBuf::from,
    );
    std::fs::write(&path, &table).expect("the table");
    assert!(
        faults.is_empty(),
        "{}\nthe whole table: {}",
        faults.join("\n"),
        path.display()
    );
}

fn row(table: &mut String, name: &str, theirs: &[Outcome], own: &Outcome) {
    let word = |outcome: &Outcome| if outcome.is_ok() { "pass" } else { "FAIL" };
    let _ = write!(table, "{name}");
    for outcome in theirs.iter().chain([own]) {
        let _ = write!(table, " | {}", word(outcome));
    }
    let mut why = String::new();
    let failed = theirs.iter().chain([own]).enumerate();
    for (at, fault) in failed.filter_map(|(at, outcome)| Some((at, outcome.as_ref().err()?))) {
        let who = ["runc", "crun", "ours"][at];
        let fault = fault.replace(['\n', '|'], " ");
        let _ = write!(
            why,
            "{who}: {}; ",
            fault.chars().take(300).collect::<String>()
        );
    }
    let _ = writeln!(table, " | {why}");
}
