//! libcontainer's errors in words for people: without its own frames, and without values of its code.

/// What libcontainer puts before a cause.
const FRAMES: [&str; 3] = [
    "failed to create container: ",
    "exec process failed with error ",
    "intermediate process error ",
];
/// Fields of a printed value that tell most about it, best first.
const TELLING: [&str; 4] = ["message", "destination", "path", "name"];

/// The text without frames and printed values.
pub fn plain(text: &str) -> String {
    let mut rest = text.trim_end_matches('\0');
    while let Some(inner) = FRAMES.iter().find_map(|frame| rest.strip_prefix(frame)) {
        rest = inner;
    }
    without_values(rest)
}

/// Every `Name { field: … }` becomes what its most telling field says, or its name.
fn without_values(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(brace) = rest.find(" { ") {
        let (before, value) = rest.split_at(brace);
        let name_at = before
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |at| {
                at + before[at..].chars().next().map_or(0, char::len_utf8)
            });
        let name = &before[name_at..];
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            out.push_str(before);
            out.push_str(" (");
            rest = &value[3..];
            continue;
        }
        out.push_str(&before[..name_at]);
        let length = balanced(value);
        out.push_str(&told(name, &value[..length]));
        rest = &value[length..];
    }
    out + rest
}

/// The length of the value up to its closing brace, braces in strings not counted; all of it when it was cut off.
fn balanced(value: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    value.len()
}

fn told(name: &str, value: &str) -> String {
    let field = |field: &&'static str| {
        let (_, after) = value.split_once(&format!("{field}: \""))?;
        Some((*field, after.split('"').next().unwrap_or(after)))
    };
    match TELLING.iter().find_map(field) {
        Some(("message", text)) => text.to_owned(),
        Some((_, text)) => format!("`{text}`"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_value_becomes_its_most_telling_field() {
        for (given, wanted) in [
            (
                "failed to mount Mount { destination: \"/etc/a}\", typ: Some(\"bind\"), source: Some(\"/x\"), options: None }: EEXIST: File exists",
                "failed to mount `/etc/a}`: EEXIST: File exists",
            ),
            (
                "failed to create container: io error (err=Os { code: 2, kind: NotFound, message: \"No such file\" })",
                "io error (err=No such file)",
            ),
            ("a Mount { destination: \"/b\", cut", "a `/b`"),
            ("é Other { inner: More { code: 3 } } end", "é Other end"),
            ("no value", "no value"),
            ("err=Mount(Mkdir { x: 1 })", "err=Mount(Mkdir)"),
        ] {
            assert_eq!(plain(given), wanted);
        }
    }
}
