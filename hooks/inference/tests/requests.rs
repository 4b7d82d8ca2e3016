//! Requests as the official clients send them: what is read, what is shown to a visitor, what is refused.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail like a test")]

mod planted;
mod samples;

use nemoclaw_inference::{Api, Call, Json, Kind, NotJson, Opaque, Unreadable};
use planted::{planted, planted_with, texts};
use proptest::prelude::*;
use samples::*;

/// All of them.
const RICH: &[(Api, &str)] = &[
    (Api::Chat, CHAT_TOOLS),
    (Api::Chat, CHAT_PARTS),
    (Api::Messages, CLAUDE_CODE),
    (Api::Responses, CODEX),
    (Api::Embeddings, EMBEDDINGS),
    (Api::Completions, COMPLETIONS),
];

/// Texts to embed.
const EMBEDDINGS: &str = r#"{"model":"text-embedding-3-small","input":["MARK-one","MARK-two","MARK-three"],"encoding_format":"base64","dimensions":256,"user":"MARK-user","metadata":{"a":"MARK-value"}}"#;

/// The oldest interface.
const COMPLETIONS: &str = r#"{"model":"smollm2","prompt":["MARK-prompt","MARK-more"],"suffix":"MARK-suffix","stop":"MARK-stop","max_tokens":16,"user":"MARK-user","grammar":"MARK-grammar"}"#;

fn read(api: Api, text: &str) -> Call {
    Call::read(api, text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text:.200}"))
}

/// Every leaf: kind, place and text.
fn leaves(call: &mut Call) -> Vec<(Kind, String, String)> {
    let mut seen = Vec::new();
    call.leaves(&mut |leaf, text| {
        seen.push((leaf.kind, leaf.place.to_string(), text.to_owned()));
        None
    });
    seen
}

#[test]
fn every_planted_text_is_shown_wherever_it_stands() {
    for (api, text) in RICH {
        let mut call = read(*api, text);
        let seen: Vec<String> = leaves(&mut call)
            .into_iter()
            .map(|(_, _, text)| text)
            .collect();
        let mut all = Vec::new();
        texts(call.body(), &mut all);
        let planted: Vec<&String> = all.iter().filter(|text| text.contains("MARK")).collect();
        assert!(planted.len() >= 5, "{api:?}: {}", planted.len());
        for mark in planted {
            assert!(
                seen.iter().any(|text| text.contains(mark.as_str())),
                "{api:?}: {mark}"
            );
        }
    }
}

#[test]
fn any_text_at_any_place_of_a_real_request_is_shown() {
    for (api, text) in RICH {
        let body = Json::read(text.as_bytes()).unwrap();
        for (place, planted) in planted(&body) {
            let bytes = planted.to_bytes();
            // Where the shape wants a word of its own the request is refused instead.
            let Ok(mut call) = Call::read(*api, &bytes) else {
                continue;
            };
            let shown = leaves(&mut call)
                .iter()
                .any(|(_, _, text)| text.contains("Jane Doe 078-05-1120"));
            assert!(shown || place.ends_with("model"), "{api:?}: {place}");
        }
    }
}

#[test]
fn what_a_text_is_for_and_where_it_stands_is_told_without_the_users_words() {
    let mut call = read(Api::Chat, CHAT_TOOLS);
    let seen = leaves(&mut call);
    let find = |mark: &str| {
        let (kind, place, _) = seen
            .iter()
            .find(|(_, _, text)| text.contains(mark))
            .unwrap();
        (*kind, place.as_str())
    };
    assert_eq!(
        find("MARK-system"),
        (Kind::Instruction, "messages[0].content")
    );
    assert_eq!(
        find("MARK-user"),
        (Kind::User, "messages[1].content[0].text")
    );
    assert_eq!(
        find("MARK-argument"),
        (
            Kind::ToolCall,
            "messages[2].tool_calls[0].function.arguments.*"
        )
    );
    assert_eq!(
        find("MARK-result"),
        (Kind::ToolResult, "messages[3].content")
    );
    assert_eq!(find("MARK-description").0, Kind::Tool);
    assert_eq!(find("MARK-key"), (Kind::Key, "metadata.*"));
    assert_eq!(find("4111111111111111").0, Kind::Number);
}

