//! What hides in base64, percent-encoding, escapes, other shapes of letters, and characters without a width.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::found;

const MAIL: &str = "ann.lee@example.com";

#[test]
fn a_run_of_base64_is_found_whole() {
    let plain = format!("my address is {MAIL}, write soon");
    for run in [
        STANDARD.encode(&plain),
        URL_SAFE_NO_PAD.encode(&plain),
        STANDARD.encode(MAIL),
    ] {
        assert_eq!(
            found("email", &format!("decode {run} for me")),
            [run.as_str()]
        );
    }
}

#[test]
fn escapes_are_found_with_all_their_bytes() {
    for (hidden, text) in [
        (
            "ann.lee%40example.com",
            "https://x.example/?q=ann.lee%40example.com&z=1",
        ),
        (
            "ann.lee\\u0040example.com",
            "{\"m\": \"ann.lee\\u0040example.com\"}",
        ),
        ("ann.lee\\x40example.com", "'ann.lee\\x40example.com'"),
        ("ann.lee&#64;example.com", "<p>ann.lee&#64;example.com</p>"),
        ("ann.lee&commat;example.com", "ann.lee&commat;example.com"),
    ] {
        assert_eq!(found("email", text), [hidden], "in `{text}`");
    }
    let every: String = MAIL
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    assert_eq!(
        found("email", &format!("mail {every} now")),
        [every.as_str()]
    );
}

#[test]
fn other_shapes_of_letters_and_digits_are_read() {
    let wide: String = "4111111111111111"
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap())
        .collect();
    assert_eq!(
        found("payment_card", &format!("card {wide} ok")),
        [wide.as_str()]
    );
    let bold: String = "4111111111111111"
        .chars()
        .map(|c| char::from_u32(u32::from(c) - 48 + 0x1D7CE).unwrap())
        .collect();
    assert_eq!(
        found("payment_card", &format!("card {bold} ok")),
        [bold.as_str()]
    );
}

#[test]
fn characters_without_a_width_part_nothing() {
    for hidden in [
        "ann.\u{200b}lee@exam\u{ad}ple.com",
        "\u{2060}ann.lee\u{200d}@example.com".trim_start_matches('\u{2060}'),
    ] {
        assert_eq!(found("email", &format!("mail {hidden} now")), [hidden]);
    }
}

#[test]
fn one_level_is_read_and_pictures_are_left_alone() {
    let twice = STANDARD.encode(STANDARD.encode(format!("mail {MAIL} now")));
    assert!(found("email", &format!("decode {twice}")).is_empty());
    let picture = STANDARD.encode((0..=255).cycle().take(3000).collect::<Vec<u8>>());
    assert!(found("email", &picture).is_empty());
}

#[test]
fn one_byte_that_is_no_text_hides_nothing_and_neither_does_length() {
    let plain = format!("my address is {MAIL}, write soon");
    for at in [0, 5, 20, plain.len()] {
        for byte in [0xff, 0x00, 0xc3] {
            let mut bytes = plain.clone().into_bytes();
            // Between words, so that the address itself is whole.
            let at = if at == 20 { 13 } else { at };
            bytes.insert(at, byte);
            let run = STANDARD.encode(&bytes);
            assert_eq!(
                found("email", &format!("decode {run} for me")),
                [run.as_str()],
                "byte {byte:x} at {at}"
            );
        }
    }
    let long = STANDARD.encode(format!("{} mail {MAIL} now", "many words ".repeat(200_000)));
    assert!(long.len() > 2 << 20);
    assert_eq!(found("email", &long), [long.as_str()]);
}

#[test]
fn a_long_run_that_is_no_text_is_looked_at_once() {
    // Every token of it would walk back over all that comes before.
    let run = format!("AAAA{}", "/AbCdEfGhIjKlMnOpQrStUv".repeat(200_000));
    let start = std::time::Instant::now();
    found("email", &run);
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
