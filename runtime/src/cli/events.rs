//! `events`' options.

use std::time::Duration;

use clap::Args;

/// `events`.
#[derive(Debug, Args)]
pub struct Events {
    /// How often the numbers are printed: `5s`, `100ms`, `1m30s`.
    #[arg(long, default_value = "5s", value_parser = interval)]
    pub interval: Duration,
    /// Print the numbers once and end.
    #[arg(long)]
    pub stats: bool,
    /// The container's id.
    pub id: String,
}

/// A duration as Go writes it, more than nothing.
fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is no interval: write it like 5s, 100ms or 1m30s");
    let mut rest = text;
    let mut seconds = 0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let value: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        seconds += value
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" | "μs" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|interval| !interval.is_zero())
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_written_as_go_writes_it() {
        for (text, expected) in [
            ("5s", 5000),
            ("100ms", 100),
            ("1m30s", 90_000),
            ("1.5s", 1500),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                interval(text),
                Ok(Duration::from_millis(expected)),
                "{text}"
            );
        }
        for text in ["", "5", "s", "0s", "-1s", "5x", "1s5", "1..2s"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
