//! What is asked: prompts as people write them, of a size, with a person in them.

use serde_json::{Value, json};

/// Somebody who is in every prompt.
pub const EMAIL: &str = "grace.hopper@navy-mail.net";

const SENTENCES: [&str; 8] = [
    "Please go through the notes below and tell me which of the open points block the release.",
    "The importer reads a batch of 500 rows, checks each against the schema and writes what fits.",
    "When the queue is longer than 10,000 entries the worker drops to one connection and the delay grows.",
    "We moved the retries into the client, since the gateway cannot know whether a call may be repeated.",
    "In week 34 the error rate was 0.7 %, three times what it was before the change of 12 August.",
    "fn parse(line: &str) -> Result<Row, Error> { let (key, value) = line.split_once('=').ok_or(Error::Shape)?; }",
    "Nobody could say why the cache of the second node is cold after each deployment.",
    "Ask the team before you change the defaults; the last time it took two days to find.",
];

/// A prompt of about so many bytes.
pub fn prompt(bytes: usize) -> String {
    let mut text = format!("I am writing for {EMAIL}. ");
    for number in 0.. {
        if text.len() >= bytes {
            break;
        }
        text += SENTENCES[number % SENTENCES.len()];
        text += if number % 5 == 4 { "\n\n" } else { " " };
    }
    text.truncate(bytes);
    text
}

/// A chat with that prompt.
pub fn request(model: &str, prompt: &str, stream: bool) -> Value {
    json!({ "model": model, "stream": stream, "max_tokens": 64, "messages": [
        { "role": "system", "content": "You are a careful assistant." }, { "role": "user", "content": prompt } ] })
}

/// What the upstream answers.
pub fn answer() -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "big",
        "choices": [ { "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": SENTENCES.join(" ") } } ],
        "usage": { "prompt_tokens": 900, "completion_tokens": 160, "total_tokens": 1060 } })
}

/// The same as a stream of some 64 KB, a word in each event.
pub fn stream() -> String {
    let event = |delta: Value, reason: Value| {
        let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "big",
            "choices": [ { "index": 0, "delta": delta, "finish_reason": reason } ] });
        format!("data: {chunk}\n\n")
    };
    let mut text = event(json!({ "role": "assistant", "content": "" }), Value::Null);
    let words = SENTENCES.iter().flat_map(|line| line.split_inclusive(' '));
    for word in words.cycle().take(450) {
        text += &event(json!({ "content": word }), Value::Null);
    }
    text + &event(json!({}), "stop".into()) + "data: [DONE]\n\n"
}
