//! Memory and swap.

use oci_spec::runtime::LinuxMemory;

use super::{Decided, Now, Setting, Version, or_max};

/// The most that `swappiness` can be.
const SWAPPINESS: u64 = 100;
/// Memory and swap together, in version 1.
const BOTH: &str = "memory.memsw.limit_in_bytes";
const SWAP: &str = "memory.swap.max";
const MAX: &str = "memory.max";

/// The values of a box's memory; zero leaves one as it is.
pub(super) fn settings(version: Version, memory: &LinuxMemory, now: Now<'_>) -> Decided {
    match version {
        Version::One => first(memory),
        Version::Two => second(memory, now),
    }
}

fn given(value: Option<i64>) -> Option<i64> {
    value.filter(|value| *value != 0)
}

fn first(memory: &LinuxMemory) -> Decided {
    let mut settings = Vec::new();
    // Before all else, and a change of nothing on a current kernel, where it is always on.
    settings.extend(
        memory
            .use_hierarchy()
            .map(|on| Setting::new("memory.use_hierarchy", u8::from(on))),
    );
    let (limit, swap) = (given(memory.limit()), given(memory.swap()));
    settings.extend(limit.map(|limit| Setting::new("memory.limit_in_bytes", limit)));
    match (limit, swap) {
        (_, Some(swap)) => settings.push(Setting::new(BOTH, swap)),
        // No limit of memory means none of both, where swap is counted at all.
        (Some(-1), None) => settings.push(Setting::new(BOTH, -1).or_skip()),
        _ => {}
    }
    settings.extend(
        given(memory.reservation()).map(|soft| Setting::new("memory.soft_limit_in_bytes", soft)),
    );
    #[allow(deprecated)] // engines still send it; kernels since 5.16 take it and do nothing
    let kernel = given(memory.kernel());
    settings
        .extend(kernel.map(|kernel| Setting::new("memory.kmem.limit_in_bytes", kernel).or_skip()));
    settings.extend(
        given(memory.kernel_tcp())
            .map(|tcp| Setting::new("memory.kmem.tcp.limit_in_bytes", tcp).or_skip()),
    );
    if let Some(swappiness) = swappiness(memory) {
        if swappiness > SWAPPINESS {
            return Err(format!(
                "`memory.swappiness` goes to {SWAPPINESS}, not to {swappiness}"
            ));
        }
        settings.push(Setting::new("memory.swappiness", swappiness));
    }
    settings.extend(
        memory
            .disable_oom_killer()
            .map(|off| Setting::new("memory.oom_control", u8::from(off))),
    );
    Ok(settings)
}

/// Not set is also the largest number, which is -1 in Go.
fn swappiness(memory: &LinuxMemory) -> Option<u64> {
    memory.swappiness().filter(|value| *value != u64::MAX)
}

fn second(memory: &LinuxMemory, now: Now<'_>) -> Decided {
    let lacks = |what: &str| Err(format!("cgroups of version 2 have no {what}"));
    if swappiness(memory).is_some() {
        return lacks("swappiness");
    }
    if memory.disable_oom_killer() == Some(true) {
        return lacks("way to switch the OOM killer off");
    }
    if memory.use_hierarchy() == Some(false) {
        return lacks("memory that is not counted in the cgroups above");
    }
    let limit = given(memory.limit());
    let swap = only_swap(limit, given(memory.swap()), now)?;
    if memory.check_before_update() == Some(true) {
        check(limit, given(memory.swap()), now)?;
    }
    let mut settings = Vec::new();
    if let Some(swap) = swap {
        let setting = Setting::new(SWAP, or_max(swap));
        // Without swap in this kernel there is none to be had, and none to be limited.
        settings.push(match swap {
            ..=0 => setting.or_skip(),
            _ => setting,
        });
    }
    settings.extend(limit.map(|limit| Setting::new(MAX, or_max(limit))));
    settings.extend(given(memory.reservation()).map(|low| Setting::new("memory.low", or_max(low))));
    Ok(settings)
}

/// Memory and swap together, as swap alone.
fn only_swap(limit: Option<i64>, swap: Option<i64>, now: Now<'_>) -> Result<Option<i64>, String> {
    let swap = match (limit, swap) {
        (Some(..0), None) => return Ok(Some(-1)),
        (_, None) => return Ok(None),
        (_, Some(..0)) => return Ok(Some(-1)),
        (_, Some(swap)) => swap,
    };
    let limit = match limit {
        Some(limit) => Some(limit),
        // Only swap is changed: the limit of memory is as it was.
        None => now(MAX).and_then(|text| text.trim().parse().ok()),
    };
    match limit {
        Some(limit @ 0..) if limit <= swap => Ok(Some(swap - limit)),
        Some(limit @ 0..) => Err(format!(
            "the limit of memory and swap together ({swap}) is lower than that of memory ({limit})"
        )),
        _ => Err(format!(
            "a limit of memory and swap together ({swap}) needs one of memory"
        )),
    }
}

