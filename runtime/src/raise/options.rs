//! Mount options of an OCI configuration, in the kernel's terms.
//!
//! The names are those of the OCI runtime specification's «Linux mount options».

use std::ffi::CString;

use crate::sys::mount::{Attributes, Propagation, Reach};

/// What the options of one mount say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Set on the mount.
    pub set: Attributes,
    /// Cleared on the mount.
    pub clear: Attributes,
    /// Set on the mount and all below it.
    pub tree_set: Attributes,
    /// Cleared on the mount and all below it.
    pub tree_clear: Attributes,
    /// How mounts pass, in the order given.
    pub propagation: Vec<(Propagation, Reach)>,
    /// A bind mount, and of how much.
    pub bind: Option<Reach>,
    /// Change the flags of what is mounted there.
    pub remount: bool,
    /// Fill a tmpfs with what the image has there.
    pub copy_up: bool,
    /// Map users.
    pub mapped: Option<Reach>,
    /// For the file system itself.
    pub data: Vec<(CString, Option<CString>)>,
}

type Pair = (&'static str, Attributes, Attributes);
const NONE: Attributes = Attributes::READ_ONLY.without(Attributes::READ_ONLY);

/// Options that set or clear an attribute; with an `r` before the name they hold for the whole tree.
const ATTRIBUTES: [Pair; 18] = [
    ("ro", Attributes::READ_ONLY, NONE),
    ("rw", NONE, Attributes::READ_ONLY),
    ("nosuid", Attributes::NO_SUID, NONE),
    ("suid", NONE, Attributes::NO_SUID),
    ("nodev", Attributes::NO_DEV, NONE),
    ("dev", NONE, Attributes::NO_DEV),
    ("noexec", Attributes::NO_EXEC, NONE),
    ("exec", NONE, Attributes::NO_EXEC),
    ("nodiratime", Attributes::NO_DIRATIME, NONE),
    ("diratime", NONE, Attributes::NO_DIRATIME),
    ("nosymfollow", Attributes::NO_SYMFOLLOW, NONE),
    ("symfollow", NONE, Attributes::NO_SYMFOLLOW),
    ("noatime", Attributes::NO_ATIME, Attributes::ATIME_BITS),
    (
        "strictatime",
        Attributes::STRICT_ATIME,
        Attributes::ATIME_BITS,
    ),
    ("relatime", NONE, Attributes::ATIME_BITS),
    ("atime", NONE, Attributes::ATIME_BITS),
    ("norelatime", NONE, Attributes::ATIME_BITS),
    ("nostrictatime", NONE, Attributes::ATIME_BITS),
];
const PROPAGATION: [(&str, Propagation, Reach); 8] = [
    ("private", Propagation::Private, Reach::One),
    ("rprivate", Propagation::Private, Reach::Tree),
    ("shared", Propagation::Shared, Reach::One),
    ("rshared", Propagation::Shared, Reach::Tree),
    ("slave", Propagation::Slave, Reach::One),
    ("rslave", Propagation::Slave, Reach::Tree),
    ("unbindable", Propagation::Unbindable, Reach::One),
    ("runbindable", Propagation::Unbindable, Reach::Tree),
];
/// Flags of a whole file system, which it takes by these names.
const OF_FILE_SYSTEMS: [&str; 9] = [
    "async",
    "dirsync",
    "iversion",
    "lazytime",
    "mand",
    "noiversion",
    "nolazytime",
    "nomand",
    "sync",
];
/// Words that say what is so anyway.
const EMPTY: [&str; 3] = ["defaults", "silent", "loud"];
/// Options with a meaning of their own.
const OTHERS: [&str; 6] = ["bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"];

/// Every option that a mount may have beside those of its file system, sorted.
#[must_use]
pub fn known() -> Vec<String> {
    let attributes = ATTRIBUTES.iter().map(|(name, ..)| (*name).to_owned());
    let recursive = ATTRIBUTES.iter().map(|(name, ..)| format!("r{name}"));
    let propagation = PROPAGATION.iter().map(|(name, ..)| (*name).to_owned());
    let rest = OF_FILE_SYSTEMS.iter().chain(&EMPTY).chain(&OTHERS);
    let mut all: Vec<String> = attributes
        .chain(recursive)
        .chain(propagation)
        .chain(rest.map(|name| (*name).to_owned()))
        .collect();
    all.sort();
    all.dedup();
    all
}

impl Options {
    /// Read them. A bind mount has no file system of its own, so an option that is none of the mount's is dropped there,
    /// as the kernel does.
    ///
    /// # Errors
    /// The option that holds a zero byte.
    pub fn read(given: &[String], typ: Option<&str>) -> Result<Options, String> {
        let mut options = Options::default();
        for option in given {
            options.add(option)?;
        }
        if typ == Some("bind") && options.bind.is_none() {
            options.bind = Some(Reach::One);
        }
        Ok(options)
    }

    fn add(&mut self, option: &str) -> Result<(), String> {
        let attribute = |name: &str| {
            ATTRIBUTES
                .iter()
                .find(|(known, ..)| *known == name)
                .copied()
        };
        if let Some((_, set, clear)) = attribute(option) {
            change(&mut self.set, &mut self.clear, set, clear);
            return Ok(());
        }
        if let Some((_, how, reach)) = PROPAGATION.iter().find(|(name, ..)| *name == option) {
            self.propagation.push((*how, *reach));
            return Ok(());
        }
        match option {
            "bind" => self.bind = self.bind.or(Some(Reach::One)),
            "rbind" => self.bind = Some(Reach::Tree),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.mapped = self.mapped.or(Some(Reach::One)),
            "ridmap" => self.mapped = Some(Reach::Tree),
            option if EMPTY.contains(&option) => {}
            option => match option.strip_prefix('r').and_then(attribute) {
                Some((_, set, clear)) => {
                    change(&mut self.tree_set, &mut self.tree_clear, set, clear);
                }
                None => self.data.push(for_file_system(option)?),
            },
        }
        Ok(())
    }

    /// The value of one of the file system's options.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&CString> {
        let found = self
            .data
            .iter()
            .find(|(known, _)| known.as_bytes() == name.as_bytes());
        found.and_then(|(_, value)| value.as_ref())
    }
}

