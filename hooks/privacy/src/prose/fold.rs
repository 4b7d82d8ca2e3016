//! Letters as the lists have them: lower case, without marks.
//!
//! `José`, `JOSE` and `jose` are one name; so are `Łukasz` and `Lukasz`. Only Latin letters fold: what else there is makes a
//! word foreign to the lists.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

/// The folded letters of one character: one or two, or none if it is no Latin letter.
#[derive(Clone, Copy)]
pub(super) struct Folded {
    bytes: [u8; 2],
    len: u8,
}

impl Folded {
    pub(super) fn letters(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn of(letters: &[u8]) -> Folded {
        let mut bytes = [0; 2];
        bytes[..letters.len()].copy_from_slice(letters);
        Folded {
            bytes,
            len: letters.len() as u8,
        }
    }
}

const FIRST: usize = 0xc0;

/// The letters without marks of those up to U+024F, which are nearly all that there are; 0 where one has none.
static BASES: LazyLock<[u8; 0x250 - FIRST]> =
    LazyLock::new(|| std::array::from_fn(|at| char::from_u32((FIRST + at) as u32).map_or(0, base)));

/// A letter without its marks.
fn base(letter: char) -> u8 {
    std::iter::once(letter)
        .nfd()
        .next()
        .filter(char::is_ascii_alphabetic)
        .map_or(0, |base| base.to_ascii_lowercase() as u8)
}

/// Folds one character that is not ASCII.
pub(super) fn fold(letter: char) -> Option<Folded> {
    if !(('\u{c0}'..='\u{24f}').contains(&letter) || ('\u{1e00}'..='\u{1eff}').contains(&letter)) {
        return None;
    }
    let special: &[u8] = match letter {
        'ß' | 'ẞ' => b"ss",
        'ø' | 'Ø' => b"o",
        'ł' | 'Ł' => b"l",
        'đ' | 'Đ' | 'ð' | 'Ð' => b"d",
        'ı' => b"i",
        'æ' | 'Æ' => b"ae",
        'œ' | 'Œ' => b"oe",
        'þ' | 'Þ' => b"th",
        'ħ' | 'Ħ' => b"h",
        '×' | '÷' => return None,
        _ => b"",
    };
    if !special.is_empty() {
        return Some(Folded::of(special));
    }
    let base = match (letter as usize)
        .checked_sub(FIRST)
        .and_then(|at| BASES.get(at))
    {
        Some(base) => *base,
        None => base(letter),
    };
    (base != 0).then(|| Folded::of(&[base]))
}
