//! What the warden says, read on a thread of its own so that reading a large policy never delays a connection.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nemoclaw_api::wire;
use nemoclaw_policy::handover::PolicyText;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::UnboundedSender;

use super::authority::Authority;
use super::budget::Budget;
use super::credentials::Vault;
use super::event::told;
use super::inference::{State, Words};
use super::names::Names;
use super::policy::{Met, compile};
use crate::link::{Answer, Program, Saved, ToWorker, Unknown};

/// Wait until there is something to read. A call that reads would be woken by every message that the warden takes, too.
fn quiet(link: &UnixStream) {
    let mut asked = [PollFd::new(link.as_fd(), PollFlags::POLLIN)];
    // Where it fails, reading finds out why.
    let _ = poll(&mut asked, PollTimeout::NONE);
}

/// Something to do, with the slow part done.
pub enum Command {
    /// Serve a sandbox.
    Register(Box<NewBox>),
    /// A sandbox cannot be served.
    Reject {
        /// Its name.
        sandbox: String,
        /// Why.
        message: String,
    },
    /// A sandbox's policies changed.
    Policies {
        /// Its name.
        sandbox: String,
        /// Which message.
        sequence: u64,
        /// Their texts.
        texts: Vec<PolicyText>,
        /// What they say, or the fault.
        policy: Result<Box<Met>, String>,
    },
    /// Other providers or credentials.
    Providers(Box<Vault>),
    /// Other DNS servers.
    Resolvers(Vec<IpAddr>),
    /// The program behind a connection.
    Program {
        /// Which question.
        id: u64,
        /// The answer.
        found: Result<Vec<Program>, Unknown>,
    },
    /// Whether decisions can be written down.
    Recording(bool),
    /// The answer to a question for a person.
    Answer(u64, Answer),
    /// Forget a sandbox.
    Release(String),
    /// Serve the port for metrics.
    ServeMetrics(OwnedFd),
    /// The page of metrics.
    Metrics(String),
    /// End soon.
    Drain,
}

/// A sandbox to serve.
pub struct NewBox {
    /// Its name.
    pub sandbox: String,
    /// Its policies.
    pub texts: Vec<PolicyText>,
    /// What they say.
    pub met: Met,
    /// Their generation.
    pub generation: u64,
    /// Its CA.
    pub authority: Authority,
    /// Its names.
    pub names: Names,
    /// What it has spent.
    pub budget: Budget,
    /// What it keeps between its calls to models.
    pub models: State,
    /// TCP listener.
    pub listener: OwnedFd,
    /// DNS socket.
    pub dns: OwnedFd,
}

/// Read until the link ends.
pub fn read(link: &UnixStream, words: &Words, commands: &UnboundedSender<Command>) {
    loop {
        quiet(link);
        let command = match wire::receive::<ToWorker>(link) {
            Ok((message, descriptors)) => translate(message, descriptors, words),
            Err(error) => {
                super::log(&format!("the warden is gone: {}", told(&error)));
                return;
            }
        };
        if let Some(command) = command
            && commands.send(command).is_err()
        {
            return;
        }
    }
}

fn translate(message: ToWorker, descriptors: Vec<OwnedFd>, words: &Words) -> Option<Command> {
    Some(match message {
        ToWorker::Settings(_) => return None,
        ToWorker::Register {
            sandbox,
            texts,
            generation,
            saved,
        } => match new_box(&sandbox, (texts, generation), saved, descriptors, words) {
            Ok(new) => Command::Register(Box::new(new)),
            Err(message) => Command::Reject { sandbox, message },
        },
        ToWorker::Policies {
            sandbox,
            sequence,
            texts,
        } => {
            let policy = compile(&texts, words).map(Box::new);
            Command::Policies {
                sandbox,
                sequence,
                texts,
                policy,
            }
        }
        ToWorker::Providers {
            name,
            text,
            secrets,
        } => match Vault::new(&name, &text, secrets) {
            Ok(vault) => Command::Providers(Box::new(vault)),
            Err(fault) => {
                super::log(&format!("the providers cannot be used: {fault}"));
                return None;
            }
        },
        ToWorker::Resolvers(addresses) => Command::Resolvers(addresses),
        ToWorker::Program { id, found } => Command::Program { id, found },
        ToWorker::Recording(can) => Command::Recording(can),
        ToWorker::Answer { ticket, answer } => Command::Answer(ticket, answer),
        ToWorker::Release { sandbox } => Command::Release(sandbox),
        ToWorker::ServeMetrics => Command::ServeMetrics(descriptors.into_iter().next()?),
        ToWorker::Metrics(page) => Command::Metrics(page),
        ToWorker::Drain => Command::Drain,
    })
}

fn new_box(
    sandbox: &str,
    (texts, generation): (Vec<PolicyText>, u64),
    saved: Saved,
    descriptors: Vec<OwnedFd>,
    words: &Words,
) -> Result<NewBox, String> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next();
    let (Some(listener), Some(dns), Some(spent), Some(ledger), Some(journal)) =
        (next(), next(), next(), next(), next())
    else {
        return Err("the registration came without its sockets".to_owned());
    };
    let budget = Budget::open(spent.into())
        .map_err(|error| format!("what it has spent cannot be read: {error}"))?;
    let models = State::open(ledger.into(), journal.into())
        .map_err(|error| format!("what it keeps of its models cannot be read: {error}"))?;
    let met = compile(&texts, words)?;
    let authority = Authority::new(sandbox, saved.ca).map_err(|error| told(&error))?;
    let names = Names::restore(&saved.names);
    Ok(NewBox {
        sandbox: sandbox.to_owned(),
        texts,
        met,
        generation,
        authority,
        names,
        budget,
        models,
        listener,
        dns,
    })
}
