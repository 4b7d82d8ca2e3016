//! The detectors that ship, with the class of what each finds. A policy refers to them by name and may change the class.

use crate::class::Class;

/// A detector.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct BuiltIn {
    /// Its word in policies and answers.
    pub name: &'static str,
    /// The class of what it finds, where the policy does not say.
    pub class: Class,
    /// What it finds.
    pub about: &'static str,
}

static ALL: [BuiltIn; 26] = [
    BuiltIn {
        name: "email",
        class: Class::Personal,
        about: "addresses of e-mail",
    },
    BuiltIn {
        name: "phone",
        class: Class::Personal,
        about: "phone numbers, international or with a cue",
    },
    BuiltIn {
        name: "payment_card",
        class: Class::Regulated,
        about: "numbers of payment cards (Luhn)",
    },
    BuiltIn {
        name: "iban",
        class: Class::Regulated,
        about: "international bank account numbers (mod 97)",
    },
    BuiltIn {
        name: "us_ssn",
        class: Class::Regulated,
        about: "US social security numbers",
    },
    BuiltIn {
        name: "uk_nino",
        class: Class::Regulated,
        about: "UK national insurance numbers",
    },
    BuiltIn {
        name: "de_tax_id",
        class: Class::Regulated,
        about: "German tax ids (Steuer-ID)",
    },
    BuiltIn {
        name: "fr_nir",
        class: Class::Regulated,
        about: "French social security numbers (NIR)",
    },
    BuiltIn {
        name: "it_fiscal_code",
        class: Class::Regulated,
        about: "Italian codici fiscali",
    },
    BuiltIn {
        name: "es_dni",
        class: Class::Regulated,
        about: "Spanish DNI and NIE",
    },
    BuiltIn {
        name: "nl_bsn",
        class: Class::Regulated,
        about: "Dutch citizen service numbers (BSN)",
    },
    BuiltIn {
        name: "pl_pesel",
        class: Class::Regulated,
        about: "Polish PESEL numbers",
    },
    BuiltIn {
        name: "in_aadhaar",
        class: Class::Regulated,
        about: "Indian Aadhaar numbers",
    },
    BuiltIn {
        name: "br_cpf",
        class: Class::Regulated,
        about: "Brazilian CPF numbers",
    },
    BuiltIn {
        name: "ip_address",
        class: Class::Internal,
        about: "IP addresses",
    },
    BuiltIn {
        name: "mac_address",
        class: Class::Internal,
        about: "MAC addresses",
    },
    BuiltIn {
        name: "url_credentials",
        class: Class::Secret,
        about: "user and password in an URL",
    },
    BuiltIn {
        name: "private_key",
        class: Class::Secret,
        about: "private keys in PEM and the like",
    },
    BuiltIn {
        name: "jwt",
        class: Class::Secret,
        about: "JSON Web Tokens",
    },
    BuiltIn {
        name: "api_key",
        class: Class::Secret,
        about: "keys of clouds and vendors, by their own forms",
    },
    BuiltIn {
        name: "secret_value",
        class: Class::Secret,
        about: "random values behind a key that names a secret",
    },
    BuiltIn {
        name: "crypto_wallet",
        class: Class::Personal,
        about: "addresses of crypto wallets",
    },
    BuiltIn {
        name: "date_of_birth",
        class: Class::Personal,
        about: "dates of birth with a cue",
    },
    BuiltIn {
        name: "person_name",
        class: Class::Personal,
        about: "names of persons",
    },
    BuiltIn {
        name: "postal_address",
        class: Class::Personal,
        about: "postal addresses",
    },
    BuiltIn {
        name: "organisation",
        class: Class::Internal,
        about: "names of organisations",
    },
];

/// All of them.
#[must_use]
pub fn all() -> &'static [BuiltIn] {
    &ALL
}

/// The one of a name.
#[must_use]
pub fn named(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|detector| detector.name == name)
}
