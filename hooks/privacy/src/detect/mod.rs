//! The detectors: each reads a window of the text around something that is cheap to see and decides exactly.

use std::ops::Range;

use nemoclaw_policy::detector::{self, BuiltIn};

use crate::finding::{Detector, Finding};

pub(crate) mod bytes;
mod dates;
mod domains;
mod email;
mod iban;
mod jwt;
pub(crate) mod keys;
mod near;
mod net;
mod numbers;
mod pem;
pub(crate) mod secret;
mod spoken;
pub(crate) mod sweep;
mod tokens;
mod url;
mod wallet;

/// The detectors that ship, in the order of [`detector::all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Email,
    Phone,
    PaymentCard,
    Iban,
    UsSsn,
    UkNino,
    DeTaxId,
    FrNir,
    ItFiscalCode,
    EsDni,
    NlBsn,
    PlPesel,
    InAadhaar,
    BrCpf,
    IpAddress,
    MacAddress,
    UrlCredentials,
    PrivateKey,
    Jwt,
    ApiKey,
    SecretValue,
    CryptoWallet,
    DateOfBirth,
}

impl Known {
    /// What a policy knows of it.
    pub(crate) fn built_in(self) -> &'static BuiltIn {
        &detector::all()[self as usize]
    }

    /// A finding of it.
    pub(crate) fn at(self, span: Range<usize>) -> Finding {
        let known = self.built_in();
        Finding {
            class: known.class,
            detector: Detector::BuiltIn(known),
            start: span.start,
            end: span.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Known;

    #[test]
    fn the_order_is_that_of_the_names_in_policies() {
        for (known, name) in [
            (Known::Email, "email"),
            (Known::EsDni, "es_dni"),
            (Known::BrCpf, "br_cpf"),
            (Known::UrlCredentials, "url_credentials"),
            (Known::SecretValue, "secret_value"),
            (Known::DateOfBirth, "date_of_birth"),
        ] {
            assert_eq!(known.built_in().name, name);
        }
    }
}
