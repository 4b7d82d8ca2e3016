//! The node's provider entries and their secrets, as they are on disk and as they are in force.
//!
//! A file that cannot be used changes nothing; a secret that is gone is gone, since that is how an operator takes it away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nemoclaw_policy::Source;
use nemoclaw_policy::provider::{
    self, Provider, ProviderError, Providers, SecretError, SecretSource,
};

use super::watch::directories;
use crate::link::ToWorker;
use crate::secret::Secret;
use crate::worker::event::told;

/// Where systemd says that a unit's credentials lie.
const SYSTEMD: &str = "CREDENTIALS_DIRECTORY";

/// Why a provider has no secret. What is in its file is never told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum NoSecret {
    #[error("the credential of `{0}` is systemd's, which gave this router none")]
    NoSystemd(String),
    #[error("the provider `{provider}` has no credential")]
    Unread {
        provider: String,
        #[source]
        source: SecretError,
    },
}

impl NoSecret {
    /// Whether it is not there at all.
    fn is_gone(&self) -> bool {
        match self {
            NoSecret::NoSystemd(_) => true,
            NoSecret::Unread { source, .. } => source.is_gone(),
        }
    }
}

/// What is in force.
pub struct Held {
    path: PathBuf,
    systemd: Option<PathBuf>,
    source: Source,
    entries: Providers,
    secrets: BTreeMap<String, Secret>,
    faults: Vec<String>,
    /// Directories that are watched.
    pub watched: BTreeSet<PathBuf>,
}

impl Held {
    /// Nothing yet; `path` is the file with the entries.
    #[must_use]
    pub fn new(path: PathBuf) -> Held {
        Held {
            source: Source::text(path.display().to_string(), "version: 1\n"),
            path,
            systemd: std::env::var_os(SYSTEMD).map(PathBuf::from),
            entries: Providers::default(),
            secrets: BTreeMap::new(),
            faults: Vec::new(),
            watched: BTreeSet::new(),
        }
    }

    /// Look at the files. Whether something else is in force now.
    pub fn look(&mut self) -> bool {
        let (source, entries) = match provider::load(&self.path) {
            Ok(found) => found,
            Err(error) => {
                self.faults = vec![self.told(&error)];
                return false;
            }
        };
        let mut faults = Vec::new();
        let mut secrets = BTreeMap::new();
        for entry in &entries.entries {
            let Some(place) = &entry.secret else { continue };
            match self.secret(entry, place) {
                Ok(secret) => drop(secrets.insert(entry.name.to_string(), secret)),
                Err(error) => {
                    faults.push(told(&error));
                    if let Some(before) = self.still(entry, &error) {
                        secrets.insert(entry.name.to_string(), before);
                    }
                }
            }
        }
        self.faults = faults;
        let changed = source.text != self.source.text || secrets != self.secrets;
        (self.source, self.entries, self.secrets) = (source, entries, secrets);
        changed
    }

    fn told(&self, error: &ProviderError) -> String {
        format!("{}; those in force stay", told(error))
    }

    /// The secret of before, where the one on disk is faulty.
    fn still(&self, entry: &Provider, error: &NoSecret) -> Option<Secret> {
        let same = self
            .entries
            .named(&entry.name)
            .is_some_and(|before| before.secret == entry.secret);
        if error.is_gone() || !same {
            return None;
        }
        self.secrets.get(&*entry.name).cloned()
    }

    fn secret(&self, entry: &Provider, place: &SecretSource) -> Result<Secret, NoSecret> {
        let Some(path) = place.path(self.systemd.as_deref()) else {
            return Err(NoSecret::NoSystemd(entry.name.to_string()));
        };
        match provider::read_secret(&path) {
            Ok(text) => Ok(Secret::new(text)),
            Err(source) => Err(NoSecret::Unread {
                provider: entry.name.to_string(),
                source,
            }),
        }
    }

    /// What the worker is told.
    #[must_use]
    pub fn message(&self) -> ToWorker {
        ToWorker::Providers {
            name: self.source.name.clone(),
            text: self.source.text.to_string(),
            secrets: self.secrets.clone(),
        }
    }

