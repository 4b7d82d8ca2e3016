//! What kind of text stands around a place: prose, or source code, where words with capitals are types and words of comments.

use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Text is judged in blocks of this many bytes: some fifty lines, so that one line alone decides nothing.
const BLOCK: usize = 3072;

/// So many lines of a block decide.
const LINES: usize = 24;

/// So many bytes of a line are looked at for signs.
const SIGNED: usize = 160;

/// Remembers what the blocks are.
pub(super) struct Context<'a> {
    text: &'a str,
    blocks: Vec<Option<bool>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(text: &'a str) -> Context<'a> {
        Context {
            text,
            blocks: Vec::new(),
        }
    }

    /// Whether the text around this byte is source code.
    pub(super) fn code(&mut self, at: usize) -> bool {
        let block = at / BLOCK;
        if self.blocks.is_empty() {
            self.blocks = vec![None; self.text.len() / BLOCK + 1];
        }
        let end = ((block + 1) * BLOCK).min(self.text.len());
        let bytes = &self.text.as_bytes()[block * BLOCK..end];
        match self.blocks.get_mut(block) {
            Some(known) => *known.get_or_insert_with(|| code(bytes)),
            None => code(bytes),
        }
    }

    /// Whether the text here says whose the text is: a notice of copyright, a licence. What stands there is public.
    pub(super) fn credited(&self, at: usize) -> bool {
        let line = self.line(at);
        crediting(line) || (comment(line) && crediting(self.around(at, 700, 500)))
    }

    /// Some text around this byte.
    fn around(&self, at: usize, before: usize, behind: usize) -> &'a str {
        let floor = (at.saturating_sub(before)..=at)
            .find(|&at| self.text.is_char_boundary(at))
            .unwrap_or(at);
        let end = (at + behind).min(self.text.len());
        let ceiling = (at..=end)
            .rev()
            .find(|&at| self.text.is_char_boundary(at))
            .unwrap_or(at);
        &self.text[floor..ceiling]
    }

    /// The line around this byte, at most 400 bytes to either side.
    pub(super) fn line(&self, at: usize) -> &'a str {
        let bytes = self.text.as_bytes();
        let before = memchr::memrchr(b'\n', &bytes[at.saturating_sub(400)..at])
            .map_or(400, |found| at - (at.saturating_sub(400) + found + 1));
        let behind = memchr::memchr(b'\n', &bytes[at..(at + 400).min(bytes.len())]).unwrap_or(400);
        self.around(at, before, behind)
    }
}

/// Words of who owns a text or of its licence.
static CREDITS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build([
            "copyright",
            "(c) ",
            "©",
            "rights reserved",
            "licens",
            "free software",
            "author",
            "spdx",
            "maintain",
            "contributor",
            "written by",
        ])
        .ok()
});

/// Whether a text names an owner or a licence.
pub(super) fn crediting(text: &str) -> bool {
    CREDITS.as_ref().is_some_and(|words| words.is_match(text))
}

/// What a notice of copyright has.
static OWNERS: LazyLock<Option<Searcher>> =
    LazyLock::new(|| Searcher::new(["Copyright", "copyright", "COPYRIGHT", "(c) ", "(C) ", "©"]));

/// Whether a line is a notice of copyright.
pub(super) fn owned(line: &str) -> bool {
    OWNERS
        .as_ref()
        .is_some_and(|words| words.find(line).is_some())
}

/// Whether a line is a comment in some language.
fn comment(line: &str) -> bool {
    let line = line.trim_start();
    [
        "//", "#", "*", "/*", ";", "--", "%", "dnl ", "<!--", "\"\"\"", "REM ",
    ]
    .iter()
    .any(|sign| line.starts_with(sign))
}

