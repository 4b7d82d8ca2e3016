//! Words near a number that say what it is, in the languages that the detectors know.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

use super::bytes::{ALNUM, BLANK, UPPER, WIDE, before, has, is, run_back};

/// What a word says of a number near it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    Phone,
    Card,
    Ssn,
    Nino,
    TaxDe,
    Nir,
    Dni,
    Bsn,
    Pesel,
    Aadhaar,
    Cpf,
    Birth,
    Version,
    Wallet,
    Mac,
    Net,
    /// It is a number of something else: an order, an invoice, a book.
    Other,
}

const KINDS: usize = 17;

/// How many bytes before and behind a number are read for words.
pub(super) const REACH: usize = 64;
const BEHIND: usize = 36;
/// How near a word for another number has to be, plus one.
const OTHER_REACH: usize = 28;

/// Which cues stand near, and how near their end is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Cues {
    /// Distance plus one by kind; 0 where there is none.
    distance: [u8; KINDS],
    /// The kinds whose nearest word stands behind, as bits.
    behind: u32,
}

impl Cues {
    /// Whether there is one of `cue`.
    pub(super) fn has(&self, cue: Cue) -> bool {
        self.distance[cue as usize] != 0
    }

    /// Whether there is one of `cue` and no word for another number is nearer.
    pub(super) fn says(&self, cue: Cue) -> bool {
        let own = self.distance[cue as usize];
        let other = self.distance[Cue::Other as usize];
        own != 0 && (other == 0 || own <= other)
    }

    /// Whether a word for another number is the nearest of all that is known.
    pub(super) fn is_other(&self) -> bool {
        let other = self.distance[Cue::Other as usize];
        other != 0
            && usize::from(other) <= OTHER_REACH
            && self
                .distance
                .iter()
                .all(|distance| *distance == 0 || *distance >= other)
    }

    /// Whether there is one of `cue` at most `reach` bytes off.
    pub(super) fn is_near(&self, cue: Cue, reach: usize) -> bool {
        (1..=reach + 1).contains(&usize::from(self.distance[cue as usize]))
    }

    /// Whether there is one of `cue` and, where it stands before `start`, no number is between.
    pub(super) fn touches(&self, cue: Cue, bytes: &[u8], start: usize) -> bool {
        let gap = usize::from(self.distance[cue as usize]).saturating_sub(1);
        self.has(cue)
            && (self.behind & 1 << cue as u32 != 0
                || !bytes[start.saturating_sub(gap)..start]
                    .iter()
                    .any(u8::is_ascii_digit))
    }

    /// Notes a word; whether it is the nearest so far.
    fn note(&mut self, cue: Cue, distance: usize) -> bool {
        let distance = u8::try_from(distance + 1).unwrap_or(u8::MAX);
        let slot = &mut self.distance[cue as usize];
        let nearer = *slot == 0 || distance < *slot;
        if nearer {
            *slot = distance;
        }
        nearer
    }
}

