//! What an interpreter runs, by its command line: a script, a module, or what its title says. Pure.
//!
//! A process can write over its own arguments, and Node programs do: `process.title = 'npm install'` leaves nothing of
//! them. Then the first word of the title is all there is to know.

/// What a command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// A script, as it was named.
    Script(Vec<u8>, FirstLine),
    /// A module.
    Module(String),
    /// The arguments were written over; names of commands that may stand behind it, the likeliest first.
    Titled(Vec<String>),
    /// Code that was given in the arguments or on standard input, or nothing.
    Nothing,
}

/// Whether a script must say in its first line what interprets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLine {
    /// Else it is an argument like any other.
    Needed,
    /// The interpreter runs any file.
    MayBeMissing,
}

/// The longest command that a title is believed to name.
const TITLE: usize = 64;

/// The command line of a family of interpreters, up to the script.
struct Family {
    /// Its programs; digits and points may follow.
    names: &'static [&'static str],
    /// Short options whose value is the rest of the word, or the next word.
    valued: &'static str,
    /// Short options whose value can only be the rest of the word.
    attached: &'static str,
    /// Short options after which no script comes.
    inline: &'static str,
    /// The short option that names a module.
    module: Option<char>,
    /// Long options whose value may be the next word.
    long_valued: &'static [&'static str],
    /// Long options after which no script comes.
    long_inline: &'static [&'static str],
    /// The command before a script.
    command: Option<&'static str>,
}

const PLAIN: Family = Family {
    names: &[],
    valued: "",
    attached: "",
    inline: "",
    module: None,
    long_valued: &[],
    long_inline: &[],
    command: None,
};

const FAMILIES: &[Family] = &[
    Family {
        names: &["python", "pypy"],
        valued: "WX",
        inline: "c",
        module: Some('m'),
        long_valued: &["--check-hash-based-pycs"],
        ..PLAIN
    },
    Family {
        names: &["node", "nodejs"],
        valued: "rC",
        inline: "ep",
        long_valued: &[
            "--require",
            "--import",
            "--loader",
            "--experimental-loader",
            "--conditions",
            "--env-file",
            "--input-type",
            "--title",
            "--diagnostic-dir",
            "--icu-data-dir",
            "--openssl-config",
            "--redirect-warnings",
            "--stack-trace-limit",
            "--unhandled-rejections",
        ],
        long_inline: &["--eval", "--print"],
        ..PLAIN
    },
    Family {
        names: &["bun"],
        valued: "rd",
        inline: "ep",
        long_valued: &["--preload", "--config", "--cwd", "--env-file", "--define"],
        long_inline: &["--eval", "--print"],
        command: Some("run"),
        ..PLAIN
    },
    Family {
        names: &["deno"],
        valued: "cr",
        long_valued: &["--config", "--import-map", "--lock", "--cert", "--location"],
        command: Some("run"),
        ..PLAIN
    },
    Family {
        names: &["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"],
        valued: "oO",
        inline: "cs",
        long_valued: &["--rcfile", "--init-file"],
        ..PLAIN
    },
    Family {
        names: &["ruby"],
        valued: "IrCE",
        attached: "iFKTWx0",
        inline: "e",
        long_valued: &["--encoding", "--external-encoding", "--internal-encoding"],
        ..PLAIN
    },
    Family {
        names: &["perl"],
        valued: "I",
        attached: "MmiFlxCDV0",
        inline: "eE",
        ..PLAIN
    },
    Family {
        names: &["php"],
        valued: "cdz",
        inline: "rRBE",
        ..PLAIN
    },
    Family {
        names: &["lua", "luajit"],
        valued: "el",
        ..PLAIN
    },
];

/// Programs that are several others, by the name they are called by.
const MANY: &[&str] = &["busybox", "toybox"];

/// What a process with this executable and command line runs.
#[must_use]
pub fn runs(executable: &[u8], words: &[Vec<u8>]) -> Runs {
    let called = words.first().map(|word| name_of(word)).unwrap_or_default();
    let mut name = name_of(executable);
    if MANY.contains(&name.as_str()) {
        name = called.trim_start_matches('-').to_owned();
    }
    let Some(family) = family(&name) else {
        return other(words);
    };
    if words.iter().skip(1).all(Vec::is_empty) {
        return titled(family, words.first().map(Vec::as_slice).unwrap_or_default());
    }
    arguments(family, &words[1..])
}

