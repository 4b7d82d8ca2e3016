//! The few nf_tables expressions that the fence is made of, and how they lie in a message.
//!
//! Every expression works on one register; a rule is a list of expressions, and the first that does not match ends it.

use std::net::Ipv4Addr;

use super::message::{self, ACK, APPEND, CREATE, EXCLUSIVE, Message};

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const VERDICT_REGISTER: u32 = 0;
const REGISTER: u32 = 1;
const SECOND_REGISTER: u32 = 2;
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const JUMP: i32 = -3;
const IPV4: u8 = 2;
/// NFTA_TABLE_USERDATA: the kernel keeps it and does not look at it.
const USER_DATA: u16 = 6;
/// `struct nfgenmsg`.
const FIXED: usize = 4;

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// Frames of a device.
    Netdev,
}

/// What `meta` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// Ethertype, network order.
    EtherType = 1,
    /// Mark.
    Mark = 3,
    /// Index of the interface it came by.
    In = 4,
    /// Index of the interface it goes by.
    Out = 5,
    /// Family.
    Family = 15,
    /// Layer 4 protocol.
    Protocol = 16,
}

/// One step of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read a fact of the packet.
    Read(Meta),
    /// Read `length` bytes of the network header.
    Network {
        /// From here.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// Read `length` bytes of the transport header.
    Transport {
        /// From here.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// Keep only these bits.
    Mask(Vec<u8>),
    /// Go on if the value is this.
    Is(Vec<u8>),
    /// Go on if it is not.
    IsNot(Vec<u8>),
    /// Set the packet's mark.
    SetMark(u32),
    /// Keep connection tracking, and so every NAT, off it.
    Untrack,
    /// Give it to a transparent socket; without one the rule ends here.
    Tproxy(Ipv4Addr, u16),
    /// Answer with a reset.
    Reset,
    /// Answer "administratively prohibited".
    Prohibit,
    /// Let it pass this chain.
    Accept,
    /// Drop it.
    Drop,
    /// Go on in another chain, and come back.
    Jump(&'static str),
}

/// Where a base chain is hooked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Hook number of the family.
    pub number: u32,
    /// Lower goes first.
    pub priority: i32,
    /// Let pass what no rule decided on.
    pub lenient: bool,
    /// The device, in family netdev.
    pub device: Option<String>,
}

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Name.
    pub name: String,
    /// `None`: only jumped to.
    pub hook: Option<Hook>,
    /// Rules, in order.
    pub rules: Vec<Vec<Step>>,
}

/// A table with its chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Family.
    pub family: Family,
    /// Name.
    pub name: &'static str,
    /// A note that stays with it.
    pub note: String,
    /// Chains; one that is jumped to stands before those that jump.
    pub chains: Vec<Chain>,
}

impl Table {
    /// The messages that make it: they stand between [`begin`] and [`end`], so all or none takes effect.
    pub fn messages(&self) -> Vec<Message> {
        let table = request(NEW_TABLE, CREATE | EXCLUSIVE, self.family)
            .with_text(1, self.name)
            .with(USER_DATA, &comment(&self.note));
        let chains = self.chains.iter().map(|chain| self.chain(chain));
        let rules = self
            .chains
            .iter()
            .flat_map(|chain| chain.rules.iter().map(|rule| self.rule(&chain.name, rule)));
        std::iter::once(table).chain(chains).chain(rules).collect()
    }

    /// The message that deletes it with all it holds.
    pub fn deletion(&self) -> Message {
        request(DELETE_TABLE, 0, self.family).with_text(1, self.name)
    }

    fn chain(&self, chain: &Chain) -> Message {
        let message = request(NEW_CHAIN, CREATE, self.family)
            .with_text(1, self.name)
            .with_text(3, &chain.name);
        let Some(hook) = &chain.hook else {
            return message;
        };
        let policy = if hook.lenient { ACCEPT } else { DROP };
        message
            .with_text(7, "filter")
            .with(5, &policy.to_be_bytes())
            .nest(4, |at| {
                let at = at
                    .with_be32(1, hook.number)
                    .with(2, &hook.priority.to_be_bytes());
                match &hook.device {
                    Some(device) => at.with_text(3, device),
                    None => at,
                }
            })
    }

    fn rule(&self, chain: &str, steps: &[Step]) -> Message {
        let message = request(NEW_RULE, CREATE | APPEND, self.family)
            .with_text(1, self.name)
            .with_text(2, chain);
        message.nest(4, |list| {
            steps.iter().fold(list, |list, step| step.append(list))
        })
    }
}

/// A note as `nft list` shows it: kind 0 (comment), length, text, zero. The note has at most 200 bytes.
fn comment(note: &str) -> Vec<u8> {
    let length = u8::try_from(note.len() + 1).unwrap_or(u8::MAX);
    [&[0, length], note.as_bytes(), &[0]].concat()
}

