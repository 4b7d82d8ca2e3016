//! Who holds a port that the router needs: found by the socket's inode, so that the operator reads a name, not a number.

use std::fs;
use std::path::Path;

/// A process with a socket on the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Squatter {
    /// Its pid.
    pub pid: i32,
    /// What it calls itself.
    pub name: String,
}

impl std::fmt::Display for Squatter {
    /// The name is the sandbox's own word: nothing in it may steer a terminal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name.escape_debug())
    }
}

/// The inodes of the sockets on `port` in the thread's network namespace; `protocol` is `tcp` or `udp`.
pub fn sockets_on(protocol: &str, port: u16) -> Vec<u64> {
    // A kernel without IPv6 has no second file.
    [protocol.to_owned(), format!("{protocol}6")]
        .iter()
        .filter_map(|file| fs::read_to_string(format!("/proc/thread-self/net/{file}")).ok())
        .flat_map(|table| inodes(&table, port))
        .collect()
}

/// The first process that holds one of these sockets; `None` where the kernel hides it from us.
pub fn holder(inodes: &[u64]) -> Option<Squatter> {
    let wanted: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let holds = |pid: &i32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten();
        descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path())
                .is_ok_and(|link| wanted.iter().any(|socket| link == Path::new(socket)))
        })
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pid = all
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(holds)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Squatter {
        pid,
        name: name.trim_end_matches('\n').to_owned(),
    })
}

/// The inodes in a table as `/proc/net/udp` shows it, of sockets whose own port is `port`.
fn inodes(table: &str, port: u16) -> Vec<u64> {
    let inode = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (_, own) = words.get(1)?.rsplit_once(':')?;
        (u16::from_str_radix(own, 16) == Ok(port))
            .then(|| words.get(9)?.parse().ok())
            .flatten()
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
        \x20 31: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4711 2 0000000000000000 0\n\
        \x20 32: 0100007F:1F90 00000000:0035 01 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0\n";

    #[test]
    fn a_port_is_the_sockets_own_and_not_its_peers() {
        assert_eq!(inodes(TABLE, 53), [4711]);
        assert_eq!(inodes(TABLE, 8080), [4712]);
        assert!(inodes(TABLE, 1).is_empty());
    }

    #[test]
    fn a_name_cannot_steer_a_terminal() {
        let squatter = Squatter {
            pid: 7,
            name: "a\u{1b}[2J\nb".into(),
        };
        assert_eq!(squatter.to_string(), "process 7 (a\\u{1b}[2J\\nb)");
    }

    #[test]
    fn a_process_is_found_by_its_socket() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = holder(&sockets_on("udp", port)).unwrap();
        assert_eq!(found.pid.cast_unsigned(), std::process::id());
    }
}
