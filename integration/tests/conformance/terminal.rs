//! Terminals: by a console socket, of `run` and of `exec`, their size, their owner, their signals.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{holds, same, until, wait};
use crate::sys::{receive, set_size};

checks![
    a_terminal_comes_over_the_console_socket,
    the_socket_gets_one_descriptor_that_is_a_terminal,
    the_streams_of_the_program_are_the_terminal,
    the_terminal_is_the_programs_controlling_one,
    the_terminal_is_the_consoles_device,
    the_terminal_has_the_configs_size,
    the_terminal_belongs_to_the_user,
    what_is_typed_arrives,
    an_interrupt_typed_is_a_signal,
    a_hang_up_of_the_terminal_reaches_the_program,
    a_terminal_without_a_socket_is_refused_at_create,
    a_socket_without_a_terminal_is_refused,
    a_socket_that_is_not_there_fails_the_create,
    a_detached_run_gives_its_terminal_over_the_socket,
    a_run_in_the_foreground_has_a_terminal_of_its_own,
    a_run_in_the_foreground_passes_on_what_is_typed,
    a_run_in_the_foreground_passes_on_the_size,
    a_run_in_the_foreground_gives_the_exit_code,
    signals_to_a_run_in_the_foreground_reach_the_program,
    exec_has_a_terminal_over_the_socket,
    exec_has_a_terminal_in_the_foreground,
    exec_has_a_terminal_of_a_process_file,
    the_terminal_of_exec_has_its_own_size,
    a_program_without_a_terminal_has_none,
];

/// A terminal that came over a socket, and what was read from it so far.
struct Terminal {
    master: std::fs::File,
    output: Receiver<String>,
}

/// A socket that a runtime sends a terminal to.
struct Console {
    path: PathBuf,
    socket: UnixListener,
}

impl Console {
    fn beside(bundle: &Bundle) -> Result<Console, String> {
        let path = bundle.dir().join("console.sock");
        let socket = UnixListener::bind(&path).map_err(|error| error.to_string())?;
        Ok(Console { path, socket })
    }

    fn option(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// The descriptors of the first message.
    fn descriptors(&self) -> Result<Vec<OwnedFd>, String> {
        self.socket
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        let (stream, _) = until("a connection", || self.socket.accept().ok())?;
        stream
            .set_nonblocking(false)
            .map_err(|error| error.to_string())?;
        let (_, descriptors) = receive(stream.as_fd()).map_err(|error| error.to_string())?;
        Ok(descriptors)
    }

    fn terminal(&self) -> Result<Terminal, String> {
        let master = self
            .descriptors()?
            .into_iter()
            .next()
            .ok_or("no descriptor came")?;
        Terminal::new(master)
    }
}

impl Terminal {
    fn new(master: OwnedFd) -> Result<Terminal, String> {
        let master = std::fs::File::from(master);
        let mut reading = master.try_clone().map_err(|error| error.to_string())?;
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The other side's end is an error on a terminal.
            while let Ok(count @ 1..) = reading.read(&mut bytes) {
                let _ = sender.send(String::from_utf8_lossy(&bytes[..count]).replace('\r', ""));
            }
        });
        Ok(Terminal { master, output })
    }

    fn types(&self, text: &str) -> Outcome {
        (&self.master)
            .write_all(text.as_bytes())
            .map_err(|error| error.to_string())
    }

    /// All that came, when it ends with or has `word`.
    fn shows(&self, word: &str) -> Result<String, String> {
        let mut all = String::new();
        let end = Instant::now() + Duration::from_secs(5);
        while !all.contains(word) {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(text) if !left.is_zero() => all.push_str(&text),
                _ => {
                    let shown: String = all.chars().take(300).collect();
                    return Err(format!("the terminal shows {shown:?} and never {word:?}"));
                }
            }
        }
        Ok(all)
    }
}

