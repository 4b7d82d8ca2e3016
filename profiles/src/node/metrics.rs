//! Where the node serves numbers about its router: to this machine alone, since they name the sandboxes.

use std::net::SocketAddr;

use crate::source::Diagnostic;
use crate::yaml::{Fields, View};

/// The key below `router`.
pub(super) const KEY: &str = "metrics";

/// Reads it.
pub(super) fn read(fields: &Fields<'_>) -> Result<Option<SocketAddr>, Box<Diagnostic>> {
    fields.get(KEY).map(|view| loopback(&view)).transpose()
}

/// An address and port that only this machine can reach.
fn loopback(view: &View<'_>) -> Result<SocketAddr, Box<Diagnostic>> {
    let text = view.text()?;
    let address = text.parse().ok();
    let fitting = address.filter(|at: &SocketAddr| at.ip().is_loopback() && at.port() != 0);
    fitting.ok_or_else(|| {
        view.fault(format!(
            "`{text}` is no loopback address with a port, such as 127.0.0.1:9464"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::NodeConfig;
    use crate::source::Source;

    fn parsed(keys: &str) -> Result<NodeConfig, String> {
        let source = Source::text("config.yaml", &format!("version: 1\n{keys}"));
        NodeConfig::parse(&source).map_err(|fault| fault.one_line())
    }

    #[test]
    fn metrics_are_served_to_this_machine_alone() {
        let address = |text: &str| {
            parsed(&format!("router: {{ metrics: '{text}' }}\n"))
                .map(|config| config.router.metrics)
        };
        for good in ["127.0.0.1:9464", "[::1]:9464"] {
            assert_eq!(address(good), Ok(Some(good.parse().unwrap())));
        }
        for bad in [
            "0.0.0.0:9464",
            "192.0.2.1:9464",
            "[::]:9464",
            "127.0.0.1:0",
            "127.0.0.1",
            "9464",
        ] {
            let fault = address(bad).unwrap_err();
            assert!(fault.contains("loopback"), "{bad}: {fault}");
        }
    }
}