/// The later option wins over the earlier.
fn change(
    into_set: &mut Attributes,
    into_clear: &mut Attributes,
    set: Attributes,
    clear: Attributes,
) {
    *into_set = into_set.without(clear).and(set);
    *into_clear = into_clear
        .without(set.without(Attributes::ATIME_BITS))
        .and(clear);
}

fn for_file_system(option: &str) -> Result<(CString, Option<CString>), String> {
    let c = |text: &str| {
        CString::new(text).map_err(|_| format!("the mount option `{option:?}` holds a zero byte"))
    };
    Ok(match option.split_once('=') {
        Some((name, value)) => (c(name)?, Some(c(value)?)),
        None => (c(option)?, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[&str]) -> Options {
        let given: Vec<String> = given.iter().map(|option| (*option).to_owned()).collect();
        Options::read(&given, Some("tmpfs")).expect("options")
    }

    #[test]
    fn a_later_option_wins() {
        let options = read(&["ro", "nosuid", "rw"]);
        assert_eq!(options.set, Attributes::NO_SUID);
        assert_eq!(options.clear, Attributes::READ_ONLY);
        let options = read(&["rw", "ro"]);
        assert_eq!((options.set, options.clear), (Attributes::READ_ONLY, NONE));
    }

    #[test]
    fn access_times_replace_each_other() {
        let options = read(&["noatime", "strictatime"]);
        assert_eq!(options.set, Attributes::STRICT_ATIME);
        assert_eq!(options.clear, Attributes::ATIME_BITS);
        assert_eq!(read(&["noatime", "relatime"]).set, NONE);
    }

    #[test]
    fn an_r_reaches_the_whole_tree() {
        let options = read(&["rro", "rnosuid", "rexec"]);
        assert_eq!(
            options.tree_set,
            Attributes::READ_ONLY.and(Attributes::NO_SUID)
        );
        assert_eq!(options.tree_clear, Attributes::NO_EXEC);
        assert_eq!(options.set, NONE);
    }

    #[test]
    fn the_rest_is_the_file_systems() {
        let options = read(&["mode=755", "newinstance", "sync", "defaults"]);
        let names: Vec<_> = options
            .data
            .iter()
            .map(|(name, _)| name.to_str().unwrap())
            .collect();
        assert_eq!(names, ["mode", "newinstance", "sync"]);
        assert_eq!(options.value("mode").unwrap().to_str(), Ok("755"));
    }

    #[test]
    fn every_known_option_is_understood_and_none_is_left_to_a_file_system_by_mistake() {
        for option in known() {
            let read = read(&[&option]);
            let to_file_system = OF_FILE_SYSTEMS.contains(&option.as_str());
            assert_eq!(!read.data.is_empty(), to_file_system, "{option}");
        }
    }
}
