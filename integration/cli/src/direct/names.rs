//! Names of sandboxes: checked once, made up where none is given, found by their beginning.

use std::io::Read;

use crate::fault::Fault;

/// The longest name; it becomes a host name too.
const LONGEST: usize = 63;

/// Check a name that a person gave.
pub fn check(name: &str) -> anyhow::Result<()> {
    let first = name
        .chars()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric());
    let rest = name
        .chars()
        .all(|one| one.is_ascii_alphanumeric() || "_.-".contains(one));
    if first && rest && name.len() <= LONGEST && !name.contains("..") {
        return Ok(());
    }
    let fault = Fault::new(format!("`{name}` is no name for a sandbox"));
    Err(fault
        .hint(format!(
            "use letters, digits, `_`, `.` and `-`, at most {LONGEST}, a letter or digit first"
        ))
        .into())
}

/// A name for a command: `python3-4f2a91`.
pub fn invent(command: &[String]) -> anyhow::Result<String> {
    let mut bytes = [0_u8; 3];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!(
        "{}-{:02x}{:02x}{:02x}",
        stem(command),
        bytes[0],
        bytes[1],
        bytes[2]
    ))
}

fn stem(command: &[String]) -> String {
    let program = command.first().map_or("", String::as_str);
    let base = program.rsplit('/').next().unwrap_or("");
    let kept: String = base
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(20)
        .collect();
    if kept.is_empty() {
        "box".to_owned()
    } else {
        kept.to_ascii_lowercase()
    }
}

/// The one name that is meant: the same name, else the only one that begins so, else the only one there is.
pub fn find<'a>(wanted: Option<&str>, known: &'a [String]) -> anyhow::Result<&'a str> {
    let Some(wanted) = wanted else {
        return match known {
            [] => Err(Fault::new("there is no sandbox")
                .hint("run `nemoclaw run -d -- CMD` to make one")
                .into()),
            [one] => Ok(one),
            many => Err(Fault::new(format!(
                "which sandbox? there are {}: {}",
                many.len(),
                many.join(", ")
            ))
            .into()),
        };
    };
    if let Some(same) = known.iter().find(|name| *name == wanted) {
        return Ok(same);
    }
    let beginning: Vec<&String> = known
        .iter()
        .filter(|name| !wanted.is_empty() && name.starts_with(wanted))
        .collect();
    match beginning.as_slice() {
        [one] => Ok(one),
        [] => Err(Fault::new(format!("there is no sandbox `{wanted}`"))
            .hint("run `nemoclaw list`")
            .into()),
        many => {
            let names: Vec<&str> = many.iter().map(|name| name.as_str()).collect();
            Err(Fault::new(format!(
                "`{wanted}` begins more than one name: {}",
                names.join(", ")
            ))
            .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "-a",
            "a..b",
            "a b",
            "ä",
            &"x".repeat(64),
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "worker-1", "A_b.c", &"x".repeat(63)] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn an_invented_name_is_a_name() {
        for command in ["/usr/bin/python3", "sh", "./..", ""] {
            let name = invent(&[command.to_owned()]).unwrap();
            assert!(check(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_beginning_must_be_unique_unless_it_is_a_whole_name() {
        let known = ["ab".to_owned(), "abc".to_owned(), "x".to_owned()];
        assert_eq!(find(Some("ab"), &known).unwrap(), "ab");
        assert_eq!(find(Some("abc"), &known).unwrap(), "abc");
        assert!(
            find(Some("a"), &known)
                .unwrap_err()
                .to_string()
                .contains("ab, abc")
        );
        assert!(find(Some(""), &known).is_err());
        assert!(find(None, &known).is_err());
        assert_eq!(find(None, &known[..1]).unwrap(), "ab");
    }
}
