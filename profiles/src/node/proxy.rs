//! The proxy through which a node reaches the outside, where it must.

use std::net::IpAddr;
use std::path::PathBuf;

use super::absolute;
use crate::policy::HostPattern;
use crate::source::Diagnostic;
use crate::yaml::{Fields, View};

/// `upstream_proxy`, `upstream_proxy_credentials` and `no_proxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamProxy {
    /// `upstream_proxy: http://HOST:PORT`: its name or address. It is the operator's word, so it may be private.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `upstream_proxy_credentials`: a file with one line `USER:PASSWORD`, for root alone.
    pub credentials: Option<PathBuf>,
    /// `no_proxy`: names that are dialled without it, each with all names below it, as are those under `hosts`.
    pub direct: Vec<String>,
}

/// The keys below `router`.
pub(super) const KEYS: [&str; 3] = ["upstream_proxy", "upstream_proxy_credentials", "no_proxy"];

/// Reads the keys.
pub(super) fn read(fields: &Fields<'_>) -> Result<Option<UpstreamProxy>, Box<Diagnostic>> {
    let Some(view) = fields.get("upstream_proxy") else {
        let useless = KEYS.iter().skip(1).find_map(|key| fields.get(key));
        return match useless {
            Some(view) => Err(view.fault(format!("`{}` without `upstream_proxy`", view.name))),
            None => Ok(None),
        };
    };
    let (host, port) = place(&view)?;
    let credentials = fields
        .get("upstream_proxy_credentials")
        .map(|view| absolute(&view))
        .transpose()?;
    let direct = match fields.get("no_proxy") {
        Some(view) => view.list()?.iter().map(name).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(Some(UpstreamProxy {
        host,
        port,
        credentials,
        direct,
    }))
}

fn place(view: &View<'_>) -> Result<(String, u16), Box<Diagnostic>> {
    let text = view.text()?;
    let form = || view.fault("write the proxy as `http://HOST:PORT`");
    if text.starts_with("https://") {
        return Err(view
            .fault("a proxy that is spoken to by TLS is not supported: write `http://HOST:PORT`"));
    }
    let place = text.strip_prefix("http://").ok_or_else(form)?;
    if place.contains('@') {
        return Err(view.fault(
            "a password does not belong here: put `USER:PASSWORD` into the file `upstream_proxy_credentials`",
        ));
    }
    let (host, port) = place
        .strip_suffix('/')
        .unwrap_or(place)
        .rsplit_once(':')
        .ok_or_else(form)?;
    let port = match port.parse() {
        Ok(0) | Err(_) => return Err(form()),
        Ok(port) => port,
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>()
        && address.is_ipv6() == (bare.len() != host.len())
    {
        return Ok((address.to_string(), port));
    }
    Ok((single(view, host)?, port))
}

/// One name, in lower case; a dot before it changes nothing.
fn name(view: &View<'_>) -> Result<String, Box<Diagnostic>> {
    let text = view.text()?;
    single(view, text.strip_prefix('.').unwrap_or(text))
}

fn single(view: &View<'_>, text: &str) -> Result<String, Box<Diagnostic>> {
    let name = HostPattern::parse(text).map_err(|message| view.fault(message))?;
    if name.is_wildcard() {
        return Err(view.fault(format!(
            "`{text}` is a pattern; write a name, which in `no_proxy` covers all names below it"
        )));
    }
    Ok(name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::NodeConfig;
    use super::*;
    use crate::source::Source;

    fn parsed(keys: &str) -> Result<Option<UpstreamProxy>, String> {
        let source = Source::text("config.yaml", &format!("version: 1\nrouter:\n{keys}"));
        NodeConfig::parse(&source)
            .map(|config| config.router.upstream_proxy)
            .map_err(|fault| fault.one_line())
    }

    #[test]
    fn a_proxy_has_a_place_a_file_and_exceptions() {
        let keys = "  upstream_proxy: http://Proxy.lan:3128/\n  upstream_proxy_credentials: /etc/nemoclaw/proxy\n  \
                    no_proxy: [LAN, .corp.example]\n";
        let proxy = parsed(keys).unwrap().unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.lan", 3128));
        assert_eq!(
            proxy.credentials.as_deref(),
            Some(std::path::Path::new("/etc/nemoclaw/proxy"))
        );
        assert_eq!(proxy.direct, ["lan", "corp.example"]);
        assert_eq!(parsed("  user: nobody\n").unwrap(), None);
    }

    #[test]
    fn addresses_may_be_private_and_of_both_kinds() {
        for (text, host) in [("10.0.0.1", "10.0.0.1"), ("[fd00::1]", "fd00::1")] {
            let keys = format!("  upstream_proxy: \"http://{text}:80\"\n");
            assert_eq!(parsed(&keys).unwrap().unwrap().host, host);
        }
    }

    #[test]
    fn what_is_no_proxy_is_a_fault_that_says_how_to_write_one() {
        for (value, told) in [
            ("https://proxy.lan:3128", "TLS"),
            (
                "http://user:secret@proxy.lan:3128",
                "upstream_proxy_credentials",
            ),
            ("socks5://proxy.lan:1080", "http://HOST:PORT"),
            ("proxy.lan:3128", "http://HOST:PORT"),
            ("http://proxy.lan", "http://HOST:PORT"),
            ("http://proxy.lan:0", "http://HOST:PORT"),
            ("http://proxy.lan:3128/path", "http://HOST:PORT"),
            ("http://*.proxy.lan:3128", "write a name"),
            ("http://[10.0.0.1]:3128", "10.0.0.1"),
        ] {
            let fault = parsed(&format!("  upstream_proxy: \"{value}\"\n")).unwrap_err();
            assert!(fault.contains(told), "{value}: {fault}");
            assert!(!fault.contains("secret"), "{fault}");
        }
        let alone = parsed("  no_proxy: [git.lan]\n").unwrap_err();
        assert!(alone.contains("without `upstream_proxy`"), "{alone}");
    }
}
