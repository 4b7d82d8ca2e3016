//! Which policy a pod has: by its runtime class, narrowed by its annotation.

use crate::engine;
use nemoclaw_tests::pods::Pod;

const SLEEPER: &[&str] = &["sleep", "300"];
const SECRET: &[&str] = &["cat", "/dir/secret"];

#[test]
fn two_runtime_classes_are_two_policies() {
    let Some(world) = engine() else { return };
    let usual = Pod::start(world, "nemoclaw", &[]);
    let member = usual.container("one", "nct/busybox", SLEEPER);
    member.exec(SECRET).ok().says("not for this policy");
    let strict = Pod::start(world, "nemoclaw-strict", &[]);
    let member = strict.container("one", "nct/busybox", SLEEPER);
    member.exec(SECRET).fails_saying("Permission denied");
    member.exec(&["sh", "-c", "echo x >/sandbox/x"]).ok();
}

#[test]
fn the_pods_annotation_narrows_all_of_its_containers() {
    let Some(world) = engine() else { return };
    let narrow = [("nemoclaw.dev/policy", "strict")];
    let pod = Pod::start(world, "nemoclaw", &narrow);
    for name in ["one", "two"] {
        let member = pod.container(name, "nct/busybox", SLEEPER);
        member.exec(SECRET).fails_saying("Permission denied");
    }
}

#[test]
fn the_pods_annotation_never_widens() {
    let Some(world) = engine() else { return };
    let wide = [("nemoclaw.dev/policy", "default")];
    let pod = Pod::start(world, "nemoclaw-strict", &wide);
    let member = pod.container("one", "nct/busybox", SLEEPER);
    member.exec(SECRET).fails_saying("Permission denied");
    let unlisted = [("nemoclaw.dev/policy", "dev")];
    Pod::ask(world, "nemoclaw", &unlisted)
        .expect_err("a policy that the node does not list")
        .says("selectable");
}

#[test]
fn an_offline_pod_has_no_interface_that_is_up() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "nemoclaw-offline", &[]);
    let member = pod.container(
        "one",
        "nct/busybox",
        &["httpd", "-f", "-p", "8080", "-h", "/etc"],
    );
    let links = member.exec(&["ip", "link"]).ok();
    let up = |name: &str| {
        let line = links.stdout.lines().find(|line| line.contains(name));
        line.is_some_and(|line| line.contains("UP"))
    };
    assert!(up("lo:") && !up("eth0"), "{links:?}");
    let url = format!("http://{}:8080/passwd", pod.ip());
    let words = format!("curl -sS -m 2 {url}");
    let dialled = nemoclaw_tests::netns::script(nemoclaw_tests::netns::ENGINE, &words);
    assert_ne!(dialled.code, 0, "{dialled:?}");
}
