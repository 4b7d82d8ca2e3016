//! CDI devices: what files describe and annotations ask for, put into a spec before its plan is made.

mod ceiling;
mod refused;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nemoclaw_policy::device::{DeviceName, DevicePattern, Devices};
use nemoclaw_policy::node::CdiConfig;
use nemoclaw_runtime::cdi::{Ground, Registry, applied, inject, resolved};
use nemoclaw_runtime::plan::Grant;
use oci_spec::runtime::Spec;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::snapshots::shown;
use super::{World, host};

/// A program that every machine has, in place of a vendor's hook.
const HOOK: &str = "/usr/bin/true";

/// Two directories of CDI files, and a node that gives away everything of `vendor.com` and `nvidia.com`.
struct Files {
    dir: TempDir,
    node: CdiConfig,
}

impl Files {
    fn new() -> Files {
        let dir = tempfile::tempdir().unwrap();
        let dirs = ["etc", "run"].map(|name| dir.path().join(name));
        for path in &dirs {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Files {
            node: CdiConfig {
                dirs: dirs.to_vec(),
                devices: vec![pattern("vendor.com/dev=*"), pattern("nvidia.com/gpu=*")],
                hooks: vec![HOOK.into()],
                nvidia_variable: false,
            },
            dir,
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// A file that describes `vendor.com/dev=a` with `edits`.
    fn vendor(&self, name: &str, edits: &Value) -> PathBuf {
        let spec = json!({
            "cdiVersion": "1.1.0", "kind": "vendor.com/dev",
            "devices": [{ "name": "a", "containerEdits": edits }],
        });
        self.write(name, &spec.to_string())
    }

    /// The sample with an annotation that asks for `devices`, injected.
    fn world(&self, sample: &str, devices: &str) -> Result<World, String> {
        let mut world = World::of(sample);
        if !world.config["annotations"].is_object() {
            world.config["annotations"] = json!({});
        }
        world.config["annotations"]["cdi.k8s.io/test"] = json!(devices);
        self.injected(world)
    }

    fn injected(&self, mut world: World) -> Result<World, String> {
        let injected =
            inject(world.spec(), &self.node, &world.policy).map_err(|error| error.to_string())?;
        world.host = host(&injected.spec);
        world.config = serde_json::to_value(&injected.spec).unwrap();
        Ok(world)
    }

    /// The refusal's sentence when `vendor.com/dev=a` is asked for.
    fn sentence(&self) -> String {
        let world = self.world("docker20-bridge", "vendor.com/dev=a");
        let said = world.err().unwrap();
        assert!(!said.contains('\n') && !said.ends_with('.'), "{said}");
        said
    }
}

fn pattern(text: &str) -> DevicePattern {
    DevicePattern::parse(text).unwrap()
}

/// The word of a policy that lists `entries`.
fn listed(entries: &[&str]) -> Devices {
    Devices::listed(entries.iter().map(|entry| pattern(entry)).collect())
}

fn env(world: &World) -> Vec<String> {
    serde_json::from_value(world.config["process"]["env"].clone()).unwrap()
}

fn nvidia() -> Files {
    let files = Files::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/cdi-nvidia-like.yaml");
    let text = fs::read_to_string(path).unwrap();
    files.write(
        "etc/nvidia.yaml",
        &text.replace("/usr/bin/nvidia-cdi-hook", HOOK),
    );
    files
}

#[test]
fn a_gpu_in_a_sandbox_of_docker_20() {
    let world = nvidia()
        .world("docker20-bridge", "nvidia.com/gpu=0")
        .unwrap();
    let plan = world.plan().unwrap();
    insta::assert_json_snapshot!(shown(&plan));
    let rules = plan.confinement.landlock.unwrap().rules;
    for path in ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dri/renderD128"] {
        let rule = rules.iter().find(|rule| rule.path == Path::new(path));
        assert_eq!(rule.map(|rule| rule.grant), Some(Grant::Device), "{path}");
    }
    let allowed =
        serde_json::to_value(world.spec()).unwrap()["linux"]["resources"]["devices"].clone();
    let allows = |rule: Value| allowed.as_array().unwrap().contains(&rule);
    let rule = |major: i64, minor: i64, access: &str| json!({"allow": true, "type": "c", "major": major, "minor": minor, "access": access});
    assert!(
        allows(rule(195, 255, "rwm")) && allows(rule(508, 0, "rw")),
        "{allowed}"
    );
}

#[test]
fn what_an_engine_has_merged_already_is_not_there_twice() {
    let files = nvidia();
    for sample in [
        "docker20-bridge",
        "docker26-cdi-readonly-none",
        "cri16-container",
    ] {
        let once = files.world(sample, "nvidia.com/gpu=0").unwrap();
        let spec: Spec = once.spec();
        let twice = files.injected(once).unwrap();
        assert_eq!(twice.spec(), spec, "{sample}");
    }
}

#[test]
fn a_device_that_docker_26_merged_itself_stays_single() {
    let mut files = Files::new();
    files.node.hooks = vec!["/bin/true".into()];
    let mount = json!({
        "hostPath": "/etc/hostname", "containerPath": "/opt/vendor/lib.so", "options": ["ro", "nosuid", "nodev", "bind"],
    });
    let edits = json!({
        "env": ["VENDOR=1", "VENDOR_GPU=0"],
        "deviceNodes": [{ "path": "/dev/vendor0", "type": "c", "major": 1, "minor": 3 }],
        "hooks": [{ "hookName": "createContainer", "path": "/bin/true", "args": ["true"] }],
        "mounts": [mount],
    });
    files.vendor("etc/vendor.json", &edits);
    let sample = "docker26-cdi-readonly-none";
    let given = World::of(sample);
    let world = files.world(sample, "vendor.com/dev=a").unwrap();
    assert_eq!(env(&world), env(&given));
    let list = |world: &World, path: &str| {
        world
            .config
            .pointer(path)
            .unwrap()
            .as_array()
            .unwrap()
            .len()
    };
    for path in ["/mounts", "/linux/devices", "/hooks/createContainer"] {
        assert_eq!(list(&world, path), list(&given, path), "{path}");
    }
}

#[test]
fn without_a_request_nothing_changes_and_an_images_variable_is_no_request() {
    let files = nvidia();
    for sample in [
        "docker20-bridge",
        "docker26-cdi-readonly-none",
        "podman43-bridge",
    ] {
        let mut world = World::of(sample);
        world.config["process"]["env"] = json!(["NVIDIA_VISIBLE_DEVICES=all"]);
        let given = world.spec();
        let injected = inject(given.clone(), &files.node, &world.policy);
        assert_eq!(injected.unwrap().spec, given);
    }
}

#[test]
fn every_version_of_the_format_is_read_and_others_are_not() {
    for (version, known) in [
        ("0.2.0", false),
        ("0.3.0", true),
        ("0.4.0", true),
        ("0.5.0", true),
        ("0.6.0", true),
        ("0.7.0", true),
        ("0.8.0", true),
        ("0.9.0", false),
        ("1.0.0", true),
        ("1.1.0", true),
        ("1.2.0", false),
    ] {
        let files = Files::new();
        let edits = json!({ "deviceNodes": [{ "path": "/dev/zero", "type": "c" }] });
        let spec = json!({
            "cdiVersion": version, "kind": "vendor.com/dev",
            "devices": [{ "name": "a", "containerEdits": edits }],
        });
        files.write("etc/a.json", &spec.to_string());
        let world = files.world("docker20-bridge", "vendor.com/dev=a");
        assert_eq!(world.is_ok(), known, "{version}");
    }
}

#[test]
fn a_later_directory_goes_first_and_one_directory_must_agree() {
    let files = Files::new();
    let says = |value: &str| json!({ "env": [format!("FROM={value}")] });
    files.vendor("etc/a.json", &says("etc"));
    let world = files.world("docker20-bridge", "vendor.com/dev=a").unwrap();
    assert!(env(&world).contains(&"FROM=etc".to_owned()));
    files.vendor("etc/b.json", &says("etc too"));
    let said = files.sentence();
    assert!(
        said.contains("etc/a.json") && said.contains("etc/b.json") && said.contains("both"),
        "{said}"
    );
    files.vendor("run/a.json", &says("run"));
    let world = files.world("docker20-bridge", "vendor.com/dev=a").unwrap();
    assert!(env(&world).contains(&"FROM=run".to_owned()));
}

#[test]
fn classes_of_cache_and_bandwidth_are_passed_on_where_the_host_has_them() {
    let files = Files::new();
    let rdt = json!({ "closID": "gpu", "schemata": ["MB:0=70"], "enableMonitoring": true });
    files.vendor("etc/a.json", &json!({ "intelRdt": rdt }));
    let registry = Registry::load(&files.node.dirs);
    let device = DeviceName::parse("vendor.com/dev=a").unwrap();
    let described = [registry.find(&device).unwrap()];
    let ground = |resource_control| Ground {
        hooks: &[],
        user_namespace: false,
        resource_control,
    };
    let edits = resolved(&described, ground(true)).unwrap();
    let spec = applied(World::of("docker20-bridge").spec(), &edits);
    let linux = serde_json::to_value(spec).unwrap()["linux"]["intelRdt"].clone();
    assert_eq!(linux, rdt);
    let said = resolved(&described, ground(false)).unwrap_err().to_string();
    assert!(said.contains("mount -t resctrl"), "{said}");
}

#[test]
fn a_node_is_what_the_hosts_is_and_belongs_to_the_boxs_user() {
    let files = Files::new();
    let node = json!({ "path": "/dev/vendor0", "hostPath": "/dev/zero" });
    files.vendor(
        "etc/a.json",
        &json!({ "deviceNodes": [node], "additionalGids": [0, 44, 44] }),
    );
    let mut world = World::of("docker20-bridge");
    world.config["annotations"] = json!({ "cdi.k8s.io/a": "vendor.com/dev=a" });
    world.config["process"]["user"] = json!({ "uid": 1000, "gid": 0, "additionalGids": [10] });
    let world = files.injected(world).unwrap();
    let node = json!({
        "path": "/dev/vendor0", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666, "uid": 1000,
    });
    assert_eq!(world.config["linux"]["devices"], json!([node]));
    assert_eq!(
        world.config["process"]["user"]["additionalGids"],
        json!([10, 44])
    );
}

#[test]
fn mounts_replace_their_place_and_those_above_come_first() {
    let files = Files::new();
    let mounts = json!([
        { "hostPath": "/v/deep", "containerPath": "/usr/lib/vendor/deep", "options": ["ro", "bind"] },
        { "hostPath": "/v", "containerPath": "/usr/lib", "options": ["ro"] },
        { "hostPath": "/v/hosts", "containerPath": "/etc/hosts", "options": ["ro"] },
    ]);
    files.vendor("etc/a.json", &json!({ "mounts": mounts }));
    let world = files.world("docker20-bridge", "vendor.com/dev=a").unwrap();
    let spec = world.spec();
    let all = spec.mounts().clone().unwrap();
    let at = |path: &str| {
        all.iter()
            .position(|mount| mount.destination() == Path::new(path))
            .unwrap()
    };
    assert!(at("/usr/lib") < at("/usr/lib/vendor/deep"));
    assert_eq!(
        all[at("/etc/hosts")].source().as_deref(),
        Some(Path::new("/v/hosts"))
    );
    assert_eq!(
        all[at("/usr/lib")].options().clone().unwrap(),
        ["rbind", "ro"]
    );
    let hosts = all
        .iter()
        .filter(|mount| mount.destination().ends_with("hosts"));
    assert_eq!(hosts.count(), 1);
}
