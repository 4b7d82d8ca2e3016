//! The node's word on the audit log: how large a file may be, and how many are kept.

use crate::source::Diagnostic;
use crate::yaml::View;

/// The smallest `max_bytes`: below it the chain's own lines would be much of a file.
const SMALLEST: u32 = 64 * 1024;
/// The most files that are kept.
const MOST_FILES: u32 = 1000;

/// `audit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditConfig {
    /// `max_bytes`: the size of a sandbox's file at which a new one is begun; 64 MiB when omitted.
    pub max_bytes: u32,
    /// `keep`: how many older files of a sandbox are kept; 8 when omitted.
    pub keep: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        AuditConfig {
            max_bytes: 64 * 1024 * 1024,
            keep: 8,
        }
    }
}

/// Reads the key's value.
pub(super) fn read(view: &View<'_>) -> Result<AuditConfig, Box<Diagnostic>> {
    let mut config = AuditConfig::default();
    let fields = view.fields(&["max_bytes", "keep"], &[])?;
    if let Some(view) = fields.get("max_bytes") {
        config.max_bytes = view.number(SMALLEST, u32::MAX)?;
    }
    if let Some(view) = fields.get("keep") {
        config.keep = view.number(1, MOST_FILES)?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::super::NodeConfig;
    use super::*;
    use crate::source::Source;

    fn parsed(keys: &str) -> Result<NodeConfig, String> {
        let source = Source::text("config.yaml", &format!("version: 1\n{keys}"));
        NodeConfig::parse(&source).map_err(|fault| fault.one_line())
    }

    #[test]
    fn sizes_are_read_and_senseless_ones_are_faults() {
        let config = parsed("audit: { max_bytes: 65536, keep: 2 }\n").unwrap();
        assert_eq!((config.audit.max_bytes, config.audit.keep), (65536, 2));
        assert_eq!(parsed("").unwrap().audit, AuditConfig::default());
        for keys in [
            "audit: { max_bytes: 10 }",
            "audit: { keep: 0 }",
            "audit: { kept: 3 }",
            "audit: 3",
        ] {
            assert!(parsed(keys).is_err(), "{keys}");
        }
    }
}
