//! What an operator may change, and what is never shown.

use std::collections::BTreeMap;

use nemoclaw_policy::Class;
use nemoclaw_privacy::{Scanner, Setup};

fn scanner(classes: &[(&str, Option<Class>)]) -> Scanner {
    let classes: BTreeMap<String, Option<Class>> = classes
        .iter()
        .map(|(name, class)| ((*name).to_owned(), *class))
        .collect();
    Scanner::new(&Setup {
        classes,
        ..Setup::default()
    })
    .unwrap()
}

#[test]
fn a_detector_takes_the_class_it_is_given_or_is_off() {
    let text = "mail ann@example.com from 10.1.2.3";
    let found = scanner(&[("email", Some(Class::Secret)), ("ip_address", None)]).scan(text);
    let told: Vec<_> = found
        .iter()
        .map(|finding| (finding.detector.name(), finding.class))
        .collect();
    assert_eq!(told, [("email", Class::Secret)]);
}

#[test]
fn what_is_off_joins_nothing() {
    let text = "password=«Xk9#mP2$vL»".replace(['«', '»'], "");
    assert!(scanner(&[("secret_value", None)]).scan(&text).is_empty());
}

#[test]
fn a_detector_that_is_not_there_is_named_with_those_that_are() {
    let classes = BTreeMap::from([("e_mail".to_owned(), None)]);
    let error = Scanner::new(&Setup {
        classes,
        ..Setup::default()
    })
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("there is no detector `e_mail`: the detectors are email, phone"),
        "{error}"
    );
}

#[test]
fn neither_a_finding_nor_the_scanner_shows_a_value() {
    let scanner = scanner(&[]);
    let text = "mail ann@example.com, card 4111 1111 1111 1111";
    let shown = format!("{scanner:?} {:?}", scanner.scan(text));
    assert!(shown.contains("payment_card"));
    assert!(
        !shown.contains("ann@") && !shown.contains("4111"),
        "{shown}"
    );
}

#[test]
fn a_scanner_is_shared_by_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&scanner(&[]));
}
