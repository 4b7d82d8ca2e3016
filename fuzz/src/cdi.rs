//! A CDI file, as JSON and as YAML: a fault's place is in the text.

use std::path::Path;

use nemoclaw_runtime::cdi::file::parsed;

/// Read `bytes` as both.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for path in ["vendor.json", "vendor.yaml"] {
        if let Err(fault) = parsed(Path::new(path), text) {
            assert!(!fault.to_string().is_empty());
        }
    }
}
