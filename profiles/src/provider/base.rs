//! Addresses of servers that the router itself dials.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::policy::HostPattern;

/// Where an API begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseUrl {
    /// Whether it is spoken to by TLS.
    pub tls: bool,
    /// Host name or address, lower case.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path before the API's own, without a slash at its end; may be empty.
    pub path: String,
}

impl BaseUrl {
    /// Read `http://HOST[:PORT][/PATH]` or `https://…`.
    ///
    /// # Errors
    /// One sentence without a place.
    pub fn parse(text: &str) -> Result<BaseUrl, String> {
        let bad = || format!("`{text}` is no base URL, such as https://HOST/v1");
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(bad()),
        };
        let (place, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if place.contains('@') {
            return Err(
                "a password does not belong into an address: name its file under `file`".into(),
            );
        }
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
        let path = path.trim_end_matches('/');
        let odd = |part: &str| matches!(part, "." | "..");
        if !path.bytes().all(plain) || path.contains("//") || path.split('/').any(odd) {
            return Err(bad());
        }
        let (host, port) = authority(place).ok_or_else(bad)?;
        Ok(BaseUrl {
            tls,
            host,
            port: match port {
                None if tls => 443,
                None => 80,
                Some(port) => number(port).ok_or_else(bad)?,
            },
            path: path.to_owned(),
        })
    }

    /// Whether it lies on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// `NAME`, `ADDRESS` or `[ADDRESS]` with what stands behind its colon, in the form in which hosts are compared.
fn authority(place: &str) -> Option<(String, Option<&str>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = match port {
            "" => None,
            port => Some(port.strip_prefix(':')?),
        };
        return Some((address.to_string(), port));
    }
    let (host, port) = match place.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    };
    let host = HostPattern::parse(host)
        .ok()
        .filter(|host| !host.is_wildcard())?;
    Some((host.as_str().to_owned(), port))
}

fn number(port: &str) -> Option<u16> {
    let plain = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| plain && *port != 0)
}
