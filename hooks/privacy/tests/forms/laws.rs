//! Laws that hold for any text.

use nemoclaw_privacy::Finding;
use proptest::prelude::*;

use crate::SCANNER;

/// Pieces of what detectors look for, to be thrown together.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "[0-9 .,:/()+-]{0,24}",
        "[A-Za-z0-9_=-]{0,60}",
        "[a-f0-9:.]{0,40}",
        Just("password: ".to_owned()),
        Just("-----BEGIN RSA PRIVATE KEY-----".to_owned()),
        Just("eyJhbGciOiJIUzI1NiJ9.".to_owned()),
        Just("ann@example.com".to_owned()),
        Just("%40\\u0040&#64;".to_owned()),
        Just("born ".to_owned()),
        Just("４１１１\u{200b}".to_owned()),
        Just("https://a:b@".to_owned()),
        Just("DE89 3704 0044".to_owned()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn holds(text: &str, found: &[Finding]) {
    let mut last = 0;
    for finding in found {
        assert!(last <= finding.start, "overlap in {text:?}");
        assert!(
            finding.start < finding.end && finding.end <= text.len(),
            "an empty span in {text:?}"
        );
        assert!(text.is_char_boundary(finding.start) && text.is_char_boundary(finding.end));
        last = finding.end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn spans_lie_in_the_text_on_characters_and_never_overlap(text in pieces()) {
        holds(&text, &SCANNER.scan(&text));
    }

    #[test]
    fn a_text_gives_the_same_findings_every_time(text in pieces()) {
        prop_assert_eq!(SCANNER.scan(&text), SCANNER.scan(&text));
    }

    #[test]
    fn what_is_planted_in_prose_is_covered(before in "[a-z ,]{0,80}", after in "[a-z ,]{0,80}", which in 0..6_usize) {
        let planted = [
            "ann.lee@example.com",
            "4111 1111 1111 1111",
            "DE89 3704 0044 0532 0130 00",
            "+49 30 12345678",
            "2001:db8::8a2e:370:7334",
            "536-90-4399",
        ][which];
        let text = format!("{before}! Note {planted} {after}");
        let start = before.len() + "! Note ".len();
        let covered = SCANNER.scan(&text).iter().any(|finding| finding.start <= start && finding.end >= start + planted.len());
        prop_assert!(covered, "not covered in {:?}", text);
    }
}
