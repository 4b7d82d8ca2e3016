//! System calls that no safe wrapper of ours or of `nix` has yet: bpf(2), pidfd_open(2) and one socket option.

pub mod bpf;
pub mod process;
