//! Moves between two namespaces that each test makes for itself.

use std::fs::File;
use std::process::Command;

use nix::sched::unshare;
use nix::unistd::Uid;

use super::*;

/// Run `test` in a thread with two network namespaces of its own: the thread's, and the box's.
fn between(test: impl FnOnce(&File) + Send) {
    if !Uid::effective().is_root() {
        return;
    }
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
            let box_ = File::open(OWN).expect("the box's");
            unshare(CloneFlags::CLONE_NEWNET).expect("another");
            test(&box_);
        });
        work.join().expect("the test holds");
    });
}

/// What `ip` says in the thread's namespace.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("ip");
    assert!(
        output.status.success(),
        "{arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// What `ip` says in the box.
fn ip_in(box_: &File, arguments: &str) -> String {
    std::thread::scope(|scope| {
        let look = scope.spawn(|| {
            setns(box_, CloneFlags::CLONE_NEWNET).expect("entered");
            ip(arguments)
        });
        look.join().expect("looked")
    })
}

fn devices(wanted: &[(&str, &str)]) -> HashMap<String, LinuxNetDevice> {
    let device =
        |new: &str| serde_json::from_value(serde_json::json!({ "name": new })).expect("device");
    wanted
        .iter()
        .map(|(name, new)| ((*name).to_owned(), device(new)))
        .collect()
}

fn refusal(wanted: &[(&str, &str)], box_: &File) -> String {
    move_all(&devices(wanted), box_.as_fd())
        .expect_err("refused")
        .to_string()
}

#[test]
fn a_device_arrives_under_its_new_name_up_and_with_the_addresses_that_stay() {
    between(|box_| {
        ip("link add one type veth");
        ip("addr add 192.0.2.7/24 brd + dev one label one:x");
        ip("addr add 192.0.2.8/32 dev one scope link");
        ip("addr add 198.51.100.9/25 dev one valid_lft 600 preferred_lft 600");
        ip("addr add 2001:db8::7/64 dev one nodad");
        ip("link set one mtu 1400");
        move_all(&devices(&[("one", "eth7")]), box_.as_fd()).expect("moved");
        assert!(!ip("link").contains("one"));
        let link = ip_in(box_, "link show eth7");
        assert!(link.contains(",UP") && link.contains("mtu 1400"), "{link}");
        let addresses = ip_in(box_, "addr show eth7");
        assert!(
            addresses.contains("inet 192.0.2.7/24 brd 192.0.2.255 scope global eth7"),
            "{addresses}"
        );
        assert!(addresses.contains("inet6 2001:db8::7/64"), "{addresses}");
        assert!(
            !addresses.contains("192.0.2.8") && !addresses.contains("198.51.100.9"),
            "{addresses}"
        );
    });
}

#[test]
fn a_device_keeps_its_name_unless_another_is_given() {
    between(|box_| {
        ip("link add left type veth peer name right");
        move_all(&devices(&[("left", "")]), box_.as_fd()).expect("moved");
        assert!(ip_in(box_, "link show left").contains("left"));
        assert!(ip("link show right").contains("right"));
    });
}

#[test]
fn the_kernel_numbers_a_name_that_asks_for_it() {
    between(|box_| {
        for name in ["one", "two"] {
            ip(&format!("link add {name} type veth"));
        }
        move_all(
            &devices(&[("one", "net%d"), ("two", "net%d")]),
            box_.as_fd(),
        )
        .expect("moved");
        assert!(ip_in(box_, "link show net0").contains("net0"));
        assert!(ip_in(box_, "link show net1").contains("net1"));
    });
}

#[test]
fn two_devices_may_change_names() {
    between(|box_| {
        for (name, address) in [("one", "192.0.2.1/32"), ("two", "192.0.2.2/32")] {
            ip(&format!("link add {name} type veth"));
            ip(&format!("addr add {address} dev {name}"));
        }
        move_all(&devices(&[("one", "two"), ("two", "one")]), box_.as_fd()).expect("moved");
        assert!(ip_in(box_, "addr show two").contains("192.0.2.1/32"));
        assert!(ip_in(box_, "addr show one").contains("192.0.2.2/32"));
    });
}

#[test]
fn when_one_cannot_be_moved_the_others_go_back_as_they_were() {
    between(|box_| {
        ip("link add idle type veth");
        ip("addr add 192.0.2.7/24 dev idle");
        ip("link add running type veth");
        ip("addr add 192.0.2.9/24 dev running");
        ip("link set running up");
        ip("link add taken type veth");
        ip("addr add 192.0.2.11/24 dev taken");
        ip_in(box_, "link add eth0 type veth");
        let said = refusal(&[("idle", "a"), ("running", "b"), ("taken", "eth0")], box_);
        assert!(
            said.contains("`taken`") && said.contains("`eth0`"),
            "{said}"
        );
        let addresses = ip("addr");
        assert!(
            addresses.contains("192.0.2.7/24") && addresses.contains("192.0.2.9/24"),
            "{addresses}"
        );
        assert!(ip("link show running").contains(",UP"));
        assert!(!ip("link show idle").contains(",UP"));
        assert!(ip("addr show taken").contains("192.0.2.11/24"));
        assert_eq!(
            ip_in(box_, "-o link").lines().count(),
            3,
            "lo, eth0 and its peer"
        );
    });
}

#[test]
fn a_device_that_cannot_be_moved_is_named() {
    between(|box_| {
        assert!(refusal(&[("none", "")], box_).contains("`none`"));
        let said = refusal(&[("lo", "")], box_);
        assert!(
            said.contains("move the network device `lo`") || said.contains("`lo` already"),
            "{said}"
        );
        assert!(refusal(&[("lo", "loop")], box_).contains("move the network device `lo`"));
    });
}

#[test]
fn names_that_no_device_can_have_are_refused_before_anything_moves() {
    let wrong = [
        "",
        ".",
        "..",
        "a/b",
        "a:b",
        "a b",
        "sixteen-letters-",
        "a%",
        "%d%d",
        "%s",
        "a\nb",
        "a\0b",
    ];
    for name in wrong {
        assert!(!is_name(name), "{name:?}");
    }
    for name in ["eth0", "net%d", "wlp0s20f3", "fifteen-letters", "é"] {
        assert!(is_name(name), "{name:?}");
    }
    let wanted = devices(&[("one", "same"), ("two", "same")]);
    assert!(matches!(moves(&wanted), Err(NetDeviceError::Twice(name)) if name == "same"));
}