/// A created and started container with a terminal.
fn with_terminal<'r>(bundle: Bundle<'r>) -> Result<(Bundle<'r>, Terminal), String> {
    let bundle = bundle.set("/process/terminal", json!(true));
    let console = Console::beside(&bundle)?;
    bundle
        .create_with(&["--console-socket", &console.option()])?
        .ok()?;
    let terminal = console.terminal()?;
    bundle.start()?.ok()?;
    Ok((bundle, terminal))
}

fn script<'r>(rt: &'r Runtime, script: &str) -> Result<(Bundle<'r>, Terminal), String> {
    with_terminal(Bundle::script(rt, script))
}

fn a_terminal_comes_over_the_console_socket(rt: &Runtime) -> Outcome {
    let (_bundle, terminal) = script(rt, "echo hello; sleep 100")?;
    terminal.shows("hello").map(drop)
}

fn the_socket_gets_one_descriptor_that_is_a_terminal(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/process/terminal", json!(true));
    let console = Console::beside(&bundle)?;
    bundle
        .create_with(&["--console-socket", &console.option()])?
        .ok()?;
    let descriptors = console.descriptors()?;
    same("descriptors", descriptors.len(), 1)?;
    let name = std::fs::read_link(format!("/proc/self/fd/{}", descriptors[0].as_raw_fd()))
        .map_err(|error| error.to_string())?;
    holds(name.ends_with("ptmx"), || name.display().to_string())
}

fn the_streams_of_the_program_are_the_terminal(rt: &Runtime) -> Outcome {
    let (_bundle, terminal) = script(
        rt,
        "for n in 0 1 2; do [ -t $n ] && echo $n; done; tty; echo end; sleep 100",
    )?;
    same(
        "output",
        terminal.shows("end\n")?,
        "0\n1\n2\n/dev/pts/0\nend\n",
    )
}

fn the_terminal_is_the_programs_controlling_one(rt: &Runtime) -> Outcome {
    let (_bundle, terminal) = script(rt, "echo hello > /dev/tty; sleep 100")?;
    terminal.shows("hello").map(drop)
}

fn the_terminal_is_the_consoles_device(rt: &Runtime) -> Outcome {
    let (_bundle, terminal) = script(
        rt,
        "echo hello > /dev/console; [ -c /dev/console ] && echo device; sleep 100",
    )?;
    same("output", terminal.shows("device\n")?, "hello\ndevice\n")
}

fn the_terminal_has_the_configs_size(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "stty size; sleep 100")
        .set("/process/consoleSize", json!({ "height": 33, "width": 77 }));
    let (_bundle, terminal) = with_terminal(bundle)?;
    terminal.shows("33 77").map(drop)
}

fn the_terminal_belongs_to_the_user(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "stat -c %u /dev/pts/0; echo fine > /dev/stdout; sleep 100",
    );
    let (_bundle, terminal) =
        with_terminal(bundle.set("/process/user", json!({ "uid": 7, "gid": 8 })))?;
    same("output", terminal.shows("fine\n")?, "7\nfine\n")
}

fn what_is_typed_arrives(rt: &Runtime) -> Outcome {
    let (_bundle, terminal) = script(
        rt,
        "stty -echo; echo ready; read line; echo got $line; sleep 100",
    )?;
    terminal.shows("ready")?;
    terminal.types("some words\n")?;
    terminal.shows("got some words").map(drop)
}

fn an_interrupt_typed_is_a_signal(rt: &Runtime) -> Outcome {
    let (_bundle, terminal) = script(
        rt,
        "trap 'echo interrupted' INT; echo ready; sleep 1; sleep 1; sleep 100",
    )?;
    terminal.shows("ready")?;
    terminal.types("\u{3}")?;
    terminal.shows("interrupted").map(drop)
}

