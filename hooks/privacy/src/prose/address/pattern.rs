//! The patterns of the parts of addresses.

use std::sync::LazyLock;

use regex::Regex;

/// A name of a city: up to five words.
const CITY: &str = r"(?:(?:St|Ste|Sta|Sto|Mt|Ft|Col|Bad)\.? )?\p{Lu}[\p{L}'’]*(?:(?:[ -](?:de|del|di|da|do|dos|la|le|les|lès|sur|sous|am|an|der|upon|of|the|und|aan|den|nad|na|en|ob|los|las|el)){0,2}[ -]\p{Lu}[\p{L}'’]*){0,4}";
/// A postcode that stands before the city.
const BEFORE_CITY: &str =
    r"(?:[A-Z]{1,3}-)?(?:\d{3} \d{2}|\d{2}-\d{3}|\d{5}-\d{3}|\d{4}-\d{3}|\d{4} ?[A-Z]{2}|\d{4,6})";
/// A postcode that stands behind the city.
const BEHIND_CITY: &str = r"(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{5}-\d{3,4}|\d{3}-\d{4}|\d{3} \d{3}|\d{5,6}|\d{4}|[A-Z]\d{2} [A-Z\d]{4})";
/// A state, as its two or three letters or by name.
const STATE: &str = r"(?:[A-Z]{2,3}\b\.?|D\.C\.|\p{Lu}[a-z]+(?: \p{Lu}[a-z]+)?)";
/// The number of a house.
const NUMBER: &str = r"\d{1,5}(?: ?[-–/] ?\d{1,4})?(?: ?[A-Za-z]\b)?";
/// Small words for a street that stand before its name.
const WAYS: &str = r"(?:rue|avenue|av\.|boulevard|bd|place|chemin|allée|impasse|quai|cours|route|square|passage|calle|c/|avda\.?|avenida|plaza|paseo|carrera|camino|ronda|travesía|via|viale|piazza|corso|largo|vicolo|piazzale|strada|rua|travessa|praça|alameda|estrada|ul\.|ulica|al\.|aleja|pl\.|os\.|nám\.|náměstí|tř\.|str\.|bd\.|bulevardul|calea|șos\.|jalan|jl\.)";
/// Small words between a street's word and its name.
const LINKS: &str = r"(?:(?:de|du|des|de la|de las|de los|de l'|del|della|delle|dei|degli|di|do|da|dos|das|la|le|les|el|los|las|św\.|gen\.|ks\.)[ ']?|[dl]['’])";

/// A pattern of ours. One that does not compile finds nothing; a test tries them all.
///
/// It is compiled when it is first asked, for most texts have no address.
pub(super) struct Pattern(LazyLock<Option<Regex>>);

/// Makes a [`Pattern`] of an expression.
macro_rules! pattern {
    ($($expression:tt)*) => {
        Pattern(LazyLock::new(|| Regex::new(&format!($($expression)*)).ok()))
    };
}

impl Pattern {
    /// The first match.
    pub(super) fn find(&self, text: &str) -> Option<(usize, usize)> {
        self.0
            .as_ref()?
            .find(text)
            .map(|found| (found.start(), found.end()))
    }

    /// The length of a match that begins with the text.
    pub(super) fn length(&self, text: &str) -> Option<usize> {
        self.find(near(text))
            .filter(|found| found.0 == 0)
            .map(|found| found.1)
    }

    /// The length of a group of a match.
    fn group(&self, text: &str, group: usize) -> Option<(usize, usize)> {
        let found = self.0.as_ref()?.captures(text)?;
        found.get(group).map(|group| (group.start(), group.end()))
    }
}

/// So much of a text as a part of an address can take.
fn near(text: &str) -> &str {
    let end = text.len().min(120);
    let end = (0..=end)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    &text[..end]
}

/// Every pattern of addresses.
pub(super) struct Patterns {
    pub(super) boxed: Pattern,
    pub(super) unit_before: Pattern,
    pub(super) unit: Pattern,
    pub(super) postal: [Pattern; 7],
    pub(super) place: Pattern,
    pub(super) postcode_behind: Pattern,
    pub(super) number_after: Pattern,
    number_before: Pattern,
    way_before: Pattern,
}

