//! The worker for a task from outside: by default an idle worker, else the producer's home, else the least
//! loaded of a few workers. Also the other placements that a user can choose, and the worker of a key.
//!
//! Pure functions and plain values, called by the submitting thread (`push/dispatcher.rs`). Guarded by the
//! unit tests here, by `tests/it/behaviour/placement.rs` and, for keys, by `tests/it/behaviour/affinity.rs`.

use std::fmt;
use std::sync::Arc;

use crate::base::debug::impl_debug;
use crate::base::rng::{Draws, Rng, mix};

/// A producer checks after this many pushes whether its home is overloaded. The check costs a cache miss on a
/// line that the worker writes; at this interval the cost disappears in the noise.
pub const REVIEW_INTERVAL: u32 = 32;

/// Tasks in the home's inbox above which the producer considers another home. Below it a move gains nothing,
/// because the worker takes that many tasks in two batches.
pub const REVIEW_DEPTH: usize = 64;

/// Workers examined besides the home. Two random choices already bring the longest queue down from
/// `O(log n / log log n)` to `O(log log n)` (Mitzenmacher, "The power of two choices", 2001).
const CANDIDATES: usize = 2;

/// The home that a producer should have from now on. `depth(w)` is the number of tasks in the inbox of worker
/// `w`.
pub fn review_home(home: usize, workers: usize, depth: impl Fn(usize) -> usize, rng: &Rng) -> usize {
    let here = depth(home);
    if here <= REVIEW_DEPTH || workers < 2 {
        return home;
    }
    let candidates = (0..CANDIDATES).map(|_| rng.below(workers));
    let best = candidates.map(|worker| (depth(worker), worker)).min();
    match best {
        // At most half as deep. A producer that moves for less would move forever between two equal workers.
        Some((there, worker)) if there * 2 <= here => worker,
        _ => home,
    }
}

/// Tasks in the mailbox of a key's worker above which the key's tasks are sent to the second choice, if that
/// worker has at most half as many. The move costs the new worker a cold cache, which a few hundred tasks are
/// worth.
const CROWDED: usize = 256;

/// How many numbers are drawn for a key before all members are examined. In a pool with half of its workers,
/// all but one of four billion keys have found a worker by then.
const PROBES: u64 = 32;

/// The worker for tasks with `key`: one of `members`, whose numbers are below `numbers`. `load(w)` is the
/// number of such tasks that wait for worker `w`.
///
/// The key draws numbers until one belongs to a member. So if a worker leaves, only its own keys move. If a
/// worker joins, it gets its share of the keys, and no other keys move. If all workers are members, one draw
/// is enough; no list is searched.
pub fn worker_for(key: u64, numbers: usize, members: &[usize], load: impl Fn(usize) -> usize) -> usize {
    let drawn = |probe| ((u128::from(score(key, probe)) * numbers as u128) >> 64) as usize;
    let is_member = |worker: &usize| members.contains(worker);
    // Few of many numbers are members: the highest score wins ("rendezvous hashing", Thaler and Ravishankar,
    // 1998), which is equally stable.
    let winner = || members.iter().copied().max_by_key(|&worker| score(key, PROBES + worker as u64));
    let mut choices = (0..PROBES).map(drawn).filter(is_member).chain(std::iter::once_with(winner).flatten());
    let first = choices.next().unwrap_or(0);
    let here = load(first);
    if here <= CROWDED {
        return first;
    }
    match choices.find(|&worker| worker != first) {
        Some(second) if load(second) * 2 <= here => second,
        _ => first,
    }
}

fn score(key: u64, number: u64) -> u64 {
    mix(mix(key).wrapping_add(number))
}

/// Which worker gets a task from outside that names no worker and no key.
///
/// Any idle worker takes the task from there, so placement affects caches and the time until the task starts,
/// but not whether it runs. Tasks that a task submits stay on its worker. A [`PullPool`](crate::PullPool) has
/// one queue and nothing to choose.
///
/// ```
/// use longshore::{Placement, Pool};
///
/// let pool = Pool::builder().workers(2).placement(Placement::LeastOfTwo).build()?;
/// assert_eq!(pool.submit(|| 6 * 7)?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Placement {
    /// An idle worker, if there is one; else the home of the submitting thread, as long as its inbox is not
    /// full. Costs almost nothing, and a producer's tasks stay in the cache of one core.
    #[default]
    Home,
    /// All workers in turn, for each submitting thread.
    RoundRobin,
    /// Of two workers drawn at random, the one with fewer tasks in its queues. Costs two cache misses per
    /// task; for few, long tasks.
    LeastOfTwo,
    /// The worker that this rule chooses.
    Custom(Arc<dyn PlacementRule>),
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Placement::Home => "Home",
            Placement::RoundRobin => "RoundRobin",
            Placement::LeastOfTwo => "LeastOfTwo",
            Placement::Custom(_) => "Custom(..)",
        })
    }
}

