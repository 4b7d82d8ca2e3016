//! Every file of the fuzz targets' corpora, through the same functions.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/src/dns.rs"]
mod dns;
#[path = "../../../fuzz/src/graphql.rs"]
mod graphql;
#[path = "../../../fuzz/src/head.rs"]
mod head;
#[path = "../../../fuzz/src/hello.rs"]
mod hello;
#[path = "../../../fuzz/src/mcp.rs"]
mod mcp;

#[test]
fn what_is_in_the_corpora_of_the_routers_readers_breaks_none_of_their_laws() {
    replay("dns", dns::run);
    replay("graphql", graphql::run);
    replay("head", head::run);
    replay("hello", hello::run);
    replay("mcp", mcp::run);
}

fn replay(target: &str, run: fn(&[u8])) {
    let directory = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = std::fs::read_dir(directory).expect("a corpus").collect();
    assert!(!files.is_empty(), "{target} has no corpus");
    for file in files {
        run(&std::fs::read(file.expect("a file").path()).expect("bytes"));
    }
}
