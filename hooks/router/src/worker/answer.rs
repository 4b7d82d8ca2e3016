//! A sandbox's DNS socket: one question, one answer, from the address that was asked.

use std::collections::HashMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nemoclaw_policy::decide::NameVerdict;
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::dns::{self, Answer, Packet, Question};
use super::event::denied;
use super::sandbox::Sandbox;
use crate::limits;

/// Questions that were recorded a moment ago. A program that looks up one name asks twice, for A and for AAAA.
#[derive(Default)]
struct Recent(HashMap<(String, bool), Instant>);

impl Recent {
    /// Whether a question with this outcome is the first within [`limits::DNS_TWIN`]. Too many at once are all new.
    fn is_new(&mut self, name: &str, refused: bool, now: Instant) -> bool {
        let fresh = |at: &Instant| now.duration_since(*at) < limits::DNS_TWIN;
        if self.0.len() >= limits::DNS_TWINS {
            self.0.retain(|_, at| fresh(at));
        }
        let key = (name.to_owned(), refused);
        if self.0.get(&key).is_some_and(fresh) {
            return false;
        }
        if self.0.len() < limits::DNS_TWINS {
            self.0.insert(key, now);
        }
        true
    }
}

struct Received {
    length: usize,
    from: SockaddrIn,
    asked: Option<Ipv4Addr>,
}

/// Answer questions until the sandbox goes.
pub async fn serve(sandbox: Arc<Sandbox>, socket: UdpSocket) {
    let mut buffer = vec![0; limits::DNS_MESSAGE];
    let mut recent = Recent::default();
    let mut quiet_until = Instant::now();
    loop {
        let received = socket
            .async_io(Interest::READABLE, || receive(&socket, &mut buffer))
            .await;
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                super::log(&format!(
                    "sandbox {}: its DNS socket failed: {error}",
                    sandbox.name
                ));
                tokio::time::sleep(limits::RESTART_PAUSE).await;
                continue;
            }
        };
        sandbox.node.sink.room().await;
        let Some(reply) = reply_to(&sandbox, &mut recent, &buffer[..received.length]).await else {
            continue;
        };
        let sent = socket
            .async_io(Interest::WRITABLE, || send(&socket, &reply, &received))
            .await;
        // A sender can name an address to which nothing leads, as often as it likes: that must not fill the log.
        if let Err(error) = sent
            && quiet_until <= Instant::now()
        {
            quiet_until = Instant::now() + limits::LOG_QUIET;
            super::log(&format!(
                "sandbox {}: a DNS answer was lost: {error}",
                sandbox.name
            ));
        }
    }
}

async fn reply_to(sandbox: &Sandbox, recent: &mut Recent, packet: &[u8]) -> Option<Vec<u8>> {
    let (message, question) = match dns::read(packet) {
        Packet::Noise => return None,
        Packet::Reply(bytes) => return Some(bytes),
        Packet::Ask(message, question) => (message, question),
    };
    let answer = if sandbox.node.recording() {
        decide(sandbox, recent, &question).await?
    } else {
        Answer::Failed
    };
    dns::reply(&message, &answer)
}

async fn decide(sandbox: &Sandbox, recent: &mut Recent, question: &Question) -> Option<Answer> {
    let event = sandbox.event("dns", &question.name, 0);
    let verdict = if dns::plain(&question.name) {
        sandbox
            .policy
            .snapshot()
            .policy
            .name_verdict(&question.name)
    } else {
        NameVerdict::Unknown
    };
    let named = sandbox.answer(verdict, &question.name, question.address);
    if let Some(entry) = named.new
        && sandbox
            .node
            .sink
            .delivered(sandbox.naming(entry))
            .await
            .is_err()
    {
        return None;
    }
    let event = match (&named.answer, named.limit) {
        (_, Some(limit)) => denied(event, limit.to_string(), None),
        (Answer::Unknown, None) => denied(event, "no rule names this host", None),
        _ => event,
    };
    let refused = event.verdict == "deny";
    if !recent.is_new(&question.name, refused, Instant::now()) {
        return Some(named.answer);
    }
    if refused {
        sandbox.node.sink.refusal(event).await;
    } else {
        sandbox.node.sink.event(event);
    }
    Some(named.answer)
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut controls = nix::cmsg_space!(in_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut controls),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let asked = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)))
        }
        _ => None,
    });
    let from = message.address.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Received {
        length: message.bytes,
        from,
        asked,
    })
}

/// The answer comes from the address that was asked, whichever that was.
fn send(socket: &UdpSocket, bytes: &[u8], to: &Received) -> io::Result<usize> {
    let parts = [IoSlice::new(bytes)];
    let source = to.asked.map(|asked| in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: in_addr {
            s_addr: u32::from(asked).to_be(),
        },
        ipi_addr: in_addr { s_addr: 0 },
    });
    let controls: Vec<ControlMessage<'_>> =
        source.iter().map(ControlMessage::Ipv4PacketInfo).collect();
    Ok(sendmsg(
        socket.as_raw_fd(),
        &parts,
        &controls,
        MsgFlags::MSG_DONTWAIT,
        Some(&to.from),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_outcome_are_recorded_once_a_second_and_memory_is_bounded() {
        let mut recent = Recent::default();
        let now = Instant::now();
        assert!(recent.is_new("a.test", true, now));
        assert!(!recent.is_new("a.test", true, now));
        assert!(recent.is_new("a.test", false, now), "another outcome");
        assert!(recent.is_new("a.test", true, now + limits::DNS_TWIN));
        for number in 0..2 * limits::DNS_TWINS {
            assert!(recent.is_new(&format!("n{number}.test"), true, now));
        }
        assert!(recent.0.len() <= limits::DNS_TWINS);
    }
}
