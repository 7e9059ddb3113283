//! In which order the pinning policies assign cores, depending on which cores share what.
//!
//! No state; a [`Topology`] is a plain value. Files are read at each call, by the thread that builds a pool,
//! never on a hot path. Guarded by the unit tests here, on trees of files that replace `/sys`, and by
//! `tests/it/behaviour/pinning.rs`.

mod description;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::sys::os::Os;
use crate::sys::os::system::{CpuPlace, System};
use description::{CpuGroup, Description};

/// The directory in which Linux describes its CPUs. It is missing on other systems.
const SYSTEM_CPUS: &str = "/sys/devices/system/cpu";

/// The allowed cores, with neighbours adjacent; see [`Topology::compact_order`].
pub fn compact_order(allowed: &[usize]) -> Vec<usize> {
    Topology::of_system().compact_order(allowed)
}

/// The allowed cores, with neighbours far apart; see [`Topology::spread_order`].
pub fn spread_order(allowed: &[usize]) -> Vec<usize> {
    Topology::of_system().spread_order(allowed)
}

/// The position of each of `cores`; `None` if the position of any of them is not known.
pub fn paths(cores: &[usize]) -> Option<Vec<Path5>> {
    Topology::of_system().paths(cores)
}

/// Package, memory node, die, L3 cache and physical core of a hardware thread. The longer the common prefix
/// of two paths, the nearer are the two threads.
pub type Path5 = [usize; 5];

/// The position of a hardware thread, from the outside in; positions are sorted in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CpuPosition {
    group: CpuGroup,
    /// The physical core, named by the lowest of its hardware threads.
    core: usize,
}

/// Which hardware threads share a core, a cache and a package. A value that cannot be read counts as 0
/// (package, die, cache) or as not shared (core). A CPU without a description is a core of its own, so if
/// nothing is known, both orders are ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    positions: BTreeMap<usize, CpuPosition>,
}

impl Topology {
    /// What the system tells about its CPUs: in files (Linux) or by calls (Windows).
    fn of_system() -> Self {
        let read = Self::read(Path::new(SYSTEM_CPUS));
        if read.positions.is_empty() { Self::of_places(Os::places()) } else { read }
    }

    fn of_places(places: BTreeMap<usize, CpuPlace>) -> Self {
        let position = |CpuPlace { package, node, die, cache, core }| CpuPosition {
            group: CpuGroup { package, node, die, cache },
            core,
        };
        Self { positions: places.into_iter().map(|(cpu, place)| (cpu, position(place))).collect() }
    }

