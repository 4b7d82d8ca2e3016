//! SIGKILL before and after the system calls of a verb, of its command or of a process that it makes: `delete --force`
//! then removes all that is left, and the id is free.

use std::time::{Duration, Instant};

use nemoclaw_runtime::state::ProcessId;
use nix::unistd::Pid;

use super::rounds;
use super::tracer::{self, Traced, Victim};
use crate::harness::{Node, id, node};

/// Places in a verb's calls, evenly spread; every pass takes others between them.
const POINTS: usize = 30;
/// Passes, half of them with the command as the victim.
const PASSES: usize = 20;
/// How long a process may take to end after its box is gone.
const END_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn a_create_that_is_killed_at_any_call_leaves_nothing() {
    at_every_step(&[], &["create", "--bundle", "BUNDLE", "ID"]);
}

#[test]
fn a_start_that_is_killed_at_any_call_leaves_nothing() {
    at_every_step(&["create"], &["start", "ID"]);
}

#[test]
fn an_exec_that_is_killed_at_any_call_leaves_nothing() {
    at_every_step(&["create", "start"], &["exec", "ID", "true"]);
}

#[test]
fn a_delete_that_is_killed_at_any_call_leaves_nothing() {
    at_every_step(&["create", "start"], &["delete", "--force", "ID"]);
}

/// Kill `verb` on a box that `before` was done for.
fn at_every_step(before: &[&str], verb: &[&str]) {
    let Some(node) = node() else { return };
    node.config("exec sleep 600", |_| {});
    let steps = Steps {
        node: &node,
        id: id(),
        before,
        verb,
    };
    let whole = steps.round(None);
    assert_eq!(whole.code, Some(0), "{:?}", node.errors());
    let passes = rounds(PASSES);
    let half = passes.div_ceil(2);
    let mut killed = 0;
    for pass in 0..passes {
        let (victim, calls) = match pass % 2 {
            1 if whole.others > 0 => (Victim::Other, whole.others),
            _ => (Victim::Command, whole.own),
        };
        for point in 0..POINTS {
            let place = point * half + pass / 2;
            let number = 1 + place * calls / (POINTS * half);
            killed += usize::from(steps.round(Some((victim, number))).killed.is_some());
        }
    }
    // The number of calls differs from run to run on a busy machine, so that the last places may not be reached.
    assert!(
        killed * 4 >= passes * POINTS * 3,
        "only {killed} were killed"
    );
    node.config("exit 0", |_| {});
    let last = node.run(&steps.id);
    assert_eq!(last.code, 0, "{}", last.err);
}

struct Steps<'a> {
    node: &'a Node,
    id: String,
    before: &'a [&'a str],
    verb: &'a [&'a str],
}

impl Steps<'_> {
    /// One box with the same id as all before, from nothing to nothing.
    fn round(&self, victim: Option<(Victim, usize)>) -> Traced {
        let place = format!("{} killed at {victim:?}", self.verb[0]);
        for verb in self.before {
            let said = match *verb {
                "create" => self.node.create(&self.id),
                other => self.node.call(&[other, &self.id]),
            };
            assert_eq!(said.code, 0, "{place}: before, {verb}: {}", said.err);
        }
        let init = self.init();
        // Of a start, the other process is the box's own.
        let strangers: Vec<Pid> = init
            .filter(|_| self.verb[0] == "start")
            .map(|init| Pid::from_raw(init.pid))
            .into_iter()
            .collect();
        let told = self.node.errors().len();
        let begun = Instant::now();
        let traced = tracer::run(&self.command(), &strangers, victim);
        assert!(begun.elapsed() < 2 * END_LIMIT, "{place}: it took too long");
        self.check_end(&traced, told, &place);
        self.check_state(&traced, &place);
        let deleted = self.node.call(&["delete", "--force", &self.id]);
        assert_eq!(deleted.code, 0, "{place}: {}", deleted.err);
        self.assert_clean(init.iter().chain(&traced.made), &place);
        traced
    }

    fn command(&self) -> std::process::Command {
        let bundle = self.node.bundle();
        let words: Vec<&str> = self
            .verb
            .iter()
            .map(|word| match *word {
                "ID" => self.id.as_str(),
                "BUNDLE" => bundle.to_str().expect("path"),
                other => other,
            })
            .collect();
        self.node.command(&words)
    }

    /// A command that lives on while its process is killed says one sentence, or has done its work.
    fn check_end(&self, traced: &Traced, told: usize, place: &str) {
        let Some(code) = traced.code else { return };
        let errors = self.node.errors().split_off(told);
        match (self.verb[0], code) {
            (_, 0) => assert!(errors.is_empty(), "{place}: {errors:?}"),
            // The program itself was killed.
            ("exec", 137) => assert!(errors.is_empty(), "{place}: {errors:?}"),
            _ => assert_eq!(errors.len(), 1, "{place}: {errors:?}"),
        }
        if self.verb[0] == "create" && code != 0 {
            self.assert_clean(traced.made.iter(), place);
        }
    }

    /// What is left says what it is, and can be used as that.
    fn check_state(&self, traced: &Traced, place: &str) {
        let said = self.node.call(&["state", &self.id]);
        let gone = said.code != 0;
        assert!(
            !gone || said.err.contains("does not exist"),
            "{place}: {}",
            said.err
        );
        let runs = said.out.contains("\"running\"");
        match self.verb[0] {
            // One that was finished, and whose process ended with the command, is there to be deleted.
            "create" if gone || self.phase() == "creating" => {
                let again = self.node.create(&self.id);
                assert_eq!(again.code, 0, "{place}: again: {}", again.err);
            }
            // Nobody of the box was killed.
            "exec" => {
                assert!(runs, "{place}: {}", said.out);
                let again = self.node.call(&["exec", &self.id, "true"]);
                assert_eq!(again.code, 0, "{place}: again: {}", again.err);
            }
            "start" if traced.code == Some(0) && traced.killed.is_none() => {
                assert!(runs, "{place}: {}", said.out);
            }
            _ => {}
        }
    }

    fn phase(&self) -> String {
        let path = self.node.path().join("state/boxes").join(&self.id);
        let text = std::fs::read_to_string(path.join("state.json")).expect("state");
        let state: serde_json::Value = serde_json::from_str(&text).expect("state");
        state["phase"].as_str().expect("phase").to_owned()
    }

    fn init(&self) -> Option<ProcessId> {
        let text = self.node.call(&["state", &self.id]).out;
        let state: serde_json::Value = serde_json::from_str(&text).ok()?;
        ProcessId::of(i32::try_from(state["pid"].as_i64()?).ok()?)
    }

    /// No process, state, cgroup or mount, and so no namespace.
    fn assert_clean<'p>(&self, made: impl Iterator<Item = &'p ProcessId>, place: &str) {
        let deadline = Instant::now() + END_LIMIT;
        for process in made {
            while process.alive() {
                assert!(Instant::now() < deadline, "{place}: {process:?} lives");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.node.assert_nothing_left(&self.id);
        let boxes = std::fs::read_dir(self.node.path().join("state/boxes"));
        let left: Vec<_> = boxes
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("entry").file_name())
            .collect();
        assert!(left.is_empty(), "{place}: state is left: {left:?}");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let own = self.node.path().to_str().expect("path");
        assert!(!mounts.contains(own), "{place}: a mount is left");
    }
}
