//! Every file of the fuzz targets' corpora, through the same functions.
#![allow(clippy::unwrap_used)]

#[path = "../../fuzz/src/cdi.rs"]
mod cdi;
#[path = "../../fuzz/src/config.rs"]
mod config;

#[test]
fn what_is_in_the_corpora_of_the_runtimes_readers_breaks_none_of_their_laws() {
    replay("cdi", cdi::run);
    replay("config", config::run);
}

fn replay(target: &str, run: fn(&[u8])) {
    let directory = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().collect();
    assert!(!files.is_empty(), "{target} has no corpus");
    for file in files {
        run(&std::fs::read(file.unwrap().path()).unwrap());
    }
}