/// A word list entry: the words (small letters) of a cue, divided by `|`.
const WORDS: &[(Cue, &str)] = &[
    (
        Cue::Phone,
        "phone|telephone|tel|tel.|mobile|mob|mob.|cell|cellphone|cell phone|fax|whatsapp|call|dial|text me|sms|hotline|landline|reach me|reach him|reach her|reach us|reach them|contact number|contact no|number is|my number|his number|her number|nummer ist|meine nummer|nummer lautet|mijn nummer|numer to|mój numer|numero|número|numéro|callback|call back|voicemail|telefon|telefonnummer|handy|handynummer|mobil|mobilnummer|mobilfunk|rufnummer|anrufen|rufen sie|erreichbar|erreichen|festnetz|durchwahl|rückruf|téléphone|telephone|tél|tél.|portable|appelez|appeler|appelle|joindre|joignable|numéro est|mon numéro|teléfono|telefono|móvil|movil|celular|llame|llamar|llámame|llamame|mi número|mi numero|cellulare|cell.|chiamare|chiamami|chiamate|chiama|recapito|numero è|telefoon|telefoonnummer|mobiel|bel me|bel ons|bellen|gsm|06-nummer|komórka|komórkowy|zadzwoń|zadzwonić|dzwonić|telefonu|telefonicznie|kom.|telefone|ligue|ligar|contato|contacto|phone no|ph|ph.|ph no|फोन|मोबाइल|नंबर|फ़ोन|दूरभाष|сотовый|телефон|电话|手机|電話|携帯|전화|telefonas|puhelin|telefonszám|msisdn",
    ),
    (
        Cue::Card,
        "card|credit|debit|visa|mastercard|amex|american express|maestro|discover|diners|jcb|unionpay|cc|ccn|pan|cvv|cvc|expiry|exp|karte|kreditkarte|kreditkartennummer|kartennummer|carte|carte bancaire|cb|tarjeta|carta|carta di credito|kaart|creditcard|kaartnummer|karta|karty|kartą|kartę|cartão|cartao|कार्ड",
    ),
    (
        Cue::Ssn,
        "ssn|ssn#|social security|social sec|social insurance|socsec|soc sec|itin|tin|taxpayer id|tax id|social",
    ),
    (
        Cue::Nino,
        "nino|ni number|ni no|national insurance|nat ins|insurance number|n.i.",
    ),
    (
        Cue::TaxDe,
        "steuer-id|steuerid|steuer id|steuer-identifikationsnummer|steueridentifikationsnummer|steuerliche identifikationsnummer|identifikationsnummer|steuernummer|steuer-nr|steuernr|idnr|id-nr|idnr.|tax id|tax-id|tax identification|tax number|tin|german tax|de_tax_id|steuer|identnummer",
    ),
    (
        Cue::Nir,
        "nir|insee|sécurité sociale|securite sociale|sécu|secu|numéro de sécu|n° ss|num ss|carte vitale|vitale|social security|assuré|immatriculation|ssn|numéro ss",
    ),
    (
        Cue::Dni,
        "dni|nie|nif|documento nacional|documento de identidad|identidad|cédula|extranjero|id number|national id|carnet|documento|passport|pasaporte",
    ),
    (
        Cue::Bsn,
        "bsn|burgerservicenummer|burger service nummer|sofinummer|sofi-nummer|sofi|citizen service number|bsn-nummer|burgerservice|persoonsnummer",
    ),
    (
        Cue::Pesel,
        "pesel|numer pesel|nr pesel|ewidencyjny|polish id|national id|identyfikacyjny",
    ),
    (
        Cue::Aadhaar,
        "aadhaar|aadhar|adhaar|adhar|uidai|uid|aadhaar no|आधार|ஆதார்|আধার|unique identification",
    ),
    (
        Cue::Cpf,
        "cpf|cadastro de pessoa|cadastro de pessoas|cpf/mf|contribuinte|cpf nº|cadastro",
    ),
    (
        Cue::Birth,
        "born|birth|birthday|birthdate|birth date|birth_date|date_of_birth|dateofbirth|date of birth|dob|d.o.b|d.o.b.|bday|geboren|geb|geb.|geburt|geburtsdatum|geburtstag|geburtsdat|né le|née le|né(e) le|ne le|nee le|naissance|date de naissance|né|née|naquit|anniversaire|nacido|nacida|nacimiento|nació|nacio|fecha de nac|f. nac|f.nac|fec. nac|cumpleaños|cumple|nato|nata|nato il|nata il|nascita|data di nascita|compleanno|geboortedatum|geboorte|geb.datum|geb. datum|verjaardag|urodzony|urodzona|urodzenia|data urodzenia|ur.|urodził|urodziła|urodziny|nascido|nascida|nasci|nací|naci|naciste|je suis né|sono nato|sono nata|nascimento|data de nascimento|nasceu|nasc|nasc.|aniversário|जन्म|जन्मतिथि|जन्मदिन|janm|janam|janmtithi|janm tithi|paida|जन्म तिथि|date of birth (dob)|geb. am|* am|födelsedatum|född|fødselsdato|født|syntynyt|syntymäaika|narozen|дата рождения|родился|родилась",
    ),
    (
        Cue::Version,
        "version|versions|release|objectidentifier|object identifier|ver|assembly|fileversion|oid|firmware|build|section|chapter|abschnitt|kapitel|clause|schema|upgrade|downgrade|driver|toolkit|revision|rev|v|chrome|firefox|safari|edge|mozilla|patch|kernel|sdk|==|>=|<=|~>|~=|!=",
    ),
    (
        Cue::Wallet,
        "wallet|btc|bitcoin|eth|ethereum|ether|erc20|erc-20|usdt|usdc|crypto|solana|sol|xrp|ripple|tron|trx|doge|litecoin|ltc|monero|xmr|cardano|polkadot|dot|metamask|phantom|ledger|payout address|deposit address|sender|recipient|send to|donate|donation|tip jar|kryptowährung|coin|coins|token address|blockchain|cartera|portafoglio|portefeuille|portfel|carteira|crypto-monnaie|criptomoneda|polygon|bnb|bsc|binance|arbitrum|avalanche|near|stellar|xlm|algorand|tezos|cosmos",
    ),
    (
        Cue::Mac,
        "mac|mac address|hwaddr|hw address|ether|ethernet|bssid|physical address|hardware address|link/ether|lladdr|wifi|wi-fi|nic|physikalische adresse|adresse mac|indirizzo mac|dirección mac|endereço mac|adres mac|mac-adres|mac-adresse|bluetooth",
    ),
    (
        Cue::Net,
        "ip|ipv4|ips|ip address|ip-adresse|ip-address|address|addr|addresses|adresse|dirección|indirizzo|endereço|adres|host|hosts|server|ping|dns|nameserver|gateway|router|subnet|ssh|firewall|port|bind|listen|connect|connected|connection|proxy|client|peer|node|vm|login from|logged in from|remote|inet|source|src|dst|vpn",
    ),
    (
        Cue::Other,
        "order|orders|order no|order number|order id|invoice|invoice no|inv|receipt|ticket|case|case no|ref|ref.|reference|tracking|parcel|shipment|sku|isbn|issn|ean|upc|gtin|barcode|serial|s/n|imei|imsi|part no|part number|article|item|product|model|batch|lot|transaction|txn|trace|request id|session|build|commit|revision|bestellnummer|bestellung|bestell-nr|rechnung|rechnungsnummer|rechnungs-nr|auftrag|auftragsnummer|aktenzeichen|vorgang|seriennummer|artikelnummer|kundennummer|sendung|sendungsnummer|commande|facture|référence|dossier|suivi|pedido|factura|referencia|albarán|seguimiento|ordine|fattura|riferimento|spedizione|bestelling|factuur|ordernummer|zamówienie|zamówienia|faktura|faktury|przesyłka|fatura|nota fiscal|protocolo|rastreamento|timestamp|epoch|checksum|port|pid|offset|size|bytes|count|population|revenue|price|cost|amount|total|customer number|customer id|account id|user id|userid|uuid|id|zip|postal|doi|arxiv|rfc|patent|random seed|seed",
    ),
];

