//! Which addresses of a host the router may dial: a sandbox's policy says so, or for a provider the operator.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nemoclaw_policy::Policy;
use nemoclaw_policy::decide::AddressVerdict;

/// The name of this machine.
const LOCALHOST: &str = "localhost";

/// Who says where one host and port may lie.
#[derive(Debug, Clone, Copy)]
enum Word<'a> {
    /// A sandbox's policy.
    Policy(&'a Policy),
    /// The operator's provider entry: its own machines may lie anywhere.
    Operator {
        /// Whether the provider is the operator's own, or the entry names an address and no name that could lead elsewhere.
        own: bool,
    },
}

/// A word on one host and port.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    word: Word<'a>,
    /// The host.
    pub host: &'a str,
    /// The port.
    pub port: u16,
}

impl<'a> Reach<'a> {
    /// What `policy` says on `host:port`.
    #[must_use]
    pub fn new(policy: &'a Policy, host: &'a str, port: u16) -> Reach<'a> {
        Reach {
            word: Word::Policy(policy),
            host,
            port,
        }
    }

    /// What a provider entry says on `host:port`.
    #[must_use]
    pub fn of_operator(local: bool, host: &'a str, port: u16) -> Reach<'a> {
        let fixed = host == LOCALHOST || host.parse::<IpAddr>().is_ok();
        Reach {
            word: Word::Operator {
                own: local || fixed,
            },
            host,
            port,
        }
    }

    /// The addresses that are given and need not be looked up; an address is its own, and `localhost` is this machine.
    #[must_use]
    pub fn fixed(&self) -> Option<Vec<IpAddr>> {
        match (self.host.parse(), self.word) {
            (Ok(address), _) => Some(vec![address]),
            (Err(_), Word::Policy(policy)) => {
                policy.fixed_addresses(self.host).map(<[IpAddr]>::to_vec)
            }
            (Err(_), Word::Operator { .. }) => (self.host == LOCALHOST)
                .then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        }
    }

    /// Whether `address` may be dialled.
    #[must_use]
    pub fn verdict(&self, address: IpAddr) -> AddressVerdict {
        match self.word {
            Word::Policy(policy) => policy.address_verdict(self.host, self.port, address),
            Word::Operator { own: true } => AddressVerdict::Listed,
            Word::Operator { own: false } => AddressVerdict::Public,
        }
    }

    /// Whether the node's own addresses may be dialled.
    #[must_use]
    pub fn takes_own(&self) -> bool {
        matches!(self.word, Word::Operator { own: true })
    }

    /// Whether nobody else, such as a proxy, may choose an address.
    #[must_use]
    pub fn is_particular(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
            || match self.word {
                Word::Policy(policy) => policy.limits_addresses(self.host, self.port),
                Word::Operator { own } => own,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_providers_entry_is_the_operators_word_and_a_name_leads_outside_only() {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        for host in ["127.0.0.1", "::1", "localhost", "10.1.2.3"] {
            let reach = Reach::of_operator(false, host, 8000);
            assert!(reach.takes_own(), "{host}");
            assert_eq!(reach.verdict(loopback), AddressVerdict::Listed, "{host}");
        }
        let named = Reach::of_operator(false, "api.example.com", 443);
        assert_eq!(named.verdict(loopback), AddressVerdict::Public);
        assert!(!named.takes_own());
        assert!(Reach::of_operator(true, "models.lan", 8000).takes_own());
    }
}
