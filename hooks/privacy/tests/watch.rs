//! Answers that hold secrets, cut anywhere.
#![allow(clippy::expect_used, reason = "a test's helpers fail like a test")]

use std::sync::{Arc, LazyLock};

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::named;
use nemoclaw_privacy::restore::{MAX_CHANNELS, Place};
use nemoclaw_privacy::watch::{Find, Masked};
use nemoclaw_privacy::{Detector, Finding, SessionKey, Transform, Vault, Watch, Watcher, rewrite};
use proptest::prelude::*;
use proptest::sample::Index;
use regex::Regex;
use zeroize::Zeroizing;

/// A few detectors of forms that wait in different ways; the scanner's own are tried where it is.
static FORMS: LazyLock<Vec<(Detector, Class, Regex)>> = LazyLock::new(|| {
    [
        ("api_key", r"\bsk-[A-Za-z0-9-]{20,}"),
        ("secret_value", r#"(?:password|api_key)["']?\s?[:=]\s?["']?([^\s"',]{8,})"#),
        ("url_credentials", r"[a-z]+://([^\s/@:]+:[^\s/@]+)@"),
        ("private_key", r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{40,}(?:-----END [A-Z ]*-----|\z)"),
        ("payment_card", r"\b(?:\d{4}[ -]?){3}\d{4}\b"),
        ("us_ssn", r"\b\d{3}-\d{2}-\d{4}\b(?s:.{0,20}?) ssn\b"),
        ("person_name", r"\bAnn Smith\b"),
        ("falcon", r"\bproject falcon\b"),
    ]
    .into_iter()
    .map(|(name, form)| {
        let known = named(name).map_or_else(|| Detector::Own(Arc::from(name)), Detector::BuiltIn);
        let class = named(name).map_or(Class::Secret, |known| known.class);
        (known, class, Regex::new(form).expect("a form"))
    })
    .collect()
});

fn find(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (detector, class, form) in FORMS.iter() {
        for found in form.captures_iter(text) {
            let span = found.get(1).or(found.get(0)).expect("the whole").range();
            let name = detector.name();
            let end = if name == "us_ssn" {
                span.start + 11
            } else {
                span.end
            };
            findings.push(Finding {
                class: *class,
                detector: detector.clone(),
                start: span.start,
                end,
            });
        }
    }
    findings.sort_by_key(|finding: &Finding| (finding.start, std::cmp::Reverse(finding.end)));
    let mut behind = 0;
    findings.retain(|finding| {
        finding.start >= behind && {
            behind = finding.end;
            true
        }
    });
    findings
}

fn vault() -> Vault {
    Vault::new(SessionKey::new(Zeroizing::new([7; 32])))
}

fn watch(from: Class) -> Watch {
    let find: Find = Arc::new(find);
    Watch {
        find,
        from,
        phrases: from < Class::Secret,
    }
}

fn watcher(from: Class) -> Watcher<u32> {
    Watcher::new(watch(from), &vault())
}

fn streamed<'t>(
    watcher: &mut Watcher<u32>,
    place: Place,
    pieces: impl IntoIterator<Item = &'t str>,
) -> String {
    let mut out = String::new();
    for piece in pieces {
        watcher.text(0, place, piece, &mut out);
    }
    watcher.end(0, &mut out);
    out
}

fn cut<'t>(text: &'t str, cuts: &[Index]) -> Vec<&'t str> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.retain(|at| text.is_char_boundary(*at));
    at.extend([0, text.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn part() -> impl Strategy<Value = String> {
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj/AgEAAoIBAQ+C7";
    prop_oneof![
        "[a-zA-Z ,.é中😀\n]{0,24}",
        "(The|answer|is|here|sk|a|password|to) ",
        "[ -~]{0,8}",
        "sk-[a-z0-9]{20,30}[ .,\n]",
        "(password|api_key|\"api_key\")( =|=|:|: )[\"']?[a-z]{4,8}[0-9]{4}[a-z]{0,4}[\"' \n]",
        "https://[a-z]{1,6}:[a-z0-9]{3,8}@[a-z]{2,5}\\.org/ ",
        "4[0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ .,]",
        "[0-9]{3}-[0-9]{2}-[0-9]{4} (is|was) [a-z]{2,8} ssn[ .]",
        "[0-9]{1,12}[ .,]",
        Just(format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{key}\n{key}\n-----END RSA PRIVATE KEY-----\n"
        )),
        Just(
            "write `-----BEGIN PRIVATE KEY-----` on a line of its own, then the key.\n".to_owned()
        ),
        Just("Ann Smith ".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_answer_is_masked_in_pieces_as_in_one(
        parts in prop::collection::vec(part(), 0..10),
        cuts in prop::collection::vec(any::<Index>(), 0..48),
    ) {
        let text = parts.concat();
        let whole = watcher(Class::Secret).whole(Place::Text, &text).unwrap_or_else(|| text.clone());
        let mut watcher = watcher(Class::Secret);
        let out = streamed(&mut watcher, Place::Text, cut(&text, &cuts));
        prop_assert_eq!(&out, &whole, "{:?}", cut(&text, &cuts));
        prop_assert_eq!(out != text, !watcher.masked().is_empty());
    }

    #[test]
    fn phrases_are_masked_in_pieces_as_in_one(
        parts in prop::collection::vec(prop_oneof![part(), Just("of project falcon ".to_owned())], 0..10),
        cuts in prop::collection::vec(any::<Index>(), 0..48),
    ) {
        let text = parts.concat();
        let whole = watcher(Class::Personal).whole(Place::Text, &text).unwrap_or_else(|| text.clone());
        let out = streamed(&mut watcher(Class::Personal), Place::Text, cut(&text, &cuts));
        prop_assert_eq!(out, whole);
    }

    #[test]
    fn arguments_stay_json_when_something_in_them_is_masked(
        parts in prop::collection::vec(part(), 1..6),
        cuts in prop::collection::vec(any::<Index>(), 0..24),
    ) {
        let text = serde_json::json!({ "code": parts.concat(), "n": 1 }).to_string();
        let out = streamed(&mut watcher(Class::Secret), Place::ToolArguments, cut(&text, &cuts));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{}\n{}", text, out);
    }
}

#[test]
fn prose_goes_on_with_the_piece_that_brings_it() {
    let mut watcher = watcher(Class::Secret);
    let pieces = [
        "The", " answer", ",", " as", " you", " don't", " know", ", is", "\n\n", "Größen", " und",
        "中文", "也许",
    ];
    for piece in pieces {
        let mut out = String::new();
        watcher.text(0, Place::Text, piece, &mut out);
        assert_eq!(out, piece);
    }
}

#[test]
fn what_was_masked_is_counted_by_detector_and_class_only() {
    let mut watcher = watcher(Class::Secret);
    let text =
        "keys sk-abcdefghij0123456789 and sk-bbcdefghij0123456789, card 4111 1111 1111 1111.";
    let out = streamed(&mut watcher, Place::Text, text.split_inclusive(' '));
    assert_eq!(out, "keys [API_KEY] and [API_KEY], card [PAYMENT_CARD].");
    let known = |name| Detector::BuiltIn(named(name).expect("it ships"));
    let masked = |name, class, count| Masked {
        detector: known(name),
        class,
        count,
    };
    assert_eq!(
        watcher.masked(),
        [
            masked("api_key", Class::Secret, 2),
            masked("payment_card", Class::Regulated, 1)
        ]
    );
    assert!(!format!("{:?}", watcher.masked()).contains("abcdef"));
}

#[test]
fn the_sessions_own_pseudonyms_are_left_for_whoever_restores_them() {
    let vault = vault();
    let whole = [Finding {
        class: Class::Personal,
        detector: FORMS[6].0.clone(),
        start: 0,
        end: 9,
    }];
    let planted = rewrite("Ann Smith", &whole, &|_| Transform::Pseudonymise, &vault);
    let planted = planted.expect("there is room").expect("it is replaced");
    let mut watcher = Watcher::new(watch(Class::Secret), &vault);
    let text = format!("password = {planted} or password = hunter2hunter2 ");
    let out = streamed(&mut watcher, Place::Text, text.split_inclusive(' '));
    assert_eq!(
        out,
        format!("password = {planted} or password = [SECRET_VALUE] ")
    );
}

#[test]
fn a_token_that_never_ends_waits_no_longer_than_the_bound_and_its_rest_is_dropped() {
    let mut watcher = watcher(Class::Secret);
    let (mut out, mut sent, mut most) = (String::new(), 0, 0);
    watcher.text(0, Place::Text, "key sk-", &mut out);
    for _ in 0..4000 {
        watcher.text(0, Place::Text, "a1b2", &mut out);
        sent += 4;
        if out.len() < 10 {
            most = sent;
        }
    }
    watcher.text(0, Place::Text, "a1 and on", &mut out);
    watcher.end(0, &mut out);
    assert_eq!(out, "key [API_KEY] and on");
    assert!(most < 5000, "{most}");
}

#[test]
fn a_block_that_is_too_long_is_masked_to_its_end() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n".repeat(1000);
    let text =
        format!("so:\n-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\nthat is it");
    for size in [7, 64, 5000] {
        let pieces: Vec<&str> = text
            .as_bytes()
            .chunks(size)
            .map(|piece| std::str::from_utf8(piece).expect("ASCII"))
            .collect();
        let out = streamed(&mut watcher(Class::Secret), Place::Text, pieces);
        assert_eq!(out, "so:\n[PRIVATE_KEY]\nthat is it", "pieces of {size}");
    }
}

#[test]
fn harmless_text_without_blanks_passes_byte_for_byte() {
    let text = "ab+/0=".repeat(5000);
    for size in [1, 100, 6000] {
        let pieces = text
            .as_bytes()
            .chunks(size)
            .map(|piece| std::str::from_utf8(piece).expect("ASCII"));
        let out = streamed(&mut watcher(Class::Secret), Place::Text, pieces);
        assert_eq!(out, text);
    }
}

#[test]
fn more_channels_than_can_wait_are_withheld() {
    let mut watcher = watcher(Class::Secret);
    let passed = (0..1000_u32).filter(|channel| {
        let mut out = String::new();
        watcher.text(*channel, Place::Text, "hello there", &mut out);
        !out.is_empty()
    });
    assert_eq!(passed.count(), MAX_CHANNELS);
}
