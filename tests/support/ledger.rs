//! A ledger of tasks: each ran once, or was cancelled, or came back to its producer; and whatever went into closures
//! and results was dropped once.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use longshore::{JoinError, PoolStats};
use rand::RngExt;
use rand::rngs::SmallRng;

use super::{Census, Hits, Tracked, quiet_panic, rng};

thread_local! {
    /// Set while a producer calls a closure that was refused.
    static COMES_BACK: Cell<bool> = const { Cell::new(false) };
}

/// What became of the tasks. Clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Runs of each task.
    ran: Hits,
    /// How often each task came back.
    returned: Hits,
    /// The number of the next task.
    next: AtomicUsize,
    capacity: usize,
    /// Tasks that panicked.
    panics: AtomicU64,
    /// Captures and results.
    census: Census,
}

impl Ledger {
    /// For `capacity` tasks at most; those that tasks submit are among them.
    pub fn new(capacity: usize) -> Self {
        let (ran, returned) = (Hits::new(capacity), Hits::new(capacity));
        let (next, panics, census) = (AtomicUsize::new(0), AtomicU64::new(0), Census::default());
        Ledger { shared: Arc::new(Shared { ran, returned, next, capacity, panics, census }) }
    }

    /// A new task with `N` bytes of ballast, unless there have been enough. One in a hundred panics, one in four
    /// submits others.
    pub fn task<const N: usize>(
        &self,
        rng: &mut SmallRng,
    ) -> Option<impl FnOnce() -> Tracked + Send + use<N>> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (ledger, captured, seed, ballast) =
            (self.clone(), self.shared.census.citizen(), rng.random(), [7u8; N]);
        (id < self.shared.capacity).then_some(move || {
            captured.check();
            assert!(std::hint::black_box(&ballast).iter().all(|&byte| byte == 7));
            ledger.run(id, seed)
        })
    }

    fn run(&self, id: usize, seed: u64) -> Tracked {
        let shared = &self.shared;
        if COMES_BACK.get() {
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
                    take_back(refused.task);
                }
            }
            way => match longshore::submit(task) {
                Ok(handle) if way == 1 => check(handle.join()),
                Ok(handle) => drop(handle),
                Err(refused) => _ = take_back(refused.task),
            },
        }
    }

    /// Tasks made so far.
    pub fn tasks(&self) -> u64 {
        self.shared.next.load(Ordering::Relaxed).min(self.shared.capacity) as u64
    }

    /// The most tasks that there may be.
    pub fn capacity(&self) -> u64 {
        self.shared.capacity as u64
    }

    /// Balances the ledger with the numbers of a pool at rest.
    #[track_caller]
    pub fn balance(&self, stats: &PoolStats) {
        let Shared { ran, returned, panics, census, .. } = &*self.shared;
        ran.assert_at_most_once_each();
        returned.assert_at_most_once_each();
        for task in 0..self.tasks() as usize {
            assert!(ran.of(task) + returned.of(task) <= 1, "task {task} ran and came back");
        }
        let (ran, returned) = (ran.total() as u64, returned.total() as u64);
        let panicked = panics.load(Ordering::Relaxed);
        assert_eq!(
            stats.submitted,
            self.tasks() - returned,
            "what did not come back was accepted: {stats:?}"
        );
        assert_eq!(stats.panicked, panicked, "{stats:?}");
        assert_eq!(stats.completed, ran - panicked, "{stats:?}");
        let unstarted = stats.cancelled + stats.expired + stats.dropped;
        assert_eq!(unstarted, self.tasks() - returned - ran, "the others never ran: {stats:?}");
        census.assert_all_gone();
    }
}

/// The same task without its result.
pub fn silent(task: impl FnOnce() -> Tracked + Send + 'static) -> impl FnOnce() + Send + 'static {
    move || drop(task())
}

/// Calls a task that was refused: it notes that it came back.
pub fn take_back<T>(task: impl FnOnce() -> T) -> T {
    COMES_BACK.set(true);
    let result = task();
    COMES_BACK.set(false);
    result
}

/// A task of the ledger ends in one of three ways.
#[track_caller]
pub fn check(result: Result<Tracked, JoinError>) {
    match result {
        Ok(result) => result.check(),
        Err(JoinError::Panicked(payload)) => assert_eq!(payload.message(), Some("one in a hundred")),
        Err(JoinError::Cancelled) => {}
        Err(other) => panic!("{other}"),
    }
}
