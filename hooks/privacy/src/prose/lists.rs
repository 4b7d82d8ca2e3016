//! The lists of `data/` as one table: a word's folded letters give all that is known of it.
//!
//! The table keeps 32 bits of a hash beside its place, not the words: half a megabyte, and one strange word in some two
//! thousand million is taken for another.

use std::sync::LazyLock;

/// What is known of a word, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Known(u32);

macro_rules! known {
    ($($name:ident = $bit:literal),* $(,)?) => {
        impl Known {
            $(pub(super) const $name: Known = Known(1 << $bit);)*
        }
    };
}

known! {
    GIVEN = 0, SURNAME = 1, COMMON = 2, PLACE = 3, NEVER = 4, TITLE = 5, GREETING = 6, CLOSING = 7, LABEL = 8,
    UNLABEL = 9, ROLE = 10, BEFORE = 11, VERB = 12, ARTICLE = 13, PARTICLE = 14, LEGAL = 15, HEAD = 16,
    INSTITUTION = 17, STREET = 18, WAY = 19, UNIT = 20, COMPANY = 21, WORKS = 22, GEO = 23, PHRASE = 24, WORKING = 25, FIRM = 26,
}

impl Known {
    pub(super) const NONE: Known = Known(0);

    /// Whether it has one of these.
    pub(super) fn any(self, of: Known) -> bool {
        self.0 & of.0 != 0
    }

    pub(super) const fn and(self, other: Known) -> Known {
        Known(self.0 | other.0)
    }

    pub(super) fn without(self, other: Known) -> Known {
        Known(self.0 & !other.0)
    }

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }

    fn named(role: &str) -> Known {
        match role {
            "title" => Known::TITLE,
            "greeting" => Known::GREETING,
            "closing" => Known::CLOSING,
            "label" => Known::LABEL,
            "unlabel" => Known::UNLABEL,
            "role" => Known::ROLE,
            "before" => Known::BEFORE,
            "verb" => Known::VERB,
            "article" => Known::ARTICLE,
            "particle" => Known::PARTICLE,
            "legal" => Known::LEGAL,
            "head" => Known::HEAD,
            "institution" => Known::INSTITUTION,
            "street" => Known::STREET,
            "way" => Known::WAY,
            "unit" => Known::UNIT,
            "company" => Known::COMPANY,
            "works" => Known::WORKS,
            "geo" => Known::GEO,
            "phrase" => Known::PHRASE,
            "working" => Known::WORKING,
            "firm" => Known::FIRM,
            _ => Known::NONE,
        }
    }
}

/// The hash of a word's folded letters, fed letter by letter and mixed eight at a time.
#[derive(Clone, Copy)]
pub(super) struct Hash {
    mixed: u64,
    letters: u64,
    count: usize,
}

impl Hash {
    pub(super) fn new() -> Hash {
        Hash {
            mixed: 0xcbf2_9ce4_8422_2325,
            letters: 0,
            count: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, letter: u8) {
        self.letters = (self.letters << 8) | u64::from(letter);
        self.count += 1;
        if self.count.is_multiple_of(8) {
            self.mixed = self.whole();
            self.letters = 0;
        }
    }

    fn whole(self) -> u64 {
        (self.mixed.rotate_left(5) ^ self.letters).wrapping_mul(0x517c_c1b7_2722_0a95)
    }

    #[inline]
    pub(super) fn value(self) -> u64 {
        let whole = self.whole();
        let mixed = (whole ^ (whole >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

const SLOTS: usize = 1 << 16;

/// The table.
pub(super) struct Lists {
    slots: Box<[(u32, Known)]>,
}

static LISTS: LazyLock<Lists> = LazyLock::new(Lists::load);

impl Lists {
    /// The table that ships, built at the first call (a few milliseconds).
    pub(super) fn get() -> &'static Lists {
        &LISTS
    }

    fn load() -> Lists {
        let mut lists = Lists {
            slots: vec![(0, Known::NONE); SLOTS].into_boxed_slice(),
        };
        for (text, known) in [
            (include_str!("../../data/given.txt"), Known::GIVEN),
            (include_str!("../../data/surnames.txt"), Known::SURNAME),
            (include_str!("../../data/common.txt"), Known::COMMON),
            (include_str!("../../data/places.txt"), Known::PLACE),
            (include_str!("../../data/never.txt"), Known::NEVER),
        ] {
            text.lines().for_each(|word| lists.add(word, known));
        }
        for line in include_str!("../../data/roles.txt").lines() {
            if let Some((role, words)) = line.split_once(':')
                && !line.starts_with('#')
            {
                let known = Known::named(role);
                words
                    .split_whitespace()
                    .for_each(|word| lists.add(word, known));
            }
        }
        lists
    }

    fn add(&mut self, word: &str, known: Known) {
        let hash = hash(word);
        let slot = self.slot(hash);
        self.slots[slot] = (mark(hash), self.slots[slot].1.and(known));
    }

    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let mut at = hash as usize % SLOTS;
        while self.slots[at].0 != 0 && self.slots[at].0 != mark(hash) {
            at = (at + 1) % SLOTS;
        }
        at
    }

    /// What is known of the word with this hash.
    #[inline]
    pub(super) fn known(&self, hash: u64) -> Known {
        self.slots[self.slot(hash)].1
    }

    /// What is known of a word of ASCII letters in lower case.
    #[cfg(test)]
    pub(super) fn of(&self, word: &str) -> Known {
        self.known(hash(word))
    }
}

/// What is kept of a hash: never 0, which is an empty slot.
fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

fn hash(word: &str) -> u64 {
    let mut hash = Hash::new();
    word.bytes().for_each(|letter| hash.push(letter));
    hash.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_also_a_word_is_known_as_both() {
        let grace = Lists::get().of("grace");
        assert!(grace.any(Known::GIVEN) && grace.any(Known::COMMON));
        assert!(!Lists::get().of("peter").any(Known::COMMON));
    }

    #[test]
    fn a_word_of_no_list_is_unknown() {
        assert!(Lists::get().of("qwrtzplk").is_none());
    }

    #[test]
    fn every_role_of_the_file_is_one_that_we_know() {
        for line in include_str!("../../data/roles.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let role = line.split(':').next().unwrap_or_default();
            assert!(!Known::named(role).is_none(), "{role}");
        }
    }

    #[test]
    fn the_lists_are_folded_and_in_order() {
        for text in [
            include_str!("../../data/given.txt"),
            include_str!("../../data/surnames.txt"),
            include_str!("../../data/places.txt"),
        ] {
            let words: Vec<&str> = text.lines().collect();
            assert!(words.is_sorted());
            assert!(
                words
                    .iter()
                    .all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
            );
        }
    }
}