/// A rule that chooses the worker for a task, for [`Placement::Custom`]. Any closure of this form implements
/// it.
///
/// ```
/// use std::sync::Arc;
///
/// use longshore::{Placement, PlacementView, Pool};
///
/// // The first parked worker, else any.
/// let rule = |pool: &PlacementView<'_>| {
///     (0..pool.workers()).find(|&i| pool.is_parked(i)).unwrap_or_else(|| pool.draw(pool.workers()))
/// };
/// let pool = Pool::builder().workers(2).placement(Placement::Custom(Arc::new(rule))).build()?;
/// assert_eq!(pool.submit(|| 6 * 7)?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait PlacementRule: Send + Sync + 'static {
    /// The position, from 0 to [`PlacementView::workers`] exclusive, of the worker for the next task. The
    /// submitting thread calls this once per task (or part of a batch), so it should be quick. It must not
    /// submit to this pool.
    ///
    /// A result out of range means "no preference": the next worker in turn gets the task. The same
    /// happens if this panics; the panic is swallowed and counted in
    /// [`PoolStats::hook_panics`](crate::PoolStats::hook_panics).
    fn place(&self, pool: &PlacementView<'_>) -> usize;
}

impl<F: Fn(&PlacementView<'_>) -> usize + Send + Sync + 'static> PlacementRule for F {
    fn place(&self, pool: &PlacementView<'_>) -> usize {
        self(pool)
    }
}

/// The view of a pool for a [`PlacementRule`]. Workers are named by their position, which equals their number
/// if the pool has all of its workers. All values may be out of date by the time the rule returns.
pub struct PlacementView<'a> {
    pub(crate) members: &'a [usize],
    pub(crate) depth: &'a dyn Fn(usize) -> usize,
    pub(crate) is_parked: &'a dyn Fn(usize) -> bool,
    pub(crate) draws: &'a Draws,
}

impl PlacementView<'_> {
    /// The number of workers, at least 1.
    pub fn workers(&self) -> usize {
        self.members.len()
    }

    /// The number of the worker at `position`; `None` if the position is out of range.
    pub fn number(&self, position: usize) -> Option<usize> {
        self.members.get(position).copied()
    }

    /// The number of tasks in the queues of the worker at `position`; 0 if the position is out of range.
    pub fn depth(&self, position: usize) -> usize {
        self.number(position).map_or(0, |worker| (self.depth)(worker))
    }

    /// Whether the worker at `position` is parked because it found no work. Takes a lock that all workers
    /// share, if any worker is parked.
    pub fn is_parked(&self, position: usize) -> bool {
        self.number(position).is_some_and(|worker| (self.is_parked)(worker))
    }

    /// A random number below `bound`, from the generator that the pool's [seed](crate::PoolBuilder::seed)
    /// sets; 0 if `bound` is 0.
    pub fn draw(&self, bound: usize) -> usize {
        self.draws.below(bound)
    }
}

impl_debug! { PlacementView<'a> { workers } }

/// The position that [`Placement::LeastOfTwo`] chooses.
pub fn least_of_two(pool: &PlacementView<'_>) -> usize {
    let (one, other) = (pool.draw(pool.workers()), pool.draw(pool.workers()));
    if pool.depth(other) < pool.depth(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_is_not_overloaded_stays() {
        let rng = Rng::new(1, 1);
        assert_eq!(review_home(3, 8, |_| REVIEW_DEPTH, &rng), 3);
        assert_eq!(review_home(0, 1, |_| 1000, &rng), 0, "the only worker");
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

    #[test]
    fn only_the_keys_of_a_worker_that_leaves_move() {
        let workers = |members: &[usize]| -> Vec<usize> {
            (0..10_000).map(|key| worker_for(key, 16, members, |_| 0)).collect()
        };
        let all: Vec<usize> = (0..16).collect();
        let before = workers(&all);
        for worker in &all {
            let share = before.iter().filter(|w| *w == worker).count();
            assert!((500..750).contains(&share), "{share} of 10,000 keys are worker {worker}'s");
        }
        for gone in 1..16 {
            let left: Vec<usize> = (0..16).filter(|w| *w != gone).collect();
            for (was, is) in before.iter().zip(workers(&left)) {
                assert!(if *was == gone { left.contains(&is) } else { *was == is });
            }
        }
    }

    #[test]
    fn few_workers_of_many_share_the_keys_too() {
        let members = [7, 4_000];
        let first = (0..1_000).filter(|&key| worker_for(key, 4_096, &members, |_| 0) == 7).count();
        assert!((400..600).contains(&first), "{first}");
        assert_eq!(worker_for(5, 4_096, &[9], |_| usize::MAX), 9, "the only one, however crowded");
    }

    #[test]
    fn a_crowded_worker_gives_its_keys_to_the_second_choice() {
        let members: Vec<usize> = (0..4).collect();
        let home = worker_for(1, 4, &members, |_| 0);
        let crowded = |worker| if worker == home { CROWDED + 1 } else { 0 };
        let second = worker_for(1, 4, &members, crowded);
        assert_ne!(second, home);
        assert_eq!(worker_for(1, 4, &members, crowded), second, "always the same");
        assert_eq!(worker_for(1, 4, &members, |_| CROWDED + 1), home, "all are");
    }

    #[test]
    fn the_lesser_of_two_is_chosen() {
        let draws = Draws::new();
        let view = PlacementView {
            members: &[3, 5],
            depth: &|worker| if worker == 3 { 10 } else { 1 },
            is_parked: &|worker| worker == 5,
            draws: &draws,
        };
        let deep = (0..1_000).filter(|_| least_of_two(&view) == 0).count();
        assert!((150..350).contains(&deep), "both draws must be the deep one: {deep}");
        assert!(view.is_parked(1) && !view.is_parked(0) && !view.is_parked(2));
        assert_eq!((view.number(1), view.number(2), view.depth(9)), (Some(5), None, 0));
    }
}