struct Words {
    automaton: AhoCorasick,
    cues: Vec<Cue>,
}

static ALL: LazyLock<Option<Words>> = LazyLock::new(|| {
    let mut cues = Vec::new();
    let mut patterns = Vec::new();
    for (cue, words) in WORDS {
        for word in words.split('|') {
            cues.push(*cue);
            patterns.push(word);
        }
    }
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(patterns)
        .ok()
        .map(|automaton| Words { automaton, cues })
});

/// Builds the words' automaton.
pub(super) fn prepare() {
    LazyLock::force(&ALL);
}

/// The cues around the bytes `start..end`: before it, and a little behind it in the same line.
pub(super) fn around(bytes: &[u8], start: usize, end: usize) -> Cues {
    let mut cues = before_only(bytes, start);
    let line = bytes[end..]
        .iter()
        .take(BEHIND)
        .take_while(|byte| !matches!(byte, b'\n' | b'.' | b';'))
        .count();
    // What stands behind says less than what stands before: it counts as if it were further off.
    collect(bytes, end, end + line, |cue, from, _| {
        if cue != Cue::Other && cues.note(cue, from - end + REACH / 2) {
            cues.behind |= 1 << cue as u32;
        }
    });
    cues
}

/// The cues before `start`.
pub(super) fn before_only(bytes: &[u8], start: usize) -> Cues {
    let mut cues = Cues::default();
    let from = sentence(bytes, start);
    collect(bytes, from, start, |cue, _, to| {
        cues.note(cue, start - to);
    });
    cues
}