    /// Reads the descriptions of the CPUs below `root`, which has the layout of Linux's
    /// `/sys/devices/system/cpu`.
    pub fn read(root: &Path) -> Self {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        let cpus = entries.filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix("cpu")?.parse().ok()?;
            Some((number, Description::read(&entry.path(), number)))
        });
        let described: BTreeMap<usize, Description> = cpus.collect();

        // Ascending, so the first CPU that enters its core's number is the lowest hardware thread of the
        // core.
        let mut lowest = BTreeMap::new();
        for (&cpu, description) in &described {
            if let Some(key) = description.numbered_core() {
                lowest.entry(key).or_insert(cpu);
            }
        }
        let position = |(cpu, description): (usize, Description)| {
            let numbered = description.numbered_core().and_then(|key| lowest.get(&key).copied());
            let core = description.siblings.or(numbered).unwrap_or(cpu);
            (cpu, CpuPosition { group: description.group(), core })
        };
        Self { positions: described.into_iter().map(position).collect() }
    }

    /// The allowed cores in an order for workers that share data: cores that share caches are adjacent.
    ///
    /// One package is filled after the other, in it one L3 cache after the other, and in it one physical core
    /// after the other. The hardware threads of a core are adjacent, so two workers are placed on two
    /// hyperthreads of one core, if it has two: nearest together, not fastest. The result contains each
    /// allowed core once.
    pub fn compact_order(&self, allowed: &[usize]) -> Vec<usize> {
        self.compact(allowed).into_iter().map(|(_, cpu)| cpu).collect()
    }

    /// The allowed cores in an order for workers that share little: each has as much of the machine for
    /// itself as possible.
    ///
    /// First one hardware thread of every physical core (the lowest allowed one), with the packages in turn,
    /// and within a package its L3 caches in turn. Then, in the same way, the second thread of every core,
    /// and so on. The result contains each allowed core once.
    pub fn spread_order(&self, allowed: &[usize]) -> Vec<usize> {
        let (mut next_thread, mut next_core, mut next_in_package) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut threads = Vec::new();
        for (position, cpu) in self.compact(allowed) {
            let round = count_up(&mut next_thread, position);
            let turn = count_up(&mut next_core, (round, position.group));
            threads.push((round, turn, position.group, cpu));
        }
        // Within a round and a package this is the order in which the L3 caches alternate.
        threads.sort_unstable();

        let mut order: Vec<_> = threads
            .into_iter()
            .map(|(round, _, group, cpu)| {
                let turn = count_up(&mut next_in_package, (round, group.package));
                (round, turn, group.package, cpu)
            })
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(.., cpu)| cpu).collect()
    }

    /// The position of each of `cores`; `None` if the position of any of them is not known.
    pub fn paths(&self, cores: &[usize]) -> Option<Vec<Path5>> {
        let path = |cpu| {
            let CpuPosition { group: CpuGroup { package, node, die, cache }, core } =
                self.positions.get(cpu)?;
            Some([*package, *node, *die, *cache, *core])
        };
        cores.iter().map(path).collect()
    }

    fn compact(&self, allowed: &[usize]) -> Vec<(CpuPosition, usize)> {
        let unknown = |cpu| CpuPosition { group: CpuGroup::default(), core: cpu };
        let mut order: Vec<_> = allowed
            .iter()
            .map(|&cpu| (self.positions.get(&cpu).copied().unwrap_or_else(|| unknown(cpu)), cpu))
            .collect();
        order.sort_unstable();
        order.dedup();
        order
    }
}

