//! One netlink message: a header, a fixed part, attributes. Bytes only; nothing here talks to the kernel.

/// NLM_F_REQUEST.
pub const REQUEST: u16 = 1;
/// NLM_F_ACK.
pub const ACK: u16 = 4;
/// NLM_F_ROOT and NLM_F_MATCH.
pub const DUMP: u16 = 0x300;
/// NLM_F_EXCL.
pub const EXCLUSIVE: u16 = 0x200;
/// NLM_F_CREATE.
pub const CREATE: u16 = 0x400;
/// NLM_F_APPEND.
pub const APPEND: u16 = 0x800;

/// Length of `struct nlmsghdr`.
pub const HEADER: usize = 16;
const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;

/// A request under construction. Its sequence number is given when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A request of `kind` whose fixed part is `fixed`.
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Message {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(fixed);
        Message { bytes }.padded()
    }

    /// Whether the kernel answers it even when it succeeds.
    pub fn wants_answer(&self) -> bool {
        u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) & ACK != 0
    }

    /// With an attribute.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Message {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.padded()
    }

    /// With a number in the machine's order, as rtnetlink wants it.
    pub fn with_u32(self, kind: u16, value: u32) -> Message {
        self.with(kind, &value.to_ne_bytes())
    }

    /// With a number in network order, as nf_tables wants it.
    pub fn with_be32(self, kind: u16, value: u32) -> Message {
        self.with(kind, &value.to_be_bytes())
    }

    /// With a string and its final zero.
    pub fn with_text(self, kind: u16, value: &str) -> Message {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    /// With an attribute that holds the attributes added by `fill`.
    pub fn nest(mut self, kind: u16, fill: impl FnOnce(Message) -> Message) -> Message {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes[start + 2..start + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        let mut filled = fill(self);
        let length = u16::try_from(filled.bytes.len() - start).unwrap_or(u16::MAX);
        filled.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        filled
    }

    /// The finished bytes, numbered `sequence`.
    pub fn numbered(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes
    }

    fn padded(mut self) -> Message {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }
}

/// The attributes in `bytes`, as (kind, value); a cut one ends the list.
pub fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let [a, b, c, d, ..] = *bytes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = bytes.get(4..length) else {
            break;
        };
        found.push((u16::from_ne_bytes([c, d]) & TYPE_MASK, value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    found
}

/// The messages in what the kernel sent, as (kind, sequence, body).
pub fn messages(mut bytes: &[u8]) -> Vec<(u16, u32, &[u8])> {
    let mut found = Vec::new();
    while bytes.len() >= HEADER {
        let length = usize::try_from(number(bytes, 0)).unwrap_or(usize::MAX);
        let Some(body) = bytes.get(HEADER..length) else {
            break;
        };
        found.push((
            u16::from_ne_bytes([bytes[4], bytes[5]]),
            number(bytes, 8),
            body,
        ));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    found
}

/// The 32-bit number of the machine's order at `offset`; 0 where there is none.
pub fn number(bytes: &[u8], offset: usize) -> u32 {
    match bytes.get(offset..offset + 4) {
        Some(&[a, b, c, d]) => u32::from_ne_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_read_back() {
        let message = Message::new(7, ACK, &[1, 2, 3, 4])
            .with_text(3, "lo")
            .nest(5, |inner| inner.with_u32(6, 9));
        let bytes = message.numbered(42);
        let read = messages(&bytes);
        assert_eq!(read.len(), 1);
        let (kind, sequence, body) = read[0];
        assert_eq!((kind, sequence), (7, 42));
        let found = attributes(&body[4..]);
        assert_eq!(found[0], (3, &b"lo\0"[..]));
        assert_eq!(attributes(found[1].1), [(6, &9u32.to_ne_bytes()[..])]);
        assert!(message.wants_answer());
    }

    #[test]
    fn cut_bytes_end_the_list() {
        assert!(attributes(&[200, 0, 1, 0, 9]).is_empty());
        assert!(messages(&[255; 12]).is_empty());
        assert!(attributes(&[0, 0, 0, 0]).is_empty());
    }
}
