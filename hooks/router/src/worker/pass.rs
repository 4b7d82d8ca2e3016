//! Connections that are passed through as bytes. With TLS the hello must name the host; nothing else is looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nemoclaw_policy::decide::{Flow, Handling, Verdict};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::event::{denied, rule_text, told};
use super::hello::{HelloError, Next, Opening, Records, Speech, UNRECOGNISED_NAME};
use super::program::Behind;
use super::reach::Reach;
use super::sandbox::Sandbox;
use super::sink::{Bytes, Gone, Record};
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
    event.pid = behind.pid;
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
    let done = tokio::select! {
        done = carry(&sandbox, &mut client, &name, port, &record) => done,
        () = sandbox.policy.revoked(allowed) => Err(Ended::Revoked),
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
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let activity = Activity::new();
    let upward = async {
        let speech = match vetted {
            Some(speech) => speech,
            None => opening.vet(&mut from_client, name).await?,
        };
        let mut held = std::mem::take(&mut opening.bytes);
        if speech == Speech::Tls {
            let sent = |count: usize| {
                bytes.out.fetch_add(count as u64, Ordering::Relaxed);
                activity.touch();
            };
            follow(&mut from_client, &mut to_server, &mut held, name, sent).await?;
        }
        to_server.write_all(&held).await?;
        bytes.out.fetch_add(held.len() as u64, Ordering::Relaxed);
        copy(&mut from_client, &mut to_server, &bytes.out, &activity).await
    };
    let downward = async {
        to_client.write_all(&dialled.early).await?;
        bytes
            .back
            .fetch_add(dialled.early.len() as u64, Ordering::Relaxed);
        copy(&mut from_server, &mut to_client, &bytes.back, &activity).await
    };
    tokio::select! {
        done = async { tokio::try_join!(upward, downward) } => done.map(|_| ()),
        () = activity.idle(limits::PASS_IDLE) => Err(Ended::Idle),
    }
}

/// Send records on until no hello can come any more; each hello must name the host. What is left in `held` is vetted.
async fn follow(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    held: &mut Vec<u8>,
    name: &str,
    sent: impl Fn(usize),
) -> Result<(), Ended> {
    let mut records = Records::new(held)?;
    loop {
        let (count, hello) = match records.next(held)? {
            Next::Done => return Ok(()),
            Next::Pass(count) => (count, false),
            Next::Hello(count) => (count, true),
        };
        to.write_all(&held[..count]).await?;
        sent(count);
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

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    counter: &AtomicU64,
    activity: &Activity,
) -> Result<(), Ended> {
    let mut buffer = vec![0; limits::PASS_BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
        counter.fetch_add(length as u64, Ordering::Relaxed);
        activity.touch();
    }
}

/// Relay an upgraded connection both ways, counted, until one side ends or both are silent.
///
/// # Errors
/// One side broke, or both were silent too long.
pub async fn relay(
    client: impl AsyncRead + AsyncWrite + Unpin,
    server: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &Bytes,
) -> Result<(), String> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let activity = Activity::new();
    let upward = copy(&mut from_client, &mut to_server, &bytes.out, &activity);
    let downward = copy(&mut from_server, &mut to_client, &bytes.back, &activity);
    tokio::select! {
        done = async { tokio::try_join!(upward, downward) } => done.map(|_| ()).map_err(|error| told(&error)),
        () = activity.idle(limits::BODY_IDLE) => Err("nothing passed for too long".to_owned()),
    }
}

/// When bytes last passed in either direction, in milliseconds since the flow began.
pub struct Activity {
    begin: Instant,
    last: AtomicU64,
}

impl Activity {
    /// From now.
    pub fn new() -> Activity {
        Activity {
            begin: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Something passed.
    pub fn touch(&self) {
        let since = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Ends when nothing passed for `limit`.
    pub async fn idle(&self, limit: Duration) {
        loop {
            let end = self.begin + Duration::from_millis(self.last.load(Ordering::Relaxed)) + limit;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}