static PATTERNS: Patterns = Patterns::new();

/// The patterns.
pub(super) fn patterns() -> &'static Patterns {
    &PATTERNS
}

impl Patterns {
    const fn new() -> Patterns {
        Patterns {
            boxed: pattern!(
                r"^(?:P\.? ?O\.? ?Box|PO Box|Post Office Box|Postfach|Postbus|Apartado(?: de Correos)?|Casilla|Casella Postale|Caixa Postal|Skrytka pocztowa|Boîte Postale|BP|GPO Box|Locked Bag|Private Bag)(?: n[º°o]\.?)? \d[\d ]{{0,8}}\d?\b"
            ),
            unit_before: pattern!(
                r"(?i)(?:(?:flat|apt\.?|apartment|unit|suite|room|shop|office|plot|door no\.?|house no\.?|h\.?no\.?) ?#?(?-i:[A-Z]\d{{0,3}}|\d[\w-]{{0,5}})(?: ?/ ?\d+)?,? (?-i:(?:\p{{Lu}}\p{{L}}+ ){{0,2}}\p{{Lu}}\p{{L}}+, )?|\bno\. )$"
            ),
            unit: pattern!(
                r"^(?:(?i:apartment|apartamento|appartamento|appartement|edificio|edif|interior|interno|depto|local|apt|suite|ste|unit|flat|floor|fl|room|rm|bldg|building|block|tower|level|piso|esc|escalera|planta|puerta|pta|interno|int|scala|lokal|lok|byt|apto|bloco|bl|et|etaj|ap|sc|top|daire|kat|d|bât|bâtiment|esc|étage|door|m)\b\.?:? ?#?\w{{1,5}}(?:-\w{{1,4}})?\b|#\w{{1,5}}(?:-\w{{1,4}})?\b|\d{{1,2}}(?:st|nd|rd|th) [Ff]l(?:oor|\.)|\d{{1,2}}\.?[ºª°] ?(?:[A-Za-zÀ-ÿ]{{1,10}}\b)?|\d{{1,2}}\. (?:Stock|OG|Etage|sal|kerros|emelet)\b)"
            ),
            postal: Self::postal(),
            place: pattern!(r"^{CITY}(?: \d{{1,2}}\b)?"),
            postcode_behind: pattern!(r"^(?:,? {STATE})?(?:,| -| –|-)? ?{BEHIND_CITY}\b"),
            number_after: pattern!(
                r"^,? (?:[Nn][º°]\.? ?|[Nn]r\.? ?|[Nn]\. ?|[Nn]o\.?:? ?|№ ?|#)?{NUMBER}(?: ?(?:bis|ter)\b)?\.?"
            ),
            number_before: pattern!(
                r"(?:^|[^\w.,€$£%#-])(({NUMBER})(?: (?:bis|ter|quater))?,? (?:\d{{1,3}}(?:st|nd|rd|th) )?((?i:{WAYS}) (?:{LINKS} ?)*)?)$"
            ),
            way_before: pattern!(r"(?i:\b|^)((?i:{WAYS}) (?:{LINKS} ?)*)$"),
        }
    }

    /// The parts of an address that have a postcode.
    const fn postal() -> [Pattern; 7] {
        [
            pattern!(r"^{CITY},? {STATE},? \d{{5}}(?:-\d{{4}})?\b"),
            pattern!(
                r"^(?:[A-Z]{{2}}|\p{{Lu}}[a-z]+(?: \p{{Lu}}[a-z]+)?),? \d{{5}}(?:-\d{{4}})?\b"
            ),
            pattern!(
                r"^{BEFORE_CITY},? {CITY}(?: \d{{1,2}}\b)?(?: \([A-Z]{{2}}\)|,? [A-Z]{{2}}\b| [-/] [A-Z]{{2}}\b)?"
            ),
            pattern!(r"^{CITY}(?:,? [A-Z]{{2,3}})?(?:,? (?:[-–] )?|-){BEHIND_CITY}\b"),
            pattern!(r"^{CITY} [-–/] [A-Z]{{2}}(?:,? (?:CEP:? ?)?\d{{5}}-\d{{3}})?\b"),
            pattern!(r"^(?:CEP:? |PIN:? ?|〒 ?)?{BEHIND_CITY}\b"),
            pattern!(r"^{CITY}, {CITY},? {BEHIND_CITY}\b"),
        ]
    }
}

