//! Names to upstream addresses, at connect time: the node's fixed hosts first, then its DNS servers.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use nemoclaw_policy::decide::AddressVerdict;

use super::addresses;
use super::reach::Reach;
use crate::limits;

/// Why a name has no address that may be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No server answered with an address.
    #[error("no DNS server gave an address for `{0}`")]
    Nothing(String),
    /// All addresses are refused.
    #[error("`{name}` resolves to {address}, which is {why}")]
    Inside {
        /// The name.
        name: String,
        /// Its first address.
        address: IpAddr,
        /// What kind.
        why: &'static str,
    },
}

/// Why an address is refused that a policy's list leaves out.
const OUTSIDE: &str = "outside the policy's `allowed_ips`";

fn inside(name: &str, address: IpAddr, why: &'static str) -> ResolveError {
    ResolveError::Inside {
        name: name.to_owned(),
        address,
        why,
    }
}

/// Addresses with the time until which they hold.
type Kept = (Instant, Arc<[IpAddr]>);

/// The node's way to resolve names.
pub struct Resolver {
    hosts: BTreeMap<String, Vec<IpAddr>>,
    servers: ArcSwap<Vec<SocketAddr>>,
    cache: Mutex<HashMap<String, Kept>>,
}

impl Resolver {
    /// With fixed `hosts` and DNS `servers`.
    #[must_use]
    pub fn new(hosts: BTreeMap<String, Vec<IpAddr>>, servers: Vec<SocketAddr>) -> Resolver {
        let hosts = hosts
            .into_iter()
            .map(|(name, list)| (name.to_ascii_lowercase(), list))
            .collect();
        Resolver {
            hosts,
            servers: ArcSwap::from_pointee(servers),
            cache: Mutex::default(),
        }
    }

    /// Use other DNS servers from now on.
    pub fn set_servers(&self, servers: Vec<SocketAddr>) {
        self.servers.store(Arc::new(servers));
    }

    /// The addresses to dial, in order. What comes back is checked and final: it is dialled without asking again.
    ///
    /// # Errors
    /// There is none that may be dialled.
    pub async fn addresses(&self, reach: Reach<'_>) -> Result<Vec<IpAddr>, ResolveError> {
        if let Some(list) = self.hosts.get(reach.host) {
            let permitted = |address: &&IpAddr| reach.verdict(**address) != AddressVerdict::Refused;
            let usable: Vec<IpAddr> = list.iter().filter(permitted).copied().collect();
            return match (usable.is_empty(), list.first()) {
                (false, _) => Ok(usable),
                (true, Some(address)) => Err(inside(reach.host, *address, OUTSIDE)),
                (true, None) => Err(ResolveError::Nothing(reach.host.to_owned())),
            };
        }
        let found = match reach.fixed() {
            Some(fixed) => Arc::from(fixed),
            None => self.looked_up(reach.host).await?,
        };
        self.usable(reach, &found)
    }

    /// What DNS servers say, which nobody has checked.
    async fn looked_up(&self, name: &str) -> Result<Arc<[IpAddr]>, ResolveError> {
        if let Some(found) = self.cached(name) {
            return Ok(found);
        }
        let asked = timeout(limits::RESOLVE_TIME, self.ask(name)).await;
        let (found, keep) = asked
            .ok()
            .flatten()
            .ok_or_else(|| ResolveError::Nothing(name.to_owned()))?;
        let found: Arc<[IpAddr]> = Arc::from(found);
        let keep = keep.clamp(limits::RESOLVE_KEEP.0, limits::RESOLVE_KEEP.1);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= limits::RESOLVED_NAMES {
            cache.clear();
        }
        let until = Instant::now() + Duration::from_secs(u64::from(keep));
        cache.insert(name.to_owned(), (until, found.clone()));
        Ok(found)
    }

    /// Whether the operator gave `name` its addresses.
    #[must_use]
    pub fn is_fixed(&self, name: &str) -> bool {
        self.hosts.contains_key(name)
    }

    /// The addresses of a host that the operator named as the way out: they may be private.
    ///
    /// # Errors
    /// There is none.
    pub async fn operators(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if let Some(list) = self.hosts.get(host) {
            return Ok(list.clone());
        }
        let asked = timeout(limits::RESOLVE_TIME, self.ask(host)).await;
        match asked.ok().flatten() {
            Some((found, _)) if !found.is_empty() => Ok(found),
            _ => Err(ResolveError::Nothing(host.to_owned())),
        }
    }

