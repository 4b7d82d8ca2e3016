//! The messages that a WebSocket client's frames make up. Pure: a frame's head goes in, what to do with it comes out.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use crate::limits;

/// Most bytes of a control frame (RFC 6455 §5.5).
const CONTROL: u64 = 125;

/// What a frame is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Ping, pong or close.
    Control,
    /// The first frame of a binary message.
    BinaryBegin,
    /// Another frame of a binary message.
    BinaryMore,
    /// A frame of a text; its payload is to be given to [`Texts::add`].
    Text,
}

/// Why a client's frames are no WebSocket of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misframed {
    /// Clients mask.
    #[error("a frame of the client's is not masked")]
    Unmasked,
    /// Extensions are not negotiated.
    #[error("a frame of the client's uses an extension that was not agreed on")]
    Extension,
    /// No opcode of RFC 6455.
    #[error("a frame of the client's has an unknown opcode")]
    Opcode,
    /// A message inside another, or a continuation of none.
    #[error("a frame of the client's is out of order")]
    Order,
    /// A control frame that is too long or comes in parts.
    #[error("a control frame of the client's is too long or in parts")]
    Control,
    /// A text beyond [`limits::WEBSOCKET_TEXT`].
    #[error(
        "a text of the client's is longer than {} bytes",
        limits::WEBSOCKET_TEXT
    )]
    Long,
    /// Not UTF-8.
    #[error("a text of the client's is not UTF-8")]
    Encoding,
}

impl Misframed {
    /// The code with which the connection is closed.
    #[must_use]
    pub fn code(self) -> CloseCode {
        match self {
            Misframed::Long => CloseCode::Size,
            Misframed::Encoding => CloseCode::Invalid,
            _ => CloseCode::Protocol,
        }
    }
}

/// The message that is under way.
#[derive(Debug, Default)]
enum Open {
    #[default]
    None,
    Text(Vec<u8>),
    Binary,
}

/// Puts the client's texts together.
#[derive(Debug, Default)]
pub struct Texts(Open);

impl Texts {
    /// The next frame's head.
    ///
    /// # Errors
    /// The frame may not stand here.
    pub fn head(&mut self, head: &FrameHeader, length: u64) -> Result<Part, Misframed> {
        if head.mask.is_none() {
            return Err(Misframed::Unmasked);
        }
        if head.rsv1 || head.rsv2 || head.rsv3 {
            return Err(Misframed::Extension);
        }
        match (head.opcode, &mut self.0) {
            (OpCode::Control(_), _) if !head.is_final || length > CONTROL => {
                Err(Misframed::Control)
            }
            (OpCode::Control(_), _) => Ok(Part::Control),
            (OpCode::Data(Data::Text), open @ Open::None) => {
                *open = Open::Text(Vec::new());
                fits(0, length)
            }
            (OpCode::Data(Data::Continue), Open::Text(before)) => fits(before.len(), length),
            (OpCode::Data(Data::Binary), open @ Open::None) => {
                if !head.is_final {
                    *open = Open::Binary;
                }
                Ok(Part::BinaryBegin)
            }
            (OpCode::Data(Data::Continue), open @ Open::Binary) => {
                if head.is_final {
                    *open = Open::None;
                }
                Ok(Part::BinaryMore)
            }
            (OpCode::Data(Data::Reserved(_)), _) => Err(Misframed::Opcode),
            _ => Err(Misframed::Order),
        }
    }

    /// The payload of a frame that was a [`Part::Text`], as it came. Gives the text that it ends, if it does.
    ///
    /// # Errors
    /// The text is not UTF-8.
    pub fn add(&mut self, head: &FrameHeader, payload: &[u8]) -> Result<Option<String>, Misframed> {
        let Open::Text(text) = &mut self.0 else {
            return Err(Misframed::Order);
        };
        let mask = head.mask.unwrap_or_default();
        text.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        if !head.is_final {
            return Ok(None);
        }
        let text = std::mem::take(text);
        self.0 = Open::None;
        String::from_utf8(text)
            .map(Some)
            .map_err(|_| Misframed::Encoding)
    }
}

