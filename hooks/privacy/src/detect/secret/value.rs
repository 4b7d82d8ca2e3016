//! Whether a value looks random, or like a password, and not like a word, a name in code or a stand-in.

use super::names::Name;
use super::words::reads_like_words;

/// Whether `value` may be what a key of this kind holds.
pub(super) fn fits(value: &str, name: Name) -> bool {
    let bytes = value.as_bytes();
    let parted = name == Name::Password && is_parted(bytes);
    if parted {
        return true;
    }
    if stands_for_one(value) || is_plain(bytes) {
        return false;
    }
    match name {
        Name::Password => is_password(bytes),
        Name::Token => is_token(bytes, 12),
        Name::Authorization => is_token(bytes, 10),
        Name::Weak => {
            bytes.len() >= 20 && is_token(bytes, 20) && !is_hex(bytes) && !has_breaks(bytes)
        }
    }
}

/// Whether a text of letters, digits and marks is random by its changes of kind and by how its signs are spread.
pub(crate) fn is_random(value: &str) -> bool {
    is_token(value.as_bytes(), 16) && !stands_for_one(value)
}

/// Whether a value stands for another: `${NAME}`, `<token>`, `xxxx`, `changeme`.
pub(crate) fn stands_for_one(value: &str) -> bool {
    const WORDS: [&str; 22] = [
        "example",
        "changeme",
        "change_me",
        "change-me",
        "placeholder",
        "your_",
        "your-",
        "yourpass",
        "yourtoken",
        "yourkey",
        "dummy",
        "redacted",
        "replace",
        "insert",
        "xxxx",
        "****",
        "todo",
        "sample",
        "....",
        "\u{2026}",
        "mysecret",
        "fake",
    ];
    let bytes = value.as_bytes();
    if value.contains("${")
        || value.contains("{{")
        || value.contains("$(")
        || value.contains("%(")
        || matches!(bytes.first(), Some(b'<' | b'{' | b'['))
        || is_variable(bytes)
    {
        return true;
    }
    let same = bytes.iter().all(|byte| *byte == bytes[0]);
    let mut small = [0_u8; 96];
    let length = bytes.len().min(small.len());
    let small = &mut small[..length];
    small.copy_from_slice(&bytes[..length]);
    small.make_ascii_lowercase();
    same || WORDS
        .iter()
        .any(|word| memchr::memmem::find(small, word.as_bytes()).is_some())
}

/// `$PASSWORD`, `%s`, `%PASSWORD%`.
fn is_variable(bytes: &[u8]) -> bool {
    match bytes {
        [b'$', name @ ..] => {
            name.iter()
                .all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
                || name
                    .iter()
                    .all(|byte| byte.is_ascii_lowercase() || *byte == b'_')
        }
        [b'%', ..] => bytes.len() <= 3 || bytes.ends_with(b"%"),
        _ => false,
    }
}

/// Parts of one length with dashes between them, as programs that keep passwords make them.
fn is_parted(bytes: &[u8]) -> bool {
    let mut parts = bytes.split(|byte| *byte == b'-');
    let first = parts.next().map_or(0, <[u8]>::len);
    let counts = Counts::of(bytes);
    first >= 4
        && bytes.len() > first * 2
        && parts.all(|part| part.len() == first && part.iter().all(u8::is_ascii_alphanumeric))
        && counts.capitals > 0
        && counts.small > 0
        && (counts.digits > 0 || counts.capitals * 4 > bytes.len())
}

/// Whether the value is a word, a path, an address, a name in code, a version, a date: nothing that opens something.
fn is_plain(bytes: &[u8]) -> bool {
    let path = is_path(bytes)
        || bytes.starts_with(b"http://")
        || bytes.starts_with(b"https://")
        || bytes.starts_with(b"file:")
        || bytes.get(1..3) == Some(b":\\")
        || memchr::memmem::find(bytes, b"://").is_some();
    let digest = [
        &b"sha256-"[..],
        b"sha512-",
        b"sha384-",
        b"sha1-",
        b"sha256:",
        b"ssh-",
        b"urn:",
        b"arn:",
    ]
    .iter()
    .any(|start| bytes.starts_with(start));
    let number = bytes.iter().all(|byte| {
        matches!(
            byte,
            b'0'..=b'9' | b'-' | b':' | b'.' | b'/' | b'T' | b'Z' | b'_' | b'+' | b','
        )
    });
    let hex = bytes.strip_prefix(b"0x").is_some_and(is_hex);
    path || digest || hex || number || is_path_of_names(bytes)
}

/// `/etc/key.pem`, `./secret`, `~/.token`: not base64 that begins with a slash.
fn is_path(bytes: &[u8]) -> bool {
    let counts = Counts::of(bytes);
    matches!(bytes.first(), Some(b'/' | b'.' | b'~'))
        && bytes.contains(&b'/')
        && counts.turns_in_words * 5 <= bytes.len()
}

