//! What curl saw.

use std::process::Output;

/// What curl saw.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub version: String,
    pub connections: u32,
    pub body: String,
    pub error: String,
    pub exit: i32,
}

impl Answer {
    pub fn of(output: &Output) -> Answer {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, last) = text.rsplit_once('\n').unwrap_or(("", "0 0 0"));
        let words: Vec<&str> = last.split(' ').collect();
        Answer {
            status: words[0].parse().unwrap_or_default(),
            version: words.get(1).copied().unwrap_or_default().to_owned(),
            connections: words
                .get(2)
                .and_then(|word| word.parse().ok())
                .unwrap_or_default(),
            body: body.to_owned(),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
            exit: output.status.code().unwrap_or(-1),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