fn fits(before: usize, length: u64) -> Result<Part, Misframed> {
    let all = u64::try_from(before)
        .unwrap_or(u64::MAX)
        .saturating_add(length);
    if all > limits::WEBSOCKET_TEXT {
        return Err(Misframed::Long);
    }
    Ok(Part::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tungstenite::protocol::frame::coding::Control;

    fn frame(opcode: OpCode, is_final: bool) -> FrameHeader {
        FrameHeader {
            is_final,
            opcode,
            mask: Some([1, 2, 3, 4]),
            ..FrameHeader::default()
        }
    }

    const TEXT: OpCode = OpCode::Data(Data::Text);
    const BINARY: OpCode = OpCode::Data(Data::Binary);
    const MORE: OpCode = OpCode::Data(Data::Continue);
    const PING: OpCode = OpCode::Control(Control::Ping);

    fn masked(text: &[u8]) -> Vec<u8> {
        text.iter()
            .zip([1, 2, 3, 4].iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect()
    }

    #[test]
    fn a_text_in_parts_is_whole_at_its_last_and_control_frames_may_stand_between() {
        let mut texts = Texts::default();
        let (first, last) = (frame(TEXT, false), frame(MORE, true));
        assert_eq!(texts.head(&first, 2), Ok(Part::Text));
        assert_eq!(texts.add(&first, &masked(b"a\xc3")), Ok(None));
        assert_eq!(texts.head(&frame(PING, true), 125), Ok(Part::Control));
        assert_eq!(texts.head(&last, 1), Ok(Part::Text));
        assert_eq!(texts.add(&last, &masked(b"\xa4")), Ok(Some("aä".into())));
        assert_eq!(
            texts.head(&frame(TEXT, true), 1),
            Ok(Part::Text),
            "the next one"
        );
    }

    #[test]
    fn frames_that_are_none_of_rfc_6455_end_the_connection() {
        use Misframed::{Control, Extension, Long, Order, Unmasked};
        let begun = |opcode| {
            let mut texts = Texts::default();
            texts.head(&frame(opcode, false), 1).expect("a first frame");
            texts
        };
        let unmasked = FrameHeader {
            mask: None,
            ..frame(TEXT, true)
        };
        let compressed = FrameHeader {
            rsv1: true,
            ..frame(TEXT, true)
        };
        for (mut texts, head, length, why) in [
            (Texts::default(), unmasked, 1, Unmasked),
            (Texts::default(), compressed, 1, Extension),
            (Texts::default(), frame(MORE, true), 1, Order),
            (begun(TEXT), frame(TEXT, true), 1, Order),
            (begun(TEXT), frame(BINARY, true), 1, Order),
            (begun(BINARY), frame(TEXT, true), 1, Order),
            (Texts::default(), frame(PING, false), 1, Control),
            (Texts::default(), frame(PING, true), 126, Control),
            (
                Texts::default(),
                frame(TEXT, true),
                limits::WEBSOCKET_TEXT + 1,
                Long,
            ),
            (Texts::default(), frame(TEXT, true), u64::MAX, Long),
        ] {
            assert_eq!(texts.head(&head, length), Err(why), "{head:?} {length}");
        }
        let mut texts = Texts::default();
        let head = frame(TEXT, true);
        texts.head(&head, 1).expect("a text");
        assert_eq!(texts.add(&head, &masked(b"\xff")), Err(Misframed::Encoding));
    }

    #[test]
    fn parts_are_counted_together() {
        let mut texts = Texts::default();
        let head = frame(TEXT, false);
        texts.head(&head, 3).expect("a text");
        texts.add(&head, b"abc").expect("a part");
        assert_eq!(
            texts.head(&frame(MORE, true), limits::WEBSOCKET_TEXT - 2),
            Err(Misframed::Long)
        );
        let mut binary = Texts::default();
        assert_eq!(binary.head(&frame(BINARY, false), 1), Ok(Part::BinaryBegin));
        assert_eq!(
            binary.head(&frame(MORE, true), u64::MAX),
            Ok(Part::BinaryMore),
            "it is not kept"
        );
    }

    proptest! {
        #[test]
        fn however_a_text_is_cut_it_is_the_same(text in "\\PC{0,40}", cuts in proptest::collection::vec(0_usize..60, 0..4)) {
            let mut ends: Vec<usize> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
            ends.push(text.len());
            ends.sort_unstable();
            let mut texts = Texts::default();
            let mut begin = 0;
            for (place, end) in ends.iter().enumerate() {
                let head = frame(if place == 0 { TEXT } else { MORE }, place + 1 == ends.len());
                let part = &text.as_bytes()[begin..*end];
                prop_assert_eq!(texts.head(&head, part.len() as u64), Ok(Part::Text));
                let whole = texts.add(&head, &masked(part));
                prop_assert_eq!(whole, Ok(head.is_final.then(|| text.clone())));
                begin = *end;
            }
        }
    }
}
