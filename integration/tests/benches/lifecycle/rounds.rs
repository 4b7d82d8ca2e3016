//! The rounds: in each, every subject once, in a new order.

use std::ffi::OsStr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use nemoclaw_tests::bench::Dice;

use crate::command_line::Wish;
use crate::numbers::Samples;
use crate::stage::Stage;
use crate::stopwatch::Lap;
use crate::subjects::{BEFORE, COMMAND, OFFLINE, ROUTER, Subject, WALLS, wanted};

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// `--version`.
    Version,
    /// `create`.
    Create,
    /// `start`.
    Start,
    /// `state` of a running box.
    State,
    /// `exec true` in a running box.
    Exec,
    /// `delete` of a box whose program was killed.
    Delete,
    /// The sum of create, start and delete.
    Cycle,
    /// `run true`.
    Run,
    /// Of `nemoclaw run`: until the first instruction of its program.
    First,
    /// A program that does nothing, started by nobody's help: what any process costs.
    Nothing,
}

impl Step {
    /// Those of a runtime, in the order of a table.
    pub const OF_RUNTIMES: [Step; 8] = [
        Step::Version,
        Step::Create,
        Step::Start,
        Step::State,
        Step::Exec,
        Step::Delete,
        Step::Cycle,
        Step::Run,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Step::Version => "--version",
            Step::Create => "create",
            Step::Start => "start",
            Step::State => "state",
            Step::Exec => "exec true",
            Step::Delete => "delete",
            Step::Cycle => "cycle",
            Step::Run => "run true",
            Step::First => "first instruction",
            Step::Nothing => "nothing",
        }
    }
}

/// The kernel takes namespaces and cgroups down after the call that ended them: the next subject must not pay for it.
const PAUSE: Duration = Duration::from_millis(25);

/// All rounds; the first fills caches and is not counted.
pub fn run(stage: &Stage, subjects: &[Subject], wish: &Wish) -> Samples {
    let mut samples = Samples::default();
    let mut order: Vec<Option<&Subject>> = subjects.iter().map(Some).collect();
    if wanted(wish, COMMAND) {
        order.push(None);
    }
    let mut dice = Dice::new(wish.seed);
    for round in 0..=wish.rounds {
        dice.shuffle(&mut order);
        let mut of_this_round = Samples::default();
        for who in &order {
            match who {
                Some(subject) => visit(stage, subject, &mut of_this_round),
                None => call_command(stage, &mut of_this_round),
            }
            std::thread::sleep(PAUSE);
        }
        if round > 0 {
            samples.take(of_this_round);
        }
    }
    samples
}

/// One box's life, and one `run`.
fn visit(stage: &Stage, subject: &Subject, samples: &mut Samples) {
    let bundle = |name: &str| stage.dir.join(name).into_os_string();
    let (waits, ends) = (bundle("waits"), bundle("ends"));
    let pid_file = bundle("pid");
    let mut cycle = (0.0, 0.0);
    let mut time = |step: Step, words: &[&OsStr]| {
        let options = subject.options.iter().map(|word| word.as_os_str());
        let all: Vec<&OsStr> = options.chain(words.iter().copied()).collect();
        let lap = stage.stopwatch.time(&subject.program, &all, None);
        samples.add(subject.name, step, &lap);
        if matches!(step, Step::Create | Step::Start | Step::Delete) {
            cycle = (cycle.0 + lap.milliseconds, cycle.1 + lap.work);
        }
        lap.output
    };
    time(Step::Version, &words(["--version"]));
    let create = [
        OsStr::new("create"),
        OsStr::new("--bundle"),
        &waits,
        OsStr::new("--pid-file"),
        &pid_file,
        OsStr::new("box"),
    ];
    time(Step::Create, &create);
    time(Step::Start, &words(["start", "box"]));
    let state = time(Step::State, &words(["state", "box"]));
    let state = String::from_utf8_lossy(&state).replace(' ', "");
    assert!(
        state.contains("\"status\":\"running\""),
        "{}: {state}",
        subject.name
    );
    time(Step::Exec, &words(["exec", "box", "/bin/true"]));
    let pid = std::fs::read_to_string(&pid_file).expect("pid file");
    check(subject, pid.trim());
    end(Pid::from_raw(pid.trim().parse().expect("a pid")));
    time(Step::Delete, &words(["delete", "box"]));
    let run = [
        OsStr::new("run"),
        OsStr::new("--bundle"),
        &ends,
        OsStr::new("box"),
    ];
    time(Step::Run, &run);
    samples.add_times(subject.name, Step::Cycle, cycle.0, cycle.1);
}

fn words<const N: usize>(list: [&str; N]) -> [&OsStr; N] {
    list.map(OsStr::new)
}

/// A box that lacks what it is measured with is no sample: Docker's filter everywhere, and in ours the walls.
fn check(subject: &Subject, pid: &str) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running box");
    let walls: &[&str] = if [WALLS, BEFORE, OFFLINE, ROUTER].contains(&subject.name) {
        &["NoNewPrivs:\t1\n", "CapBnd:\t0000000000000000\n"]
    } else {
        &[]
    };
    for line in walls.iter().chain(&["Seccomp:\t2\n"]) {
        assert!(
            status.contains(line),
            "{}: no {line:?} in {status}",
            subject.name
        );
    }
}

/// Kills a box's first process and waits for it, as an engine's shim does.
fn end(pid: Pid) {
    kill(pid, Signal::SIGKILL).expect("the box's program must run until here");
    waitpid(pid, None).expect("the box's program is this process's child by now");
}

/// What people call: `nemoclaw exec`, and `nemoclaw run` until its program runs.
fn call_command(stage: &Stage, samples: &mut Samples) {
    let node = stage.node("node");
    let program = nemoclaw_tests::world::dist_dir().join("nemoclaw");
    let mut time = |step: Step, list: &[&str]| {
        let list: Vec<&OsStr> = list.iter().map(OsStr::new).collect();
        let lap = stage.stopwatch.time(&program, &list, Some(&node));
        samples.add(COMMAND, step, &lap);
        lap
    };
    time(Step::Version, &["--version"]);
    time(Step::Exec, &["exec", &stage.sandbox, "--", "true"]);
    let volume = format!("{}:/sandbox", stage.stopwatch.programs().display());
    let lap = time(Step::Run, &["run", "-v", &volume, "--", "/sandbox/first"]);
    samples.add_times(COMMAND, Step::First, until_first(&lap), lap.work);
    let nothing = stage.stopwatch.nothing();
    let lap = stage.stopwatch.time(&nothing, &words(["quietly"]), None);
    samples.add(COMMAND, Step::Nothing, &lap);
}

/// Milliseconds from before the call until the clock that its program wrote.
fn until_first(lap: &Lap) -> f64 {
    let half = |at: usize| {
        let bytes: [u8; 8] = lap.output[at..at + 8].try_into().expect("eight bytes");
        u64::from_ne_bytes(bytes)
    };
    assert!(
        lap.output.len() == 16,
        "the program must write its clock and nothing else: {:?}",
        String::from_utf8_lossy(&lap.output)
    );
    (half(0) * 1_000_000_000 + half(8) - lap.begun) as f64 / 1e6
}
