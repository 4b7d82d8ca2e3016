//! What a client makes of a stream, and a rewrite that holds back.

use std::collections::BTreeMap;

use nemoclaw_inference::{Api, BadStream, Channel, ChannelKind, Json, Outcome, Relay, Rewrite};

/// Puts `Jane "J" Doe` where `@name@` stands, and holds back what may become one.
#[derive(Default)]
pub struct Names(pub Vec<(Channel, String)>);

impl Names {
    fn name(kind: ChannelKind) -> &'static str {
        match kind {
            ChannelKind::Tool(_) => r#"Jane \"J\" Doe"#,
            _ => r#"Jane "J" Doe"#,
        }
    }
}

impl Rewrite for Names {
    fn text(&mut self, channel: Channel, piece: &str, out: &mut String) {
        let at = self.0.iter().position(|(known, _)| *known == channel);
        let mut held = at.map(|at| self.0.remove(at).1).unwrap_or_default();
        held.push_str(piece);
        let whole = held.replace("@name@", Self::name(channel.kind));
        let tail = (1.."@name@".len())
            .rev()
            .find(|len| whole.ends_with(&"@name@"[..*len]))
            .unwrap_or(0);
        let (sure, tail) = whole.split_at(whole.len() - tail);
        out.push_str(sure);
        self.0.push((channel, tail.to_owned()));
    }

    fn end(&mut self, channel: Channel, out: &mut String) {
        if let Some(at) = self.0.iter().position(|(known, _)| *known == channel) {
            out.push_str(&self.0.remove(at).1);
        }
    }

    fn whole(&mut self, channel: Channel, text: &mut String) {
        *text = text.replace("@name@", Self::name(channel.kind));
    }

    fn is_idle(&self) -> bool {
        false
    }
}

pub fn relay<R: Rewrite>(
    mut relay: Relay<R>,
    pushes: &[&[u8]],
) -> (String, Result<Outcome, BadStream>) {
    let mut out = Vec::new();
    for bytes in pushes {
        if let Err(error) = relay.push(bytes, &mut out) {
            return (String::from_utf8(out).unwrap(), Err(error));
        }
    }
    let outcome = relay.finish(&mut out);
    (String::from_utf8(out).unwrap(), outcome)
}

pub fn events(text: &str) -> Vec<Json> {
    text.replace("\r\n", "\n")
        .split("\n\n")
        .filter_map(|event| {
            event
                .lines()
                .find_map(|line| line.strip_prefix("data: "))
                .map(str::to_owned)
        })
        .filter(|data| data != "[DONE]")
        .map(|data| Json::read(data.as_bytes()).unwrap())
        .collect()
}

/// What a client of each interface puts together.
pub fn assembled(api: Api, text: &str) -> BTreeMap<String, String> {
    let mut strings: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |key: String, piece: Option<&str>| {
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            strings.entry(key).or_default().push_str(piece);
        }
    };
    let (mut calls, mut tools) = (0, BTreeMap::new());
    for event in events(text) {
        match api {
            Api::Chat => {
                for choice in event.list("choices") {
                    let Some(delta) = choice.get("delta") else {
                        continue;
                    };
                    add("text".into(), delta.text("content"));
                    add("reasoning".into(), delta.text("reasoning_content"));
                    for call in delta.list("tool_calls") {
                        let function = call.get("function").unwrap();
                        let index = call.get("index").and_then(Json::as_u64).unwrap();
                        add(format!("name {index}"), function.text("name"));
                        add(format!("tool {index}"), function.text("arguments"));
                    }
                    add("stop".into(), choice.text("finish_reason"));
                }
            }
            Api::Messages => {
                let index = event.get("index").and_then(Json::as_u64);
                if let Some(block) = event.get("content_block")
                    && block.text("type") == Some("tool_use")
                {
                    tools.insert(index, calls);
                    add(format!("name {calls}"), block.text("name"));
                    calls += 1;
                }
                let Some(delta) = event.get("delta") else {
                    continue;
                };
                add("text".into(), delta.text("text"));
                add("reasoning".into(), delta.text("thinking"));
                if let Some(json) = delta.text("partial_json") {
                    add(format!("tool {}", tools[&index]), Some(json));
                }
                add("stop".into(), delta.text("stop_reason"));
            }
            _ => match event.text("type").unwrap() {
                "response.output_text.delta" => add("text".into(), event.text("delta")),
                "response.reasoning_summary_text.delta" => {
                    add("reasoning".into(), event.text("delta"))
                }
                "response.function_call_arguments.delta" => add(
                    format!(
                        "tool {}",
                        event.get("output_index").and_then(Json::as_u64).unwrap()
                    ),
                    event.text("delta"),
                ),
                "response.output_item.added" => {
                    add(
                        format!(
                            "name {}",
                            event.get("output_index").and_then(Json::as_u64).unwrap()
                        ),
                        event.get("item").unwrap().text("name"),
                    );
                }
                "response.completed" | "response.incomplete" => {
                    add("stop".into(), event.get("response").unwrap().text("status"))
                }
                _ => {}
            },
        }
    }
    strings
}
