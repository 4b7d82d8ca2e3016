//! What happens to an answer's texts on their way to the agent: what is sensitive in them is masked, pseudonyms become values
//! again, and what was said is remembered with its label.

use std::sync::Arc;

use nemoclaw_inference::{Channel, ChannelKind, Kind, Reply, Rewrite};
use nemoclaw_policy::Class;
use nemoclaw_policy::policy::Policy;
use nemoclaw_privacy::restore::{Place, Restore};
use nemoclaw_privacy::{Restorer, Scanner, Vault, Watch, Watcher, restore_whole};

use super::memory::{Memory, Saying};

/// Most texts of one answer that are remembered.
const SAYINGS: usize = 16;

/// An answer's way back.
pub struct Back {
    watcher: Option<Watcher<Channel>>,
    restorer: Restorer<Channel>,
    vault: Vault,
    rules: Rules,
    sees: Class,
    memory: Arc<Memory>,
    said: Vec<(Channel, Saying)>,
    /// What waits between the two steps; kept, so that pieces need no memory of their own.
    between: String,
}

/// What the policy says of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rules {
    watch: Option<Class>,
    restore: Restore,
    sticky: bool,
}

impl Rules {
    /// The strictest of all layers.
    fn of(policy: &Policy) -> Rules {
        let mut rules = Rules {
            watch: None,
            restore: Restore {
                text: true,
                tools: true,
            },
            sticky: false,
        };
        for privacy in policy
            .models
            .iter()
            .filter_map(|layer| layer.privacy.as_ref())
        {
            rules.watch = match (rules.watch, privacy.answers) {
                (Some(own), Some(other)) => Some(own.min(other)),
                (own, other) => own.or(other),
            };
            rules.restore.text &= privacy.restore.text;
            rules.restore.tools &= privacy.restore.tool_calls;
            rules.sticky |= privacy.sticky != nemoclaw_policy::policy::Sticky::Off;
        }
        rules
    }
}

impl Back {
    /// For the answer of a model that sees `sees`.
    #[must_use]
    pub fn new(
        policy: &Policy,
        scanner: Option<&Arc<Scanner>>,
        vault: &Vault,
        memory: &Arc<Memory>,
        sees: Class,
    ) -> Back {
        let rules = Rules::of(policy);
        let watcher = rules.watch.zip(scanner).map(|(from, scanner)| {
            let scanner = scanner.clone();
            let phrases = has_phrases(policy, from);
            let watch = Watch {
                find: Arc::new(move |text| scanner.scan(text)),
                from,
                phrases,
            };
            Watcher::new(watch, vault)
        });
        Back {
            watcher,
            restorer: Restorer::new(vault, rules.restore),
            vault: vault.clone(),
            rules,
            sees: if rules.sticky { sees } else { Class::Public },
            memory: memory.clone(),
            said: Vec::new(),
            between: String::new(),
        }
    }

    /// A whole answer.
    pub fn reply(&mut self, reply: &mut Reply) {
        if self.is_idle() {
            return;
        }
        let mut count = 0;
        reply.leaves(&mut |leaf, text| {
            let (kind, restored) = match leaf.kind {
                // Names that a server made up come back in later requests as they are.
                Kind::Handle => return None,
                Kind::ToolCall => (ChannelKind::Tool(count), self.rules.restore.tools),
                Kind::Reasoning => (ChannelKind::Reasoning, self.rules.restore.text),
                Kind::Assistant => (ChannelKind::Text, self.rules.restore.text),
                _ => (ChannelKind::Refusal, self.rules.restore.text),
            };
            count += 1;
            let channel = Channel {
                choice: count,
                kind,
            };
            // A leaf of a tool call's arguments is decoded already, so that nothing in it is to be escaped.
            let masked = self
                .watcher
                .as_mut()
                .and_then(|watcher| watcher.whole(Place::Text, text));
            let now = masked.as_deref().unwrap_or(text);
            let back = restored.then(|| restore_whole(&self.vault, now)).flatten();
            self.hear(channel, back.as_deref().unwrap_or(now));
            back.or(masked)
        });
        self.remember();
    }

    /// What was masked, by detector: for the audit.
    #[must_use]
    pub fn masked(&self) -> Vec<String> {
        let masked = self.watcher.as_ref().map_or(&[][..], Watcher::masked);
        masked
            .iter()
            .map(|one| format!("{} × {}", one.count, one.detector))
            .collect()
    }

    /// What was said in strings that have ended.
    pub fn remember(&mut self) {
        for (_, said) in self.said.drain(..) {
            self.memory.keep(said, self.sees);
        }
    }

    fn hear(&mut self, channel: Channel, text: &str) {
        if self.sees == Class::Public || channel.kind != ChannelKind::Text {
            return;
        }
        let at = self.said.iter().position(|(known, _)| *known == channel);
        match at {
            Some(at) => self.said[at].1.add(text),
            None if self.said.len() < SAYINGS => {
                let mut said = Saying::default();
                said.add(text);
                self.said.push((channel, said));
            }
            None => {}
        }
    }
}

fn place_of(kind: ChannelKind) -> Place {
    match kind {
        ChannelKind::Tool(_) => Place::ToolArguments,
        _ => Place::Text,
    }
}

/// Whether words of the operator's are of a class that is masked.
fn has_phrases(policy: &Policy, from: Class) -> bool {
    policy
        .models
        .iter()
        .filter_map(|layer| layer.privacy.as_ref())
        .any(|privacy| {
            !privacy.lists.is_empty() || privacy.patterns.iter().any(|own| own.class >= from)
        })
}

impl Rewrite for Back {
    fn text(&mut self, channel: Channel, piece: &str, out: &mut String) {
        let place = place_of(channel.kind);
        let begun = out.len();
        match &mut self.watcher {
            None => self.restorer.text(channel, place, piece, out),
            Some(watcher) => {
                self.between.clear();
                watcher.text(channel, place, piece, &mut self.between);
                self.restorer.text(channel, place, &self.between, out);
            }
        }
        self.hear(channel, &out[begun..]);
    }

    fn end(&mut self, channel: Channel, out: &mut String) {
        let begun = out.len();
        if let Some(watcher) = &mut self.watcher {
            self.between.clear();
            watcher.end(channel, &mut self.between);
            let place = place_of(channel.kind);
            self.restorer.text(channel, place, &self.between, out);
        }
        self.restorer.end(channel, out);
        self.hear(channel, &out[begun..]);
        if let Some(at) = self.said.iter().position(|(known, _)| *known == channel) {
            let (_, said) = self.said.swap_remove(at);
            self.memory.keep(said, self.sees);
        }
    }

    fn whole(&mut self, channel: Channel, text: &mut String) {
        // It repeats what was heard in pieces, so it is not heard again.
        let place = place_of(channel.kind);
        if let Some(watcher) = &mut self.watcher
            && let Some(now) = watcher.whole(place, text)
        {
            *text = now;
        }
        if let Some(now) = self.restorer.whole(place, text) {
            *text = now;
        }
    }

    fn is_idle(&self) -> bool {
        self.watcher.is_none() && self.restorer.is_idle() && self.sees == Class::Public
    }
}
