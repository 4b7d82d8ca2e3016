//! Connections that are passed through as bytes. With TLS the hello must name the host; nothing else is looked at.

use std::sync::Arc;

use nemoclaw_policy::decide::{Flow, Handling, Verdict};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::budget::Exceeded;
use super::carry::{Activity, Tally, one_way};
use super::event::{denied, rule_text, told};
use super::hello::{HelloError, Next, Opening, Records, Speech, UNRECOGNISED_NAME};
use super::program::Behind;
use super::reach::Reach;
use super::sandbox::Sandbox;
use super::sink::{Gone, Record};
use crate::limits;

/// Port on which the client speaks first, so that its hello is waited for before dialling.
const TLS_PORT: u16 = 443;

/// Pass `client`'s connection to `name:port` through, until it ends or is no longer allowed.
pub async fn pass(
    sandbox: Arc<Sandbox>,
    mut client: TcpStream,
    name: Arc<str>,
    port: u16,
    behind: Behind,
) {
    let policy = sandbox.policy.snapshot();
    let mut event = sandbox.event("tcp", &name, port);
    behind.mark(&mut event);
    let flow = Flow::to(&name, port).of(behind.program.as_deref());
    match policy.policy.decide(&flow) {
        Verdict::Deny { reason, rule, .. } => {
            sandbox
                .node
                .sink
                .refusal(denied(event, reason, rule.as_ref()))
                .await;
            return reset(&client);
        }
        Verdict::Ask { rule, .. } => {
            let reason = "a person must allow it, and a connection cannot wait";
            let event = denied(event, reason, Some(&rule));
            sandbox.node.sink.refusal(event).await;
            return reset(&client);
        }
        Verdict::Allow {
            rule, audit_only, ..
        } => {
            event.rule = Some(rule_text(&rule));
            if audit_only {
                event.verdict = "audit".into();
            }
        }
    }
    let record = Record::new(&sandbox.node.sink, event);
    let host = name.clone();
    let allowed = move |policy: &nemoclaw_policy::Policy| {
        let flow = Flow::to(&host, port).of(behind.program.as_deref());
        policy.handling(&flow) == Handling::PassL4
    };
    let bytes = record.bytes();
    let done = tokio::select! {
        done = carry(&sandbox, &mut client, &name, port, &record) => done,
        () = sandbox.policy.revoked(allowed) => Err(Ended::Revoked),
        exceeded = sandbox.budget.watch(&sandbox.policy, &bytes.out) => Err(exceeded.into()),
    };
    match done {
        Ok(()) => {}
        Err(Ended::Hello(error)) => {
            record.deny(told(&error));
            record.finish().await;
            if !matches!(error, HelloError::Socket(_)) {
                // The connection ends either way; the alert only says why.
                let _ = client.write_all(&UNRECOGNISED_NAME).await;
            }
        }
        Err(Ended::Dial(error)) => {
            match error {
                super::dial::DialError::Resolve(super::resolve::ResolveError::Inside {
                    ..
                }) => record.deny(told(&error)),
                _ => record.because(told(&error)),
            }
            record.finish().await;
            reset(&client);
        }
        Err(other) => {
            record.because(other.to_string());
            reset(&client);
        }
    }
}

/// Close with a reset instead of an orderly end, so that the client sees a refusal.
pub fn reset(client: &TcpStream) {
    if let Err(error) = client.set_zero_linger() {
        crate::worker::log(&format!("cannot reset a connection: {error}"));
    }
}

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error(transparent)]
    Dial(#[from] super::dial::DialError),
    #[error("the client sent no hello within {} s", limits::HELLO_TIME.as_secs())]
    Slow,
    #[error("nothing passed for {} s", limits::PASS_IDLE.as_secs())]
    Idle,
    #[error("the policy no longer allows it")]
    Revoked,
    #[error(transparent)]
    Spent(#[from] Exceeded),
    #[error(transparent)]
    Unrecorded(#[from] Gone),
    #[error("the connection broke")]
    Broken(#[from] std::io::Error),
}

async fn carry(
    sandbox: &Sandbox,
    client: &mut TcpStream,
    name: &str,
    port: u16,
    record: &Record,
) -> Result<(), Ended> {
    let mut opening = Opening::default();
    let early = if port == TLS_PORT {
        limits::HELLO_TIME
    } else {
        limits::SERVER_FIRST
    };
    let mut first = timeout(early, opening.vet(client, name)).await;
    if first.is_err() && port != TLS_PORT && !opening.bytes.is_empty() {
        first = timeout(limits::HELLO_TIME, opening.vet(client, name)).await;
    }
    let vetted = match first {
        Ok(Ok(Speech::Silence)) => return Ok(()),
        Ok(Ok(speech)) => Some(speech),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) if port == TLS_PORT || !opening.bytes.is_empty() => return Err(Ended::Slow),
        Err(_) => None,
    };
    sandbox.node.sink.room().await;
    record.opened().await?;
    let dialled = {
        let policy = sandbox.policy.snapshot();
        let reach = Reach::new(&policy.policy, name, port);
        sandbox.node.dialer.raw(reach).await?
    };
    let mut server = dialled.stream;
    let bytes = record.bytes();
    let pipes = &sandbox.node.pipes;
    let activity = Activity::default();
    let tally = |bytes| Tally {
        bytes,
        activity: &activity,
    };
    let (out, back) = (tally(&bytes.out), tally(&bytes.back));
    let (mut from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    let upward = async {
        let speech = match vetted {
            Some(speech) => speech,
            None => opening.vet(&mut from_client, name).await?,
        };
        let mut held = std::mem::take(&mut opening.bytes);
        if speech == Speech::Tls {
            follow(&mut from_client, &mut to_server, &mut held, name, out).await?;
        }
        to_server.write_all(&held).await?;
        out.add(held.len());
        drop(held);
        Ok(one_way(from_client.as_ref(), to_server.as_ref(), out, pipes).await?)
    };
    let downward = async {
        to_client.write_all(&dialled.early).await?;
        back.add(dialled.early.len());
        Ok(one_way(from_server.as_ref(), to_client.as_ref(), back, pipes).await?)
    };
    tokio::select! {
        done = async { tokio::try_join!(upward, downward) } => done.map(|_: ((), ())| ()),
        () = activity.idle(limits::PASS_IDLE) => Err(Ended::Idle),
    }
}

/// Send records on until no hello can come any more; each hello must name the host. What is left in `held` is vetted.
async fn follow(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    held: &mut Vec<u8>,
    name: &str,
    tally: Tally<'_>,
) -> Result<(), Ended> {
    let mut records = Records::new(held)?;
    loop {
        let (count, hello) = match records.next(held)? {
            Next::Done => return Ok(()),
            Next::Pass(count) => (count, false),
            Next::Hello(count) => (count, true),
        };
        to.write_all(&held[..count]).await?;
        tally.add(count);
        held.drain(..count);
        if hello {
            let mut again = Opening::default();
            again.bytes = std::mem::take(held);
            again.vet(from, name).await?;
            *held = again.bytes;
            return Ok(());
        }
        held.reserve(limits::PASS_BUFFER);
        if from.read_buf(held).await? == 0 {
            return Ok(());
        }
    }
}
