//! nemoclaw-egress

fn main() {}
