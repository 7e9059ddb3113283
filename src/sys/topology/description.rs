//! The description of one CPU on Linux: the files below `/sys/devices/system/cpu/cpuN`.
//!
//! Pure functions and plain values, used by `sys/topology/mod.rs` only. Guarded by the unit tests here and
//! there.

use std::fs;
use std::path::Path;

/// The cores that share a last-level cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuGroup {
    /// The socket.
    pub package: usize,
    /// The memory node (NUMA).
    pub node: usize,
    /// The die in the package.
    pub die: usize,
    /// The L3 cache, named by the lowest hardware thread that shares it.
    pub cache: usize,
}

/// The content of the files of one CPU. A value is `None` if its file is missing (an offline CPU has none) or
/// invalid.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    package: Option<usize>,
    node: Option<usize>,
    die: Option<usize>,
    core: Option<usize>,
    /// The lowest hardware thread of its core.
    pub siblings: Option<usize>,
    /// The lowest hardware thread that shares its L3 cache.
    cache: Option<usize>,
}

impl Description {
    /// Reads the files below `/sys/devices/system/cpu/cpuN`.
    pub fn read(directory: &Path, cpu: usize) -> Self {
        let text = |file| fs::read_to_string(directory.join(file)).ok();
        // Some kernels write -1 for "unknown", which does not parse as an unsigned number.
        let number = |file| text(file)?.trim().parse().ok();
        let lowest = |file| lowest_with(&text(file)?, cpu);
        Self {
            package: number("topology/physical_package_id"),
            node: node_in(directory),
            die: number("topology/die_id"),
            core: number("topology/core_id"),
            siblings: lowest("topology/thread_siblings_list"),
            cache: lowest("cache/index3/shared_cpu_list"),
        }
    }

    /// Its package, memory node, die and cache, each 0 if not known.
    pub fn group(&self) -> CpuGroup {
        CpuGroup {
            package: self.package.unwrap_or(0),
            node: self.node.unwrap_or(0),
            die: self.die.unwrap_or(0),
            cache: self.cache.unwrap_or(0),
        }
    }

    /// The core, identified by its number. Numbers repeat in each package (or die), so without the package
    /// they identify nothing.
    pub fn numbered_core(&self) -> Option<(usize, usize, usize)> {
        Some((self.package?, self.die.unwrap_or(0), self.core?))
    }
}

/// The memory node of a CPU: a link in its directory has the name of the node.
fn node_in(directory: &Path) -> Option<usize> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()).min()
}

/// The lowest number of a CPU list such as "0-3,8,10-11", if the list is well formed and contains `cpu`.
/// Ranges are not expanded, because an invalid one may be longer than memory.
fn lowest_with(list: &str, cpu: usize) -> Option<usize> {
    let mut lowest = usize::MAX;
    let mut found = false;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last {
            return None;
        }
        lowest = lowest.min(first);
        found |= (first..=last).contains(&cpu);
    }
    found.then_some(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_parsed_without_expanding_them() {
        assert_eq!(lowest_with("0-3,8,10-11\n", 8), Some(0));
        assert_eq!(lowest_with("7,3", 7), Some(3));
        assert_eq!(lowest_with("0-3", 4), None, "does not mention the CPU itself");
        assert_eq!(lowest_with(&format!("1-{}", usize::MAX), 9), Some(1));
    }
}
