//! nemoclaw-runtime

fn main() {}