/// Refuse a limit that is used up already: version 2 would kill.
fn check(limit: Option<i64>, swap: Option<i64>, now: Now<'_>) -> Result<(), String> {
    let number = |file: &str| now(file).and_then(|text| text.trim().parse::<i64>().ok());
    let memory = number("memory.current").unwrap_or(0);
    let both = memory.saturating_add(number("memory.swap.current").unwrap_or(0));
    for (limit, used, what) in [
        (limit, memory, "memory"),
        (swap, both, "memory and swap together"),
    ] {
        if let Some(limit @ 1..) = limit
            && used > limit
        {
            return Err(format!(
                "it uses {used} bytes of {what} now, more than the limit of {limit}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(limit: i64, swap: i64) -> LinuxMemory {
        let mut memory = LinuxMemory::default();
        memory.set_limit(Some(limit)).set_swap(Some(swap));
        memory
    }

    fn lines(decided: Decided) -> Result<Vec<String>, String> {
        let line = |setting: &Setting| format!("{} {}", setting.file, setting.value);
        decided.map(|settings| settings.iter().map(line).collect())
    }

    fn second_lines(memory: &LinuxMemory) -> Result<Vec<String>, String> {
        lines(settings(Version::Two, memory, &|_| None))
    }

    #[test]
    fn version_2_limits_swap_alone() {
        let set = |swap: &str, max: &str| {
            Ok(vec![
                format!("memory.swap.max {swap}"),
                format!("memory.max {max}"),
            ])
        };
        assert_eq!(second_lines(&memory(100, 300)), set("200", "100"));
        assert_eq!(second_lines(&memory(100, 100)), set("0", "100"));
        assert_eq!(second_lines(&memory(100, -1)), set("max", "100"));
        assert_eq!(second_lines(&memory(-1, 0)), set("max", "max"));
        assert_eq!(
            second_lines(&memory(100, 0)),
            Ok(vec!["memory.max 100".to_owned()])
        );
        assert!(second_lines(&memory(100, 50)).is_err());
        assert!(second_lines(&memory(0, 50)).is_err());
        assert!(second_lines(&memory(-1, 50)).is_err());
    }

    #[test]
    fn a_change_of_swap_alone_counts_from_the_limit_that_is_there() {
        let now = |file: &str| (file == MAX).then(|| "40\n".to_owned());
        let found = lines(settings(Version::Two, &memory(0, 50), &now));
        assert_eq!(found, Ok(vec!["memory.swap.max 10".to_owned()]));
    }

    #[test]
    fn a_limit_that_is_used_up_is_refused_when_that_was_asked_for() {
        let now = |file: &str| (file == "memory.current").then(|| "4096\n".to_owned());
        let mut wanted = memory(1000, 0);
        assert!(settings(Version::Two, &wanted, &now).is_ok());
        wanted.set_check_before_update(Some(true));
        assert!(settings(Version::Two, &wanted, &now).is_err());
        wanted.set_limit(Some(4096));
        assert!(settings(Version::Two, &wanted, &now).is_ok());
    }

    #[test]
    fn version_1_lifts_both_limits_when_that_of_memory_is_lifted() {
        let found = lines(settings(Version::One, &memory(-1, 0), &|_| None)).unwrap();
        assert_eq!(
            found,
            ["memory.limit_in_bytes -1", "memory.memsw.limit_in_bytes -1"]
        );
        let found = lines(settings(Version::One, &memory(5, 0), &|_| None)).unwrap();
        assert_eq!(found, ["memory.limit_in_bytes 5"]);
    }

    #[test]
    fn a_killer_stays_as_it_is_unless_it_is_named() {
        let mut wanted = LinuxMemory::default();
        assert_eq!(settings(Version::One, &wanted, &|_| None), Ok(Vec::new()));
        wanted.set_disable_oom_killer(Some(true));
        let found = lines(settings(Version::One, &wanted, &|_| None)).unwrap();
        assert_eq!(found, ["memory.oom_control 1"]);
        assert!(second_lines(&wanted).is_err());
        wanted.set_disable_oom_killer(Some(false));
        assert_eq!(second_lines(&wanted), Ok(Vec::new()));
    }

    #[test]
    fn swappiness_is_a_limit_of_version_1_only() {
        let mut wanted = LinuxMemory::default();
        wanted.set_swappiness(Some(60));
        assert!(second_lines(&wanted).is_err());
        let found = lines(settings(Version::One, &wanted, &|_| None)).unwrap();
        assert_eq!(found, ["memory.swappiness 60"]);
        wanted.set_swappiness(Some(101));
        assert!(settings(Version::One, &wanted, &|_| None).is_err());
        wanted.set_swappiness(Some(u64::MAX));
        assert_eq!(second_lines(&wanted), Ok(Vec::new()));
    }
}
