//! Streams of real servers, cut anywhere, rewritten and translated.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail like a test")]

#[path = "streams_read/mod.rs"]
mod read;
#[path = "streams_samples/mod.rs"]
mod samples;

use std::collections::BTreeMap;

use nemoclaw_inference::{Api, AsIs, BadStream, Json, Refusal, Relay, Usage, error_event};
use proptest::prelude::*;
use read::{Names, assembled, events, relay};
use samples::*;

const ALL: &[(Api, &str, &str)] = &[
    (Api::Chat, OPENAI, "gpt-5-2025"),
    (Api::Chat, VLLM, "qwen3"),
    (Api::Chat, LLAMA, "smollm2"),
    (Api::Messages, ANTHROPIC, "claude-sonnet-4-5-20250929"),
    (Api::Responses, RESPONSES, "gpt-5-2025"),
];

#[test]
fn a_stream_that_needs_no_change_passes_byte_by_byte() {
    for (api, text, model) in ALL {
        let (out, outcome) = relay(Relay::new(*api, *api, model, AsIs), &[text.as_bytes()]);
        assert_eq!(out, *text);
        assert!(outcome.unwrap().finished);
    }
}

#[test]
fn what_a_call_has_used_is_counted() {
    let usage = |text: &str, api| {
        relay(Relay::new(api, api, "m", AsIs), &[text.as_bytes()])
            .1
            .unwrap()
            .usage
            .unwrap()
    };
    assert_eq!(
        usage(OPENAI, Api::Chat),
        Usage {
            input: 9,
            output: 12,
            cached: 4
        }
    );
    assert_eq!(
        usage(LLAMA, Api::Chat),
        Usage {
            input: 31,
            output: 2,
            cached: 0
        }
    );
    assert_eq!(
        usage(ANTHROPIC, Api::Messages),
        Usage {
            input: 125,
            output: 89,
            cached: 100
        }
    );
    assert_eq!(
        usage(RESPONSES, Api::Responses),
        Usage {
            input: 11,
            output: 7,
            cached: 3
        }
    );
}

#[test]
fn a_chunk_without_choices_may_count() {
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
    let (out, outcome) = relay(
        Relay::new(Api::Chat, Api::Chat, "m", AsIs),
        &[text.as_bytes()],
    );
    assert_eq!(
        (out.as_str(), outcome.unwrap().usage.unwrap().output),
        (text, 2)
    );
}

