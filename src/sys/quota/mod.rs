//! The number of workers that this process can keep busy: its cores, or the CPU quota of its cgroup (on
//! Windows: of its job object) if that is less.
//!
//! `std::thread::available_parallelism` also knows quotas but rounds them down, so with a quota of 1.5 CPUs a
//! third of it would stay unused. Here a fraction counts as a whole CPU.
//!
//! No state; files are read at each call, by the thread that builds a pool, never on a hot path. Guarded by
//! the unit tests here, on trees of files that replace `/sys` and `/proc`.

mod mount;

use std::fs;
use std::path::Path;

use crate::sys::affinity::allowed_cores;
use crate::sys::os::Os;
use crate::sys::os::system::System;
use mount::{Mount, Version, parse_membership};

/// The smaller of the number of allowed cores and the CPU quota rounded up; at least 1.
pub fn default_parallelism() -> usize {
    // One of the two: only Linux has the files of cgroups, and it gives no other limit.
    capped(allowed_cores().len(), Os::cpu_limit().or_else(|| cpu_quota(Path::new("/"))))
}

fn capped(cores: usize, quota: Option<usize>) -> usize {
    quota.map_or(cores, |quota| quota.min(cores)).max(1)
}

/// The smallest CPU quota of all cgroups of this process, rounded up to whole CPUs. `None` if there is no
/// quota, or if there are no cgroups, because then none of the files exists.
///
/// Both versions of cgroups are examined, because the "cpu" controller may be in either one, and many
/// machines mount both. `root` is `/`, except in tests.
fn cpu_quota(root: &Path) -> Option<usize> {
    let memberships = read(&root.join("proc/self/cgroup"))?;
    let mounts = read(&root.join("proc/self/mountinfo"))?;
    let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
    let mut smallest = None;
    for (version, group) in memberships.lines().filter_map(parse_membership) {
        for mount in mounts.iter().filter(|mount| mount.version == version) {
            let directories = mount.directories(root, group);
            let limits = directories.iter().filter_map(|directory| version.limit(directory));
            smallest = limits.chain(smallest).min();
        }
    }
    smallest.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

impl Version {
    /// The quota of one cgroup, rounded up to whole CPUs. A file that is missing (the root cgroup has none,
    /// and the controller may be off) or has an invalid content counts as no quota.
    fn limit(self, directory: &Path) -> Option<u64> {
        match self {
            Self::V1 => {
                let quota = read(&directory.join("cpu.cfs_quota_us"))?;
                let period = read(&directory.join("cpu.cfs_period_us"))?;
                whole_cpus(quota.trim(), period.trim())
            }
            Self::V2 => {
                let line = read(&directory.join("cpu.max"))?;
                let (quota, period) = line.trim().split_once(' ')?;
                whole_cpus(quota, period)
            }
        }
    }
}

/// Quota and period, both in microseconds, as CPUs rounded up. "No limit" is "max" in version 2 and -1 in
/// version 1. Neither parses as an unsigned number, so they need no case of their own.
fn whole_cpus(quota: &str, period: &str) -> Option<u64> {
    let quota: u64 = quota.parse().ok()?;
    let period: u64 = period.parse().ok()?;
    (period > 0).then(|| quota.div_ceil(period))
}

/// The content of a file. A path in it that is not UTF-8 invalidates its own line only, because that path is
/// not found.
fn read(file: &Path) -> Option<String> {
    fs::read(file).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fixture::Tree;

    const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1_MOUNTS: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
        33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

    /// A tree with the two files of `/proc/self` and with `files` under the cgroup mount.
    fn tree(cgroup: &str, mountinfo: &str, files: &[(&str, &str)]) -> Tree {
        let tree = Tree::new();
        tree.write("proc/self/cgroup", cgroup);
        tree.write("proc/self/mountinfo", mountinfo);
        for (path, content) in files {
            tree.write(&format!("sys/fs/cgroup/{path}"), content);
        }
        tree
    }

    fn quota(cgroup: &str, mountinfo: &str, files: &[(&str, &str)]) -> Option<usize> {
        cpu_quota(tree(cgroup, mountinfo, files).root())
    }

    fn quota_v2(max: &str) -> Option<usize> {
        quota("0::/x\n", V2_MOUNT, &[("x/cpu.max", max)])
    }

    fn quota_v1(quota_us: &str, period_us: &str) -> Option<usize> {
        let files =
            [("cpu,cpuacct/x/cpu.cfs_quota_us", quota_us), ("cpu,cpuacct/x/cpu.cfs_period_us", period_us)];
        quota("5:cpuset:/y\n4:cpu,cpuacct:/x\n0::/\n", V1_MOUNTS, &files)
    }

    #[test]
    fn the_default_is_within_the_cores() {
        assert!((1..=allowed_cores().len()).contains(&default_parallelism()));
        assert_eq!(capped(4, None), 4);
        assert_eq!(capped(4, Some(2)), 2);
        assert_eq!(capped(4, Some(9)), 4);
        assert_eq!(capped(4, Some(0)), 1);
        assert_eq!(capped(0, None), 1);
    }

    #[test]
    fn version_2_rounds_up() {
        for (max, expected) in [
            ("max 100000\n", None),
            ("150000 100000\n", Some(2)),
            ("200000 100000\n", Some(2)),
            ("200001 100000\n", Some(3)),
            ("20000 100000\n", Some(1)),
            ("1000 1000000\n", Some(1)),
            ("150000 100000", Some(2)),
        ] {
            assert_eq!(quota_v2(max), expected, "{max:?}");
        }
    }

    #[test]
    fn invalid_content_of_version_2_is_no_quota() {
        for max in [
            "",
            "\n",
            "max",
            "150000",
            "150000 0\n",
            "-1 100000",
            "-150000 100000",
            "150000 -100000",
            "x y",
            "1.5 1",
            "150000 100000 7",
            "99999999999999999999999 100000",
            "150000 99999999999999999999999",
            "\0\0 \0",
        ] {
            assert_eq!(quota_v2(max), None, "{max:?}");
        }
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        let most = u64::MAX;
        let whole = |cpus: u64| Some(usize::try_from(cpus).unwrap_or(usize::MAX));
        assert_eq!(quota_v2(&format!("{most} 1\n")), whole(most));
        assert_eq!(quota_v2(&format!("{most} {most}\n")), Some(1));
        assert_eq!(quota_v2(&format!("1 {most}\n")), Some(1));
        assert_eq!(quota_v1(&format!("{most}\n"), "100000\n"), whole(most / 100_000 + 1));
    }

    #[test]
    fn version_2_takes_the_smallest_up_to_the_mount() {
        let group = "0::/a/b/c\n";
        let leaf = ("a/b/c/cpu.max", "300000 100000\n");
        assert_eq!(quota(group, V2_MOUNT, &[leaf]), Some(3));
        assert_eq!(quota(group, V2_MOUNT, &[leaf, ("a/cpu.max", "50000 100000\n")]), Some(1));
        assert_eq!(quota(group, V2_MOUNT, &[leaf, ("a/b/cpu.max", "800000 100000\n")]), Some(3));
        assert_eq!(quota(group, V2_MOUNT, &[leaf, ("cpu.max", "200000 100000\n")]), Some(2));
        assert_eq!(quota(group, V2_MOUNT, &[leaf, ("a/other/cpu.max", "100000 100000\n")]), Some(3));
    }

    #[test]
    fn version_1_rounds_up_and_ignores_no_limit() {
        assert_eq!(quota_v1("150000\n", "100000\n"), Some(2));
        assert_eq!(quota_v1("20000\n", "100000\n"), Some(1));
        assert_eq!(quota_v1("-1\n", "100000\n"), None);
        assert_eq!(quota_v1("-100000\n", "100000\n"), None);
        assert_eq!(quota_v1("150000\n", "0\n"), None);
        assert_eq!(quota_v1("garbage", "100000\n"), None);
        assert_eq!(quota_v1("150000\n", ""), None);
        let files = [("cpu,cpuacct/x/cpu.cfs_quota_us", "150000\n")];
        assert_eq!(quota("4:cpu,cpuacct:/x\n", V1_MOUNTS, &files), None, "no period");
    }

    #[test]
    fn version_1_walks_up_and_uses_the_cpu_hierarchy_only() {
        let period = "100000\n";
        let files = [
            ("cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n"),
            ("cpu,cpuacct/a/cpu.cfs_period_us", period),
            ("cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n"),
            ("cpu,cpuacct/a/b/cpu.cfs_period_us", period),
            ("cpuset/a/b/cpu.cfs_quota_us", "100000\n"),
            ("cpuset/a/b/cpu.cfs_period_us", period),
        ];
        assert_eq!(quota("7:cpuset:/a/b\n4:cpu,cpuacct:/a/b\n", V1_MOUNTS, &files), Some(2));
        assert_eq!(quota("7:cpuset:/a/b\n4:cpuacct:/a/b\n", V1_MOUNTS, &files), None);
    }

    #[test]
    fn both_versions_at_once_give_the_smaller() {
        let mounts = format!("{V1_MOUNTS}34 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let files = [
            ("cpu,cpuacct/x/cpu.cfs_quota_us", "300000\n"),
            ("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n"),
            ("unified/y/cpu.max", "200000 100000\n"),
            // Groups of other processes, which have the same name as this process's group in the other
            // hierarchy.
            ("cpu,cpuacct/y/cpu.cfs_quota_us", "100000\n"),
            ("cpu,cpuacct/y/cpu.cfs_period_us", "100000\n"),
            ("unified/x/cpu.max", "100000 100000\n"),
        ];
        assert_eq!(quota("4:cpu,cpuacct:/x\n0::/y\n", &mounts, &files), Some(2));
        assert_eq!(quota("4:cpu,cpuacct:/x\n0::/\n", &mounts, &files), Some(3));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        let mount = "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let files = [("cpu.max", "150000 100000\n"), ("x/cpu.max", "100000 100000\n")];
        assert_eq!(quota("0::/docker/abc\n", mount, &files), Some(2));
        assert_eq!(quota("0::/docker/abc/x\n", mount, &files), Some(1));
        assert_eq!(quota("0::/docker/abcdef\n", mount, &files), None, "whole components only");
        assert_eq!(quota("0::/docker\n", mount, &files), None, "the mount shows another part");
    }

    #[test]
    fn groups_outside_the_namespace_are_not_followed() {
        let files = [("x/cpu.max", "100000 100000\n"), ("cpu.max", "100000 100000\n")];
        assert_eq!(quota("0::/../x\n", V2_MOUNT, &files), None);
        let outer = "30 23 0:26 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(quota("0::/../x\n", outer, &files), Some(1));
    }

    #[test]
    fn paths_with_blanks_and_colons_are_found() {
        let mount = r"30 23 0:26 /my\040group /sys/fs/cgroup/a\040b rw - cgroup2 cgroup2 rw";
        // Windows allows no colon in the name of a file.
        let name = if cfg!(windows) { "c;d" } else { "c:d" };
        let files = [(&*format!("a b/{name}/cpu.max"), "150000 100000\n")];
        assert_eq!(quota(&format!("0::/my group/{name}\n"), mount, &files), Some(2));
    }

    #[test]
    fn missing_and_invalid_files_are_no_quota() {
        assert_eq!(cpu_quota(Tree::new().root()), None);
        assert_eq!(quota("0::/x\n", V2_MOUNT, &[]), None);
        assert_eq!(quota("", V2_MOUNT, &[("cpu.max", "100000 100000")]), None);
        for cgroup in ["0:", "0::", "::", "0::x", ":::::", "4:cpu", "\n\n", "0"] {
            assert_eq!(quota(cgroup, V2_MOUNT, &[("cpu.max", "100000 100000")]), None, "{cgroup:?}");
        }
        for mounts in ["", " - ", " - cgroup2", "1 2 3 / - cgroup2 x rw", "1 2 3 / / rw cgroup2 x rw", "-"] {
            assert_eq!(quota("0::/x\n", mounts, &[("x/cpu.max", "100000 100000")]), None, "{mounts:?}");
        }
        let tree = tree("0::/x\n", V2_MOUNT, &[]);
        tree.write("sys/fs/cgroup/x/cpu.max", [0xff, 0xfe, b' ', b'1']);
        assert_eq!(cpu_quota(tree.root()), None, "not UTF-8");
        tree.make_directory("sys/fs/cgroup/y/cpu.max");
        tree.write("proc/self/cgroup", "0::/y\n");
        assert_eq!(cpu_quota(tree.root()), None, "a directory");
    }
}
