//! Which devices a container is to get, and who asks for them.
//!
//! A policy's word suffices. Annotations are the word of whoever starts the box, but Podman copies the image's among
//! them, and a variable is the image's as often as not: both get only what the node's `cdi_devices` lists and the
//! policy, if it speaks of devices, does not leave out. The variable is asked only where the node says so, and only if
//! nobody else asks for a device of its kind.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use nemoclaw_policy::device::DeviceName;
use nemoclaw_policy::node::CdiConfig;
use nemoclaw_policy::policy::Policy;
use oci_spec::runtime::Spec;

use super::CdiError;

/// What all annotations that ask for devices begin with.
const PREFIX: &str = "cdi.k8s.io/";
/// The variable by which images of NVIDIA ask.
const VARIABLE: &str = "NVIDIA_VISIBLE_DEVICES";
/// The kind that its short names are of.
const KIND: &str = "nvidia.com/gpu";

/// Who asks for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// The policy of this name.
    Policy(String),
    /// The annotation with this key.
    Annotation(String),
    /// `NVIDIA_VISIBLE_DEVICES`.
    Variable,
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asker::Policy(name) => write!(f, "the policy `{name}`"),
            Asker::Annotation(key) => write!(f, "the annotation `{key}`"),
            Asker::Variable => write!(f, "the variable `{VARIABLE}`"),
        }
    }
}

/// A device that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The device.
    pub device: DeviceName,
    /// By whom.
    pub by: Asker,
}

/// The devices that a container is to get, each once: the policy's, those of the annotations by the order of the sorted
/// keys, and the variable's.
///
/// # Errors
/// Something that is no full device name, or that may not be asked for.
pub fn asked(spec: &Spec, node: &CdiConfig, policy: &Policy) -> Result<Vec<Asked>, CdiError> {
    let devices = &policy.devices;
    let mut all: Vec<Asked> = devices
        .requested()
        .iter()
        .map(|device| Asked {
            device: device.clone(),
            by: Asker::Policy(policy.name.clone()),
        })
        .collect();
    let add = |all: &mut Vec<Asked>, one: Asked| {
        if all.iter().any(|known| known.device == one.device) {
            return Ok(());
        }
        if !node.lists(&one.device) {
            return Err(CdiError::NotListed(one));
        }
        if !devices.allow(&one.device) {
            return Err(CdiError::Beyond {
                asked: one,
                policy: policy.name.clone(),
            });
        }
        all.push(one);
        Ok(())
    };
    for one in annotated(spec.annotations().as_ref())? {
        add(&mut all, one)?;
    }
    if node.nvidia_variable && !all.iter().any(|one| one.device.kind == KIND) {
        let process = spec.process().as_ref();
        let env = process.and_then(|process| process.env().as_deref());
        for one in named_by_variable(env.unwrap_or_default())? {
            add(&mut all, one)?;
        }
    }
    Ok(all)
}

fn annotated(annotations: Option<&HashMap<String, String>>) -> Result<Vec<Asked>, CdiError> {
    let keys: BTreeMap<&String, &String> = annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with(PREFIX))
        .collect();
    let mut wanted = Vec::new();
    for (key, value) in keys {
        for text in value.split(',').map(str::trim) {
            wanted.push(read(text, Asker::Annotation(key.clone()))?);
        }
    }
    Ok(wanted)
}

/// The last value counts, as for a program. `all` is a device that NVIDIA's files describe.
fn named_by_variable(env: &[String]) -> Result<Vec<Asked>, CdiError> {
    let value = env.iter().rev().find_map(|entry| {
        let (name, value) = entry.split_once('=')?;
        (name == VARIABLE).then_some(value)
    });
    let value = value.unwrap_or_default().trim();
    if matches!(value, "" | "void" | "none") {
        return Ok(Vec::new());
    }
    let full = |text: &str| match text.contains('=') {
        true => text.to_owned(),
        false => format!("{KIND}={text}"),
    };
    let texts = value.split(',').map(|text| full(text.trim()));
    texts.map(|text| read(&text, Asker::Variable)).collect()
}

fn read(text: &str, by: Asker) -> Result<Asked, CdiError> {
    match DeviceName::parse(text) {
        Some(device) => Ok(Asked { device, by }),
        None => Err(CdiError::Name {
            by,
            text: text.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(asked: Result<Vec<Asked>, CdiError>) -> Vec<String> {
        let all = asked.unwrap();
        all.iter().map(|one| one.device.to_string()).collect()
    }

    fn by_annotations(annotations: &[(&str, &str)]) -> Result<Vec<Asked>, CdiError> {
        let map = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        annotated(Some(&map))
    }

    #[test]
    fn keys_are_sorted_and_values_keep_their_order() {
        let all = by_annotations(&[
            ("cdi.k8s.io/b", "v.com/x=1"),
            ("cdi.k8s.io/a", "v.com/x=2, v.com/x=0"),
            ("other/cdi.k8s.io", "nothing"),
        ]);
        assert_eq!(shown(all), ["v.com/x=2", "v.com/x=0", "v.com/x=1"]);
        assert!(shown(annotated(None)).is_empty());
    }

    #[test]
    fn a_short_name_is_refused_with_its_key() {
        let said = by_annotations(&[("cdi.k8s.io/gpus", "all")]).unwrap_err();
        let said = said.to_string();
        assert!(
            said.contains("`cdi.k8s.io/gpus`") && said.contains("`all`"),
            "{said}"
        );
        assert!(by_annotations(&[("cdi.k8s.io/gpus", "")]).is_err());
    }

    #[test]
    fn the_variable_names_gpus_in_short_or_in_full() {
        let named = |value: &str| {
            let env = ["NVIDIA_VISIBLE_DEVICES=7", &format!("{VARIABLE}={value}")];
            named_by_variable(&env.map(str::to_owned))
        };
        assert_eq!(shown(named("all")), ["nvidia.com/gpu=all"]);
        assert_eq!(
            shown(named("0, GPU-12ab,nvidia.com/mig=1")),
            [
                "nvidia.com/gpu=0",
                "nvidia.com/gpu=GPU-12ab",
                "nvidia.com/mig=1"
            ]
        );
        for nothing in ["", "void", "none"] {
            assert!(shown(named(nothing)).is_empty(), "{nothing}");
        }
        let said = named("../x").unwrap_err().to_string();
        assert!(said.contains("`NVIDIA_VISIBLE_DEVICES`"), "{said}");
    }
}
