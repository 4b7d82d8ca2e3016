//! The scanner that policies ask for, as the router makes it, with what the node's configuration has now.

use nemoclaw_policy::node::PrivacyConfig;
use nemoclaw_policy::policy::Policy;
use nemoclaw_privacy::own::Own;
use nemoclaw_privacy::{Scanner, Setup, Unwanted};

use crate::fault::Fault;

/// What finds all that ships.
pub fn usual() -> Result<Scanner, Fault> {
    made(&Setup::default())
}

/// What finds all that some layer of the policy looks for; where none says anything of privacy, what finds all that ships.
pub fn of(policy: &Policy, own: &PrivacyConfig) -> Result<Scanner, Fault> {
    let setup =
        Setup::of(policy, |name| Own::read(name, own)).map_err(|unwanted| match unwanted {
            Unwanted::Own(error) => {
                Fault::new("the policy names what cannot be looked for").because(error)
            }
            Unwanted::Pattern(at, error) => {
                Fault::new(format!("a pattern cannot be searched for ({at})")).because(error)
            }
        })?;
    made(&setup)
}

fn made(setup: &Setup) -> Result<Scanner, Fault> {
    Scanner::new(setup).map_err(|error| Fault::new("the detectors cannot be set up").because(error))
}
