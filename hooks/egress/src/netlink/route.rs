//! Links, rules and routes as values: each change knows the message that makes it and the change that undoes it.

use std::net::Ipv4Addr;

use super::message::{self, ACK, CREATE, DUMP, EXCLUSIVE, Message};
use super::socket::Socket;
use nix::errno::Errno;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const IFLA_IFNAME: u16 = 3;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const FRA_DST: u16 = 1;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_IP_PROTO: u16 = 22;
const FRA_DPORT_RANGE: u16 = 24;
const FR_ACT_TO_TBL: u8 = 1;
const FR_ACT_PROHIBIT: u8 = 8;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_HOST: u8 = 254;
const RT_SCOPE_NOWHERE: u8 = 255;
const RTN_LOCAL: u8 = 2;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Table `main`.
pub const MAIN: u32 = 254;
/// Table `local`.
pub const LOCAL: u32 = 255;
/// The loopback's index: the kernel makes it first in every namespace.
pub const LO: u32 = 1;

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// AF_INET.
    V4,
    /// AF_INET6.
    V6,
}

/// What a policy routing rule matches beside its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Everything.
    All,
    /// A destination prefix.
    To(Ipv4Addr, u8),
    /// An IP protocol.
    Protocol(u8),
    /// An IP protocol and a destination port.
    Port(u8, u16),
    /// A mark, all bits.
    Mark(u32),
}

/// Where a policy routing rule sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Look into a table.
    Table(u32),
    /// EACCES.
    Prohibit,
}

/// A policy routing rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Family.
    pub family: Family,
    /// Lower goes first.
    pub priority: u32,
    /// What it matches.
    pub matches: Match,
    /// Where it sends.
    pub target: Target,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Set an interface up.
    Up(u32),
    /// Set an interface down.
    Down(u32),
    /// Add a rule.
    Add(Rule),
    /// Delete a rule.
    Delete(Rule),
    /// Make every address local on `lo`, in this table, with 127.0.0.1 as the source.
    AnyAddress(u32),
    /// Take that back.
    NoAnyAddress(u32),
}

impl Change {
    /// The change that takes this one back.
    pub fn undo(self) -> Change {
        match self {
            Change::Up(index) => Change::Down(index),
            Change::Down(index) => Change::Up(index),
            Change::Add(rule) => Change::Delete(rule),
            Change::Delete(rule) => Change::Add(rule),
            Change::AnyAddress(table) => Change::NoAnyAddress(table),
            Change::NoAnyAddress(table) => Change::AnyAddress(table),
        }
    }

    /// The message that makes it.
    pub fn message(self) -> Message {
        match self {
            Change::Up(index) => link(index, IFF_UP),
            Change::Down(index) => link(index, 0),
            Change::Add(rule) => rule_message(RTM_NEWRULE, CREATE | EXCLUSIVE, rule),
            Change::Delete(rule) => rule_message(RTM_DELRULE, 0, rule),
            Change::AnyAddress(table) => any_address(RTM_NEWROUTE, CREATE | EXCLUSIVE, table),
            Change::NoAnyAddress(table) => any_address(RTM_DELROUTE, 0, table),
        }
    }
}

/// An interface and what the fence needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Set up.
    pub up: bool,
    /// A loopback.
    pub loopback: bool,
    /// Its IPv4 addresses and the length of their prefixes.
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// The IPv4 default route's gateway on it.
    pub gateway: Option<Ipv4Addr>,
}

