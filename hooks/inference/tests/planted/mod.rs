//! A body with another text in each of its places.

use nemoclaw_inference::Json;

/// The value with each of its texts in turn replaced.
pub fn planted(body: &Json) -> Vec<(String, Json)> {
    planted_with(body, "Jane Doe 078-05-1120")
}

/// The same with any text.
pub fn planted_with(body: &Json, with: &str) -> Vec<(String, Json)> {
    fn each(
        value: &Json,
        place: &str,
        with: &str,
        rebuild: &dyn Fn(Json) -> Json,
        out: &mut Vec<(String, Json)>,
    ) {
        match value {
            Json::String(_) => out.push((place.to_owned(), rebuild(with.into()))),
            Json::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    let rebuild = |new: Json| {
                        let mut copy = items.clone();
                        copy[at] = new;
                        rebuild(Json::Array(copy))
                    };
                    each(item, &format!("{place}[{at}]"), with, &rebuild, out);
                }
            }
            Json::Object(object) => {
                for (key, member) in object.iter() {
                    let rebuild = |new: Json| {
                        let mut copy = object.clone();
                        copy.set(key, new);
                        rebuild(Json::Object(copy))
                    };
                    each(member, &format!("{place}.{key}"), with, &rebuild, out);
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    each(body, "", with, &|value| value, &mut out);
    out
}

/// All texts and free keys of a value, and those in texts that are JSON.
pub fn texts(value: &Json, out: &mut Vec<String>) {
    match value {
        Json::String(text) => match Json::read(text.as_bytes()) {
            Ok(inside @ Json::Object(_)) => texts(&inside, out),
            _ => out.push(text.clone()),
        },
        Json::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Json::Object(object) => object.iter().for_each(|(key, value)| {
            out.push(key.to_owned());
            texts(value, out);
        }),
        _ => {}
    }
}