/// Whether a script that asks for `interpreter` is run by a program called `name`.
#[must_use]
pub fn same(interpreter: &str, name: &str) -> bool {
    if interpreter == name || MANY.contains(&name) {
        return true;
    }
    match (family(interpreter), family(name)) {
        (Some(asked), Some(found)) => std::ptr::eq(asked, found),
        _ => false,
    }
}

/// The interpreter in a script's first line: its path, or after `env` its name.
#[must_use]
pub fn shebang(head: &[u8]) -> Option<String> {
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let interpreter = words.next()?;
    if name_of(interpreter.as_bytes()) != "env" {
        return Some(interpreter.to_owned());
    }
    let mut words = words.skip_while(|word| word.starts_with('-') || word.contains('='));
    words.next().map(str::to_owned)
}

/// The last part of a path.
#[must_use]
pub fn name_of(path: &[u8]) -> String {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

fn family(name: &str) -> Option<&'static Family> {
    let version = |rest: &str| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    FAMILIES.iter().find(|family| {
        let mut names = family.names.iter();
        names.any(|known| name.strip_prefix(known).is_some_and(version))
    })
}

/// Of an interpreter that is not known: the kernel puts a script's path behind it, and one option at most between.
fn other(words: &[Vec<u8>]) -> Runs {
    let mut words = words.iter().skip(1).take(2);
    match words.find(|word| !word.is_empty() && !word.starts_with(b"-")) {
        Some(word) => Runs::Script(word.clone(), FirstLine::Needed),
        None => Runs::Nothing,
    }
}

fn arguments(family: &Family, words: &[Vec<u8>]) -> Runs {
    let mut words = words.iter();
    let mut command = family.command;
    while let Some(word) = words.next() {
        let text = String::from_utf8_lossy(word);
        if text == "--" {
            return words.next().map_or(Runs::Nothing, |word| any(word));
        }
        if text.starts_with("--") {
            if family
                .long_inline
                .contains(&text.split('=').next().unwrap_or_default())
            {
                return Runs::Nothing;
            }
            if family.long_valued.contains(&&*text) {
                words.next();
            }
        } else if let Some(letters) = text.strip_prefix(['-', '+']) {
            match short(family, letters) {
                Short::Flags => {}
                Short::ValueFollows => {
                    words.next();
                }
                Short::Module("") => {
                    let name = words
                        .next()
                        .map(|word| String::from_utf8_lossy(word).into_owned());
                    return name.map_or(Runs::Nothing, Runs::Module);
                }
                Short::Module(attached) => return Runs::Module(attached.to_owned()),
                Short::Inline => return Runs::Nothing,
            }
        } else if command.take().is_some_and(|command| command == text) {
        } else {
            return any(word);
        }
    }
    Runs::Nothing
}

fn any(script: &[u8]) -> Runs {
    Runs::Script(script.to_vec(), FirstLine::MayBeMissing)
}

enum Short<'a> {
    Flags,
    ValueFollows,
    Module(&'a str),
    Inline,
}

/// A word of short options; a lone `-` is standard input.
fn short<'a>(family: &Family, letters: &'a str) -> Short<'a> {
    if letters.is_empty() {
        return Short::Inline;
    }
    for (at, letter) in letters.char_indices() {
        let rest = &letters[at + letter.len_utf8()..];
        if family.inline.contains(letter) {
            return Short::Inline;
        }
        if family.module == Some(letter) {
            return Short::Module(rest);
        }
        if family.attached.contains(letter) {
            return Short::Flags;
        }
        if family.valued.contains(letter) {
            return match rest {
                "" => Short::ValueFollows,
                _ => Short::Flags,
            };
        }
    }
    Short::Flags
}

