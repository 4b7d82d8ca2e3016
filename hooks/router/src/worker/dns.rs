//! The DNS answer, as a pure function of the question: never forwarded, so a name carries nothing out.

use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};

use crate::limits;

/// What the policy says about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has this address.
    Address(Ipv4Addr),
    /// It exists, but has no such record.
    Nothing,
    /// It does not exist.
    Unknown,
    /// It cannot be told now.
    Failed,
}

/// A question that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Lower case, no trailing dot.
    pub name: String,
    /// Asks for an IPv4 address.
    pub address: bool,
}

/// What a packet is.
pub enum Packet {
    /// Not worth an answer.
    Noise,
    /// Answer with these bytes: not a question that is answered here.
    Reply(Vec<u8>),
    /// Decide, then [`reply`].
    Ask(Box<Message>, Question),
}

/// Read a packet.
#[must_use]
pub fn read(packet: &[u8]) -> Packet {
    let Ok(message) = Message::from_vec(packet) else {
        return Packet::Noise;
    };
    if message.metadata.message_type != MessageType::Query {
        return Packet::Noise;
    }
    if message.metadata.op_code != OpCode::Query {
        return bare(&message, ResponseCode::NotImp);
    }
    let [query] = message.queries.as_slice() else {
        return bare(&message, ResponseCode::FormErr);
    };
    if query.query_class() != DNSClass::IN {
        return bare(&message, ResponseCode::Refused);
    }
    let question = Question {
        name: query
            .name()
            .to_lowercase()
            .to_ascii()
            .trim_end_matches('.')
            .to_owned(),
        address: query.query_type() == RecordType::A,
    };
    Packet::Ask(Box::new(message), question)
}

/// The answer's bytes; `None` when they cannot be made, which drops the question.
#[must_use]
pub fn reply(asked: &Message, answer: &Answer) -> Option<Vec<u8>> {
    let code = match answer {
        Answer::Unknown => ResponseCode::NXDomain,
        Answer::Failed => ResponseCode::ServFail,
        Answer::Address(_) | Answer::Nothing => ResponseCode::NoError,
    };
    let mut message = respond(asked, code);
    if let (Answer::Address(address), Some(query)) = (answer, asked.queries.first()) {
        let data = RData::A(A(*address));
        message.add_answer(Record::from_rdata(
            query.name().clone(),
            limits::DNS_TTL,
            data,
        ));
    }
    message.to_vec().ok()
}

/// Whether a name has only the characters of a host name, so that it can be looked up and logged as it stands.
#[must_use]
pub fn plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte)
        })
}

fn bare(asked: &Message, code: ResponseCode) -> Packet {
    match respond(asked, code).to_vec() {
        Ok(bytes) => Packet::Reply(bytes),
        Err(_) => Packet::Noise,
    }
}

fn respond(asked: &Message, code: ResponseCode) -> Message {
    let mut message = Message::response(asked.metadata.id, asked.metadata.op_code);
    message.metadata.response_code = code;
    message.metadata.recursion_desired = asked.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.add_queries(
        asked
            .queries
            .iter()
            .take(1)
            .cloned()
            .collect::<Vec<Query>>(),
    );
    if asked.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        message.set_edns(edns);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Name;

    fn query(name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).expect("name"), kind));
        message.to_vec().expect("bytes")
    }

    fn asked(packet: &[u8]) -> (Box<Message>, Question) {
        match read(packet) {
            Packet::Ask(message, question) => (message, question),
            _ => panic!("not a question"),
        }
    }

    #[test]
    fn an_address_is_answered_with_its_time_to_live() {
        let (message, question) = asked(&query("API.Example.COM.", RecordType::A));
        assert_eq!(
            question,
            Question {
                name: "api.example.com".into(),
                address: true
            }
        );
        let bytes = reply(&message, &Answer::Address(Ipv4Addr::new(198, 18, 1, 7))).expect("bytes");
        let answer = Message::from_vec(&bytes).expect("message");
        assert_eq!(answer.metadata.id, message.metadata.id);
        assert_eq!(answer.answers[0].ttl, limits::DNS_TTL);
        assert_eq!(
            answer.answers[0].data,
            RData::A(A(Ipv4Addr::new(198, 18, 1, 7)))
        );
    }

    #[test]
    fn every_type_but_a_is_no_address_question() {
        for kind in [
            RecordType::AAAA,
            RecordType::TXT,
            RecordType::HTTPS,
            RecordType::ANY,
            RecordType::NULL,
        ] {
            assert!(!asked(&query("example.com.", kind)).1.address, "{kind}");
        }
    }

    #[test]
    fn nodata_is_an_empty_answer_and_unknown_is_nxdomain() {
        let (message, _) = asked(&query("example.com.", RecordType::AAAA));
        let nothing =
            Message::from_vec(&reply(&message, &Answer::Nothing).expect("bytes")).expect("message");
        assert_eq!(nothing.metadata.response_code, ResponseCode::NoError);
        assert!(nothing.answers.is_empty());
        let unknown =
            Message::from_vec(&reply(&message, &Answer::Unknown).expect("bytes")).expect("message");
        assert_eq!(unknown.metadata.response_code, ResponseCode::NXDomain);
    }

    #[test]
    fn noise_and_answers_get_no_reply() {
        assert!(matches!(read(b"\x00\x01"), Packet::Noise));
        let (message, _) = asked(&query("example.com.", RecordType::A));
        let answer = reply(&message, &Answer::Unknown).expect("bytes");
        assert!(
            matches!(read(&answer), Packet::Noise),
            "an answer was taken for a question"
        );
    }

    #[test]
    fn names_with_other_characters_are_not_plain() {
        assert!(plain("a-b_c.example.com"));
        for name in [
            "",
            "a b",
            "ä.example",
            "a\\046b",
            "A.example",
            &"a".repeat(254),
        ] {
            assert!(!plain(name), "{name}");
        }
    }
}
