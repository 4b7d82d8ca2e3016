//! The way through the node's HTTP proxy, where it has one: a tunnel by CONNECT, for whatever kind of traffic.
//!
//! What the policy allows is decided before, on names. Where a name leads is then the proxy's to look up, so ranges that
//! must not be reached are the proxy's to refuse; names that can only mean the proxy's own machine are refused here.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::dial::Dialled;
use crate::limits;
use crate::link::ProxySettings;

/// A user or a password with characters that no header carries.
#[derive(Debug, thiserror::Error)]
#[error("the proxy's user and password cannot be sent")]
pub struct Unsendable;

/// Why the proxy opened no way. It does not say where the proxy is: that is no affair of a sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// No address, or none that answers.
    #[error("the node's proxy cannot be reached")]
    Nowhere,
    /// An address, or a name of the machine itself.
    #[error("`{0}` is not asked of the node's proxy: it would lead into the proxy's own network")]
    Inside(String),
    /// It wants to know who asks.
    #[error("the node's proxy wants a user and a password, or others than it was given")]
    Unknown,
    /// It said no.
    #[error("the node's proxy refused `{host}:{port}` with status {status}")]
    Refused {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// What it said.
        status: StatusCode,
    },
    /// It did not answer in HTTP.
    #[error("the node's proxy gave no answer")]
    Speech(#[from] hyper::Error),
}

/// The node's proxy.
pub struct Proxy {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
    direct: Vec<String>,
}

impl Proxy {
    /// As the operator set it up.
    ///
    /// # Errors
    /// Credentials that cannot be sent.
    pub fn new(settings: ProxySettings) -> Result<Proxy, Unsendable> {
        let authorization = settings
            .credentials
            .map(|credentials| {
                let text = format!("Basic {}", BASE64_STANDARD.encode(credentials));
                let mut value = HeaderValue::try_from(text).map_err(|_| Unsendable)?;
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()?;
        Ok(Proxy {
            host: settings.host,
            port: settings.port,
            authorization,
            direct: settings.direct,
        })
    }

    /// Its name or address, and its port.
    #[must_use]
    pub fn place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Whether the way to `host` leads through it.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let below = |name: &String| {
            host.strip_suffix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        !self.direct.iter().any(below)
    }

    /// Ask, over `stream`, for a way to `host`.
    ///
    /// # Errors
    /// It is refused.
    pub async fn tunnel(
        &self,
        stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<Dialled, ProxyError> {
        let request = self.request(host, port)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(limits::PROXY_HEAD)
            .handshake(TokioIo::new(stream))
            .await?;
        let asked = async {
            let response = sender.send_request(request).await?;
            match response.status() {
                status if status.is_success() => Ok(()),
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ProxyError::Unknown),
                status => Err(ProxyError::Refused {
                    host: host.to_owned(),
                    port,
                    status,
                }),
            }
        };
        let carried = async {
            connection
                .without_shutdown()
                .await
                .map_err(ProxyError::from)
        };
        let ((), parts) = tokio::try_join!(asked, carried)?;
        Ok(Dialled {
            stream: parts.io.into_inner(),
            early: parts.read_buf,
        })
    }

    fn request(&self, host: &str, port: u16) -> Result<Request<Empty<Bytes>>, ProxyError> {
        let inside = || ProxyError::Inside(host.to_owned());
        if own_name(host) {
            return Err(inside());
        }
        let place = format!("{host}:{port}");
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        let value = HeaderValue::try_from(&place).map_err(|_| inside())?;
        *request.uri_mut() = Uri::try_from(place).map_err(|_| inside())?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, value);
        if let Some(authorization) = &self.authorization {
            headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

/// Whether a name can only mean an address, or the machine that looks it up.
fn own_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    host.parse::<IpAddr>().is_ok()
        || last == "localhost"
        || last.bytes().all(|byte| byte.is_ascii_digit())
        || last.starts_with("0x")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy() -> Proxy {
        Proxy::new(ProxySettings {
            host: "proxy.lan".into(),
            port: 3128,
            credentials: Some("me:s3cret".into()),
            direct: vec!["lan".into()],
        })
        .expect("proxy")
    }

    #[test]
    fn exceptions_are_dialled_without_it() {
        for (host, covered) in [
            ("api.example.com", true),
            ("lan.example.com", true),
            ("wlan", true),
            ("lan", false),
            ("a.git.lan", false),
        ] {
            assert_eq!(proxy().covers(host), covered, "{host}");
        }
    }

    #[test]
    fn a_request_names_the_host_twice_and_its_password_is_not_printed() {
        let request = proxy().request("api.example.com", 443).expect("request");
        assert_eq!(request.uri(), "api.example.com:443");
        assert_eq!(request.headers()[header::HOST], "api.example.com:443");
        assert_eq!(
            request.headers()[header::PROXY_AUTHORIZATION],
            "Basic bWU6czNjcmV0"
        );
        assert!(!format!("{request:?}").contains("bWU6"));
    }

    #[test]
    fn names_that_mean_the_proxys_own_machine_or_an_address_are_not_asked_for() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "10.1",
            "0x7f000001",
            "localhost",
            "x.localhost",
            "::1",
            "fd00::1",
        ] {
            assert!(proxy().request(host, 443).is_err(), "{host}");
        }
    }
}