/// The next number of `key`, which counts up from 0.
fn count_up<K: Ord>(counters: &mut BTreeMap<K, usize>, key: K) -> usize {
    let next = counters.entry(key).or_insert(0);
    *next += 1;
    *next - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fixture::Tree;

    /// Writes the files that describe one CPU.
    fn describe(tree: &Tree, cpu: usize, package: &str, core: &str, siblings: &str, cache: &str) {
        let file =
            |name: &str, content: &str| tree.write(&format!("cpu{cpu}/{name}"), format!("{content}\n"));
        file("topology/physical_package_id", package);
        file("topology/core_id", core);
        file("topology/thread_siblings_list", siblings);
        file("cache/index3/shared_cpu_list", cache);
    }

    fn orders(tree: &Tree, allowed: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let topology = Topology::read(tree.root());
        (topology.compact_order(allowed), topology.spread_order(allowed))
    }

    fn all(count: usize) -> Vec<usize> {
        (0..count).collect()
    }

    /// Two packages with two cores each. Siblings are four apart and packages alternate, as many BIOSes
    /// number them.
    fn two_packages() -> Tree {
        let tree = Tree::new();
        for cpu in 0..8 {
            let (core, package) = (cpu % 4, cpu % 2);
            let siblings = format!("{core},{}", core + 4);
            let cache = format!("{package},{},{},{}", package + 2, package + 4, package + 6);
            describe(&tree, cpu, &package.to_string(), &(core / 2).to_string(), &siblings, &cache);
        }
        tree
    }

    #[test]
    fn paths_tell_which_cpus_share_what() {
        let tree = two_packages();
        (0..8).for_each(|cpu| tree.make_directory(&format!("cpu{cpu}/node{}", cpu % 2)));
        let topology = Topology::read(tree.root());
        assert_eq!(
            topology.paths(&[0, 4, 2, 1]),
            Some(vec![[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 2], [1, 1, 0, 1, 1]])
        );
        assert_eq!(topology.paths(&[0, 99]), None);
    }

    #[test]
    fn one_package_without_hyperthreads_ascends() {
        let tree = Tree::new();
        for cpu in 0..4 {
            describe(&tree, cpu, "0", &cpu.to_string(), &cpu.to_string(), "0-3");
        }
        assert_eq!(orders(&tree, &all(4)), (all(4), all(4)));
        assert_eq!(orders(&tree, &[3, 1, 3]), (vec![1, 3], vec![1, 3]), "sorted, each once");
        assert_eq!(orders(&tree, &[]), (vec![], vec![]));
    }

    #[test]
    fn one_package_with_siblings_far_apart() {
        let tree = Tree::new();
        for cpu in 0..8 {
            let core = cpu % 4;
            describe(&tree, cpu, "0", &core.to_string(), &format!("{core},{}", core + 4), "0-7");
        }
        assert_eq!(orders(&tree, &all(8)), (vec![0, 4, 1, 5, 2, 6, 3, 7], all(8)));
        // If the first thread of a core is not allowed, the second one takes its position.
        assert_eq!(orders(&tree, &[1, 4, 5]), (vec![4, 1, 5], vec![4, 1, 5]));
    }

    #[test]
    fn one_package_with_siblings_adjacent() {
        let tree = Tree::new();
        for cpu in 0..6 {
            let first = cpu / 2 * 2;
            // No core number: the list of siblings is enough.
            describe(&tree, cpu, "0", "", &format!("{first}-{}", first + 1), "0-5");
        }
        assert_eq!(orders(&tree, &all(6)), (all(6), vec![0, 2, 4, 1, 3, 5]));
    }

    #[test]
    fn dies_separate_cores_without_a_listed_cache() {
        let tree = Tree::new();
        for cpu in 0..4 {
            // Cores are numbered per die, and there is no list of siblings.
            describe(&tree, cpu, "0", &(cpu / 2).to_string(), "", "");
            tree.write(&format!("cpu{cpu}/topology/die_id"), (cpu % 2).to_string());
        }
        assert_eq!(orders(&tree, &all(4)), (vec![0, 2, 1, 3], all(4)));
    }

    #[test]
    fn two_packages_with_hyperthreads() {
        let tree = two_packages();
        assert_eq!(orders(&tree, &all(8)), (vec![0, 4, 2, 6, 1, 5, 3, 7], all(8)));
        assert_eq!(orders(&tree, &[0, 2, 3, 4, 6]), (vec![0, 4, 2, 6, 3], vec![0, 3, 2, 4, 6]));
    }

    #[test]
    fn packages_numbered_in_blocks_and_cores_numbered_per_package() {
        let tree = Tree::new();
        for cpu in 0..8 {
            let (core, package) = (cpu % 4, cpu % 4 / 2);
            let cache =
                format!("{}-{},{}-{}", package * 2, package * 2 + 1, package * 2 + 4, package * 2 + 5);
            // No list of siblings: the cores are identified by their numbers.
            describe(&tree, cpu, &package.to_string(), &(core % 2).to_string(), "", &cache);
        }
        assert_eq!(orders(&tree, &all(8)), (vec![0, 4, 1, 5, 2, 6, 3, 7], vec![0, 2, 1, 3, 4, 6, 5, 7]));
    }

    #[test]
    fn caches_within_a_package_alternate() {
        let tree = Tree::new();
        for (package, caches) in [("0", ["0-2", "3-4"]), ("1", ["5-6", "7"])] {
            for list in caches {
                let (first, last) = list.split_once('-').unwrap_or((list, list));
                for cpu in first.parse().unwrap()..=last.parse().unwrap() {
                    describe(&tree, cpu, package, &cpu.to_string(), &cpu.to_string(), list);
                }
            }
        }
        assert_eq!(orders(&tree, &all(8)), (all(8), vec![0, 5, 3, 7, 1, 6, 4, 2]));
    }

    #[test]
    fn places_that_a_call_tells_are_ordered_like_files() {
        // Two processor groups of Windows, each a package with two cores of two threads.
        let place = |cpu: usize| {
            let package = cpu / 64 * 64;
            (cpu, CpuPlace { package, node: package, die: package, cache: package, core: cpu / 2 * 2 })
        };
        let cpus = [0, 1, 2, 3, 64, 65, 66, 67];
        let topology = Topology::of_places(cpus.into_iter().map(place).collect());
        assert_eq!(topology.compact_order(&cpus), cpus);
        assert_eq!(topology.spread_order(&cpus), [0, 64, 2, 66, 1, 65, 3, 67]);
        assert_eq!(topology.paths(&[66]), Some(vec![[64, 64, 64, 64, 66]]));
    }

    #[test]
    fn without_any_files_both_ascend() {
        let tree = Tree::new();
        assert_eq!(orders(&tree, &[5, 2, 9]), (vec![2, 5, 9], vec![2, 5, 9]));
        assert_eq!(Topology::read(&tree.root().join("missing")), Topology::default());
        tree.write("cpu0", "a file, not a directory");
        for name in ["cpu1", "cpufreq", "cpu", "cpu-1", "cpu99999999999999999999999", "cpu2/topology"] {
            tree.make_directory(name);
        }
        assert_eq!(orders(&tree, &all(4)), (all(4), all(4)));
    }

    #[test]
    fn invalid_content_counts_as_unknown() {
        for invalid in ["", "-1", "x", "0-", "-", "3-1", "0,,1", "0-99999999999999999999999", "0-7:2/4", "\0"]
        {
            let tree = Tree::new();
            for cpu in 0..4 {
                describe(&tree, cpu, invalid, invalid, invalid, invalid);
            }
            assert_eq!(orders(&tree, &all(4)), (all(4), all(4)), "{invalid:?}");
        }
        let tree = Tree::new();
        tree.write("cpu0/topology/physical_package_id", [0xff, 0xfe]);
        assert_eq!(orders(&tree, &all(2)), (all(2), all(2)), "not UTF-8");
    }

    #[test]
    fn lists_that_contradict_each_other_lose_no_core() {
        let tree = Tree::new();
        describe(&tree, 0, "0", "0", "0-3", &format!("0-{}", usize::MAX));
        describe(&tree, 1, "1", "0", "0-1", "2-3");
        describe(&tree, 2, "0", "7", "5", "");
        describe(&tree, 3, "9", "x", "2-3", "3");
        let (mut compact, mut spread) = orders(&tree, &all(6));
        compact.sort_unstable();
        spread.sort_unstable();
        assert_eq!((compact, spread), (all(6), all(6)));
    }

    #[test]
    fn offline_cpus_neither_appear_nor_disturb() {
        let tree = two_packages();
        // An offline CPU keeps its directory but not its files, and it is removed from its sibling's list.
        tree.make_directory("cpu8");
        describe(&tree, 2, "0", "1", "2", "0,2,4");
        std::fs::remove_dir_all(tree.root().join("cpu6")).unwrap();
        tree.make_directory("cpu6");
        let allowed = [0, 1, 2, 3, 4, 5, 7];
        assert_eq!(orders(&tree, &allowed), (vec![0, 4, 2, 1, 5, 3, 7], vec![0, 1, 2, 3, 4, 5, 7]));
    }

    #[test]
    fn this_machine_gives_each_allowed_core_once() {
        let allowed = crate::sys::affinity::allowed_cores();
        for mut order in [compact_order(&allowed), spread_order(&allowed)] {
            order.sort_unstable();
            assert_eq!(order, allowed);
        }
    }
}
