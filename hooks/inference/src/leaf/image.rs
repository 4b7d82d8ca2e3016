//! Which texts are an image's bytes. What is not shown for being one makes its part count as an image.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::json::Json;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);

/// How much of a text in base64 its kind is told by.
const HEAD: usize = 24;

/// What a member of an image's part may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Nothing of an image.
    None,
    /// An address, or an object with one.
    Address,
    /// An object with bytes.
    Source,
    /// Bytes.
    Bytes,
}

impl Slot {
    /// What the member `key` of `object` is, where that stands in this slot itself.
    pub fn of_member(self, object: &Json, key: &str) -> Self {
        match (self, key) {
            (Self::Address, "url") => Self::Address,
            (Self::Source, "data") if object.text("type") == Some("base64") => {
                match object.text("media_type").is_some_and(is_media) {
                    true => Self::Bytes,
                    false => Self::None,
                }
            }
            (_, "image_url") if is_part(object) => Self::Address,
            (_, "source") if is_part(object) => Self::Source,
            (_, "result") if is_part(object) => Self::Bytes,
            _ => Self::None,
        }
    }

    /// Whether a text that stands here is an image's bytes.
    pub fn holds(self, text: &str) -> bool {
        match self {
            Self::Address => is_url(text),
            Self::Bytes => is_bytes(text),
            Self::None | Self::Source => false,
        }
    }
}

/// Whether a value is an image's part. (A tool's schema may have a property of the name, but no source beside it.)
pub fn is_part(value: &Json) -> bool {
    let named = matches!(
        value.text("type"),
        Some(
            "image" | "image_url" | "input_image" | "computer_screenshot" | "image_generation_call"
        )
    );
    named
        && ["source", "image_url", "file_id", "result"]
            .into_iter()
            .any(|key| value.get(key).is_some())
}

/// Whether a text is an image in an address.
pub fn is_url(text: &str) -> bool {
    text.strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
        .is_some_and(|(media, data)| is_media(media) && is_bytes(data))
}

fn is_media(media: &str) -> bool {
    media.strip_prefix("image/").is_some_and(|kind| {
        (1..=64).contains(&kind.len())
            && kind.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte)
            })
    })
}

/// Whether a text is base64 of what begins as an image does.
fn is_bytes(text: &str) -> bool {
    let run = text.trim_end_matches('=');
    text.len() - run.len() <= 2
        && run
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
        && STANDARD
            .decode(&run[..run.len().min(HEAD)])
            .is_ok_and(|head| is_magic(&head))
}

fn is_magic(head: &[u8]) -> bool {
    let at = |from: usize, length: usize| head.get(from..from + length).unwrap_or_default();
    let begins: &[&[u8]] = &[
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF87a",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
    ];
    begins.iter().any(|magic| head.starts_with(magic))
        || (head.starts_with(b"RIFF") && at(8, 4) == b"WEBP")
        // Four reserved bytes are zero.
        || (head.starts_with(b"BM") && at(6, 4) == [0; 4])
        || (at(4, 4) == b"ftyp"
            && matches!(
                at(8, 4),
                b"avif" | b"avis" | b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1"
            ))
}

/// Whether base64, of either alphabet, stands for a text that can be read; what is no base64 does not.
pub fn is_encoded_text(data: &str) -> bool {
    const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
    let decoded = STANDARD.decode(data).or_else(|_| FOR_URLS.decode(data));
    decoded.is_ok_and(|bytes| {
        std::str::from_utf8(&bytes)
            .is_ok_and(|text| !text.contains('\0') && !text.starts_with("%PDF"))
    })
}
