//! Variables and CA paths: programs find the router's CA and a home they can write.

use std::path::{Path, PathBuf};

use super::paths::{SANDBOX, TMP};
use super::{Account, RootfsFacts};

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

/// The home to force: the user's own when the box may write it, else the work directory. `None` where there is neither.
pub fn home(
    env: &[String],
    account: Option<&Account>,
    writable: impl Fn(&Path) -> bool,
) -> Option<(String, String)> {
    let given = env
        .iter()
        .rev()
        .find_map(|entry| entry.strip_prefix("HOME="));
    let given = given.filter(|home| !home.is_empty()).map(PathBuf::from);
    let own = given.or(account.map(|account| account.home.clone()));
    let choices = own.into_iter().chain([SANDBOX, TMP].map(PathBuf::from));
    let home = choices
        .into_iter()
        .find(|path| path != Path::new("/") && writable(path))?;
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

/// Whether `env` has the variable.
pub fn has(env: &[String], name: &str) -> bool {
    env.iter()
        .any(|entry| entry.split('=').next() == Some(name))
}

/// `env` with those of `wanted` that it lacks: what somebody has set stays as it is.
pub fn completed(env: &[String], wanted: &[(String, String)]) -> Vec<String> {
    let missing = wanted.iter().filter(|(name, _)| !has(env, name));
    env.iter()
        .cloned()
        .chain(missing.map(|(name, value)| format!("{name}={value}")))
        .collect()
}

/// The image's bundle that the merged one starts with.
pub fn image_bundle(rootfs: &RootfsFacts) -> Option<PathBuf> {
    rootfs.ca_bundles.first().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_of(env: &[&str], account: bool, writable: &[&str]) -> Option<String> {
        let env: Vec<String> = env.iter().map(|entry| (*entry).to_owned()).collect();
        let own = Account {
            name: "a".to_owned(),
            uid: 7,
            gid: 7,
            home: "/sandbox/home/a".into(),
        };
        let may = |path: &Path| writable.iter().any(|entry| path.starts_with(entry));
        home(&env, account.then_some(&own), may).map(|(_, value)| value)
    }

    #[test]
    fn home_is_the_users_own_when_writable_else_the_work_directory() {
        assert_eq!(
            home_of(&[], true, &["/sandbox"]).as_deref(),
            Some("/sandbox/home/a")
        );
        assert_eq!(
            home_of(&["HOME=/root"], true, &["/sandbox"]).as_deref(),
            Some("/sandbox")
        );
        assert_eq!(
            home_of(&["HOME=/sandbox/x"], false, &["/sandbox"]).as_deref(),
            Some("/sandbox/x")
        );
        assert_eq!(home_of(&[], false, &["/tmp"]).as_deref(), Some("/tmp"));
        assert_eq!(
            home_of(&["HOME=/"], false, &["/"]).as_deref(),
            Some("/sandbox")
        );
        assert_eq!(home_of(&["HOME="], false, &[]), None);
    }

    #[test]
    fn a_placeholder_takes_no_variables_place() {
        let env = ["KEY=own", "OTHER"].map(str::to_owned);
        let wanted =
            ["KEY", "OTHER", "NEW"].map(|name| (name.to_owned(), "placeholder".to_owned()));
        assert_eq!(
            completed(&env, &wanted),
            ["KEY=own", "OTHER", "NEW=placeholder"]
        );
    }

    #[test]
    fn forced_variables_win_and_appear_once() {
        let env = ["A=1", "HOME=/root", "HOME=/x", "B"].map(str::to_owned);
        let forced = [("HOME".to_owned(), "/sandbox".to_owned())];
        assert_eq!(merged(&env, &forced), ["A=1", "B", "HOME=/sandbox"]);
    }
}
