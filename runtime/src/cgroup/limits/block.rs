//! Block devices: weights and rates.

use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice};

use super::{Decided, Setting, Version};

/// A weight of version 1, and of the scheduler BFQ in both.
const WEIGHT: std::ops::RangeInclusive<u16> = 10..=1000;

/// The values of a box's block devices; a weight of zero leaves it as it is.
pub(super) fn settings(version: Version, block: &LinuxBlockIo) -> Decided {
    let mut settings = weights(version, block)?;
    for (file, word, rates) in [
        ("read_bps", "rbps", block.throttle_read_bps_device()),
        ("write_bps", "wbps", block.throttle_write_bps_device()),
        ("read_iops", "riops", block.throttle_read_iops_device()),
        ("write_iops", "wiops", block.throttle_write_iops_device()),
    ] {
        let rates = rates.iter().flatten();
        settings.extend(rates.map(|rate| throttle(version, file, word, rate)));
    }
    Ok(settings)
}

fn given(weight: Option<u16>) -> Option<u16> {
    weight.filter(|weight| *weight != 0)
}

fn weights(version: Version, block: &LinuxBlockIo) -> Decided {
    let mut settings = Vec::new();
    settings.extend(given(block.weight()).map(|weight| match version {
        Version::One => either("weight", &weight.to_string()),
        Version::Two => {
            Setting::new("io.bfq.weight", weight).or(Setting::new("io.weight", convert(weight)))
        }
    }));
    let leaf = given(block.leaf_weight());
    let mut leaves: Vec<Setting> = leaf
        .map(|leaf| Setting::new("blkio.leaf_weight", leaf))
        .into_iter()
        .collect();
    for device in block.weight_device().iter().flatten() {
        let number = format!("{}:{}", device.major(), device.minor());
        settings.extend(given(device.weight()).map(|weight| match version {
            Version::One => either("weight_device", &format!("{number} {weight}")),
            Version::Two => Setting::new("io.bfq.weight", format!("{number} {weight}")).or(
                Setting::new("io.weight", format!("{number} {}", convert(weight))),
            ),
        }));
        leaves.extend(
            given(device.leaf_weight())
                .map(|leaf| Setting::new("blkio.leaf_weight_device", format!("{number} {leaf}"))),
        );
    }
    if version == Version::Two && !leaves.is_empty() {
        return Err("cgroups of version 2 have no weight of leaves".to_owned());
    }
    settings.extend(leaves);
    Ok(settings)
}

/// The file of whichever scheduler this kernel has.
fn either(name: &str, value: &str) -> Setting {
    Setting::new(format!("blkio.bfq.{name}"), value)
        .or(Setting::new(format!("blkio.{name}"), value))
}

/// A weight of 10 to 1000 as one of 1 to 10000.
fn convert(weight: u16) -> u64 {
    let weight = u64::from(weight.clamp(*WEIGHT.start(), *WEIGHT.end()));
    1 + (weight - 10) * 9999 / 990
}

fn throttle(version: Version, file: &str, word: &str, rate: &LinuxThrottleDevice) -> Setting {
    let number = format!("{}:{}", rate.major(), rate.minor());
    match (version, rate.rate()) {
        (Version::One, rate) => Setting::new(
            format!("blkio.throttle.{file}_device"),
            format!("{number} {rate}"),
        ),
        // Zero lifts a limit in version 1.
        (Version::Two, 0) => Setting::new("io.max", format!("{number} {word}=max")),
        (Version::Two, rate) => Setting::new("io.max", format!("{number} {word}={rate}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> LinuxBlockIo {
        serde_json::from_str(text).unwrap()
    }

    fn lines(version: Version, text: &str) -> Vec<String> {
        let settings = settings(version, &block(text)).unwrap();
        settings
            .iter()
            .map(|setting| format!("{} {}", setting.file, setting.value))
            .collect()
    }

    const RATES: &str = "{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":500}],\
                         \"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":16,\"rate\":0}]}";

    #[test]
    fn rates_have_a_file_each_in_version_1_and_one_in_version_2() {
        assert_eq!(
            lines(Version::One, RATES),
            [
                "blkio.throttle.read_bps_device 8:0 500",
                "blkio.throttle.write_iops_device 8:16 0"
            ]
        );
        assert_eq!(
            lines(Version::Two, RATES),
            ["io.max 8:0 rbps=500", "io.max 8:16 wiops=max"]
        );
    }

    #[test]
    fn weights_go_to_the_scheduler_that_is_there() {
        let text = "{\"weight\":500,\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":10}]}";
        assert_eq!(
            lines(Version::One, text),
            ["blkio.bfq.weight 500", "blkio.bfq.weight_device 8:0 10"]
        );
        let found = settings(Version::Two, &block(text)).unwrap();
        let other = Setting::new("io.weight", 4950);
        assert_eq!(found[0], Setting::new("io.bfq.weight", 500).or(other));
        let other = Setting::new("io.weight", "8:0 1");
        assert_eq!(found[1], Setting::new("io.bfq.weight", "8:0 10").or(other));
    }

    #[test]
    fn leaves_have_weights_in_version_1_only() {
        let text =
            "{\"leafWeight\":20,\"weightDevice\":[{\"major\":8,\"minor\":0,\"leafWeight\":30}]}";
        assert_eq!(
            lines(Version::One, text),
            ["blkio.leaf_weight 20", "blkio.leaf_weight_device 8:0 30"]
        );
        assert!(settings(Version::Two, &block(text)).is_err());
    }

    #[test]
    fn a_weight_keeps_its_ends() {
        assert_eq!((convert(10), convert(1000)), (1, 10_000));
    }
}
