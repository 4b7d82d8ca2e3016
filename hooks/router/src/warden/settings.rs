//! What the worker needs from files, read by the warden: account, DNS servers, trusted certificates.

use std::net::IpAddr;
use std::path::Path;

use nemoclaw_policy::node::RouterConfig;
use nix::unistd::{Uid, User};

use super::WardenError;
use crate::link::Settings;

/// Where the host's DNS servers stand.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where distributions keep the host's trusted certificates; the first that exists is used.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Gather the worker's settings.
///
/// # Errors
/// The account does not exist, or a named certificate file cannot be read.
pub fn gather(router: &RouterConfig) -> Result<Settings, WardenError> {
    let (uid, gid) = account(&router.user).ok_or_else(|| WardenError::User {
        user: router.user.clone(),
    })?;
    let mut roots: Vec<String> = BUNDLES
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .into_iter()
        .collect();
    for path in &router.extra_ca {
        let text = std::fs::read_to_string(path).map_err(|source| WardenError::File {
            path: path.clone(),
            source,
        })?;
        roots.push(text);
    }
    let resolvers = if router.resolvers.is_empty() {
        host_resolvers(Path::new(RESOLV_CONF))
    } else {
        router.resolvers.clone()
    };
    Ok(Settings {
        uid,
        gid,
        hosts: router.hosts.clone(),
        resolvers,
        roots,
    })
}

/// An account by name or number; a number without an entry has the group of the same number.
fn account(user: &str) -> Option<(u32, u32)> {
    if let Ok(number) = user.parse::<u32>() {
        let known = User::from_uid(Uid::from_raw(number)).ok().flatten();
        return Some((number, known.map_or(number, |known| known.gid.as_raw())));
    }
    let known = User::from_name(user).ok().flatten()?;
    Some((known.uid.as_raw(), known.gid.as_raw()))
}

/// The host's DNS servers; none when the file cannot be read.
#[must_use]
pub fn host_resolvers(path: &Path) -> Vec<IpAddr> {
    let Ok(text) = std::fs::read_to_string(path) else {
        super::log(&format!(
            "cannot read `{}`: names resolve by `router.hosts` only",
            path.display()
        ));
        return Vec::new();
    };
    servers(&text)
}

fn servers(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver"))
            .then(|| words.next()?.parse().ok())
            .flatten()
    };
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nameserver_lines_count() {
        let text = "# nameserver 9.9.9.9\nsearch lan\nnameserver 192.0.2.1\nnameserver\t2001:db8::1\nnameserver x\n";
        let found: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn a_number_is_an_account() {
        assert_eq!(account("54321"), Some((54321, 54321)));
        assert_eq!(account("no-such-account"), None);
    }
}
