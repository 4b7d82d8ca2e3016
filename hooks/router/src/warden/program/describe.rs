//! From a process to its program: executable, script, ancestors, each held against the hash that was first seen.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

use super::handle::{FileId, Handle};
use super::interpreter::{self, FirstLine, Runs};
use super::pins::{Hash, NoHash, NoPin, Pins, digits, text};
use super::root::{Found, Root};
use super::territory::Territory;
use crate::limits;
use crate::link::{Program, Unknown};

/// What the kernel appends to the path of a file that was removed.
const REMOVED: &[u8] = b" (deleted)";
/// Of a script's first line this much is looked at, as the kernel does.
const FIRST_LINE: u64 = 256;
/// Directories in which a command that a title names is looked for.
const PLACES: usize = 32;
/// How often a process that becomes another program while it is looked at is looked at again.
const TRIES: usize = 3;

/// One process without its ancestors.
struct Described {
    executable: Vec<u8>,
    hash: Hash,
    scripts: Vec<Vec<u8>>,
    module: Option<String>,
    changed: Vec<Vec<u8>>,
}

/// Describes processes of one sandbox within one search.
pub struct Describer<'a> {
    pins: &'a mut Pins,
    territory: &'a Territory,
    init: Root,
    seen: HashMap<i32, Result<Rc<Described>, Unknown>>,
}

impl<'a> Describer<'a> {
    /// For the sandbox whose first process is `init`.
    ///
    /// # Errors
    /// It has ended.
    pub fn new(
        pins: &'a mut Pins,
        territory: &'a Territory,
        init: &Handle,
    ) -> io::Result<Describer<'a>> {
        Ok(Describer {
            pins,
            territory,
            init: Root::of(init, Vec::new())?,
            seen: HashMap::new(),
        })
    }

    /// The program of `process`, which owns a socket of the user `uid`.
    ///
    /// # Errors
    /// It ended, is not what was first seen, or cannot be told.
    pub fn program(&mut self, process: &Handle, uid: u32) -> Result<Program, Unknown> {
        let above = self.above(process)?;
        let root = self.root(above.last().unwrap_or(process))?;
        let own = self.describe(process, root.as_ref())?;
        let mut ancestors = Vec::new();
        let mut changed = own.changed.clone();
        for ancestor in &above {
            match self.describe(ancestor, root.as_ref()) {
                Ok(found) => {
                    ancestors.push(text(&found.executable));
                    ancestors.extend(found.scripts.iter().map(|path| text(path)));
                    changed.extend(found.changed.iter().cloned());
                }
                Err(Unknown::Changed(path)) => changed.push(path.into_bytes()),
                // One that ended meanwhile, or that cannot be told, lends its name to nobody.
                Err(_) => {}
            }
        }
        Ok(Program {
            pid: process.pid,
            uid,
            exe: text(&own.executable),
            sha256: digits(&own.hash),
            scripts: own.scripts.iter().map(|path| text(path)).collect(),
            module: own.module.clone(),
            ancestors,
            changed: changed.iter().map(|path| text(path)).collect(),
        })
    }

    /// The ancestors inside the sandbox, the nearest first.
    fn above(&self, process: &Handle) -> Result<Vec<Handle>, Unknown> {
        let mut above: Vec<Handle> = Vec::new();
        loop {
            let child = above.last().unwrap_or(process);
            let Some(parent) = self.parent(child) else {
                return Ok(above);
            };
            if above.len() >= limits::PROGRAM_PROCESSES {
                return Err(Unknown::TooManyProcesses);
            }
            above.push(parent);
        }
    }

    fn parent(&self, child: &Handle) -> Option<Handle> {
        let pid = child.parent().ok().filter(|pid| *pid > 0)?;
        let parent = Handle::open(pid).ok()?;
        // Still its parent, so that the number meant that process all the while.
        let same = child.parent().ok()? == pid;
        (same && self.territory.holds(&parent)).then_some(parent)
    }

    /// The tree in which the paths of a process below `top` are told; `None` is the first process's.
    fn root(&self, top: &Handle) -> Result<Option<Root>, Unknown> {
        if self.init.shared_with(top) {
            return Ok(None);
        }
        // Another container of a pod, with files of its own; its control group is named after it.
        let name = top.read("cgroup").map_err(ended)?;
        Root::of(top, name).map(Some).map_err(ended)
    }

    fn describe(
        &mut self,
        process: &Handle,
        root: Option<&Root>,
    ) -> Result<Rc<Described>, Unknown> {
        if let Some(seen) = self.seen.get(&process.pid) {
            return seen.clone();
        }
        let mut found = Err(Unknown::NoHolder);
        for _ in 0..TRIES {
            let root = root.unwrap_or(&self.init);
            let before = process.behind("exe").map_err(ended)?;
            found = Looking {
                pins: self.pins,
                process,
                root,
            }
            .describe()
            .map(Rc::new);
            if process.behind("exe").is_ok_and(|after| after == before) {
                break;
            }
            found = Err(Unknown::NoHolder);
        }
        self.seen.insert(process.pid, found.clone());
        found
    }
}

fn ended(_: io::Error) -> Unknown {
    Unknown::NoHolder
}

/// One look at one process.
struct Looking<'a> {
    pins: &'a mut Pins,
    process: &'a Handle,
    root: &'a Root,
}

