//! What the detectors of prose find and leave alone.

use proptest::prelude::*;

use super::Prose;

/// What is found by one detector.
fn found(detector: &str, text: &str) -> Vec<String> {
    let mut all = Vec::new();
    Prose::of(|_| true).find(text, &mut all);
    all.iter()
        .filter(|one| one.detector.name() == detector)
        .map(|one| text[one.start..one.end].to_owned())
        .collect()
}

#[test]
fn names_are_found_in_every_shape() {
    let table: [(&str, &[&str]); 24] = [
        ("Tell Maria that the order is late.", &["Maria"]),
        (
            "I spoke with Grzegorz Brzęczyszczykiewicz yesterday.",
            &["Grzegorz Brzęczyszczykiewicz"],
        ),
        ("The report by J. R. Hartley is out.", &["J. R. Hartley"]),
        ("She met Siobhán O'Brien in town.", &["Siobhán O'Brien"]),
        ("Ask Jean-Pierre Lefèvre for it.", &["Jean-Pierre Lefèvre"]),
        (
            "It was Ludwig van der Berg who called.",
            &["Ludwig van der Berg"],
        ),
        ("Dr. Xylander will see you now.", &["Xylander"]),
        ("Dear Mrs. Abernathy, thank you.", &["Abernathy"]),
        (
            "my name is john smith and i forgot my password",
            &["john smith"],
        ),
        ("CARDHOLDER: MARGARET THORNE", &["MARGARET THORNE"]),
        (
            "{\"customer_name\": \"Xolani Mthunzi\"}",
            &["Xolani Mthunzi"],
        ),
        ("From: Lavorato, John", &["Lavorato, John"]),
        ("Kind regards,\nQuirin Zollner", &["Quirin Zollner"]),
        ("Je m'appelle Maëlys Charpentier.", &["Maëlys Charpentier"]),
        ("Me llamo Joaquín Zubeldia.", &["Joaquín Zubeldia"]),
        (
            "Sehr geehrter Herr Weißgerber, anbei die Rechnung.",
            &["Weißgerber"],
        ),
        (
            "Nazywam się Katarzyna Lewandowska.",
            &["Katarzyna Lewandowska"],
        ),
        (
            "Attendees: Rajesh, Mei-Ling, Bogdan",
            &["Rajesh", "Mei-Ling", "Bogdan"],
        ),
        (
            "Nakamura said on Tuesday that he would resign.",
            &["Nakamura"],
        ),
        (
            "The contract of Abdul Rahman bin Ismail ends.",
            &["Abdul Rahman bin Ismail"],
        ),
        ("We told Grace about it.", &["Grace"]),
        (
            "Ingrid Solheim called. Later Solheim wrote a letter.",
            &["Ingrid Solheim", "Solheim"],
        ),
        (
            "The patient Xiulan Qetzal was admitted.",
            &["Xiulan Qetzal"],
        ),
        ("cc Matteo, please", &["Matteo"]),
    ];
    for (text, names) in table {
        assert_eq!(found("person_name", text), names, "{text}");
    }
}

#[test]
fn what_only_looks_like_a_name_is_left_alone() {
    for text in [
        "Will the server restart in May? Mark the ticket as done. Grant access to the Paris office.",
        "In April we launched in Jordan, then moved to Georgia and Victoria.",
        "Write a Python script with Django that reads from Kafka and stores data in Cassandra.",
        "San Francisco, Santa Barbara and Los Angeles are in California.",
        "Kind regards, the Legal Team",
        "The Smith chart and the Fourier transform are in Section 4.",
        "How to Install Ubuntu Server on a Raspberry Pi",
        "Copyright (c) 2014 Andrew Gallant",
        "// Peter Miller wrote the parser\nfn parse(input: &str) -> Token { lexer::next(input) }\nlet x = y();",
        "pub struct Peter { maria: Smith }\nimpl Peter { fn john() {} }",
    ] {
        assert_eq!(found("person_name", text), [""; 0], "{text}");
    }
}

#[test]
fn a_name_in_a_string_of_source_code_is_found() {
    let code = "public class Invoice {\n  private String customer = \"Eleanor Whitmore\";\n  private int total = 0;\n}";
    assert_eq!(found("person_name", code), ["Eleanor Whitmore"]);
}

