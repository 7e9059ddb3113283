//! Where a task from outside goes: an idle worker, else the producer's home, else the least queued of a few.

use crate::base::rng::Rng;

/// How often, in pushes, a producer looks whether its home is overloaded. A look costs a cache miss on a line that
/// the worker writes; once in so many pushes that is lost in the noise.
pub const REVIEW_INTERVAL: u32 = 32;

/// Tasks in the home's inbox above which the producer considers moving. Below it moving gains nothing: the worker
/// takes that many in two batches.
pub const SPILL_DEPTH: usize = 64;

/// Workers looked at besides the home. Two random choices already bring the longest queue down from
/// `O(log n / log log n)` to `O(log log n)` (Mitzenmacher, "The power of two choices", 2001).
const CANDIDATES: usize = 2;

/// The home that a producer should have from now on. `depth(i)` is the number of tasks in the inbox of worker `i`.
pub fn review_home(home: usize, workers: usize, depth: impl Fn(usize) -> usize, rng: &Rng) -> usize {
    let here = depth(home);
    if here <= SPILL_DEPTH || workers < 2 {
        return home;
    }
    let candidates = (0..CANDIDATES).map(|_| rng.below(workers));
    let best = candidates.map(|worker| (depth(worker), worker)).min();
    match best {
        // Half as deep at least: a producer that moves for less would hop for ever between two equal workers.
        Some((there, worker)) if there * 2 <= here => worker,
        _ => home,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_with_room_is_kept() {
        let rng = Rng::new(1, 1);
        assert_eq!(review_home(3, 8, |_| SPILL_DEPTH, &rng), 3);
        assert_eq!(review_home(0, 1, |_| 1000, &rng), 0, "there is no other");
    }

    #[test]
    fn an_overloaded_home_is_left_for_a_clearly_emptier_worker() {
        let rng = Rng::new(1, 1);
        let depth = |worker| if worker == 0 { 200 } else { 10 };
        let moved = (0..100).filter(|_| review_home(0, 8, depth, &rng) != 0).count();
        assert!(moved > 90, "{moved} of 100 reviews moved");
        assert_eq!(review_home(0, 8, |_| 200, &rng), 0, "all are equally full");
        assert_eq!(review_home(0, 8, |w| if w == 0 { 200 } else { 150 }, &rng), 0, "not worth it");
    }
}
