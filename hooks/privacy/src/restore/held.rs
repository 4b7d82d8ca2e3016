//! What waits of each channel of an answer.

/// Channels of one answer that can wait at a time; a model speaks in one or a few.
pub const MAX_CHANNELS: usize = 256;

/// The ends of pieces that wait, by channel.
pub(crate) struct Held<C>(Vec<(C, String)>);

impl<C: Copy + Eq> Held<C> {
    pub(crate) fn new() -> Held<C> {
        Held(Vec::new())
    }

    /// What waits of a channel, which then waits no longer.
    pub(crate) fn take(&mut self, channel: C) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| *known == channel)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Keeps `text` of a channel that does not wait; `false` where too many do.
    pub(crate) fn keep(&mut self, channel: C, text: &str) -> bool {
        if !text.is_empty() && self.0.len() >= MAX_CHANNELS {
            return false;
        }
        if !text.is_empty() {
            self.0.push((channel, text.to_owned()));
        }
        true
    }
}
