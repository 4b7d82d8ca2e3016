//! Command lines that engines send, and what they mean.

use super::*;

fn parse(line: &str) -> Cli {
    Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The argument shapes of engines, as recorded from them.
#[test]
fn every_engines_command_lines_are_understood() {
    for line in [
        "rt --root /r/moby --log /b/log.json --log-format json create --bundle /b --pid-file /b/init.pid abc",
        "rt --root /r --log /l --log-format json --systemd-cgroup create --bundle /b --pid-file /p --console-socket /s --no-pivot --no-new-keyring abc",
        "rt --root=/r start abc",
        "rt exec --process /f --console-socket /s --detach --pid-file /p abc",
        "rt exec --pid-file /p --process /j --detach --tty --console-socket /s --preserve-fds 2 abc",
        "rt kill abc 15",
        "rt kill --all abc 9",
        "rt kill -a abc 9",
        "rt kill abc TERM",
        "rt delete abc",
        "rt delete --force abc",
        "rt delete abc --force",
        "rt ps --format json abc",
        "rt ps --format=json abc",
        "rt ps abc -e -x",
        "rt pause abc",
        "rt resume abc",
        "rt update --resources - abc",
        "rt update --resources=- abc",
        "rt update --resources=/f abc",
        "rt update --pids-limit -1 abc",
        "rt features",
        "rt devices",
        "rt events abc",
        "rt events --stats abc",
        "rt events abc --interval 100ms",
        "rt state abc",
        "rt state --format table abc",
        "rt checkpoint --image-path /d --work-path /d abc",
        "rt restore --image-path /d --work-path /d --detach --pid-file /p -no-subreaper --bundle /b abc",
        "rt create abc --bundle /b --pid-file /p",
        "rt start abc",
        "rt exec --detach --process /f --pidfd-socket /s abc",
        "rt update abc --memory 64M --cpu-quota -1",
        "rt list -q",
        "rt list --format json",
    ] {
        parse(line);
    }
}

#[test]
fn the_program_of_an_exec_keeps_its_own_options() {
    let Verb::Exec(exec) = parse("rt exec -t --user 1000:1000 abc ls -l --all").verb else {
        panic!("exec")
    };
    assert_eq!(exec.args, ["ls", "-l", "--all"]);
    assert_eq!(exec.id, "abc");
    assert!(exec.tty);
}

#[test]
fn the_binarys_name_chooses_the_handlers_policy() {
    let policy = |name: &str| policy_in_name(std::ffi::OsStr::new(name));
    assert_eq!(
        policy("/usr/bin/nemoclaw-runtime.strict"),
        Some("strict".to_owned())
    );
    assert_eq!(policy("/usr/bin/nemoclaw-runtime"), None);
    assert_eq!(policy("nemoclaw-runtime."), None);
    assert_eq!(policy("runc"), None);
}

#[test]
fn only_verbs_that_enter_a_box_are_sealed() {
    assert!(parse("rt create abc").verb.enters() && parse("rt exec abc true").verb.enters());
}

#[test]
fn options_of_ours_are_found_after_the_id_and_others_go_to_the_hosts_ps() {
    let ps = |line: &str| match parse(line).verb {
        Verb::Ps(ps) => (ps.format, ps.options),
        other => panic!("{other:?}"),
    };
    let none = Vec::<String>::new();
    for line in [
        "rt ps --format json abc",
        "rt ps abc --format json",
        "rt ps abc --format=json",
        "rt ps abc -f json",
    ] {
        assert_eq!(ps(line), (Shape::Json, none.clone()), "{line}");
    }
    for line in ["rt ps abc -e -x", "rt ps abc -- -e -x"] {
        let expected = ["-e", "-x"].map(str::to_owned).to_vec();
        assert_eq!(ps(line), (Shape::Table, expected), "{line}");
    }
}