/// The note in the answer to a [`question`]; empty where there is none.
pub fn note(answer: &[u8]) -> String {
    let attributes = message::attributes(answer.get(FIXED..).unwrap_or(&[]));
    let found = attributes.into_iter().find(|(kind, _)| *kind == USER_DATA);
    let text = found.and_then(|(_, value)| value.get(2..)).unwrap_or(&[]);
    String::from_utf8_lossy(text)
        .trim_end_matches('\0')
        .to_owned()
}

/// Asks for a table; the answer holds its note.
pub fn question(family: Family, name: &str) -> Message {
    request(GET_TABLE, 0, family).with_text(1, name)
}

/// Begins a transaction.
pub fn begin() -> Message {
    Message::new(BATCH_BEGIN, 0, &[0, 0, 0, 10])
}

/// Ends a transaction: now it takes effect.
pub fn end() -> Message {
    Message::new(BATCH_END, 0, &[0, 0, 0, 10])
}

fn request(kind: u16, flags: u16, family: Family) -> Message {
    let family = match family {
        Family::Inet => 1,
        Family::Netdev => 5,
    };
    Message::new(SUBSYSTEM | kind, flags | ACK, &[family, 0, 0, 0])
}

impl Step {
    fn append(&self, list: Message) -> Message {
        match self {
            Step::Read(what) => expression(list, "meta", |e| {
                e.with_be32(1, REGISTER).with_be32(2, *what as u32)
            }),
            Step::Network { offset, length } => payload(list, 1, *offset, *length),
            Step::Transport { offset, length } => payload(list, 2, *offset, *length),
            Step::Mask(mask) => expression(list, "bitwise", |e| {
                let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
                let e = e
                    .with_be32(1, REGISTER)
                    .with_be32(2, REGISTER)
                    .with_be32(3, length);
                e.nest(4, |data| data.with(1, mask))
                    .nest(5, |data| data.with(1, &vec![0; mask.len()]))
            }),
            Step::Is(value) => compare(list, 0, value),
            Step::IsNot(value) => compare(list, 1, value),
            Step::SetMark(mark) => {
                let list = immediate(list, REGISTER, &mark.to_ne_bytes());
                expression(list, "meta", |e| {
                    e.with_be32(2, Meta::Mark as u32).with_be32(3, REGISTER)
                })
            }
            Step::Untrack => list.nest(1, |e| e.with_text(1, "notrack")),
            Step::Tproxy(address, port) => tproxy(list, *address, *port),
            Step::Reset => expression(list, "reject", |e| e.with_be32(1, 1).with(2, &[0])),
            Step::Prohibit => expression(list, "reject", |e| e.with_be32(1, 2).with(2, &[3])),
            Step::Accept => verdict(list, ACCEPT, None),
            Step::Drop => verdict(list, DROP, None),
            Step::Jump(chain) => verdict(list, JUMP, Some(chain)),
        }
    }
}

fn expression(list: Message, name: &str, fill: impl FnOnce(Message) -> Message) -> Message {
    list.nest(1, |element| element.with_text(1, name).nest(2, fill))
}

fn payload(list: Message, base: u32, offset: u32, length: u32) -> Message {
    expression(list, "payload", |e| {
        e.with_be32(1, REGISTER)
            .with_be32(2, base)
            .with_be32(3, offset)
            .with_be32(4, length)
    })
}

fn compare(list: Message, operation: u32, value: &[u8]) -> Message {
    expression(list, "cmp", |e| {
        e.with_be32(1, REGISTER)
            .with_be32(2, operation)
            .nest(3, |data| data.with(1, value))
    })
}

fn immediate(list: Message, register: u32, value: &[u8]) -> Message {
    expression(list, "immediate", |e| {
        e.with_be32(1, register).nest(2, |data| data.with(1, value))
    })
}

fn verdict(list: Message, code: i32, chain: Option<&str>) -> Message {
    expression(list, "immediate", |e| {
        e.with_be32(1, VERDICT_REGISTER).nest(2, |data| {
            data.nest(2, |verdict| {
                let verdict = verdict.with(1, &code.to_be_bytes());
                match chain {
                    Some(chain) => verdict.with_text(2, chain),
                    None => verdict,
                }
            })
        })
    })
}

fn tproxy(list: Message, address: Ipv4Addr, port: u16) -> Message {
    let list = immediate(list, REGISTER, &address.octets());
    let list = immediate(list, SECOND_REGISTER, &port.to_be_bytes());
    expression(list, "tproxy", |e| {
        e.with_be32(1, u32::from(IPV4))
            .with_be32(2, REGISTER)
            .with_be32(3, SECOND_REGISTER)
    })
}
