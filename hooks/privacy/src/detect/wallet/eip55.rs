//! The check in the capitals of an Ethereum address (EIP-55).

use sha3::{Digest as _, Keccak256};

/// Whether the capitals among forty hex digits are those of their check.
pub(super) fn holds(digits: &[u8]) -> bool {
    let hash = Keccak256::digest(digits.to_ascii_lowercase());
    digits.iter().enumerate().all(|(index, byte)| {
        let nibble = hash[index / 2] >> (4 * (1 - index % 2)) & 15;
        !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() == (nibble >= 8)
    })
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn the_examples_of_the_standard_hold_and_a_changed_case_does_not() {
        for good in [
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "fB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "D1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert!(holds(good.as_bytes()));
            let mut bad = good.as_bytes().to_vec();
            let at = bad.iter().position(u8::is_ascii_uppercase).unwrap();
            bad[at] = bad[at].to_ascii_lowercase();
            assert!(!holds(&bad));
        }
    }
}