    fn cached(&self, name: &str) -> Option<Arc<[IpAddr]>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, found) = cache.get(name)?;
        (*until > Instant::now()).then(|| found.clone())
    }

    /// Those that may be dialled. An address that the operator wrote under `hosts` is the operator's own word; the node's
    /// own addresses are nobody else's.
    fn usable(&self, reach: Reach<'_>, found: &[IpAddr]) -> Result<Vec<IpAddr>, ResolveError> {
        let named = |address: &IpAddr| self.hosts.values().flatten().any(|known| known == address);
        let refused = |address: &IpAddr| match reach.verdict(*address) {
            AddressVerdict::Refused => Some(OUTSIDE),
            _ if named(address) => None,
            _ if reach.takes_own() => None,
            verdict => addresses::refused(*address)
                .filter(|_| verdict != AddressVerdict::Listed)
                .or_else(|| addresses::own(*address).then_some("the node's own")),
        };
        let usable: Vec<IpAddr> = found
            .iter()
            .filter(|address| refused(address).is_none())
            .take(limits::ADDRESSES)
            .copied()
            .collect();
        if !usable.is_empty() {
            return Ok(usable);
        }
        let refused = found
            .iter()
            .find_map(|address| refused(address).map(|why| inside(reach.host, *address, why)));
        Err(refused.unwrap_or_else(|| ResolveError::Nothing(reach.host.to_owned())))
    }

    async fn ask(&self, name: &str) -> Option<(Vec<IpAddr>, u32)> {
        let name = Name::from_ascii(format!("{name}.")).ok()?;
        let servers = self.servers.load_full();
        for server in servers.iter() {
            let (four, six) = tokio::join!(
                exchange(*server, &name, RecordType::A),
                exchange(*server, &name, RecordType::AAAA)
            );
            let answered = four.is_some() || six.is_some();
            let messages = [four, six];
            let records: Vec<(IpAddr, u32)> =
                messages.iter().flatten().flat_map(addresses_in).collect();
            if answered {
                let keep = records.iter().map(|(_, keep)| *keep).min().unwrap_or(0);
                return Some((
                    records.into_iter().map(|(address, _)| address).collect(),
                    keep,
                ));
            }
        }
        None
    }
}

fn addresses_in(message: &Message) -> Vec<(IpAddr, u32)> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    message
        .answers
        .iter()
        .filter_map(|record| Some((address(&record.data)?, record.ttl)))
        .collect()
}

async fn exchange(server: SocketAddr, name: &Name, kind: RecordType) -> Option<Message> {
    let mut asked = Message::query();
    asked.metadata.recursion_desired = true;
    asked.add_query(Query::query(name.clone(), kind));
    let bytes = asked.to_vec().ok()?;
    let answer = timeout(limits::RESOLVE_TRY, by_udp(server, &bytes, &asked))
        .await
        .ok()??;
    if !answer.metadata.truncation {
        return Some(answer);
    }
    timeout(limits::RESOLVE_TRY, by_tcp(server, &bytes, &asked))
        .await
        .ok()?
}

async fn by_udp(server: SocketAddr, bytes: &[u8], asked: &Message) -> Option<Message> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.send(bytes).await.ok()?;
    let mut buffer = vec![0; limits::DNS_MESSAGE];
    loop {
        let length = socket.recv(&mut buffer).await.ok()?;
        if let Some(answer) = answer_to(asked, &buffer[..length]) {
            return usable(answer);
        }
    }
}

async fn by_tcp(server: SocketAddr, bytes: &[u8], asked: &Message) -> Option<Message> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    stream
        .write_u16(u16::try_from(bytes.len()).ok()?)
        .await
        .ok()?;
    stream.write_all(bytes).await.ok()?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await.ok()?)];
    stream.read_exact(&mut buffer).await.ok()?;
    usable(answer_to(asked, &buffer)?)
}

/// An answer with another number or question is a stranger's.
fn answer_to(asked: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let ours = answer.metadata.id == asked.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == asked.queries;
    ours.then_some(answer)
}

