//! An answer on its way back to the agent: watched, then restored, so that what the session's pseudonyms stand for is not
//! masked as something that the model said.

use nemoclaw_inference::{Channel, ChannelKind, Rewrite};

use crate::restore::{Place, Restore, Restorer, restore_whole};
use crate::vault::Vault;
use crate::watch::{Masked, Watch, Watcher};

/// What happens to the texts of one answer.
pub struct Answer {
    watcher: Option<Watcher<Channel>>,
    restorer: Restorer<Channel>,
    vault: Vault,
    restore: Restore,
    watched: String,
}

impl Answer {
    /// For the answer to a request of the session of `vault`, watched if the policy says so.
    #[must_use]
    pub fn new(vault: &Vault, restore: Restore, watch: Option<Watch>) -> Answer {
        Answer {
            watcher: watch.map(|watch| Watcher::new(watch, vault)),
            restorer: Restorer::new(vault, restore),
            vault: vault.clone(),
            restore,
            watched: String::new(),
        }
    }

    /// A text of a whole answer, decoded: nothing that takes its place is escaped. `tool` says that it stands in a tool
    /// call's arguments. `None` where it stays.
    pub fn leaf(&mut self, tool: bool, text: &str) -> Option<String> {
        let masked = self
            .watcher
            .as_mut()
            .and_then(|watcher| watcher.whole(Place::Text, text));
        let restores = if tool {
            self.restore.tool_calls
        } else {
            self.restore.text
        };
        let back = restores
            .then(|| restore_whole(&self.vault, masked.as_deref().unwrap_or(text)))
            .flatten();
        back.or(masked)
    }

    /// What was masked so far.
    #[must_use]
    pub fn masked(&self) -> &[Masked] {
        self.watcher.as_ref().map_or(&[], Watcher::masked)
    }
}

fn place(channel: Channel) -> Place {
    match channel.kind {
        ChannelKind::Tool(_) => Place::ToolArguments,
        ChannelKind::Input(_) => Place::ToolInput,
        ChannelKind::Text | ChannelKind::Reasoning | ChannelKind::Refusal => Place::Text,
    }
}

impl Rewrite for Answer {
    fn text(&mut self, channel: Channel, piece: &str, out: &mut String) {
        let place = place(channel);
        match &mut self.watcher {
            None => self.restorer.text(channel, place, piece, out),
            Some(watcher) => {
                watcher.text(channel, place, piece, &mut self.watched);
                self.restorer.text(channel, place, &self.watched, out);
                self.watched.clear();
            }
        }
    }

    fn end(&mut self, channel: Channel, out: &mut String) {
        if let Some(watcher) = &mut self.watcher {
            watcher.end(channel, &mut self.watched);
            self.restorer
                .text(channel, place(channel), &self.watched, out);
            self.watched.clear();
        }
        self.restorer.end(channel, out);
    }

    fn whole(&mut self, channel: Channel, text: &mut String) {
        let place = place(channel);
        if let Some(masked) = self
            .watcher
            .as_mut()
            .and_then(|watcher| watcher.whole(place, text))
        {
            *text = masked;
        }
        if let Some(restored) = self.restorer.whole(place, text) {
            *text = restored;
        }
    }

    fn is_idle(&self) -> bool {
        self.watcher.is_none() && self.restorer.is_idle()
    }
}
