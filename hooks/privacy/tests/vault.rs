//! What a vault holds, how much, and what is left of it when the worker dies.
#![allow(clippy::expect_used, reason = "a test's helpers fail like a test")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::named;
use nemoclaw_privacy::vault::{MAX_BYTES, MAX_ENTRIES, MAX_VALUE};
use nemoclaw_privacy::{
    Detector, Finding, MintError, Session, SessionKey, Transform, Vault, restore_whole, rewrite,
};

fn vault() -> Vault {
    Vault::new(SessionKey::random().expect("the kernel has random bytes"))
}

fn mint(vault: &Vault, value: &str) -> Result<String, MintError> {
    mint_as(
        vault,
        Detector::BuiltIn(named("person_name").expect("it ships")),
        value,
    )
}

fn mint_as(vault: &Vault, detector: Detector, value: &str) -> Result<String, MintError> {
    let finding = Finding {
        class: Class::Personal,
        detector,
        start: 0,
        end: value.len(),
    };
    let sent = rewrite(value, &[finding], &|_| Transform::Pseudonymise, vault)?;
    Ok(sent.expect("the value is replaced"))
}

/// A journal that the test sees, with room for so many bytes.
#[derive(Clone)]
struct Memory(Arc<Mutex<Vec<u8>>>, usize);

impl Memory {
    fn with_room(room: usize) -> Memory {
        Memory(Arc::default(), room)
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("nobody panicked").clone()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().expect("nobody panicked");
        let fits = bytes.len().min(self.1 - all.len());
        all.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_worker_that_starts_again_knows_the_pseudonyms_and_the_label() {
    let journal = Memory::with_room(1 << 20);
    let before = Session::new(vault());
    let early = mint(before.vault(), "Ann").expect("there is room");
    before
        .vault()
        .record_in(journal.clone())
        .expect("it is written");
    let late = mint(before.vault(), "Bob \"é\"").expect("there is room");
    let own = Detector::Own("email".into());
    let term = mint_as(before.vault(), own.clone(), "the bird").expect("there is room");
    before.raise(Class::Secret).expect("it is written");
    before.raise(Class::Internal).expect("nothing is done");
    let bytes = journal.bytes();

    let (vault, whole) = Vault::load(&bytes).expect("it is a journal");
    assert_eq!(whole, bytes.len());
    let after = Session::new(vault);
    assert_eq!(after.label(), Class::Secret);
    assert_eq!(after.vault().len(), 3);
    let text = format!("{early}, {late}, {term}");
    assert_eq!(
        restore_whole(after.vault(), &text).as_deref(),
        Some("Ann, Bob \"é\", the bird")
    );
    assert_eq!(mint(after.vault(), "Ann").expect("it is there"), early);
    assert_eq!(
        mint_as(after.vault(), own, "the bird").expect("it is there"),
        term
    );

    // And goes on where the other stopped.
    after.vault().append_to(journal.clone());
    let last = mint(after.vault(), "Cid").expect("there is room");
    let (third, _) = Vault::load(&journal.bytes()).expect("it is a journal");
    assert_eq!(restore_whole(&third, &last).as_deref(), Some("Cid"));
}

#[test]
fn a_torn_tail_costs_only_the_record_that_is_torn() {
    let journal = Memory::with_room(1 << 20);
    let vault = vault();
    vault.record_in(journal.clone()).expect("it is written");
    let head = journal.bytes().len();
    let mut ends = vec![head];
    for value in ["Ann", "Bob", "Cid"] {
        mint(&vault, value).expect("there is room");
        ends.push(journal.bytes().len());
    }
    let bytes = journal.bytes();
    for length in head..=bytes.len() {
        let whole = ends.iter().filter(|end| **end <= length).count() - 1;
        for tail in [&[][..], &[0; 64], &[0xff; 64]] {
            let torn = [&bytes[..length], tail].concat();
            let (loaded, counted) = Vault::load(&torn).expect("the head is whole");
            assert_eq!(
                (loaded.len(), counted),
                (whole, ends[whole]),
                "cut at {length}"
            );
        }
    }
}

#[test]
fn a_record_that_was_changed_is_not_believed() {
    let journal = Memory::with_room(1 << 20);
    let vault = vault();
    vault.record_in(journal.clone()).expect("it is written");
    let head = journal.bytes().len();
    mint(&vault, "Ann").expect("there is room");
    let bytes = journal.bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        match Vault::load(&changed) {
            Ok((loaded, whole)) => assert!(
                loaded.is_empty() && at >= whole && whole <= head,
                "byte {at}"
            ),
            Err(error) => assert!(at < head, "byte {at}: {error}"),
        }
    }
    for short in 0..32 {
        assert!(Vault::load(&bytes[..short]).is_err());
    }
}

#[test]
fn a_journal_that_cannot_be_written_stops_what_would_be_forgotten() {
    let vault = vault();
    let known = mint(&vault, "Ann").expect("there is room");
    vault
        .record_in(Memory::with_room(200))
        .expect("the first fit");
    let long = "b".repeat(200);
    assert!(matches!(mint(&vault, &long), Err(MintError::Journal(_))));
    assert!(matches!(mint(&vault, "Cid"), Err(MintError::JournalBroken)));
    assert_eq!(vault.len(), 1);
    assert_eq!(mint(&vault, "Ann").expect("it is there"), known);
    let session = Session::new(vault);
    for attempt in 0..3 {
        assert!(session.raise(Class::Secret).is_err(), "attempt {attempt}");
        assert_eq!(session.label(), Class::Public, "nothing is recorded");
    }
}

#[test]
fn a_full_vault_refuses_new_values_and_keeps_the_old() {
    let vault = vault();
    let first = mint(&vault, "value 0").expect("there is room");
    for n in 1..MAX_ENTRIES {
        mint(&vault, &format!("value {n}")).expect("there is room");
    }
    assert!(matches!(mint(&vault, "one more"), Err(MintError::TooMany)));
    assert_eq!(mint(&vault, "value 0").expect("it is there"), first);
    assert_eq!(restore_whole(&vault, &first).as_deref(), Some("value 0"));
}

#[test]
fn a_vault_holds_so_many_bytes_and_no_longer_value() {
    let vault = vault();
    assert!(matches!(
        mint(&vault, &"a".repeat(MAX_VALUE + 1)),
        Err(MintError::TooLong { .. })
    ));
    for n in 0..MAX_BYTES / MAX_VALUE {
        mint(&vault, &format!("{n:0>MAX_VALUE$}")).expect("there is room");
    }
    assert!(matches!(mint(&vault, "a"), Err(MintError::TooMuch)));
}

#[test]
fn no_error_says_a_value() {
    let value = "hunter2".repeat(MAX_VALUE);
    let error = mint(&vault(), &value).expect_err("it is too long");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let broken = vault();
    broken
        .record_in(Memory::with_room(100))
        .expect("the head fits");
    let error = mint(&broken, "hunter2").expect_err("it has no room");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_label_never_sinks() {
    let session = Session::new(vault());
    assert_eq!(session.label(), Class::Public);
    for (raise, label) in [
        (Class::Personal, Class::Personal),
        (Class::Public, Class::Personal),
        (Class::Regulated, Class::Regulated),
        (Class::Secret, Class::Regulated),
    ] {
        session.clone().raise(raise).expect("there is no journal");
        assert_eq!(session.label(), label);
    }
}
