//! Processes by pid and start time, so that a number used again is never taken for the old process.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Pid, as this machine sees it.
    pub pid: i32,
    /// Start time in clock ticks since boot.
    pub started: u64,
}

impl Process {
    /// The process with this pid now.
    pub fn of(pid: i32) -> std::io::Result<Self> {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))?;
        let fault = || {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "/proc/PID/stat has another shape",
            )
        };
        let (_, started) = parse_stat(&stat).ok_or_else(fault)?;
        Ok(Self { pid, started })
    }

    /// Whether it is there and no zombie.
    pub fn is_alive(self) -> bool {
        let path = Path::new("/proc").join(self.pid.to_string()).join("stat");
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        parse_stat(&stat)
            .is_some_and(|(state, started)| started == self.started && !matches!(state, 'Z' | 'X'))
    }
}

/// State and start time. The name in parentheses may hold anything, so fields count from the last `)`.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Start time is field 22; the state is field 3.
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_another_process() {
        let own = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        assert!(
            !Process {
                started: own.started + 1,
                ..own
            }
            .is_alive()
        );
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_misleads_nobody() {
        let stat = "7 (a) Z 1 (b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 0 0";
        assert_eq!(parse_stat(stat), Some(('S', 12345)));
        assert_eq!(parse_stat(""), None);
    }
}
