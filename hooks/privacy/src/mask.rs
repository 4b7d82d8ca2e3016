//! Masks: what takes a value's place for good. A mask names the kind, never a part, a length or a digest of the value.

use crate::finding::Detector;
use crate::pseudonym::Kind;

/// The mask for what a detector found, such as `[EMAIL]` or `[PAYMENT_CARD]`; `[TERM]` for every list or pattern of the
/// operator's, whose name may be the very thing that it keeps from others.
#[must_use]
pub fn mask(detector: &Detector) -> String {
    match detector {
        Detector::BuiltIn(known) => format!("[{}]", known.name.to_ascii_uppercase()),
        Detector::Own(_) => format!("[{}]", Kind::of(detector).word()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nemoclaw_policy::detector::named;

    #[test]
    fn a_mask_names_the_kind_and_never_the_list_of_the_operator() {
        let card = named("payment_card").expect("it ships");
        assert_eq!(mask(&Detector::BuiltIn(card)), "[PAYMENT_CARD]");
        assert_eq!(mask(&Detector::Own("project falcon".into())), "[TERM]");
    }
}
