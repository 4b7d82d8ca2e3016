//! Capabilities: cutting a process down to its sets, and the check that nothing more is left than was planned.

use caps::Capability;
use nix::errno::Errno;
use oci_spec::runtime::{Capabilities, Capability as Named, LinuxCapabilities};

use crate::sys::ids::{self, Sets};

/// `CAP_SETPCAP`: to change the bounding set.
const SETPCAP: u64 = 1 << 8;
/// `CAP_SYS_ADMIN`: to load filters without no_new_privs.
const SYS_ADMIN: u64 = 1 << 21;
/// Numbers that a capability can have.
const NUMBERS: std::ops::Range<u8> = 0..64;

/// Why capabilities are not as planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// The kernel refused.
    #[error("cannot {step} the {set} capabilities{}: {}", hint(*.source), .source.desc())]
    Kernel {
        /// `read` or `set`.
        step: &'static str,
        /// Which set.
        set: &'static str,
        /// Cause.
        source: Errno,
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

fn hint(source: Errno) -> &'static str {
    if source == Errno::EPERM {
        ", because the caller of the runtime lacks some of them"
    } else {
        ""
    }
}

fn failed(step: &'static str, set: &'static str) -> impl Fn(Errno) -> CapabilityError {
    move |source| CapabilityError::Kernel { step, set, source }
}

/// The five sets of a process, a bit per capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Five {
    /// The most that can ever be gained.
    pub bounding: u64,
    /// In use.
    pub effective: u64,
    /// May be used.
    pub permitted: u64,
    /// Kept across exec with a file's.
    pub inheritable: u64,
    /// Kept across exec.
    pub ambient: u64,
}

impl Five {
    /// As a configuration names them.
    #[must_use]
    pub fn of(given: &LinuxCapabilities) -> Five {
        Five {
            bounding: bits(given.bounding().as_ref()),
            effective: bits(given.effective().as_ref()),
            permitted: bits(given.permitted().as_ref()),
            inheritable: bits(given.inheritable().as_ref()),
            ambient: bits(given.ambient().as_ref()),
        }
    }
}

fn bits(given: Option<&Capabilities>) -> u64 {
    given
        .into_iter()
        .flatten()
        .filter_map(|name| format!("CAP_{name}").parse::<Capability>().ok())
        .fold(0, |all, capability| all | 1 << capability.index())
}

/// What a process still needs after its user has changed, beside its own sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// Nothing.
    Nothing,
    /// To load filters, and then to cut itself down: [`cut`] must follow.
    Filters,
}

/// Cut the bounding set; before the change of user, which takes the right to do it away.
///
/// # Errors
/// The kernel's error.
pub fn bound(wanted: &Five) -> Result<(), CapabilityError> {
    for number in NUMBERS {
        match ids::in_bounding(number) {
            Ok(true) if wanted.bounding & (1 << number) == 0 => {
                ids::drop_bounding(number).map_err(failed("set", "bounding"))?;
            }
            Ok(_) => {}
            // The first number that this kernel does not know.
            Err(Errno::EINVAL) => break,
            Err(error) => return Err(failed("read", "bounding")(error)),
        }
    }
    Ok(())
}

/// Cut the other four sets, keeping what is needed `later`. A capability that this process does not hold is not given,
/// unless the configuration asks for it.
///
/// # Errors
/// The kernel's error.
pub fn cut(wanted: &Five, later: Later) -> Result<(), CapabilityError> {
    let more = match later {
        Later::Nothing => 0,
        Later::Filters => SETPCAP | SYS_ADMIN,
    };
    // A process may not use what it is not permitted, and `capset` refuses the whole then.
    let permitted = wanted.permitted | more;
    let sets = Sets {
        effective: (wanted.effective | more) & permitted,
        permitted,
        inheritable: wanted.inheritable,
    };
    if ids::capabilities().map_err(failed("read", "permitted"))? != sets {
        ids::set_capabilities(sets).map_err(failed("set", "permitted"))?;
    }
    ids::clear_ambient().map_err(failed("set", "ambient"))?;
    for number in NUMBERS.filter(|number| wanted.ambient & (1 << number) != 0) {
        match ids::raise_ambient(number) {
            // One that is not permitted and inheritable cannot be ambient, and is left out as other runtimes do.
            Ok(()) | Err(Errno::EPERM) => {}
            Err(error) => return Err(failed("set", "ambient")(error)),
        }
    }
    Ok(())
}

/// Fail when one of the five sets holds a capability that is not in `allowed` (names with `CAP_`).
///
/// # Errors
/// A set cannot be read, or holds too much.
pub fn verify(allowed: &[String]) -> Result<(), CapabilityError> {
    let allowed = allowed
        .iter()
        .filter_map(|name| name.parse::<Capability>().ok())
        .fold(0_u64, |all, capability| all | 1 << capability.index());
    let sets = ids::capabilities().map_err(failed("read", "permitted"))?;
    // An ambient capability is always permitted and inheritable too.
    for (held, set) in [
        (sets.inheritable, "inheritable"),
        (sets.effective, "effective"),
        (sets.permitted, "permitted"),
        (bounding()?, "bounding"),
    ] {
        if let Some(number) = NUMBERS
            .clone()
            .find(|number| held & !allowed & (1 << number) != 0)
        {
            let held = caps::all().into_iter().find(|one| one.index() == number);
            let held = held.map_or_else(|| format!("capability {number}"), |one| one.to_string());
            return Err(CapabilityError::Excess { set, held });
        }
    }
    Ok(())
}

fn bounding() -> Result<u64, CapabilityError> {
    let mut held = 0;
    for number in NUMBERS {
        match ids::in_bounding(number) {
            Ok(true) => held |= 1 << number,
            Ok(false) => {}
            Err(Errno::EINVAL) => break,
            Err(error) => return Err(failed("read", "bounding")(error)),
        }
    }
    Ok(held)
}

/// Add one capability to what `given` lets a process hold and use.
pub fn add(given: &mut LinuxCapabilities, capability: Named) {
    let with = |set: Option<&Capabilities>| {
        Some(
            set.into_iter()
                .flatten()
                .copied()
                .chain([capability])
                .collect(),
        )
    };
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

/// The sets that `names` (with `CAP_`) stand for: inheritable and ambient stay empty.
#[must_use]
pub fn none_but(names: &[String]) -> LinuxCapabilities {
    let set: Capabilities = names.iter().filter_map(|name| named(name)).collect();
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(set.clone()))
        .set_effective(Some(set.clone()))
        .set_permitted(Some(set));
    sets.set_inheritable(Some(Capabilities::new()))
        .set_ambient(Some(Capabilities::new()));
    sets
}

/// The capability of a name, with or without `CAP_`.
#[must_use]
pub fn named(name: &str) -> Option<Named> {
    let name = name.to_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_of_the_kernel_has_its_bit() {
        for capability in caps::all() {
            let name = named(&capability.to_string()).expect("an OCI name");
            assert_eq!(
                bits(Some(&Capabilities::from([name]))),
                1 << capability.index()
            );
        }
        assert_eq!(SETPCAP, 1 << Capability::CAP_SETPCAP.index());
        assert_eq!(SYS_ADMIN, 1 << Capability::CAP_SYS_ADMIN.index());
    }

    #[test]
    fn a_name_is_taken_with_and_without_its_prefix() {
        assert_eq!(named("cap_net_raw"), named("NET_RAW"));
        assert_eq!(named("NO_SUCH"), None);
    }
}
