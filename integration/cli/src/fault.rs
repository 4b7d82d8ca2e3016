//! How an error reaches people: one sentence, its causes, the hints, and the exit code. Printed once, by `main`.

use std::process::ExitCode;

use crate::printer::{Printer, Tone};

/// Exit code of our own faults in `run` and `exec`, as Docker has it.
pub const OURS: u8 = 125;

/// An error with a command that helps, or with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Fault {
    sentence: String,
    hints: Vec<String>,
    exit: Option<u8>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// A fault with one sentence, lower case, no full stop.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            hints: Vec::new(),
            exit: None,
            source: None,
        }
    }

    /// What caused it.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A command or change that helps.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code.
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = Some(code);
        self
    }
}

/// Lines of an error, without the `error: ` label: the sentence, its causes, the hints after an empty line.
pub fn lines(error: &anyhow::Error) -> (String, Vec<String>, Vec<String>) {
    let mut chain = error.chain();
    let sentence = chain.next().map(ToString::to_string).unwrap_or_default();
    let causes = chain.map(ToString::to_string).collect();
    let hints = error
        .chain()
        .filter_map(|part| part.downcast_ref::<Fault>())
        .flat_map(|fault| fault.hints.clone());
    (sentence, causes, hints.collect())
}

/// The exit code an error asks for, else `usual`.
pub fn code(error: &anyhow::Error, usual: u8) -> u8 {
    error
        .chain()
        .filter_map(|part| part.downcast_ref::<Fault>())
        .find_map(|fault| fault.exit)
        .unwrap_or(usual)
}

/// Print an error and give its exit code.
pub fn report(printer: Printer, error: &anyhow::Error, usual: u8) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::from(141);
    }
    let (sentence, causes, hints) = lines(error);
    printer.labelled(Tone::Bad, "error", sentence);
    for cause in causes {
        printer.note(format_args!("  caused by: {cause}"));
    }
    for (index, hint) in hints.iter().enumerate() {
        if index == 0 {
            printer.note("");
        }
        printer.labelled(Tone::Hint, "hint", hint);
    }
    ExitCode::from(code(error, usual))
}

/// The reader of our output has gone: nothing to say, and nobody to say it to.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.root_cause().downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_hints_come_out_once_and_in_order() {
        let inner = Fault::new("no such file").hint("run `touch x`");
        let error = anyhow::Error::new(Fault::new("cannot start").because(inner).hint("look"));
        let (sentence, causes, hints) = lines(&error);
        assert_eq!(sentence, "cannot start");
        assert_eq!(causes, ["no such file"]);
        assert_eq!(hints, ["look", "run `touch x`"]);
    }

    #[test]
    fn the_outermost_exit_code_wins() {
        let inner = Fault::new("a").exit(3);
        assert_eq!(
            code(
                &anyhow::Error::new(Fault::new("b").because(inner).exit(127)),
                1
            ),
            127
        );
        assert_eq!(code(&anyhow::Error::new(Fault::new("b")), 125), 125);
    }
}
