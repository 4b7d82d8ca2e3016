//! What the operator's lists and documents hold, read before the worker closes the door behind it, and what a policy's
//! `privacy` makes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use nemoclaw_policy::Policy;
use nemoclaw_policy::node::PrivacyConfig;
use nemoclaw_privacy::own::{Own, OwnError};
use nemoclaw_privacy::{Scanner, Setup, Unwanted};

use super::ner::Service;
use crate::worker::event::told;

/// All of the operator's.
#[derive(Default)]
pub struct Words {
    /// What cannot be used is told to whoever brings a policy that names it: that one is not taken.
    own: BTreeMap<String, Result<Own, String>>,
    services: BTreeMap<String, Arc<Service>>,
}

impl Words {
    /// Read what the node's configuration names.
    #[must_use]
    pub fn read(config: &PrivacyConfig) -> Words {
        let names = config.lists.keys().chain(config.documents.keys());
        let read = |name: &String| {
            let own = Own::read(name, config).map_err(|error| told(&error));
            (name.clone(), own)
        };
        let services = config
            .ner
            .iter()
            .map(|(name, settings)| (name.clone(), Arc::new(Service::new(name, settings))));
        Words {
            own: names.map(read).collect(),
            services: services.collect(),
        }
    }

    /// The services that a policy wants to look for names.
    ///
    /// # Errors
    /// One sentence: the node has no such service.
    pub fn services(&self, policy: &Policy) -> Result<Vec<Arc<Service>>, String> {
        policy
            .services()
            .into_iter()
            .map(|name| {
                self.services.get(name).cloned().ok_or_else(|| {
                    format!(
                        "the policy names the service `{name}`, which the node's configuration does not have under `privacy.ner`"
                    )
                })
            })
            .collect()
    }

    /// The scanner of a policy; `None` where no layer looks at anything.
    ///
    /// # Errors
    /// One sentence: something that it names cannot be used.
    pub fn scanner(&self, policy: &Policy) -> Result<Option<Arc<Scanner>>, String> {
        if policy.privacy_layers().next().is_none() {
            return Ok(None);
        }
        let unknown = |name: &str| Err(OwnError::Unknown(name.to_owned()).to_string());
        let own = |name: &str| self.own.get(name).cloned().unwrap_or_else(|| unknown(name));
        let setup = Setup::of(policy, own).map_err(|unwanted| match unwanted {
            Unwanted::Own(why) => why,
            Unwanted::Pattern(at, error) => format!("{at}: {}", told(&error)),
        })?;
        let scanner = Scanner::new(&setup).map_err(|error| told(&error))?;
        Ok(Some(Arc::new(scanner)))
    }
}
