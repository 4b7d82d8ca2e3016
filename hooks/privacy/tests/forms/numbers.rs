//! Numbers that banks and states give out, phones, dates of birth.

use crate::{finds, hits, passes};

#[test]
fn of_ten_last_digits_one_makes_a_card() {
    for prefix in [
        "411111111111111",
        "550000000000000",
        "222300000000001",
        "601100000000000",
    ] {
        assert_eq!(
            hits("payment_card", 10, |digit| format!("card {prefix}{digit}")),
            1
        );
    }
    assert_eq!(
        hits("payment_card", 10, |digit| format!(
            "Amex 37144963539843{digit}"
        )),
        1
    );
}

#[test]
fn cards_are_found_in_the_groups_that_people_write() {
    finds(
        "payment_card",
        &[
            "My card is «4111 1111 1111 1111», thanks",
            "pay with «4111-1111-1111-1111».",
            "Karte: «4111\u{a0}1111\u{a0}1111\u{a0}1111»",
            "amex «3714 496353 98431» exp 11/27",
            "{\"pan\":\"«5555555555554444»\"}",
            "diners «3056 930902 5904» ok",
            "5 of «4242 4242 4242 4242» were used",
        ],
    );
    passes(
        "payment_card",
        &[
            "4111 1111 1111 1112 is mistyped",
            "order 4111111111111111 shipped",
            "0.4111111111111111 is a fraction",
            "id=94111111111111111",
            "5232 5233 5246 5231 52BC 530A",
            "0000 0000 0000 0000",
            "deadbeef4111111111111111",
            "1234 5678 9012 3456",
        ],
    );
}

#[test]
fn of_the_check_digits_of_an_iban_one_pair_is_right() {
    assert_eq!(
        hits("iban", 97, |check| format!(
            "to DE{:02}370400440532013000 now",
            check + 2
        )),
        1
    );
    assert_eq!(
        hits("iban", 97, |check| format!(
            "GB{:02} WEST 1234 5698 7654 32",
            check + 2
        )),
        1
    );
}

#[test]
fn ibans_are_found_in_one_in_groups_and_in_small_letters() {
    finds(
        "iban",
        &[
            "IBAN «DE89 3704 0044 0532 0130 00» bitte",
            "iban=«de89370400440532013000»",
            "sur «FR14 2004 1010 0505 0001 3M02 606».",
            "«NL91ABNA0417164300»",
            "konto «PL61 1090 1014 0000 0712 1981 2874»",
            "«DE89-3704-0044-0532-0130-00»",
        ],
    );
    passes(
        "iban",
        &[
            "XX89370400440532013000",
            "DE8937040044053201300",
            "SHADE89370400440532013000",
            "DE893704004405320130001",
            "commit de89370400440532013001",
        ],
    );
}

#[test]
fn social_security_numbers_need_dashes_or_a_word() {
    finds(
        "us_ssn",
        &[
            "SSN «536-90-4399»",
            "Applicant «536-90-4399» was approved",
            "my social security number is «536904399».",
            "ssn: «536 90 4399»",
            "ITIN «912-70-1234»",
        ],
    );
    passes(
        "us_ssn",
        &[
            "000-12-3456",
            "666-12-3456",
            "536-00-4399",
            "536-90-0000",
            "order 536-90-4399",
            "call 536904399",
            "1-536-90-4399-2",
            "part 1536-90-4399",
        ],
    );
}

#[test]
fn british_and_italian_and_french_numbers_have_forms_of_their_own() {
    finds(
        "uk_nino",
        &[
            "NINO «AB123456C»",
            "his is «AB 12 34 56 C», thanks",
            "ni number «qq 12 34 56 c»",
        ],
    );
    passes(
        "uk_nino",
        &[
            "BG123456C",
            "AB123456E",
            "AB1234567C",
            "part DA123456C",
            "XAB123456C",
        ],
    );
    finds(
        "it_fiscal_code",
        &[
            "codice fiscale «RSSMRA85T10A562S».",
            "CF: «RSS MRA 85T10 A562S»",
            "cf=«rssmra85t10a562s»",
        ],
    );
    passes(
        "it_fiscal_code",
        &["RSSMRA85T10A562T", "RSSMRA85X10A562S", "RSSMRA85T10A562SX"],
    );
    finds(
        "fr_nir",
        &[
            "NIR «1 85 05 78 006 084 91»",
            "n° «185057800608491» ok",
            "INSEE «1 85 05 2A 006 084 35» ici",
        ],
    );
    assert_eq!(
        hits("fr_nir", 98, |key| format!("NIR 1850578006084{key:02}")),
        1
    );
}

