//! How much a text could harm if it came into other hands: the order that the Privacy Router works with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A class of data. The order is the lattice: what may see a class may see all below it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// For everybody.
    #[default]
    Public,
    /// For the own organisation: names of hosts, addresses of networks, organisations.
    Internal,
    /// About a person: names, e-mail and postal addresses, phone numbers, dates of birth.
    Personal,
    /// What opens something: keys, tokens, passwords.
    Secret,
    /// What a law or a contract binds: payment cards, bank accounts, numbers of national registers.
    Regulated,
}

impl Class {
    /// All of them, the least first.
    pub const ALL: [Class; 5] = [
        Class::Public,
        Class::Internal,
        Class::Personal,
        Class::Secret,
        Class::Regulated,
    ];

    /// The word in policies, provider entries and answers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Class::Public => "public",
            Class::Internal => "internal",
            Class::Personal => "personal",
            Class::Secret => "secret",
            Class::Regulated => "regulated",
        }
    }

    /// The words with their classes, for readers.
    #[must_use]
    pub fn words() -> [(&'static str, Class); 5] {
        Class::ALL.map(|class| (class.word(), class))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