#[test]
fn a_replaced_text_is_the_only_thing_that_changes() {
    let mut call = read(Api::Chat, CHAT_TOOLS);
    assert_eq!(call.to_bytes(), CHAT_TOOLS.as_bytes(), "untouched");
    call.leaves(&mut |_, text| (text == "MARK-argument").then(|| "\"new\"\n".to_owned()));
    let new = String::from_utf8(call.to_bytes()).unwrap();
    let want = String::from_utf8(Json::read(CHAT_TOOLS.as_bytes()).unwrap().to_bytes()).unwrap();
    // Spaces between the members of the arguments go, nothing else.
    let want = want
        .replace(r#"\"MARK-argument\""#, r#"\"\\\"new\\\"\\n\""#)
        .replace(r#"\": "#, r#"\":"#)
        .replace(r#", \""#, r#",\""#);
    assert_eq!(new, want);
}

#[test]
fn words_that_call_themselves_an_image_are_shown() {
    for text in [
        r#"{"model":"m","messages":[{"role":"user","content":"data:image/ MARK"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"data:image/png;base64,MARK is not"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"my MARK"}}]}]}"#,
        r#"{"model":"m","messages":[{"role":"user","model":"MARK","content":"x"}]}"#,
    ] {
        let mut call = read(Api::Messages, text);
        assert!(
            leaves(&mut call)
                .iter()
                .any(|(_, _, text)| text.contains("MARK")),
            "{text}"
        );
    }
}

const PIXELS: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB";

#[test]
fn bytes_that_only_call_themselves_an_image_are_shown() {
    for (text, mark) in [
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"image/png","data":"4111111111111111"}}]}]}"#,
            "4111111111111111",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"4111111111111111"}}]}]}"#,
            "4111111111111111",
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\":\"data:image/png;base64,SECRET\"}"}}]}]}"#,
            "SECRET",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/my SECRET;base64,iVBORw0KGgo="}}]}]}"#,
            "SECRET",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"secretword"}}]}]}"#,
            "secretword",
        ),
    ] {
        let api = if text.contains("source") {
            Api::Messages
        } else {
            Api::Chat
        };
        let mut call = read(api, text);
        let seen = leaves(&mut call);
        assert!(
            seen.iter().any(|(_, _, text)| text.contains(mark)),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_shown_for_being_an_image_counts_as_one() {
    for (api, text) in RICH {
        // None of the sample's own.
        let body = text
            .replace("iVBORw0KGgo", "AAAA")
            .replace("/9j/4AAQ", "AAAA");
        let mut hidden = 0;
        for data in [PIXELS.to_owned(), format!("data:image/png;base64,{PIXELS}")] {
            for (place, planted) in planted_with(&Json::read(body.as_bytes()).unwrap(), &data) {
                let Ok(mut call) = Call::read(*api, &planted.to_bytes()) else {
                    continue;
                };
                let shown = leaves(&mut call)
                    .iter()
                    .any(|(_, _, text)| text.contains(PIXELS));
                hidden += usize::from(!shown);
                assert!(
                    shown || call.has_images() || place == ".model",
                    "{api:?}: {place}"
                );
            }
        }
        assert!(
            hidden > 0 || !text.contains("image"),
            "{api:?}: images are skipped"
        );
    }
}

#[test]
fn a_file_that_is_no_text_is_told_of_under_any_name() {
    // Two bytes that are no UTF-8, and four letters.
    for (data, opaque) in [("//5NQQ==", true), ("TUFSSw==", false)] {
        for part in [
            format!(r#"{{"type":"file","file":{{"file_data":"data:text/plain;base64,{data}"}}}}"#),
            format!(
                r#"{{"type":"video_url","video_url":{{"url":"data:video/mp4;base64,{data}"}}}}"#
            ),
            format!(
                r#"{{"type":"video_url","video_url":{{"url":"DATA:image/png;BASE64,{data}"}}}}"#
            ),
            format!(
                r#"{{"type":"document","source":{{"type":"base64","media_type":"text/plain","data":"{data}"}}}}"#
            ),
        ] {
            let body =
                format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}"#);
            let told = read(Api::Chat, &body).opaque() == [Opaque::File];
            assert_eq!(told, opaque, "{part}");
        }
    }
    let disguised = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"image/png","data":"//5NQQ=="}}]}]}"#;
    assert_eq!(read(Api::Messages, disguised).opaque(), [Opaque::File]);
}

