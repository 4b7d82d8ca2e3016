//! Whether a value reads like words: its letters follow each other as in English and in names of code, not as dice fall.

/// For each letter those that often follow it, as bits: 247 pairs of 676.
const FOLLOW: [u32; 26] = [
    0x13E_B94E, // a: bcdgilmnprstuvy
    0x112_4911, // b: aeiloruy
    0x01A_4C91, // c: aehklortu
    0x016_4119, // d: adeiorsu
    0x1EF_BD7F, // e: abcdefgiklmnpqrstvwxy
    0x012_4931, // f: aefiloru
    0x016_6911, // g: aeilnorsu
    0x01A_4111, // h: aeiortu
    0x02E_FC7F, // i: abcdefgklmnoprstv
    0x010_4010, // j: eou
    0x004_2111, // k: aeins
    0x138_4D19, // l: adeiklotuvy
    0x010_D113, // m: abeimopu
    0x01C_6D5D, // n: acdegiklnostu
    0x17E_F92E, // o: bcdfilmnoprstuvwy
    0x016_C991, // p: aehiloprsu
    0x010_0000, // q: u
    0x13E_FD5D, // r: acdegiklmnoprstuvy
    0x15D_FD95, // s: acehiklmnopqstuwy
    0x11E_4991, // t: aehilorstuy
    0x00E_FD5F, // u: abcdegiklmnoprst
    0x000_0111, // v: aei
    0x040_4191, // w: aehiow
    0x008_0000, // x: t
    0x004_8010, // y: eps
    0x000_0011, // z: ae
];

/// With fewer pairs of letters nothing can be said.
const FEWEST: usize = 6;
/// From as many on, a few may be rare ones.
const MANY: usize = 8;

/// Whether most of the pairs of letters are common ones. Of random pairs two in five are.
pub(super) fn reads_like_words(bytes: &[u8]) -> bool {
    let (mut pairs, mut common) = (0, 0);
    for two in bytes.windows(2) {
        let (first, second) = (two[0] | 0x20, two[1] | 0x20);
        // A small letter before a capital: two words meet here.
        let meet = two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase();
        if !first.is_ascii_lowercase() || !second.is_ascii_lowercase() || meet {
            continue;
        }
        pairs += 1;
        common += usize::from(FOLLOW[usize::from(first - b'a')] >> (second - b'a') & 1 == 1);
    }
    match pairs {
        MANY.. => common * 10 >= pairs * 8,
        FEWEST.. => common == pairs,
        _ => false,
    }
}
