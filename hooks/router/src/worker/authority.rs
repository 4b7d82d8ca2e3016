//! A sandbox's own certificate authority: it signs a leaf for each name that is inspected, and nobody else trusts it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};

use crate::limits;
use crate::link::SavedCa;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a CA is valid. A sandbox that lives longer needs a new one.
const CA_DAYS: u32 = 5 * 365;
/// How long a leaf is valid; it is used for [`limits::LEAF_USE`] only.
const LEAF_DAYS: u32 = 30;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The certificate itself.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// Its use for TLS.
    #[error("cannot use a certificate for TLS")]
    Tls(#[from] rustls::Error),
}

/// The CA with its leaves.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    saved: SavedCa,
    leaf_key: KeyPair,
    provider: Arc<CryptoProvider>,
    /// Sessions are resumed by tickets that the client keeps, so that they cost the router no memory. The key is this
    /// sandbox's and this worker's alone.
    ticketer: Arc<dyn ProducesTickets>,
    leaves: Mutex<Leaves>,
}

#[derive(Default)]
struct Leaves {
    configs: HashMap<Arc<str>, (Instant, Arc<ServerConfig>)>,
    order: VecDeque<Arc<str>>,
}

impl Authority {
    /// The CA of `sandbox`: the saved one, or a new one.
    ///
    /// # Errors
    /// Key or certificate cannot be made or read.
    pub fn new(sandbox: &str, saved: Option<SavedCa>) -> Result<Authority, AuthorityError> {
        let params = ca_params(sandbox)?;
        let (key, saved) = match saved {
            Some(saved) => (KeyPair::from_pem(&saved.key)?, saved),
            None => {
                let key = KeyPair::generate()?;
                let certificate = params.self_signed(&key)?.pem();
                let saved = SavedCa {
                    certificate,
                    key: key.serialize_pem(),
                };
                (key, saved)
            }
        };
        Ok(Authority {
            issuer: Issuer::new(params, key),
            saved,
            leaf_key: KeyPair::generate()?,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            ticketer: Ticketer::new()?,
            leaves: Mutex::default(),
        })
    }

    /// What the next worker needs.
    #[must_use]
    pub fn saved(&self) -> SavedCa {
        self.saved.clone()
    }

    /// The TLS configuration that answers as `name`.
    ///
    /// # Errors
    /// The leaf cannot be made.
    pub fn config(&self, name: &Arc<str>) -> Result<Arc<ServerConfig>, AuthorityError> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, config)) = leaves.configs.get(name)
            && made.elapsed() < limits::LEAF_USE
        {
            return Ok(config.clone());
        }
        let config = Arc::new(self.leaf(name)?);
        if leaves
            .configs
            .insert(name.clone(), (Instant::now(), config.clone()))
            .is_none()
        {
            leaves.order.push_back(name.clone());
        }
        while leaves.order.len() > limits::LEAVES {
            if let Some(oldest) = leaves.order.pop_front() {
                leaves.configs.remove(&oldest);
            }
        }
        Ok(config)
    }

    fn leaf(&self, name: &str) -> Result<ServerConfig, AuthorityError> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name = common_name(name);
        valid_for(&mut params, LEAF_DAYS);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate: CertificateDer<'static> = params
            .signed_by(&self.leaf_key, &self.issuer)?
            .der()
            .clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = self.ticketer.clone();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }
}

fn ca_params(sandbox: &str) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    let short: String = sandbox.chars().take(12).collect();
    params.distinguished_name = common_name(&format!("NemoClaw sandbox {short}"));
    valid_for(&mut params, CA_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// A common name is at most 64 characters; the name that counts stands among the alternative names.
fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(
        DnType::CommonName,
        text.chars().take(64).collect::<String>(),
    );
    name
}

/// From yesterday, since clocks differ.
fn valid_for(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_outlives_the_worker() {
        let first = Authority::new("box", None).expect("CA");
        let second = Authority::new("box", Some(first.saved())).expect("CA again");
        assert_eq!(first.saved().certificate, second.saved().certificate);
        assert_eq!(
            first.issuer.key().public_key_raw(),
            second.issuer.key().public_key_raw(),
            "the key changed"
        );
    }

    #[test]
    fn leaves_are_kept_and_bounded() {
        let authority = Authority::new("box", None).expect("CA");
        let name: Arc<str> = Arc::from("example.com");
        let first = authority.config(&name).expect("leaf");
        assert!(Arc::ptr_eq(&first, &authority.config(&name).expect("leaf")));
        for number in 0..limits::LEAVES {
            authority
                .config(&Arc::from(format!("n{number}.example")))
                .expect("leaf");
        }
        assert!(authority.leaves.lock().expect("lock").configs.len() <= limits::LEAVES);
    }

    #[test]
    fn a_key_is_never_printed() {
        let saved = Authority::new("box", None).expect("CA").saved();
        assert!(!format!("{saved:?}").contains("PRIVATE"));
    }
}
