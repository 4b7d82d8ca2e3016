//! Credentials: a request's placeholders become secrets on its way out, where the node's entry and the policy both say
//! so. A placeholder anywhere else is a refusal, and never passes.

mod body;
mod head;
mod misuse;
mod scrub;
mod vault;
mod websocket;

use std::sync::Arc;

use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use memchr::{memchr2, memmem};
use nemoclaw_policy::policy::Binding;
use nemoclaw_policy::provider::{Place, Provider, placeholder};
use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroizing;

pub use misuse::Misuse;
pub use scrub::Scrub;
pub use vault::Vault;
pub use websocket::Texts;

use super::body::Source;
use super::http::Inspected;
use super::judge::{self, Allowed, Refusal};
use super::request::Scheme;
use crate::secret::Secret;

/// What every placeholder holds.
const MIDDLE: &[u8] = placeholder::MIDDLE.as_bytes();

/// What an allowed request carries beside what the sandbox sent.
#[derive(Default)]
pub struct Carried {
    /// Its path and query with the secrets in it, where there are some.
    pub target: Option<Zeroizing<String>>,
    /// What must not come back with the answer.
    pub scrub: Option<Arc<Scrub>>,
    /// For the texts of the WebSocket that it becomes.
    pub texts: Option<Texts>,
    /// Room for its body, which was read whole.
    _room: Option<OwnedSemaphorePermit>,
}

/// Put secrets in the place of the placeholders of an allowed request.
///
/// # Errors
/// A placeholder stands where it must not, or cannot be resolved.
pub async fn apply(
    connection: &Arc<Inspected>,
    mut allowed: Allowed,
    mut head: Parts,
    body: Source,
) -> Result<(Allowed, Parts, Source), (Box<Refusal>, Parts)> {
    if !may_hold(&head, &allowed) {
        return Ok((allowed, head, body));
    }
    let mut resolver = Resolver::new(connection, &allowed);
    let done = async {
        let target = resolver.head(&mut head, &allowed.wanted)?;
        let body = resolver.body(&head, body).await?;
        Ok::<_, Misuse>((target, body))
    };
    match done.await {
        Ok((target, body)) => {
            let room = resolver.room.take();
            let scrub = resolver.finish(&mut head);
            let texts = Texts::of(connection, &allowed, scrub.as_deref());
            allowed.carried = Carried {
                target,
                scrub,
                texts,
                _room: room,
            };
            Ok((allowed, head, body))
        }
        Err(misuse) => Err((judge::misused(allowed, &misuse), head)),
    }
}

/// Whether a placeholder may stand in a request: a glance, so that the others cost next to nothing.
fn may_hold(head: &Parts, allowed: &Allowed) -> bool {
    let wanted = &allowed.wanted;
    // In a path or a query it has a colon or is encoded; in basic auth it is always encoded.
    let target = |text: &str| memchr2(b':', b'%', text.as_bytes()).is_some();
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        memmem::find(value.as_bytes(), MIDDLE).is_some() || name == AUTHORIZATION
    };
    allowed.grant.body
        || (allowed.grant.websocket && wanted.upgrade)
        || target(&wanted.path)
        || wanted.query.as_deref().is_some_and(target)
        || head.headers.iter().any(field)
}

/// Who asks for credentials, where, and by which grant.
pub struct Right {
    vault: Arc<Vault>,
    connection: Arc<Inspected>,
    binding: Binding,
    path: String,
    policies: Vec<String>,
}

/// Where a placeholder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot<'a> {
    /// In this header field, lower case.
    Header(&'a str),
    /// Elsewhere.
    In(Place),
}

impl Right {
    fn new(connection: &Arc<Inspected>, allowed: &Allowed) -> Right {
        Right {
            vault: connection.sandbox.node.vault.load_full(),
            connection: connection.clone(),
            binding: allowed.grant.provider.clone(),
            path: allowed.wanted.path.clone(),
            policies: connection.sandbox.policy.snapshot().names(),
        }
    }

