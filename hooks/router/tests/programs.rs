//! Which program is behind a connection: found from outside, told as the sandbox sees it, and not found where it is not
//! certain.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod place;
mod sys;

use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use common::worked;
use nemoclaw_router::link::Unknown;
use place::{CONNECT, Place, able, host_path, sha256};

#[test]
fn a_program_is_told_by_its_executable_its_user_and_its_hash() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let client = place.python(&["-c", CONNECT]);
    let found = place.one(&client);
    let python = host_path("python3");
    assert_eq!(found.exe, python);
    assert_eq!(found.sha256, sha256(&python));
    assert_eq!((found.pid, found.uid), (client.pid(), 0));
    assert!(
        found.scripts.is_empty() && found.module.is_none(),
        "{found:?}"
    );
    assert!(found.ancestors.is_empty(), "outside the sandbox: {found:?}");
}

#[test]
fn a_script_is_told_as_it_was_named_and_where_it_lies() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let lies = place.script("lib/tool-cli.py", "#!/usr/bin/env python3", CONNECT);
    let named = place.path("tool");
    symlink("lib/tool-cli.py", &named).expect("link");
    let both = vec![named.clone(), lies.clone()];

    let by_shebang = place.client(&mut Command::new(&named));
    assert_eq!(place.one(&by_shebang).scripts, both);
    let by_name = place.python(&["-B", &named, "install"]);
    assert_eq!(place.one(&by_name).scripts, both);
    let mut relative = Command::new("python3");
    relative.arg("lib/tool-cli.py").current_dir(place.path(""));
    let relative = place.client(&mut relative);
    assert_eq!(place.one(&relative).scripts, both[1..]);
    let mut module = Command::new("python3");
    place.script("mod/__main__.py", "", CONNECT);
    module.args(["-m", "mod"]).current_dir(place.path(""));
    let module = place.client(&mut module);
    let found = place.one(&module);
    assert_eq!(found.module.as_deref(), Some("mod"));
    assert!(found.scripts.is_empty(), "{found:?}");
    // An argument is no script where something else reads it.
    let reader = place.script("reader", "", "");
    std::fs::copy("/bin/bash", &reader).expect("copy");
    let line = format!("{} : {lies}", place::BASH_CONNECT);
    let reader = place.client(Command::new(&reader).args(["-c", &line, &lies]));
    assert!(place.one(&reader).scripts.is_empty());
}

#[test]
fn a_program_that_writes_over_its_arguments_is_told_by_its_title() {
    if !able()
        || !Command::new("node")
            .arg("-v")
            .output()
            .is_ok_and(|out| out.status.success())
    {
        eprintln!("skipped: needs node");
        return;
    }
    let mut place = Place::new();
    let body = "process.title = 'tool-worker: install';\n\
                require('net').connect(8443, '198.18.0.1');\nsetTimeout(() => {}, 60000);\n";
    let lies = place.script("lib/tool.js", "#!/usr/bin/env node", body);
    let named = place.path("bin/tool");
    std::fs::create_dir(place.path("bin")).expect("bin");
    symlink("../lib/tool.js", &named).expect("link");
    let search = format!(
        "{}:{}",
        place.path("bin"),
        std::env::var("PATH").expect("PATH")
    );
    let client = place.client(Command::new("tool").env("PATH", search));
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", client.pid())).expect("line");
    assert!(line.starts_with("tool-worker: install\0"), "{line}");
    assert_eq!(place.one(&client).scripts, [named, lies]);
}

#[test]
fn ancestors_are_told_with_their_scripts_up_to_the_first_process() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let inner = place.script("inner.py", "", CONNECT);
    let line = format!("python3 {inner}; true");
    let outer = place.script("outer", "#!/bin/bash", &line);
    let client = place.client(&mut Command::new(&outer));
    let found = place.one(&client);
    assert_eq!(found.scripts, [inner]);
    assert_eq!(found.ancestors, [host_path("bash"), outer]);
}

#[test]
fn a_connection_without_a_process_has_no_program() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let quick = CONNECT.replace("time.sleep(60)", "pass");
    let mut client = place.python(&["-c", &quick]);
    client.ended();
    let answer = place.ask(&client);
    assert_eq!(answer, Err(Unknown::Closed));
    // A socket of the same namespace that is not the one asked for is no answer either.
    let other = place.python(&["-c", CONNECT]);
    let mut question = other.addresses();
    question.0.set_port(question.0.port() ^ 1);
    assert_eq!(place.ask_for(question), Err(Unknown::Closed));
    assert!(place.ask(&other).is_ok());
}

#[test]
fn every_process_that_holds_a_connection_is_told() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    // Baseline: one holder. Then its child keeps the socket and becomes another program.
    let alone = place.python(&["-c", CONNECT]);
    assert_eq!(place.ask(&alone).expect("found").len(), 1);
    let share = CONNECT.replace(
        "time.sleep(60)",
        "os.set_inheritable(s.fileno(), True); p = subprocess.Popen(['sleep', '60'], close_fds=False); time.sleep(60)",
    );
    let client = place.python(&["-c", &share]);
    place.settle();
    let mut exes: Vec<String> = place
        .ask(&client)
        .expect("found")
        .into_iter()
        .map(|program| program.exe)
        .collect();
    exes.sort();
    let mut both = [host_path("python3"), host_path("sleep")];
    both.sort();
    assert_eq!(exes, both);
}

#[test]
fn a_program_that_takes_over_a_connection_is_the_one_that_is_told() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let become_other = CONNECT.replace(
        "time.sleep(60)",
        "os.set_inheritable(s.fileno(), True); os.execv('/bin/sleep', ['python3', '60'])",
    );
    let client = place.python(&["-c", &become_other]);
    place.settle();
    assert_eq!(place.one(&client).exe, host_path("sleep"));
}

