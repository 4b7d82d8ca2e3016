//! A listed name that resolves to a private, loopback or metadata address is not dialled (DNS rebinding).

use crate::support::{curl, debian, mark};
use nemoclaw_tests::packets::Watch;
use nemoclaw_tests::{nemoclaw, upstream};

#[test]
fn a_public_answer_is_dialled() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    curl(&container, &["https://resolved.example.com/"])
        .ok()
        .says("\"nct\": \"ok\"");
}

#[test]
fn private_loopback_and_metadata_answers_are_refused() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let mark = mark();
    let watch = Watch::start();
    for name in ["rebind", "loopback", "metadata", "linklocal"] {
        for scheme in ["http", "https"] {
            let output = curl(
                &container,
                &[
                    "-k",
                    "-w",
                    "%{http_code}",
                    &format!("{scheme}://{name}.example.com/{mark}"),
                ],
            );
            assert!(
                !output.stdout.contains("\"nct\""),
                "{scheme} {name}: {output:?}"
            );
        }
    }
    let seen = watch.finish();
    for address in ["10.99.0.5", "169.254.169.254", "169.254.7.7"] {
        nemoclaw_tests::packets::Seen::none(&seen.to(address), address);
    }
    assert!(upstream::requests(world, &mark).is_empty());
}
