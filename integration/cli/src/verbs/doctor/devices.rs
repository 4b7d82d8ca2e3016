//! The devices that boxes of this node can be given by name, as the runtime finds them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Check;
use crate::node::{ENVIRONMENT_RUNTIME, Node, binary};

/// The key of these checks.
const NAME: &str = "devices";
/// More names are counted and not shown.
const SHOWN: usize = 8;

/// What `nemoclaw-runtime devices` answers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Survey {
    directories: Vec<PathBuf>,
    devices: Vec<Device>,
    problems: Vec<String>,
}

/// A device.
#[derive(Debug, Serialize, Deserialize)]
struct Device {
    name: String,
    file: Option<PathBuf>,
    listed: bool,
    problem: Option<String>,
}

/// Asks the runtime.
pub fn survey(node: &Node) -> Result<Survey, String> {
    let runtime = binary("nemoclaw-runtime", ENVIRONMENT_RUNTIME).map_err(|e| e.to_string())?;
    let output = node
        .command(&runtime)
        .arg("devices")
        .output()
        .map_err(|error| format!("cannot run `{}`: {error}", runtime.display()))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!(
            "`{} devices` does not answer: {}",
            runtime.display(),
            said.trim()
        )
    })
}

/// One line for all devices, and one for each problem. None of them keeps sandboxes without devices from running.
pub fn checks(asked: &Result<Survey, String>) -> Vec<Check> {
    let survey = match asked {
        Ok(survey) => survey,
        Err(why) => return vec![Check::warning(NAME, why, "run `make install`")],
    };
    let mut checks = vec![Check::ok(NAME, survey.sentence())];
    let unusable = survey.devices.iter().filter_map(|device| {
        let why = device.problem.as_ref()?;
        Some(format!("`{}` cannot be given: {why}", device.name))
    });
    let problems = unusable.chain(survey.problems.iter().cloned());
    checks.extend(problems.map(|found| Check {
        help: None,
        ..Check::warning(NAME, found, "")
    }));
    checks
}

impl Survey {
    fn sentence(&self) -> String {
        let usable = self
            .devices
            .iter()
            .filter(|device| device.problem.is_none());
        let names: Vec<&str> = usable.map(|device| device.name.as_str()).collect();
        let more = match names.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        if names.is_empty() {
            let directories: Vec<String> = self
                .directories
                .iter()
                .map(|directory| format!("`{}`", directory.display()))
                .collect();
            return format!("none described in {}", directories.join(" or "));
        }
        format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::doctor::Level;

    fn survey(names: &[(&str, Option<&str>)]) -> Survey {
        let device = |(name, problem): &(&str, Option<&str>)| Device {
            name: (*name).to_owned(),
            file: None,
            listed: false,
            problem: problem.map(str::to_owned),
        };
        Survey {
            directories: vec!["/etc/cdi".into()],
            devices: names.iter().map(device).collect(),
            problems: vec!["the CDI file `/etc/cdi/x.yaml:3:1` is not used: …".to_owned()],
        }
    }

    #[test]
    fn each_problem_is_a_line_of_its_own() {
        let found = checks(&Ok(survey(&[
            ("v.com/d=0", None),
            ("v.com/d=1", Some("so")),
        ])));
        let texts: Vec<&str> = found.iter().map(|check| check.found.as_str()).collect();
        assert_eq!(texts[..2], ["v.com/d=0", "`v.com/d=1` cannot be given: so"]);
        assert!(texts[2].contains("x.yaml:3:1"));
        assert!(found[1..].iter().all(|check| check.level == Level::Warning));
    }

    #[test]
    fn many_devices_are_counted_and_none_is_said() {
        assert_eq!(survey(&[]).sentence(), "none described in `/etc/cdi`");
        let many = [("v.com/d=0", None); 10];
        assert!(survey(&many).sentence().ends_with("v.com/d=0 and 2 more"));
    }

    #[test]
    fn a_runtime_that_does_not_answer_is_a_warning() {
        let found = checks(&Err("it does not answer".to_owned()));
        assert_eq!((found.len(), found[0].level), (1, Level::Warning));
    }
}
