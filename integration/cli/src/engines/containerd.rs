//! containerd's `config.toml`: runtimes of its CRI plugin, in the layouts of version 1, 2 and 3.

use toml_edit::{Array, Item, TableLike, value};

use super::error::EditError;
use super::toml::{File, Style, set, text_at};
use super::{Runtime, text_of};

const RUNTIME_TYPE: &str = "io.containerd.runc.v2";
/// Pod annotations that the runtime shall see; a pattern's `*` does not match `/`.
const ANNOTATIONS: &str = "nemoclaw.dev/*";

/// The CRI plugin's name, and the path of its `containerd` table, by the file's version.
#[derive(Debug, Clone, Copy)]
struct Layout {
    plugin: &'static str,
}

impl Layout {
    fn of(file: &File) -> Result<Self, EditError> {
        let version = match file.get(&["version"]) {
            None => 1,
            Some(item) => item
                .as_integer()
                .ok_or_else(|| file.shape(&["version"], "number"))?,
        };
        let plugin = match version {
            1 => "cri",
            2 => "io.containerd.grpc.v1.cri",
            3 => "io.containerd.cri.v1.runtime",
            _ => {
                return Err(EditError::Version {
                    place: file.place(&["version"]),
                    version,
                });
            }
        };
        Ok(Self { plugin })
    }

    fn containerd(self) -> [&'static str; 3] {
        ["plugins", self.plugin, "containerd"]
    }

    fn runtimes(self) -> [&'static str; 4] {
        ["plugins", self.plugin, "containerd", "runtimes"]
    }
}

/// All runtimes of the file.
pub fn runtimes(text: &str) -> Result<Vec<Runtime>, EditError> {
    let file = File::read(text)?;
    let path = Layout::of(&file)?.runtimes();
    let Some(table) = file.table(&path)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (name, _) in table.iter() {
        let of_runtime = [&path[..], &[name]].concat();
        let options = [&of_runtime[..], &["options"]].concat();
        let program = match file.table(&options)? {
            Some(options) => text_at(options, "BinaryName").unwrap_or_default(),
            None => "",
        };
        found.push(Runtime {
            name: name.to_owned(),
            program: program.into(),
            policy: None,
        });
    }
    Ok(found)
}

/// Add or correct runtimes; settings that a person added stay.
pub fn register(text: &str, wanted: &[Runtime]) -> Result<String, EditError> {
    let mut file = File::read(text)?;
    if file.is_empty() {
        // A file without a version is one of version 1, which later engines do not read.
        file.root().insert("version", value(2));
    }
    let layout = Layout::of(&file)?;
    let path = layout.runtimes();
    for runtime in wanted {
        let program = text_of(&runtime.program)?;
        let at = [&path[..], &[&runtime.name]].concat();
        file.table(&[&at[..], &["options"]].concat())?;
        if let Some(item) = file.get(&[&at[..], &["pod_annotations"]].concat())
            && !item.is_array()
        {
            return Err(file.shape(&[&at[..], &["pod_annotations"]].concat(), "list"));
        }
        let systemd = systemd_cgroup(&file, layout);
        let style = file.section(&path, &runtime.name, None)?;
        let table = file.make(&at)?;
        set(table, "runtime_type", RUNTIME_TYPE, &style);
        allow_annotations(table, &style);
        let fresh = !table.contains_key("options");
        let style = file.section(&at, "options", Some(style.inner()))?;
        let options = file.make(&[&at[..], &["options"]].concat())?;
        set(options, "BinaryName", program, &style);
        if let (true, Some(systemd)) = (fresh, systemd) {
            set(options, "SystemdCgroup", systemd, &style);
        }
    }
    Ok(file.text())
}

/// Take runtimes out.
pub fn unregister(text: &str, names: &[String]) -> Result<String, EditError> {
    let mut file = File::read(text)?;
    let layout = Layout::of(&file)?;
    if let Some(table) = file.table(&layout.containerd())?
        && let Some(name) = text_at(table, "default_runtime_name")
        && names.iter().any(|one| one == name)
    {
        return Err(EditError::IsDefault {
            key: "default_runtime_name",
            name: name.to_owned(),
        });
    }
    for name in names {
        file.remove(&[&layout.runtimes()[..], &[name]].concat());
    }
    Ok(file.text())
}

/// What keeps containerd from serving CRI at all.
pub fn obstacle(text: &str) -> Result<Option<&'static str>, EditError> {
    let file = File::read(text)?;
    let plugin = Layout::of(&file)?.plugin;
    let disabled = file.get(&["disabled_plugins"]).and_then(Item::as_array);
    let named = |name: &str| {
        let ids = ["cri", "io.containerd.grpc.v1.cri", plugin];
        ids.contains(&name)
    };
    let off =
        disabled.is_some_and(|list| list.iter().any(|value| value.as_str().is_some_and(named)));
    Ok(off.then_some("`disabled_plugins` names the CRI plugin: Kubernetes gets no runtime from this containerd until that entry is removed"))
}

/// Add our pattern to the list of a runtime, which may have others.
fn allow_annotations(table: &mut dyn TableLike, style: &Style) {
    match table
        .get_mut("pod_annotations")
        .and_then(Item::as_array_mut)
    {
        Some(list) if list.iter().any(|value| value.as_str() == Some(ANNOTATIONS)) => {}
        Some(list) => list.push(ANNOTATIONS),
        None => set(
            table,
            "pod_annotations",
            Array::from_iter([ANNOTATIONS]),
            style,
        ),
    }
}

/// What the file's other runtimes say: the default one, else `runc`, else the first that says anything.
fn systemd_cgroup(file: &File, layout: Layout) -> Option<bool> {
    let table = get_table(file, &layout.containerd())?;
    let default = text_at(table, "default_runtime_name").unwrap_or("runc");
    let runtimes = table.get("runtimes")?.as_table_like()?;
    let says = |item: &Item| {
        let options = item.as_table_like()?.get("options")?.as_table_like()?;
        options.get("SystemdCgroup")?.as_bool()
    };
    [default, "runc"]
        .iter()
        .find_map(|name| runtimes.get(name).and_then(says))
        .or_else(|| runtimes.iter().find_map(|(_, item)| says(item)))
}

fn get_table<'a>(file: &'a File, path: &[&str]) -> Option<&'a dyn TableLike> {
    file.get(path)?.as_table_like()
}