    /// Names of the providers whose secrets are held.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.secrets.keys().cloned().collect()
    }

    /// Why what is on disk is not what is in force.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        (!self.faults.is_empty()).then(|| self.faults.join("; "))
    }

    /// Names to watch: the files, or what is there above those whose directory is not.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let secrets = self
            .entries
            .entries
            .iter()
            .filter_map(|entry| entry.secret.as_ref()?.path(self.systemd.as_deref()));
        std::iter::once(self.path.clone())
            .chain(secrets)
            .map(|file| watchable(&file))
            .collect()
    }

    /// The directories of all of them.
    #[must_use]
    pub fn directories(&self) -> BTreeSet<PathBuf> {
        self.files()
            .iter()
            .flat_map(|file| directories(file))
            .collect()
    }
}

/// `file`, or the first above it that lies in a directory that is there.
fn watchable(file: &Path) -> PathBuf {
    file.ancestors()
        .find(|path| path.parent().is_none_or(Path::is_dir))
        .unwrap_or(file)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Place(tempfile::TempDir);

    impl Place {
        fn write(&self, name: &str, text: &str, mode: u32) {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).expect("write");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        }

        fn entries(&self, names: &[&str]) {
            let mut text = "version: 1\nproviders:\n".to_owned();
            for name in names {
                let file = self.0.path().join(name);
                text.push_str(&format!(
                    "  {name}: {{ type: github, env: [{}], file: {} }}\n",
                    name.to_uppercase(),
                    file.display()
                ));
            }
            self.write("providers.yaml", &text, 0o600);
        }
    }

    fn place() -> Option<(Place, Held)> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let place = Place(tempfile::tempdir().expect("directory"));
        let held = Held::new(place.0.path().join("providers.yaml"));
        Some((place, held))
    }

    #[test]
    fn a_bad_file_changes_nothing_and_a_missing_one_takes_away() {
        let Some((place, mut held)) = place() else {
            return;
        };
        assert!(!held.look(), "nothing is there");
        place.entries(&["a", "b"]);
        place.write("a", "s3cret-one\n", 0o600);
        place.write("b", "s3cret-two\r\n", 0o400);
        assert!(held.look() && held.fault().is_none());
        assert_eq!(held.names(), ["a", "b"]);
        assert_eq!(held.secrets["b"].reveal(), "s3cret-two");
        assert!(!held.look(), "nothing has changed");

        place.write("a", "s3cret-new\n", 0o640);
        assert!(!held.look());
        assert!(held.fault().expect("a fault").contains("chmod 600"));
        for bad in ["", "a\r\nb: s3cret", "s3cret\u{7f}long", "x"] {
            place.write("a", bad, 0o600);
            assert!(!held.look(), "{bad:?}");
            let fault = held.fault().expect("a fault");
            assert!(!fault.contains("s3cret"), "{fault}");
        }
        assert_eq!(held.secrets["a"].reveal(), "s3cret-one");

        std::fs::remove_file(place.0.path().join("a")).expect("remove");
        assert!(held.look());
        assert_eq!(held.names(), ["b"]);

        place.write("providers.yaml", "version: 1\nproviders: [s3cret]\n", 0o600);
        assert!(!held.look());
        assert!(held.fault().expect("a fault").contains("providers.yaml:2:"));
        assert_eq!(held.names(), ["b"]);
        place.entries(&[]);
        place.write("providers.yaml", "version: 1\n", 0o600);
        assert!(held.look() && held.names().is_empty() && held.fault().is_none());
    }

    #[test]
    fn a_link_or_a_pipe_in_the_place_of_a_secret_is_not_read() {
        let Some((place, mut held)) = place() else {
            return;
        };
        place.entries(&["a"]);
        place.write("other", "s3cret-one\n", 0o600);
        let path = place.0.path().join("a");
        std::os::unix::fs::symlink(place.0.path().join("other"), &path).expect("link");
        held.look();
        assert!(held.names().is_empty());
        std::fs::remove_file(&path).expect("remove");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).expect("pipe");
        held.look();
        assert!(held.names().is_empty() && held.fault().is_some());
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_waited_for_above_it() {
        let root = tempfile::tempdir().expect("directory");
        let held = Held::new(root.path().join("etc/nemoclaw/providers.yaml"));
        assert_eq!(held.files(), [root.path().join("etc")]);
        std::fs::create_dir_all(root.path().join("etc/nemoclaw")).expect("directory");
        assert_eq!(
            held.files(),
            [root.path().join("etc/nemoclaw/providers.yaml")]
        );
    }
}
