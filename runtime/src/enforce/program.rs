//! Finding and running the program, with the words that engines turn into exit codes 126 and 127.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access, execve};
use oci_spec::runtime::Process;

/// Where programs are looked for when the process has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program cannot be run. The words are those that Docker and containerd look for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// No arguments at all.
    #[error("the process has no arguments, so there is no program to run")]
    None,
    /// Not in any directory of `PATH`.
    #[error("exec: \"{0}\": executable file not found in $PATH")]
    NotFound(String),
    /// The kernel's word.
    #[error("exec: \"{name}\": {}", words(*.errno))]
    Refused {
        /// The name as given.
        name: String,
        /// The kernel's error.
        errno: Errno,
    },
    /// An argument or variable that C cannot hold.
    #[error("an argument or variable of the process holds a zero byte")]
    ZeroByte,
}

fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT => "no such file or directory",
        Errno::EACCES | Errno::EPERM => "permission denied",
        Errno::EISDIR => "is a directory",
        Errno::ENOEXEC => "exec format error",
        Errno::ENOTDIR => "not a directory",
        other => other.desc(),
    }
}

/// Find the program that `process` names, as its user and in its working directory.
///
/// # Errors
/// There is none, or it may not be run.
pub fn find(process: &Process) -> Result<PathBuf, ProgramError> {
    let name = process
        .args()
        .as_ref()
        .and_then(|args| args.first())
        .ok_or(ProgramError::None)?;
    if name.contains('/') {
        let path = PathBuf::from(name);
        return check(&path)
            .map(|()| path)
            .map_err(|errno| ProgramError::Refused {
                name: name.clone(),
                errno,
            });
    }
    let variables = process.env().as_deref().unwrap_or_default();
    let search = variables
        .iter()
        .rev()
        .find_map(|entry| entry.strip_prefix("PATH="))
        .unwrap_or(DEFAULT_PATH);
    let mut refused = None;
    for directory in search.split(':') {
        let path = Path::new(if directory.is_empty() { "." } else { directory }).join(name);
        match check(&path) {
            Ok(()) => return Ok(path),
            Err(Errno::EACCES) => refused = Some(Errno::EACCES),
            Err(_) => {}
        }
    }
    match refused {
        Some(errno) if !name.is_empty() => Err(ProgramError::Refused {
            name: name.clone(),
            errno,
        }),
        _ => Err(ProgramError::NotFound(name.clone())),
    }
}

fn check(path: &Path) -> Result<(), Errno> {
    let metadata = nix::sys::stat::stat(path)?;
    if metadata.st_mode & libc::S_IFMT == libc::S_IFDIR {
        return Err(Errno::EISDIR);
    }
    access(path, AccessFlags::X_OK)
}

/// What execve needs, made before the filters are on.
#[derive(Debug)]
pub struct Ready {
    name: String,
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Ready {
    /// Find the program and turn everything into C strings; of `extra`, the variables that the process does not name.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn new(process: &Process, extra: &[(String, String)]) -> Result<Ready, ProgramError> {
        let path = find(process)?;
        let c = |text: &[u8]| CString::new(text).map_err(|_| ProgramError::ZeroByte);
        let given = process.args().as_deref().unwrap_or_default();
        let arguments = given
            .iter()
            .map(|text| c(text.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        let variables = process.env().as_deref().unwrap_or_default();
        let named = |name: &str| {
            variables
                .iter()
                .any(|entry| entry.split('=').next() == Some(name))
        };
        let missing = extra
            .iter()
            .filter(|(name, _)| !named(name))
            .map(|(name, value)| format!("{name}={value}"));
        let all = variables.iter().cloned().chain(missing);
        let environment = all
            .map(|text| c(text.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        let name = given.first().cloned().unwrap_or_default();
        Ok(Ready {
            name,
            path: c(path.as_os_str().as_bytes())?,
            arguments,
            environment,
        })
    }

    /// Become the program.
    pub fn run(&self) -> ProgramError {
        match execve(&self.path, &self.arguments, &self.environment) {
            Ok(never) => match never {},
            Err(errno) => ProgramError::Refused {
                name: self.name.clone(),
                errno,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(json: &str) -> Process {
        serde_json::from_str(json).expect("process")
    }

    #[test]
    fn a_missing_program_is_told_in_the_words_that_give_exit_code_127() {
        let process = process(
            r#"{"cwd":"/","user":{"uid":0,"gid":0},"args":["no-such-program"],"env":["PATH=/bin"]}"#,
        );
        let error = find(&process).expect_err("missing").to_string();
        assert_eq!(
            error,
            "exec: \"no-such-program\": executable file not found in $PATH"
        );
    }

    #[test]
    fn a_file_without_execute_permission_is_told_in_the_words_that_give_exit_code_126() {
        let process = process(r#"{"cwd":"/","user":{"uid":0,"gid":0},"args":["/etc/passwd"]}"#);
        assert_eq!(
            find(&process).expect_err("refused").to_string(),
            "exec: \"/etc/passwd\": permission denied"
        );
    }

    #[test]
    fn a_directory_is_no_program() {
        let process = process(r#"{"cwd":"/","user":{"uid":0,"gid":0},"args":["/tmp"]}"#);
        assert_eq!(
            find(&process).expect_err("refused").to_string(),
            "exec: \"/tmp\": is a directory"
        );
    }

    #[test]
    fn the_search_follows_the_process_and_not_the_runtime() {
        let process = process(
            r#"{"cwd":"/","user":{"uid":0,"gid":0},"args":["sh"],"env":["PATH=/nowhere:/bin"]}"#,
        );
        assert_eq!(find(&process).expect("found"), Path::new("/bin/sh"));
    }
}
