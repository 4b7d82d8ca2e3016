//! Who may choose a box's policy, and what a file must be to be believed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nemoclaw_policy::node::{NodeConfig, NodeError, Selectable};
use nemoclaw_policy::policy::{Level, Mode};
use nemoclaw_policy::resolve::{Request, Resolved, resolve};
use nemoclaw_policy::{Source, handover::Capture};
use tempfile::TempDir;

struct Node {
    dir: TempDir,
    config: NodeConfig,
}

impl Node {
    fn new(selectable: &[(&str, bool)]) -> Node {
        let dir = TempDir::new().unwrap();
        let config = NodeConfig {
            path: Some(dir.path().join("config.yaml")),
            policy_dir: dir.path().join("policies"),
            selectable: selectable
                .iter()
                .map(|(name, widens)| Selectable {
                    name: (*name).into(),
                    widens: *widens,
                    namespaces: None,
                })
                .collect(),
            ..NodeConfig::default()
        };
        fs::create_dir(&config.policy_dir).unwrap();
        Node { dir, config }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    fn ask(&self, handler: &str, annotation: &str, environment: &str) -> Result<Resolved, String> {
        self.ask_with(handler, annotation, environment, &[])
    }

    fn ask_with(
        &self,
        handler: &str,
        annotation: &str,
        environment: &str,
        mounts: &[&Path],
    ) -> Result<Resolved, String> {
        let some = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        let request = Request {
            handler: some(handler),
            annotation: some(annotation),
            environment: some(environment),
            namespace: None,
            writable_mounts: mounts.iter().map(PathBuf::from).collect(),
        };
        resolve(&request, &self.config).map_err(|error| error.to_string())
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn the_handler_goes_before_the_node_and_the_node_before_the_built_in() {
    let mut node = Node::new(&[]);
    assert_eq!(node.ask("", "", "").unwrap().policy.name, "default");
    node.config.default_policy = "strict".into();
    assert_eq!(node.ask("", "", "").unwrap().policy.name, "strict");
    assert_eq!(
        node.ask("offline", "", "").unwrap().policy.mode,
        Mode::Offline
    );
    let dev = node.ask("dev", "", "").unwrap();
    assert_eq!((dev.policy.mode, dev.texts.len()), (Mode::Relaxed, 1));
    assert_eq!(dev.remarks, ["policy `dev` relaxes the sandbox"]);
}

#[test]
fn an_image_never_widens_and_an_annotation_only_where_the_node_says_so() {
    let node = Node::new(&[("dev", false), ("strict", false)]);
    for (annotation, environment) in [("dev", ""), ("", "dev")] {
        let resolved = node.ask("", annotation, environment).unwrap();
        assert_eq!(resolved.policy.mode, Mode::Confined);
        assert_eq!(
            resolved.policy.filesystem.level(Path::new("/etc")),
            Level::Read
        );
        assert!(resolved.policy.process.capabilities.is_empty());
        assert_eq!(resolved.texts.len(), 2);
        assert!(
            resolved.remarks[0].contains("cannot widen it"),
            "{:?}",
            resolved.remarks
        );
    }
    let widening = Node::new(&[("dev", true)]);
    let resolved = widening.ask("", "dev", "").unwrap();
    assert_eq!(
        (resolved.policy.mode, resolved.texts.len()),
        (Mode::Relaxed, 1)
    );
    assert!(resolved.remarks[0].contains("replaces `default`"));
    let resolved = widening.ask("", "", "dev").unwrap();
    assert_eq!(resolved.policy.mode, Mode::Confined);
    assert!(resolved.remarks[0].contains("only narrows here"));
}

#[test]
fn names_from_outside_must_be_offered_and_are_never_paths() {
    let node = Node::new(&[("strict", false)]);
    let error = node.ask("", "dev", "").unwrap_err();
    assert!(error.starts_with("the annotation `nemoclaw.dev/policy` asks for policy `dev`, which this node does not offer: choose one of strict, or add `dev`"), "{error}");
    assert!(
        node.ask("", "", "unconfined")
            .unwrap_err()
            .contains("NEMOCLAW_POLICY")
    );
    let file = node.file("p.yaml", "version: 1\n");
    assert!(node.ask("", file.to_str().unwrap(), "").is_err());
    let error = node.ask("nope", "", "").unwrap_err();
    assert!(error.starts_with("there is no policy named `nope`: choose one of assistant, default, dev, gpu, offline, strict, unconfined"), "{error}");
    assert!(
        node.ask("..", "", "")
            .unwrap_err()
            .contains("no policy name")
    );
}

#[test]
fn unconfined_needs_the_node_whoever_asks() {
    let mut node = Node::new(&[("strict", false)]);
    assert!(
        node.ask("unconfined", "", "")
            .unwrap_err()
            .contains("add `unconfined` to `selectable`")
    );
    node.config.default_policy = "unconfined".into();
    assert!(node.ask("", "", "").is_err());
    let node = Node::new(&[("unconfined", false), ("strict", false)]);
    let resolved = node.ask("unconfined", "", "").unwrap();
    assert_eq!(resolved.policy.mode, Mode::Unconfined);
    assert!(
        resolved
            .remarks
            .iter()
            .any(|remark| remark.contains("no sandbox"))
    );
    let met = node.ask("unconfined", "strict", "").unwrap();
    assert_eq!(met.policy.mode, Mode::Confined);
    let names: Vec<&str> = met.texts.iter().map(|text| text.name.as_str()).collect();
    assert_eq!(
        names,
        ["strict"],
        "the router is told of no unconfined policy"
    );
    assert_eq!(
        node.ask("", "unconfined", "").unwrap().policy.mode,
        Mode::Confined
    );
}

#[test]
fn a_file_of_the_node_goes_before_an_embedded_policy_and_a_ceiling_above_all() {
    let node = Node::new(&[("dev", true)]);
    node.file(
        "policies/default.yaml",
        "version: 1\nlandlock: {minimum_abi: 3}\n",
    );
    assert_eq!(node.ask("", "", "").unwrap().policy.landlock.minimum_abi, 3);
    node.file(
        "ceiling.yaml",
        "version: 1\nfilesystem_policy: {read_only: [/, /tmp], read_write: [/sandbox]}\n",
    );
    let resolved = node.ask("", "dev", "").unwrap();
    assert_eq!(resolved.policy.mode, Mode::Confined);
    assert_eq!(
        resolved.policy.filesystem.level(Path::new("/tmp")),
        Level::Read
    );
    assert_eq!(resolved.texts.last().unwrap().name, "ceiling");
}

#[test]
fn a_ceiling_bounds_every_key_and_says_what_it_took() {
    let node = Node::new(&[("mine", false)]);
    // The policy's words, then the ceiling's, and what the remark says.
    let keys = [
        (
            "filesystem_policy: {read_write: [/d]}",
            "filesystem_policy: {read_only: [/d]}",
            "filesystem_policy (write access to /d, has read access)",
        ),
        (
            "landlock: {compatibility: best_effort}",
            "",
            "landlock.compatibility (best_effort, has hard_requirement)",
        ),
        (
            "process: {}",
            "process: {run_as_user: 7}",
            "process.run_as_user (any account, has 7)",
        ),
        (
            "devices: [v.com/d=0]",
            "devices: [v.com/e=0]",
            "devices (given) (v.com/d=0, has v.com/e=0)",
        ),
        (
            "resources: {pids: 9}",
            "resources: {pids: 3}",
            "resources.pids (9, has 3)",
        ),
        (
            "budgets: {}",
            "budgets: {requests: 3}",
            "budgets.requests (no limit, has 3)",
        ),
        ("ports: [80, 90]", "ports: [80]", "ports (90, has 80)"),
        (
            "network_policies: {e: {endpoints: [{host: a.b.c, port: 1, access: read-write}]}}",
            "network_policies: {c: {endpoints: [{host: \"*.b.c\", port: 1, access: read-only}]}}",
            "methods (POST ** on a.b.c:1, has GET **, HEAD **, OPTIONS **)",
        ),
    ];
    for (own, ceiling, words) in keys {
        node.file("policies/mine.yaml", &format!("version: 1\n{own}\n"));
        let mut ceiling = format!("version: 1\n{ceiling}\n");
        if !words.starts_with("methods") {
            ceiling.push_str("network_policies: {}\n");
        }
        node.file("ceiling.yaml", &ceiling);
        let resolved = node.ask("mine", "", "").unwrap();
        let told: Vec<&String> = resolved
            .remarks
            .iter()
            .filter(|line| line.starts_with("the node's ceiling takes from policy `mine`: "))
            .collect();
        assert!(
            told.len() == 1 && told[0].contains(words),
            "{words}: {:?}",
            resolved.remarks
        );
        let limit = nemoclaw_policy::Policy::load(&Source::text("c", &ceiling)).unwrap();
        assert_eq!(
            nemoclaw_policy::narrow::is_within(&resolved.policy, &limit),
            Ok(()),
            "{words}"
        );
        let before = resolved.remarks.len();
        node.file("policies/mine.yaml", &ceiling);
        let same = node.ask("mine", "", "").unwrap();
        assert!(
            before > same.remarks.len()
                && !same
                    .remarks
                    .iter()
                    .any(|line| line.contains("ceiling takes")),
            "{:?}",
            same.remarks
        );
    }
}

#[test]
fn a_device_is_given_only_where_every_policy_lists_it() {
    let node = Node::new(&[("mine", false)]);
    node.file("policies/mine.yaml", "version: 1\ndevices: [v.com/d=0]\n");
    let given = |resolved: &Resolved| resolved.policy.devices.requested().len();
    let alone = node.ask("mine", "", "").unwrap();
    assert_eq!((given(&alone), alone.remarks.len()), (1, 0));
    // An image or an annotation cannot get a device by choosing a policy.
    for (annotation, environment) in [("mine", ""), ("", "mine")] {
        let resolved = node.ask("", annotation, environment).unwrap();
        assert_eq!(given(&resolved), 0);
        assert!(
            resolved.remarks[0]
                .contains("gives the device `v.com/d=0`, but not each of `default & mine`"),
            "{:?}",
            resolved.remarks
        );
    }
    node.file("ceiling.yaml", "version: 1\n");
    assert_eq!(given(&node.ask("mine", "", "").unwrap()), 0);
    node.file("ceiling.yaml", "version: 1\ndevices: [\"v.com/d=*\"]\n");
    assert_eq!(given(&node.ask("mine", "", "").unwrap()), 1);
}

#[test]
fn a_relaxed_file_works_by_name_in_the_policy_directory_only() {
    let node = Node::new(&[]);
    let text = "version: 1\nbox: {mode: relaxed}\n";
    let file = node.file("mine.yaml", text);
    let error = node.ask(file.to_str().unwrap(), "", "").unwrap_err();
    assert!(
        error.contains("mine.yaml:2:13: `mode: relaxed` may not stand in this file"),
        "{error}"
    );
    node.file("policies/mine.yaml", text);
    assert_eq!(node.ask("mine", "", "").is_ok(), is_root());
}

#[test]
fn a_file_that_the_box_or_others_can_write_is_refused() {
    let node = Node::new(&[]);
    let work = node.dir.path().join("work");
    fs::create_dir(&work).unwrap();
    let file = node.file("work/p.yaml", "version: 1\n");
    let name = file.to_str().unwrap().to_owned();
    assert!(node.ask(&name, "", "").is_ok());
    let error = node.ask_with(&name, "", "", &[&work]).unwrap_err();
    assert!(
        error.contains("which the sandbox can write: move the file out"),
        "{error}"
    );
    // Nor by a link from elsewhere, a mount named by a link, or a second name of the file.
    let link = node.dir.path().join("link.yaml");
    symlink(&file, &link).unwrap();
    assert!(
        node.ask_with(link.to_str().unwrap(), "", "", &[&work])
            .is_err()
    );
    let alias = node.dir.path().join("alias");
    symlink(&work, &alias).unwrap();
    assert!(node.ask_with(&name, "", "", &[&alias]).is_err());
    let second = node.dir.path().join("second.yaml");
    fs::hard_link(&file, &second).unwrap();
    assert!(
        node.ask_with(second.to_str().unwrap(), "", "", &[&work])
            .unwrap_err()
            .contains("hard links")
    );
    fs::remove_file(&second).unwrap();
    for mode in [0o664, 0o646] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert!(node.ask(&name, "", "").unwrap_err().contains("chmod go-w"));
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&work, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(
        node.ask(&name, "", "")
            .unwrap_err()
            .contains("every user may replace it")
    );
    fs::set_permissions(&work, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        std::os::unix::fs::chown(&file, Some(12345), None).unwrap();
        assert!(
            node.ask(&name, "", "")
                .unwrap_err()
                .contains("belongs to user 12345")
        );
    }
    assert!(
        node.ask(work.to_str().unwrap(), "", "")
            .unwrap_err()
            .contains("not a regular file")
    );
}

#[test]
fn a_fault_in_a_file_is_told_with_its_place() {
    let node = Node::new(&[]);
    let file = node.file("p.yaml", "version: 1\nlandlok: {}\n");
    let error = node.ask(file.to_str().unwrap(), "", "").unwrap_err();
    assert_eq!(
        error,
        format!(
            "the policy cannot be used: {}:2:1: unknown key `landlok` in the document (did you mean `landlock`?)",
            fs::canonicalize(&file).unwrap().display()
        )
    );
}

#[test]
fn two_accounts_start_no_box() {
    let node = Node::new(&[("two", false)]);
    node.file(
        "policies/one.yaml",
        "version: 1\nprocess: {run_as_user: 1}\n",
    );
    node.file(
        "policies/two.yaml",
        "version: 1\nprocess: {run_as_user: 2}\n",
    );
    let error = node.ask("one", "two", "").unwrap_err();
    assert!(
        error.contains("policies `one` and `two` name different accounts in `run_as_user`"),
        "{error}"
    );
}

#[test]
fn a_name_for_some_namespaces_is_offered_to_their_pods_alone() {
    let node = Node::new(&[]);
    let text = "version: 1\nselectable:\n  - strict\n  - { name: offline, namespaces: [ci, build] }\n  - { name: dev }\n  - { name: dev, widens: true, namespaces: [build] }\n  - { name: unconfined, widens: true, namespaces: [build] }\n";
    let mut config = NodeConfig::parse(&Source::text("c.yaml", text)).unwrap();
    config.policy_dir = node.config.policy_dir.clone();
    let ask = |handler: &str, annotation: &str, environment: &str, namespace: Option<&str>| {
        let some = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        let request = Request {
            handler: some(handler),
            annotation: some(annotation),
            environment: some(environment),
            namespace: namespace.map(str::to_owned),
            writable_mounts: Vec::new(),
        };
        resolve(&request, &config).map_err(|error| error.to_string())
    };
    let mode = |resolved: Result<Resolved, String>| resolved.unwrap().policy.mode;
    for namespace in ["ci", "build"] {
        assert_eq!(mode(ask("", "offline", "", Some(namespace))), Mode::Offline);
        assert_eq!(mode(ask("", "", "offline", Some(namespace))), Mode::Offline);
    }
    for namespace in [None, Some("web"), Some("build2"), Some("")] {
        for (annotation, environment) in [("offline", ""), ("", "offline")] {
            let error = ask("", annotation, environment, namespace).unwrap_err();
            assert!(
                error.contains("does not offer: choose one of strict, dev, or add"),
                "{error}"
            );
        }
    }
    // The entry of the namespace goes before the one for all, and never for an image.
    assert_eq!(mode(ask("", "dev", "", Some("build"))), Mode::Relaxed);
    assert_eq!(mode(ask("", "dev", "", Some("ci"))), Mode::Confined);
    assert_eq!(mode(ask("", "", "dev", Some("build"))), Mode::Confined);
    // A handler's `unconfined` needs the node's word for this namespace too.
    assert_eq!(
        mode(ask("unconfined", "", "", Some("build"))),
        Mode::Unconfined
    );
    assert!(ask("unconfined", "", "", Some("ci")).is_err());
    assert!(ask("unconfined", "", "", None).is_err());
}

#[test]
fn the_node_configuration_is_read_strictly() {
    let parse = |text: &str| NodeConfig::parse(&Source::text("c.yaml", text));
    let config = parse(
        "version: 1\ndefault_policy: strict\nselectable: [strict, {name: dev, widens: true}]\nstate_dir: /run/x\ncapture: tproxy\nrouter:\n  user: 4242\n  resolvers: [192.0.2.1]\n  hosts: {Web.Example.com: [192.0.2.7, \"2001:db8::1\"], one.example.com: 192.0.2.8}\n  extra_ca: [/etc/ca.pem]\n",
    )
    .unwrap();
    assert_eq!(config.router.socket, PathBuf::from("/run/x/router.sock"));
    assert_eq!(
        (config.capture, config.router.user.as_str()),
        (Capture::Tproxy, "4242")
    );
    assert_eq!(config.router.hosts["web.example.com"].len(), 2);
    assert!(
        config.selectable("dev", None).unwrap().widens
            && !config.selectable("strict", None).unwrap().widens
    );
    for (text, words) in [
        ("default_policy: strict\n", "lacks `version`"),
        (
            "version: 1\nstate_dri: /x\n",
            "c.yaml:2:1: unknown key `state_dri` in the document (did you mean `state_dir`?)",
        ),
        ("version: 1\nstate_dir: x\n", "must be an absolute path"),
        ("version: 1\nrouter: {user: root}\n", "other than root"),
        ("version: 1\nrouter: {user: 0}\n", "from 1 to"),
        (
            "version: 1\nrouter: {resolvers: [dns.example.com]}\n",
            "is no IP address",
        ),
        (
            "version: 1\nrouter: {hosts: {\"*.x.y\": 192.0.2.1}}\n",
            "is a pattern",
        ),
        ("version: 1\nrouter: {hosts: {a.b: []}}\n", "empty list"),
        ("version: 1\nselectable: [../x]\n", "is no policy name"),
        (
            "version: 1\nselectable: [{name: dev, namespaces: []}]\n",
            "nobody could choose it",
        ),
        (
            "version: 1\nselectable: [{name: dev, namespaces: [Build_1]}]\n",
            "`Build_1` is no namespace of Kubernetes",
        ),
        (
            "version: 1\ndefault_policy: ./x\n",
            "neither a policy's name nor an absolute path",
        ),
        ("version: 1\ncapture: iptables\n", "unknown `capture` value"),
    ] {
        let fault = parse(text).unwrap_err().one_line();
        assert!(fault.contains(words), "{text}: {fault}");
    }
}

#[test]
fn a_named_configuration_must_be_there_and_be_safe() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("config.yaml");
    assert!(matches!(
        NodeConfig::load(Some(&path)),
        Err(NodeError::Read { .. })
    ));
    fs::write(&path, "version: 1\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(
        NodeConfig::load(Some(&path)),
        Err(NodeError::Writable { .. })
    ));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(NodeConfig::load(Some(&path)).unwrap().path, Some(path));
}
