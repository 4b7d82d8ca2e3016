//! Values of every kind that a detector knows, with the check digits that they have.

/// Small numbers of its own, the same in every run.
pub struct Seeded(pub u64);

impl Seeded {
    /// A number below this one.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// One of these.
    pub fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + self.below(10) as u8))
            .collect()
    }

    fn of(&mut self, alphabet: &str, count: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..count)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}

const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const WORD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Given names of which some are in no list, as strangers' names are.
const GIVEN: &[&str] = &[
    "Maria",
    "James",
    "Aylin",
    "Sven",
    "Chiara",
    "Nadia",
    "Piotr",
    "Hiroshi",
    "Priya",
    "Kwame",
    "Lucía",
    "François",
    "Jürgen",
    "Zofia",
    "Mehmet",
    "Olena",
    "Tariq",
    "Ingrid",
    "Beatriz",
    "Wei",
    "Svetlana",
    "Callum",
    "Niamh",
    "Ravi",
    "Yara",
    "Tjaarke",
    "Zephyrine",
    "Oluwadamilola",
    "Quillon",
    "Brannoc",
];
/// Surnames, likewise.
const SURNAMES: &[&str] = &[
    "Smith",
    "Kowalski",
    "García",
    "Müller",
    "Rossi",
    "Tanaka",
    "Okafor",
    "Petrov",
    "Lindqvist",
    "Nguyen",
    "Haddad",
    "O'Connor",
    "van der Berg",
    "Yılmaz",
    "Chatterjee",
    "Lefèvre",
    "Horváth",
    "Papadopoulos",
    "Silva",
    "Johansen",
    "Thrupwell",
    "Vandergroot",
    "Mbakwe-Osei",
    "Zelniczek",
    "Quarmby",
    "Ferhatović",
];

/// A person's name.
pub fn person(seeded: &mut Seeded) -> String {
    format!("{} {}", seeded.pick(GIVEN), seeded.pick(SURNAMES))
}

/// An address.
pub fn address(seeded: &mut Seeded) -> String {
    let number = 1 + seeded.below(180);
    match seeded.below(9) {
        0 => format!(
            "{number} {} Street, {}, OH {}",
            seeded.pick(&["Willow", "Canal", "Juniper", "Quarry"]),
            seeded.pick(&["Marlow", "Dayton"]),
            43000 + seeded.below(900)
        ),
        1 => format!(
            "{number} {} Road, Bristol BS{} {}QT",
            seeded.pick(&["Ashgrove", "Station", "Priory"]),
            1 + seeded.below(9),
            1 + seeded.below(9)
        ),
        2 => format!(
            "{} {number}, {} {}",
            seeded.pick(&["Gartenstraße", "Lindenweg", "Schlossallee"]),
            10115 + seeded.below(80_000),
            seeded.pick(&["Leipzig", "Ulm", "Kassel"])
        ),
        3 => format!(
            "{number} rue {}, {} {}",
            seeded.pick(&["des Tanneurs", "Victor Hugo", "de la Gare"]),
            10000 + seeded.below(80_000),
            seeded.pick(&["Lille", "Nantes"])
        ),
        4 => format!(
            "Calle {} {number}, {} {}",
            seeded.pick(&["Serrano", "del Olmo", "Mayor"]),
            10000 + seeded.below(40_000),
            seeded.pick(&["Valencia", "Madrid"])
        ),
        5 => format!(
            "Via {} {number}, {} {}",
            seeded.pick(&["Mazzini", "dei Mille", "Torino"]),
            10000 + seeded.below(80_000),
            seeded.pick(&["Bologna", "Pisa"])
        ),
        6 => format!(
            "{} {number}, {} {} {}",
            seeded.pick(&["Kerkstraat", "Molenweg", "Herengracht"]),
            1011 + seeded.below(8000),
            seeded.of(CAPITALS, 2),
            seeded.pick(&["Utrecht", "Leiden"])
        ),
        7 => format!(
            "ul. {} {number}, {:02}-{:03} {}",
            seeded.pick(&["Lipowa", "Krótka", "Polna"]),
            seeded.below(99),
            seeded.below(999),
            seeded.pick(&["Gdynia", "Łódź"])
        ),
        _ => format!(
            "{number}, {} Road, {} {}",
            seeded.pick(&["MG", "Residency", "Temple"]),
            seeded.pick(&["Bengaluru", "Chennai"]),
            560_001 + seeded.below(99)
        ),
    }
}

/// An organisation.
pub fn organisation(seeded: &mut Seeded) -> String {
    let name = seeded.pick(&[
        "Kestrel",
        "Brightmoor",
        "Nordhavn",
        "Alvarado",
        "Zenitech",
        "Halvorsen",
        "Tamarind",
    ]);
    format!(
        "{name} {}",
        seeded.pick(&[
            "GmbH",
            "Ltd",
            "Inc.",
            "Logistics",
            "S.A.",
            "Pharmaceuticals",
            "Holdings",
            "AG"
        ])
    )
}

/// A number of a payment card.
pub fn card(seeded: &mut Seeded) -> String {
    let body = format!(
        "{}{}",
        seeded.pick(&["4539", "5412", "4929", "5105"]),
        seeded.digits(11)
    );
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| luhn(u32::from(digit - b'0'), at % 2 == 0))
        .sum();
    let whole = format!("{body}{}", (10 - sum % 10) % 10);
    match seeded.below(3) {
        0 => whole,
        1 => [&whole[..4], &whole[4..8], &whole[8..12], &whole[12..]].join(" "),
        _ => [&whole[..4], &whole[4..8], &whole[8..12], &whole[12..]].join("-"),
    }
}