fn a_hang_up_of_the_terminal_reaches_the_program(rt: &Runtime) -> Outcome {
    let script = "trap 'touch /work/up; exit' HUP; touch /work/ready; while :; do sleep 0.02; done";
    let bundle = Bundle::script(rt, script).set("/process/terminal", json!(true));
    let console = Console::beside(&bundle)?;
    bundle
        .create_with(&["--console-socket", &console.option()])?
        .ok()?;
    let master = console.descriptors()?;
    bundle.start()?.ok()?;
    let made = |name: &str| {
        bundle
            .rootfs()
            .join("work")
            .join(name)
            .exists()
            .then_some(())
    };
    until("the trap", || made("ready"))?;
    drop(master);
    until("the hang-up", || made("up"))
}

fn a_terminal_without_a_socket_is_refused_at_create(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/process/terminal", json!(true));
    bundle.create()?.fails()?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn a_socket_without_a_terminal_is_refused(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let console = Console::beside(&bundle)?;
    bundle
        .create_with(&["--console-socket", &console.option()])?
        .fails()
        .map(drop)
}

fn a_socket_that_is_not_there_fails_the_create(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/process/terminal", json!(true));
    bundle
        .create_with(&["--console-socket", "/nowhere/at/all.sock"])?
        .fails()?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn a_detached_run_gives_its_terminal_over_the_socket(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "echo hello; sleep 100").set("/process/terminal", json!(true));
    let console = Console::beside(&bundle)?;
    bundle.write();
    let mut command = bundle.command(&[
        "run",
        "--detach",
        "--console-socket",
        &console.option(),
        "--bundle",
    ]);
    bundle
        .to_files(command.arg(bundle.dir()).arg(&bundle.id))?
        .ok()?;
    console.terminal()?.shows("hello").map(drop)
}

/// A call in the foreground of a terminal of this test's.
fn in_foreground(command: &mut Command) -> Result<(Child, Terminal), String> {
    let size = Winsize {
        ws_row: 44,
        ws_col: 111,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(Some(&size), None).map_err(|error| error.to_string())?;
    let side = || {
        pty.slave
            .try_clone()
            .map(Stdio::from)
            .map_err(|error| error.to_string())
    };
    let child = command
        .stdin(side()?)
        .stdout(side()?)
        .stderr(side()?)
        .spawn()
        .map_err(|error| error.to_string())?;
    // The command holds copies too: without them the terminal ends with the child.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    drop(pty.slave);
    Ok((child, Terminal::new(pty.master)?))
}

/// `run` of a script, in the foreground of a terminal of this test's.
fn run<'r>(rt: &'r Runtime, script: &str) -> Result<(Bundle<'r>, Child, Terminal), String> {
    let bundle = Bundle::script(rt, script).set("/process/terminal", json!(true));
    bundle.write();
    let mut command = bundle.command(&["run", "--bundle"]);
    let (child, terminal) = in_foreground(command.arg(bundle.dir()).arg(&bundle.id))?;
    Ok((bundle, child, terminal))
}

fn a_run_in_the_foreground_has_a_terminal_of_its_own(rt: &Runtime) -> Outcome {
    let (_bundle, mut child, terminal) = run(rt, "tty; echo end")?;
    same("output", terminal.shows("end\n")?, "/dev/pts/0\nend\n")?;
    same("exit code", wait(&mut child)?, 0)
}

fn a_run_in_the_foreground_passes_on_what_is_typed(rt: &Runtime) -> Outcome {
    let (_bundle, mut child, terminal) =
        run(rt, "stty -echo; echo ready; read line; echo got $line")?;
    terminal.shows("ready")?;
    terminal.types("some words\n")?;
    terminal.shows("got some words")?;
    same("exit code", wait(&mut child)?, 0)
}

fn a_run_in_the_foreground_passes_on_the_size(rt: &Runtime) -> Outcome {
    let script = "trap 'stty size' WINCH; until [ \"$(stty size)\" = '44 111' ]; do sleep 0.01; done; echo ready; while :; do sleep 0.02; done";
    let (bundle, mut child, terminal) = run(rt, script)?;
    terminal.shows("ready")?;
    set_size(terminal.master.as_fd(), 22, 88).map_err(|error| error.to_string())?;
    // This test's terminal controls nobody, so the kernel tells nobody.
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGWINCH)
        .map_err(|error| error.to_string())?;
    let shown = terminal.shows("22 88").map(drop);
    bundle.verb("delete", &["--force"])?;
    wait(&mut child)?;
    shown
}

