//! Capabilities: a last cut, and the check that nothing more is left than was planned.

use caps::{CapSet, Capability, CapsHashSet};
use libcontainer::capabilities::CapabilityExt;
use libcontainer::oci_spec::runtime::{Capabilities, LinuxCapabilities};

/// The five sets in the order in which they are cut: ambient before what it depends on, effective before permitted.
const SETS: [(CapSet, &str); 5] = [
    (CapSet::Ambient, "ambient"),
    (CapSet::Inheritable, "inheritable"),
    (CapSet::Effective, "effective"),
    (CapSet::Permitted, "permitted"),
    (CapSet::Bounding, "bounding"),
];

/// Why capabilities are not as planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// The kernel refused.
    #[error("cannot {step} the {set} capabilities")]
    Kernel {
        /// `read` or `set`.
        step: &'static str,
        /// Which set.
        set: &'static str,
        /// Cause.
        #[source]
        source: caps::errors::CapsError,
    },
    /// More is left than the plan allows.
    #[error(
        "the process still holds {held} in its {set} capabilities, which its policy does not allow"
    )]
    Excess {
        /// Which set.
        set: &'static str,
        /// The first capability too many.
        held: String,
    },
}

/// Fail when one of the five sets holds a capability that is not in `allowed` (names with `CAP_`).
///
/// # Errors
/// A set cannot be read, or holds too much.
pub fn verify(allowed: &[String]) -> Result<(), CapabilityError> {
    for (set, name) in SETS {
        let held = caps::read(None, set).map_err(|source| CapabilityError::Kernel {
            step: "read",
            set: name,
            source,
        })?;
        if let Some(excess) = held
            .iter()
            .find(|held| !allowed.contains(&held.to_string()))
        {
            return Err(CapabilityError::Excess {
                set: name,
                held: excess.to_string(),
            });
        }
    }
    Ok(())
}

/// Cut all five sets down to those of `wanted`, bounding first because that needs a capability itself.
///
/// # Errors
/// The kernel's error.
pub fn cut_to(wanted: &LinuxCapabilities) -> Result<(), CapabilityError> {
    let failed = |set| {
        move |source| CapabilityError::Kernel {
            step: "set",
            set,
            source,
        }
    };
    let bounding = to_set(wanted.bounding().as_ref());
    for capability in caps::all() {
        let held = caps::has_cap(None, CapSet::Bounding, capability).map_err(failed("bounding"))?;
        if held && !bounding.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability).map_err(failed("bounding"))?;
        }
    }
    let permitted = to_set(wanted.permitted().as_ref());
    caps::set(
        None,
        CapSet::Inheritable,
        &to_set(wanted.inheritable().as_ref()),
    )
    .map_err(failed("inheritable"))?;
    caps::set(
        None,
        CapSet::Effective,
        &to_set(wanted.effective().as_ref()),
    )
    .map_err(failed("effective"))?;
    caps::set(None, CapSet::Permitted, &permitted).map_err(failed("permitted"))?;
    caps::clear(None, CapSet::Ambient).map_err(failed("ambient"))?;
    for capability in to_set(wanted.ambient().as_ref()) {
        caps::raise(None, CapSet::Ambient, capability).map_err(failed("ambient"))?;
    }
    Ok(())
}

/// Add one capability to what `given` lets a process hold and use.
pub fn add(given: &mut LinuxCapabilities, capability: Capability) {
    use libcontainer::oci_spec::runtime::Capability as Named;
    let one = Capabilities::from([Named::from_cap(capability)]);
    let with =
        |set: Option<&Capabilities>| Some(set.into_iter().flatten().chain(&one).copied().collect());
    let (bounding, effective, permitted) = (
        with(given.bounding().as_ref()),
        with(given.effective().as_ref()),
        with(given.permitted().as_ref()),
    );
    given
        .set_bounding(bounding)
        .set_effective(effective)
        .set_permitted(permitted);
}

/// A set with every capability that this process may hand on.
///
/// # Errors
/// They cannot be read.
pub fn own() -> Result<LinuxCapabilities, CapabilityError> {
    use libcontainer::oci_spec::runtime::Capability as Named;
    let read = caps::read(None, CapSet::Permitted).map_err(|source| CapabilityError::Kernel {
        step: "read",
        set: "permitted",
        source,
    })?;
    let held: Capabilities = read.into_iter().map(Named::from_cap).collect();
    let mut all = LinuxCapabilities::default();
    all.set_bounding(Some(held.clone()))
        .set_effective(Some(held.clone()))
        .set_permitted(Some(held));
    all.set_inheritable(None).set_ambient(None);
    Ok(all)
}

/// The sets that `names` (with `CAP_`) stand for: inheritable and ambient stay empty.
#[must_use]
pub fn none_but(names: &[String]) -> LinuxCapabilities {
    use libcontainer::oci_spec::runtime::Capability as Named;
    let set: Capabilities = names
        .iter()
        .filter_map(|name| name.parse::<Capability>().ok())
        .map(Named::from_cap)
        .collect();
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(set.clone()))
        .set_effective(Some(set.clone()))
        .set_permitted(Some(set));
    sets.set_inheritable(Some(Capabilities::new()))
        .set_ambient(Some(Capabilities::new()));
    sets
}

fn to_set(given: Option<&Capabilities>) -> CapsHashSet {
    given
        .into_iter()
        .flatten()
        .map(CapabilityExt::to_cap)
        .collect()
}
