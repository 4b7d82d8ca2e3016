//! Bech32 and its second form: SegWit addresses of Bitcoin and Litecoin, Cardano, the Cosmos family.

const SIGNS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The words that addresses begin with.
const WORDS: [&[u8]; 17] = [
    b"bc",
    b"tb",
    b"bcrt",
    b"ltc",
    b"addr",
    b"stake",
    b"cosmos",
    b"osmo",
    b"terra",
    b"inj",
    b"celestia",
    b"juno",
    b"secret",
    b"kava",
    b"erd",
    b"bnb",
    b"one",
];

/// Whether the token is an address whose check sum holds.
pub(super) fn address(body: &[u8]) -> bool {
    let Some(split) = body.iter().rposition(|byte| *byte == b'1') else {
        return false;
    };
    let mut small = [0_u8; 120];
    let Some(small) = small.get_mut(..body.len()) else {
        return false;
    };
    small.copy_from_slice(body);
    small.make_ascii_lowercase();
    let one_case = small == body || body.iter().all(|byte| !byte.is_ascii_lowercase());
    let (word, data) = (&small[..split], &small[split + 1..]);
    if !one_case || !WORDS.contains(&word) || data.len() < 30 {
        return false;
    }
    let mut sum = 1_u32;
    for byte in word {
        sum = step(sum, byte >> 5);
    }
    sum = step(sum, 0);
    for byte in word {
        sum = step(sum, byte & 31);
    }
    for byte in data {
        match value(*byte) {
            Some(value) => sum = step(sum, value),
            None => return false,
        }
    }
    matches!(sum, 1 | 0x2BC8_30A3)
}

/// The value of a sign.
pub(super) fn value(byte: u8) -> Option<u8> {
    SIGNS
        .iter()
        .position(|sign| *sign == byte)
        .map(|at| at as u8)
}

fn step(sum: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [
        0x3B6A_57B2,
        0x2650_8E6D,
        0x1EA1_19FA,
        0x3D42_33DD,
        0x2A14_62B3,
    ];
    let top = sum >> 25;
    GENERATOR
        .iter()
        .enumerate()
        .filter(|(bit, _)| top >> bit & 1 == 1)
        .fold(
            (sum & 0x1FF_FFFF) << 5 ^ u32::from(value),
            |sum, (_, term)| sum ^ term,
        )
}
