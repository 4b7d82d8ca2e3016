//! Laws of pseudonyms and of restoring, tried on random texts, values and cuts.
#![allow(clippy::expect_used, reason = "a test's helpers fail like a test")]

use std::sync::Arc;

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::named;
use nemoclaw_privacy::restore::{Place, Restore};
use nemoclaw_privacy::{
    Detector, Finding, Restorer, SessionKey, Transform, Vault, restore_whole, rewrite,
};
use proptest::prelude::*;
use proptest::sample::Index;
use zeroize::Zeroizing;

const BOTH: Restore = Restore {
    text: true,
    tool_calls: true,
};

fn vault(seed: u8) -> Vault {
    Vault::new(SessionKey::new(Zeroizing::new([seed; 32])))
}

fn detector(name: &'static str) -> Detector {
    named(name).map_or_else(|| Detector::Own(Arc::from(name)), Detector::BuiltIn)
}

/// The pseudonym of a value.
fn pseudonym(vault: &Vault, name: &'static str, value: &str) -> String {
    let all = [found(name, 0, value.len())];
    let rewritten = rewrite(value, &all, &|_| Transform::Pseudonymise, vault);
    rewritten.expect("there is room").expect("it changes")
}

fn found(name: &'static str, start: usize, end: usize) -> Finding {
    Finding {
        class: Class::Personal,
        detector: detector(name),
        start,
        end,
    }
}

/// Sends a text through a restorer, cut at `cuts`.
fn streamed(restorer: &mut Restorer<u8>, place: Place, text: &str, cuts: &[Index]) -> String {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.retain(|at| text.is_char_boundary(*at));
    at.extend([0, text.len()]);
    at.sort_unstable();
    let mut out = String::new();
    for pair in at.windows(2) {
        restorer.text(0, place, &text[pair[0]..pair[1]], &mut out);
    }
    restorer.end(0, &mut out);
    out
}

const KINDS: [&str; 6] = [
    "email",
    "person_name",
    "phone",
    "ip_address",
    "organisation",
    "customers",
];

/// What a text is made of: free text, a value that gets a pseudonym, or a piece of something like a pseudonym.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Value(usize, String),
    Like(String),
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        "[ -~é😀\n]{0,12}".prop_map(Part::Text),
        (0..KINDS.len(), "[a-zA-Z0-9@. \"\\\\\néß😀]{1,20}")
            .prop_map(|(kind, value)| Part::Value(kind, value)),
        "[xX]{0,2}(EMAIL|email|PERSON|Term|IP)?[2-9]?[0-9A-Z]{0,8}(@pseudo)?".prop_map(Part::Like),
    ]
}

/// A text with its values, where they stand.
fn assembled(parts: &[Part]) -> (String, Vec<Finding>) {
    let (mut text, mut findings) = (String::new(), Vec::new());
    for part in parts {
        let start = text.len();
        match part {
            Part::Text(piece) | Part::Like(piece) => text.push_str(piece),
            Part::Value(kind, value) => {
                text.push_str(value);
                findings.push(found(KINDS[*kind], start, text.len()));
            }
        }
    }
    (text, findings)
}