/// Names in code with dots, colons or brackets between them: `config.token1.value`, `Foo::bar2`, `get_key(2)`.
fn is_path_of_names(bytes: &[u8]) -> bool {
    let called = bytes
        .iter()
        .any(|byte| matches!(byte, b'(' | b'[' | b'{' | b'<' | b';'));
    let names = bytes.iter().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'_' | b'.'
                    | b':'
                    | b'-'
                    | b'/'
                    | b'('
                    | b')'
                    | b'['
                    | b']'
                    | b'?'
                    | b'!'
                    | b'*'
                    | b'&'
                    | b'>'
                    | b'<'
                    | b'"'
                    | b'\''
                    | b','
                    | b' '
                    | b'='
                    | b'@'
            )
    });
    let counts = Counts::of(bytes);
    // Words joined by marks, whose digits stand at the end of a word.
    let wordy = counts.turns_in_words <= 1 + bytes.len() / 12;
    (called && names && wordy) || (counts.marks > 0 && wordy && counts.odd_marks == 0)
}

/// A password that a person or a machine chose: not a word with a number behind it.
fn is_password(bytes: &[u8]) -> bool {
    let counts = Counts::of(bytes);
    if !(6..=128).contains(&bytes.len()) || bytes.iter().any(u8::is_ascii_whitespace) {
        return false;
    }
    let kinds = usize::from(counts.digits > 0)
        + usize::from(counts.capitals > 0)
        + usize::from(counts.small > 0)
        + usize::from(counts.odd_marks > 0);
    if is_hex(bytes) && bytes.len() >= 16 {
        return counts.digits > 1 && distinct(bytes) >= 6;
    }
    if counts.odd_marks == 0 && reads_like_words(bytes) {
        return false;
    }
    if counts.digits == 0 {
        return kinds >= 3 && counts.odd_marks > 0 && counts.turns >= 4
            || bytes.len() >= 10
                && counts.capitals * 3 >= bytes.len()
                && counts.small * 4 >= bytes.len();
    }
    (counts.capitals + counts.small > 0)
        && (kinds >= 3 && counts.turns >= 3
            || counts.turns >= 5 && bytes.len() >= 8
            || counts.odd_marks > 0 && counts.turns >= 2)
}

/// A token that a machine made.
fn is_token(bytes: &[u8], least: usize) -> bool {
    if !(least..=4096).contains(&bytes.len()) || !bytes.iter().all(|byte| is_sign(*byte)) {
        return false;
    }
    let counts = Counts::of(bytes);
    let letters = counts.capitals + counts.small;
    if counts.digits == 0 {
        // Twenty random letters have no digit now and then; words have few capitals inside.
        return bytes.len() >= 20
            && counts.turns * 3 >= bytes.len()
            && counts.capitals * 4 >= bytes.len()
            && counts.marks == 0
            && !reads_like_words(bytes);
    }
    if is_uuid(bytes) {
        return distinct(bytes) >= 8;
    }
    if is_hex(bytes) {
        return bytes.len() >= 16 && letters > 0 && distinct(bytes) >= 8;
    }
    letters > 0
        && !(counts.digits * 3 < bytes.len() && reads_like_words(bytes))
        && distinct(bytes) * 3 >= bytes.len().min(36)
        && counts.turns * 5 >= bytes.len().min(64)
        && counts.turns >= 4
}

/// Whether a byte may stand in a token.
fn is_sign(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-.~:!@#$%^&*|,?".contains(&byte)
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_hexdigit)
}

/// Whether words are joined in it.
fn has_breaks(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .any(|byte| matches!(byte, b'.' | b':' | b'/' | b'-' | b'_'))
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn distinct(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    bytes
        .iter()
        .filter(|byte| !std::mem::replace(&mut seen[**byte as usize], true))
        .count()
}

/// How a value is made up.
#[derive(Default)]
struct Counts {
    digits: usize,
    capitals: usize,
    small: usize,
    /// All that is no letter or digit.
    marks: usize,
    /// Marks that join no words.
    odd_marks: usize,
    /// Changes between kinds of signs.
    turns: usize,
    /// Those of them that are not before or behind a mark, and not from a capital to a small letter.
    turns_in_words: usize,
}

impl Counts {
    fn of(bytes: &[u8]) -> Self {
        let mut counts = Self::default();
        let mut last = 0_u8;
        for byte in bytes {
            let kind = match byte {
                b'0'..=b'9' => 1,
                b'A'..=b'Z' => 2,
                b'a'..=b'z' | 0x80.. => 3,
                _ => 4,
            };
            match kind {
                1 => counts.digits += 1,
                2 => counts.capitals += 1,
                3 => counts.small += 1,
                _ => {
                    counts.marks += 1;
                    counts.odd_marks += usize::from(!matches!(
                        byte,
                        b'_' | b'-' | b'.' | b':' | b'/' | b',' | b' ' | b'(' | b')' | b'[' | b']'
                    ));
                }
            }
            if last != 0 && kind != last {
                counts.turns += 1;
                counts.turns_in_words +=
                    usize::from(kind != 4 && last != 4 && (last, kind) != (2, 3));
            }
            last = kind;
        }
        counts
    }
}
