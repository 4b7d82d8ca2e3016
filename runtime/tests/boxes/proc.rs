//! `/proc`: a program may write its own processes' files, as CUDA and others do with their threads' names, and no other.

use crate::harness::{id, node};

/// Every file of `/proc` that is no process's and that can be opened for writing.
const FOREIGN: &str = "busybox find /proc -type f 2>/dev/null | \
    grep -v -E '^/proc/([0-9]+|self|thread-self)/' | \
    while read file; do ( : >>\"$file\" ) 2>/dev/null && echo \"$file\"; done; true";

/// Names a thread of the shell itself, by the path that threads' names have.
const NAME: &str = "echo worker > /proc/$$/task/$$/comm; read name < /proc/$$/comm; echo $name";

#[test]
fn of_proc_even_root_can_write_its_own_processes_files_only() {
    let Some(node) = node() else { return };
    for script in [FOREIGN, NAME] {
        node.config(script, |_| {});
        let said = node.run(&id());
        let wanted = if script == NAME { "worker\n" } else { "" };
        assert_eq!(said.out, wanted, "{}", said.err);
    }
}

#[test]
fn without_the_walls_root_could_write_others() {
    let Some(node) = node() else { return };
    let node = node.under("unconfined");
    node.config(FOREIGN, |_| {});
    let said = node.run(&id());
    assert!(said.out.contains("/proc/sys/"), "{}{}", said.out, said.err);
}
