//! Programs for boxes that are nothing but a few instructions: they need no compiler and no library.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::harness::Node;

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

/// Put the program into the box's `/bin/probe`.
pub fn put(node: &Node, code: &[u8]) -> PathBuf {
    let path = node.rootfs().join("bin/probe");
    fs::write(&path, program(code)).expect("program");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("mode");
    path
}
