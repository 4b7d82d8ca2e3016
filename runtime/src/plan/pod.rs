//! Pods: the container that only holds the namespaces which the others join.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

/// How engines mark that container. Whoever forges a mark lets a box read the file of its own first program, no more.
const MARKS: [(&str, &str); 2] = [
    ("io.kubernetes.cri.container-type", "sandbox"),
    ("io.kubernetes.cri-o.ContainerType", "sandbox"),
];

/// The program that holds a pod's namespaces. It comes from the engine's image, not from the agent's, so that a policy
/// which lists every path by name has no reason to know it, and its pods would never start.
pub fn holder(spec: &Spec) -> Option<PathBuf> {
    let annotations = spec.annotations().as_ref()?;
    if !is_sandbox(annotations) {
        return None;
    }
    let words = spec.process().as_ref()?.args().as_ref()?;
    words
        .first()
        .map(PathBuf::from)
        .filter(|program| program.is_absolute() && program != Path::new("/"))
}

fn is_sandbox(annotations: &HashMap<String, String>) -> bool {
    MARKS
        .iter()
        .any(|(key, value)| annotations.get(*key).is_some_and(|given| given == value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::Process;

    fn spec(mark: (&str, &str), program: &str) -> Spec {
        let mut process = Process::default();
        process.set_args(Some(vec![program.to_owned(), "more".to_owned()]));
        let mut spec = Spec::default();
        spec.set_process(Some(process))
            .set_annotations(Some([(mark.0.to_owned(), mark.1.to_owned())].into()));
        spec
    }

    #[test]
    fn only_a_pods_holder_is_one_and_only_by_a_whole_path() {
        for mark in MARKS {
            let found = holder(&spec(mark, "/pause"));
            assert_eq!(found.as_deref(), Some(Path::new("/pause")));
            assert_eq!(holder(&spec((mark.0, "container"), "/pause")), None);
            assert_eq!(holder(&spec(mark, "pause")), None);
            assert_eq!(holder(&spec(mark, "/")), None);
        }
        assert_eq!(holder(&Spec::default()), None);
    }
}
