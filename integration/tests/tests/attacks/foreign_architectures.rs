//! The kernel's other doors: 32-bit and x32 calls, which a 64-bit filter does not see.

use nemoclaw_tests::probe::{everywhere, without_box};
use nemoclaw_tests::{nemoclaw, world};

const I386: &[&str] = &["call_i386", "call_i386_socket"];

#[test]
fn without_the_box_an_i386_call_works() {
    let table = without_box(world!(), &["--security-opt", "seccomp=unconfined"], I386);
    for name in I386 {
        assert!(table[*name].worked(), "{:?}", table[*name]);
    }
}

#[test]
fn in_the_box_i386_and_x32_calls_are_refused() {
    let words = [
        "call_i386",
        "call_i386_socket",
        "call_x32",
        "call_x32_ptrace",
    ];
    let places = everywhere(
        nemoclaw!(),
        "nemoclaw",
        &["--security-opt", "seccomp=unconfined"],
        &words,
    );
    places.refused(&words);
}
