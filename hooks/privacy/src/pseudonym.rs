//! Pseudonyms: what stands in a prompt for a value, and comes back as that value in the answer.
//!
//! The shape is fixed: `X`, a word for the kind, a digit, seven more symbols, as in `XPERSON4K7Q2M5A`. An address of e-mail
//! goes on looking like one, `xemail4k7q2m5a@pseudonym.invalid`, since tools check addresses, and `.invalid` never
//! resolves (RFC 2606). Other kinds are words: a model that reformats a number of a phone would break a made-up one.
//!
//! - Only letters and digits (and the address's `@` and dot): models escape `_` in Markdown and LaTeX, and set `-` as a
//!   hyphen of Unicode. Letters and digits need no escape in JSON, URLs, shells, names of files and hosts.
//! - Upper or lower case is the same pseudonym: headings are set in capitals, and addresses are folded to small letters.
//! - `X` begins a pseudonym and stands nowhere else in it, so one search for a rare letter finds all of them, and at the
//!   end of a piece at most one can be unfinished. `I`, `L`, `O` are left out as they are misread.

use nemoclaw_policy::detector::BuiltIn;

use crate::finding::Detector;

/// The longest pseudonym there can be, and one more than what is ever held back of a channel.
pub const LONGEST: usize = 48;

/// Symbols of a code behind its first digit.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTUVWYZ";
/// Symbols of a code, the first digit counted.
const CODE: usize = 8;
/// The first digits: `0` and `1` look like letters.
const FIRST: &[u8; 8] = b"23456789";
/// The longest word for a kind.
const LONGEST_WORD: usize = 16;
/// What makes an address of e-mail of one; the `X` and the word stand in front.
const AT: &str = "@pseudonym.invalid";

/// What kind of value it is: it decides the word and the form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind(&'static str);

impl Kind {
    /// The kind that a detector finds. All detectors of the operator's have one: the name of a list may be the very
    /// thing that the list keeps from others.
    pub(crate) fn of(detector: &Detector) -> Kind {
        match detector {
            Detector::BuiltIn(known) => Kind(built_in(known)),
            Detector::Own(_) => Kind("TERM"),
        }
    }

    /// The word that says it.
    pub(crate) fn word(self) -> &'static str {
        self.0
    }

    fn tail(self) -> &'static str {
        if self.0 == "EMAIL" { AT } else { "" }
    }
}

fn built_in(known: &BuiltIn) -> &'static str {
    match known.name {
        "email" => "EMAIL",
        "phone" => "PHONE",
        "payment_card" => "CARD",
        "iban" => "IBAN",
        "us_ssn" => "SSN",
        "uk_nino" => "NINO",
        "de_tax_id" => "STEUERID",
        "fr_nir" => "NIR",
        "it_fiscal_code" => "CODICEFISCALE",
        "es_dni" => "DNI",
        "nl_bsn" => "BSN",
        "pl_pesel" => "PESEL",
        "in_aadhaar" => "AADHAAR",
        "br_cpf" => "CPF",
        "ip_address" => "IP",
        "mac_address" => "MAC",
        "url_credentials" => "CREDENTIALS",
        "private_key" => "PRIVATEKEY",
        "jwt" => "JWT",
        "api_key" => "APIKEY",
        "secret_value" => "SECRET",
        "crypto_wallet" => "WALLET",
        "date_of_birth" => "BIRTHDATE",
        "person_name" => "PERSON",
        "postal_address" => "ADDRESS",
        "organisation" => "ORGANISATION",
        _ => "VALUE",
    }
}

/// The part that tells one pseudonym from another: 38 bits, unique in a vault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Code(u64);

impl Code {
    const BITS: u32 = 3 + 5 * (CODE as u32 - 1);

    /// The code of the first bits of a keyed digest.
    pub(crate) fn new(bits: u64) -> Code {
        Code(bits & ((1 << Code::BITS) - 1))
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    fn read(symbols: &[u8]) -> Option<Code> {
        let (first, rest) = symbols.split_first()?;
        let mut bits = u64::from(first_value(*first)?);
        for symbol in rest {
            bits = bits << 5 | u64::from(value(*symbol)?);
        }
        Some(Code(bits))
    }

    fn write(self, to: &mut String) {
        let mut shift = Code::BITS - 3;
        to.push(char::from(FIRST[(self.0 >> shift) as usize & 7]));
        while shift > 0 {
            shift -= 5;
            to.push(char::from(SYMBOLS[(self.0 >> shift) as usize & 31]));
        }
    }
}

fn first_value(symbol: u8) -> Option<u8> {
    matches!(symbol, b'2'..=b'9').then(|| symbol - b'2')
}

fn value(symbol: u8) -> Option<u8> {
    let symbol = symbol.to_ascii_uppercase();
    let at = SYMBOLS.iter().position(|known| *known == symbol)?;
    u8::try_from(at).ok()
}

/// Writes the pseudonym of a kind and a code.
pub(crate) fn write(kind: Kind, code: Code, to: &mut String) {
    let from = to.len();
    to.push('X');
    to.push_str(kind.0);
    code.write(to);
    if !kind.tail().is_empty() {
        to[from..].make_ascii_lowercase();
        to.push_str(kind.tail());
    }
}

/// Something of a pseudonym's shape at the beginning of a text: whether it is one, only a vault knows.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'t> {
    text: &'t [u8],
    word: usize,
    pub(crate) code: Code,
}

