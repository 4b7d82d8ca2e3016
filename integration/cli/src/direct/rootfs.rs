//! The root file system `host`: this machine's programs and a few files of `/etc`, nothing else of it.
//!
//! A skeleton directory gets symbolic links and copies of small files; directories are bound read-only later, from the
//! list that this module returns. Keys and accounts' secrets stay outside: of `/etc/ssl` only `openssl.cnf` and the
//! bundle of public roots come in, never `private/`.

use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::direct::user::{self, User};

/// A bundle of public roots or a name table is smaller; a larger file is something else.
const LARGEST_COPY: u64 = 4 * 1024 * 1024;

/// Directories of programs, besides every `/lib*`.
const PROGRAMS: [&str; 3] = ["usr", "bin", "sbin"];

/// What comes in from `/etc`, besides `passwd` and `group`, which get the sandbox's account.
const ETC: [&str; 12] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "ssl/certs/ca-certificates.crt",
    "ssl/openssl.cnf",
];

/// Mount points and places that programs expect.
const EMPTY: [(&str, u32); 8] = [
    ("dev", 0o755),
    ("etc/ssl/certs", 0o755),
    ("proc", 0o755),
    ("run", 0o755),
    ("sandbox", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("var/tmp", 0o755),
];

/// One path of the host, as it comes into the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A symbolic link with the same target.
    Link {
        /// Path without the leading `/`.
        path: PathBuf,
        /// Its target, unchanged.
        target: PathBuf,
    },
    /// A directory, bound read-only.
    Bind(PathBuf),
    /// A small file, copied.
    Copy(PathBuf),
}

/// What the host has of the paths above. Missing ones are left out, and so is every other kind of file.
pub fn plan(host: &Path) -> io::Result<Vec<Item>> {
    let mut paths: Vec<PathBuf> = PROGRAMS.iter().map(PathBuf::from).collect();
    for entry in std::fs::read_dir(host)? {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with("lib") {
            paths.push(PathBuf::from(name));
        }
    }
    paths.extend(ETC.iter().map(|name| Path::new("etc").join(name)));
    paths.sort();
    let mut items = Vec::new();
    for path in paths {
        items.extend(item(host, path)?);
    }
    Ok(items)
}

fn item(host: &Path, path: PathBuf) -> io::Result<Option<Item>> {
    let whole = host.join(&path);
    let meta = match std::fs::symlink_metadata(&whole) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(if meta.is_symlink() {
        let target = std::fs::read_link(&whole)?;
        Some(Item::Link { path, target })
    } else if meta.is_dir() {
        Some(Item::Bind(path))
    } else {
        (meta.is_file() && meta.len() <= LARGEST_COPY).then_some(Item::Copy(path))
    })
}

/// Make the skeleton of `items` in `root` and return the directories to bind, without the leading `/`.
pub fn build(host: &Path, root: &Path, items: &[Item], user: User) -> io::Result<Vec<PathBuf>> {
    make_directory(root, 0o755)?;
    for (path, mode) in EMPTY {
        make_directory(&root.join(path), mode)?;
    }
    let mut binds = Vec::new();
    for item in items {
        match item {
            Item::Link { path, target } => {
                make_parent(root, path)?;
                symlink(target, root.join(path))?;
            }
            Item::Bind(path) => {
                make_directory(&root.join(path), 0o755)?;
                binds.push(path.clone());
            }
            Item::Copy(path) => {
                make_parent(root, path)?;
                write_public(&root.join(path), &std::fs::read(host.join(path))?)?;
            }
        }
    }
    accounts(host, root, user)?;
    // The runtime binds its own over it.
    write_public(&root.join("etc/resolv.conf"), b"")?;
    Ok(binds)
}

fn accounts(host: &Path, root: &Path, user: User) -> io::Result<()> {
    let text = |name: &str| match std::fs::read_to_string(host.join("etc").join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    };
    write_public(
        &root.join("etc/passwd"),
        user::passwd(&text("passwd")?, user).as_bytes(),
    )?;
    write_public(
        &root.join("etc/group"),
        user::group(&text("group")?, user).as_bytes(),
    )
}

fn make_parent(root: &Path, path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |parent| make_directory(&root.join(parent), 0o755))
}

/// Like `mkdir -p`, but with these modes whatever the umask is.
fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent, 0o755)?;
    }
    std::fs::create_dir(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::write(path, bytes)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host with links, directories, files, and things that must stay outside.
    fn host() -> tempfile::TempDir {
        let host = tempfile::tempdir().unwrap();
        for directory in [
            "usr/bin",
            "lib64",
            "etc/alternatives",
            "etc/ssl/private",
            "etc/ssl/certs",
            "root",
            "home",
        ] {
            std::fs::create_dir_all(host.path().join(directory)).unwrap();
        }
        symlink("usr/bin", host.path().join("bin")).unwrap();
        for file in [
            "etc/passwd",
            "etc/shadow",
            "etc/hosts",
            "etc/ssl/private/key.pem",
            "etc/ssl/certs/ca-certificates.crt",
        ] {
            std::fs::write(host.path().join(file), format!("{file}\n")).unwrap();
        }
        host
    }

    #[test]
    fn the_plan_names_programs_and_a_few_files_of_etc_only() {
        let host = host();
        let items = plan(host.path()).unwrap();
        let expected = vec![
            Item::Link {
                path: "bin".into(),
                target: "usr/bin".into(),
            },
            Item::Bind("etc/alternatives".into()),
            Item::Copy("etc/hosts".into()),
            Item::Copy("etc/ssl/certs/ca-certificates.crt".into()),
            Item::Bind("lib64".into()),
            Item::Bind("usr".into()),
        ];
        assert_eq!(items, expected);
    }

    #[test]
    fn the_skeleton_holds_nothing_else_of_the_host() {
        let host = host();
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("rootfs");
        let items = plan(host.path()).unwrap();
        let binds = build(
            host.path(),
            &root,
            &items,
            User {
                uid: 1000,
                gid: 1000,
            },
        )
        .unwrap();
        assert_eq!(
            binds,
            [
                Path::new("etc/alternatives"),
                Path::new("lib64"),
                Path::new("usr")
            ]
        );
        assert_eq!(
            std::fs::read_link(root.join("bin")).unwrap(),
            Path::new("usr/bin")
        );
        assert!(
            std::fs::read_to_string(root.join("etc/passwd"))
                .unwrap()
                .contains("sandbox:x:65532")
        );
        for outside in ["etc/shadow", "etc/ssl/private", "root", "home", "usr/bin"] {
            assert!(!root.join(outside).exists(), "{outside}");
        }
        assert_eq!(
            std::fs::metadata(root.join("tmp"))
                .unwrap()
                .permissions()
                .mode()
                & 0o7777,
            0o1777
        );
    }
}
