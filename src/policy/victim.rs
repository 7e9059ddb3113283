//! In which order a thief visits its peers: all alike, or those first whose caches are near.
//!
//! Pure functions and a plain value, used by every worker of a pool.

use std::ops::Range;

use crate::base::rng::Rng;

/// All of `0..workers`, each once, from a random start. A start of its own for each sweep keeps thieves from marching
/// in step over the same victims, which costs more with every worker added.
pub fn rotation(workers: usize, rng: &Rng) -> impl Iterator<Item = usize> + use<> {
    let start = if workers > 2 { rng.below(workers) } else { 0 };
    (start..workers).chain(0..start)
}

/// The workers of a pool by nearness, where that is known.
///
/// They stand in a line, sorted by what they share, so that those who share something stand together; each worker's
/// surroundings are a series of stretches of the line, one inside of the next.
#[derive(Debug, PartialEq, Eq)]
pub struct Neighbours {
    line: Box<[u32]>,
    /// By the number of the worker: its own place, then what shares ever less, in the end everyone.
    stretches: Box<[Box<[Range<usize>]>]>,
}

impl Neighbours {
    /// For workers of which each sits where its path says, which goes from the outside in (package, node, die, cache, core).
    /// `None` if all are equally near.
    pub fn new<const N: usize>(paths: &[[usize; N]]) -> Option<Self> {
        let mut line: Vec<usize> = (0..paths.len()).collect();
        line.sort_by_key(|&worker| paths[worker]);
        let mut stretches = vec![Box::<[Range<usize>]>::default(); paths.len()];
        for (place, &worker) in line.iter().enumerate() {
            let own = place..place + 1;
            let mut around = Vec::from([own]);
            for shared in (0..=N).rev() {
                let key = &paths[worker][..shared];
                let from = line.partition_point(|&other| &paths[other][..shared] < key);
                let to = line.partition_point(|&other| &paths[other][..shared] <= key);
                if around.last() != Some(&(from..to)) {
                    around.push(from..to);
                }
            }
            stretches[worker] = around.into();
        }
        // Himself and all the others: there is no nearness to speak of.
        if stretches.iter().all(|around| around.len() <= 2) {
            return None;
        }
        let line = line.into_iter().map(|worker| worker as u32).collect();
        Some(Neighbours { line, stretches: stretches.into() })
    }

    /// All peers of a worker, each once: those who share most with it first, and those who share the same from a random
    /// start.
    pub fn of(&self, worker: usize, rng: &Rng) -> impl Iterator<Item = usize> {
        let rings = self.stretches[worker].windows(2).flat_map(|pair| {
            let (inner, outer) = (pair[0].clone(), pair[1].clone());
            let before = inner.start - outer.start;
            let ring = move |i| if i < before { outer.start + i } else { inner.end + i - before };
            rotation(pair[1].len() - pair[0].len(), rng).map(ring)
        });
        rings.map(|place| self.line[place] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packages of two caches of two cores of two threads each; worker `w` on the thread of this number, bit by bit
    /// from the outside in.
    fn machine() -> Vec<[usize; 3]> {
        (0..16).map(|thread| [thread >> 3, thread >> 2, thread >> 1]).collect()
    }

    #[test]
    fn the_near_ones_come_first_and_everyone_comes_once() {
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
        assert!(firsts.len() > 60, "every ring begins at random: {}", firsts.len());
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
    fn everyone_is_visited_once_and_starts_differ() {
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