#[test]
fn a_word_that_no_interface_defines_is_shown() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"jane.doe","text":"x"}]}],"reasoning_effort":"hunter2","service_tier":"auto"}"#;
    let seen = leaves(&mut read(Api::Chat, body));
    let shown = |word: &str| seen.iter().any(|(_, _, text)| text == word);
    assert!(shown("jane.doe") && shown("hunter2"));
    assert!(!shown("user") && !shown("auto"));
}

#[test]
fn a_number_can_be_replaced_and_a_key_cannot() {
    let mut call = read(Api::Chat, CHAT_TOOLS);
    call.leaves(&mut |leaf, _| match leaf.kind {
        Kind::Number => Some("[CARD]".to_owned()),
        Kind::Key => Some("gone".to_owned()),
        _ => None,
    });
    let new = String::from_utf8(call.to_bytes()).unwrap();
    assert!(new.contains(r#"\"card\":\"[CARD]\""#), "{new}");
    assert!(new.contains("MARK-key") && !new.contains("gone"));
}

#[test]
fn every_long_number_is_shown_and_only_a_free_one_can_be_replaced() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"x","index":4111111111111111}],"seed":4111111111111112,"top_k":123456,"temperature":0.4111111111111113,"metadata":{"n":4111111111111114}}"#;
    let mut call = read(Api::Chat, body);
    let mut seen = Vec::new();
    call.leaves(&mut |leaf, text| {
        seen.push((leaf.kind, text.to_owned()));
        (leaf.kind == Kind::Handle).then(|| "0".to_owned())
    });
    for (kind, number) in [
        (Kind::Handle, "4111111111111111"),
        (Kind::Handle, "4111111111111112"),
        (Kind::Handle, "0.4111111111111113"),
        (Kind::Number, "4111111111111114"),
    ] {
        assert!(seen.contains(&(kind, number.to_owned())), "{number}");
    }
    assert!(!seen.iter().any(|(_, text)| text == "123456"));
    assert_eq!(call.to_bytes(), body.as_bytes());
}

#[test]
fn a_number_in_a_texts_place_is_refused() {
    for (api, body) in [
        (
            Api::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":7}]}"#,
        ),
        (
            Api::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":7}]}]}"#,
        ),
        (
            Api::Messages,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":7}]}]}]}"#,
        ),
        (
            Api::Responses,
            r#"{"model":"m","input":[{"type":"function_call_output","output":[{"type":"input_text","text":7}]}]}"#,
        ),
    ] {
        let error = Call::read(api, body.as_bytes()).unwrap_err();
        assert!(matches!(error, Unreadable::Shape { .. }), "{body}: {error}");
    }
}

