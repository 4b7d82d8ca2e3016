//! Payment cards: the issuer's digits, the length, the Luhn digit.

use super::checks::luhn;
use super::cluster::{Cluster, in_table};
use crate::detect::Known;
use crate::detect::near::{self, Cue};
use crate::finding::Finding;

/// The groups that cards are printed in, besides all in one.
const SHAPES: &[&[usize]] = &[
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[4, 5, 6],
    &[4, 5, 4],
    &[4, 4, 4, 3],
    &[4, 4, 4, 2],
    &[4, 4, 4, 1],
    &[4, 3, 3, 3],
    &[6, 10],
    &[6, 13],
    &[8, 8],
    &[4, 4, 5],
    &[4, 4, 4],
];

/// Notes a card that begins with the cluster; where to go on behind it.
pub(super) fn find(
    bytes: &[u8],
    at: usize,
    cluster: &Cluster,
    found: &mut Vec<Finding>,
) -> Option<usize> {
    let first = cluster.groups().first()?.len();
    if first >= 12 {
        let part = cluster.part(bytes, 1)?;
        return check(bytes, at, part.digits, (part.end, true), found);
    }
    if !matches!(first, 4 | 6 | 8) {
        return None;
    }
    SHAPES.iter().find_map(|shape| {
        let part = cluster.shape(bytes, shape)?;
        // Twelve digits in fours, when more follow, are the beginning of something longer.
        check(bytes, at, part.digits, (part.end, false), found)
    })
}

fn check(
    bytes: &[u8],
    at: usize,
    digits: &[u8],
    (end, compact): (usize, bool),
    found: &mut Vec<Finding>,
) -> Option<usize> {
    let issuer = issuer(digits)?;
    if !luhn(digits) || digits.iter().all(|digit| *digit == digits[0]) {
        return None;
    }
    let plain = match compact {
        true => matches!(digits.len(), 14..=16) && issuer == Issuer::Common,
        false => matches!(digits.len(), 14..=16 | 19),
    };
    // A fraction's digits, and numbers of other things, pass by chance.
    let cues = near::around(bytes, at, end);
    let tells = match plain {
        true if !compact && in_table(bytes, at, end) => cues.has(Cue::Card),
        true => !cues.is_other() || cues.has(Cue::Card),
        false => cues.says(Cue::Card) && !cues.has(Cue::Aadhaar),
    };
    if !tells {
        return None;
    }
    found.push(Known::PaymentCard.at(at..end));
    Some(end)
}

/// How often a network's digits are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Issuer {
    Common,
    Rare,
}

/// The network by the first digits and the length.
fn issuer(digits: &[u8]) -> Option<Issuer> {
    let length = digits.len();
    let first = digits
        .iter()
        .take(6)
        .fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit));
    let four = first / 100;
    let of = match (first, four, length) {
        // Visa.
        (400_000..=499_999, _, 16) => Issuer::Common,
        (400_000..=499_999, _, 13 | 19) => Issuer::Rare,
        // Mastercard.
        (510_000..=559_999 | 222_100..=272_099, _, 16) => Issuer::Common,
        // American Express.
        (_, 3400..=3499 | 3700..=3799, 15) => Issuer::Common,
        // Diners Club.
        (_, 3000..=3059 | 3095..=3099 | 3600..=3699 | 3800..=3999, 14) => Issuer::Common,
        (_, 3000..=3059 | 3095..=3099 | 3600..=3699 | 3800..=3999, 15..=19) => Issuer::Rare,
        // Discover.
        (_, 6011 | 6440..=6599, 16) => Issuer::Common,
        (_, 6011 | 6440..=6599, 17..=19) => Issuer::Rare,
        // JCB.
        (_, 3528..=3589, 16) => Issuer::Common,
        (_, 3528..=3589, 17..=19) | (_, 2131 | 1800, 15) => Issuer::Rare,
        // UnionPay.
        (_, 6200..=6299 | 8100..=8199, 16) => Issuer::Common,
        (_, 6200..=6299 | 8100..=8199, 17..=19) => Issuer::Rare,
        // Mir, Troy, RuPay, Verve, Elo, Hipercard, Humo, Uzcard.
        (_, 2200..=2204 | 9792 | 5060..=5061 | 5066..=5067 | 6062 | 9860 | 8600, 16..=19) => {
            Issuer::Common
        }
        (_, 5080..=5089 | 6000..=6099 | 8200..=8299, 16) => Issuer::Rare,
        // Maestro, Dankort, InstaPayment.
        (_, 5018 | 5019 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 | 6370..=6399, 16) => {
            Issuer::Common
        }
        (_, 5000..=5099 | 5600..=5899 | 6300..=6399 | 6700..=6799 | 604 | 6060, 12..=19) => {
            Issuer::Rare
        }
        _ => return None,
    };
    Some(of)
}
