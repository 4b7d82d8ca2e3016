//! `resources`: how much of the machine a box may use.

use crate::source::Diagnostic;
use crate::yaml::{Value, View};

type Fault = Box<Diagnostic>;

/// Sizes beyond this are a slip: 1 PiB.
const MAX_SIZE: u64 = 1 << 50;
/// The least memory with which a program starts at all: 4 MiB.
const MIN_MEMORY: u64 = 4 << 20;
/// The least size of a directory: 64 KiB.
const MIN_DISK: u64 = 64 << 10;
/// Thousandths of a CPU.
const CPU: std::ops::RangeInclusive<u32> = 10..=1_024_000;
/// Processes and threads.
const PIDS: std::ops::RangeInclusive<u32> = 1..=4_194_304;
/// Open files of a process.
const NOFILE: std::ops::RangeInclusive<u32> = 16..=1_048_576;

/// Limits of a box; `None` leaves what the engine says, or the runtime's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// `memory`, bytes, swap included.
    pub memory: Option<u64>,
    /// `cpu`, thousandths of a CPU.
    pub cpu_milli: Option<u32>,
    /// `pids`: processes and threads.
    pub pids: Option<u32>,
    /// `nofile`: open files of each process.
    pub nofile: Option<u32>,
    /// `disk`.
    pub disk: Disk,
}

/// How much the writable directories may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disk {
    /// `/sandbox`, bytes.
    pub sandbox: Option<u64>,
    /// `/tmp`, bytes.
    pub tmp: Option<u64>,
}

impl Resources {
    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Resources) -> Resources {
        Resources {
            memory: least(self.memory, other.memory),
            cpu_milli: least(self.cpu_milli, other.cpu_milli),
            pids: least(self.pids, other.pids),
            nofile: least(self.nofile, other.nofile),
            disk: Disk {
                sandbox: least(self.disk.sandbox, other.disk.sandbox),
                tmp: least(self.disk.tmp, other.disk.tmp),
            },
        }
    }
}

/// The lesser of two limits, where `None` is no limit.
pub(crate) fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

pub(super) fn load(view: Option<View<'_>>) -> Result<Resources, Fault> {
    let Some(view) = view else {
        return Ok(Resources::default());
    };
    let keys = view.fields(&["memory", "cpu", "pids", "nofile", "disk"], &[])?;
    let number = |key: &str, range: &std::ops::RangeInclusive<u32>| {
        keys.get(key)
            .map(|view| view.number(*range.start(), *range.end()))
            .transpose()
    };
    Ok(Resources {
        memory: keys
            .get("memory")
            .map(|view| at_least(&view, MIN_MEMORY))
            .transpose()?,
        cpu_milli: keys.get("cpu").map(|view| cpus(&view)).transpose()?,
        pids: number("pids", &PIDS)?,
        nofile: number("nofile", &NOFILE)?,
        disk: keys
            .get("disk")
            .map_or(Ok(Disk::default()), |view| disk(&view))?,
    })
}

fn disk(view: &View<'_>) -> Result<Disk, Fault> {
    let keys = view.fields(&["/sandbox", "/tmp"], &[])?;
    let of = |key: &str| {
        keys.get(key)
            .map(|view| at_least(&view, MIN_DISK))
            .transpose()
    };
    Ok(Disk {
        sandbox: of("/sandbox")?,
        tmp: of("/tmp")?,
    })
}

fn at_least(view: &View<'_>, least: u64) -> Result<u64, Fault> {
    let bytes = size(view)?;
    if bytes < least {
        return Err(view.fault(format!(
            "`{}` is {bytes} bytes, but must be at least {least}",
            view.name
        )));
    }
    Ok(bytes)
}

/// A size: a number of bytes, or a number with `k`, `M`, `G`, `T` (1000s) or `Ki`, `Mi`, `Gi`, `Ti` (1024s).
pub(super) fn size(view: &View<'_>) -> Result<u64, Fault> {
    if let Value::Int(_) = view.node.value {
        return view.big_number(0, MAX_SIZE);
    }
    let text = view.text()?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_end_matches('B').trim_start() {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1000 * 1000,
        "G" => 1000 * 1000 * 1000,
        "T" => 1000 * 1000 * 1000 * 1000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return Err(no_size(view, text)),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes <= MAX_SIZE)
        .ok_or_else(|| no_size(view, text))
}

/// A number of bytes for people: `512 MiB` where that is exact, else `1000000 bytes`.
#[must_use]
pub fn size_words(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = |shift: u32| bytes > 0 && bytes.trailing_zeros() >= shift;
    match units.into_iter().find(|(shift, _)| whole(*shift)) {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

/// Thousandths of a CPU for people: `2` or `0.5`.
#[must_use]
pub fn cpu_words(milli: u32) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn no_size(view: &View<'_>, text: &str) -> Fault {
    view.fault(format!("`{text}` is no size"))
        .with_hint("write a number with a unit, such as `512Mi` or `2G`")
}

/// A number of CPUs: `2`, `0.5`, or `"500m"`.
fn cpus(view: &View<'_>) -> Result<u32, Fault> {
    let milli = match &view.node.value {
        Value::Int(number) => u32::try_from(*number)
            .ok()
            .and_then(|number| number.checked_mul(1000)),
        Value::Float(number) if (0.0..=2000.0).contains(number) => thousandths(*number),
        Value::Text(text) => text
            .strip_suffix('m')
            .and_then(|number| number.parse().ok()),
        _ => None,
    };
    milli.filter(|milli| CPU.contains(milli)).ok_or_else(|| {
        view.fault(format!(
            "`{}` must be a number of CPUs from 0.01 to 1024",
            view.name
        ))
        .with_hint("write `2`, `0.5` or `\"500m\"`")
    })
}

fn thousandths(number: f64) -> Option<u32> {
    // The text of a rounded number, since a cast of a fraction to an integer would be silent about what it loses.
    format!("{:.0}", number * 1000.0).parse().ok()
}