fn titled(interpreter: &Family, title: &[u8]) -> Runs {
    let title = String::from_utf8_lossy(title);
    let first = title.split_ascii_whitespace().next().unwrap_or_default();
    let word = first.trim_end_matches(':');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    let own = name_of(word.trim_start_matches('-').as_bytes());
    let is_own = family(&own).is_some_and(|found| std::ptr::eq(found, interpreter));
    let starts = word
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if is_own || !starts || word.len() > TITLE || !word.bytes().all(plain) {
        return Runs::Nothing;
    }
    // A program with several kinds of processes calls them `name-kind`.
    let mut names = vec![word.to_owned()];
    names.extend(
        word.rmatch_indices('-')
            .map(|(at, _)| word[..at].to_owned()),
    );
    Runs::Titled(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(executable: &str, line: &str) -> Runs {
        let words: Vec<Vec<u8>> = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        runs(executable.as_bytes(), &words)
    }

    fn script(path: &str) -> Runs {
        any(path.as_bytes())
    }

    #[test]
    fn the_first_word_that_is_no_option_and_no_options_value_is_the_script() {
        for (executable, line, expected) in [
            (
                "/usr/bin/python3.11",
                "python3 /usr/bin/pip install x",
                "/usr/bin/pip",
            ),
            (
                "/usr/bin/python3.11",
                "python3 -B -W ignore -Xdev a.py -m b",
                "a.py",
            ),
            (
                "/usr/bin/node",
                "node --import tsx --env-file=x -r y /usr/bin/npm i",
                "/usr/bin/npm",
            ),
            ("/usr/bin/node", "node -- -odd.js", "-odd.js"),
            (
                "/usr/bin/bash",
                "bash -eux -o pipefail ./run.sh",
                "./run.sh",
            ),
            ("/usr/bin/bun", "bun run --preload p main.ts", "main.ts"),
            ("/usr/bin/deno", "deno run --allow-net main.ts", "main.ts"),
            (
                "/usr/bin/perl",
                "perl -w -Mstrict -I lib tool.pl",
                "tool.pl",
            ),
            ("/usr/bin/ruby3.1", "ruby -rset -I lib tool.rb", "tool.rb"),
            ("/usr/bin/busybox", "sh /etc/start", "/etc/start"),
        ] {
            assert_eq!(of(executable, line), script(expected), "{line}");
        }
        let awk = of("/usr/bin/mawk", "/usr/bin/awk -f /usr/bin/tool.awk");
        assert_eq!(
            awk,
            Runs::Script(b"/usr/bin/tool.awk".to_vec(), FirstLine::Needed)
        );
    }

    #[test]
    fn code_in_the_arguments_or_on_standard_input_is_no_script() {
        for (executable, line) in [
            ("/usr/bin/python3", "python3 -c pass x.py"),
            ("/usr/bin/python3", "python3 -"),
            ("/usr/bin/python3", "python3"),
            ("/usr/bin/node", "node -pe 1 x.js"),
            ("/usr/bin/node", "node --eval=1 x.js"),
            ("/usr/bin/bash", "bash -lc ls x"),
            ("/usr/bin/bash", "-bash"),
            ("/usr/bin/perl", "perl -ne print x"),
        ] {
            assert_eq!(of(executable, line), Runs::Nothing, "{line}");
        }
    }

    #[test]
    fn a_module_is_told_by_its_name() {
        let pip = Runs::Module("pip".into());
        assert_eq!(of("/usr/bin/python3", "python3 -m pip install x"), pip);
        assert_eq!(of("/usr/bin/python3", "python3 -Im pip"), pip);
        assert_eq!(of("/usr/bin/python3", "python3 -mpip"), pip);
    }

    #[test]
    fn a_title_names_commands() {
        let title = |text: &str| runs(b"/usr/bin/node", &[text.into(), vec![], vec![]]);
        assert_eq!(
            title("npm install left-pad"),
            Runs::Titled(vec!["npm".into()])
        );
        let names = ["open-claw-gateway", "open-claw", "open"].map(str::to_owned);
        assert_eq!(title("open-claw-gateway"), Runs::Titled(names.into()));
        for nothing in ["node", "/usr/bin/node", "../npm", "", "a/b"] {
            assert_eq!(title(nothing), Runs::Nothing, "{nothing}");
        }
    }

    #[test]
    fn a_script_names_its_interpreter_by_path_or_through_env() {
        for (line, expected) in [
            ("#!/usr/bin/python3\nimport x", Some("/usr/bin/python3")),
            ("#! /bin/sh -e\n", Some("/bin/sh")),
            ("#!/usr/bin/env node\n", Some("node")),
            ("#!/usr/bin/env -S A=1 deno run\n", Some("deno")),
            ("#!\n", None),
            ("import x", None),
        ] {
            assert_eq!(shebang(line.as_bytes()).as_deref(), expected, "{line}");
        }
        assert!(same("python3", "python3.11") && same("sh", "dash"));
        assert!(!same("node", "python3") && !same("cat", "node"));
    }
}
