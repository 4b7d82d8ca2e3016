//! On a directory that looks like the file system. What the kernel itself would do there, files in new groups and none
//! in removed ones, the tests do.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

fn given(value: Value) -> LinuxIntelRdt {
    serde_json::from_value(value).expect("configuration")
}

fn file_system() -> TempDir {
    let root = tempfile::tempdir().expect("directory");
    for directory in ["info/L3_MON", "mon_groups"] {
        std::fs::create_dir_all(root.path().join(directory)).expect("made");
    }
    std::fs::write(root.path().join("schemata"), "L3:0=fffff\nMB:0=100\n").expect("written");
    root
}

/// A class that an administrator made.
fn class(root: &TempDir, name: &str, schemata: &str) {
    std::fs::create_dir_all(root.path().join(name).join("mon_groups")).expect("made");
    std::fs::write(root.path().join(name).join("schemata"), schemata).expect("written");
}

fn text(root: &TempDir, file: &str) -> String {
    std::fs::read_to_string(root.path().join(file)).expect("readable")
}

fn prepared(root: &TempDir, value: Value) -> Result<Group, RdtError> {
    prepare(root.path(), &given(value), "box-1")
}

fn refusal(root: &TempDir, value: Value) -> String {
    prepared(root, value).expect_err("refused").to_string()
}

#[test]
fn without_the_file_system_one_sentence_says_what_to_do() {
    let nowhere = tempfile::tempdir().expect("directory");
    let said = refusal(&nowhere, json!({ "closID": "gold" }));
    assert!(
        said.contains("mount -t resctrl") && said.contains("linux.intelRdt"),
        "{said}"
    );
}

#[test]
fn a_box_without_a_class_gets_one_of_its_own_that_goes_with_it() {
    let root = file_system();
    let group = prepared(
        &root,
        json!({ "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20" }),
    )
    .expect("made");
    assert_eq!(text(&root, "box-1/schemata"), "L3:0=f\nMB:0=20\n");
    group.join(root.path(), 42).expect("joined");
    assert_eq!(text(&root, "box-1/tasks"), "42\n");
    for file in ["schemata", "tasks"] {
        std::fs::remove_file(root.path().join("box-1").join(file)).expect("as the kernel does");
    }
    group.remove().expect("removed");
    assert!(!root.path().join("box-1").exists());
    group.remove().expect("gone already");
}

#[test]
fn bandwidth_in_the_cache_field_yields_to_the_bandwidth_field() {
    let root = file_system();
    prepared(
        &root,
        json!({ "l3CacheSchema": "L3:0=f\nMB:0=70", "memBwSchema": "MB:0=20" }),
    )
    .expect("made");
    assert_eq!(text(&root, "box-1/schemata"), "L3:0=f\nMB:0=20\n");
    let alone = shares(&given(json!({ "l3CacheSchema": "L3:0=f\nMB:0=70" }))).expect("valid");
    assert_eq!(alone, [Some("L3:0=f\nMB:0=70".to_owned()), None]);
}

#[test]
fn the_schemata_are_written_after_the_older_fields() {
    let fields = given(json!({ "l3CacheSchema": "L3:0=f", "schemata": ["L3:0=7", "L2:0=3"] }));
    let [older, newer] = shares(&fields).expect("valid");
    assert_eq!(
        (older.as_deref(), newer.as_deref()),
        (Some("L3:0=f"), Some("L3:0=7\nL2:0=3"))
    );
    let root = file_system();
    prepare(root.path(), &fields, "box-1").expect("made");
    assert_eq!(
        text(&root, "box-1/schemata"),
        "L3:0=7\nL2:0=3\n",
        "the last write"
    );
}

#[test]
fn a_named_class_is_joined_as_it_is_and_stays() {
    let root = file_system();
    class(&root, "gold", "L3:0=f\n");
    let group = prepared(&root, json!({ "closID": "gold" })).expect("found");
    group.join(root.path(), 7).expect("joined");
    assert_eq!(
        (text(&root, "gold/tasks"), text(&root, "gold/schemata")),
        ("7\n".to_owned(), "L3:0=f\n".to_owned())
    );
    group.remove().expect("nothing to remove");
    assert!(root.path().join("gold").exists());
}

