//! Who runs in the box, and with which capabilities.

use oci_spec::runtime::Mount;

use super::make::Given;
use super::paths::PathRules;
use super::writable::Identity;
use super::{Inputs, Refusal, process};

/// Who runs in the box.
pub struct Users {
    /// User and group that the policy forces.
    pub forced: Option<(u32, u32)>,
    /// User of the first process.
    pub uid: u32,
    /// Capabilities it keeps, full names.
    pub capabilities: Vec<String>,
    /// The host's numbers of its user and group; `None` when the mappings leave them out.
    pub on_host: Option<(u32, u32)>,
}

impl Users {
    /// Decides, and refuses a volume that this user could not write after all.
    pub fn of(
        inputs: &Inputs<'_>,
        given: &Given<'_>,
        box_mounts: &[Mount],
        rules: &PathRules,
    ) -> Result<Users, Refusal> {
        let capabilities =
            process::capabilities(inputs.policy, given.process.capabilities().as_ref())?;
        let forced = process::forced_user(inputs.policy, given.process.user(), inputs.rootfs)?;
        let user = process::with_forced(given.process.user(), forced);
        let identity = Identity {
            user: &user,
            uids: given.linux.uid_mappings().as_deref(),
            gids: given.linux.gid_mappings().as_deref(),
            overrides: capabilities.iter().any(|name| name == "CAP_DAC_OVERRIDE"),
        };
        identity.check_volumes(box_mounts, rules, inputs.host)?;
        Ok(Users {
            forced,
            uid: user.uid(),
            on_host: identity.on_host(),
            capabilities,
        })
    }
}