proptest! {
    #[test]
    fn what_is_rewritten_comes_back_exactly_wherever_the_stream_is_cut(
        parts in prop::collection::vec(part(), 0..12),
        cuts in prop::collection::vec(any::<Index>(), 0..24),
    ) {
        let vault = vault(1);
        let (text, findings) = assembled(&parts);
        let sent = rewrite(&text, &findings, &|_| Transform::Pseudonymise, &vault).expect("there is room");
        prop_assert_eq!(sent.is_some(), !findings.is_empty());
        let sent = sent.unwrap_or_else(|| text.clone());
        let back = restore_whole(&vault, &sent);
        prop_assert_eq!(back.as_deref().unwrap_or(&sent), text.as_str());
        let mut restorer = Restorer::new(&vault, BOTH);
        prop_assert_eq!(streamed(&mut restorer, Place::Text, &sent, &cuts), text);
    }

    #[test]
    fn any_answer_is_restored_in_pieces_as_in_one(
        parts in prop::collection::vec(part(), 0..12),
        answer in prop::collection::vec(part(), 0..12),
        picks in prop::collection::vec(any::<Index>(), 0..8),
        cuts in prop::collection::vec(any::<Index>(), 0..24),
        arguments in any::<bool>(),
    ) {
        let vault = vault(1);
        let (text, findings) = assembled(&parts);
        rewrite(&text, &findings, &|_| Transform::Pseudonymise, &vault).expect("there is room");
        let (mut answer, _) = assembled(&answer);
        for (nth, pick) in picks.iter().enumerate().filter(|_| !findings.is_empty()) {
            let finding = &findings[pick.index(findings.len())];
            let value = &text[finding.start..finding.end];
            let name = KINDS.iter().find(|kind| **kind == finding.detector.name()).expect("one of them");
            let mut planted = pseudonym(&vault, name, value);
            if nth % 3 == 1 {
                planted.make_ascii_uppercase();
            }
            let mut at = pick.index(answer.len() + 1);
            while !answer.is_char_boundary(at) {
                at -= 1;
            }
            answer.insert_str(at, &planted);
        }
        let place = if arguments { Place::ToolArguments } else { Place::Text };
        let mut restorer = Restorer::new(&vault, BOTH);
        let whole = restorer.whole(place, &answer).unwrap_or_else(|| answer.clone());
        prop_assert_eq!(streamed(&mut restorer, place, &answer, &cuts), whole);
    }

    #[test]
    fn a_restored_value_leaves_arguments_json_and_is_the_value(
        value in "[ -~\u{0}-\u{1f}\u{7f}\u{2028}é😀]{1,40}",
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let vault = vault(1);
        let planted = pseudonym(&vault, "person_name", &value);
        let arguments = format!("{{\"to\":\"{planted}\",\"say\":\"Dear {planted}, \\\"hi\\\"\"}}");
        let mut restorer = Restorer::new(&vault, BOTH);
        let back = streamed(&mut restorer, Place::ToolArguments, &arguments, &cuts);
        let back: serde_json::Value = serde_json::from_str(&back).expect("it is JSON");
        prop_assert_eq!(back["to"].as_str(), Some(value.as_str()));
        let said = format!("Dear {value}, \"hi\"");
        prop_assert_eq!(back["say"].as_str(), Some(said.as_str()));
    }

    #[test]
    fn without_pseudonyms_every_byte_passes(text in any::<String>(), cuts in prop::collection::vec(any::<Index>(), 0..12)) {
        let (empty, other) = (vault(1), vault(2));
        pseudonym(&other, "email", "ann@example.org");
        for vault in [empty, other] {
            let mut restorer = Restorer::new(&vault, BOTH);
            prop_assert_eq!(restorer.is_idle(), vault.is_empty());
            prop_assert_eq!(streamed(&mut restorer, Place::Text, &text, &cuts), text.as_str());
        }
    }
}

#[test]
fn a_pseudonym_of_another_session_or_a_fabricated_one_stays() {
    let (own, other) = (vault(1), vault(2));
    let ours = pseudonym(&own, "person_name", "Ann Smith");
    let theirs = pseudonym(&other, "person_name", "Ann Smith");
    assert_ne!(ours, theirs);
    let wrong_kind = ours.replace("PERSON", "PHONE");
    let fabricated = [
        "XPERSON22222222",
        &wrong_kind,
        &ours[..ours.len() - 1],
        &ours[1..],
        &theirs,
    ];
    for text in fabricated {
        assert_eq!(restore_whole(&own, text), None, "{text}");
    }
    assert_eq!(restore_whole(&own, &ours).as_deref(), Some("Ann Smith"));
}

