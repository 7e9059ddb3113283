//! An audit of tasks: each ran once, or was cancelled, or was returned to its producer; and all captures and
//! results were dropped once.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use longshore::{JoinError, PoolStats};
use rand::RngExt;
use rand::rngs::SmallRng;

use super::{Census, Hits, Tracked, quiet_panic, rng};

thread_local! {
    /// Set while a producer calls a closure that was refused and returned.
    static IS_RETURNED: Cell<bool> = const { Cell::new(false) };
}

/// What became of the tasks. Clones share one audit.
#[derive(Debug, Clone)]
pub struct Audit {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How often each task ran.
    ran: Hits,
    /// How often each task was returned.
    returned: Hits,
    /// The number of the next task.
    next: AtomicUsize,
    capacity: usize,
    /// Tasks that panicked.
    panics: AtomicU64,
    /// Captures and results.
    census: Census,
}

impl Audit {
    /// For `capacity` tasks at most, including those that tasks submit.
    pub fn new(capacity: usize) -> Self {
        let (ran, returned) = (Hits::new(capacity), Hits::new(capacity));
        let (next, panics, census) = (AtomicUsize::new(0), AtomicU64::new(0), Census::default());
        Audit { shared: Arc::new(Shared { ran, returned, next, capacity, panics, census }) }
    }

    /// A new task with `N` bytes of ballast; `None` if there have been enough. One task in a hundred panics,
    /// one in four submits others.
    pub fn task<const N: usize>(
        &self,
        rng: &mut SmallRng,
    ) -> Option<impl FnOnce() -> Tracked + Send + use<N>> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (audit, captured, seed, ballast) =
            (self.clone(), self.shared.census.citizen(), rng.random(), [7u8; N]);
        (id < self.shared.capacity).then_some(move || {
            captured.check();
            assert!(std::hint::black_box(&ballast).iter().all(|&byte| byte == 7));
            audit.run(id, seed)
        })
    }

    fn run(&self, id: usize, seed: u64) -> Tracked {
        let shared = &self.shared;
        if IS_RETURNED.get() {
            shared.returned.hit(id);
            return shared.census.citizen();
        }
        shared.ran.hit(id);
        let mut rng = rng(seed, 0);
        if rng.random_ratio(1, 4) {
            (0..rng.random_range(1..=3)).for_each(|_| self.submit_another(&mut rng));
        }
        if rng.random_ratio(1, 100) {
            shared.panics.fetch_add(1, Ordering::Relaxed);
            quiet_panic("one in a hundred");
        }
        shared.census.citizen()
    }

    fn submit_another(&self, rng: &mut SmallRng) {
        let Some(task) = self.task::<20>(rng) else { return };
        match rng.random_range(0..4) {
            0 => {
                if let Err(refused) = longshore::execute(silent(task)) {
                    count_returned(refused.into_inner());
                }
            }
            way => match longshore::submit(task) {
                Ok(handle) if way == 1 => check(handle.join()),
                Ok(handle) => drop(handle),
                Err(refused) => _ = count_returned(refused.into_inner()),
            },
        }
    }

    /// Tasks made so far.
    pub fn tasks(&self) -> u64 {
        self.shared.next.load(Ordering::Relaxed).min(self.shared.capacity) as u64
    }

    /// The most tasks that are made.
    pub fn capacity(&self) -> u64 {
        self.shared.capacity as u64
    }

    /// Compares the audit with the statistics of a pool without work.
    #[track_caller]
    pub fn balance(&self, stats: &PoolStats) {
        let Shared { ran, returned, panics, census, .. } = &*self.shared;
        ran.assert_at_most_once_each();
        returned.assert_at_most_once_each();
        for task in 0..self.tasks() as usize {
            assert!(ran.of(task) + returned.of(task) <= 1, "task {task} ran and was returned");
        }
        let (ran, returned) = (ran.total() as u64, returned.total() as u64);
        let panicked = panics.load(Ordering::Relaxed);
        assert_eq!(
            stats.submitted,
            self.tasks() - returned,
            "all tasks that were not returned were accepted: {stats:?}"
        );
        assert_eq!(stats.panicked, panicked, "{stats:?}");
        assert_eq!(stats.completed, ran - panicked, "{stats:?}");
        let unstarted = stats.cancelled + stats.expired + stats.dropped;
        assert_eq!(unstarted, self.tasks() - returned - ran, "all other tasks never started: {stats:?}");
        census.assert_all_gone();
    }
}

/// The same task without its result.
pub fn silent(task: impl FnOnce() -> Tracked + Send + 'static) -> impl FnOnce() + Send + 'static {
    move || drop(task())
}

/// Calls a task that was refused, which counts it as returned.
pub fn count_returned<T>(task: impl FnOnce() -> T) -> T {
    IS_RETURNED.set(true);
    let result = task();
    IS_RETURNED.set(false);
    result
}

/// Checks that a task of the audit has ended in one of three ways.
#[track_caller]
pub fn check(result: Result<Tracked, JoinError>) {
    match result {
        Ok(result) => result.check(),
        Err(JoinError::Panicked(payload)) => assert_eq!(payload.message(), Some("one in a hundred")),
        Err(JoinError::Cancelled) => {}
        Err(other) => panic!("{other}"),
    }
}
