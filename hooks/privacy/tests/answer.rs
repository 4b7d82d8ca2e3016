//! Answers with the scanner that ships: secrets of every form, cut anywhere, and the session's own values beside them.
#![allow(clippy::expect_used, reason = "a test's helpers fail like a test")]

use std::sync::{Arc, LazyLock};

use nemoclaw_inference::{Channel, ChannelKind, Rewrite};
use nemoclaw_policy::Class;
use nemoclaw_privacy::restore::Restore;
use nemoclaw_privacy::watch::Find;
use nemoclaw_privacy::{Answer, Scanner, SessionKey, Setup, Transform, Vault, Watch, rewrite};
use proptest::prelude::*;
use proptest::sample::Index;
use zeroize::Zeroizing;

static PROMPTS: LazyLock<Scanner> =
    LazyLock::new(|| Scanner::new(&Setup::default()).expect("what ships"));

/// What watches answers has only the detectors of the classes that are masked: what others find around a secret would
/// become one finding with it.
static ANSWERS: LazyLock<Arc<Scanner>> = LazyLock::new(|| {
    let off = nemoclaw_policy::detector::all()
        .iter()
        .filter(|known| known.class < Class::Secret);
    let classes = off.map(|known| (known.name.to_owned(), None)).collect();
    let setup = Setup {
        classes,
        ..Setup::default()
    };
    Arc::new(Scanner::new(&setup).expect("what ships"))
});

const SAID: Channel = Channel {
    choice: 0,
    kind: ChannelKind::Text,
};
const CALLED: Channel = Channel {
    choice: 0,
    kind: ChannelKind::Tool(3),
};

fn vault() -> Vault {
    Vault::new(SessionKey::new(Zeroizing::new([7; 32])))
}

fn watch() -> Watch {
    let find: Find = Arc::new(|text| ANSWERS.scan(text));
    Watch {
        find,
        from: Class::Secret,
        phrases: false,
    }
}

fn answer(vault: &Vault) -> Answer {
    Answer::new(
        vault,
        Restore {
            text: true,
            tool_calls: true,
        },
        Some(watch()),
    )
}

/// The prompt as the provider gets it.
fn sent(vault: &Vault, prompt: &str) -> String {
    let findings = PROMPTS.scan(prompt);
    let sent = rewrite(prompt, &findings, &|_| Transform::Pseudonymise, vault);
    sent.expect("there is room").expect("something is found")
}

fn streamed(answer: &mut Answer, channel: Channel, text: &str, cuts: &[Index]) -> String {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.retain(|at| text.is_char_boundary(*at));
    at.extend([0, text.len()]);
    at.sort_unstable();
    let mut out = String::new();
    for pair in at.windows(2) {
        answer.text(channel, &text[pair[0]..pair[1]], &mut out);
    }
    answer.end(channel, &mut out);
    out
}

fn part() -> impl Strategy<Value = String> {
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj/AgEAAoIBAQ+C7";
    prop_oneof![
        "[a-zA-Z ,.é中😀\n]{0,24}",
        "(The|answer|is|here|sk|key|password|to|bearer) ",
        "[ -~]{0,8}",
        "ghp_[a-zA-Z0-9]{36}[ .,\n\"]",
        "AKIA[A-Z2-7]{16}[ .,\n]",
        "sk-proj-[a-zA-Z0-9]{48}[ .,\n]",
        "(password|api_key|\"api_key\")( =|=|:|: )[\"']?[a-zA-Z]{4,8}[0-9]{4}[a-zA-Z]{8,20}[\"' \n]",
        "Authorization: Bearer [a-z0-9]{40}\n",
        "https://[a-z]{1,6}:[a-z0-9]{8,12}@[a-z]{2,5}\\.org/ ",
        Just("4111 1111 1111 1111, ".to_owned()),
        Just("DE89 3704 0044 0532 0130 00 ".to_owned()),
        Just("GB82WEST12345698765432. ".to_owned()),
        Just("my ssn is 536-90-4399. ".to_owned()),
        Just("536-90-4399 is my ssn. ".to_owned()),
        Just("NINO AB 12 34 56 C\n".to_owned()),
        "[0-9]{1,12}[ .,]",
        Just("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U ".to_owned()),
        Just(format!("-----BEGIN RSA PRIVATE KEY-----\n{key}\n{key}\n-----END RSA PRIVATE KEY-----\n")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_answer_is_masked_in_pieces_as_in_one(
        parts in prop::collection::vec(part(), 0..8),
        cuts in prop::collection::vec(any::<Index>(), 0..48),
    ) {
        let (vault, text) = (vault(), parts.join(" "));
        let mut whole = text.clone();
        answer(&vault).whole(SAID, &mut whole);
        let out = streamed(&mut answer(&vault), SAID, &text, &cuts);
        prop_assert_eq!(out, whole);
    }

    #[test]
    fn what_a_prompt_hid_comes_back_beside_a_secret_that_does_not(
        cuts in prop::collection::vec(any::<Index>(), 0..48),
        quotes in any::<bool>(),
    ) {
        let vault = vault();
        let hidden = sent(&vault, "write to ann.smith@example.org");
        prop_assert!(!hidden.contains("ann.smith"));
        let key = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
        let (channel, text, back) = if quotes {
            (CALLED, format!("{{\"do\":\"{hidden}\",\"key\":\"{key}\"}}"), "{\"do\":\"write to ann.smith@example.org\",\"key\":\"[API_KEY]\"}")
        } else {
            (SAID, format!("{hidden} with {key}."), "write to ann.smith@example.org with [API_KEY].")
        };
        let mut answer = answer(&vault);
        prop_assert_eq!(streamed(&mut answer, channel, &text, &cuts), back);
        prop_assert_eq!(answer.masked().len(), 1);
    }
}

#[test]
fn an_answer_that_nothing_is_done_to_is_idle() {
    let (vault, both) = (
        vault(),
        Restore {
            text: true,
            tool_calls: true,
        },
    );
    assert!(Answer::new(&vault, both, None).is_idle());
    assert!(!Answer::new(&vault, both, Some(watch())).is_idle());
    sent(&vault, "write to ann.smith@example.org");
    assert!(!Answer::new(&vault, both, None).is_idle());
    assert!(
        Answer::new(
            &vault,
            Restore {
                text: false,
                tool_calls: false
            },
            None
        )
        .is_idle()
    );
}

#[test]
fn a_tools_plain_input_is_restored_as_tool_calls_are_and_without_escapes() {
    let (vault, input) = (
        vault(),
        Channel {
            choice: 0,
            kind: ChannelKind::Input(1),
        },
    );
    let hidden = sent(&vault, "write to ann.smith@example.org");
    for tools in [false, true] {
        let restore = Restore {
            text: true,
            tool_calls: tools,
        };
        let mut answer = Answer::new(&vault, restore, None);
        let mut whole = hidden.clone();
        answer.whole(input, &mut whole);
        let out = streamed(&mut answer, input, &hidden, &[]);
        assert_eq!(out, whole);
        assert_eq!(out.contains("ann.smith@example.org"), tools, "{out}");
        let only_text = streamed(&mut answer, SAID, &hidden, &[]);
        assert!(only_text.contains("ann.smith@example.org"));
    }
}
