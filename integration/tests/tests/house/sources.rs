//! What every source file keeps to.

use std::fs;
use std::path::{Path, PathBuf};

use nemoclaw_tests::world::workspace;

/// Longer than this fails; style asks for 400.
const LONGEST: usize = 600;

/// A file of the repository.
pub struct Source {
    pub path: PathBuf,
    pub text: String,
}

/// All files below `roots` that end in `.extension`.
pub fn files(roots: &[&str], extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for root in roots {
        collect(&workspace().join(root), extension, &mut found);
    }
    assert!(!found.is_empty());
    found
}

fn collect(dir: &Path, extension: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, extension, found);
            }
        } else if path.extension().is_some_and(|have| have == extension) {
            let text = fs::read_to_string(&path).expect("source");
            found.push(Source {
                path: path.strip_prefix(workspace()).expect("below").to_owned(),
                text,
            });
        }
    }
}

impl Source {
    /// Whether it is test code as a whole.
    fn is_test(&self) -> bool {
        let parts: Vec<_> = self
            .path
            .iter()
            .map(|part| part.to_string_lossy())
            .collect();
        parts
            .iter()
            .any(|part| matches!(part.as_ref(), "tests" | "tests.rs" | "benches" | "build.rs"))
    }

    /// Its lines before the test module, with numbers.
    fn product_lines(&self) -> Vec<(usize, &str)> {
        let lines: Vec<(usize, &str)> = self
            .text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
            .collect();
        let end = self
            .text
            .lines()
            .position(|line| line.trim() == "#[cfg(test)]")
            .unwrap_or(lines.len());
        lines[..end].to_vec()
    }
}

fn product() -> Vec<Source> {
    let all = files(&["profiles", "runtime", "hooks", "integration"], "rs");
    all.into_iter().filter(|source| !source.is_test()).collect()
}

/// The code of a line, without its comment.
fn code(line: &str) -> &str {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") {
        ""
    } else {
        line.split(" // ").next().unwrap_or(line)
    }
}

#[test]
fn unsafe_stands_only_in_folders_named_sys() {
    let mut faults = Vec::new();
    for source in product() {
        if source.path.iter().any(|part| part == "sys") {
            continue;
        }
        for (at, line) in source.product_lines() {
            let words: Vec<&str> = code(line)
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .collect();
            if words.contains(&"unsafe") && !line.contains('"') {
                faults.push(format!("{}:{at}: {}", source.path.display(), line.trim()));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "unsafe outside a folder named sys:\n{}",
        faults.join("\n")
    );
}

#[test]
fn every_unsafe_block_has_its_argument() {
    let mut faults = Vec::new();
    for source in product() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if code(line).contains("unsafe {") {
                let argued = lines[at.saturating_sub(6)..=at]
                    .iter()
                    .any(|above| above.contains("SAFETY:"));
                if !argued {
                    faults.push(format!("{}:{}", source.path.display(), at + 1));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "unsafe without // SAFETY: just above:\n{}",
        faults.join("\n")
    );
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    for source in files(&["profiles", "runtime", "hooks", "integration"], "rs") {
        let count = source.product_lines().len();
        if count > LONGEST {
            long.push(format!("{}: {count} lines", source.path.display()));
        }
    }
    assert!(
        long.is_empty(),
        "longer than {LONGEST} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn files_begin_by_saying_why_they_exist() {
    let silent: Vec<_> = product()
        .into_iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn product_code_has_no_left_over_words() {
    let words = [
        "println!(",
        "eprintln!(",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        "FIXME",
        "XXX",
        ".unwrap()",
        ".expect(",
    ];
    let mut faults = Vec::new();
    for source in product() {
        for (at, line) in source.product_lines() {
            for word in words {
                let text = if word.ends_with('(') || word.starts_with('.') {
                    code(line)
                } else {
                    line
                };
                if text.contains(word) {
                    faults.push(format!("{}:{at}: {}", source.path.display(), line.trim()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_todo_names_its_issue() {
    let mut faults = Vec::new();
    for source in product() {
        for (at, line) in source.product_lines() {
            if line.contains("TODO") && !line.contains('#') {
                faults.push(format!("{}:{at}: {}", source.path.display(), line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
