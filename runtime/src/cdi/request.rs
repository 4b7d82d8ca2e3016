//! Which devices a container's annotations ask for.

use std::collections::{BTreeMap, HashMap};

use super::{CdiError, DeviceName};

/// What all annotations that ask for devices begin with.
const PREFIX: &str = "cdi.k8s.io/";

/// The devices asked for, by the order of the sorted keys, each once.
///
/// # Errors
/// Something that is no full device name.
pub fn requests(
    annotations: Option<&HashMap<String, String>>,
) -> Result<Vec<DeviceName>, CdiError> {
    let keys: BTreeMap<&String, &String> = annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with(PREFIX))
        .collect();
    let mut wanted = Vec::new();
    for (key, value) in keys {
        for text in value.split(',').map(str::trim) {
            let name = DeviceName::parse(text).ok_or_else(|| CdiError::Name {
                key: key.clone(),
                text: text.to_owned(),
            })?;
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(annotations: &[(&str, &str)]) -> Result<Vec<String>, CdiError> {
        let map = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        requests(Some(&map)).map(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn keys_are_sorted_values_keep_their_order_and_a_name_counts_once() {
        let all = asked(&[
            ("cdi.k8s.io/b", "v.com/x=1"),
            ("cdi.k8s.io/a", "v.com/x=2, v.com/x=0,v.com/x=2"),
            ("other/cdi.k8s.io", "nothing"),
        ]);
        assert_eq!(all.unwrap(), ["v.com/x=2", "v.com/x=0", "v.com/x=1"]);
        assert!(requests(None).unwrap().is_empty());
    }

    #[test]
    fn a_short_name_is_refused_with_its_key() {
        let said = asked(&[("cdi.k8s.io/gpus", "all")])
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("`cdi.k8s.io/gpus`") && said.contains("`all`"),
            "{said}"
        );
        assert!(asked(&[("cdi.k8s.io/gpus", "")]).is_err());
    }
}
