//! The outside's certificates: sound ones, and for some hosts each kind that must not be believed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A CA that signs for the outside.
pub struct Outside {
    pub ca: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
pub struct Pem {
    pub certificate: String,
    pub key: String,
}

impl Outside {
    pub fn new(name: &str) -> Outside {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("params");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        let ca = params.self_signed(&key).expect("CA").pem();
        Outside {
            ca,
            issuer: Issuer::new(params, key),
        }
    }

    /// A client's certificate.
    pub fn client(&self) -> Pem {
        self.pem("client.test")
    }

    /// A certificate for `name`, for a program of others.
    pub fn pem(&self, name: &str) -> Pem {
        let key = KeyPair::generate().expect("key");
        let params = CertificateParams::new([name.to_owned()]).expect("params");
        let leaf = params.signed_by(&key, &self.issuer).expect("leaf");
        Pem {
            certificate: leaf.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Servers for `hosts`; a host's first label says what is wrong with its certificate, if anything.
    pub fn server(&self, hosts: &[&str]) -> Arc<ServerConfig> {
        let keys = hosts
            .iter()
            .map(|host| ((*host).to_owned(), self.key_for(host)))
            .collect();
        let mut config = builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByName(keys)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// The same, for clients with a certificate of this CA only.
    pub fn mutual(&self, hosts: &[&str]) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        let own = rustls::pki_types::pem::PemObject::from_pem_slice(self.ca.as_bytes());
        roots.add(own.expect("PEM")).expect("root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .expect("verifier");
        let keys = hosts
            .iter()
            .map(|host| ((*host).to_owned(), self.key_for(host)))
            .collect();
        let config = builder()
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(ByName(keys)));
        Arc::new(config)
    }

    fn key_for(&self, host: &str) -> Arc<CertifiedKey> {
        let key = KeyPair::generate().expect("key");
        let fault = host.split('.').next().unwrap_or_default();
        let name = if fault == "misnamed" {
            "api.test"
        } else {
            host
        };
        let mut params = CertificateParams::new([name.to_owned()]).expect("params");
        let now = SystemTime::now();
        match fault {
            "expired" => {
                params.not_before = (now - 20 * DAY).into();
                params.not_after = (now - DAY).into();
            }
            "future" => {
                params.not_before = (now + DAY).into();
                params.not_after = (now + 20 * DAY).into();
            }
            _ => {}
        }
        let leaf = match fault {
            "selfsigned" => params.self_signed(&key),
            "stranger" => params.signed_by(&key, &Outside::new("A stranger").issuer),
            _ => params.signed_by(&key, &self.issuer),
        };
        certified(leaf.expect("leaf").der().clone(), &key)
    }
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
}

fn certified(leaf: CertificateDer<'static>, key: &KeyPair) -> Arc<CertifiedKey> {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = rustls::crypto::ring::sign::any_supported_type(&der).expect("key");
    Arc::new(CertifiedKey::new(vec![leaf], key))
}

#[derive(Debug)]
struct ByName(std::collections::BTreeMap<String, Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.get(hello.server_name()?).cloned()
    }
}