/// Where the sentence or line of what begins at `start` begins, at most [`REACH`] bytes before.
fn sentence(bytes: &[u8], start: usize) -> usize {
    let least = start.saturating_sub(REACH);
    let mut said = false;
    let mut at = start;
    while at > least {
        at -= 1;
        match bytes[at] {
            // A value alone in its line belongs to the words of the line before.
            b'\n' if said => return at + 1,
            b'.' | b'!' | b'?' if closes(bytes, at) => return at + 1,
            byte => said |= is(byte, ALNUM | WIDE),
        }
    }
    least
}

/// Whether the mark at `at` closes a sentence: a blank follows, and what stands before is no short form (`Tel.`, `geb.`).
fn closes(bytes: &[u8], at: usize) -> bool {
    if !has(bytes, at + 1, BLANK) {
        return false;
    }
    let start = run_back(bytes, at, ALNUM | WIDE, 6);
    let word = &bytes[start..at];
    let capital = has(bytes, at + 2, UPPER | WIDE);
    let short = bytes[at] == b'.'
        && (word.len() == 1
            || SHORT
                .iter()
                .any(|short| word.eq_ignore_ascii_case(short.as_bytes())));
    !short && (capital || word.len() >= 5)
}

/// Short forms that end with a dot and belong to what follows.
const SHORT: [&str; 28] = [
    "tel", "tél", "mob", "geb", "ur", "no", "nr", "dr", "mr", "mrs", "ms", "nasc", "nac", "cell",
    "kom", "ph", "ref", "exp", "st", "fec", "idnr", "hr", "fr", "sr", "sra", "prof", "ing", "vgl",
];

fn collect(bytes: &[u8], from: usize, to: usize, mut each: impl FnMut(Cue, usize, usize)) {
    let Some(words) = ALL.as_ref() else { return };
    for hit in words.automaton.find_overlapping_iter(&bytes[from..to]) {
        let (start, end) = (from + hit.start(), from + hit.end());
        if is_word(bytes, start, end) {
            each(words.cues[hit.pattern().as_usize()], start, end);
        }
    }
}

/// Whether `start..end` is a word of its own, or a part of a name in camel or snake case.
fn is_word(bytes: &[u8], start: usize, end: usize) -> bool {
    let first = bytes[start];
    let last = bytes[end - 1];
    let begins = !first.is_ascii_alphanumeric()
        || !before(bytes, start, ALNUM | WIDE)
        || (first.is_ascii_uppercase() && bytes[start - 1].is_ascii_lowercase())
        || super::bytes::behind_escape(bytes, start);
    let stops = !last.is_ascii_alphanumeric()
        || !has(bytes, end, ALNUM | WIDE)
        || has(bytes, end, super::bytes::DIGIT)
        || (last.is_ascii_lowercase() && bytes[end].is_ascii_uppercase());
    begins && stops
}