impl Looking<'_> {
    fn describe(&mut self) -> Result<Described, Unknown> {
        let (executable, hash) = self.executable()?;
        let mut described = Described {
            executable,
            hash,
            scripts: Vec::new(),
            module: None,
            changed: Vec::new(),
        };
        let words = self.process.words("cmdline").map_err(ended)?;
        // A process that sees other mounts means other files by the same names.
        if !self.root.shared_with(self.process) {
            return Ok(described);
        }
        match interpreter::runs(&described.executable, &words) {
            Runs::Script(named, first_line) => {
                if let Some(path) = self.absolute(&named) {
                    self.script(&path, first_line, &mut described);
                }
            }
            Runs::Titled(names) => self.titled(&names, &mut described),
            Runs::Module(name) => described.module = Some(name),
            Runs::Nothing => {}
        }
        Ok(described)
    }

    fn executable(&mut self) -> Result<(Vec<u8>, Hash), Unknown> {
        let link = self.process.link("exe").map_err(ended)?;
        let file = self.process.executable().map_err(ended)?;
        let runs = self.process.behind("exe").map_err(ended)?;
        let elsewhere = |path: &[u8]| Unknown::Elsewhere(text(path));
        let path = self.root.inside(&link).ok_or_else(|| elsewhere(&link))?;
        if self.leads_to(&path, runs) {
            let hash = self.hash(&file, &path)?;
            return match self.pins.pin(self.root.key(&path), hash) {
                Ok(()) => Ok((path, hash)),
                Err(NoPin::Changed) => Err(Unknown::Changed(text(&path))),
                Err(NoPin::Full) => Err(Unknown::TooManyPrograms),
            };
        }
        // Removed, replaced, or hidden: it counts as what it was if that is known.
        let path = path.strip_suffix(REMOVED).unwrap_or(&path).to_vec();
        let first = self.pins.first(&self.root.key(&path));
        let first = first.ok_or_else(|| elsewhere(&path))?;
        match self.hash(&file, &path)? == first {
            true => Ok((path, first)),
            false => Err(elsewhere(&path)),
        }
    }

    fn hash(&mut self, file: &File, path: &[u8]) -> Result<Hash, Unknown> {
        let hash = self.pins.hash(file, limits::PROGRAM_BYTES);
        hash.map_err(|why| match why {
            NoHash::TooLarge => Unknown::TooLarge(text(path)),
            NoHash::Unreadable(error) => Unknown::System(format!("`{}`: {error}", text(path))),
        })
    }

    fn leads_to(&self, path: &[u8], file: FileId) -> bool {
        let found = self.root.find(path);
        found.is_ok_and(|found| FileId::from(&found.stat) == file)
    }

    /// A path of the process's own as one in the tree.
    fn absolute(&self, named: &[u8]) -> Option<Vec<u8>> {
        let begin = match named.first()? {
            b'/' => "root",
            _ => "cwd",
        };
        let mut path = self.root.inside(&self.process.link(begin).ok()?)?;
        path.push(b'/');
        path.extend(named);
        Some(path)
    }

    /// Add the script at `path`, under its name and under its place.
    fn script(&mut self, path: &[u8], first_line: FirstLine, described: &mut Described) -> bool {
        let Ok(found) = self.root.find(path) else {
            return false;
        };
        let (Ok(place), Ok(file)) = (self.root.place(&found), found.open()) else {
            return false;
        };
        if !self.interprets(&found, first_line, &described.executable) {
            return false;
        }
        let Ok(hash) = self.pins.hash(&file, limits::SCRIPT_BYTES) else {
            return false;
        };
        let mut names: Vec<Vec<u8>> = tidy(path).into_iter().collect();
        if !names.contains(&place) {
            names.push(place);
        }
        for name in names {
            match self.pins.pin(self.root.key(&name), hash) {
                Ok(()) => described.scripts.push(name),
                Err(_) => described.changed.push(name),
            }
        }
        true
    }

    /// Whether a script's first line asks for this executable.
    fn interprets(&self, script: &Found, first_line: FirstLine, executable: &[u8]) -> bool {
        let mut head = Vec::new();
        let read = script
            .open()
            .and_then(|file| file.take(FIRST_LINE).read_to_end(&mut head));
        if read.is_err() {
            return false;
        }
        let Some(interpreter) = interpreter::shebang(&head) else {
            return first_line == FirstLine::MayBeMissing;
        };
        let name = interpreter::name_of(interpreter.as_bytes());
        interpreter::same(&name, &interpreter::name_of(executable))
            || self
                .process
                .behind("exe")
                .is_ok_and(|file| self.leads_to(interpreter.as_bytes(), file))
    }

    /// Add the script behind a title: a command of that name where the process looks for commands.
    fn titled(&mut self, names: &[String], described: &mut Described) {
        let own = described.executable.rsplitn(2, |byte| *byte == b'/').nth(1);
        let mut places: Vec<Vec<u8>> = own.map(<[u8]>::to_vec).into_iter().collect();
        let variables = self.process.words("environ").unwrap_or_default();
        let search = variables
            .iter()
            .find_map(|word| word.strip_prefix(b"PATH="));
        let listed = search.unwrap_or_default().split(|byte| *byte == b':');
        places.extend(
            listed
                .filter(|place| place.starts_with(b"/"))
                .filter_map(|place| self.absolute(place))
                .take(PLACES),
        );
        for name in names {
            for place in &places {
                let path = [place.as_slice(), b"/", name.as_bytes()].concat();
                if self.script(&path, FirstLine::Needed, described) {
                    return;
                }
            }
        }
    }
}

/// A path without empty parts and single points; `None` where it goes up, which only the file tree can tell.
fn tidy(path: &[u8]) -> Option<Vec<u8>> {
    let mut tidy = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            part => {
                tidy.push(b'/');
                tidy.extend(part);
            }
        }
    }
    Some(tidy)
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn a_named_path_is_tidied_but_never_guessed() {
        assert_eq!(
            tidy(b"//usr/./bin//npm").as_deref(),
            Some(&b"/usr/bin/npm"[..])
        );
        assert_eq!(tidy(b"/sandbox/link/../npm"), None);
    }
}
