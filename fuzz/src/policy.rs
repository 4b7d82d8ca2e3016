//! A policy, and the node's configuration: the caret of a fault is always in the text.

use nemoclaw_policy::node::NodeConfig;
use nemoclaw_policy::{Policy, Source};

/// Read `bytes` as both.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let source = Source::text("fuzz.yaml", text);
    if let Err(fault) = Policy::load(&source) {
        assert!(!fault.to_string().is_empty());
    }
    if let Err(fault) = NodeConfig::parse(&source) {
        assert!(!fault.to_string().is_empty());
    }
}
