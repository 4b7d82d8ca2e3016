//! The text: where its lines and columns lie, and how an item comes into a list and out of it.

use super::{INCLUDE, Item};

/// A text whose lines end in a line feed, with or without a carriage return before it.
pub(super) struct Text {
    /// As it stands now.
    pub text: String,
}

impl Text {
    /// `None` where a carriage return stands alone: to YAML it ends a line, to people it does not.
    pub fn new(text: &str) -> Option<Text> {
        let alone = text.replace("\r\n", "\n").contains('\r');
        (!alone).then(|| Text {
            text: text.to_owned(),
        })
    }

    /// Where a line begins and ends, its end included.
    fn line(&self, line: u32) -> Option<(usize, usize)> {
        let mut start = 0;
        for (number, text) in (1..).zip(self.text.split_inclusive('\n')) {
            if number == line {
                return Some((start, start + text.len()));
            }
            start += text.len();
        }
        None
    }

    /// The byte at a line and column.
    pub fn offset(&self, line: u32, column: u32) -> Option<usize> {
        let (start, end) = self.line(line)?;
        let wanted = usize::try_from(column).ok()?.checked_sub(1)?;
        let text = &self.text[start..end];
        let mut offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        Some(start + offsets.nth(wanted)?)
    }

    /// How lines end here.
    fn ending(&self) -> &'static str {
        match self.text.split_inclusive('\n').next() {
            Some(first) if first.ends_with("\r\n") => "\r\n",
            _ => "\n",
        }
    }

    /// The lines from `first` to `last` replaced by others.
    pub fn replace_lines(&mut self, first: u32, last: u32, text: &str) -> Option<()> {
        let ((start, _), (begin, end)) = (self.line(first)?, self.line(last)?);
        let ending = self.ending();
        let closed = self.text[begin..end].ends_with('\n');
        let mut new = text.replace('\n', ending);
        if closed {
            new.push_str(ending);
        }
        self.text.replace_range(start..end, &new);
        Some(())
    }

    /// Whole lines after `line`.
    pub fn line_after(&mut self, line: u32, text: &str) -> Option<()> {
        let (start, end) = self.line(line)?;
        let ending = self.ending();
        let text = text.replace('\n', ending);
        let added = if self.text[start..end].ends_with('\n') {
            format!("{text}{ending}")
        } else {
            format!("{ending}{text}")
        };
        self.text.insert_str(end, &added);
        Some(())
    }

    pub fn insert_line(&mut self, line: u32, indent: &str, preset: &str) -> Option<()> {
        self.line_after(line, &format!("{indent}{INCLUDE}: [{preset}]"))
    }

    /// Add to the list at `node`.
    pub fn add(&mut self, node: (u32, u32), items: &[Item], preset: &str) -> Option<()> {
        let start = self.offset(node.0, node.1)?;
        let flow = self.text[start..].starts_with('[');
        match (flow, items.last()) {
            (true, None) => self.text.insert_str(start + 1, preset),
            (true, Some(last)) => {
                let (_, end) = self.span(last)?;
                self.text.insert_str(end, &format!(", {preset}"));
            }
            (false, None) => return None,
            (false, Some(last)) => {
                let mark = self.mark(last)?.to_owned();
                self.line_after(last.line, &format!("{mark}{preset}"))?;
            }
        }
        Some(())
    }

    /// Take the item at `place` out of the list at `node`, whose key stands at `key`.
    pub fn remove(
        &mut self,
        key: (u32, u32),
        node: (u32, u32),
        items: &[Item],
        place: usize,
    ) -> Option<()> {
        let item = items.get(place)?;
        let start = self.offset(node.0, node.1)?;
        if self.text[start..].starts_with('[') {
            return self.remove_in_flow(items, place);
        }
        self.mark(item)?;
        let (_, item_end) = self.span(item)?;
        let (line, end) = self.line(item.line)?;
        let rest = &self.text[item_end..end];
        if rest.trim().is_empty() {
            // The last line without an end: that of the line before goes with it.
            let before = match self.text[line..end].ends_with('\n') {
                true => line,
                false => self.text[..line].trim_end_matches(['\r', '\n']).len(),
            };
            self.text.replace_range(before..end, "");
        } else {
            // A comment stays, at the place of the item.
            let indent = self.text[line..item_end].find('-')?;
            let gap = rest.len() - rest.trim_start().len();
            self.text.replace_range(line + indent..item_end + gap, "");
        }
        if items.len() == 1 {
            let colon = self.offset(key.0, key.1)? + INCLUDE.len();
            if !self.text[colon..].starts_with(':') {
                return None;
            }
            self.text.insert_str(colon + 1, " []");
        }
        Some(())
    }

    fn remove_in_flow(&mut self, items: &[Item], place: usize) -> Option<()> {
        let item = items.get(place)?;
        let (start, end) = self.span(item)?;
        if let Some(before) = place.checked_sub(1).and_then(|before| items.get(before))
            && before.line == item.line
        {
            let (_, before) = self.span(before)?;
            self.text.replace_range(before..end, "");
            return Some(());
        }
        if let Some(next) = items.get(place + 1).filter(|next| next.line == item.line) {
            let (next, _) = self.span(next)?;
            self.text.replace_range(start..next, "");
            return Some(());
        }
        let rest = &self.text[end..];
        let comma = rest.trim_start();
        let end = match comma.strip_prefix(',') {
            Some(after) => self.text.len() - after.len(),
            None => end,
        };
        self.text.replace_range(start..end, "");
        // A line that held nothing else goes too.
        let (line, line_end) = self.line(item.line)?;
        if self.text[line..line_end].trim().is_empty() {
            self.text.replace_range(line..line_end, "");
        }
        Some(())
    }

    /// What stands before an item on its line: blanks and one dash.
    fn mark(&self, item: &Item) -> Option<&str> {
        let (line, _) = self.line(item.line)?;
        let mark = &self.text[line..self.offset(item.line, item.column)?];
        (mark.trim() == "-").then_some(mark)
    }

    /// An item's bytes, quotes included.
    fn span(&self, item: &Item) -> Option<(usize, usize)> {
        let start = self.offset(item.line, item.column)?;
        let rest = &self.text[start..];
        let quote = rest.chars().next().filter(|first| "'\"".contains(*first));
        let written = match quote {
            Some(quote) => format!("{quote}{}{quote}", item.name),
            None => item.name.clone(),
        };
        rest.starts_with(&written)
            .then(|| (start, start + written.len()))
    }
}
