//! Why a placeholder does not pass. What is told names providers, never a secret.

use http::StatusCode;

use crate::limits;

/// A placeholder that stands where it must not, or cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// Nobody's key.
    #[error("the placeholder of `{key}` belongs to no provider of this node")]
    Unknown {
        /// The key.
        key: String,
    },
    /// The policy does not bind the provider here.
    #[error(
        "the rule that allows the request does not bind the credential of the provider `{provider}`"
    )]
    NotBound {
        /// The provider.
        provider: String,
    },
    /// Another sandbox's.
    #[error("the provider `{provider}` is not for this sandbox")]
    NotServed {
        /// The provider.
        provider: String,
    },
    /// Another host, port or path.
    #[error("the credential of the provider `{provider}` is for other hosts, ports or paths")]
    Elsewhere {
        /// The provider.
        provider: String,
    },
    /// No TLS.
    #[error("the credential of the provider `{provider}` is not sent without TLS")]
    Cleartext {
        /// The provider.
        provider: String,
    },
    /// Another place of the request.
    #[error("the credential of the provider `{provider}` may not stand in {spot}")]
    Spot {
        /// The provider.
        provider: String,
        /// Where it stands.
        spot: String,
    },
    /// The secret cannot be read.
    #[error("the provider `{provider}` has no credential")]
    NoSecret {
        /// The provider.
        provider: String,
    },
    /// A text with a placeholder that cannot be written again.
    #[error("the placeholder stands in {what} that cannot be read")]
    Unreadable {
        /// What.
        what: &'static str,
    },
    /// A secret that would change the path.
    #[error("the credential cannot stand in a path")]
    Path,
    /// A body in which placeholders are looked for is too long.
    #[error("its body is longer than the {} KiB in which placeholders are resolved", limits::CREDENTIAL_BODY / 1024)]
    TooLong,
    /// No room for a body.
    #[error("too many bodies and texts of this sandbox are under way")]
    Crowded,
    /// It did not come in time.
    #[error("its body did not come within {} s", limits::INSPECT_TIME.as_secs())]
    Slow,
    /// The connection broke.
    #[error("its body broke off")]
    Broken,
}

/// What the audit log calls it.
const FINDING: &str = "credential";

impl Misuse {
    /// The finding that it is; `None` where a request only came badly.
    #[must_use]
    pub fn finding(&self) -> Option<String> {
        let plain = matches!(
            self,
            Misuse::TooLong | Misuse::Crowded | Misuse::Slow | Misuse::Broken
        );
        (!plain).then(|| FINDING.to_owned())
    }

    /// The answer's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Misuse::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Misuse::Crowded => StatusCode::SERVICE_UNAVAILABLE,
            Misuse::Slow => StatusCode::REQUEST_TIMEOUT,
            Misuse::Broken => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// What helps.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Misuse::NotBound { provider } => format!(
                "if it is meant for this host, add `credential_binding: {{ provider: {provider} }}` to the policy's endpoint"
            ),
            Misuse::Unknown { .. } | Misuse::NoSecret { .. } => {
                "the operator sees and sets credentials with `nemoclaw provider list` and `nemoclaw provider set`".into()
            }
            Misuse::NotServed { provider }
            | Misuse::Elsewhere { provider }
            | Misuse::Cleartext { provider }
            | Misuse::Spot { provider, .. } => format!(
                "the operator sees where it may go with `nemoclaw provider show {provider}`"
            ),
            Misuse::TooLong => "send a smaller body".into(),
            Misuse::Crowded | Misuse::Slow | Misuse::Broken => "send it again".into(),
            Misuse::Unreadable { .. } | Misuse::Path => "send the placeholder in a header field".into(),
        }
    }
}
