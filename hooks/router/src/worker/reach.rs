//! Which addresses of a host the router may dial: a sandbox's policy says so, or for a provider the operator.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nemoclaw_policy::Policy;
use nemoclaw_policy::decide::AddressVerdict;

/// Who says where one host and port may lie.
#[derive(Debug, Clone, Copy)]
enum Word<'a> {
    /// A sandbox's policy.
    Policy(&'a Policy),
    /// The operator's provider entry: its own machines may lie anywhere.
    Operator {
        /// Whether the provider is the operator's own.
        local: bool,
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
        Reach {
            word: Word::Operator { local },
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
            (Err(_), Word::Operator { .. }) => (self.host == "localhost")
                .then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        }
    }

    /// Whether `address` may be dialled.
    #[must_use]
    pub fn verdict(&self, address: IpAddr) -> AddressVerdict {
        match self.word {
            Word::Policy(policy) => policy.address_verdict(self.host, self.port, address),
            Word::Operator { local: true } => AddressVerdict::Listed,
            Word::Operator { local: false } => AddressVerdict::Public,
        }
    }

    /// Whether the node's own addresses may be dialled.
    #[must_use]
    pub fn takes_own(&self) -> bool {
        matches!(self.word, Word::Operator { local: true })
    }

    /// Whether nobody else, such as a proxy, may choose an address.
    #[must_use]
    pub fn is_particular(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
            || match self.word {
                Word::Policy(policy) => policy.limits_addresses(self.host, self.port),
                Word::Operator { local } => local,
            }
    }
}