#[test]
fn a_program_that_changed_since_it_was_first_seen_is_refused() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let tool = place.path("tool");
    std::fs::copy("/bin/bash", &tool).expect("copy");
    let first = place.bash(&tool);
    let told = place.one(&first);
    assert_eq!(told.exe, tool);

    place.replace(&tool);
    assert_eq!(place.one(&first), told, "removed, but what was first seen");
    let second = place.bash(&tool);
    assert_eq!(place.ask(&second), Err(Unknown::Changed(tool.clone())));

    // The first again, byte for byte.
    std::fs::remove_file(&tool).expect("remove");
    std::fs::copy("/bin/bash", &tool).expect("copy");
    let third = place.bash(&tool);
    assert_eq!(place.one(&third).sha256, told.sha256);
}

#[test]
fn a_changed_script_or_ancestor_lends_its_name_to_nobody_and_is_named() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let script = place.script("job", "#!/usr/bin/env python3", CONNECT);
    let first = place.client(&mut Command::new(&script));
    let scripts = place.one(&first).scripts;
    place.script("job", "#!/usr/bin/env python3", &format!("{CONNECT}\n"));
    let second = place.client(&mut Command::new(&script));
    let found = place.one(&second);
    assert!(found.scripts.is_empty(), "{found:?}");
    assert_eq!(
        (scripts, found.changed),
        (vec![script.clone()], vec![script])
    );
}

#[test]
fn a_program_whose_file_is_gone_before_it_was_seen_is_not_told() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let tool = place.path("tool");
    std::fs::copy("/bin/bash", &tool).expect("copy");
    let client = place.bash(&tool);
    std::fs::remove_file(&tool).expect("remove");
    assert_eq!(place.ask(&client), Err(Unknown::Elsewhere(tool)));
}

#[test]
fn a_program_with_mounts_of_its_own_cannot_pass_for_another() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let (known, fake) = (place.path("known"), place.path("fake"));
    std::fs::copy("/bin/bash", &fake).expect("copy");
    std::fs::copy("/bin/cat", &known).expect("copy");
    let inner = format!(
        "mount --bind {fake} {known} && exec {known} -c '{}'",
        place::BASH_CONNECT
    );
    let line = format!("unshare -m sh -c \"{inner}\"; true");
    let client = place.client(Command::new("sh").args(["-c", &line]));
    // Baseline: the kernel itself says that it is the known one.
    let holder = place.holder(&client);
    let link = std::fs::read_link(format!("/proc/{holder}/exe")).expect("link");
    assert_eq!(link.to_str(), Some(known.as_str()));
    assert_eq!(place.ask(&client), Err(Unknown::Elsewhere(known)));
}

#[test]
fn paths_are_those_inside_a_box_with_a_root_of_its_own() {
    if !able() {
        return;
    }
    let mut place = Place::rooted();
    place.script("app/run", "#!/bin/bash", place::BASH_CONNECT);
    let line = "/app/run; true";
    let client = place.inside(&["/bin/bash", "-c", line]);
    let found = place.one(&client);
    assert_eq!(found.exe, "/usr/bin/bash");
    assert_eq!(found.scripts, ["/app/run"]);
    assert_eq!(found.ancestors, ["/usr/bin/bash"]);
}

#[test]
fn containers_that_share_the_network_have_programs_of_their_own() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let (known, one, two) = (place.path("known"), place.path("one"), place.path("two"));
    for path in [&known, &one, &two] {
        std::fs::copy("/bin/bash", path).expect("copy");
    }
    place.replace(&two);
    if !place.make_group() {
        return;
    }
    let mut container = |file: &str| {
        assert!(place.other_group());
        let line = format!(
            "mount --bind {file} {known} && exec {known} -c '{}'",
            place::BASH_CONNECT
        );
        let client = place.client(Command::new("unshare").args(["-m", "sh", "-c", &line]));
        // The second time by its group, which was learnt.
        (place.one(&client), place.one(&client))
    };
    let (first, again) = container(&one);
    assert_eq!(first, again);
    let (other, _) = container(&two);
    assert_eq!((&first.exe, &other.exe), (&known, &known));
    assert_ne!(first.sha256, other.sha256);
}

#[test]
fn ipv4_through_an_ipv6_socket_is_found_too() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let mapped = CONNECT.replace("198.18.0.1", "::ffff:198.18.0.1");
    let client = place.python(&["-c", &mapped]);
    assert_eq!(place.one(&client).exe, host_path("python3"));
}

#[test]
fn a_question_costs_less_than_half_a_millisecond_of_a_processor() {
    if !able() {
        return;
    }
    let mut place = Place::new();
    let grouped = place.make_group();
    let idle: Vec<_> = (0..10).map(|_| place.bash("/bin/bash")).collect();
    let many = place.python(&["-c", &place::many(201)]);
    // What is read once is read.
    assert!(place.ask(&many).is_ok());
    let before = worked(std::process::id(), "programs");
    let mut times: Vec<Duration> = (0..200).map(|_| place.timed_next()).collect();
    let cost = (worked(std::process::id(), "programs") - before) / 200;
    times.sort();
    eprintln!(
        "a question, of {} processes (own control group: {grouped}): {cost:?} of a processor; best tenth {:?}, median {:?}, 95 % {:?}",
        idle.len() + 2,
        times[20],
        times[100],
        times[190]
    );
    drop(many);
    let most = match cfg!(debug_assertions) {
        true => Duration::from_millis(2),
        false => Duration::from_micros(500),
    };
    assert!(cost < most, "{cost:?}");
}
