//! What the operator's lists and documents hold, read before the worker closes the door behind it, and the scanner that a
//! policy's `privacy` makes of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nemoclaw_policy::class::Class;
use nemoclaw_policy::detector;
use nemoclaw_policy::policy::{Policy, Privacy};
use nemoclaw_privacy::own::{Case, Documents, List, Pattern};
use nemoclaw_privacy::{Scanner, Setup};

use super::ner::Service;
use crate::link::{NerSettings, OwnWords};
use crate::worker::event::told;

/// Most bytes of one list.
const MAX_LIST: u64 = 16 * 1024 * 1024;

/// One of the operator's, or why it cannot be used: then no policy that names it is taken.
enum Own {
    List(List),
    Documents(Documents),
    Unusable(String),
}

/// All of the operator's.
#[derive(Default)]
pub struct Words {
    own: BTreeMap<String, Own>,
    services: BTreeMap<String, Arc<Service>>,
}

impl Words {
    /// Read what the node's configuration names.
    #[must_use]
    pub fn read(all: &[OwnWords], services: &[NerSettings]) -> Words {
        let service = |one: &NerSettings| (one.name.clone(), Arc::new(Service::new(one)));
        Words {
            own: all
                .iter()
                .map(|one| (one.name.clone(), read(one)))
                .collect(),
            services: services.iter().map(service).collect(),
        }
    }

    /// The services that a policy wants to look for names.
    ///
    /// # Errors
    /// One sentence: the node has no such service.
    pub fn services(&self, policy: &Policy) -> Result<Vec<Arc<Service>>, String> {
        let mut names: Vec<&str> = policy
            .models
            .iter()
            .filter_map(|layer| layer.privacy.as_ref()?.ner.as_deref())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
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
        let layers: Vec<&Privacy> = policy
            .models
            .iter()
            .filter_map(|layer| layer.privacy.as_ref())
            .collect();
        if layers.is_empty() {
            return Ok(None);
        }
        let mut setup = Setup {
            classes: classes(&layers),
            ..Setup::default()
        };
        for privacy in layers {
            self.add(privacy, &mut setup)?;
        }
        let scanner = Scanner::new(&setup).map_err(|error| told(&error))?;
        Ok(Some(Arc::new(scanner)))
    }

    fn add(&self, privacy: &Privacy, setup: &mut Setup) -> Result<(), String> {
        for name in &privacy.lists {
            match self.own.get(&**name) {
                Some(Own::List(list)) => setup.lists.push(list.clone()),
                Some(Own::Documents(documents)) => setup.documents.push(documents.clone()),
                Some(Own::Unusable(why)) => return Err(why.clone()),
                None => {
                    return Err(format!(
                        "the policy names the list `{name}`, which the node's configuration does not have under `privacy`"
                    ));
                }
            }
        }
        for own in &privacy.patterns {
            let pattern = Pattern::new(&own.name, own.class, &own.regex)
                .map_err(|error| format!("{}: {}", own.at, told(&error)))?;
            setup.patterns.push(pattern);
        }
        Ok(())
    }
}

/// What ships: on where any layer has it on, in the highest class that one gives it.
fn classes(layers: &[&Privacy]) -> BTreeMap<String, Option<Class>> {
    detector::all()
        .iter()
        .map(|known| {
            let each = layers.iter().map(|privacy| {
                let own = privacy.detectors.get(known.name);
                own.copied().unwrap_or(Some(known.class))
            });
            (known.name.to_owned(), each.max().flatten())
        })
        .collect()
}

fn read(one: &OwnWords) -> Own {
    let path = &one.path;
    if one.documents {
        return match Documents::read(&one.name, one.class, path) {
            Ok(documents) => Own::Documents(documents),
            Err(error) => Own::Unusable(told(&error)),
        };
    }
    let case = if one.ignore_case {
        Case::Any
    } else {
        Case::Exact
    };
    let text = match text_of(path) {
        Ok(text) => text,
        Err(why) => {
            return Own::Unusable(format!("the list `{}` cannot be read: {why}", one.name));
        }
    };
    let lines = text.lines().map(str::trim);
    let words = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    match List::new(&one.name, one.class, words, case) {
        Ok(list) => Own::List(list),
        Err(error) => Own::Unusable(told(&error)),
    }
}

fn text_of(path: &Path) -> Result<zeroize::Zeroizing<String>, String> {
    let length = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    if length > MAX_LIST {
        return Err(format!("`{}` is larger than 16 MiB", path.display()));
    }
    std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| format!("`{}`: {error}", path.display()))
}
