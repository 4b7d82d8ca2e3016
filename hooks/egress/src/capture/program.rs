//! The `sk_lookup` program, as a small assembler's input: which socket gets a connection that arrives at no address.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Where the listener stands in the map.
pub const LISTENER_KEY: u32 = 0;
/// Where the DNS socket stands in the map.
pub const DNS_KEY: u32 = 1;

const AF_INET: i32 = 2;
const TCP: i32 = 6;
const UDP: i32 = 17;
const DNS: i32 = 53;
const LO: i32 = 1;
/// 127.0.0.11, in network order read as a little-endian number: Docker's resolver.
const DOCKER_RESOLVER: i32 = 0x0b00_007f;
/// The first byte of an address, read the same way.
const FIRST_BYTE: i32 = 0xff;

// Offsets in `struct bpf_sk_lookup`.
const FAMILY: i16 = 8;
const PROTOCOL: i16 = 12;
const REMOTE_IP4: i16 = 16;
const LOCAL_IP4: i16 = 40;
const LOCAL_PORT: i16 = 60;
const INGRESS_IFINDEX: i16 = 64;

const MAP_LOOKUP_ELEM: i32 = 1;
const SK_RELEASE: i32 = 86;
const SK_ASSIGN: i32 = 124;

/// The key's place on the program's stack.
const KEY: i16 = -4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Resolver,
    Datagram,
    Stream,
    Select,
    Pass,
    Drop,
}

/// Instructions, with jumps still by name.
struct Assembler {
    code: Vec<(u64, Option<Label>)>,
    places: Vec<(Label, usize)>,
}

/// Operation codes, named for what they do.
mod op {
    pub const LOAD_WORD: u8 = 0x61;
    pub const STORE_WORD: u8 = 0x62;
    pub const MOVE: u8 = 0xbf;
    pub const SET: u8 = 0xb7;
    pub const ADD: u8 = 0x07;
    pub const AND: u8 = 0x57;
    pub const JUMP: u8 = 0x05;
    pub const IF_EQUAL: u8 = 0x16;
    pub const IF_NOT: u8 = 0x56;
    pub const IF_SAME: u8 = 0x1e;
    pub const IF_NULL: u8 = 0x15;
    pub const CALL: u8 = 0x85;
    pub const EXIT: u8 = 0x95;
    pub const LOAD_MAP: u8 = 0x18;
}

/// The program for this map.
pub fn sk_lookup(map: BorrowedFd<'_>) -> Vec<u64> {
    let mut a = Assembler {
        code: Vec::new(),
        places: Vec::new(),
    };
    decide(&mut a);
    select(&mut a, map.as_raw_fd());
    a.at(Label::Pass);
    a.emit(op::SET, 0, 0, 0, 1);
    a.emit(op::EXIT, 0, 0, 0, 0);
    a.at(Label::Drop);
    a.emit(op::SET, 0, 0, 0, 0);
    a.emit(op::EXIT, 0, 0, 0, 0);
    a.finish()
}

/// Leave alone what is not egress; drop what is neither TCP nor DNS; else write the key of the socket.
fn decide(a: &mut Assembler) {
    a.emit(op::MOVE, 6, 1, 0, 0);
    a.load(2, FAMILY);
    a.jump(op::IF_NOT, 2, AF_INET, Label::Pass); // IPv6 goes nowhere but to ::1
    a.load(2, INGRESS_IFINDEX);
    a.jump(op::IF_NOT, 2, LO, Label::Pass); // it came by a device: inbound
    a.load(7, LOCAL_IP4);
    a.load(8, PROTOCOL);
    a.load(9, LOCAL_PORT);
    // Before the next test: with its source bound to 127.0.0.11 too, a query would look like one to itself.
    a.jump(op::IF_EQUAL, 7, DOCKER_RESOLVER, Label::Resolver);
    a.load(3, REMOTE_IP4);
    a.emit_to(op::IF_SAME, 3, 7, Label::Pass); // own address to own address
    a.emit(op::MOVE, 3, 7, 0, 0);
    a.emit(op::AND, 3, 0, 0, FIRST_BYTE);
    a.jump(op::IF_EQUAL, 3, 127, Label::Pass); // the sandbox's own services
    a.jump(op::IF_EQUAL, 8, TCP, Label::Stream);
    a.jump(op::IF_NOT, 8, UDP, Label::Drop);
    a.jump(op::IF_NOT, 9, DNS, Label::Drop);
    a.jump(op::JUMP, 0, 0, Label::Datagram);
    a.at(Label::Resolver);
    a.jump(op::IF_NOT, 8, UDP, Label::Stream);
    a.at(Label::Datagram);
    a.emit(op::STORE_WORD, 10, 0, KEY, 1);
    a.jump(op::JUMP, 0, 0, Label::Select);
    a.at(Label::Stream);
    a.emit(op::STORE_WORD, 10, 0, KEY, 0);
}