#[test]
fn the_same_value_has_one_pseudonym_in_a_session_and_looks_like_what_it_is() {
    let vault = vault(1);
    let mail = pseudonym(&vault, "email", "ann@example.org");
    assert_eq!(pseudonym(&vault, "email", "ann@example.org"), mail);
    assert_ne!(pseudonym(&vault, "email", "Ann@example.org"), mail);
    assert_ne!(pseudonym(&vault, "person_name", "ann@example.org"), mail);
    assert!(
        mail.starts_with("xemail") && mail.ends_with("@pseudonym.invalid"),
        "{mail}"
    );
    assert!(pseudonym(&vault, "project falcon", "the bird").starts_with("XTERM"));
    assert_eq!(vault.len(), 4);
}

#[test]
fn what_escapes_and_case_do_to_other_text_leaves_a_pseudonym_whole() {
    let vault = vault(1);
    for (name, value) in [
        ("email", "ann@example.org"),
        ("postal_address", "1 High St\nOxford"),
    ] {
        let planted = pseudonym(&vault, name, value);
        assert_eq!(
            serde_json::to_string(&planted).expect("a string"),
            format!("\"{planted}\"")
        );
        for spelt in [
            planted.to_uppercase(),
            planted.to_lowercase(),
            format!("**{planted}**s"),
            format!("\\n{planted}"),
        ] {
            let back = restore_whole(&vault, &spelt).expect("it is restored");
            assert!(back.contains(value), "{spelt}");
        }
    }
}

#[test]
fn a_pseudonym_in_a_value_is_not_restored_a_second_time() {
    let vault = vault(1);
    let inner = pseudonym(&vault, "person_name", "Ann Smith");
    let outer = pseudonym(&vault, "postal_address", &format!("c/o {inner}, Oxford"));
    assert_eq!(
        restore_whole(&vault, &outer),
        Some(format!("c/o {inner}, Oxford"))
    );
    // One of a pseudonym put into another is none.
    let broken = format!("{}{inner}{}", &inner[..9], &inner[9..]);
    assert_eq!(
        restore_whole(&vault, &broken),
        Some(broken.replace(&inner, "Ann Smith"))
    );
}

#[test]
fn pseudonyms_that_come_back_in_a_history_stay_whatever_a_detector_takes_them_for() {
    let vault = vault(1);
    let mail = pseudonym(&vault, "email", "ann@example.org");
    let text = format!("mail {mail} or bob@example.org");
    let bob = text.len() - "bob@example.org".len();
    let findings = vec![
        found("email", 5, 5 + mail.len()),
        found("secret_value", 8, 14),
        found("email", bob, text.len()),
    ];
    assert_eq!(vault.foreign(&text, findings.clone()), findings[2..]);
    let sent =
        rewrite(&text, &findings, &|_| Transform::Pseudonymise, &vault).expect("there is room");
    let sent = sent.expect("one was replaced");
    assert!(
        sent.starts_with(&format!("mail {mail} or xemail")),
        "{sent}"
    );
    assert_eq!(vault.len(), 2);
}

#[test]
fn what_stands_in_the_text_already_is_never_the_new_pseudonym() {
    // What the value would get, written by the user before it was minted: known only from another vault of the same key.
    let value = "Ann Smith";
    let guessed = pseudonym(&vault(1), "person_name", value);
    let text = format!("{guessed} is not {value}");
    let vault = vault(1);
    let findings = [found("person_name", text.len() - value.len(), text.len())];
    let sent =
        rewrite(&text, &findings, &|_| Transform::Pseudonymise, &vault).expect("there is room");
    let sent = sent.expect("one was replaced");
    assert!(
        sent.starts_with(&guessed) && !sent.ends_with(&guessed),
        "{sent}"
    );
    assert_eq!(restore_whole(&vault, &sent), Some(text));
}