#[test]
fn questions_about_a_request_are_answered() {
    let call = read(Api::Chat, CHAT_TOOLS);
    assert_eq!(
        (call.model(), call.stream(), call.max_tokens()),
        ("gpt-5", true, Some(512))
    );
    assert!(call.has_tools() && !call.has_images());
    let mut call = read(Api::Messages, CLAUDE_CODE);
    assert!(call.has_images() && call.has_tools());
    assert_eq!(call.replace_images("[an image]"), 2);
    assert!(!call.has_images());
    assert!(
        String::from_utf8(call.to_bytes())
            .unwrap()
            .contains(r#"{"type":"text","text":"[an image]"}"#)
    );
    call.set_model("other");
    assert_eq!(call.model(), "other");
    let call = read(Api::Responses, CODEX);
    assert_eq!(call.opaque(), [Opaque::Encrypted]);
    let call = read(Api::Embeddings, r#"{"model":"m","input":[[1,2,3]]}"#);
    assert_eq!(call.opaque(), [Opaque::Tokens]);
    assert_eq!(
        read(Api::Chat, CHAT_PARTS).opaque(),
        [],
        "its file is a text"
    );
    let pdf = CHAT_PARTS.replace("data:text/plain", "data:application/pdf");
    assert_eq!(read(Api::Chat, &pdf).opaque(), [Opaque::File]);
    let call = read(Api::Embeddings, r#"{"model":"m","input":["a","b"]}"#);
    assert_eq!(call.opaque(), []);
}

#[test]
fn a_streams_server_is_asked_to_count_once() {
    let mut call = read(Api::Chat, r#"{"model":"m","messages":[],"stream":true}"#);
    assert!(!call.ask_for_usage());
    assert!(call.ask_for_usage(), "asked by us");
    let text = String::from_utf8(call.to_bytes()).unwrap();
    assert!(
        text.ends_with(r#""stream_options":{"include_usage":true}}"#),
        "{text}"
    );
}

/// What is refused, and what is named then.
const UNKNOWN_SHAPES: &[(Api, &str, &str)] = &[
    (Api::Chat, r#"{"messages":[]}"#, "`model`"),
    (Api::Chat, r#"{"model":"m"}"#, "`messages`"),
    (
        Api::Chat,
        r#"{"model":"m","messages":{"role":"user"}}"#,
        "`messages`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":["secret"]}"#,
        "`messages`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":[{"role":"secret","content":""}]}"#,
        "`messages[0].role`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":[{"role":"user","content":{"secret":1}}]}"#,
        "`messages[0].content`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":[{"role":"user","content":[{"text":"secret"}]}]}"#,
        "`messages[0].content[0].type`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":{"a":1}}}]}]}"#,
        "arguments`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":[],"stream":"secret"}"#,
        "`stream`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":[],"max_tokens":-1}"#,
        "`max_tokens`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":[],"Model":"secret"}"#,
        "exactly `model`",
    ),
    (
        Api::Chat,
        r#"{"model":"m","messages":[{"role":"user","Content":"secret"}]}"#,
        "exactly `content`",
    ),
    (
        Api::Messages,
        r#"{"model":"m","messages":[],"system":7}"#,
        "`system`",
    ),
    (
        Api::Messages,
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","content":{}}]}]}"#,
        "`messages[0].content[0].content`",
    ),
    (
        Api::Responses,
        r#"{"model":"m","input":[{"secret":"x"}]}"#,
        "`input[0].type`",
    ),
    (
        Api::Embeddings,
        r#"{"model":"m","input":{"a":1}}"#,
        "`input`",
    ),
    (Api::Completions, r#"{"model":"m"}"#, "`prompt`"),
    (Api::Chat, "[]", "the top"),
    (Api::Models, "{}", "no body"),
];

