//! What the node knows of its own secrets: word lists, sets of documents, and services that find names. A policy names
//! them (`privacy.lists`, `privacy.ner`); their contents never stand in one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::absolute;
use crate::class::Class;
use crate::detector;
use crate::provider::BaseUrl;
use crate::source::Diagnostic;
use crate::yaml::View;

type Fault = Box<Diagnostic>;

/// Most lists and document sets together, and most services: each costs memory or a call.
const MAX_ENTRIES: usize = 64;
/// Most labels of a service.
const MAX_LABELS: usize = 128;
/// How long a service may take for one text, where its entry does not say.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The longest that an entry may say, seconds: the agent waits.
const MAX_SECONDS: u32 = 60;

/// `privacy`, by the names that policies use. No name is in both `lists` and `documents`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PrivacyConfig {
    /// `lists`.
    pub lists: BTreeMap<String, WordList>,
    /// `documents`.
    pub documents: BTreeMap<String, DocumentSet>,
    /// `ner`.
    pub ner: BTreeMap<String, NerService>,
}

/// One of `privacy.lists`: words and phrases that are sensitive as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordList {
    /// `file`: one word or phrase a line; lines that begin with `#` are comments.
    pub file: PathBuf,
    /// `class` of each.
    pub class: Class,
    /// `ignore_case`; `false` when omitted.
    pub ignore_case: bool,
}

/// One of `privacy.documents`: files whose passages are known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSet {
    /// `directory`, with all below it.
    pub directory: PathBuf,
    /// `class` of a passage.
    pub class: Class,
}

/// One of `privacy.ner`: a service on this machine that finds named entities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NerService {
    /// `url`: where texts are sent; the path is used as it is.
    pub url: BaseUrl,
    /// `timeout` for one text; a service that is late makes the request fail.
    pub timeout: Duration,
    /// `labels`: classes of its own labels, beside those for persons and organisations.
    pub labels: BTreeMap<String, Class>,
}

impl PrivacyConfig {
    /// Whether a policy's `privacy.lists` may name it.
    #[must_use]
    pub fn knows_list(&self, name: &str) -> bool {
        self.lists.contains_key(name) || self.documents.contains_key(name)
    }
}

/// Reads the key's value.
pub(super) fn read(view: &View<'_>) -> Result<PrivacyConfig, Fault> {
    let fields = view.fields(&["lists", "documents", "ner"], &[])?;
    let config = PrivacyConfig {
        lists: fields
            .get("lists")
            .map_or(Ok(BTreeMap::new()), |view| entries(&view, list))?,
        documents: fields
            .get("documents")
            .map_or(Ok(BTreeMap::new()), |view| entries(&view, documents))?,
        ner: fields
            .get("ner")
            .map_or(Ok(BTreeMap::new()), |view| entries(&view, service))?,
    };
    if let Some(view) = fields.get("documents") {
        for (key, view) in view.entries()? {
            if config.lists.contains_key(&key.text) {
                return Err(view.fault(format!(
                    "`{}` is a list already: policies could not tell them apart",
                    key.text
                )));
            }
        }
    }
    Ok(config)
}

