//! Calls by another entry of the kernel: x32 numbers and i386's `int 0x80` must not slip past the filters.

use crate::harness::{Node, id, node};
use crate::programs;

fn exit_code_of(node: &Node, code: &[u8]) -> i32 {
    programs::put(node, code);
    // The shell is the first process: a first process gets no fatal signal from itself.
    node.config("probe; echo $?", |_| {});
    let said = node.run(&id());
    said.out
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{}{}", said.out, said.err))
}

#[test]
fn an_x32_call_is_refused() {
    let Some(node) = node() else { return };
    // eax = x32 getpid; syscall; edi = eax; eax = 231 (exit_group); syscall: the low byte of -EPERM is 255.
    let code = b"\xb8\x27\x00\x00\x40\x0f\x05\x89\xc7\xb8\xe7\x00\x00\x00\x0f\x05";
    assert_eq!(exit_code_of(&node, code), 255);
}

#[test]
fn an_i386_call_ends_the_program() {
    let Some(node) = node() else { return };
    // eax = 20 (getpid of i386); int 0x80; then exit_group(0).
    let code = b"\xb8\x14\x00\x00\x00\xcd\x80\x31\xff\xb8\xe7\x00\x00\x00\x0f\x05";
    assert_eq!(exit_code_of(&node, code), 128 + 31);
}
