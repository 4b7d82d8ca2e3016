//! Counting packets on the outside: every frame on every interface of `nct-eng`.
//!
//! A box's packets can only appear there: on the bridge and its ports, and on the wire to the servers. ARP is counted
//! apart, as the promise says.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt,
};

use crate::netns;

/// What one frame was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packet {
    /// Source hardware address.
    pub from_mac: String,
    /// `arp`, `tcp`, `udp`, `icmp`, or `0x88cc`, `proto 132`.
    pub kind: String,
    /// Source.
    pub source: Option<IpAddr>,
    /// Destination.
    pub destination: Option<IpAddr>,
    /// Ports, where there are any.
    pub ports: Option<(u16, u16)>,
    /// TCP flags: SYN 2, RST 4, ACK 16.
    pub flags: u8,
}

/// A running capture.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Packet>>>,
}

impl Watch {
    /// Starts to capture in `nct-eng`.
    ///
    /// # Panics
    /// When no packet socket can be opened there.
    pub fn start() -> Watch {
        let socket = netns::inside(netns::ENGINE, open);
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || collect(&socket, &flag));
        Watch {
            stop,
            thread: Some(thread),
        }
    }

    /// Waits a moment for stragglers, ends the capture, and gives what was seen.
    ///
    /// # Panics
    /// When the capturing thread panicked.
    pub fn finish(mut self) -> Seen {
        std::thread::sleep(Duration::from_millis(400));
        self.stop.store(true, Ordering::Relaxed);
        Seen(self.thread.take().expect("thread").join().expect("capture"))
    }
}

fn open() -> OwnedFd {
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .expect("packet socket");
    setsockopt(&socket, sockopt::RcvBuf, &(16 << 20)).expect("buffer");
    let limit = nix::sys::time::TimeVal::new(0, 50_000);
    setsockopt(&socket, sockopt::ReceiveTimeout, &limit).expect("time limit");
    socket
}

fn collect(socket: &OwnedFd, stop: &AtomicBool) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut frame = [0u8; 2048];
    while !stop.load(Ordering::Relaxed) {
        if let Ok(length) = recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            packets.extend(parse(&frame[..length]));
        }
    }
    packets
}

fn parse(frame: &[u8]) -> Option<Packet> {
    let mac = frame
        .get(6..12)?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(":");
    let kind = u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?]);
    let mut packet = Packet {
        from_mac: mac,
        kind: String::new(),
        source: None,
        destination: None,
        ports: None,
        flags: 0,
    };
    let body = &frame[14..];
    let (protocol, payload) = match kind {
        0x0806 => {
            "arp".clone_into(&mut packet.kind);
            return Some(packet);
        }
        0x0800 => {
            packet.source =
                Some(Ipv4Addr::from(<[u8; 4]>::try_from(body.get(12..16)?).ok()?).into());
            packet.destination =
                Some(Ipv4Addr::from(<[u8; 4]>::try_from(body.get(16..20)?).ok()?).into());
            (
                body[9],
                body.get(usize::from(body[0] & 15) * 4..)
                    .unwrap_or_default(),
            )
        }
        0x86dd => {
            packet.source =
                Some(Ipv6Addr::from(<[u8; 16]>::try_from(body.get(8..24)?).ok()?).into());
            packet.destination =
                Some(Ipv6Addr::from(<[u8; 16]>::try_from(body.get(24..40)?).ok()?).into());
            (body[6], body.get(40..).unwrap_or_default())
        }
        other => {
            packet.kind = format!("0x{other:04x}");
            return Some(packet);
        }
    };
    packet.kind = match protocol {
        1 | 58 => "icmp".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        136 => "udplite".into(),
        other => format!("proto {other}"),
    };
    if matches!(protocol, 6 | 17 | 132 | 136) && payload.len() >= 4 {
        packet.ports = Some((
            u16::from_be_bytes([payload[0], payload[1]]),
            u16::from_be_bytes([payload[2], payload[3]]),
        ));
    }
    if protocol == 6 && payload.len() > 13 {
        packet.flags = payload[13];
    }
    Some(packet)
}

/// All that was seen.
#[derive(Debug)]
pub struct Seen(pub Vec<Packet>);

impl Seen {
    /// Packets, ARP apart, whose destination is `address`.
    pub fn to(&self, address: &str) -> Vec<&Packet> {
        let address: IpAddr = address.parse().expect("address");
        self.0
            .iter()
            .filter(|packet| packet.destination == Some(address))
            .collect()
    }

    /// Packets, ARP apart, that left the box with hardware address `mac`.
    pub fn from_box(&self, mac: &str) -> Vec<&Packet> {
        self.0
            .iter()
            .filter(|packet| packet.from_mac == mac && packet.kind != "arp")
            .collect()
    }

    /// Fails the test when `packets` is not empty, showing them.
    #[track_caller]
    pub fn none(packets: &[&Packet], what: &str) {
        let mut table: BTreeMap<&Packet, usize> = BTreeMap::new();
        for packet in packets {
            *table.entry(packet).or_default() += 1;
        }
        assert!(
            packets.is_empty(),
            "{what}: {} packets got outside: {table:#?}",
            packets.len()
        );
    }
}