/// Whether at least a quarter of the lines that say something are lines of code, or many begin as comments do.
fn code(block: &[u8]) -> bool {
    let (mut lines, mut code, mut signed) = (0, 0, 0);
    let mut from = 0;
    while from < block.len() && lines < LINES {
        let end = memchr::memchr(b'\n', &block[from..]).map_or(block.len(), |end| from + end);
        let line = &block[from..end];
        from = end + 1;
        let body = line.trim_ascii();
        if body.is_empty() {
            continue;
        }
        let indent = line.iter().take_while(|&&byte| byte == b' ').count();
        signed += usize::from(
            body.starts_with(b"# ") || body == b"#" || (indent % 2 == 1 && body.starts_with(b"*")),
        );
        lines += 1;
        code += usize::from(begins(body) || ends(body) || signs(body));
    }
    (code * 4 >= lines && (code > 1 || (code == 1 && lines < 3)))
        || (lines > 0 && (signed >= 3 && (signed + code) * 2 >= lines))
}

/// The words that lines of code begin with.
fn begins(line: &[u8]) -> bool {
    const WORDS: [&[u8]; 24] = [
        b"import ",
        b"from .",
        b"package ",
        b"fn ",
        b"def ",
        b"class ",
        b"pub ",
        b"let ",
        b"const ",
        b"var ",
        b"return ",
        b"public ",
        b"private ",
        b"static ",
        b"func ",
        b"if (",
        b"for (",
        b"while (",
        b"else",
        b"typedef ",
        b"struct ",
        b"enum ",
        b"void ",
        b"int ",
    ];
    match line[0] {
        b'/' => matches!(line.get(1), Some(b'/' | b'*')),
        b'#' => line
            .get(1)
            .is_some_and(|next| matches!(next, b'[' | b'!' | b'i' | b'd' | b'e' | b'u' | b'p')),
        b'@' => !line.contains(&b' ') || line.contains(&b'('),
        b'}' | b'{' | b')' => !line.starts_with(b"{\"") && !line.starts_with(b"{ \""),
        b'*' => line.get(1) == Some(&b'/'),
        b'<' => line.starts_with(b"<!--"),
        b'a'..=b'z' => WORDS
            .iter()
            .any(|word| word[0] == line[0] && line.starts_with(word)),
        _ => false,
    }
}

/// What lines of code end with.
fn ends(line: &[u8]) -> bool {
    match line {
        [.., b'\\' | b'{'] | [.., b')' | b'}', b';'] | [.., b')', b':' | b','] => true,
        // A row of a table in single quotes, which JSON has not.
        [b'\'', .., b','] => true,
        [.., b';'] => line
            .iter()
            .any(|byte| matches!(byte, b'=' | b'(' | b'&' | b'.')),
        _ => false,
    }
}

/// Signs inside a line that prose does not have.
fn signs(line: &[u8]) -> bool {
    let line = &line[..line.len().min(SIGNED)];
    memchr::memchr3_iter(b'=', b'(', b'>', line)
        .chain(memchr::memchr3_iter(b':', b'/', b'&', line))
        .chain(memchr::memchr2_iter(b'x', b'|', line))
        .any(|at| sign(line, at))
}

/// Whether such a sign ends at this byte of a line.
fn sign(line: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map_or(b' ', |at| line[at]);
    let next = line.get(at + 1).copied().unwrap_or(b' ');
    match (before, line[at]) {
        (b':', b':')
        | (b'=' | b'-', b'>')
        | (b'=' | b'!' | b':' | b'+' | b'-' | b'|', b'=')
        | (b'&', b'&')
        | (b'|', b'|')
        | (b'<', b'/') => true,
        (b' ', b'=') => next == b' ' && key(&line[..at]),
        (b'_' | b'a'..=b'z', b'(') => {
            !matches!(next, b's' | b'0'..=b'9') && (next == b')' || !line[..at].contains(&b' '))
        }
        (b'0', b'x') => next.is_ascii_hexdigit(),
        (b' ', b'/') => next == b'/',
        _ => false,
    }
}

/// Whether what stands before `=` is the name of something: at most three words.
fn key(before: &[u8]) -> bool {
    before
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.[]:'\" *&".contains(byte))
        && before
            .trim_ascii()
            .iter()
            .filter(|&&byte| byte == b' ')
            .count()
            <= 2
}
