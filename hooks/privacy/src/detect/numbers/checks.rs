//! Check digits. Every function takes digits as values, not as characters.

/// Luhn: payment cards.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => digit * 2 - if digit > 4 { 9 } else { 0 },
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Verhoeff: Aadhaar.
pub(crate) fn verhoeff(digits: &[u8]) -> bool {
    const TIMES: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const TURN: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let check = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0_u8, |check, (index, digit)| {
            TIMES[check as usize][TURN[index % 8][*digit as usize] as usize]
        });
    check == 0
}

/// ISO 7064 mod 11, 10 and the rule on repeated digits: German tax ids.
pub(crate) fn german_tax_id(digits: &[u8]) -> bool {
    let [first @ .., check] = digits else {
        return false;
    };
    if first.len() != 10 || first[0] == 0 {
        return false;
    }
    let mut counts = [0_u8; 10];
    for digit in first {
        counts[*digit as usize] += 1;
    }
    let twice = counts.iter().filter(|count| **count == 2).count();
    let thrice = counts.iter().filter(|count| **count == 3).count();
    let more = counts.iter().filter(|count| **count > 3).count();
    if more > 0 || twice + thrice != 1 {
        return false;
    }
    let mut product = 10_u32;
    for digit in first {
        let sum = (u32::from(*digit) + product) % 10;
        product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
    }
    u32::from(*check) == (11 - product) % 10
}

/// The 11-test: Dutch citizen service numbers.
pub(crate) fn dutch_bsn(digits: &[u8]) -> bool {
    let weights = [9, 8, 7, 6, 5, 4, 3, 2, -1_i32];
    digits.len() == 9
        && digits.iter().any(|digit| *digit != 0)
        && weighted(digits, &weights).rem_euclid(11) == 0
}

/// Weights and a date: PESEL.
pub(crate) fn polish_pesel(digits: &[u8]) -> bool {
    if digits.len() != 11 {
        return false;
    }
    let month = digits[2] * 10 + digits[3];
    let day = digits[4] * 10 + digits[5];
    (1..=12).contains(&(month % 20))
        && (1..=31).contains(&day)
        && weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 == 0
}

/// Two check digits: CPF.
pub(crate) fn brazilian_cpf(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let sum: u32 = digits[..count]
            .iter()
            .enumerate()
            .map(|(index, digit)| u32::from(*digit) * (count as u32 + 1 - index as u32))
            .sum();
        let rest = sum * 10 % 11;
        u32::from(digits[count]) == rest % 10
    };
    digits.len() == 11 && digits.iter().any(|digit| *digit != digits[0]) && check(9) && check(10)
}

/// `97 - number mod 97`, in which Corsica's departments count as their numbers: the French NIR. `corsica` is what is
/// taken from the number for the letter.
pub(crate) fn french_nir(number: &[u8], key: u64, corsica: u64) -> bool {
    let value = number
        .iter()
        .fold(0_u64, |sum, digit| sum * 10 + u64::from(*digit));
    value > corsica && 97 - (value - corsica) % 97 == key
}

/// The letter of a DNI.
pub(crate) fn spanish_letter(number: u32) -> u8 {
    b"TRWAGMYFPDXBNJZSQVHLCKE"[(number % 23) as usize]
}

/// ISO 7064 mod 97: the IBAN, its characters in their order (country first), letters in capitals.
pub(crate) fn iban(characters: &[u8]) -> bool {
    let turned = characters[4..].iter().chain(&characters[..4]);
    let rest = turned.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}

/// The check letter of an Italian codice fiscale of sixteen capitals and digits.
pub(crate) fn italian_code(code: &[u8; 16]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let sum: u32 = code[..15]
        .iter()
        .enumerate()
        .map(|(index, byte)| {
            let value = match byte {
                b'0'..=b'9' => byte - b'0',
                _ => byte - b'A',
            };
            match index % 2 {
                0 => ODD[value as usize],
                _ => u32::from(value),
            }
        })
        .sum();
    code[15] == b'A' + (sum % 26) as u8
}

fn weighted(digits: &[u8], weights: &[i32]) -> i32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| i32::from(*digit) * weight)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn published_examples_pass_and_their_neighbours_do_not() {
        assert!(luhn(&digits("4111111111111111")) && !luhn(&digits("4111111111111112")));
        assert!(verhoeff(&digits("2363")) && !verhoeff(&digits("2364")));
        assert!(german_tax_id(&digits("86095742719")) && !german_tax_id(&digits("86095742718")));
        assert!(dutch_bsn(&digits("111222333")) && !dutch_bsn(&digits("111222334")));
        assert!(polish_pesel(&digits("44051401359")) && !polish_pesel(&digits("44051401358")));
        assert!(brazilian_cpf(&digits("11144477735")) && !brazilian_cpf(&digits("11144477736")));
        assert!(
            french_nir(&digits("1850578006084"), 91, 0)
                != french_nir(&digits("1850578006084"), 92, 0)
        );
        assert_eq!(spanish_letter(12_345_678), b'Z');
        assert!(iban(b"DE89370400440532013000") && !iban(b"DE89370400440532013001"));
        assert!(italian_code(b"RSSMRA85T10A562S") && !italian_code(b"RSSMRA85T10A562T"));
    }
}