#[test]
fn addresses_of_many_countries_are_found_whole() {
    for address in [
        "221B Baker Street, London NW1 6XE",
        "1600 Pennsylvania Ave NW, Washington, DC 20500",
        "88 Hollow Creek Rd, Apt 5C, Asheville, NC 28804",
        "350 5th Avenue, Suite 3300, New York, NY 10118",
        "Hauptstraße 5, 10115 Berlin",
        "Goethestr. 8, 80336 München",
        "12 rue de la Paix, 75002 Paris",
        "18 bis rue des Lilas, 69008 Lyon",
        "Calle Mayor 10, 3º B, 28013 Madrid",
        "Via Roma 1, 00184 Roma",
        "Damrak 1, 1012 LG Amsterdam",
        "ul. Marszałkowska 10, 00-590 Warszawa",
        "Rua Augusta, 1500, 01305-100 São Paulo - SP",
        "Storgatan 12, 411 24 Göteborg",
        "Na Příkopě 22, 110 00 Praha 1",
        "Kossuth Lajos utca 12, 1053 Budapest",
        "2-11-3 Meguro, Meguro-ku, Tokyo 153-0063",
        "8 Marina Boulevard, #05-02, Singapore 018981",
        "Flat 402, Sai Krupa Apartments, Baner Road, Pune 411045",
        "200 George Street, Sydney NSW 2000",
        "4417 Magnolia Street\nNew Orleans, LA 70115",
        "PO Box 1138, Toronto, ON M5W 1A1",
    ] {
        for text in [
            format!("Please send it to {address}."),
            format!("Address: {address}\nThank you"),
            format!("(we live at {address})"),
        ] {
            assert_eq!(found("postal_address", &text), [address], "{text}");
        }
    }
}

#[test]
fn numbers_beside_capitals_are_no_addresses() {
    for text in [
        "Fri, 09 Aug 2013 23:54:35 GMT",
        "Version 4, Section 12, Table 3",
        "In 2019 we moved; on 12 March 2024, Article 5 applies.",
        "Windows 11, Office 365 and Python 3",
        "Chapter 12. The Industrial Revolution",
        "Copyright 2017, 2018 The developers",
        "51 Franklin Street, Fifth Floor, Boston, MA 02110 is where the Free Software Foundation was",
    ] {
        assert_eq!(found("postal_address", text), [""; 0], "{text}");
    }
}

#[test]
fn organisations_are_known_by_form_by_kind_and_by_who_works_there() {
    let table = [
        (
            "an invoice of Möbelwerk Krüger GmbH & Co. KG came",
            "Möbelwerk Krüger GmbH & Co. KG",
        ),
        ("he sued Barrow & Finch plc in March", "Barrow & Finch plc"),
        (
            "a letter from Acme Widgets, Inc. arrived",
            "Acme Widgets, Inc.",
        ),
        (
            "she studied at the University of New Mexico",
            "University of New Mexico",
        ),
        (
            "he was brought to Mercy General Hospital",
            "Mercy General Hospital",
        ),
        ("Bank of Valletta refused the loan", "Bank of Valletta"),
        ("I work for Brightwater as an analyst", "Brightwater"),
        ("Employer: Blue Harbor", "Blue Harbor"),
        (
            "the polizza di Assicurazioni Generali S.p.A. ends",
            "Assicurazioni Generali S.p.A.",
        ),
    ];
    for (text, name) in table {
        assert_eq!(found("organisation", text), [name], "{text}");
    }
    for text in [
        "Copyright 2019 Google LLC. All rights reserved.",
        "Operating Systems and Payment Services",
        "He works for Maria.",
    ] {
        assert_eq!(found("organisation", text), [""; 0], "{text}");
    }
}

#[test]
fn a_text_of_many_names_takes_time_in_proportion_to_its_length() {
    let cost = |times: usize| {
        let text = "Maria Lopez lives at 12 Oak Street, Springfield, IL 62704. ".repeat(times);
        let start = std::time::Instant::now();
        assert_eq!(found("person_name", &text).len(), times);
        start.elapsed()
    };
    cost(10);
    let (short, long) = (cost(500), cost(8_000));
    assert!(
        long < short * 16 * 8 + std::time::Duration::from_millis(200),
        "{short:?} {long:?}"
    );
}

proptest! {
    #[test]
    fn any_text_gives_spans_on_boundaries_of_characters_and_never_a_panic(text in "(\\PC|[A-Z][a-zé]{1,8}|[ ,.\n'’\"-]|[0-9]{1,6}|St|Mr\\.|van|Straße|GmbH|ul\\.|name is |c/){0,60}") {
        let mut all = Vec::new();
        Prose::of(|_| true).find(&text, &mut all);
        for one in all {
            prop_assert!(one.start < one.end);
            prop_assert!(text.get(one.start..one.end).is_some());
        }
    }
}
