//! What the worker needs from files, read by the warden: account, DNS servers, trusted certificates.

use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nemoclaw_policy::node::{PrivacyConfig, RouterConfig, UpstreamProxy};
use nix::unistd::{Uid, User};

use super::WardenError;
use crate::limits;
use crate::link::{ProxySettings, Settings};

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
pub fn gather(router: &RouterConfig, privacy: &PrivacyConfig) -> Result<Settings, WardenError> {
    let (uid, gid) = account(&router.user).ok_or_else(|| WardenError::User {
        user: router.user.clone(),
    })?;
    let host: Option<String> = BUNDLES
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    let public_roots = host.is_none();
    if public_roots {
        super::log(
            "this host has no bundle of trusted certificates: the public roots in the binary hold",
        );
    }
    let mut roots: Vec<String> = host.into_iter().collect();
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
        public_roots,
        proxy: router.upstream_proxy.as_ref().map(proxy).transpose()?,
        privacy: privacy.clone(),
    })
}

fn proxy(proxy: &UpstreamProxy) -> Result<ProxySettings, WardenError> {
    Ok(ProxySettings {
        host: proxy.host.clone(),
        port: proxy.port,
        credentials: proxy.credentials.as_deref().map(secret).transpose()?,
        direct: proxy.direct.clone(),
    })
}

/// One line `USER:PASSWORD` from a file that nobody but root can read.
fn secret(path: &Path) -> Result<String, WardenError> {
    let failed = |source| WardenError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = std::fs::File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() || meta.uid() != 0 || meta.mode() & 0o077 != 0 {
        return Err(WardenError::OpenSecret {
            path: path.to_owned(),
        });
    }
    let mut text = String::new();
    file.by_ref()
        .take(limits::SECRET_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let line = text.trim_end_matches(['\n', '\r']);
    if !line.contains(':') || line.contains(char::is_control) {
        return Err(WardenError::Credentials {
            path: path.to_owned(),
        });
    }
    Ok(line.to_owned())
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_nameserver_lines_count() {
        let text = "# nameserver 9.9.9.9\nsearch lan\nnameserver 192.0.2.1\nnameserver\t2001:db8::1\nnameserver x\n";
        let found: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn a_password_is_read_from_one_line_of_a_file_for_root_alone() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("proxy");
        let written = |text: &str, mode: u32| {
            std::fs::write(&path, text).expect("write");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
            secret(&path)
        };
        assert_eq!(written("me:s3cret\n", 0o600).expect("read"), "me:s3cret");
        let open = written("me:s3cret\n", 0o640).expect_err("others can read it");
        assert!(open.to_string().contains("chmod 600"), "{open}");
        for text in ["", "s3cret\n", "me:s3cret\nyou:s3cret\n"] {
            let fault = written(text, 0o600)
                .expect_err("no credentials")
                .to_string();
            assert!(!fault.contains("s3cret"), "{fault}");
        }
    }

    #[test]
    fn a_number_is_an_account() {
        assert_eq!(account("54321"), Some((54321, 54321)));
        assert_eq!(account("no-such-account"), None);
    }
}