fn entries<T>(
    view: &View<'_>,
    read: impl Fn(&View<'_>) -> Result<T, Fault>,
) -> Result<BTreeMap<String, T>, Fault> {
    let entries = view.entries()?;
    if entries.len() > MAX_ENTRIES {
        return Err(view.fault(format!(
            "`{}` has more than {MAX_ENTRIES} entries",
            view.name
        )));
    }
    entries
        .iter()
        .map(|(key, view)| {
            let name = &key.text;
            if !crate::policy::is_provider_name(name) || detector::named(name).is_some() {
                return Err(view.fault(format!(
                    "`{name}` is no name here: letters, digits, `-` and `_`, at most 64, and none of a detector that ships"
                )));
            }
            Ok((name.clone(), read(view)?))
        })
        .collect()
}

fn list(view: &View<'_>) -> Result<WordList, Fault> {
    let fields = view.fields(&["file", "class", "ignore_case"], &[])?;
    Ok(WordList {
        file: absolute(&fields.need("file")?)?,
        class: fields.need("class")?.word(&Class::words())?,
        ignore_case: fields
            .get("ignore_case")
            .map_or(Ok(false), |view| view.boolean())?,
    })
}

fn documents(view: &View<'_>) -> Result<DocumentSet, Fault> {
    let fields = view.fields(&["directory", "class"], &[])?;
    Ok(DocumentSet {
        directory: absolute(&fields.need("directory")?)?,
        class: fields.need("class")?.word(&Class::words())?,
    })
}

fn service(view: &View<'_>) -> Result<NerService, Fault> {
    let fields = view.fields(&["url", "timeout", "labels"], &[])?;
    let url = fields.need("url")?;
    let base = BaseUrl::parse(url.text()?).map_err(|message| url.fault(message))?;
    if base.tls || !base.is_loopback() {
        return Err(url
            .fault(format!("`{}` does not lie on this machine", base.host))
            .with_hint("a service sees every text as it is: write `http://127.0.0.1:PORT/…`"));
    }
    Ok(NerService {
        url: base,
        timeout: fields
            .get("timeout")
            .map_or(Ok(TIMEOUT), |view| view.seconds(MAX_SECONDS))?,
        labels: match fields.get("labels") {
            Some(view) => labels(&view)?,
            None => BTreeMap::new(),
        },
    })
}

fn labels(view: &View<'_>) -> Result<BTreeMap<String, Class>, Fault> {
    let entries = view.entries()?;
    if entries.len() > MAX_LABELS {
        return Err(view.fault(format!("`labels` has more than {MAX_LABELS} entries")));
    }
    entries
        .iter()
        .map(|(key, view)| Ok((key.text.clone(), view.word(&Class::words())?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::NodeConfig;
    use super::*;
    use crate::source::Source;

    fn parsed(keys: &str) -> Result<PrivacyConfig, String> {
        let source = Source::text("config.yaml", &format!("version: 1\nprivacy:\n{keys}"));
        NodeConfig::parse(&source)
            .map(|config| config.privacy)
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn lists_documents_and_services_are_read() {
        let config = parsed(
            "  lists:\n    codenames: { file: /etc/nemoclaw/codenames, class: secret, ignore_case: true }\n    \
             clients: { file: /etc/nemoclaw/clients, class: personal }\n  \
             documents: { contracts: { directory: /srv/contracts, class: regulated } }\n  \
             ner:\n    presidio: { url: 'http://127.0.0.1:5002/v1/find', timeout: 2s, labels: { GPE: internal } }\n    \
             plain: { url: 'http://[::1]:5003' }\n",
        )
        .unwrap();
        let codenames = &config.lists["codenames"];
        assert_eq!(codenames.file, PathBuf::from("/etc/nemoclaw/codenames"));
        assert_eq!(
            (codenames.class, codenames.ignore_case),
            (Class::Secret, true)
        );
        assert!(!config.lists["clients"].ignore_case);
        assert_eq!(config.documents["contracts"].class, Class::Regulated);
        let presidio = &config.ner["presidio"];
        assert_eq!(
            (presidio.url.port, presidio.url.path.as_str()),
            (5002, "/v1/find")
        );
        assert_eq!(presidio.timeout, Duration::from_secs(2));
        assert_eq!(presidio.labels["GPE"], Class::Internal);
        assert_eq!(config.ner["plain"].timeout, TIMEOUT);
        assert_eq!(config.ner["plain"].url.host, "::1");
        assert!(config.knows_list("codenames") && config.knows_list("contracts"));
        assert!(!config.knows_list("presidio"));
    }

    #[test]
    fn a_node_without_the_key_knows_none() {
        let source = Source::text("config.yaml", "version: 1\n");
        let config = NodeConfig::parse(&source).unwrap();
        assert_eq!(config.privacy, PrivacyConfig::default());
    }

    /// Keys, the place of their fault, and words of it.
    const FAULTS: &[(&str, &str, &str)] = &[
        ("  list: {}\n", "3:3", "did you mean `lists`?"),
        (
            "  lists: { a: { class: secret } }\n",
            "3:15",
            "lacks `file`",
        ),
        ("  lists: { a: { file: /a } }\n", "3:15", "lacks `class`"),
        (
            "  lists: { a: { file: a, class: secret } }\n",
            "3:23",
            "absolute path",
        ),
        (
            "  lists: { a: { file: /a/../b, class: secret } }\n",
            "3:23",
            "without `..`",
        ),
        (
            "  lists: { a: { file: /a, class: secrets } }\n",
            "3:34",
            "did you mean `secret`?",
        ),
        (
            "  lists: { a: { file: /a, class: secret, ignore_case: 1 } }\n",
            "3:55",
            "`true` or `false`",
        ),
        (
            "  lists: { email: { file: /a, class: secret } }\n",
            "3:19",
            "none of a detector that ships",
        ),
        (
            "  lists: { 'a b': { file: /a, class: secret } }\n",
            "3:19",
            "letters, digits",
        ),
        (
            "  documents: { a: { file: /a, class: secret } }\n",
            "3:21",
            "unknown key `file`",
        ),
        (
            "  lists: { a: { file: /a, class: secret } }\n  documents: { a: { directory: /a, class: secret } }\n",
            "4:19",
            "is a list already",
        ),
        (
            "  ner: { a: { url: 'http://10.0.0.5:1/' } }\n",
            "3:20",
            "on this machine",
        ),
        (
            "  ner: { a: { url: 'https://127.0.0.1:1/' } }\n",
            "3:20",
            "http://127.0.0.1:PORT",
        ),
        (
            "  ner: { a: { url: '127.0.0.1:1' } }\n",
            "3:20",
            "no base URL",
        ),
        (
            "  ner: { a: { url: 'http://127.0.0.1:1', timeout: 2h } }\n",
            "3:51",
            "from 1s to 60s",
        ),
        (
            "  ner: { a: { url: 'http://127.0.0.1:1', timeout: 0 } }\n",
            "3:51",
            "from 1s to 60s",
        ),
        (
            "  ner: { a: { url: 'http://127.0.0.1:1', labels: { GPE: top } } }\n",
            "3:57",
            "known values",
        ),
        ("  ner: { a: {} }\n", "3:13", "lacks `url`"),
    ];

    #[test]
    fn what_cannot_be_read_as_meant_is_a_fault_at_its_place() {
        for (keys, place, told) in FAULTS {
            let fault = parsed(keys).unwrap_err();
            assert!(fault.contains(told), "{keys}: {fault}");
            assert!(
                fault.contains(&format!("config.yaml:{place}:")),
                "{keys}: {fault}"
            );
        }
    }
}
