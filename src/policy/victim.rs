//! In which order a thief visits its peers: all peers alike, or peers with near caches first. Pure functions
//! and a plain value that all workers of a pool share. Guarded by the unit tests here.

use std::ops::Range;

use crate::base::rng::Rng;

/// All of `0..workers`, each once, from a random start. Because each search has a start of its own, thieves
/// do not visit the same victims in step, which would cost more with every worker.
pub fn rotation(workers: usize, rng: &Rng) -> impl Iterator<Item = usize> + use<> {
    let start = if workers > 2 { rng.below(workers) } else { 0 };
    (start..workers).chain(0..start)
}

/// The workers of a pool by nearness, if that is known.
///
/// The workers are sorted by position, so that workers which share something are adjacent. The neighbourhoods
/// of a worker are a series of ranges in that order, each inside the next.
#[derive(Debug, PartialEq, Eq)]
pub struct Neighbours {
    by_position: Box<[u32]>,
    /// For each worker: its own index in that order, then the ranges that share ever less, at last all
    /// workers.
    neighbourhoods: Box<[Box<[Range<usize>]>]>,
}

impl Neighbours {
    /// For workers at the given positions, each of which is a path from the outside in (package, node, die,
    /// cache, core). `None` if all workers are equally near.
    pub fn new<const N: usize>(paths: &[[usize; N]]) -> Option<Self> {
        let mut sorted: Vec<usize> = (0..paths.len()).collect();
        sorted.sort_by_key(|&worker| paths[worker]);
        let around = |index: usize| {
            let own = &paths[sorted[index]];
            let range = |shared: usize| {
                let from = sorted.partition_point(|&other| paths[other][..shared] < own[..shared]);
                let to = sorted.partition_point(|&other| paths[other][..shared] <= own[..shared]);
                from..to
            };
            let mut ranges: Vec<_> =
                std::iter::once(index..index + 1).chain((0..=N).rev().map(range)).collect();
            ranges.dedup();
            ranges.into_boxed_slice()
        };
        let mut neighbourhoods = vec![Box::<[Range<usize>]>::default(); paths.len()];
        sorted.iter().enumerate().for_each(|(index, &worker)| neighbourhoods[worker] = around(index));
        // The worker itself and all workers: no worker is nearer than another.
        if neighbourhoods.iter().all(|ranges| ranges.len() <= 2) {
            return None;
        }
        let by_position = sorted.iter().map(|&worker| worker as u32).collect();
        Some(Neighbours { by_position, neighbourhoods: neighbourhoods.into() })
    }

    /// All peers of a worker, each once: the peers that share most with it first, and peers that share the
    /// same from a random start.
    pub fn of(&self, worker: usize, rng: &Rng) -> impl Iterator<Item = usize> {
        let rings = self.neighbourhoods[worker].windows(2).flat_map(|pair| {
            let (inner, outer) = (pair[0].clone(), pair[1].clone());
            let before = inner.start - outer.start;
            let ring = move |i| if i < before { outer.start + i } else { inner.end + i - before };
            rotation(pair[1].len() - pair[0].len(), rng).map(ring)
        });
        rings.map(|index| self.by_position[index] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packages of two caches of two cores of two threads each; worker `w` on the thread of this number,
    /// bit by bit from the outside in.
    fn machine() -> Vec<[usize; 3]> {
        (0..16).map(|thread| [thread >> 3, thread >> 2, thread >> 1]).collect()
    }

    #[test]
    fn near_peers_come_first_and_each_worker_comes_once() {
        let rng = Rng::new(3, 0);
        let neighbours = Neighbours::new(&machine()).expect("not all are alike");
        let mut firsts = std::collections::HashSet::new();
        for _ in 0..100 {
            for worker in 0..16usize {
                let order: Vec<usize> = neighbours.of(worker, &rng).collect();
                let rings: Vec<Vec<usize>> =
                    [0..1, 1..3, 3..7, 7..15].map(|ring| order[ring].to_vec()).into();
                for (ring, shift) in rings.iter().zip([1, 2, 3, 4]) {
                    assert!(ring.iter().all(|&w| w >> shift == worker >> shift), "{worker}: {rings:?}");
                }
                let mut sorted = order.clone();
                sorted.push(worker);
                sorted.sort_unstable();
                assert_eq!(sorted, (0..16).collect::<Vec<_>>());
                firsts.insert((worker, order[7]));
            }
        }
        assert!(firsts.len() > 60, "every ring starts at random: {}", firsts.len());
    }

    #[test]
    fn several_workers_on_one_core_are_the_nearest() {
        let paths = [[0, 0], [0, 1], [1, 2], [0, 0]];
        let neighbours = Neighbours::new(&paths).expect("not all are alike");
        let order: Vec<usize> = neighbours.of(3, &Rng::new(0, 0)).collect();
        assert_eq!(order, [0, 1, 2]);
    }

    #[test]
    fn without_differences_there_is_no_order() {
        assert_eq!(Neighbours::new::<3>(&[]), None);
        assert_eq!(Neighbours::new(&[[0, 0]]), None);
        assert_eq!(Neighbours::new(&[[0, 0], [0, 1]]), None, "two are always equally near");
        assert_eq!(Neighbours::new(&[[0, 0], [0, 1], [0, 2]]), None);
        assert!(Neighbours::new(&[[0, 0], [0, 0], [0, 2]]).is_some());
    }

    #[test]
    fn each_worker_is_visited_once_and_starts_differ() {
        let rng = Rng::new(5, 0);
        let mut starts = std::collections::HashSet::new();
        for _ in 0..100 {
            let order: Vec<usize> = rotation(8, &rng).collect();
            starts.insert(order[0]);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7]);
        }
        assert!(starts.len() > 4, "{starts:?}");
        assert_eq!(rotation(0, &rng).count(), 0);
        assert_eq!(rotation(2, &rng).collect::<Vec<_>>(), [0, 1]);
    }
}
