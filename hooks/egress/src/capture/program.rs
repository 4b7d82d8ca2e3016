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
    a.set(0, 1);
    a.exit();
    a.at(Label::Drop);
    a.set(0, 0);
    a.exit();
    a.finish()
}

/// Leave alone what is not egress; drop what is neither TCP nor DNS; else write the key of the socket.
fn decide(a: &mut Assembler) {
    a.copy(6, 1);
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
    a.jump_if_same(3, 7, Label::Pass); // own address to own address
    a.copy(3, 7);
    a.and(3, FIRST_BYTE);
    a.jump(op::IF_EQUAL, 3, 127, Label::Pass); // the sandbox's own services
    a.jump(op::IF_EQUAL, 8, TCP, Label::Stream);
    a.jump(op::IF_NOT, 8, UDP, Label::Drop);
    a.jump(op::IF_NOT, 9, DNS, Label::Drop);
    a.jump(op::JUMP, 0, 0, Label::Datagram);
    a.at(Label::Resolver);
    a.jump(op::IF_NOT, 8, UDP, Label::Stream);
    a.at(Label::Datagram);
    a.store(KEY, DNS_KEY);
    a.jump(op::JUMP, 0, 0, Label::Select);
    a.at(Label::Stream);
    a.store(KEY, LISTENER_KEY);
}

/// Give it the socket at the key. Without one the router is gone: drop, which the kernel tells as a refusal.
fn select(a: &mut Assembler, map: i32) {
    a.at(Label::Select);
    a.load_map(1, map);
    a.copy(2, 10);
    a.add(2, i32::from(KEY));
    a.call(MAP_LOOKUP_ELEM);
    a.jump(op::IF_NULL, 0, 0, Label::Drop);
    a.copy(7, 0);
    a.copy(1, 6);
    a.copy(2, 0);
    a.set(3, 0);
    a.call(SK_ASSIGN);
    a.copy(8, 0);
    a.copy(1, 7);
    a.call(SK_RELEASE);
    a.jump(op::IF_NOT, 8, 0, Label::Drop);
}

impl Assembler {
    fn at(&mut self, label: Label) {
        self.places.push((label, self.code.len()));
    }

    /// From the context, which register 6 holds.
    fn load(&mut self, register: u8, offset: i16) {
        self.push(instruction(op::LOAD_WORD, register, 6, offset, 0));
    }

    fn jump(&mut self, code: u8, register: u8, value: i32, to: Label) {
        self.code
            .push((instruction(code, register, 0, 0, value), Some(to)));
    }

    fn jump_if_same(&mut self, left: u8, right: u8, to: Label) {
        self.code
            .push((instruction(op::IF_SAME, left, right, 0, 0), Some(to)));
    }

    fn copy(&mut self, to: u8, from: u8) {
        self.push(instruction(op::MOVE, to, from, 0, 0));
    }

    fn set(&mut self, register: u8, value: i32) {
        self.push(instruction(op::SET, register, 0, 0, value));
    }

    fn add(&mut self, register: u8, value: i32) {
        self.push(instruction(op::ADD, register, 0, 0, value));
    }

    fn and(&mut self, register: u8, value: i32) {
        self.push(instruction(op::AND, register, 0, 0, value));
    }

    /// Onto the stack, whose end register 10 holds.
    fn store(&mut self, place: i16, value: u32) {
        self.push(instruction(
            op::STORE_WORD,
            10,
            0,
            place,
            value.cast_signed(),
        ));
    }

    /// Takes two places; the source 1 says that the number is a map's descriptor.
    fn load_map(&mut self, register: u8, map: i32) {
        self.push(instruction(op::LOAD_MAP, register, 1, 0, map));
        self.push(0);
    }

    fn call(&mut self, function: i32) {
        self.push(instruction(op::CALL, 0, 0, 0, function));
    }

    fn exit(&mut self) {
        self.push(instruction(op::EXIT, 0, 0, 0, 0));
    }

    fn push(&mut self, code: u64) {
        self.code.push((code, None));
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

#[cfg(target_endian = "big")]
compile_error!("the capture program is written for little-endian machines");

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
