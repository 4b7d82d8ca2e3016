//! `update`'s options: every resource flag of runc's command line.

use std::path::PathBuf;

use clap::Args;

/// `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// A file with `linux.resources`, `-` for standard input; the other options are then ignored.
    #[arg(short, long, allow_hyphen_values = true)]
    pub resources: Option<PathBuf>,
    /// Memory limit in bytes or with a unit (`64M`), -1 for no limit.
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory: Option<i64>,
    /// Memory and swap in bytes or with a unit, -1 for no limit.
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory_swap: Option<i64>,
    /// Soft memory limit in bytes or with a unit.
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory_reservation: Option<i64>,
    /// Accepted and ignored: kernels have no such limit any more.
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub kernel_memory: Option<i64>,
    /// Accepted and ignored, as `--kernel-memory`.
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub kernel_memory_tcp: Option<i64>,
    /// Most processes, -1 for no limit.
    #[arg(long, allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// CPU weight.
    #[arg(long, alias = "cpu-share")]
    pub cpu_shares: Option<u64>,
    /// CPU time in a period, in microseconds, -1 for no limit.
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// The period in microseconds.
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// CPU time that may be saved up for a later period, in microseconds.
    #[arg(long)]
    pub cpu_burst: Option<u64>,
    /// Real-time CPU time in a period, in microseconds.
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_rt_runtime: Option<i64>,
    /// The real-time period in microseconds.
    #[arg(long)]
    pub cpu_rt_period: Option<u64>,
    /// 1: run only when nobody else wants the CPU.
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..=1))]
    pub cpu_idle: Option<i64>,
    /// CPUs to use.
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes to use.
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Block I/O weight.
    #[arg(long)]
    pub blkio_weight: Option<u16>,
    /// Refused: the schemata of Intel RDT are fixed at create.
    #[arg(long)]
    pub l3_cache_schema: Option<String>,
    /// Refused: the schemata of Intel RDT are fixed at create.
    #[arg(long)]
    pub mem_bw_schema: Option<String>,
    /// The container's id.
    pub id: String,
}

/// `1024`, `64k`, `64M`, `1.5GiB`, and `-1` for no limit.
fn bytes(text: &str) -> Result<i64, String> {
    const UNITS: &str = "kmgtp";
    let wrong = || format!("\"{text}\" is no number of bytes: write it like 67108864, 64M or -1");
    if text == "-1" {
        return Ok(-1);
    }
    let lower = text.trim().to_lowercase();
    let plain = lower.strip_suffix('b').unwrap_or(&lower);
    let plain = plain.strip_suffix('i').unwrap_or(plain);
    let power = plain.chars().last().and_then(|unit| UNITS.find(unit));
    let digits = power.map_or(plain, |_| &plain[..plain.len() - 1]);
    let factor = 1_i64 << (10 * power.map_or(0, |power| power + 1));
    if let Ok(whole) = digits.parse::<i64>() {
        return whole
            .checked_mul(factor)
            .filter(|bytes| *bytes >= 0)
            .ok_or_else(wrong);
    }
    let (whole, part) = digits.split_once('.').ok_or_else(wrong)?;
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let scale = 10_i64
        .checked_pow(u32::try_from(part.len()).map_err(|_| wrong())?)
        .ok_or_else(wrong)?;
    let part: i64 = part.parse().map_err(|_| wrong())?;
    let rest = i128::from(part) * i128::from(factor) / i128::from(scale);
    whole
        .checked_mul(factor)
        .and_then(|bytes| bytes.checked_add(i64::try_from(rest).ok()?))
        .filter(|bytes| *bytes >= 0 && part >= 0)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_bytes_may_have_a_unit_and_minus_one_is_no_limit() {
        for (text, expected) in [
            ("-1", -1),
            ("0", 0),
            ("4096", 4096),
            ("64k", 65_536),
            ("64M", 67_108_864),
            ("1gb", 1 << 30),
            ("1.5GiB", 3 << 29),
            ("10b", 10),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in [
            "", "-2", "M", "1x", "1.M", ".5M", "1e3", "9999999p", "-1.5k", "+-1",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
