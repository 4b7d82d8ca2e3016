//! What a request asks for, as a pure function of its head: its host must be the one that was dialled.

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Version};

use super::framing::Fault;

/// With or without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS, opened by the router.
    Https,
}

impl Scheme {
    /// The port that need not be named.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Where a connection leads.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The name behind the virtual address.
    pub host: &'a str,
    /// The port that was dialled.
    pub port: u16,
    /// With or without TLS.
    pub scheme: Scheme,
}

/// What a well-formed request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Path as it came.
    pub path: String,
    /// Query as it came.
    pub query: Option<String>,
    /// Asks to become a WebSocket.
    pub websocket: bool,
    /// Methods that a header field asks the server to take instead: they must be allowed too.
    pub other_methods: Vec<String>,
}

/// Why a request is refused before any rule is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Improper {
    /// A tunnel inside a tunnel.
    #[error("CONNECT is not allowed")]
    Connect,
    /// A request for a proxy.
    #[error("the request names a whole URI: it speaks to a proxy, and there is none")]
    Absolute,
    /// `OPTIONS *` and the like.
    #[error("the request has no path")]
    NoPath,
    /// None or several.
    #[error("the request must name its host exactly once")]
    HostCount,
    /// Not a host.
    #[error("the request's host cannot be read")]
    HostForm,
    /// Another one.
    #[error("the request is for `{said}`, but the connection is to `{dialled}`")]
    OtherHost {
        /// What the request says.
        said: String,
        /// The name and port that were dialled.
        dialled: String,
    },
    /// Request smuggling: where it ends could be read in two ways.
    #[error(transparent)]
    Framing(#[from] Fault),
    /// An upgrade to anything but a WebSocket.
    #[error("the request asks for an upgrade that is not a WebSocket")]
    Upgrade,
    /// Another request behind this one.
    #[error("the field `{0}` asks the server for another request than this one")]
    OtherRequest(&'static str),
}

/// Fields whose method some servers take instead of the request's own.
const METHOD_FIELDS: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];
/// Fields whose path some servers take instead of the request's own; only front servers have use for them.
const PATH_FIELDS: [&str; 2] = ["x-original-url", "x-rewrite-url"];

/// Read the head of a request on a connection to `target`.
///
/// # Errors
/// It is for another host, or not a request that may pass at all.
pub fn asked(head: &Parts, target: Target<'_>) -> Result<Asked, Improper> {
    if head.method == Method::CONNECT {
        return Err(Improper::Connect);
    }
    let named = hosts(head)?;
    for authority in &named {
        agree(authority, target)?;
    }
    lengths(&head.headers)?;
    if !head.uri.path().starts_with('/') {
        return Err(Improper::NoPath);
    }
    Ok(Asked {
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        websocket: upgrade(head)?,
        other_methods: other_methods(&head.headers)?,
    })
}

fn other_methods(headers: &HeaderMap) -> Result<Vec<String>, Improper> {
    for field in PATH_FIELDS {
        if headers.contains_key(field) {
            return Err(Improper::OtherRequest(field));
        }
    }
    let mut methods = Vec::new();
    for field in METHOD_FIELDS {
        for value in headers.get_all(field) {
            let text = value.to_str().map_err(|_| Improper::OtherRequest(field))?;
            methods.push(text.trim().to_ascii_uppercase());
        }
    }
    Ok(methods)
}

/// Every place where the request names its host.
fn hosts(head: &Parts) -> Result<Vec<Authority>, Improper> {
    let mut named = Vec::new();
    for value in head.headers.get_all(header::HOST) {
        named.push(Authority::try_from(value.as_bytes()).map_err(|_| Improper::HostForm)?);
    }
    let in_uri = head.uri.authority().cloned();
    if head.version == Version::HTTP_2 {
        if in_uri.is_none() || named.len() > 1 {
            return Err(Improper::HostCount);
        }
        named.extend(in_uri);
        return Ok(named);
    }
    if in_uri.is_some() {
        return Err(Improper::Absolute);
    }
    if named.len() == 1 {
        Ok(named)
    } else {
        Err(Improper::HostCount)
    }
}

fn agree(said: &Authority, target: Target<'_>) -> Result<(), Improper> {
    if said.as_str().contains('@') {
        return Err(Improper::HostForm);
    }
    let host = said.host().trim_end_matches('.');
    // A port that is written but is no number is no port at all.
    let port = match said.as_str()[said.host().len()..].strip_prefix(':') {
        None => target.scheme.port(),
        Some(_) => said.port_u16().ok_or(Improper::HostForm)?,
    };
    if host.eq_ignore_ascii_case(target.host) && port == target.port {
        return Ok(());
    }
    Err(Improper::OtherHost {
        said: said.to_string(),
        dialled: format!("{}:{}", target.host, target.port),
    })
}

/// Requests of HTTP/1.1 with two lengths do not come this far (see [`super::framing`]); this holds for every kind.
fn lengths(headers: &HeaderMap) -> Result<(), Improper> {
    let count = headers.get_all(header::CONTENT_LENGTH).iter().count();
    let chunked = headers.get_all(header::TRANSFER_ENCODING).iter().count();
    if count > 1 || chunked > 1 || (count > 0 && chunked > 0) {
        return Err(Fault::TwoLengths.into());
    }
    Ok(())
}