fn a_run_in_the_foreground_gives_the_exit_code(rt: &Runtime) -> Outcome {
    let (_bundle, mut child, _terminal) = run(rt, "exit 9")?;
    same("exit code", wait(&mut child)?, 9)
}

fn signals_to_a_run_in_the_foreground_reach_the_program(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.02; done",
    );
    bundle.write();
    let mut command = bundle.command(&["run", "--bundle"]);
    let out = std::fs::File::create(bundle.dir().join("out")).map_err(|error| error.to_string())?;
    let child = command
        .arg(bundle.dir())
        .arg(&bundle.id)
        .stdout(out)
        .spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    until("the trap", || {
        bundle.output().contains("ready").then_some(())
    })?;
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)
        .map_err(|error| error.to_string())?;
    same("exit code", wait(&mut child)?, 5)?;
    same("output", bundle.output(), "ready\ngot\n")
}

fn exec_has_a_terminal_over_the_socket(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let console = Console::beside(&bundle)?;
    let mut command = bundle.command(&[
        "exec",
        "--tty",
        "--detach",
        "--console-socket",
        &console.option(),
    ]);
    bundle
        .to_files(command.arg(&bundle.id).args([
            "sh",
            "-c",
            "tty; echo hello > /dev/tty; sleep 100",
        ]))?
        .ok()?;
    same(
        "output",
        console.terminal()?.shows("hello\n")?,
        "/dev/pts/0\nhello\n",
    )
}

fn exec_has_a_terminal_in_the_foreground(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let mut command = bundle.command(&[
        "exec",
        "-t",
        &bundle.id,
        "sh",
        "-c",
        "tty; echo end; exit 3",
    ]);
    let (mut child, terminal) = in_foreground(&mut command)?;
    same("output", terminal.shows("end\n")?, "/dev/pts/0\nend\n")?;
    same("exit code", wait(&mut child)?, 3)
}

/// `exec --process` of a process with a terminal of this size.
fn with_process_file(
    rt: &Runtime,
    script: &str,
    size: serde_json::Value,
) -> Result<String, String> {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let console = Console::beside(&bundle)?;
    let path = bundle.dir().join("process.json");
    let process = json!({
        "terminal": true, "consoleSize": size, "user": { "uid": 0, "gid": 0 }, "cwd": "/", "env": ["PATH=/bin"],
        "args": ["sh", "-c", format!("{script}; echo end; sleep 100")]
    });
    std::fs::write(&path, process.to_string()).map_err(|error| error.to_string())?;
    let mut command = bundle.command(&[
        "exec",
        "--detach",
        "--console-socket",
        &console.option(),
        "--process",
    ]);
    bundle.to_files(command.arg(path).arg(&bundle.id))?.ok()?;
    console.terminal()?.shows("end\n")
}

fn exec_has_a_terminal_of_a_process_file(rt: &Runtime) -> Outcome {
    let shown = with_process_file(
        rt,
        "tty; [ -t 0 ] && echo terminal",
        json!({ "height": 24, "width": 80 }),
    )?;
    same("output", shown, "/dev/pts/0\nterminal\nend\n")
}

fn the_terminal_of_exec_has_its_own_size(rt: &Runtime) -> Outcome {
    let shown = with_process_file(rt, "stty size", json!({ "height": 31, "width": 71 }))?;
    same("output", shown, "31 71\nend\n")
}

fn a_program_without_a_terminal_has_none(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "tty; (: < /dev/tty) 2>/dev/null || echo none; ls /dev/console 2>/dev/null || echo no console",
    );
    bundle.run_with(&[])?.says("none").map(drop)
}