#[test]
fn a_policy_restores_texts_and_arguments_each_on_its_own() {
    let vault = vault(1);
    let planted = pseudonym(&vault, "person_name", "Ann \"A\" Smith");
    for (text, tools) in [(true, false), (false, true), (false, false)] {
        let mut restorer = Restorer::new(
            &vault,
            Restore {
                text,
                tool_calls: tools,
            },
        );
        let said = streamed(&mut restorer, Place::Text, &planted, &[]);
        let called = streamed(&mut restorer, Place::ToolArguments, &planted, &[]);
        assert_eq!(said == "Ann \"A\" Smith", text);
        assert_eq!(called == "Ann \\\"A\\\" Smith", tools);
        assert_eq!(said == planted, !text);
        assert_eq!(called == planted, !tools);
    }
}

#[test]
fn channels_that_are_mixed_do_not_disturb_each_other() {
    let vault = vault(1);
    let planted = pseudonym(&vault, "person_name", "Ann");
    let mut restorer: Restorer<u32> = Restorer::new(&vault, BOTH);
    let mut outs = vec![String::new(); 40];
    for at in 0..planted.len() {
        for (channel, out) in (0_u32..).zip(&mut outs) {
            restorer.text(channel, Place::Text, &planted[at..=at], out);
        }
    }
    for (channel, out) in (0..).zip(&mut outs) {
        restorer.end(channel, out);
        assert_eq!(out, "Ann");
    }
}

#[test]
fn a_storm_of_beginnings_passes_and_little_of_it_waits() {
    let vault = vault(1);
    let mail = pseudonym(&vault, "email", "ann@example.org");
    let mut restorer: Restorer<u32> = Restorer::new(&vault, BOTH);
    let (mut sent, mut out) = (String::new(), String::new());
    for length in (1..mail.len()).cycle().take(20_000) {
        restorer.text(0, Place::Text, &mail[..length], &mut out);
        sent.push_str(&mail[..length]);
        assert!(
            sent.len() - out.len() < 48,
            "{} wait",
            sent.len() - out.len()
        );
    }
    restorer.end(0, &mut out);
    assert_eq!(out, sent);
    let mut waiting = 0;
    for channel in 0..100_000 {
        let mut out = String::new();
        restorer.text(channel, Place::Text, "xemai", &mut out);
        waiting += 5 - out.len();
    }
    assert_eq!(waiting, 5 * nemoclaw_privacy::restore::MAX_CHANNELS);
}

#[test]
fn masks_and_kept_values_and_findings_that_overlap() {
    let vault = vault(1);
    let text = "card 4111111111111111 of Ann";
    let findings = [
        found("payment_card", 5, 21),
        found("phone", 7, 17),
        found("person_name", 25, 28),
    ];
    let how = |finding: &Finding| match finding.detector.name() {
        "person_name" => Transform::Keep,
        _ => Transform::Redact,
    };
    let sent = rewrite(text, &findings, &how, &vault).expect("no pseudonym is needed");
    assert_eq!(sent.as_deref(), Some("card [PAYMENT_CARD] of Ann"));
    assert!(vault.is_empty());
    let keep = rewrite(text, &findings, &|_| Transform::Keep, &vault).expect("nothing is done");
    assert_eq!(keep, None);
}

#[test]
fn a_finding_that_is_none_of_the_text_stops_the_request_and_names_no_value() {
    let vault = vault(1);
    for finding in [
        found("email", 1, 2),
        found("email", 0, 99),
        found("email", 3, 2),
    ] {
        for how in [Transform::Pseudonymise, Transform::Redact] {
            let refused = rewrite(
                "éé secret",
                std::slice::from_ref(&finding),
                &|_| how,
                &vault,
            );
            let error = refused.expect_err("it lies on no characters").to_string();
            assert_eq!(
                error,
                "what `email` found does not lie on characters of the text"
            );
        }
    }
}
