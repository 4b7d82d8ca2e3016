//! The seccomp listener: a program's calls are answered by somebody outside.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{holds, same};
use crate::sys::{Response, answer, next_call, receive};

checks![
    a_call_is_answered_with_an_errno,
    a_call_is_answered_with_a_value,
    a_call_goes_on_when_the_answer_says_so,
    the_message_names_the_container,
    the_message_names_the_metadata,
    the_message_names_its_descriptors,
    exec_has_a_listener_too,
    a_listener_that_is_not_there_fails_the_create,
    notify_without_a_listener_is_refused,
    notify_as_the_default_is_refused,
    other_actions_hold_beside_a_listener,
];

/// What came at the listener's socket, message by message.
struct Agent {
    path: PathBuf,
    messages: Receiver<Value>,
}

/// Listens at a socket beside the bundle, and answers every call of every filter.
fn agent(bundle: &Bundle, response: Response) -> Result<Agent, String> {
    let path = bundle.dir().join("agent.sock");
    let socket = UnixListener::bind(&path).map_err(|error| error.to_string())?;
    let (sender, messages) = channel();
    std::thread::spawn(move || {
        while readable(&socket) {
            let Ok((stream, _)) = socket.accept() else {
                return;
            };
            // Some hold the connection open as long as the program runs: the message is what came with the descriptor.
            let Ok((bytes, descriptors)) = receive(stream.as_fd()) else {
                return;
            };
            let state = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            let listener = descriptors.into_iter().next();
            let _ = sender.send(state);
            if let Some(listener) = listener {
                std::thread::spawn(move || serve(&listener, response));
            }
        }
    });
    Ok(Agent { path, messages })
}

fn readable(what: &impl AsFd) -> bool {
    let mut wanted = [PollFd::new(what.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut wanted, PollTimeout::from(8_000_u16)).is_ok_and(|count| count > 0);
    ready
        && wanted[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLIN))
}

fn serve(listener: &OwnedFd, response: Response) {
    while readable(listener) {
        let Ok(call) = next_call(listener.as_fd()) else {
            return;
        };
        let _ = answer(
            listener.as_fd(),
            Response {
                id: call.id,
                ..response
            },
        );
    }
}

const CALL: [&str; 3] = ["/bin/probe", "call", "nr=37"];

/// A bundle whose `alarm` goes to the agent.
fn watched<'r>(
    rt: &'r Runtime,
    args: &[&str],
    response: Response,
) -> Result<(Bundle<'r>, Agent), String> {
    let bundle = Bundle::program(rt, args).with_probe();
    let agent = agent(&bundle, response)?;
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "listenerPath": agent.path, "listenerMetadata": "some words",
        "syscalls": [{ "names": ["alarm"], "action": "SCMP_ACT_NOTIFY" }]
    });
    Ok((bundle.set("/linux/seccomp", profile), agent))
}

const ENOSYS: Response = Response {
    id: 0,
    val: 0,
    error: -38,
    flags: 0,
};

fn a_call_is_answered_with_an_errno(rt: &Runtime) -> Outcome {
    let (bundle, _agent) = watched(rt, &CALL, ENOSYS)?;
    bundle.run()?.prints("ENOSYS")
}

fn a_call_is_answered_with_a_value(rt: &Runtime) -> Outcome {
    let (bundle, _agent) = watched(
        rt,
        &CALL,
        Response {
            val: 77,
            ..Response::default()
        },
    )?;
    bundle.run()?.prints("77")
}

fn a_call_goes_on_when_the_answer_says_so(rt: &Runtime) -> Outcome {
    let (bundle, _agent) = watched(
        rt,
        &CALL,
        Response {
            flags: 1,
            ..Response::default()
        },
    )?;
    bundle.run()?.prints("0")
}

/// The message of a created container.
fn message(bundle: &Bundle, agent: &Agent) -> Result<Value, String> {
    bundle.create()?.ok()?;
    bundle.start()?.ok()?;
    agent
        .messages
        .recv_timeout(Duration::from_secs(5))
        .map_err(|_| "no message came".to_owned())
}

fn the_message_names_the_container(rt: &Runtime) -> Outcome {
    let (bundle, agent) = watched(rt, &["sleep", "100"], ENOSYS)?;
    let message = message(&bundle, &agent)?;
    same("id", &message["state"]["id"], &json!(bundle.id))?;
    same("bundle", &message["state"]["bundle"], &json!(bundle.dir()))?;
    same("pid", &message["pid"], &json!(bundle.pid()?))?;
    same(
        "pid of the state",
        &message["state"]["pid"],
        &json!(bundle.pid()?),
    )?;
    holds(message["ociVersion"].is_string(), || message.to_string())
}

fn the_message_names_the_metadata(rt: &Runtime) -> Outcome {
    let (bundle, agent) = watched(rt, &["sleep", "100"], ENOSYS)?;
    same(
        "metadata",
        &message(&bundle, &agent)?["metadata"],
        &json!("some words"),
    )
}

fn the_message_names_its_descriptors(rt: &Runtime) -> Outcome {
    let (bundle, agent) = watched(rt, &["sleep", "100"], ENOSYS)?;
    same(
        "descriptors",
        &message(&bundle, &agent)?["fds"],
        &json!(["seccompFd"]),
    )
}

fn exec_has_a_listener_too(rt: &Runtime) -> Outcome {
    let (bundle, _agent) = watched(rt, &["sleep", "100"], ENOSYS)?;
    bundle.up()?;
    bundle.exec(&CALL)?.prints("ENOSYS")
}

fn a_listener_that_is_not_there_fails_the_create(rt: &Runtime) -> Outcome {
    let (bundle, _agent) = watched(rt, &["sleep", "100"], ENOSYS)?;
    bundle
        .set("/linux/seccomp/listenerPath", json!("/nowhere/at/all.sock"))
        .create()?
        .fails()
        .map(drop)
}

fn notify_without_a_listener_is_refused(rt: &Runtime) -> Outcome {
    let (mut bundle, _agent) = watched(rt, &["sleep", "100"], ENOSYS)?;
    bundle.spec["linux"]["seccomp"]
        .as_object_mut()
        .map(|seccomp| seccomp.remove("listenerPath"));
    bundle.create()?.fails().map(drop)
}

fn notify_as_the_default_is_refused(rt: &Runtime) -> Outcome {
    let (bundle, _agent) = watched(rt, &["sleep", "100"], ENOSYS)?;
    bundle
        .set("/linux/seccomp/defaultAction", json!("SCMP_ACT_NOTIFY"))
        .create()?
        .fails()
        .map(drop)
}

fn other_actions_hold_beside_a_listener(rt: &Runtime) -> Outcome {
    let (bundle, _agent) = watched(
        rt,
        &["sh", "-c", "/bin/probe call nr=28; /bin/probe call nr=37"],
        ENOSYS,
    )?;
    bundle
        .push(
            "/linux/seccomp/syscalls",
            json!({ "names": ["madvise"], "action": "SCMP_ACT_ERRNO" }),
        )
        .run()?
        .prints("EPERM\nENOSYS")
}
