//! Counters that show that every task ran once and every value was dropped once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One counter for each task.
#[derive(Debug, Clone)]
pub struct Hits {
    each: Arc<[AtomicUsize]>,
}

impl Hits {
    pub fn new(tasks: usize) -> Self {
        Hits { each: (0..tasks).map(|_| AtomicUsize::new(0)).collect() }
    }

    pub fn hit(&self, task: usize) {
        self.each[task].fetch_add(1, Ordering::Relaxed);
    }

    /// A task that counts one run of `task`.
    pub fn task(&self, task: usize) -> impl FnOnce() + Send + 'static + use<> {
        let hits = self.clone();
        move || hits.hit(task)
    }

    pub fn of(&self, task: usize) -> usize {
        self.each[task].load(Ordering::Relaxed)
    }

    pub fn total(&self) -> usize {
        self.each.iter().map(|hits| hits.load(Ordering::Relaxed)).sum()
    }

    /// Checks that every task ran exactly once.
    #[track_caller]
    pub fn assert_once_each(&self) {
        for (task, hits) in self.each.iter().enumerate() {
            let hits = hits.load(Ordering::Relaxed);
            assert_eq!(hits, 1, "task {task} of {} ran {hits} times", self.each.len());
        }
    }

    /// Checks that no task ran twice.
    #[track_caller]
    pub fn assert_at_most_once_each(&self) {
        for (task, hits) in self.each.iter().enumerate() {
            let hits = hits.load(Ordering::Relaxed);
            assert!(hits <= 1, "task {task} of {} ran {hits} times", self.each.len());
        }
    }
}

/// Counts how many values were made and dropped, in closures and results.
#[derive(Debug, Clone, Default)]
pub struct Census {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    born: AtomicU64,
    died: AtomicU64,
    died_twice: AtomicU64,
}

const ALIVE: u64 = 0xA11F_EA11_FEA1_1FEA;

/// A value that a [`Census`] counts. It is not `Clone`, so it can only be moved.
#[derive(Debug)]
pub struct Tracked {
    census: Census,
    /// [`ALIVE`] until the value is dropped. A second drop may find any number here, but rarely that one.
    pulse: u64,
}

impl Census {
    pub fn citizen(&self) -> Tracked {
        self.counts.born.fetch_add(1, Ordering::Relaxed);
        Tracked { census: self.clone(), pulse: ALIVE }
    }

    pub fn born(&self) -> u64 {
        self.counts.born.load(Ordering::Relaxed)
    }

    pub fn alive(&self) -> i64 {
        self.born() as i64 - self.counts.died.load(Ordering::Relaxed) as i64
    }

    /// Checks that every value that was made was dropped once.
    #[track_caller]
    pub fn assert_all_gone(&self) {
        let twice = self.counts.died_twice.load(Ordering::Relaxed);
        assert_eq!((self.alive(), twice), (0, 0), "(alive, died twice) of {}", self.born());
    }
}

impl Tracked {
    /// Fails if this value has been dropped, or was never made.
    pub fn check(&self) {
        assert_eq!(self.pulse, ALIVE, "used after its drop");
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let counts = &self.census.counts;
        if self.pulse == ALIVE {
            counts.died.fetch_add(1, Ordering::Relaxed);
        } else {
            counts.died_twice.fetch_add(1, Ordering::Relaxed);
        }
        self.pulse = 0;
    }
}
