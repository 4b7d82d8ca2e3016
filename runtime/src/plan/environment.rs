//! Variables and CA paths: programs find the router's CA and a home they can write.

use std::path::{Path, PathBuf};

use super::RootfsFacts;
use super::paths::{Access, PathRules, SANDBOX, TMP};

/// Where distributions keep their CA bundle; the first is made where an image has none.
pub const CA_BUNDLE_PATHS: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];

/// Variables by which programs are told of a CA bundle.
const CA_VARIABLES: [&str; 7] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
];

/// The paths our merged bundle is mounted over: the image's own bundles, and the usual place in any case.
pub fn bundle_mounts(rootfs: &RootfsFacts) -> Vec<PathBuf> {
    let usual = PathBuf::from(CA_BUNDLE_PATHS[0]);
    let mut all = vec![usual];
    for path in &rootfs.ca_bundles {
        if !all.contains(path) {
            all.push(path.clone());
        }
    }
    all
}

/// The variables that tell programs of the bundle.
pub fn ca_variables() -> Vec<(String, String)> {
    CA_VARIABLES
        .iter()
        .map(|name| ((*name).to_owned(), CA_BUNDLE_PATHS[0].to_owned()))
        .collect()
}

/// The home to force: the user's own when the policy makes it writable, else the work directory.
pub fn home(
    env: &[String],
    uid: u32,
    rules: &PathRules,
    rootfs: &RootfsFacts,
) -> Option<(String, String)> {
    let given = env
        .iter()
        .rev()
        .find_map(|entry| entry.strip_prefix("HOME="))
        .filter(|home| !home.is_empty());
    let account = rootfs.account(uid).map(|account| account.home.clone());
    let own = given.map(PathBuf::from).or(account);
    let writable = |path: &Path| rules.access(path) == Access::Write && path != Path::new("/");
    let home = match own {
        Some(own) if writable(&own) => own,
        _ => [SANDBOX, TMP]
            .iter()
            .map(PathBuf::from)
            .find(|path| writable(path))?,
    };
    Some(("HOME".to_owned(), home.display().to_string()))
}

/// `env` with `forced` put over it: each forced name once, in its old place or at the end.
pub fn merged(env: &[String], forced: &[(String, String)]) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let kept = env
        .iter()
        .filter(|entry| !forced.iter().any(|(forced, _)| *forced == name(entry)));
    kept.cloned()
        .chain(forced.iter().map(|(name, value)| format!("{name}={value}")))
        .collect()
}

/// The image's bundle that the merged one starts with.
pub fn image_bundle(rootfs: &RootfsFacts) -> Option<PathBuf> {
    rootfs.ca_bundles.first().cloned()
}

#[cfg(test)]
mod tests {
    use super::super::Account;
    use super::*;
    use nemoclaw_policy::policy::Filesystem;

    fn rules(read_write: &[&str]) -> PathRules {
        let filesystem = Filesystem {
            read_only: vec!["/".into()],
            read_write: read_write.iter().map(PathBuf::from).collect(),
            include_workdir: false,
        };
        PathRules::new(&filesystem, Path::new("/"))
    }

    fn rootfs() -> RootfsFacts {
        let account = Account {
            name: "a".to_owned(),
            uid: 7,
            gid: 7,
            home: "/sandbox/home/a".into(),
        };
        RootfsFacts {
            accounts: vec![account],
            ..RootfsFacts::default()
        }
    }

    fn home_of(env: &[&str], uid: u32, read_write: &[&str]) -> Option<String> {
        let env: Vec<String> = env.iter().map(|entry| (*entry).to_owned()).collect();
        home(&env, uid, &rules(read_write), &rootfs()).map(|(_, value)| value)
    }

    #[test]
    fn home_is_the_users_own_when_writable_else_the_work_directory() {
        assert_eq!(
            home_of(&[], 7, &["/sandbox"]).as_deref(),
            Some("/sandbox/home/a")
        );
        assert_eq!(
            home_of(&["HOME=/root"], 7, &["/sandbox"]).as_deref(),
            Some("/sandbox")
        );
        assert_eq!(
            home_of(&["HOME=/sandbox/x"], 0, &["/sandbox"]).as_deref(),
            Some("/sandbox/x")
        );
        assert_eq!(home_of(&[], 0, &["/tmp"]).as_deref(), Some("/tmp"));
        assert_eq!(home_of(&["HOME="], 0, &[]), None);
    }

    #[test]
    fn forced_variables_win_and_appear_once() {
        let env = ["A=1", "HOME=/root", "HOME=/x", "B"].map(str::to_owned);
        let forced = [("HOME".to_owned(), "/sandbox".to_owned())];
        assert_eq!(merged(&env, &forced), ["A=1", "B", "HOME=/sandbox"]);
    }
}