#[test]
fn the_model_is_shown_by_the_name_that_was_asked_for() {
    for (api, text, model) in ALL {
        let (out, _) = relay(Relay::new(*api, *api, "fast", AsIs), &[text.as_bytes()]);
        assert!(
            !out.contains(model) && out.contains(r#""model":"fast""#),
            "{out}"
        );
        assert_eq!(assembled(*api, &out), assembled(*api, text));
    }
}

#[test]
fn a_chunk_that_only_counts_is_hidden_from_who_did_not_ask() {
    let (out, outcome) = relay(
        Relay::new(Api::Chat, Api::Chat, "gpt-5-2025", AsIs).without_usage_chunk(),
        &[OPENAI.as_bytes()],
    );
    assert!(!out.contains("prompt_tokens") && out.ends_with("data: [DONE]\n\n"));
    assert_eq!(outcome.unwrap().usage.unwrap().output, 12);
}

#[test]
fn strings_are_put_through_whole_however_they_were_cut_and_what_was_held_back_comes_before_their_end()
 {
    for (api, text, model) in ALL {
        let (out, outcome) = relay(
            Relay::new(*api, *api, model, Names::default()),
            &[text.as_bytes()],
        );
        assert!(outcome.unwrap().finished);
        let mut want = assembled(*api, text);
        for (key, string) in &mut want {
            let name = if key.starts_with("tool") {
                r#"Jane \"J\" Doe"#
            } else {
                r#"Jane "J" Doe"#
            };
            *string = string.replace("@name@", name);
        }
        assert_eq!(assembled(*api, &out), want, "{out}");
        assert!(!out.contains("@name@"), "{out}");
    }
}

#[test]
fn the_events_of_responses_are_numbered_without_a_gap() {
    let (out, _) = relay(
        Relay::new(
            Api::Responses,
            Api::Responses,
            "gpt-5-2025",
            Names::default(),
        ),
        &[RESPONSES.as_bytes()],
    );
    let numbers: Vec<u64> = events(&out)
        .iter()
        .map(|event| event.get("sequence_number").and_then(Json::as_u64).unwrap())
        .collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    assert_eq!(numbers.len(), 17, "two that were held back");
}

#[test]
fn a_text_ends_before_the_next_block_begins() {
    let (out, _) = relay(
        Relay::new(Api::Chat, Api::Messages, "m", Names::default()),
        &[VLLM.as_bytes()],
    );
    let kinds: Vec<String> = events(&out)
        .iter()
        .map(|event| {
            let inner = event
                .get("content_block")
                .or_else(|| event.get("delta"))
                .and_then(|inner| inner.text("type"));
            format!(
                "{}{}",
                event.text("type").unwrap(),
                inner.map(|inner| format!(" {inner}")).unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start thinking",
            "content_block_delta thinking_delta",
            "content_block_delta thinking_delta",
            "content_block_delta thinking_delta",
            "content_block_stop",
            "content_block_start text",
            "content_block_delta text_delta",
            "content_block_delta text_delta",
            "content_block_stop",
            "content_block_start tool_use",
            "content_block_delta input_json_delta",
            "content_block_delta input_json_delta",
            "content_block_stop",
            "content_block_start tool_use",
            "content_block_delta input_json_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
}

#[test]
fn a_translated_stream_says_the_same() {
    for (from, text, _) in ALL.iter().filter(|(api, _, _)| *api != Api::Responses) {
        let said = assembled(*from, text);
        for to in [Api::Chat, Api::Messages, Api::Responses] {
            let (out, outcome) = relay(Relay::new(*from, to, "shown", AsIs), &[text.as_bytes()]);
            let outcome = outcome.unwrap();
            assert!(outcome.finished && out.contains(r#""model":"shown""#));
            let told = assembled(to, &out);
            for key in ["text", "reasoning"] {
                assert_eq!(said.get(key), told.get(key), "{from:?} to {to:?}: {out}");
            }
            let parts = |strings: &BTreeMap<String, String>, of: &str| -> Vec<String> {
                strings
                    .iter()
                    .filter(|(key, _)| key.starts_with(of))
                    .map(|(_, text)| text.clone())
                    .collect()
            };
            assert_eq!(parts(&said, "name"), parts(&told, "name"));
            let arguments = parts(&told, "tool ");
            if *from != to {
                assert_eq!(
                    arguments.len(),
                    parts(&told, "name").len(),
                    "a call without arguments has an empty object"
                );
            }
            for (mine, theirs) in arguments.iter().zip(parts(&said, "tool ")) {
                assert_eq!(*mine, theirs);
            }
            let usage = outcome.usage.unwrap();
            match to {
                Api::Chat => assert!(
                    out.contains("[DONE]")
                        && out.contains(&format!(r#""completion_tokens":{}"#, usage.output))
                ),
                _ => assert!(
                    out.contains(&format!(r#""output_tokens":{}"#, usage.output)),
                    "{out}"
                ),
            }
        }
    }
}

#[test]
fn why_a_model_stopped_is_told_in_the_callers_word() {
    let stop = |text: &str, from, to| {
        let (out, _) = relay(Relay::new(from, to, "m", AsIs), &[text.as_bytes()]);
        assembled(to, &out)["stop"].clone()
    };
    assert_eq!(stop(VLLM, Api::Chat, Api::Messages), "tool_use");
    assert_eq!(stop(LLAMA, Api::Chat, Api::Messages), "max_tokens");
    assert_eq!(stop(OPENAI, Api::Chat, Api::Messages), "end_turn");
    assert_eq!(stop(ANTHROPIC, Api::Messages, Api::Chat), "tool_calls");
    assert_eq!(stop(LLAMA, Api::Chat, Api::Responses), "incomplete");
    assert_eq!(stop(OPENAI, Api::Chat, Api::Responses), "completed");
}

#[test]
fn a_stream_that_cannot_go_on_says_why_in_one_sentence() {
    let run = |api, text: &str| {
        relay(Relay::new(api, api, "m", AsIs), &[text.as_bytes()])
            .1
            .unwrap_err()
    };
    let half = &OPENAI[..OPENAI.find("\"stop\"").unwrap()];
    assert!(matches!(run(Api::Chat, half), BadStream::Cut));
    let half = &ANTHROPIC[..ANTHROPIC.find("event: message_delta").unwrap()];
    assert!(matches!(run(Api::Messages, half), BadStream::Cut));
    assert!(matches!(run(Api::Chat, ""), BadStream::Cut));
    assert!(matches!(
        run(Api::Chat, "data: {oops\n\n"),
        BadStream::NotJson(_)
    ));
    assert!(matches!(
        run(Api::Chat, "data: {\"a\":1}\n\n"),
        BadStream::Shape("choices")
    ));
    assert!(matches!(
        run(Api::Messages, "data: {\"a\":1}\n\n"),
        BadStream::Shape("type")
    ));
    for (api, text) in [
        (
            Api::Chat,
            "data: {\"error\":{\"message\":\"busy\",\"code\":503}}\n\n",
        ),
        (
            Api::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n",
        ),
        (
            Api::Responses,
            "data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"busy\"}}}\n\n",
        ),
        (
            Api::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"x\",\"message\":\"busy\"}\n\n",
        ),
    ] {
        match run(api, text) {
            BadStream::Upstream(error) => assert_eq!(error.message, "busy"),
            other => panic!("{other}"),
        }
    }
    let (_, result) = relay(
        Relay::new(Api::Responses, Api::Messages, "m", AsIs),
        &[RESPONSES.as_bytes()],
    );
    assert!(matches!(result, Err(BadStream::Untranslatable)));
}

#[test]
fn an_error_in_the_middle_is_told_in_each_interface() {
    for (api, want) in [
        (
            Api::Chat,
            "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
        ),
        (
            Api::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}\n\n",
        ),
        (
            Api::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"param\":null}\n\n",
        ),
    ] {
        assert_eq!(
            String::from_utf8(error_event(api, Refusal::Server, "m")).unwrap(),
            want
        );
    }
}

#[test]
fn a_stream_that_opens_strings_without_end_is_given_up() {
    let mut relay = Relay::new(Api::Chat, Api::Chat, "m", Names::default());
    let mut out = Vec::new();
    let result = (0..10_000).try_for_each(|at| {
        let event = format!(
            "data: {{\"choices\":[{{\"index\":{at},\"delta\":{{\"content\":\"@\"}}}}]}}\n\n"
        );
        relay.push(event.as_bytes(), &mut out)
    });
    assert!(matches!(result, Err(BadStream::TooMany)));
}

#[test]
fn the_empty_line_after_the_last_event_may_be_missing() {
    for (api, text, model) in ALL {
        let text = text.trim_end();
        let (out, outcome) = relay(Relay::new(*api, *api, model, AsIs), &[text.as_bytes()]);
        assert!(outcome.unwrap().finished);
        assert_eq!(out.trim_end(), text);
    }
}

#[test]
fn calls_without_numbers_are_told_apart() {
    let call = |name: &str| {
        format!(
            r#"data: {{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"id":"{name}","function":{{"name":"{name}","arguments":"{{}}"}}}}]}}}}]}}"#
        )
    };
    let text = format!(
        "{}\n\n{}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n",
        call("a"),
        call("b")
    );
    let (out, _) = relay(
        Relay::new(Api::Chat, Api::Messages, "m", AsIs),
        &[text.as_bytes()],
    );
    let told = assembled(Api::Messages, &out);
    assert_eq!(
        (
            told["name 0"].as_str(),
            told["name 1"].as_str(),
            told["stop"].as_str()
        ),
        ("a", "b", "tool_use")
    );
}

#[test]
fn a_custom_tools_input_is_a_plain_text() {
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":\"n\",\"input\":\"@name@ @\"}}]}}]}\n\ndata: [DONE]\n\n";
    let (out, _) = relay(
        Relay::new(Api::Chat, Api::Chat, "m", Names::default()),
        &[text.as_bytes()],
    );
    let inputs: Vec<String> = events(&out)
        .iter()
        .map(|event| {
            event.list("choices")[0]
                .get("delta")
                .unwrap()
                .list("tool_calls")[0]
                .get("custom")
                .unwrap()
                .text("input")
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(inputs, ["Jane \"J\" Doe ", "@"]);
}

#[test]
fn an_answer_that_is_to_be_repeated_at_its_end_has_a_limit() {
    let piece = "x".repeat(1 << 20);
    let event = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{piece}\"}}}}]}}\n\n"
    );
    let run = |to| {
        let mut relay = Relay::new(Api::Chat, to, "m", AsIs);
        (0..20).try_for_each(|_| relay.push(event.as_bytes(), &mut Vec::new()))
    };
    assert!(matches!(run(Api::Responses), Err(BadStream::TooLong)));
    assert!(run(Api::Messages).is_ok(), "nothing is kept of it");
}

#[test]
fn the_first_piece_is_noticed() {
    let mut relay = Relay::new(Api::Messages, Api::Messages, "m", AsIs);
    let at = ANTHROPIC.find("It is").unwrap();
    let mut out = Vec::new();
    relay.push(&ANTHROPIC.as_bytes()[..at], &mut out).unwrap();
    assert!(!relay.first_token_seen());
    relay.push(&ANTHROPIC.as_bytes()[at..], &mut out).unwrap();
    assert!(relay.first_token_seen() && relay.finished());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn where_a_stream_is_cut_changes_nothing(
        which in 0usize..ALL.len(),
        to in 0usize..3,
        names in any::<bool>(),
        cuts in proptest::collection::vec(0usize..8000, 0..40),
    ) {
        let (from, text, model) = ALL[which];
        let to = if from == Api::Responses { from } else { [Api::Chat, Api::Messages, Api::Responses][to] };
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % bytes.len()).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pushes: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let run = |pushes: &[&[u8]]| {
            if names {
                relay(Relay::new(from, to, model, Names::default()), pushes).0
            } else {
                relay(Relay::new(from, to, "other", AsIs), pushes).0
            }
        };
        prop_assert_eq!(run(&[bytes]), run(&pushes));
    }

    #[test]
    fn a_broken_stream_never_panics(which in 0usize..ALL.len(), to in 0usize..3, at in 0usize..8000, with in any::<u8>(), garbage in proptest::collection::vec(any::<u8>(), 0..20)) {
        let (from, text, _) = ALL[which];
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = with;
        bytes.splice(at..at, garbage);
        let to = [Api::Chat, Api::Messages, Api::Responses][to];
        let mut relay = Relay::new(from, to, "m", Names::default());
        let mut out = Vec::new();
        let _ = relay.push(&bytes, &mut out).and_then(|()| relay.finish(&mut out).map(|_| ()));
        prop_assert!(std::str::from_utf8(&out).is_ok());
    }
}

#[test]
fn every_single_cut_of_every_stream_gives_the_same() {
    for (from, text, model) in ALL {
        let bytes = text.as_bytes();
        let run =
            |pushes: &[&[u8]]| relay(Relay::new(*from, *from, model, Names::default()), pushes).0;
        let want = run(&[bytes]);
        for cut in 0..bytes.len() {
            assert_eq!(run(&[&bytes[..cut], &bytes[cut..]]), want, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(run(&single), want, "byte by byte");
    }
}
