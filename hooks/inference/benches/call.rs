//! How long it takes to read a request, show its texts and write it, and to relay a stream.
//!
//! `cargo bench -p nemoclaw-inference`

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use nemoclaw_inference::{Api, AsIs, Call, Relay};

/// The median of many runs, in microseconds.
fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..2000)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A conversation of about `size` bytes with line ends, quotes and other letters in it.
fn chat(size: usize) -> String {
    let words = r#"The \"quick\" brown fox — jumps over\nthe lazy dog, and so on until the sentence is of a usual length. "#;
    let turn = format!(r#"{{"role":"user","content":"{}"}},"#, words.repeat(8));
    let turns = turn.repeat(size / turn.len() + 1);
    format!(
        r#"{{"model":"m","messages":[{}],"stream":true}}"#,
        turns.trim_end_matches(',')
    )
}

fn main() {
    let mut out = std::io::stdout();
    for size in [4 << 10, 64 << 10] {
        let body = chat(size);
        let read = median(|| {
            black_box(Call::read(Api::Chat, body.as_bytes()).is_ok());
        });
        let all = median(|| {
            let Ok(mut call) = Call::read(Api::Chat, body.as_bytes()) else {
                return;
            };
            let mut bytes = 0;
            call.leaves(&mut |_, text| {
                bytes += text.len();
                None
            });
            call.set_model("other");
            black_box((bytes, call.to_bytes()));
        });
        let _ = writeln!(
            out,
            "{} bytes: read {read:.1} us, read + visit + rename + write {all:.1} us",
            body.len()
        );
    }
    let event = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1764000000,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}"#;
    let event = format!("{event}\n\n");
    for model in ["m", "other"] {
        let mut relay = Relay::new(Api::Chat, Api::Chat, model, AsIs);
        let mut bytes = Vec::new();
        let time = median(|| {
            bytes.clear();
            black_box(relay.push(event.as_bytes(), &mut bytes).is_ok());
        });
        let _ = writeln!(
            out,
            "one event of a stream, model shown {model}: {time:.2} us"
        );
    }
}