/// All interfaces of the socket's namespace.
///
/// # Errors
/// The kernel refused a dump.
pub fn interfaces(socket: &mut Socket) -> Result<Vec<Interface>, Errno> {
    let links = socket.ask(&Message::new(RTM_GETLINK, DUMP, &[0; 16]))?;
    let mut found: Vec<Interface> = links.iter().map(|body| read_link(body)).collect();
    for body in socket.ask(&Message::new(
        RTM_GETADDR,
        DUMP,
        &[AF_INET, 0, 0, 0, 0, 0, 0, 0],
    ))? {
        let (index, prefix) = (
            message::number(&body, 4),
            body.get(1).copied().unwrap_or(32),
        );
        let address = body.get(8..).and_then(|rest| address_of(rest, IFA_LOCAL));
        if let (Some(interface), Some(address)) = (find(&mut found, index), address) {
            interface.addresses.push((address, prefix));
        }
    }
    for body in socket.ask(&Message::new(
        RTM_GETROUTE,
        DUMP,
        &[AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ))? {
        let Some(rest) = body.get(12..).filter(|_| body[1] == 0) else {
            continue;
        };
        let index = message::attributes(rest)
            .iter()
            .find(|(kind, _)| *kind == RTA_OIF)
            .map(|(_, v)| message::number(v, 0));
        let interface = index.and_then(|index| find(&mut found, index));
        if let (Some(interface), Some(gateway)) = (interface, address_of(rest, RTA_GATEWAY)) {
            interface.gateway.get_or_insert(gateway);
        }
    }
    Ok(found)
}

fn find(interfaces: &mut [Interface], index: u32) -> Option<&mut Interface> {
    interfaces
        .iter_mut()
        .find(|interface| interface.index == index)
}

fn read_link(body: &[u8]) -> Interface {
    let flags = message::number(body, 8);
    let attributes = body.get(16..).map(message::attributes).unwrap_or_default();
    let name = attributes
        .iter()
        .find(|(kind, _)| *kind == IFLA_IFNAME)
        .map_or(&[][..], |(_, value)| value);
    Interface {
        index: message::number(body, 4),
        name: String::from_utf8_lossy(name)
            .trim_end_matches('\0')
            .to_owned(),
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        addresses: Vec::new(),
        gateway: None,
    }
}

fn address_of(attributes: &[u8], wanted: u16) -> Option<Ipv4Addr> {
    let found = message::attributes(attributes);
    let (_, value) = found.iter().find(|(kind, _)| *kind == wanted)?;
    <[u8; 4]>::try_from(*value).ok().map(Ipv4Addr::from)
}

fn link(index: u32, flags: u32) -> Message {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    Message::new(RTM_NEWLINK, ACK, &fixed)
}

fn rule_message(kind: u16, flags: u16, rule: Rule) -> Message {
    let mut fixed = [0; 12];
    fixed[0] = match rule.family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    };
    if let Match::To(_, length) = rule.matches {
        fixed[1] = length;
    }
    let (table, action) = match rule.target {
        Target::Table(table) => (table, FR_ACT_TO_TBL),
        Target::Prohibit => (0, FR_ACT_PROHIBIT),
    };
    fixed[4] = u8::try_from(table).unwrap_or(0);
    fixed[7] = action;
    let mut message = Message::new(kind, flags | ACK, &fixed).with_u32(FRA_PRIORITY, rule.priority);
    if table != 0 {
        message = message.with_u32(FRA_TABLE, table);
    }
    match rule.matches {
        Match::All => message,
        Match::To(address, _) => message.with(FRA_DST, &address.octets()),
        Match::Protocol(protocol) => message.with(FRA_IP_PROTO, &[protocol]),
        Match::Port(protocol, port) => {
            let [low, high] = port.to_ne_bytes();
            message
                .with(FRA_IP_PROTO, &[protocol])
                .with(FRA_DPORT_RANGE, &[low, high, low, high])
        }
        Match::Mark(mark) => message
            .with_u32(FRA_FWMARK, mark)
            .with_u32(FRA_FWMASK, u32::MAX),
    }
}

fn any_address(kind: u16, flags: u16, table: u32) -> Message {
    let scope = if kind == RTM_DELROUTE {
        RT_SCOPE_NOWHERE
    } else {
        RT_SCOPE_HOST
    };
    let mut fixed = [
        AF_INET,
        0,
        0,
        0,
        u8::try_from(table).unwrap_or(0),
        RTPROT_STATIC,
        scope,
        RTN_LOCAL,
        0,
        0,
        0,
        0,
    ];
    if kind == RTM_DELROUTE {
        fixed[5] = 0;
    }
    Message::new(kind, flags | ACK, &fixed)
        .with_u32(RTA_TABLE, table)
        .with_u32(RTA_OIF, LO)
        .with(RTA_PREFSRC, &Ipv4Addr::LOCALHOST.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoing_twice_changes_nothing() {
        let rule = Rule {
            family: Family::V4,
            priority: 9,
            matches: Match::All,
            target: Target::Prohibit,
        };
        for change in [
            Change::Up(1),
            Change::Down(2),
            Change::Add(rule),
            Change::Delete(rule),
            Change::AnyAddress(255),
        ] {
            assert_eq!(change.undo().undo(), change);
            assert_ne!(change.undo(), change);
        }
    }
}