#[test]
fn what_is_not_in_the_known_shape_is_refused_by_the_members_name() {
    for (api, text, name) in UNKNOWN_SHAPES {
        let error = Call::read(*api, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(*name), "{text}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn json_with_two_meanings_is_refused_without_its_words() {
    let many: String = (0..40).map(|at| format!(r#""k{at}":0,"#)).collect();
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for text in [
        r#"{"model":"m","model":"secret","messages":[]}"#.to_owned(),
        r#"{"model":"m","messages":[],"x":{"a":1,"\u0061":2}}"#.to_owned(),
        r#"{"model":"m","messages":[],"a\u0000secret":1}"#.to_owned(),
        format!(r#"{{{many}"k7":1}}"#),
        deep,
        r#"{"model":"m","messages":[]} {}"#.to_owned(),
        "\u{feff}{}".to_owned(),
        r#"{"model":"\ud800"}"#.to_owned(),
        r#"{"seed":1e999}"#.to_owned(),
    ] {
        let error = Call::read(Api::Chat, text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, Unreadable::NotJson(_)),
            "{text:.60}: {error}"
        );
        assert!(!error.to_string().contains("secret"));
    }
    assert!(
        Call::read(Api::Chat, b"{\"model\":\"\xff\"}").is_err(),
        "not UTF-8"
    );
}

#[test]
fn millions_of_small_values_are_refused_before_they_are_read() {
    let keys: String = (0..1_000_000).map(|at| format!(r#""{at:x}":1,"#)).collect();
    let list = format!("{}1", "1,".repeat(5_000_000));
    for (text, column) in [
        (format!(r#"{{{keys}"model":"m","messages":[]}}"#), 16 * 1024),
        (
            format!(r#"{{"model":"m","messages":[],"x":[{list}]}}"#),
            1_000_000,
        ),
        (
            format!(r#"{{"x":[{}{{}}]}}"#, r#"{"":[]},"#.repeat(1_000_000)),
            4_000_000,
        ),
    ] {
        let error = Call::read(Api::Chat, text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, Unreadable::NotJson(NotJson::TooMany { line: 1, column: at }) if at < column),
            "{error}"
        );
    }
    let most: String = (0..1000).map(|at| format!(r#""k{at}":1,"#)).collect();
    let fits = format!(r#"{{"model":"m","messages":[],"metadata":{{{most}"k":1}}}}"#);
    assert!(Call::read(Api::Chat, fits.as_bytes()).is_ok());
}

#[test]
fn numbers_and_the_order_of_keys_survive() {
    let text = r#"{"z":0.1,"a":18446744073709551615,"m":-9223372036854775808,"f":0.30000000000000004,"e":1e-7,"t":1.7976931348623157e+308}"#;
    let value = Json::read(text.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(value.to_bytes()).unwrap(), text);
}

#[test]
fn nothing_of_a_request_is_printed() {
    let call = read(Api::Chat, CHAT_TOOLS);
    for printed in [format!("{call:?}"), format!("{:?}", call.body())] {
        assert!(!printed.contains("MARK"), "{printed}");
    }
}

#[test]
fn a_models_name_is_short_printable_ascii_in_every_call() {
    let body = |model: &str| {
        format!(r#"{{"model":{model},"messages":[],"input":"x","prompt":"x","Messages":1}}"#)
    };
    let long = format!("\"{}\"", "m".repeat(257));
    for api in [
        Api::Chat,
        Api::Completions,
        Api::Responses,
        Api::Embeddings,
        Api::Messages,
        Api::CountTokens,
    ] {
        for model in [
            "\"\"",
            "\"my card\"",
            "\"m\\n\"",
            "\"é\"",
            "7",
            "null",
            &long,
        ] {
            let error = Call::read(api, body(model).as_bytes()).unwrap_err();
            assert!(
                matches!(&error, Unreadable::Shape { field, .. } if field == "model"),
                "{api:?} {model}: {error}"
            );
        }
        let fits = body(&format!("\"{}", &long[2..])).replace(r#","Messages":1"#, "");
        assert!(Call::read(api, fits.as_bytes()).is_ok(), "{api:?}");
    }
}

#[test]
fn only_the_limit_that_a_calls_servers_know_counts() {
    let body = r#"{"model":"m","messages":[],"input":"x","prompt":"x","max_tokens":3,"max_completion_tokens":5,"max_output_tokens":7}"#;
    for (api, most) in [
        (Api::Chat, Some(5)),
        (Api::Completions, Some(3)),
        (Api::Responses, Some(7)),
        (Api::Messages, Some(3)),
        (Api::Embeddings, None),
    ] {
        assert_eq!(read(api, body).max_tokens(), most, "{api:?}");
    }
    let foreign = r#"{"model":"m","messages":[],"max_output_tokens":1}"#;
    assert_eq!(read(Api::Chat, foreign).max_tokens(), None);
}

proptest! {
    #[test]
    fn garbage_is_refused_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0usize..7) {
        let api = [Api::Chat, Api::Completions, Api::Responses, Api::Embeddings, Api::Models, Api::Messages, Api::CountTokens][which];
        if let Ok(mut call) = Call::read(api, &bytes) {
            leaves(&mut call);
        }
    }

    #[test]
    fn a_broken_request_is_refused_or_shown_and_never_panics(at in 0usize..RICH.len(), cut in 0usize..4000, with in any::<u8>()) {
        let (api, text) = RICH[at];
        let mut bytes = text.as_bytes().to_vec();
        let cut = cut % bytes.len();
        bytes[cut] = with;
        if let Ok(mut call) = Call::read(api, &bytes) {
            leaves(&mut call);
            call.replace_images("none");
            let _ = call.opaque();
            for to in [Api::Chat, Api::Messages] {
                if let Ok(call) = Call::read(api, &bytes)
                    && let Ok(call) = call.into_api(to)
                {
                    prop_assert!(Call::read(to, &call.to_bytes()).is_ok());
                }
            }
        }
    }
}
