//! A service for named entities that an operator runs himself: what it is asked, and what its answer means.
//!
//! The service gets `{"text": "…"}` and answers `[{"label": "PERSON", "start": 0, "end": 5}]`, counted in characters (code
//! points), as services in Python count. The router sends and receives; here are only the two shapes. An answer that does not
//! fit the text is an error, not a finding less: the router then treats the text as not scanned.

use std::collections::BTreeMap;
use std::sync::Arc;

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::named;
use serde::{Deserialize, Serialize};

use crate::finding::{Detector, Finding};

/// So many entities may an answer have.
const MOST: usize = 100_000;

/// What the service is asked.
#[derive(Debug, Serialize)]
pub struct Question<'a> {
    /// The text.
    pub text: &'a str,
}

/// One entity of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entity {
    /// What it is: `PERSON`, `ORG`.
    pub label: String,
    /// Its first character.
    pub start: usize,
    /// Behind its last character.
    pub end: usize,
}

/// Why an answer cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It is no list of entities.
    #[error(
        "the entity service `{service}` answered something else than a list of label, start and end"
    )]
    Shape {
        /// The service.
        service: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An entity lies outside the text.
    #[error(
        "the entity service `{service}` found something from {start} to {end} in a text of {characters} characters"
    )]
    Outside {
        /// The service.
        service: String,
        /// Its first character.
        start: usize,
        /// Behind its last.
        end: usize,
        /// What the text has.
        characters: usize,
    },
    /// Too many entities.
    #[error("the entity service `{service}` found more than {MOST} things in one text")]
    TooMany {
        /// The service.
        service: String,
    },
}

/// A service, by its name in the policy.
#[derive(Debug, Clone)]
pub struct Service {
    name: Arc<str>,
    labels: BTreeMap<String, Class>,
}

impl Service {
    /// A service whose labels have these classes. Those for persons (`PERSON`, `PER`) and organisations (`ORG`,
    /// `ORGANIZATION`) are known without; a label that is neither known nor named here says nothing about privacy (`CARDINAL`)
    /// and is left out.
    #[must_use]
    pub fn new(name: &str, labels: BTreeMap<String, Class>) -> Service {
        Service {
            name: Arc::from(name),
            labels,
        }
    }

    /// Turns the body of its answer into findings in `text`.
    ///
    /// # Errors
    /// It is no list of entities, or one lies outside the text.
    pub fn findings(&self, text: &str, answer: &[u8]) -> Result<Vec<Finding>, AnswerError> {
        let mut entities: Vec<Entity> =
            serde_json::from_slice(answer).map_err(|source| AnswerError::Shape {
                service: self.name.to_string(),
                source,
            })?;
        if entities.len() > MOST {
            return Err(AnswerError::TooMany {
                service: self.name.to_string(),
            });
        }
        let characters = text.chars().count();
        if let Some(entity) = entities
            .iter()
            .find(|entity| entity.start >= entity.end || entity.end > characters)
        {
            return Err(AnswerError::Outside {
                service: self.name.to_string(),
                start: entity.start,
                end: entity.end,
                characters,
            });
        }
        entities.sort_by_key(|entity| entity.start);
        let offsets = offsets(text, &entities);
        Ok(entities
            .iter()
            .filter_map(|entity| {
                let (class, detector) = self.meaning(&entity.label)?;
                Some(Finding {
                    class,
                    detector,
                    start: *offsets.get(&entity.start)?,
                    end: *offsets.get(&entity.end)?,
                })
            })
            .collect())
    }

    /// The class and the detector of a label.
    fn meaning(&self, label: &str) -> Option<(Class, Detector)> {
        let known = match label {
            "PERSON" | "PER" => named("person_name"),
            "ORG" | "ORGANIZATION" => named("organisation"),
            _ => None,
        };
        let detector =
            known.map_or_else(|| Detector::Own(Arc::clone(&self.name)), Detector::BuiltIn);
        let class = self
            .labels
            .get(label)
            .copied()
            .or(known.map(|known| known.class))?;
        Some((class, detector))
    }
}

/// The bytes at which the characters that entities begin or end with stand.
fn offsets(text: &str, entities: &[Entity]) -> BTreeMap<usize, usize> {
    let mut wanted: BTreeMap<usize, usize> = entities
        .iter()
        .flat_map(|entity| [(entity.start, 0), (entity.end, 0)])
        .collect();
    let mut places = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .enumerate();
    for (character, byte) in &mut wanted {
        if let Some((_, at)) = places.by_ref().find(|(index, _)| index == character) {
            *byte = at;
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service::new(
            "spacy",
            BTreeMap::from([("GPE".to_owned(), Class::Internal)]),
        )
    }

    #[test]
    fn characters_become_bytes_and_labels_become_detectors() {
        let text = "Zoë Müller fährt nach Köln";
        let answer = br#"[{"label":"GPE","start":22,"end":26},{"label":"PERSON","start":0,"end":10,"score":0.9},{"label":"CARDINAL","start":0,"end":1}]"#;
        let found = service().findings(text, answer).unwrap();
        let told: Vec<(&str, &str, Class)> = found
            .iter()
            .map(|one| (one.detector.name(), &text[one.start..one.end], one.class))
            .collect();
        assert_eq!(
            told,
            [
                ("person_name", "Zoë Müller", Class::Personal),
                ("spacy", "Köln", Class::Internal)
            ]
        );
    }

    #[test]
    fn the_question_is_the_text() {
        assert_eq!(
            serde_json::to_string(&Question { text: "a\"b" }).unwrap(),
            r#"{"text":"a\"b"}"#
        );
    }

    #[test]
    fn an_answer_that_does_not_fit_the_text_is_an_error_that_names_the_service() {
        let outside = service()
            .findings("abc", br#"[{"label":"PER","start":1,"end":4}]"#)
            .unwrap_err();
        assert_eq!(
            outside.to_string(),
            "the entity service `spacy` found something from 1 to 4 in a text of 3 characters"
        );
        let turned = service()
            .findings("abc", br#"[{"label":"PER","start":2,"end":2}]"#)
            .unwrap_err();
        assert!(turned.to_string().contains("from 2 to 2"), "{turned}");
        let shape = service()
            .findings("abc", br#"{"error":"busy"}"#)
            .unwrap_err();
        assert!(
            shape
                .to_string()
                .starts_with("the entity service `spacy` answered something else"),
            "{shape}"
        );
    }
}
