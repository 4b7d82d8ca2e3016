//! Masked and read-only paths: the engine's, and at least ours.

/// Hidden from every box.
const MASKED: [&str; 29] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/cmdline",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/pagetypeinfo",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/fs/selinux",
    "/sys/kernel/btf",
    "/sys/kernel/debug",
    "/sys/kernel/notes",
    "/sys/kernel/security",
    "/sys/kernel/slab",
    "/sys/kernel/tracing",
    "/sys/kernel/vmcoreinfo",
];
/// Never writable. Beside the usual ones what a driver lets root do to a device that is not the box's (put a GPU to
/// sleep), and the triggers by which a program has the kernel watch the whole machine.
const READONLY: [&str; 7] = [
    "/proc/bus",
    "/proc/driver",
    "/proc/fs",
    "/proc/irq",
    "/proc/pressure",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The planned masked paths.
pub fn masked(given: Option<&[String]>) -> Vec<String> {
    union(given, &MASKED)
}

/// The planned read-only paths.
pub fn read_only(given: Option<&[String]>) -> Vec<String> {
    union(given, &READONLY)
}

/// The engine's in their order, then ours that it lacks.
fn union(given: Option<&[String]>, ours: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = given.unwrap_or_default().to_vec();
    for path in ours {
        if !all.iter().any(|known| known == path) {
            all.push((*path).to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_paths_stay_and_ours_are_added_once() {
        let given = ["/proc/keys".to_owned(), "/x".to_owned()];
        let all = masked(Some(&given));
        assert_eq!(all[..2], given);
        assert_eq!(all.iter().filter(|path| *path == "/proc/keys").count(), 1);
        assert!(all.contains(&"/proc/kallsyms".to_owned()));
        assert_eq!(read_only(None).len(), READONLY.len());
    }
}