/// Give it the socket at the key. Without one the router is gone: drop, which the kernel tells as a refusal.
fn select(a: &mut Assembler, map: i32) {
    a.at(Label::Select);
    a.emit(op::LOAD_MAP, 1, 1, 0, map);
    a.emit(0, 0, 0, 0, 0);
    a.emit(op::MOVE, 2, 10, 0, 0);
    a.emit(op::ADD, 2, 0, 0, i32::from(KEY));
    a.emit(op::CALL, 0, 0, 0, MAP_LOOKUP_ELEM);
    a.jump(op::IF_NULL, 0, 0, Label::Drop);
    a.emit(op::MOVE, 7, 0, 0, 0);
    a.emit(op::MOVE, 1, 6, 0, 0);
    a.emit(op::MOVE, 2, 0, 0, 0);
    a.emit(op::SET, 3, 0, 0, 0);
    a.emit(op::CALL, 0, 0, 0, SK_ASSIGN);
    a.emit(op::MOVE, 8, 0, 0, 0);
    a.emit(op::MOVE, 1, 7, 0, 0);
    a.emit(op::CALL, 0, 0, 0, SK_RELEASE);
    a.jump(op::IF_NOT, 8, 0, Label::Drop);
}

impl Assembler {
    fn at(&mut self, label: Label) {
        self.places.push((label, self.code.len()));
    }

    fn load(&mut self, register: u8, offset: i16) {
        self.emit(op::LOAD_WORD, register, 6, offset, 0);
    }

    fn jump(&mut self, code: u8, register: u8, value: i32, to: Label) {
        self.code
            .push((instruction(code, register, 0, 0, value), Some(to)));
    }

    fn emit_to(&mut self, code: u8, left: u8, right: u8, to: Label) {
        self.code
            .push((instruction(code, left, right, 0, 0), Some(to)));
    }

    fn emit(&mut self, code: u8, to: u8, from: u8, offset: i16, value: i32) {
        self.code
            .push((instruction(code, to, from, offset, value), None));
    }

    fn finish(self) -> Vec<u64> {
        let place = |label| {
            self.places
                .iter()
                .find(|(known, _)| *known == label)
                .map_or(0, |(_, place)| *place)
        };
        let resolve = |(index, (code, to)): (usize, &(u64, Option<Label>))| match to {
            Some(label) => code | (place(*label).wrapping_sub(index + 1) as u64 & 0xffff) << 16,
            None => *code,
        };
        self.code.iter().enumerate().map(resolve).collect()
    }
}

/// `struct bpf_insn` of a little-endian machine as one number.
fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> u64 {
    let registers = u64::from(to | from << 4);
    let offset = u64::from(u16::from_ne_bytes(offset.to_ne_bytes()));
    let value = u64::from(u32::from_ne_bytes(value.to_ne_bytes()));
    u64::from(code) | registers << 8 | offset << 16 | value << 32
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn every_jump_goes_forward_and_lands_inside() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let program = sk_lookup(null.as_fd());
        let jumps = [op::JUMP, op::IF_EQUAL, op::IF_NOT, op::IF_SAME, op::IF_NULL];
        for (index, code) in program.iter().enumerate() {
            if jumps.contains(&code.to_le_bytes()[0]) {
                let offset = usize::try_from(code >> 16 & 0xffff).unwrap();
                assert!(index + 1 + offset < program.len(), "instruction {index}");
            }
        }
        assert_eq!(program.last().unwrap().to_le_bytes()[0], op::EXIT);
    }
}

#[cfg(target_endian = "big")]
compile_error!("the capture program is written for little-endian machines");