fn luhn(digit: u32, doubled: bool) -> u32 {
    let value = if doubled { digit * 2 } else { digit };
    value / 10 + value % 10
}

/// An account number.
pub fn iban(seeded: &mut Seeded) -> String {
    let (country, body) = match seeded.below(4) {
        0 => ("DE", seeded.digits(18)),
        1 => ("NL", format!("INGB{}", seeded.digits(10))),
        2 => ("GB", format!("NWBK{}", seeded.digits(14))),
        _ => ("ES", seeded.digits(20)),
    };
    let moved = format!("{body}{country}00");
    let rest = moved
        .chars()
        .filter_map(|letter| letter.to_digit(36))
        .fold(0_u32, |rest, value| {
            (rest * if value > 9 { 100 } else { 10 } + value) % 97
        });
    let whole = format!("{country}{:02}{body}", 98 - rest);
    if seeded.below(2) == 0 {
        return whole;
    }
    whole
        .as_bytes()
        .chunks(4)
        .filter_map(|four| std::str::from_utf8(four).ok())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A US social security number.
pub fn ssn(seeded: &mut Seeded) -> String {
    format!(
        "{:03}-{:02}-{:04}",
        100 + seeded.below(500),
        10 + seeded.below(80),
        1000 + seeded.below(8000)
    )
}

/// A UK national insurance number.
pub fn nino(seeded: &mut Seeded) -> String {
    format!(
        "{}{}{}",
        seeded.pick(&["AB", "CE", "JK", "PM"]),
        seeded.digits(6),
        seeded.pick(&["A", "B", "C", "D"])
    )
}

/// A Spanish DNI.
pub fn dni(seeded: &mut Seeded) -> String {
    let number = 10_000_000 + seeded.below(80_000_000);
    let letter = &"TRWAGMYFPDXBNJZSQVHLCKE"[number % 23..=number % 23];
    format!("{number}{letter}")
}

/// A Polish PESEL.
pub fn pesel(seeded: &mut Seeded) -> String {
    let body = format!(
        "{:02}{:02}{:02}{}",
        50 + seeded.below(49),
        1 + seeded.below(12),
        1 + seeded.below(28),
        seeded.digits(4)
    );
    weighed(&body, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3])
}

fn weighed(body: &str, weights: &[u32]) -> String {
    let sum: u32 = body
        .bytes()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// A Brazilian CPF.
pub fn cpf(seeded: &mut Seeded) -> String {
    let mut digits: Vec<u32> = (0..9).map(|_| seeded.below(10) as u32).collect();
    for _ in 0..2 {
        let most = digits.len() as u32 + 1;
        let sum: u32 = digits
            .iter()
            .zip((2..=most).rev())
            .map(|(digit, weight)| digit * weight)
            .sum();
        digits.push(sum * 10 % 11 % 10);
    }
    let text: String = digits
        .iter()
        .filter_map(|digit| char::from_digit(*digit, 10))
        .collect();
    format!(
        "{}.{}.{}-{}",
        &text[..3],
        &text[3..6],
        &text[6..9],
        &text[9..]
    )
}

/// An address of e-mail.
pub fn email(seeded: &mut Seeded) -> String {
    let name = seeded.pick(&["j.doe", "anna_k", "tomasz+news", "billing", "q.thrupwell"]);
    format!(
        "{name}{}@{}",
        seeded.below(99),
        seeded.pick(&[
            "example.com",
            "mail.example.org",
            "firma.de",
            "sub.domain.co.uk"
        ])
    )
}

/// A phone number.
pub fn phone(seeded: &mut Seeded) -> String {
    match seeded.below(4) {
        0 => format!(
            "+1 212 {} {}",
            200 + seeded.below(700),
            1000 + seeded.below(8999)
        ),
        1 => format!("+49 30 {}", 1_000_000 + seeded.below(8_000_000)),
        2 => format!(
            "+44 20 7{} {}",
            100 + seeded.below(899),
            1000 + seeded.below(8999)
        ),
        _ => format!(
            "+33 6 {} {} {} {}",
            10 + seeded.below(89),
            10 + seeded.below(89),
            10 + seeded.below(89),
            10 + seeded.below(89)
        ),
    }
}

/// An address of a host.
pub fn ip(seeded: &mut Seeded) -> String {
    format!(
        "{}.{}.{}.{}",
        seeded.pick(&["10", "172", "192", "85"]),
        16 + seeded.below(14),
        seeded.below(255),
        1 + seeded.below(253)
    )
}

/// An address of a network card.
pub fn mac(seeded: &mut Seeded) -> String {
    (0..6)
        .map(|_| format!("{:02x}", seeded.below(256)))
        .collect::<Vec<_>>()
        .join(":")
}

/// A JSON Web Token.
pub fn jwt(seeded: &mut Seeded) -> String {
    format!(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}",
        seeded.of(WORD, 43)
    )
}

/// A key of a vendor.
pub fn key(seeded: &mut Seeded) -> String {
    match seeded.below(3) {
        0 => format!("AKIA{}", seeded.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        1 => format!("sk-ant-api03-{}", seeded.of(WORD, 93)),
        _ => format!(
            "xoxb-{}-{}-{}",
            seeded.digits(12),
            seeded.digits(12),
            seeded.of(WORD, 24)
        ),
    }
}

/// A user and a password in an URL.
pub fn url(seeded: &mut Seeded) -> String {
    format!("app:{}", seeded.of(WORD, 14))
}