impl Shape<'_> {
    /// The length of the pseudonym if it is one of that kind.
    pub(crate) fn is(&self, kind: Kind) -> Option<usize> {
        let behind = 1 + self.word + CODE;
        let tail = kind.tail().as_bytes();
        let fits = self.text[1..=self.word].eq_ignore_ascii_case(kind.0.as_bytes())
            && (self.text[behind..].get(..tail.len()))
                .is_some_and(|t| t.eq_ignore_ascii_case(tail));
        fits.then_some(behind + tail.len())
    }
}

/// The shape of a pseudonym at the very beginning of `text`.
pub(crate) fn shape(text: &[u8]) -> Option<Shape<'_>> {
    let word = word(text)?;
    let code = Code::read(text.get(1 + word..1 + word + CODE)?)?;
    Some(Shape { text, word, code })
}

/// Where the next `X` stands.
pub(crate) fn next(text: &[u8]) -> Option<usize> {
    memchr::memchr2(b'X', b'x', text)
}

/// The codes of all that has the shape of a pseudonym.
pub(crate) fn codes(text: &str) -> Vec<Code> {
    let found = memchr::memchr2_iter(b'X', b'x', text.as_bytes());
    let mut codes: Vec<Code> = found
        .filter_map(|at| Some(shape(&text.as_bytes()[at..])?.code))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Where a pseudonym begins that `text` ends in the middle of, or the text's length. `kinds` are those in use.
pub(crate) fn unfinished(text: &[u8], kinds: &[Kind]) -> usize {
    let window = text.len().saturating_sub(LONGEST - 1);
    match memchr::memrchr2(b'X', b'x', &text[window..]) {
        Some(at) if could_become(&text[window + at..], kinds) => window + at,
        _ => text.len(),
    }
}

/// Whether `part`, which begins with `X`, is the beginning, not the whole, of a pseudonym of one of the kinds.
fn could_become(part: &[u8], kinds: &[Kind]) -> bool {
    kinds.iter().any(|kind| {
        let (word, tail) = (kind.0.as_bytes(), kind.tail().as_bytes());
        let begun = &part[1..];
        if begun.len() < word.len() {
            return word[..begun.len()].eq_ignore_ascii_case(begun);
        }
        let (said, begun) = begun.split_at(word.len());
        let (code, begun) = begun.split_at(begun.len().min(CODE));
        said.eq_ignore_ascii_case(word)
            && part.len() < 1 + word.len() + CODE + tail.len()
            && code
                .first()
                .is_none_or(|first| first_value(*first).is_some())
            && code.iter().skip(1).all(|symbol| value(*symbol).is_some())
            && tail[..begun.len()].eq_ignore_ascii_case(begun)
    })
}

/// The length of the word between the `X` and the first digit.
fn word(text: &[u8]) -> Option<usize> {
    let rest = text.get(1..)?;
    let word = rest
        .iter()
        .take(LONGEST_WORD + 1)
        .position(|b| !b.is_ascii_alphabetic())?;
    (word > 0).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, bits: u64) -> String {
        let mut text = String::new();
        write(kind, Code::new(bits), &mut text);
        text
    }

    fn kinds() -> Vec<Kind> {
        let all = nemoclaw_policy::detector::all();
        let built_in = all.iter().map(|known| Kind::of(&Detector::BuiltIn(known)));
        built_in
            .chain([Kind::of(&Detector::Own("project falcon".into()))])
            .collect()
    }

    #[test]
    fn every_detector_that_ships_has_a_word_of_its_own_without_an_x() {
        let kinds = kinds();
        for (at, kind) in kinds.iter().enumerate() {
            assert!(kind.0.len() <= LONGEST_WORD, "{kind:?}");
            assert!(
                kind.0.bytes().all(|b| b.is_ascii_uppercase() && b != b'X'),
                "{kind:?}"
            );
            assert_ne!(kind.0, "VALUE");
            assert!(!kinds[..at].contains(kind), "{kind:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_in_any_case_and_is_never_longer_than_the_bound() {
        for kind in kinds() {
            for bits in [0, 1, 0x15_5555_5555, u64::MAX, 0x2a_aaaa_aaaa] {
                let text = written(kind, bits);
                assert!(text.len() < LONGEST && text.is_ascii(), "{text}");
                for spelt in [text.clone(), text.to_uppercase(), text.to_lowercase()] {
                    let shape = shape(spelt.as_bytes()).expect("a shape");
                    assert_eq!(shape.code, Code::new(bits), "{spelt}");
                    assert_eq!(shape.is(kind), Some(text.len()), "{spelt}");
                    assert_eq!(next(&spelt.as_bytes()[1..]), None, "{spelt}");
                }
            }
        }
    }

    #[test]
    fn every_beginning_of_a_pseudonym_is_held_back_and_the_whole_is_not() {
        for kind in kinds() {
            let text = format!("so {}", written(kind, 0x12_3456_789a));
            for end in 4..text.len() {
                assert_eq!(
                    unfinished(&text.as_bytes()[..end], &kinds()),
                    3,
                    "{}",
                    &text[..end]
                );
            }
            assert_eq!(unfinished(text.as_bytes(), &kinds()), text.len());
        }
    }

    #[test]
    fn what_cannot_become_one_is_not_held_back() {
        for text in [
            "",
            "tax",
            "taxy",
            "XPERSO4",
            "XPERSON1",
            "XPERSON4I",
            "XEMAIL4K7Q2M5A@x",
            "x-",
        ] {
            let held = text.len() - unfinished(text.as_bytes(), &kinds());
            assert_eq!(held, usize::from(text.ends_with(['x', 'X'])), "{text}");
        }
        assert_eq!(
            unfinished(b"XPERSON4K", &[Kind("EMAIL")]),
            9,
            "a kind that is not in use"
        );
    }
}
