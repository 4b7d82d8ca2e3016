//! Numbers of national registers that are made of digits.

use super::checks;
use super::cluster::{Cluster, Part, in_table};
use crate::detect::Known;
use crate::detect::near::{self, Cue, Cues};
use crate::finding::Finding;

/// Notes a number that begins with the cluster; where to go on behind it.
pub(super) fn find(
    bytes: &[u8],
    at: usize,
    cluster: &Cluster,
    found: &mut Vec<Finding>,
) -> Option<usize> {
    let place = Place { bytes, at, cluster };
    let hit = match cluster.groups().first()?.len() {
        1 => place.nir(),
        2 => place.tax_id(),
        3 => place.threes(),
        4 => place.fours(),
        8 | 9 => place.nine(),
        11 => place.eleven(),
        12 => place.aadhaar(),
        13 | 15 => place.nir(),
        _ => None,
    };
    let (known, end) = hit?;
    found.push(known.at(at..end));
    Some(end)
}

struct Place<'t> {
    bytes: &'t [u8],
    at: usize,
    cluster: &'t Cluster,
}

type Hit = (Known, usize);

impl Place<'_> {
    fn shape(&self, lengths: &[usize]) -> Option<Part<'_>> {
        self.cluster.shape(self.bytes, lengths)
    }

    fn cues(&self, end: usize) -> Cues {
        near::around(self.bytes, self.at, end)
    }

    /// US social security numbers, CPF, BSN in threes.
    fn threes(&self) -> Option<Hit> {
        if let Some(part) = self.shape(&[3, 2, 4]) {
            return self.ssn(&part);
        }
        let dotted = self
            .cluster
            .mixed(self.bytes, &[(0, 3), (b'.', 3), (b'.', 3), (b'-', 2)])
            .or_else(|| {
                self.cluster
                    .mixed(self.bytes, &[(0, 3), (b' ', 3), (b' ', 3), (b'-', 2)])
            })
            .or_else(|| {
                self.cluster
                    .mixed(self.bytes, &[(0, 3), (b'.', 3), (b'.', 3), (b'/', 2)])
            });
        if let Some(part) = dotted {
            return checks::brazilian_cpf(part.digits).then_some((Known::BrCpf, part.end));
        }
        if let Some(part) = self.shape(&[3, 3, 3, 2]) {
            let fits = checks::brazilian_cpf(part.digits) && self.cues(part.end).has(Cue::Cpf);
            return fits.then_some((Known::BrCpf, part.end));
        }
        let part = self.shape(&[3, 3, 3])?;
        self.bsn(&part)
    }

    fn ssn(&self, part: &Part) -> Option<Hit> {
        let number = |digits: &[u8]| {
            digits
                .iter()
                .fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit))
        };
        let (area, group, serial) = (
            number(&part.digits[..3]),
            number(&part.digits[3..5]),
            number(&part.digits[5..]),
        );
        let issued = !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0;
        let taxpayer =
            matches!(area, 900..) && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99);
        let cues = self.cues(part.end);
        let told = cues.has(Cue::Ssn);
        let fits = match part.separator {
            b'-' => (issued && !cues.is_other()) || (taxpayer && told) || (issued && told),
            0 => (issued || taxpayer) && cues.says(Cue::Ssn),
            _ => (issued || taxpayer) && told,
        };
        fits.then_some((Known::UsSsn, part.end))
    }

    /// Aadhaar in fours, BSN as 4-2-3.
    fn fours(&self) -> Option<Hit> {
        if let Some(part) = self.shape(&[4, 4, 4]) {
            let more = self
                .cluster
                .groups()
                .get(3)
                .is_some_and(|group| group.len() >= 3);
            let cues = self.cues(part.end);
            let fits = is_aadhaar(part.digits)
                && matches!(part.separator, b' ' | b'-')
                && (cues.has(Cue::Aadhaar)
                    || (!more && !cues.is_other() && !in_table(self.bytes, self.at, part.end)));
            return fits.then_some((Known::InAadhaar, part.end));
        }
        let part = self.shape(&[4, 2, 3])?;
        self.bsn(&part)
    }

    fn bsn(&self, part: &Part) -> Option<Hit> {
        let fits = checks::dutch_bsn(part.digits) && self.cues(part.end).has(Cue::Bsn);
        fits.then_some((Known::NlBsn, part.end))
    }

    /// Nine digits in one, or eight: BSN and SSN, each with its word.
    fn nine(&self) -> Option<Hit> {
        let part = self.cluster.part(self.bytes, 1)?;
        if part.digits.len() == 8 {
            let mut padded = [0_u8; 9];
            padded[1..].copy_from_slice(part.digits);
            let fits = checks::dutch_bsn(&padded) && self.cues(part.end).says(Cue::Bsn);
            return fits.then_some((Known::NlBsn, part.end));
        }
        self.bsn(&part).or_else(|| self.ssn(&part))
    }

    /// German tax ids in 2-3-3-3, NIR from its second group on is not looked at.
    fn tax_id(&self) -> Option<Hit> {
        let part = self.shape(&[2, 3, 3, 3])?;
        let fits = checks::german_tax_id(part.digits) && self.cues(part.end).has(Cue::TaxDe);
        fits.then_some((Known::DeTaxId, part.end))
    }

    /// Eleven digits in one: each needs its word, the nearest wins.
    fn eleven(&self) -> Option<Hit> {
        let part = self.cluster.part(self.bytes, 1)?;
        let tax = checks::german_tax_id(part.digits);
        let pesel = checks::polish_pesel(part.digits);
        let cpf = checks::brazilian_cpf(part.digits);
        if !tax && !pesel && !cpf {
            return None;
        }
        let cues = self.cues(part.end);
        let known = if cpf && cues.says(Cue::Cpf) {
            Known::BrCpf
        } else if pesel && cues.says(Cue::Pesel) {
            Known::PlPesel
        } else if tax && cues.says(Cue::TaxDe) {
            Known::DeTaxId
        } else {
            return None;
        };
        Some((known, part.end))
    }

    fn aadhaar(&self) -> Option<Hit> {
        let part = self.cluster.part(self.bytes, 1)?;
        let fits = is_aadhaar(part.digits) && self.cues(part.end).has(Cue::Aadhaar);
        fits.then_some((Known::InAadhaar, part.end))
    }

    /// A French NIR: `1 85 05 78 006 084 36`, `185057800608436`, with its key or, behind a word, without.
    fn nir(&self) -> Option<Hit> {
        let with_key = self
            .shape(&[1, 2, 2, 2, 3, 3, 2])
            .or_else(|| self.shape(&[13, 2]))
            .or_else(|| self.shape(&[15]));
        if let Some(part) = with_key {
            let key = u64::from(part.digits[13]) * 10 + u64::from(part.digits[14]);
            let number = &part.digits[..13];
            let fits = nir_shaped(number)
                && checks::french_nir(number, key, 0)
                && (part.separator != 0
                    || (usual(number) && !self.cues(part.end).is_other())
                    || self.cues(part.end).has(Cue::Nir));
            return fits.then_some((Known::FrNir, part.end));
        }
        let part = self
            .shape(&[1, 2, 2, 2, 3, 3])
            .or_else(|| self.shape(&[13]))?;
        let fits = nir_shaped(part.digits) && self.cues(part.end).says(Cue::Nir);
        fits.then_some((Known::FrNir, part.end))
    }
}

fn is_aadhaar(digits: &[u8]) -> bool {
    digits[0] >= 2 && checks::verhoeff(digits)
}

/// Whether a NIR is of the usual kind: a plain month, a department of France.
fn usual(digits: &[u8]) -> bool {
    let month = digits[3] * 10 + digits[4];
    let department = digits[5] * 10 + digits[6];
    matches!(digits[0], 1 | 2) && matches!(month, 1..=12) && matches!(department, 1..=95 | 97..=99)
}

/// Whether sex, month and department of a NIR are possible.
fn nir_shaped(digits: &[u8]) -> bool {
    let month = digits[3] * 10 + digits[4];
    let department = digits[5] * 10 + digits[6];
    matches!(digits[0], 1..=4 | 7 | 8)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && department != 0
}
