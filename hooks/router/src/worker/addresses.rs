//! Which upstream addresses are never dialled: those that lead back into the host or its networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Any port will do for asking the kernel for a route.
const DISCARD: u16 = 9;

/// Why `address` is refused; `None` when it may be dialled. Documentation ranges are not refused: nothing lives there
/// but what an operator put there.
#[must_use]
pub fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

/// Whether `address` is one of the node's own: the kernel would dial it from itself. Nothing is sent.
#[must_use]
pub fn own(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = UdpSocket::bind((any, 0)).and_then(|probe| {
        probe.connect((address, DISCARD))?;
        probe.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, _, _) => Some("unspecified"),
        (127, _, _) => Some("loopback"),
        (169, 254, _) => Some("link-local (cloud metadata)"),
        (168, 63, 129) if address == Ipv4Addr::new(168, 63, 129, 16) => Some("cloud metadata"),
        (10, _, _) | (192, 168, _) => Some("private"),
        (172, 16..=31, _) => Some("private"),
        (100, 64..=127, _) => Some("carrier-grade NAT"),
        (198, 18..=19, _) => Some("the sandboxes' own range"),
        (192, 0, 0) => Some("reserved"),
        (192, 88, 99) => Some("6to4 relay"),
        (224..=239, _, _) => Some("multicast"),
        (240..=255, _, _) => Some("reserved"),
        _ => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = address.to_ipv4_mapped() {
        return refused_v4(inner).or(Some("IPv4-mapped"));
    }
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0, 0, 0, 0, 0, 0, _, _] => Some("IPv4-compatible"),
        [0x64, 0xff9b, ..] => Some("NAT64"),
        [0x100, 0, 0, 0, ..] => Some("discard"),
        [0x2001, 0, ..] => Some("Teredo"),
        [0x2001, 1..=0x1ff, ..] => Some("special purpose"),
        [0x5f00, ..] => Some("segment routing"),
        [0x2002, ..] => Some("6to4"),
        [0xfc00..=0xfdff, ..] => Some("unique local"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfec0..=0xfeff, ..] => Some("site-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{own, refused};

    #[test]
    fn addresses_inside_are_refused() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.251",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:2::1",
            "2001:20::1",
            "5f00::1",
            "64:ff9b:1::a00:1",
            "fc00::1",
            "fd12::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::fb",
        ] {
            assert!(
                refused(text.parse().expect("address")).is_some(),
                "{text} passed"
            );
        }
    }

    #[test]
    fn the_nodes_own_addresses_are_known_whatever_their_range() {
        assert!(own("127.0.0.1".parse().expect("address")));
        assert!(!own("192.0.2.1".parse().expect("address")));
    }

    #[test]
    fn public_and_documentation_addresses_may_be_dialled() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
            "172.32.0.1",
            "172.15.0.1",
            "100.128.0.1",
            "198.17.255.255",
            "198.20.0.0",
            "169.253.0.1",
            "2606:4700::1111",
            "2001:db8::1",
            "2001:4860::8888",
        ] {
            assert_eq!(refused(text.parse().expect("address")), None, "{text}");
        }
    }
}
