//! `checkpoint`'s and `restore`'s words. Both are refused, so that only the id is read from them: whoever asks must hear
//! why, and not that an option is unknown.

use clap::Args;

/// `checkpoint` and `restore`.
#[derive(Debug, Args)]
pub struct Image {
    /// runc's options, with one dash or two, and the container's id.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// runc's options that stand alone; every other takes the next word, unless its value is in the same word.
const ALONE: [&str; 11] = [
    "leave-running",
    "tcp-established",
    "ext-unix-sk",
    "shell-job",
    "lazy-pages",
    "file-locks",
    "pre-dump",
    "auto-dedup",
    "no-subreaper",
    "no-pivot",
    "detach",
];

impl Image {
    /// The container's id: the first word that is no option and no option's value.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        let mut words = self.words.iter();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix('-') else {
                return Some(word);
            };
            let option = option.strip_prefix('-').unwrap_or(option);
            if option.is_empty() {
                return words.next().map(String::as_str);
            }
            let alone = ALONE.contains(&option) || option == "d" || option.contains('=');
            if !alone {
                words.next();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_among_the_engines_options() {
        for line in [
            "--image-path /d --work-path /d abc",
            "--image-path /d --work-path /d --detach --pid-file /p -no-subreaper --bundle /b abc",
            "abc --leave-running",
            "--image-path=/d -d -b /b -- abc",
        ] {
            let words = line.split(' ').map(str::to_owned).collect();
            assert_eq!(Image { words }.id(), Some("abc"), "{line}");
        }
        let words = vec!["--image-path".to_owned(), "abc".to_owned()];
        assert_eq!(Image { words }.id(), None);
    }
}
