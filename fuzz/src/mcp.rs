//! Messages of MCP and JSON-RPC, alone and in batches.

use nemoclaw_router::worker::inspect::{BATCH, rpc, texts};

/// Read `bytes` as a body and as a WebSocket's text.
pub fn run(bytes: &[u8]) {
    if let Ok(found) = rpc::calls(bytes) {
        assert!(found.calls.len() <= BATCH);
    }
    // Whatever it is, it has one meaning or none.
    let _ = texts::text(bytes);
}
