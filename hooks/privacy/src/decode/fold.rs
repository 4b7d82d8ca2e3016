//! Letters and digits in other shapes (full-width, mathematical, ligatures, in circles) become the plain ones, and
//! characters without a width go.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;

use super::{View, windows};

/// Folds around the `marks`, which stand where such a character begins.
pub(super) fn views(text: &str, marks: &[usize], scan: &mut impl FnMut(&View)) {
    windows(text, marks, |span| scan(&view(text, span)));
}

/// Whether a character that is worth a view begins at `at`: shapes of letters and digits, or no width. Plain letters of
/// other scripts, quotes, dashes and no-break spaces are not.
pub(crate) fn begins(bytes: &[u8], at: usize) -> bool {
    let next = |step: usize| bytes.get(at + step).copied().unwrap_or_default();
    match bytes[at] {
        // The soft hyphen; superscript 2, 3 and 1.
        0xC2 => matches!(next(1), 0xAD | 0xB2 | 0xB3 | 0xB9),
        0xE2 => match (next(1), next(2)) {
            // No width, and marks of direction.
            (0x80, 0x8B..=0x8F | 0xAA..=0xAE) | (0x81, 0xA0..=0xA4) => true,
            // Superscripts and subscripts, letters in circles.
            (0x81, 0xB0..=0xB9) | (0x82, 0x80..=0x89) => true,
            (0x91 | 0x92, _) => true,
            (0x93, 0x80..=0xAA) => true,
            // Letter-like shapes.
            (0x84, 0x80..=0xBF) => !matches!(next(2), 0xA2 | 0x96),
            _ => false,
        },
        0xEF => match (next(1), next(2)) {
            (0xBB, 0xBF) => true,
            (0xAC, 0x80..=0x86) => true,
            // Full-width digits, letters, `@`, `.`, `-`, `+`, `_`, `/`; not the commas and brackets of Chinese.
            (0xBC, 0x90..=0x99 | 0xA0..=0xBA | 0xBF | 0x8B | 0x8D..=0x8F) => true,
            (0xBD, 0x81..=0x9A) => true,
            _ => false,
        },
        // Mathematical letters and digits; letters and digits in squares.
        0xF0 => {
            (next(1) == 0x9D && (0x90..=0x9F).contains(&next(2)))
                || (next(1) == 0x9F && matches!(next(2), 0x84 | 0x85))
        }
        _ => false,
    }
}

fn view(text: &str, span: Range<usize>) -> View {
    let mut view = View::new();
    let mut folded = String::new();
    let mut kept = span.start;
    for (offset, c) in text[span.clone()].char_indices() {
        if c.is_ascii() {
            continue;
        }
        let at = span.start + offset;
        folded.clear();
        if !without_width(c) {
            folded.extend(std::iter::once(c).nfkc());
            let mut buffer = [0; 4];
            if folded == *c.encode_utf8(&mut buffer) {
                continue;
            }
        }
        view.keep(text, kept..at);
        kept = at + c.len_utf8();
        view.replace(at..kept, &folded);
    }
    view.keep(text, kept..span.end);
    view
}

fn without_width(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}')
}
