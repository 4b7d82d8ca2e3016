//! CPU time, and which CPUs.

use oci_spec::runtime::LinuxCpu;

use super::{Decided, Now, Setting, Version};

/// What the kernel takes as shares (version 1).
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;
/// The kernel's own period, in microseconds.
const PERIOD: &str = "100000";

/// Which CPUs and memory nodes; the same files in both versions.
pub(super) fn sets(cpu: &LinuxCpu) -> Vec<Setting> {
    let all = [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())];
    let named = all
        .into_iter()
        .filter_map(|(file, list)| Some((file, list.as_ref()?)));
    named
        .filter(|(_, list)| !list.is_empty())
        .map(|(file, list)| Setting::new(file, list))
        .collect()
}

/// How much time; zero leaves most as they are.
pub(super) fn time(version: Version, cpu: &LinuxCpu, now: Now<'_>) -> Decided {
    match version {
        Version::One => first(cpu),
        Version::Two => second(cpu, now),
    }
}

/// Quota (below zero: none) and period in force.
pub(super) fn in_force(version: Version, now: Now<'_>) -> Option<(i64, u64)> {
    let (quota, period) = match version {
        Version::One => (now("cpu.cfs_quota_us")?, now("cpu.cfs_period_us")?),
        Version::Two => {
            let text = now("cpu.max")?;
            let (quota, period) = text.split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
    };
    // Version 2 says `max` where version 1 says -1.
    let quota = quota.trim().parse().unwrap_or(-1);
    Some((quota, period.trim().parse().ok()?))
}

fn given<T: PartialEq + Default>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

fn first(cpu: &LinuxCpu) -> Decided {
    if let Some(shares) = given(cpu.shares())
        && !SHARES.contains(&shares)
    {
        return Err(format!(
            "`cpu.shares` goes from {} to {}, not to {shares}",
            SHARES.start(),
            SHARES.end()
        ));
    }
    let all = [
        ("cpu.shares", given(cpu.shares()).map(|v| v.to_string())),
        (
            "cpu.cfs_period_us",
            given(cpu.period()).map(|v| v.to_string()),
        ),
        ("cpu.cfs_burst_us", cpu.burst().map(|v| v.to_string())),
        (
            "cpu.cfs_quota_us",
            given(cpu.quota()).map(|v| v.max(-1).to_string()),
        ),
        (
            "cpu.rt_period_us",
            given(cpu.realtime_period()).map(|v| v.to_string()),
        ),
        (
            "cpu.rt_runtime_us",
            given(cpu.realtime_runtime()).map(|v| v.to_string()),
        ),
        ("cpu.idle", cpu.idle().map(|v| v.to_string())),
    ];
    let named = all
        .into_iter()
        .filter_map(|(file, value)| Some(Setting::new(file, value?)));
    Ok(named.collect())
}

fn second(cpu: &LinuxCpu, now: Now<'_>) -> Decided {
    if given(cpu.realtime_period()).is_some() || given(cpu.realtime_runtime()).is_some() {
        return Err("cgroups of version 2 have no limit of real-time CPU".to_owned());
    }
    let mut settings = Vec::new();
    settings.extend(cpu.idle().map(|idle| Setting::new("cpu.idle", idle)));
    settings.extend(given(cpu.shares()).map(|shares| Setting::new("cpu.weight", weight(shares))));
    let (quota, period) = (given(cpu.quota()), given(cpu.period()));
    if quota.is_some() || period.is_some() {
        let text = now("cpu.max").unwrap_or_default();
        let mut has = text.split_whitespace();
        let quota = quota.map_or_else(|| has.next().unwrap_or("max").to_owned(), super::or_max);
        let period = match period {
            Some(period) => period.to_string(),
            None => text.split_whitespace().nth(1).unwrap_or(PERIOD).to_owned(),
        };
        settings.push(Setting::new("cpu.max", format!("{quota} {period}")));
    }
    settings.extend(
        cpu.burst()
            .map(|burst| Setting::new("cpu.max.burst", burst)),
    );
    Ok(settings)
}

/// Shares (2 to 262144, usually 1024) as a weight (1 to 10000, usually 100): the curve through these three points that
/// runc and crun use.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)] // within 1..=10000
fn weight(shares: u64) -> u64 {
    let shares = shares.clamp(*SHARES.start(), *SHARES.end());
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    // Rounded up, but not for the last bit of a float.
    (10_f64.powf(exponent) - 1e-6).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(decided: Decided) -> Vec<String> {
        let settings = decided.unwrap();
        settings
            .iter()
            .map(|setting| format!("{} {}", setting.file, setting.value))
            .collect()
    }

    #[test]
    fn a_burst_alone_is_written_and_zero_leaves_the_rest() {
        let mut cpu = LinuxCpu::default();
        cpu.set_burst(Some(0))
            .set_quota(Some(0))
            .set_shares(Some(0));
        let first = time(Version::One, &cpu, &|_| None);
        assert_eq!(lines(first), ["cpu.cfs_burst_us 0"]);
        let second = time(Version::Two, &cpu, &|_| None);
        assert_eq!(lines(second), ["cpu.max.burst 0"]);
        cpu.set_quota(Some(-1));
        let first = lines(time(Version::One, &cpu, &|_| None));
        assert!(first.contains(&"cpu.cfs_quota_us -1".to_owned()));
    }

    #[test]
    fn quota_and_period_are_one_file_and_what_is_not_named_stays() {
        let mut cpu = LinuxCpu::default();
        cpu.set_quota(Some(20_000));
        let fresh = |_: &str| Some("max 100000\n".to_owned());
        assert_eq!(
            lines(time(Version::Two, &cpu, &fresh)),
            ["cpu.max 20000 100000"]
        );
        let living = |_: &str| Some("5000 50000\n".to_owned());
        assert_eq!(
            lines(time(Version::Two, &cpu, &living)),
            ["cpu.max 20000 50000"]
        );
        cpu.set_quota(None).set_period(Some(60_000));
        assert_eq!(
            lines(time(Version::Two, &cpu, &living)),
            ["cpu.max 5000 60000"]
        );
        cpu.set_quota(Some(-1));
        assert_eq!(
            lines(time(Version::Two, &cpu, &living)),
            ["cpu.max max 60000"]
        );
        assert_eq!(
            lines(time(Version::Two, &cpu, &|_| None)),
            ["cpu.max max 60000"]
        );
    }

    #[test]
    fn the_time_in_force_is_read_in_both_versions() {
        let first = |file: &str| {
            let text = if file.contains("quota") {
                "-1\n"
            } else {
                "50000\n"
            };
            Some(text.to_owned())
        };
        assert_eq!(in_force(Version::One, &first), Some((-1, 50_000)));
        let second = |text: &'static str| move |_: &str| Some(text.to_owned());
        let found = in_force(Version::Two, &second("max 100000\n"));
        assert_eq!(found, Some((-1, 100_000)));
        let found = in_force(Version::Two, &second("2000 50000\n"));
        assert_eq!(found, Some((2000, 50_000)));
        assert_eq!(in_force(Version::Two, &|_| None), None);
    }

    #[test]
    fn shares_are_weights_with_the_same_ends_and_the_same_middle() {
        for (shares, expected) in [
            (1, 1),
            (2, 1),
            (1024, 100),
            (262_144, 10_000),
            (1_000_000, 10_000),
        ] {
            assert_eq!(weight(shares), expected, "{shares}");
        }
        let all: Vec<u64> = (1..=18).map(|log| weight(1 << log)).collect();
        assert!(all.is_sorted());
    }

    #[test]
    fn what_a_version_has_not_is_refused() {
        let mut cpu = LinuxCpu::default();
        cpu.set_realtime_runtime(Some(1000));
        assert!(time(Version::Two, &cpu, &|_| None).is_err());
        assert!(time(Version::One, &cpu, &|_| None).is_ok());
        cpu.set_realtime_runtime(Some(0)).set_shares(Some(1));
        assert!(time(Version::One, &cpu, &|_| None).is_err());
        assert!(time(Version::Two, &cpu, &|_| None).is_ok());
    }

    #[test]
    fn empty_sets_are_not_written() {
        let mut cpu = LinuxCpu::default();
        cpu.set_cpus(Some(String::new()))
            .set_mems(Some("0".to_owned()));
        assert_eq!(lines(Ok(sets(&cpu))), ["cpuset.mems 0"]);
    }
}
