//! Landlock: turning the plan's rules into a domain, and refusing where the kernel is too old for the policy.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::plan::{Grant, LandlockPlan, LandlockRule};
use crate::sys::openat2;

/// The first ABI with scopes for signals and abstract sockets.
const SCOPES_SINCE: u32 = 6;
/// What each ABI added, in the words that `state` shows where it is missing.
const ADDED: [(u32, &str); 4] = [
    (2, "rename across directories"),
    (3, "truncate"),
    (5, "ioctl on devices"),
    (SCOPES_SINCE, "scopes"),
];

/// Why a process could not be put under Landlock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LandlockError {
    /// The kernel is too old, and the policy does not allow less.
    #[error(
        "the policy needs Landlock ABI {needed} and this kernel has {}: use a newer kernel, or set `landlock: {{compatibility: best_effort}}` in the policy",
        if *found == 0 { "no Landlock".to_owned() } else { format!("ABI {found}") }
    )]
    TooWeak {
        /// The policy's minimum.
        needed: u32,
        /// The kernel's.
        found: u32,
    },
    /// A path that must be there is not, or is a link.
    #[error("the path `{}` of the policy cannot be opened in the box: it must exist and hold no symbolic link", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The kernel's word.
        #[source]
        source: Errno,
    },
    /// A path names something else than at create.
    #[error("the path `{}` was exchanged since the box was created, so nothing more is started in it", path.display())]
    Exchanged {
        /// The path.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("the kernel refused the Landlock rules")]
    Refused(#[source] landlock::RulesetError),
    /// The domain is weaker than asked for.
    #[error("the kernel enforces only a part of the Landlock rules")]
    Partly,
}

/// Check the kernel's ABI against the plan; the answer names what a weaker kernel does not enforce.
///
/// # Errors
/// The kernel is below the policy's minimum, and the policy does not say `best_effort`.
pub fn strength(plan: &LandlockPlan, kernel: u32) -> Result<Vec<String>, LandlockError> {
    if kernel >= plan.minimum_abi.max(1) {
        return Ok(Vec::new());
    }
    if !plan.best_effort {
        return Err(LandlockError::TooWeak {
            needed: plan.minimum_abi.max(1),
            found: kernel,
        });
    }
    if kernel == 0 {
        return Ok(vec!["landlock".to_owned()]);
    }
    let missing = ADDED
        .iter()
        .filter(|(abi, _)| *abi > kernel && *abi <= plan.minimum_abi);
    Ok(missing
        .map(|(_, what)| format!("landlock: {what}"))
        .collect())
}

/// Put this process under the plan's rules, with every right that ABI `kernel` handles.
///
/// # Errors
/// A required path is missing, a path was exchanged since create, or the kernel refuses.
pub fn restrict(plan: &LandlockPlan, kernel: u32) -> Result<(), LandlockError> {
    if kernel == 0 {
        // `strength` has refused this unless the policy says best_effort.
        return Ok(());
    }
    let abi = ABI::from(i32::try_from(kernel).unwrap_or(i32::MAX));
    let root = openat2::own_root().map_err(|source| LandlockError::Path {
        path: "/".into(),
        source,
    })?;
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset = ruleset
        .handle_access(AccessFs::from_all(abi))
        .map_err(LandlockError::Refused)?;
    if plan.scoped && kernel >= SCOPES_SINCE {
        ruleset = ruleset
            .scope(Scope::from_all(abi))
            .map_err(LandlockError::Refused)?;
    }
    let mut created = ruleset.create().map_err(LandlockError::Refused)?;
    for rule in &plan.rules {
        if let Some((fd, directory)) = open(root.as_fd(), rule)? {
            let access = rights(rule.grant, abi, directory);
            created = created
                .add_rule(PathBeneath::new(fd, access))
                .map_err(LandlockError::Refused)?;
        }
    }
    let status = created.restrict_self().map_err(LandlockError::Refused)?;
    if status.ruleset == RulesetStatus::FullyEnforced {
        Ok(())
    } else {
        Err(LandlockError::Partly)
    }
}

/// Open a rule's path; `None` when it is not there (or a link) and need not be.
fn open(
    root: BorrowedFd<'_>,
    rule: &LandlockRule,
) -> Result<Option<(std::os::fd::OwnedFd, bool)>, LandlockError> {
    let failed = |source| LandlockError::Path {
        path: rule.path.clone(),
        source,
    };
    let fd = match openat2::open_in(root, &rule.path, OFlag::O_PATH) {
        Ok(fd) => fd,
        Err(_) if rule.identity.is_some() => {
            return Err(LandlockError::Exchanged {
                path: rule.path.clone(),
            });
        }
        Err(source) if rule.required => return Err(failed(source)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let (identity, directory) = openat2::identity(fd.as_fd()).map_err(failed)?;
    match rule.identity {
        Some(seen) if seen != identity => Err(LandlockError::Exchanged {
            path: rule.path.clone(),
        }),
        _ => Ok(Some((fd, directory))),
    }
}

/// The rights of a grant, cut to what a file can have when the path is one.
fn rights(grant: Grant, abi: ABI, directory: bool) -> BitFlags<AccessFs> {
    let all = AccessFs::from_all(abi) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let rights = match grant {
        Grant::Read => AccessFs::from_read(abi),
        Grant::Write => all & !AccessFs::IoctlDev,
        Grant::WriteNoExecute => all & !(AccessFs::IoctlDev | AccessFs::Execute),
        Grant::Device => {
            let open = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir;
            all & (open | AccessFs::Truncate | AccessFs::IoctlDev)
        }
        Grant::ReadWriteFiles => {
            all & (AccessFs::ReadFile
                | AccessFs::WriteFile
                | AccessFs::ReadDir
                | AccessFs::Truncate)
        }
    };
    if directory {
        rights
    } else {
        rights & AccessFs::from_file(abi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(minimum_abi: u32, best_effort: bool) -> LandlockPlan {
        LandlockPlan {
            minimum_abi,
            best_effort,
            ..LandlockPlan::default()
        }
    }

    #[test]
    fn a_kernel_below_the_minimum_is_refused_unless_best_effort_is_asked_for() {
        assert!(matches!(
            strength(&plan(6, false), 2),
            Err(LandlockError::TooWeak {
                needed: 6,
                found: 2
            })
        ));
        assert!(matches!(
            strength(&plan(1, false), 0),
            Err(LandlockError::TooWeak {
                needed: 1,
                found: 0
            })
        ));
        assert!(strength(&plan(1, false), 1).expect("enough").is_empty());
    }

    #[test]
    fn what_best_effort_gives_up_is_named() {
        let missing = strength(&plan(6, true), 2).expect("best effort");
        assert_eq!(
            missing,
            [
                "landlock: truncate",
                "landlock: ioctl on devices",
                "landlock: scopes"
            ]
        );
        assert_eq!(
            strength(&plan(6, true), 0).expect("best effort"),
            ["landlock"]
        );
    }

    #[test]
    fn a_writable_path_never_grants_device_nodes() {
        let write = rights(Grant::Write, ABI::V6, true);
        assert!(!write.intersects(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev));
        assert!(write.contains(AccessFs::Truncate | AccessFs::MakeReg | AccessFs::Execute));
    }

    #[test]
    fn a_file_gets_no_directory_right() {
        assert!(!rights(Grant::Write, ABI::V6, false).contains(AccessFs::MakeReg));
    }
}
