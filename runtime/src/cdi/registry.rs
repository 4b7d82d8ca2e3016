//! Every CDI file of a node: who describes which device.
//!
//! A later directory goes before an earlier one. A file with a fault describes nothing; what it is then missing for says
//! so. Two files of one directory that describe the same device are a conflict for whoever asks for it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nemoclaw_policy::device::DeviceName;

use super::file::{self, CdiFile};
use super::spec::Device;
use super::{CdiError, FileFault};

/// The files, by directory, the strongest first.
#[derive(Debug, Default)]
pub struct Registry {
    dirs: Vec<PathBuf>,
    files: Vec<Vec<CdiFile>>,
    /// The files that are not used, and why.
    pub faults: Vec<FileFault>,
}

/// A device and the file that describes it.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// The file.
    pub file: &'a CdiFile,
    /// The device in it.
    pub device: &'a Device,
}

impl Registry {
    /// Reads the `.json` and `.yaml` files of `dirs`; a directory that is not there holds none.
    pub fn load(dirs: &[PathBuf]) -> Registry {
        let mut registry = Registry {
            dirs: dirs.to_vec(),
            ..Registry::default()
        };
        for dir in dirs.iter().rev() {
            let mut files = Vec::new();
            for path in registry.paths(dir) {
                match file::read(&path) {
                    Ok(file) => files.push(file),
                    Err(fault) => registry.faults.push(fault),
                }
            }
            registry.files.push(files);
        }
        registry
    }

    /// Sorted, so that the same files give the same sentences.
    fn paths(&mut self, dir: &Path) -> Vec<PathBuf> {
        let listed: io::Result<Vec<PathBuf>> = fs::read_dir(dir)
            .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect());
        match listed {
            Ok(mut paths) => {
                let ends = |path: &PathBuf| {
                    let extension = path.extension().and_then(|extension| extension.to_str());
                    matches!(extension, Some("json" | "yaml"))
                };
                paths.retain(ends);
                paths.sort();
                paths
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                self.faults.push(FileFault::Read {
                    path: dir.to_path_buf(),
                    source,
                });
                Vec::new()
            }
        }
    }

    /// The device `name`, from the strongest directory that describes it.
    ///
    /// # Errors
    /// No file does, or two of the same directory.
    pub fn find(&self, name: &DeviceName) -> Result<Described<'_>, CdiError> {
        for files in &self.files {
            let mut found = files.iter().filter_map(|file| described(file, name));
            match (found.next(), found.next()) {
                (Some(first), Some(second)) => {
                    return Err(CdiError::Conflict {
                        name: name.clone(),
                        first: first.file.path.clone(),
                        second: second.file.path.clone(),
                    });
                }
                (Some(only), None) => return Ok(only),
                (None, _) => {}
            }
        }
        Err(CdiError::Unknown {
            name: name.clone(),
            dirs: self.dirs.clone(),
            faults: self.faults.iter().map(ToString::to_string).collect(),
        })
    }
}

impl Registry {
    /// Every device that is described without a conflict, by name.
    pub fn devices(&self) -> Vec<(DeviceName, Described<'_>)> {
        let found = self.names().into_iter().filter_map(|name| {
            let described = self.find(&name).ok()?;
            Some((name, described))
        });
        found.collect()
    }

    /// The name of every device that some file describes.
    pub fn names(&self) -> BTreeSet<DeviceName> {
        let files = self.files.iter().flatten();
        let named = files.flat_map(|file| {
            let names = file.spec.devices.iter().map(|device| device.name.clone());
            names.map(|name| DeviceName {
                kind: file.spec.kind.clone(),
                name,
            })
        });
        named.collect()
    }
}

fn described<'a>(file: &'a CdiFile, name: &DeviceName) -> Option<Described<'a>> {
    let device = file
        .spec
        .devices
        .iter()
        .find(|device| device.name == name.name)?;
    (file.spec.kind == name.kind).then_some(Described { file, device })
}
