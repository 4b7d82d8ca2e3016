//! Which addresses of a host a sandbox's policy lets the router dial.

use std::net::IpAddr;

use nemoclaw_policy::Policy;
use nemoclaw_policy::decide::AddressVerdict;

/// A policy's word on one host and port.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    policy: &'a Policy,
    /// The host.
    pub host: &'a str,
    /// The port.
    pub port: u16,
}

impl<'a> Reach<'a> {
    /// What `policy` says on `host:port`.
    #[must_use]
    pub fn new(policy: &'a Policy, host: &'a str, port: u16) -> Reach<'a> {
        Reach { policy, host, port }
    }

    /// The addresses that the policy itself gives the host; an address is its own.
    #[must_use]
    pub fn fixed(&self) -> Option<Vec<IpAddr>> {
        match self.host.parse() {
            Ok(address) => Some(vec![address]),
            Err(_) => self
                .policy
                .fixed_addresses(self.host)
                .map(<[IpAddr]>::to_vec),
        }
    }

    /// Whether `address` may be dialled.
    #[must_use]
    pub fn verdict(&self, address: IpAddr) -> AddressVerdict {
        self.policy.address_verdict(self.host, self.port, address)
    }

    /// Whether the policy says anything about addresses, so that nobody else may choose one.
    #[must_use]
    pub fn is_particular(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok() || self.policy.limits_addresses(self.host, self.port)
    }
}