/// Whether a box of a post office may begin here: a cheap look before the pattern.
pub(super) fn may_be_boxed(rest: &[u8]) -> bool {
    matches!(
        rest,
        [b'P', b'O' | b'.' | b' ' | b'o' | b'r', ..]
            | [b'A' | b'G', b'p' | b'P', ..]
            | [b'C', b'a', ..]
            | [b'S', b'k', ..]
            | [b'B', b'o' | b'P', ..]
            | [b'L', b'o', ..]
    )
}

/// Whether the number of a house may follow: a cheap look before the pattern.
pub(super) fn may_be_number(rest: &[u8]) -> bool {
    let rest = rest.strip_prefix(b",").unwrap_or(rest);
    matches!(
        rest,
        [b' ', b'0'..=b'9' | b'N' | b'n' | b'#' | 0x80..=0xff, ..]
    )
}

/// Whether an article is one that stands between a word for a street and its name.
pub(super) fn links(word: &str) -> bool {
    matches!(
        word,
        "de" | "des"
            | "du"
            | "del"
            | "das"
            | "dos"
            | "do"
            | "la"
            | "le"
            | "les"
            | "el"
            | "los"
            | "las"
    )
}

/// A number right before this place, with the small words of a street between: where it begins, and whether there are such.
pub(super) fn number_before(before: &str) -> Option<(usize, bool)> {
    if !before.ends_with([' ', '\'', '’']) {
        return None;
    }
    let groups = patterns().number_before.0.as_ref()?.captures(before)?;
    Some((groups.get(1)?.start(), groups.get(3).is_some()))
}

/// The length of the small words of a street right before this place.
pub(super) fn way_before(before: &str) -> Option<usize> {
    if !before.ends_with([' ', '\'', '’']) {
        return None;
    }
    patterns()
        .way_before
        .group(before, 1)
        .map(|(start, end)| end - start)
}

/// Whether a number of a street stands before: "350 5th ".
pub(super) fn ordinal(before: &str) -> bool {
    let word = before
        .trim_end_matches(' ')
        .rsplit(' ')
        .next()
        .unwrap_or_default();
    let digits = word.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(&word[digits.len()..], "st" | "nd" | "rd" | "th")
}

/// A direction behind the word for a street.
pub(super) fn direction(word: &str) -> bool {
    matches!(
        word,
        "N" | "S" | "E" | "W" | "NE" | "NW" | "SE" | "SW" | "North" | "South" | "East" | "West"
    )
}

/// Whether a word ends with a word for a street: `Hauptstraße`, `Keizersgracht`, `Drottninggatan`.
pub(super) fn compound(word: &str) -> bool {
    const ENDINGS: [&str; 48] = [
        "straße",
        "strasse",
        "straat",
        "str",
        "weg",
        "platz",
        "gasse",
        "allee",
        "damm",
        "ufer",
        "steig",
        "chaussee",
        "ring",
        "graben",
        "promenade",
        "laan",
        "plein",
        "gracht",
        "kade",
        "dijk",
        "singel",
        "steeg",
        "hof",
        "markt",
        "gatan",
        "vägen",
        "gata",
        "vegen",
        "veien",
        "veien",
        "gate",
        "vej",
        "gade",
        "allé",
        "stræde",
        "torv",
        "plads",
        "katu",
        "tie",
        "kuja",
        "polku",
        "tänav",
        "iela",
        "gatvė",
        "utca",
        "torget",
        "gränd",
        "stieg",
    ];
    let lower = word.to_lowercase();
    let last = lower.bytes().next_back();
    ENDINGS.iter().any(|ending| {
        ending.bytes().next_back() == last
            && lower.len() > ending.len() + 1
            && lower.ends_with(ending)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        let all = patterns();
        let some = [
            &all.boxed,
            &all.unit_before,
            &all.unit,
            &all.place,
            &all.postcode_behind,
            &all.number_after,
            &all.number_before,
            &all.way_before,
        ];
        assert!(
            some.into_iter()
                .chain(&all.postal)
                .all(|pattern| pattern.0.is_some())
        );
    }
}
