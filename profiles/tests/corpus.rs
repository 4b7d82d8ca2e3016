//! Every file of the fuzz target's corpus, through the same function.

#[path = "../../fuzz/src/policy.rs"]
mod policy;

#[test]
fn what_is_in_the_corpus_of_policies_breaks_no_law_of_their_reader() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/policy");
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().collect();
    assert!(!files.is_empty(), "there is no corpus");
    for file in files {
        policy::run(&std::fs::read(file.unwrap().path()).unwrap());
    }
}
