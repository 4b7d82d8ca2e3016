//! What holds for a living process now, read from the kernel and not from our own records.

use serde::Serialize;

pub mod limits;

/// The walls of one process, as `/proc/PID/status` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Walls {
    /// A seccomp filter is loaded.
    pub seccomp: bool,
    /// No new privileges.
    pub no_new_privileges: bool,
    /// Capability sets that are not empty, by name.
    pub capabilities: Vec<String>,
}

impl Walls {
    /// Read them; `None` when the process is gone.
    pub fn of(pid: i32) -> Option<Self> {
        std::fs::read_to_string(format!("/proc/{pid}/status"))
            .ok()
            .map(|text| Self::parse(&text))
    }

    fn parse(status: &str) -> Self {
        let value = |key: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.map(str::trim).unwrap_or_default()
        };
        let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
        let held = sets
            .into_iter()
            .filter(|set| value(set).chars().any(|digit| digit != '0'));
        Self {
            seccomp: value("Seccomp") == "2",
            no_new_privileges: value("NoNewPrivs") == "1",
            capabilities: held.map(str::to_owned).collect(),
        }
    }

    /// What is missing, one phrase each.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if !self.seccomp {
            gaps.push("no seccomp filter is loaded".to_owned());
        }
        if !self.no_new_privileges {
            gaps.push("no_new_privs is not set".to_owned());
        }
        if !self.capabilities.is_empty() {
            gaps.push(format!(
                "capabilities are held ({})",
                self.capabilities.join(", ")
            ));
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::Walls;

    #[test]
    fn an_open_process_has_every_gap_and_a_confined_one_none() {
        let open =
            Walls::parse("CapEff:\t000001ff\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t2\n");
        assert_eq!(open.gaps().len(), 3, "{open:?}");
        let zero = "0000000000000000";
        let shut = format!("CapInh:\t{zero}\nCapEff:\t{zero}\nNoNewPrivs:\t1\nSeccomp:\t2\n");
        assert!(Walls::parse(&shut).gaps().is_empty());
    }
}
