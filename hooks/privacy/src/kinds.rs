//! What was found in a call, kind by kind, as a decision takes it.

use nemoclaw_policy::Class;
use nemoclaw_policy::choose::{Found, Transform};

use crate::finding::Finding;
use crate::scan::Scanner;

/// The kinds of what was found in one call, in the order in which they were first found.
#[derive(Debug, Default)]
pub struct Kinds {
    found: Vec<Found>,
    seen: Vec<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    count: u64,
    /// One stands where nothing can take its place.
    fixed: bool,
}

impl Kinds {
    /// One more finding; `fixed` where nothing can take its place.
    pub fn add(&mut self, finding: &Finding, fixed: bool) {
        let at = self.index(finding).unwrap_or_else(|| {
            self.found.push(Found {
                detector: finding.detector.name().into(),
                class: finding.class,
            });
            self.seen.push(Seen::default());
            self.found.len() - 1
        });
        // A service's labels have one name and several classes.
        self.found[at].class = self.found[at].class.max(finding.class);
        self.seen[at].count += 1;
        self.seen[at].fixed |= fixed;
    }

    /// The name of the model that is asked for is the agent's word too: it goes to the log, and to a provider that lists no
    /// models. Whether anything stands in it.
    pub fn add_model(&mut self, name: &str, scanner: &Scanner) -> bool {
        let findings = scanner.scan(name);
        // Names of persons and places do stand in names of models.
        for finding in findings.iter().filter(|one| one.class >= Class::Secret) {
            self.add(finding, true);
        }
        !findings.is_empty()
    }

    /// Each kind.
    #[must_use]
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// Each kind, and how often it was found.
    pub fn counted(&self) -> impl Iterator<Item = (&Found, u64)> {
        self.found
            .iter()
            .zip(self.seen.iter().map(|seen| seen.count))
    }

    /// The kind of a finding.
    #[must_use]
    pub fn index(&self, finding: &Finding) -> Option<usize> {
        let name = finding.detector.name();
        self.found.iter().position(|found| &*found.detector == name)
    }

    /// A kind whose place something should take (`how`, in the order of [`Kinds::found`]), where nothing can.
    #[must_use]
    pub fn stuck(&self, how: &[Transform]) -> Option<&Found> {
        let kinds = self.found.iter().zip(&self.seen).zip(how);
        kinds
            .into_iter()
            .find(|((_, seen), how)| seen.fixed && **how != Transform::Keep)
            .map(|((found, _), _)| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Detector;
    use nemoclaw_policy::detector::named;

    fn finding(name: &str, class: Class) -> Finding {
        let known = named(name).expect("it ships");
        Finding {
            class,
            detector: Detector::BuiltIn(known),
            start: 0,
            end: 1,
        }
    }

    #[test]
    fn a_kind_has_the_highest_class_of_its_findings_and_their_number() {
        let mut kinds = Kinds::default();
        kinds.add(&finding("person_name", Class::Internal), false);
        kinds.add(&finding("email", Class::Personal), false);
        kinds.add(&finding("person_name", Class::Personal), false);
        let told: Vec<_> = kinds
            .counted()
            .map(|(found, count)| (&*found.detector, found.class, count))
            .collect();
        let names = [
            ("person_name", Class::Personal, 2),
            ("email", Class::Personal, 1),
        ];
        assert_eq!(told, names);
    }

    #[test]
    fn a_kind_is_stuck_where_it_should_go_and_one_of_it_cannot() {
        let mut kinds = Kinds::default();
        kinds.add(&finding("email", Class::Personal), true);
        kinds.add(&finding("email", Class::Personal), false);
        kinds.add(&finding("iban", Class::Regulated), false);
        use Transform::{Keep, Redact};
        assert_eq!(kinds.stuck(&[Keep, Redact]), None);
        assert_eq!(kinds.stuck(&[Redact, Redact]), Some(&kinds.found()[0]));
    }
}
