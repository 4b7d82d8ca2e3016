//! A box with programs, and a word that marks this test's requests on the server's side.

use nemoclaw_tests::container::{Container, unique};
use nemoclaw_tests::{Output, World};

/// A sleeping Debian box under the test policy.
pub fn debian<'w>(world: &'w World, runtime: &str) -> Container<'w> {
    Container::start(world, runtime, &[], &["nct/debian", "sleep", "600"])
}

/// `curl -sS -m 10 WORDS` in the box.
pub fn curl(container: &Container<'_>, words: &[&str]) -> Output {
    let mut line = vec!["curl", "-sS", "-m", "10"];
    line.extend(words);
    container.exec(&line)
}

/// A path no other test asks for.
pub fn mark() -> String {
    unique("mark")
}

/// Both capture back-ends.
pub const BACKENDS: &[&str] = &["nemoclaw-test", "nemoclaw-tproxy"];
