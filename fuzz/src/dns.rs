//! A DNS packet from a sandbox: whatever it is, its answer is short, sound, and an answer.

use std::net::Ipv4Addr;

use nemoclaw_router::worker::dns::{self, Answer, Packet};

/// A name, its record, and what stands around them.
const LONGEST: usize = 512;

/// Read `bytes` and make every answer.
pub fn run(bytes: &[u8]) {
    match dns::read(bytes) {
        Packet::Noise => {}
        Packet::Reply(reply) => sound(bytes, &reply),
        Packet::Ask(asked, question) => {
            assert!(!dns::plain(&question.name) || question.name.len() <= 253);
            let address = Answer::Address(Ipv4Addr::new(198, 18, 1, 1));
            for answer in [address, Answer::Nothing, Answer::Unknown, Answer::Failed] {
                if let Some(reply) = dns::reply(&asked, &answer) {
                    sound(bytes, &reply);
                }
            }
        }
    }
}

fn sound(asked: &[u8], reply: &[u8]) {
    assert_eq!(asked[..2], reply[..2], "another number");
    assert!(reply.len() <= LONGEST, "{} bytes", reply.len());
    assert!(matches!(dns::read(reply), Packet::Noise), "no answer");
}
