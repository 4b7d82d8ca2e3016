//! System calls that no safe wrapper of ours or of `nix` has yet: bpf(2), pidfd_open(2) and a few
//! calls on sockets.

pub mod bpf;
pub mod process;
pub mod socket;
