//! Skipping a test: printed, counted, and a failure in CI.

use std::io::Write;

/// Whether a missing engine is a failure instead of a skip.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Says why a test is skipped, on the terminal (past the test runner's capture) and in `skipped.txt`.
///
/// # Panics
/// In CI, where everything must run.
pub fn announce(test: &str, reason: &str) {
    assert!(
        !in_ci(),
        "{test} cannot run, and CI=true forbids skipping: {reason}"
    );
    tell(test, reason);
}

/// As `announce`, for what no installation could change: it is no failure in CI either.
pub fn tell(test: &str, reason: &str) {
    let line = format!("SKIP {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    let list = crate::world::tools_dir().join("skipped.txt");
    if let Ok(mut file) = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(list)
    {
        let _ = file.write_all(line.as_bytes());
    }
}

/// Skips the test it stands in, with the reason printed.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        $crate::skip::announce(&name, &format!($($reason)*));
        return Default::default();
    }};
}

/// The world, started when it is not up; skips the test where this machine cannot have one.
#[macro_export]
macro_rules! world {
    () => {
        match $crate::World::get() {
            Ok(world) => world,
            Err(reason) => $crate::skip!("{reason}"),
        }
    };
}

/// The world with our own binaries and a running router; skips the test where this machine cannot have one.
#[macro_export]
macro_rules! nemoclaw {
    () => {{
        let world = $crate::world!();
        $crate::router::ensure(world);
        world
    }};
}

/// As [`nemoclaw!`], but with the machine to itself: for tests that measure or count.
#[macro_export]
macro_rules! alone {
    () => {
        match $crate::World::get_alone() {
            Ok(world) => {
                $crate::router::ensure(world);
                world
            }
            Err(reason) => $crate::skip!("{reason}"),
        }
    };
}

/// Skips the test where this machine cannot have a [`node::Node`](crate::node::Node).
#[macro_export]
macro_rules! node {
    ($hosts:expr, $more:expr) => {
        match $crate::node::Node::possible() {
            Ok(()) => $crate::node::Node::start($hosts, $more),
            Err(reason) => $crate::skip!("{reason}"),
        }
    };
}
