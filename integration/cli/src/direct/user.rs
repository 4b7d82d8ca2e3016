//! Who the first process of a direct sandbox is.
//!
//! Files that an agent makes should belong to the person who reads them, so the owner of the mounted `/sandbox` comes
//! first. Without one it is the person behind `sudo`. Else it is an account of nobody's: not 0, because without
//! capabilities root gains nothing inside but owns root's files in every mount, and not 65534, because the router's
//! worker and other daemons run under that number.

use std::path::Path;

use nemoclaw_policy::policy::{Identity, Process};

/// The account of a sandbox that belongs to no person; distroless images call the number `nonroot`.
pub const NOBODYS: u32 = 65532;

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What is known when the user is chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// Owner of the directory that becomes `/sandbox`, where the user named one.
    pub owner: Option<(u32, u32)>,
    /// The account behind `sudo`.
    pub sudo: Option<(u32, u32)>,
}

/// Choose. A policy that names a number has the last word, in the runtime too.
pub fn choose(process: &Process, known: Known) -> User {
    let (uid, gid) = known.owner.or(known.sudo).unwrap_or((NOBODYS, NOBODYS));
    let number = |identity: Option<Identity>, otherwise: u32| match identity {
        Some(Identity::Id(number)) => number,
        Some(Identity::Sandbox) => NOBODYS,
        None => otherwise,
    };
    User {
        uid: number(process.run_as_user, uid),
        gid: number(process.run_as_group, gid),
    }
}

/// Owner of a path.
pub fn owner(path: &Path) -> std::io::Result<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).map(|meta| (meta.uid(), meta.gid()))
}

/// The host's `passwd` with a line for the account `sandbox`, and one for `user` where it has none.
pub fn passwd(host: &str, user: User) -> String {
    let mut text = with_line(
        host,
        "sandbox",
        NOBODYS,
        &format!("sandbox:x:{NOBODYS}:{NOBODYS}::/sandbox:/bin/sh"),
    );
    let uid = user.uid;
    text = with_line(
        &text,
        &format!("user{uid}"),
        uid,
        &format!("user{uid}:x:{uid}:{}::/sandbox:/bin/sh", user.gid),
    );
    text
}

/// The same for `group`.
pub fn group(host: &str, user: User) -> String {
    let text = with_line(host, "sandbox", NOBODYS, &format!("sandbox:x:{NOBODYS}:"));
    let gid = user.gid;
    with_line(
        &text,
        &format!("group{gid}"),
        gid,
        &format!("group{gid}:x:{gid}:"),
    )
}

/// Add `line` unless the name or the number is taken.
fn with_line(text: &str, name: &str, number: u32, line: &str) -> String {
    let number = number.to_string();
    let taken = text.lines().any(|line| {
        let mut fields = line.split(':');
        fields.next() == Some(name) || fields.nth(1) == Some(number.as_str())
    });
    let mut out = text.to_owned();
    if !taken {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_s_owner_comes_before_sudo_s_caller_and_the_policy_before_both() {
        let known = Known {
            owner: Some((1000, 100)),
            sudo: Some((7, 8)),
        };
        let free = Process::default();
        assert_eq!(
            choose(&free, known),
            User {
                uid: 1000,
                gid: 100
            }
        );
        assert_eq!(
            choose(
                &free,
                Known {
                    owner: None,
                    ..known
                }
            ),
            User { uid: 7, gid: 8 }
        );
        assert_eq!(
            choose(&free, Known::default()),
            User {
                uid: NOBODYS,
                gid: NOBODYS
            }
        );
        let named = Process {
            run_as_user: Some(Identity::Id(5)),
            ..Process::default()
        };
        assert_eq!(choose(&named, known), User { uid: 5, gid: 100 });
    }

    #[test]
    fn every_account_has_one_line() {
        let host = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh";
        let text = passwd(
            host,
            User {
                uid: 1000,
                gid: 1000,
            },
        );
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("\nsandbox:x:65532:65532::/sandbox:/bin/sh\n"));
        let text = passwd(host, User { uid: 1001, gid: 50 });
        assert!(
            text.ends_with("user1001:x:1001:50::/sandbox:/bin/sh\n"),
            "{text}"
        );
        assert_eq!(passwd(&text, User { uid: 1001, gid: 50 }), text);
        assert!(group("root:x:0:\n", User { uid: 1, gid: 7 }).ends_with("group7:x:7:\n"));
    }
}
