//! A sandbox's listener: the address that was dialled is the name; the policy says how the connection is treated.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nemoclaw_policy::decide::{Flow, Handling, NameVerdict, Verdict};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::budget::Axis;
use super::event::{denied, told};
use super::hello::HANDSHAKE;
use super::http::{Dialect, Inspected, serve as serve_http};
use super::pass::{pass, reset};
use super::pool::Origin;
use super::request::Scheme;
use super::sandbox::Sandbox;
use super::tls;
use crate::limits;

/// Take connections until the sandbox goes or the router drains.
pub async fn serve(sandbox: Arc<Sandbox>, listener: TcpListener) {
    let mut draining = sandbox.node.draining.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|draining| *draining) => return,
        };
        // One that is refused leaves a line too: more wait in the backlog until there is room.
        sandbox.node.sink.room().await;
        match accepted {
            Ok((client, from)) => take(&sandbox, client, from),
            Err(error) => {
                super::log(&format!(
                    "sandbox {}: cannot take a connection: {error}",
                    sandbox.name
                ));
                tokio::time::sleep(limits::RESTART_PAUSE).await;
            }
        }
    }
}

fn take(sandbox: &Arc<Sandbox>, client: TcpStream, from: SocketAddr) {
    let turn_away = |reason: &str| {
        let place = client
            .local_addr()
            .map_or((String::new(), 0), |at| (at.ip().to_string(), at.port()));
        let event = sandbox.event("tcp", &place.0, place.1);
        sandbox.node.sink.event(denied(event, reason, None));
        reset(&client);
    };
    let Some(permit) = sandbox.admit() else {
        return turn_away("too many open connections");
    };
    let budget = &sandbox.budget;
    if let Err(exceeded) = budget.spend(&sandbox.policy, Axis::Connections, 1) {
        return turn_away(&exceeded.to_string());
    }
    let shared = sandbox.clone();
    sandbox.tasks.spawn(async move {
        treat(shared, client, from).await;
        drop(permit);
    });
}

async fn treat(sandbox: Arc<Sandbox>, client: TcpStream, from: SocketAddr) {
    let dialled = match client
        .local_addr()
        .and_then(|at| client.set_nodelay(true).map(|()| at))
    {
        Ok(dialled) => dialled,
        // The client is gone already.
        Err(_) => return,
    };
    if !sandbox.node.recording() {
        return reset(&client);
    }
    let Some(name) = name(&sandbox, dialled) else {
        let event = sandbox.event("tcp", &dialled.ip().to_string(), dialled.port());
        let reason = "direct connection to an address that no rule names: only hosts that were looked up by name can be reached";
        sandbox.node.sink.refusal(denied(event, reason, None)).await;
        return reset(&client);
    };
    let port = dialled.port();
    let policy = sandbox.policy.snapshot();
    let behind = sandbox.behind(&policy.policy, &name, from, dialled).await;
    let flow = Flow::to(&name, port).of(behind.program.as_deref());
    match policy.policy.handling(&flow) {
        Handling::Refuse => {
            let mut event = sandbox.event("tcp", &name, port);
            behind.mark(&mut event);
            let (reason, rule) = match policy.policy.decide(&flow) {
                Verdict::Deny { reason, rule, .. } => (reason, rule),
                _ => ("no rule names this host and port".to_owned(), None),
            };
            sandbox
                .node
                .sink
                .refusal(denied(event, behind.reason(reason), rule.as_ref()))
                .await;
            reset(&client);
        }
        // Each way on the heap: a connection holds the room of the one that it goes, not of the largest.
        Handling::PassL4 => Box::pin(pass(sandbox, client, name, port, behind)).await,
        Handling::InspectHttp => {
            let connection = |scheme| Inspected {
                sandbox: sandbox.clone(),
                host: name.clone(),
                port,
                scheme,
                origin: Origin::new(&name, port, scheme).ok(),
                behind: behind.clone(),
            };
            Box::pin(inspect(client, connection)).await;
        }
    }
}

fn name(sandbox: &Sandbox, dialled: SocketAddr) -> Option<Arc<str>> {
    let IpAddr::V4(address) = dialled.ip().to_canonical() else {
        return None;
    };
    sandbox.name_of(address).or_else(|| {
        let text = address.to_string();
        let verdict = sandbox.policy.snapshot().policy.name_verdict(&text);
        (verdict == NameVerdict::Exact).then(|| Arc::from(text))
    })
}

async fn inspect(client: TcpStream, connection: impl Fn(Scheme) -> Inspected) {
    let mut first = [0; 1];
    let speech = match timeout(limits::HEAD_TIME, client.peek(&mut first)).await {
        Ok(Ok(1)) => first[0],
        // It closed, broke, or said nothing in time.
        Ok(_) | Err(_) => return,
    };
    if speech != HANDSHAKE {
        return Box::pin(serve_http(connection(Scheme::Http), client, Dialect::One)).await;
    }
    let connection = connection(Scheme::Https);
    match Box::pin(tls::open(&connection.sandbox, client, &connection.host)).await {
        Ok((stream, dialect)) => Box::pin(serve_http(connection, stream, dialect)).await,
        Err(error) => {
            let event = connection.event("tls");
            connection
                .sandbox
                .node
                .sink
                .refusal(denied(event, told(&error), None))
                .await;
        }
    }
}
