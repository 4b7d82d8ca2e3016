//! nemoclaw

fn main() {}
