//! A profile with its words turned into values, whichever language it was written in.

use super::abi::Abi;
use super::action::Action;

/// What a profile says.
pub(super) struct Rules<'a> {
    /// What a call gets that no rule names.
    pub default: Action,
    /// What a call of an ABI gets that is not listed.
    pub foreign: Action,
    /// The ABIs that the profile speaks of.
    pub abis: Vec<Listed>,
    /// The rules, in the profile's order.
    pub entries: Vec<Entry<'a>>,
}

/// One ABI of a profile.
pub(super) struct Listed {
    pub abi: &'static Abi,
    pub part: Part,
}

/// What is done with an ABI's calls.
pub(super) enum Part {
    /// The rules are applied; a call newer than all that are named gets `newer` where that is given.
    Rules { newer: Option<Action> },
    /// One answer for all.
    Answer(Action),
}

/// Some calls, what they get, and when.
pub(super) struct Entry<'a> {
    pub names: &'a [String],
    pub action: Action,
    /// One of these must hold, all of its tests; none at all means always.
    pub alternatives: Vec<Vec<Test>>,
}

/// A test of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    /// 0 to 5.
    pub index: u8,
    /// How much of the argument is looked at. A 32-bit ABI has no more than the low half.
    pub width: Width,
    pub operator: Operator,
    pub value: u64,
}

/// Bits that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Low,
    Whole,
}

/// Comparisons without sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Ne,
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    /// The argument under this mask is equal.
    Masked(u64),
}