#[test]
fn a_named_class_with_a_share_is_made_or_must_have_it() {
    let root = file_system();
    let wanted = json!({ "closID": "gold", "l3CacheSchema": "L3:0=0F;1=ff" });
    prepared(&root, wanted.clone()).expect("made");
    assert_eq!(text(&root, "gold/schemata"), "L3:0=0F;1=ff\n");
    class(
        &root,
        "gold",
        "    MB:0=100;1=100\n    L3:0=0000f;1=000ff\n",
    );
    prepared(&root, wanted.clone()).expect("the same, written otherwise");
    class(&root, "gold", "L3:0=f;1=f\n");
    let said = refusal(&root, wanted);
    assert!(
        said.contains("`gold`") && said.contains("L3:0=f;1=f") && said.contains("L3:0=0F;1=ff"),
        "{said}"
    );
}

#[test]
fn a_named_class_that_is_not_there_and_gets_no_share_is_refused() {
    let root = file_system();
    assert!(refusal(&root, json!({ "closID": "gold" })).contains("`gold`"));
    assert!(!root.path().join("gold").exists());
}

#[test]
fn the_root_class_may_be_named() {
    let root = file_system();
    let group = prepared(&root, json!({ "closID": "/", "enableMonitoring": true })).expect("found");
    group.join(root.path(), 7).expect("joined");
    assert_eq!(
        (text(&root, "tasks"), text(&root, "mon_groups/box-1/tasks")),
        ("7\n".to_owned(), "7\n".to_owned())
    );
    std::fs::remove_file(root.path().join("mon_groups/box-1/tasks")).expect("as the kernel does");
    group.remove().expect("removed");
    assert!(
        !root.path().join("mon_groups/box-1").exists() && root.path().join("schemata").exists()
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let root = file_system();
    for name in ["..", ".", "a/b", "info", "mon_groups", "a\nb"] {
        assert!(
            refusal(&root, json!({ "closID": name, "l3CacheSchema": "L3:0=f" })).contains("closID"),
            "{name}"
        );
    }
    assert!(refusal(&root, json!({ "memBwSchema": "L3:0=f" })).contains("memBwSchema"));
    assert!(refusal(&root, json!({ "memBwSchema": "MB:0=1\nL3:0=f" })).contains("memBwSchema"));
}

#[test]
fn what_was_made_is_removed_when_a_later_step_fails() {
    let root = file_system();
    std::fs::write(
        root.path().join("info/last_cmd_status"),
        "no monitoring here\n",
    )
    .expect("written");
    let said = refusal(&root, json!({ "enableMonitoring": true }));
    assert!(
        said.contains("mon_groups/box-1") && said.contains("(no monitoring here)"),
        "{said}"
    );
    assert!(!root.path().join("box-1").exists());
}

#[test]
fn the_deprecated_switches_need_counters_that_the_machine_has() {
    let root = file_system();
    let mut switches = given(json!({}));
    switches
        .set_enable_cmt(Some(true))
        .set_enable_mbm(Some(true));
    let said = prepare(root.path(), &switches, "box-1")
        .expect_err("not counted")
        .to_string();
    assert!(said.contains("enableCMT"), "{said}");
    std::fs::write(
        root.path().join("info/L3_MON/mon_features"),
        "llc_occupancy\n",
    )
    .expect("written");
    let said = prepare(root.path(), &switches, "box-1")
        .expect_err("not counted")
        .to_string();
    assert!(said.contains("enableMBM"), "{said}");
    std::fs::write(
        root.path().join("info/L3_MON/mon_features"),
        "llc_occupancy\nmbm_total_bytes\n",
    )
    .expect("written");
    prepare(root.path(), &switches, "box-1").expect("counted");
}

#[test]
fn a_group_is_kept_in_the_state() {
    let root = file_system();
    let group = prepared(&root, json!({})).expect("made");
    let text = serde_json::to_string(&group).expect("text");
    assert_eq!(serde_json::from_str::<Group>(&text).expect("read"), group);
}
