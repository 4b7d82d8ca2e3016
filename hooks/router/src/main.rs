//! nemoclaw-router

fn main() {}