/// A server that fails is no answer: the next one is asked.
fn usable(answer: Message) -> Option<Message> {
    matches!(
        answer.metadata.response_code,
        ResponseCode::NoError | ResponseCode::NXDomain
    )
    .then_some(answer)
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use hickory_proto::rr::{Record, rdata::A};
    use nemoclaw_policy::{Policy, Source};

    /// A DNS server on loopback that answers every A question with `addresses`.
    async fn server(addresses: Vec<Ipv4Addr>) -> SocketAddr {
        changing(vec![addresses], 60).await
    }

    /// The same with other addresses each time, and the last ones from then on.
    async fn changing(mut answers: Vec<Vec<Ipv4Addr>>, keep: u32) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
        let at = socket.local_addr().expect("address");
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let mut message = Message::from_vec(&buffer[..length])
                    .expect("question")
                    .into_response();
                let query = message.queries[0].clone();
                if query.query_type() == RecordType::A {
                    for address in &answers[0] {
                        let data = RData::A(A(*address));
                        let name = query.name().clone();
                        message.add_answer(Record::from_rdata(name, keep, data));
                    }
                    if answers.len() > 1 {
                        answers.remove(0);
                    }
                }
                let mut stranger = message.clone();
                stranger.metadata.id = stranger.metadata.id.wrapping_add(1);
                stranger.answers.clear();
                for answer in [stranger, message] {
                    socket
                        .send_to(&answer.to_vec().expect("bytes"), from)
                        .await
                        .expect("send");
                }
            }
        });
        at
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime")
            .block_on(work)
    }

    /// What a policy without lists of addresses says.
    fn open(host: &'static str) -> Reach<'static> {
        Reach::new(plain(), host, 443)
    }

    fn plain() -> &'static Policy {
        static PLAIN: OnceLock<Policy> = OnceLock::new();
        PLAIN.get_or_init(|| {
            policy(
                "{ host: rebind.example, port: 443 }, { host: mixed.example, port: 443 }, { host: \"**.example.com\", port: 443 }, { host: model.lan, port: 443 }, { host: alias.lan, port: 443 }",
            )
        })
    }

    fn policy(endpoints: &str) -> Policy {
        let text =
            format!("version: 1\nnetwork_policies: {{ e: {{ endpoints: [{endpoints}] }} }}\n");
        Policy::load(&Source::text("p.yaml", &text)).expect("policy")
    }

    #[test]
    fn a_policys_list_opens_private_addresses_and_shuts_all_others() {
        run(async {
            let dns = server(vec![
                Ipv4Addr::new(10, 20, 0, 5),
                Ipv4Addr::new(192, 0, 2, 9),
            ])
            .await;
            let resolver = Resolver::new(BTreeMap::new(), vec![dns]);
            let listed = policy("{ host: db.lan, port: 443, allowed_ips: [10.20.0.0/16] }");
            let reach = Reach::new(&listed, "db.lan", 443);
            let found = resolver.addresses(reach).await.expect("listed");
            assert_eq!(found, [IpAddr::from([10, 20, 0, 5])]);
            let other = policy("{ host: db.lan, port: 443, allowed_ips: [172.16.0.0/12] }");
            let refused = resolver.addresses(Reach::new(&other, "db.lan", 443)).await;
            assert!(matches!(refused, Err(ResolveError::Inside { why, .. }) if why == OUTSIDE));
        });
    }

    #[test]
    fn a_name_that_leads_inside_the_second_time_is_kept_for_its_time_and_then_refused() {
        run(async {
            let outside = Ipv4Addr::new(192, 0, 2, 9);
            let dns = changing(vec![vec![outside], vec![Ipv4Addr::LOCALHOST]], 0).await;
            let resolver = Resolver::new(BTreeMap::new(), vec![dns]);
            for _ in 0..2 {
                let found = resolver.addresses(open("rebind.example")).await;
                assert_eq!(found.expect("kept"), [IpAddr::V4(outside)]);
            }
            let least = u64::from(limits::RESOLVE_KEEP.0);
            tokio::time::sleep(Duration::from_millis(1000 * least + 100)).await;
            let refused = resolver.addresses(open("rebind.example")).await;
            assert!(
                matches!(refused, Err(ResolveError::Inside { .. })),
                "{refused:?}"
            );
        });
    }

    #[test]
    fn a_name_that_leads_inside_is_refused_and_a_mixed_one_loses_those_addresses() {
        run(async {
            let inside = server(vec![Ipv4Addr::new(169, 254, 169, 254)]).await;
            let resolver = Resolver::new(BTreeMap::new(), vec![inside]);
            let refused = resolver.addresses(open("rebind.example")).await;
            assert!(
                matches!(refused, Err(ResolveError::Inside { .. })),
                "{refused:?}"
            );

            let mixed = server(vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(203, 0, 113, 9)]).await;
            let resolver = Resolver::new(BTreeMap::new(), vec![mixed]);
            let found = resolver
                .addresses(open("mixed.example"))
                .await
                .expect("addresses");
            assert_eq!(&*found, &[IpAddr::from([203, 0, 113, 9])]);
        });
    }

    #[test]
    fn the_operators_hosts_come_first_and_may_be_private() {
        run(async {
            let hosts =
                BTreeMap::from([("Model.Lan".to_owned(), vec![IpAddr::from([10, 0, 0, 5])])]);
            let dns = server(vec![Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(10, 0, 0, 6)]).await;
            let resolver = Resolver::new(hosts, vec![dns]);
            assert_eq!(
                &*resolver.addresses(open("model.lan")).await.expect("fixed"),
                &[IpAddr::from([10, 0, 0, 5])]
            );
            let other = resolver
                .addresses(open("alias.lan"))
                .await
                .expect("the named address passes");
            assert_eq!(
                &*other,
                &[IpAddr::from([10, 0, 0, 5])],
                "10.0.0.6 was never named"
            );
        });
    }
}
