//! What happens to an answer's texts on their way to the agent: what is sensitive in them is masked, pseudonyms become values
//! again, and what was said is remembered with its label.

use std::sync::Arc;

use nemoclaw_inference::{Channel, ChannelKind, Kind, Reply, Rewrite};
use nemoclaw_policy::Class;
use nemoclaw_policy::policy::{Policy, Restore, Sticky};
use nemoclaw_privacy::{Answer, Scanner, Vault, Watch};

use super::memory::{Memory, Saying};

/// Most texts of one answer that are remembered.
const SAYINGS: usize = 16;

/// An answer's way back.
pub struct Back {
    answer: Answer,
    sees: Class,
    memory: Arc<Memory>,
    said: Vec<(Channel, Saying)>,
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
                tool_calls: true,
            },
            sticky: false,
        };
        for privacy in policy.privacy_layers() {
            rules.watch = match (rules.watch, privacy.answers) {
                (Some(own), Some(other)) => Some(own.min(other)),
                (own, other) => own.or(other),
            };
            rules.restore.text &= privacy.restore.text;
            rules.restore.tool_calls &= privacy.restore.tool_calls;
            rules.sticky |= privacy.sticky != Sticky::Off;
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
        let watch = rules.watch.zip(scanner).map(|(from, scanner)| {
            let scanner = scanner.clone();
            Watch {
                find: Arc::new(move |text| scanner.scan_from(text, from)),
                from,
                phrases: has_phrases(policy, from),
            }
        });
        Back {
            answer: Answer::new(vault, rules.restore, watch),
            sees: if rules.sticky { sees } else { Class::Public },
            memory: memory.clone(),
            said: Vec::new(),
        }
    }

    /// A whole answer.
    pub fn reply(&mut self, reply: &mut Reply) {
        if self.is_idle() {
            return;
        }
        let mut count = 0;
        reply.leaves(&mut |leaf, text| {
            // Names that a server made up come back in later requests as they are.
            if leaf.kind == Kind::Handle {
                return None;
            }
            let back = self.answer.leaf(leaf.kind == Kind::ToolCall, text);
            if leaf.kind == Kind::Assistant {
                count += 1;
                let channel = Channel {
                    choice: count,
                    kind: ChannelKind::Text,
                };
                self.hear(channel, back.as_deref().unwrap_or(text));
            }
            back
        });
        self.remember();
    }

    /// What was masked, by detector: for the audit.
    #[must_use]
    pub fn masked(&self) -> Vec<String> {
        self.answer
            .masked()
            .iter()
            .map(|one| format!("{} × {}", one.count, one.detector))
            .collect()
    }

    /// What was said in strings that have ended.
    fn remember(&mut self) {
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

/// Whether words of the operator's are of a class that is masked.
fn has_phrases(policy: &Policy, from: Class) -> bool {
    policy.privacy_layers().any(|privacy| {
        !privacy.lists.is_empty() || privacy.patterns.iter().any(|own| own.class >= from)
    })
}

impl Rewrite for Back {
    fn text(&mut self, channel: Channel, piece: &str, out: &mut String) {
        let begun = out.len();
        self.answer.text(channel, piece, out);
        self.hear(channel, &out[begun..]);
    }

    fn end(&mut self, channel: Channel, out: &mut String) {
        let begun = out.len();
        self.answer.end(channel, out);
        self.hear(channel, &out[begun..]);
        if let Some(at) = self.said.iter().position(|(known, _)| *known == channel) {
            let (_, said) = self.said.swap_remove(at);
            self.memory.keep(said, self.sees);
        }
    }

    fn whole(&mut self, channel: Channel, text: &mut String) {
        // It repeats what was heard in pieces, so it is not heard again.
        self.answer.whole(channel, text);
    }

    fn is_idle(&self) -> bool {
        self.answer.is_idle() && self.sees == Class::Public
    }
}