    /// The secret behind a key, if it may stand there.
    fn secret(&self, key: &str, spot: Spot<'_>) -> Result<&Secret, Misuse> {
        let Some((provider, secret)) = self.vault.of_key(key) else {
            return Err(Misuse::Unknown {
                key: key.to_owned(),
            });
        };
        let name = || provider.name.to_string();
        if self.binding != Binding::Provider(provider.name.clone()) {
            return Err(Misuse::NotBound { provider: name() });
        }
        let policies = self.policies.iter().map(String::as_str);
        if !provider.serves(&self.connection.sandbox.name, policies) {
            return Err(Misuse::NotServed { provider: name() });
        }
        if !provider.reaches(&self.connection.host, self.connection.port, &self.path) {
            return Err(Misuse::Elsewhere { provider: name() });
        }
        if self.connection.scheme == Scheme::Http && !provider.cleartext {
            return Err(Misuse::Cleartext { provider: name() });
        }
        if !may_stand(provider, spot) {
            return Err(Misuse::Spot {
                provider: name(),
                spot: match spot {
                    Spot::Header(field) => format!("the field `{field}`"),
                    Spot::In(place) => place.word().to_owned(),
                },
            });
        }
        secret.ok_or_else(|| Misuse::NoSecret { provider: name() })
    }
}

fn may_stand(provider: &Provider, spot: Spot<'_>) -> bool {
    match spot {
        Spot::Header(name) => provider.takes_header(name),
        Spot::In(place) => provider.also_in.contains(&place),
    }
}

/// Resolves one request, and remembers what it put in.
struct Resolver {
    right: Right,
    in_body: bool,
    room: Option<OwnedSemaphorePermit>,
    scrub: Scrub,
}

impl Resolver {
    fn new(connection: &Arc<Inspected>, allowed: &Allowed) -> Resolver {
        Resolver {
            right: Right::new(connection, allowed),
            in_body: allowed.grant.body,
            room: None,
            scrub: Scrub::default(),
        }
    }

    /// `text` with its placeholders resolved, each secret written as `spell` writes it; `None` where there are none.
    fn resolve(
        &mut self,
        text: &str,
        spot: Spot<'_>,
        spell: impl Fn(&str) -> Result<Zeroizing<String>, Misuse>,
    ) -> Result<Option<Zeroizing<String>>, Misuse> {
        let resolved = self.right.resolve(text, spot, spell)?;
        if resolved.is_some() {
            self.right.remember(text, &mut self.scrub);
        }
        Ok(resolved)
    }

    /// What the answer must not bring back. A request that carries a secret asks for a whole and plain answer: in a
    /// compressed one, or in pieces of it, the secret could not be seen.
    fn finish(self, head: &mut Parts) -> Option<Arc<Scrub>> {
        if self.scrub.is_empty() {
            return None;
        }
        scrub::ask_plainly(&mut head.headers);
        Some(Arc::new(self.scrub))
    }
}

impl Right {
    fn resolve(
        &self,
        text: &str,
        spot: Spot<'_>,
        spell: impl Fn(&str) -> Result<Zeroizing<String>, Misuse>,
    ) -> Result<Option<Zeroizing<String>>, Misuse> {
        let Some(mut found) = placeholder::find(text) else {
            return Ok(None);
        };
        let mut rest = text;
        let mut out = Zeroizing::new(String::with_capacity(text.len() + 256));
        loop {
            out.push_str(&rest[..found.range.start]);
            let secret = self.secret(found.key, spot)?;
            out.push_str(&spell(secret.reveal())?);
            rest = &rest[found.range.end..];
            match placeholder::find(rest) {
                Some(next) => found = next,
                None => break,
            }
        }
        out.push_str(rest);
        Ok(Some(out))
    }

    /// Note the secrets of the placeholders in `text`.
    fn remember(&self, text: &str, scrub: &mut Scrub) {
        let mut rest = text;
        while let Some(found) = placeholder::find(rest) {
            if let Some((_, Some(secret))) = self.vault.of_key(found.key) {
                scrub.hide(secret.reveal(), &rest[found.range.clone()]);
            }
            rest = &rest[found.range.end..];
        }
    }
}

/// A secret as it is.
fn plain(secret: &str) -> Result<Zeroizing<String>, Misuse> {
    Ok(Zeroizing::new(secret.to_owned()))
}