fn upgrade(head: &Parts) -> Result<bool, Improper> {
    let mut wanted = head.headers.get_all(header::UPGRADE).iter();
    let Some(first) = wanted.next() else {
        return Ok(false);
    };
    let websocket = first.as_bytes().eq_ignore_ascii_case(b"websocket")
        && wanted.next().is_none()
        && head.method == Method::GET
        && head.version == Version::HTTP_11;
    if websocket {
        Ok(true)
    } else {
        Err(Improper::Upgrade)
    }
}

/// Header fields that concern one connection only (RFC 9110 §7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Take out what concerns one connection only.
pub fn strip(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in named
        .iter()
        .map(String::as_str)
        .chain(HOP_BY_HOP.iter().copied())
    {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const TARGET: Target<'_> = Target {
        host: "api.example.com",
        port: 443,
        scheme: Scheme::Https,
    };

    fn head(version: Version, method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("request").into_parts().0
    }

    fn h1(uri: &str, headers: &[(&str, &str)]) -> Result<Asked, Improper> {
        asked(&head(Version::HTTP_11, "GET", uri, headers), TARGET)
    }

    #[test]
    fn a_method_behind_the_method_is_told_and_a_path_behind_the_path_is_refused() {
        let fields = [
            ("host", "api.example.com"),
            ("x-http-method-override", " delete"),
            ("X-HTTP-Method", "PUT"),
        ];
        let found = asked(&head(Version::HTTP_11, "POST", "/", &fields), TARGET).expect("asked");
        assert_eq!(found.other_methods, ["DELETE", "PUT"]);
        let fields = [fields[0], (PATH_FIELDS[0], "/admin")];
        assert!(asked(&head(Version::HTTP_11, "GET", "/", &fields), TARGET).is_err());
    }

    #[test]
    fn the_dialled_host_passes_however_it_is_written() {
        for host in [
            "api.example.com",
            "API.Example.COM",
            "api.example.com:443",
            "api.example.com.",
        ] {
            let asked = h1("/a/b?c=d", &[("host", host)]).expect(host);
            assert_eq!(
                (asked.path.as_str(), asked.query.as_deref()),
                ("/a/b", Some("c=d"))
            );
        }
    }

    #[test]
    fn another_host_or_port_is_refused() {
        for host in [
            "evil.example",
            "api.example.com:8443",
            "api.example.com.evil.example",
            "203.0.113.9",
        ] {
            assert!(
                matches!(h1("/", &[("host", host)]), Err(Improper::OtherHost { .. })),
                "{host}"
            );
        }
        for host in [
            "api.example.com@evil.example",
            "a b",
            "api.example.com:x",
            "",
        ] {
            assert!(h1("/", &[("host", host)]).is_err(), "{host}");
        }
    }

    #[test]
    fn a_host_is_named_exactly_once() {
        assert_eq!(h1("/", &[]), Err(Improper::HostCount));
        let twice = [("host", "api.example.com"), ("host", "api.example.com")];
        assert_eq!(h1("/", &twice), Err(Improper::HostCount));
    }

    #[test]
    fn in_http2_authority_and_host_must_both_agree() {
        let uri = "https://api.example.com/x";
        assert!(asked(&head(Version::HTTP_2, "GET", uri, &[]), TARGET).is_ok());
        let other = [("host", "evil.example")];
        assert!(matches!(
            asked(&head(Version::HTTP_2, "GET", uri, &other), TARGET),
            Err(Improper::OtherHost { .. })
        ));
        let elsewhere = head(Version::HTTP_2, "GET", "https://evil.example/x", &[]);
        assert!(matches!(
            asked(&elsewhere, TARGET),
            Err(Improper::OtherHost { .. })
        ));
    }

    #[test]
    fn tunnels_proxies_and_odd_upgrades_are_refused() {
        let host = ("host", "api.example.com");
        assert_eq!(
            h1("https://api.example.com/", &[host]),
            Err(Improper::Absolute)
        );
        let connect = head(Version::HTTP_11, "CONNECT", "api.example.com:443", &[host]);
        assert_eq!(asked(&connect, TARGET), Err(Improper::Connect));
        let star = head(Version::HTTP_11, "OPTIONS", "*", &[host]);
        assert_eq!(asked(&star, TARGET), Err(Improper::NoPath));
        assert_eq!(h1("/", &[host, ("upgrade", "h2c")]), Err(Improper::Upgrade));
        assert_eq!(
            h1("/", &[host, ("upgrade", "websocket"), ("upgrade", "h2c")]),
            Err(Improper::Upgrade)
        );
        assert!(
            h1("/", &[host, ("upgrade", "websocket")])
                .expect("websocket")
                .websocket
        );
    }

    #[test]
    fn two_lengths_are_refused() {
        let host = ("host", "api.example.com");
        for pair in [
            [("content-length", "1"), ("transfer-encoding", "chunked")],
            [("content-length", "1"), ("content-length", "1")],
            [
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "identity"),
            ],
        ] {
            let two = Err(Improper::Framing(Fault::TwoLengths));
            assert_eq!(h1("/", &[host, pair[0], pair[1]]), two);
        }
    }

    #[test]
    fn what_concerns_one_connection_does_not_pass() {
        let mut head = head(
            Version::HTTP_11,
            "GET",
            "/",
            &[
                ("connection", "X-Secret, keep-alive"),
                ("x-secret", "1"),
                ("te", "gzip"),
                ("x-kept", "1"),
            ],
        );
        strip(&mut head.headers);
        let left: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
        assert_eq!(left, ["x-kept"]);
    }
}
