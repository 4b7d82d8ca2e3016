//! Calls by another entry of the kernel: x32 numbers and i386's `int 0x80` must not slip past the filters.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Node, id, node};

const LOADED_AT: u64 = 0x40_0000;
const HEADERS: u64 = 0x78;

/// A static program that is nothing but `code`.
fn program(code: &[u8]) -> Vec<u8> {
    let size = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    elf.extend((LOADED_AT + HEADERS).to_le_bytes()); // entry
    elf.extend(0x40_u64.to_le_bytes()); // program headers
    elf.extend(0_u64.to_le_bytes()); // no sections
    elf.extend([0_u8; 4]);
    elf.extend(
        [0x40_u16, 0x38, 1, 0, 0, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes()),
    );
    elf.extend([1_u32, 5].iter().flat_map(|word| word.to_le_bytes())); // load, read and execute
    elf.extend(
        [0, LOADED_AT, LOADED_AT, size, size, 0x1000]
            .iter()
            .flat_map(|word| word.to_le_bytes()),
    );
    elf.extend(code);
    elf
}

fn exit_code_of(node: &Node, code: &[u8]) -> i32 {
    let path = node.rootfs().join("bin/probe");
    fs::write(&path, program(code)).expect("program");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("mode");
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
