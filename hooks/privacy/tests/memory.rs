//! What is left of a value in the memory of the process once its vault is gone: nothing, as a core dump would show.
#![allow(clippy::expect_used, reason = "a test's helpers fail like a test")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::named;
use nemoclaw_privacy::{Detector, Finding, SessionKey, Transform, Vault, restore_whole, rewrite};
use zeroize::Zeroizing;

/// The bytes that an allocator may write over what is freed.
const LINKS: usize = 16;
/// How much is looked at at a time.
const STEP: usize = 1 << 16;

/// How often a value stands in memory that can be written. The value is known by its bytes turned over, so the search
/// itself never holds it, and what overlaps the buffer that is read into, megabytes with a mapping of their own, is left out.
/// An allocator writes its links over the first bytes of what is freed: those are no part of what is searched for.
fn copies_in_memory(turned: &[u8], buffer: &mut [u8]) -> usize {
    let mut memory = File::open("/proc/self/mem").expect("own memory");
    let maps = BufReader::new(File::open("/proc/self/maps").expect("own maps"));
    let lines: Vec<String> = maps.lines().map(|line| line.expect("a line")).collect();
    let own = buffer.as_ptr() as u64;
    let own = own..own + buffer.len() as u64;
    let window = STEP + turned.len() - 1;
    let mut copies = 0;
    for line in lines {
        let (range, how) = line.split_once(' ').expect("a range");
        let (from, to) = range.split_once('-').expect("a range");
        let number = |hex| u64::from_str_radix(hex, 16).expect("a number");
        let (from, to) = (number(from), number(to));
        let steps = (from..to).step_by(STEP).filter(|_| how.starts_with("rw"));
        for at in steps.filter(|at| at + window as u64 <= own.start || own.end <= *at) {
            let length = usize::try_from(to - at).unwrap_or(window).min(window);
            let read = memory
                .seek(SeekFrom::Start(at))
                .and_then(|_| memory.read(&mut buffer[..length]));
            let equal = |bytes: &&[u8]| bytes.iter().zip(turned).all(|(a, b)| *a == !*b);
            copies += buffer[..read.unwrap_or(0)]
                .windows(turned.len())
                .filter(equal)
                .count();
        }
    }
    copies
}

/// The value, made where it is used.
fn value(turned: &[u8]) -> Zeroizing<String> {
    let mut value = Zeroizing::new(String::with_capacity(turned.len()));
    value.extend(turned.iter().map(|byte| char::from(!*byte)));
    value
}

fn turned(of: &[u8]) -> Vec<u8> {
    of.iter().map(|byte| !byte).collect()
}

#[test]
fn a_vault_that_is_gone_leaves_no_value_in_memory() {
    let mut buffer = vec![0; 2 << 20];
    let mut copies = |of: &[u8]| copies_in_memory(&of[LINKS..], &mut buffer);
    // The baseline: memory that is freed as it is keeps what it held.
    let other = turned(b"pw-1290-marble-curlew-7781-hx-harbour");
    let plain: Vec<String> = (0..64).map(|_| value(&other).as_str().to_owned()).collect();
    drop(plain);
    assert!(copies(&other) > 0, "the search finds what nobody overwrote");

    let own = turned(b"zq-7731-aurora-kestrel-0042-vw-lantern");
    let vault = Vault::new(SessionKey::random().expect("random bytes"));
    let text = value(&own);
    let finding = Finding {
        class: Class::Personal,
        detector: Detector::BuiltIn(named("person_name").expect("it ships")),
        start: 0,
        end: text.len(),
    };
    let sent = rewrite(&text, &[finding], &|_| Transform::Pseudonymise, &vault);
    let sent = sent.expect("there is room").expect("it is replaced");
    let journal = tempfile::tempfile().expect("a file");
    vault.record_in(journal).expect("it is written");
    let back = Zeroizing::new(restore_whole(&vault, &sent).expect("it is restored"));
    assert_eq!(*back, *text);
    drop((text, back));
    assert_eq!(copies(&own), 1, "the vault holds it");
    drop(vault);
    assert_eq!(copies(&own), 0);
}
