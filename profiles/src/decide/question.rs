//! What the router asks before there is a request: how to treat a connection, a name, an address, a body.

use std::net::IpAddr;

use super::{Content, Flow, Inspection};
use crate::choose;
use crate::policy::{Endpoint, Mode, NetworkLayer, Policy, Protocol, least};

/// What the router must do with a connection to `host:port` before it has seen a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// No endpoint covers it.
    Refuse,
    /// Pass bytes; with TLS the SNI must agree.
    PassL4,
    /// Open it: requests are decided one by one.
    InspectHttp,
}

/// Whether DNS may answer for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameVerdict {
    /// No endpoint of some layer covers it: NXDOMAIN.
    Unknown,
    /// Named exactly.
    Exact,
    /// Covered by a wildcard only: counts against the wildcard's budget of names.
    Wildcard,
}

/// Whether an address of a host may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressVerdict {
    /// Some layer's `allowed_ips` do not hold it.
    Refused,
    /// No list says anything: public addresses may be dialled.
    Public,
    /// Every layer lists it: it may be dialled whatever range it is of.
    Listed,
}

impl Policy {
    /// How to treat a connection to `flow.host:flow.port`: opened as soon as one covering endpoint of any layer looks at
    /// requests. The program counts where it is known.
    pub fn handling(&self, flow: &Flow<'_>) -> Handling {
        match self.mode {
            Mode::Unconfined if self.network.is_empty() => return Handling::PassL4,
            Mode::Offline => return Handling::Refuse,
            _ if self.network.is_empty() => return Handling::Refuse,
            _ if flow.port == choose::PORT && choose::serves(self, flow.host) => {
                return Handling::InspectHttp;
            }
            _ => {}
        }
        let mut handling = Handling::PassL4;
        for layer in &self.network {
            let found = layer.candidates(flow);
            if found.is_empty() {
                return Handling::Refuse;
            }
            if found
                .iter()
                .any(|(_, endpoint)| endpoint.protocol != Protocol::Tcp)
            {
                handling = Handling::InspectHttp;
            }
        }
        handling
    }

    /// Whether a connection to `host:port` can only be decided when its program is known.
    pub fn needs_program(&self, host: &str, port: u16) -> bool {
        self.network.iter().any(|layer| {
            layer
                .on(host, port)
                .iter()
                .any(|(entry, _)| !entry.binaries.is_empty())
        })
    }

    /// Whether DNS answers for `name` (lower case, no trailing dot).
    pub fn name_verdict(&self, name: &str) -> NameVerdict {
        if self.mode == Mode::Offline || self.network.is_empty() {
            return NameVerdict::Unknown;
        }
        if choose::serves(self, name) {
            return NameVerdict::Exact;
        }
        let mut verdict = NameVerdict::Wildcard;
        for layer in &self.network {
            let found = layer.index.covering(&layer.entries, name, |_| true);
            if found.is_empty() {
                return NameVerdict::Unknown;
            }
            if found
                .iter()
                .any(|(_, endpoint)| !endpoint.host.is_wildcard())
            {
                verdict = NameVerdict::Exact;
            }
        }
        verdict
    }

    /// The addresses that the policy itself gives `host`; the first layer that has some.
    pub fn fixed_addresses(&self, host: &str) -> Option<&[IpAddr]> {
        self.network
            .iter()
            .find_map(|layer| layer.resolve.get(host))
            .map(Vec::as_slice)
    }

    /// Whether some layer has a list of addresses for `host:port`.
    pub fn limits_addresses(&self, host: &str, port: u16) -> bool {
        self.network.iter().any(|layer| {
            layer.resolve.contains_key(host)
                || layer
                    .on(host, port)
                    .iter()
                    .any(|(_, endpoint)| !endpoint.allowed_ips.is_empty())
        })
    }

    /// Whether `address` may be dialled for `host:port`. Every layer must take it; the endpoints of one host and port
    /// count together, since connections are shared between requests.
    pub fn address_verdict(&self, host: &str, port: u16, address: IpAddr) -> AddressVerdict {
        let mut verdict = AddressVerdict::Listed;
        if self.network.is_empty() {
            return AddressVerdict::Refused;
        }
        for layer in &self.network {
            match layer.address_verdict(host, port, address) {
                AddressVerdict::Refused => return AddressVerdict::Refused,
                AddressVerdict::Public => verdict = AddressVerdict::Public,
                AddressVerdict::Listed => {}
            }
        }
        verdict
    }

    /// Whether an encoded slash may stand in a path on `host:port` at all; [`Policy::decide`] knows where.
    pub fn encoded_slash(&self, host: &str, port: u16) -> bool {
        !self.network.is_empty()
            && self.network.iter().all(|layer| {
                layer.on(host, port).iter().any(|(_, endpoint)| {
                    endpoint.encoded_slash || endpoint.protocol == Protocol::Tcp
                })
            })
    }

    /// Which bodies must be read to decide `flow`, whose content is not known yet. A length is the least of what layers
    /// allow, each of which allows the most of its endpoints.
    pub fn inspection(&self, flow: &Flow<'_>) -> Inspection {
        let mut all = Inspection::default();
        for layer in &self.network {
            let own = layer.inspection(flow);
            all.graphql = least(all.graphql, own.graphql);
            all.rpc = least(all.rpc, own.rpc);
        }
        all
    }
}

impl NetworkLayer {
    fn address_verdict(&self, host: &str, port: u16, address: IpAddr) -> AddressVerdict {
        // A name with addresses of its own has no others, so that what two layers say of it meets in what both say.
        if let Some(fixed) = self.resolve.get(host) {
            return match fixed.contains(&address) {
                true => AddressVerdict::Listed,
                false => AddressVerdict::Refused,
            };
        }
        let found = self.on(host, port);
        let lists = |endpoint: &Endpoint| {
            endpoint
                .allowed_ips
                .iter()
                .any(|net| net.contains(&address))
        };
        if found.iter().any(|(_, endpoint)| lists(endpoint)) {
            AddressVerdict::Listed
        } else if found
            .iter()
            .any(|(_, endpoint)| endpoint.allowed_ips.is_empty())
        {
            AddressVerdict::Public
        } else {
            AddressVerdict::Refused
        }
    }

    fn inspection(&self, flow: &Flow<'_>) -> Inspection {
        let mut inspection = Inspection::default();
        let Some(http) = &flow.http else {
            return inspection;
        };
        // The request for a WebSocket has no body; what it becomes is looked at message by message.
        if http.upgrade || matches!(http.content, Content::Nothing) {
            return inspection;
        }
        let Some(readings) = super::readings::Readings::of(http.path) else {
            return inspection;
        };
        let text = http.method == crate::policy::WEBSOCKET_TEXT;
        for (_, endpoint) in self.candidates(flow) {
            if !readings.any(|path| endpoint.covers_path(path)) {
                continue;
            }
            let slot = match endpoint.protocol {
                Protocol::Graphql if !text => &mut inspection.graphql,
                Protocol::Websocket if text && endpoint.has_graphql() => &mut inspection.graphql,
                Protocol::Mcp | Protocol::JsonRpc if !text => &mut inspection.rpc,
                _ => continue,
            };
            *slot = Some(slot.map_or(endpoint.max_body, |most| most.max(endpoint.max_body)));
        }
        inspection
    }
}