#[test]
fn numbers_without_a_form_need_their_word_and_their_check_digit() {
    for (detector, word, stem) in [
        ("de_tax_id", "Steuer-ID", "8609574271"),
        ("pl_pesel", "PESEL", "4405140135"),
        ("nl_bsn", "BSN", "11122233"),
        ("in_aadhaar", "Aadhaar", "23412341234"),
    ] {
        assert_eq!(
            hits(detector, 10, |digit| format!("{word} {stem}{digit}")),
            1,
            "{detector}"
        );
        assert_eq!(
            hits(detector, 10, |digit| format!("Order {stem}{digit}")),
            0,
            "{detector}"
        );
    }
    assert_eq!(
        hits("br_cpf", 100, |digits| format!("CPF 111444777{digits:02}")),
        1
    );
    finds("br_cpf", &["o documento «111.444.777-35» serve"]);
    finds("de_tax_id", &["IdNr. «86 095 742 719»"]);
    finds("nl_bsn", &["burgerservicenummer «1112.22.333»"]);
}

#[test]
fn spanish_numbers_have_a_letter_that_fits() {
    finds(
        "es_dni",
        &[
            "DNI «12345678Z»",
            "con «12.345.678-Z» ante",
            "mi dni es «12345678z»",
            "NIE «X1234567L»",
            "NIE «X-1234567-L».",
            "«12345678-Z» firma",
        ],
    );
    passes(
        "es_dni",
        &[
            "DNI 12345678A",
            "12345678Z9",
            "2021-01-02T03:04:05.12345678Z",
            "x = 80616885E-7",
        ],
    );
}

#[test]
fn phones_are_found_by_country_code_form_or_word() {
    finds(
        "phone",
        &[
            "call «+49 (0)30 1234567» now",
            "«+1-212-555-0143» is ours",
            "tel:«+442079460958»",
            "«0049 30 1234567» geht",
            "reach «(212) 555-0143» today",
            "Tel. «030/1234567».",
            "mon portable est le «06 12 34 56 78»",
            "mi teléfono es «612 345 678»",
            "zadzwoń: «601-234-567»",
            "celular «(11) 98765-4321»",
            "mobile «9876543210» hai",
            "phone «212.555.0143 ext. 12» works",
        ],
    );
    passes(
        "phone",
        &[
            "invoice 2125550143 is due",
            "version 1.2.3.4567",
            "2019-10-20 and 12.03.2024",
            "the phone costs 1299.00",
            "1.5E+432982565",
            "{0061 0302 0304}",
            "Copyright (C) 2005-2008 Nippon Telephone",
            "call f(12345678)",
            "lat 52.520008, lon 13.404954",
        ],
    );
}

#[test]
fn a_date_is_one_of_birth_only_near_a_word_for_it() {
    finds(
        "date_of_birth",
        &[
            "DOB: «1985-03-12»",
            "born on «March 12, 1985» in Leeds",
            "born «12th of March 1985»",
            "geboren am «12.03.1985»",
            "Geburtsdatum: «12. März 1985»",
            "née le «12 mars 1985»",
            "fecha de nacimiento: «12 de marzo de 1985»",
            "nato il «12/03/1985»",
            "geboortedatum «12-03-1985»",
            "urodzony «12 marca 1985»",
            "nascido em «12/03/1985»",
            "\"date_of_birth\": \"«1985-03-12»\"",
        ],
    );
    passes(
        "date_of_birth",
        &[
            "due on 1985-03-12",
            "born in Ohio. See the report of 12.03.2024",
            "released March 12, 1985",
            "born 1985-13-45",
            "dob 1985",
        ],
    );
}
