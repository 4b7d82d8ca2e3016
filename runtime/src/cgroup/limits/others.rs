//! Processes, huge pages, network classes, RDMA, and files of version 2 by their names.

use std::collections::{BTreeMap, HashMap};

use oci_spec::runtime::{LinuxHugepageLimit, LinuxNetwork, LinuxPids, LinuxRdma};

use super::{Decided, Setting, Version, or_max};

/// The most processes; zero leaves it as it is.
pub(super) fn pids(pids: &LinuxPids) -> Vec<Setting> {
    let limit = Some(pids.limit()).filter(|limit| *limit != 0);
    limit
        .map(|limit| Setting::new("pids.max", or_max(limit)))
        .into_iter()
        .collect()
}

/// Huge pages in use, and reserved where the kernel counts those.
pub(super) fn pages(version: Version, pages: &[LinuxHugepageLimit]) -> Decided {
    let mut settings = Vec::new();
    for page in pages {
        let size = page.page_size();
        // A word of the engine's that becomes a part of a file's name.
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("`{size}` is not a size of huge pages, like `2MB`"));
        }
        let (file, value) = match version {
            Version::One => ("limit_in_bytes", page.limit().to_string()),
            Version::Two => ("max", or_max(page.limit())),
        };
        settings.push(Setting::new(format!("hugetlb.{size}.{file}"), &value));
        settings.push(Setting::new(format!("hugetlb.{size}.rsvd.{file}"), &value).or_skip());
    }
    Ok(settings)
}

/// The class of its packets; zero leaves it as it is.
pub(super) fn class(network: &LinuxNetwork) -> Vec<Setting> {
    let class = network.class_id().filter(|class| *class != 0);
    class
        .map(|class| Setting::new("net_cls.classid", class))
        .into_iter()
        .collect()
}

/// The priorities of its packets.
pub(super) fn priorities(network: &LinuxNetwork) -> Vec<Setting> {
    let all = network.priorities().iter().flatten();
    all.map(|each| {
        Setting::new(
            "net_prio.ifpriomap",
            format!("{} {}", each.name(), each.priority()),
        )
    })
    .collect()
}

/// Handles and objects of RDMA devices; the same file in both versions.
pub(super) fn rdma(all: &HashMap<String, LinuxRdma>) -> Decided {
    let sorted: BTreeMap<_, _> = all.iter().collect();
    let one = |(device, limit): (&String, &LinuxRdma)| {
        let part = |name: &str, value: Option<u32>| value.map(|value| format!(" {name}={value}"));
        let parts = [
            part("hca_handle", limit.hca_handles()),
            part("hca_object", limit.hca_objects()),
        ];
        let parts: String = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| Setting::new("rdma.max", format!("{device}{parts}")))
    };
    Ok(sorted.into_iter().filter_map(one).collect())
}

/// Files of version 2 by their names; a value of several lines is written line by line.
pub(super) fn unified(all: &HashMap<String, String>) -> Decided {
    let sorted: BTreeMap<_, _> = all.iter().collect();
    let mut settings = Vec::new();
    for (name, value) in sorted {
        if name.contains('/') || !name.contains('.') || name.starts_with('.') {
            return Err(format!(
                "`unified` names `{name}`, which is not a file of a cgroup"
            ));
        }
        settings.extend(value.lines().map(|line| Setting::new(name, line)));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(settings: &[Setting]) -> Vec<String> {
        settings
            .iter()
            .map(|setting| format!("{} {}", setting.file, setting.value))
            .collect()
    }

    #[test]
    fn processes_are_a_number_or_without_limit() {
        let set = |limit: i64| {
            let mut wanted = LinuxPids::default();
            wanted.set_limit(limit);
            lines(&pids(&wanted))
        };
        assert_eq!(set(7), ["pids.max 7"]);
        assert_eq!(set(-1), ["pids.max max"]);
        assert!(set(0).is_empty());
    }

    #[test]
    fn a_size_of_huge_pages_is_no_way_to_another_file() {
        let page = |size: &str| -> Vec<LinuxHugepageLimit> {
            serde_json::from_value(serde_json::json!([{ "pageSize": size, "limit": 4096 }]))
                .unwrap()
        };
        assert_eq!(
            lines(&pages(Version::Two, &page("2MB")).unwrap()),
            ["hugetlb.2MB.max 4096", "hugetlb.2MB.rsvd.max 4096"]
        );
        assert_eq!(
            lines(&pages(Version::One, &page("1GB")).unwrap())[0],
            "hugetlb.1GB.limit_in_bytes 4096"
        );
        for size in ["", "2MB/../..", "../../x", "2.MB"] {
            assert!(pages(Version::Two, &page(size)).is_err(), "{size}");
        }
    }

    #[test]
    fn a_rdma_device_has_what_is_named() {
        let all = serde_json::from_str(
            "{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":9},\"b\":{\"hcaObjects\":1},\"c\":{}}",
        )
        .unwrap();
        assert_eq!(
            lines(&rdma(&all).unwrap()),
            [
                "rdma.max b hca_object=1",
                "rdma.max mlx5_1 hca_handle=3 hca_object=9"
            ]
        );
    }

    #[test]
    fn a_file_by_its_name_lies_in_the_cgroup() {
        let set = |name: &str, value: &str| unified(&[(name.to_owned(), value.to_owned())].into());
        assert_eq!(
            lines(&set("io.max", "8:0 rbps=1\n8:16 wbps=2").unwrap()),
            ["io.max 8:0 rbps=1", "io.max 8:16 wbps=2"]
        );
        for name in ["../memory.max", "a/memory.max", "", ".", "..", "memory"] {
            assert!(set(name, "1").is_err(), "{name}");
        }
    }

    #[test]
    fn packets_have_a_class_and_priorities() {
        let network: LinuxNetwork = serde_json::from_str(
            "{\"classID\":1048577,\"priorities\":[{\"name\":\"lo\",\"priority\":5}]}",
        )
        .unwrap();
        assert_eq!(lines(&class(&network)), ["net_cls.classid 1048577"]);
        assert_eq!(lines(&priorities(&network)), ["net_prio.ifpriomap lo 5"]);
    }
}
