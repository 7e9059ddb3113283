//! How many workers an elastic pool should have: the settings that the user chooses, and the decision.
//!
//! The autoscaler (`runtime/autoscaler.rs`) owns a [`Scaler`] and passes it a [`LoadView`] of the pool. The
//! scaler remembers a few numbers between two calls; it reads no clock and uses no thread. Guarded by the
//! unit tests here, which simulate pools, and by `tests/elastic/following.rs`.

use std::time::Duration;

/// How an elastic pool follows its load; passed to [`PoolBuilder::scaling`](crate::PoolBuilder::scaling).
///
/// There are three modes. They differ in how certain the pool must be that it needs another worker:
///
/// | mode | grows | period | idle timeout |
/// |---|---|---|---|
/// | [`eager`] | at once, by a worker for every task that finds no idle worker | 1 ms | 60 s |
/// | [`balanced`] (default) | as rate and length of tasks require, ahead of a rising load | 5 ms | 10 s |
/// | [`lazy`] | by one, if tasks waited for four periods and do not get fewer | 20 ms | 1 s |
///
/// [`eager`]: Scaling::eager
/// [`balanced`]: Scaling::balanced
/// [`lazy`]: Scaling::lazy
///
/// Eager is for tasks that block or are long. With many tiny tasks it starts workers that find nothing to do.
/// Balanced measures how long tasks take. So tiny tasks do not make the pool grow as long as the workers keep
/// up with them; a producer that is faster than the workers for whole periods does. Lazy is for a pool that
/// shares its machine.
///
/// The load is not examined while the pool has nothing to do. Periods start when a task finds no idle worker.
///
/// ```
/// use std::time::Duration;
///
/// use longshore::{Pool, Release, Scaling};
///
/// let scaling = Scaling::eager().idle_timeout(Duration::from_secs(5)).spare_threads(2);
/// let scaling = scaling.release(Release::Together);
/// let pool = Pool::builder().workers(1..=8).scaling(scaling).build()?;
/// assert_eq!(pool.workers(), 1);
/// # Ok::<(), longshore::BuildError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    mode: ScalingMode,
    pub(crate) idle_timeout: Duration,
    period: Duration,
    spares: usize,
    release: Release,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScalingMode {
    Eager,
    Balanced,
    Lazy,
}

/// How workers leave an elastic pool that has too many of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Release {
    /// Each worker leaves when it has been idle for the idle timeout.
    #[default]
    EachByItself,
    /// The autoscaler examines all workers in every period. The workers that were not needed at any time
    /// during the idle timeout leave together. It continues until the pool has its minimum of workers, and
    /// then sleeps.
    Together,
}

/// The shortest period: more frequent looks at the load cost more than they gain.
const SHORTEST_PERIOD: Duration = Duration::from_micros(100);

impl Scaling {
    fn of(mode: ScalingMode, period: u64, idle_timeout: u64) -> Self {
        let (period, idle_timeout) = (Duration::from_millis(period), Duration::from_secs(idle_timeout));
        Scaling { mode, idle_timeout, period, spares: 0, release: Release::default() }
    }

    /// A worker for every task that finds no idle worker, kept for a minute.
    pub fn eager() -> Self {
        Self::of(ScalingMode::Eager, 1, 60)
    }

    /// As many workers as the measured load needs, kept for ten seconds. The default.
    pub fn balanced() -> Self {
        Self::of(ScalingMode::Balanced, 5, 10)
    }

    /// Another worker only if tasks keep waiting, kept for a second.
    pub fn lazy() -> Self {
        Self::of(ScalingMode::Lazy, 20, 1)
    }

    /// How long a worker above the minimum stays while it has nothing to do. With zero it leaves at once. The
    /// spare threads of former stand-ins ([`blocking`](crate::blocking)) stay as long.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// The time between two looks at the load, at least 100 us. A shorter period is raised to that.
    pub fn period(mut self, period: Duration) -> Self {
        self.period = period.max(SHORTEST_PERIOD);
        self
    }

    /// How many threads are kept ready for future workers. Growth by these needs a wake-up instead of the
    /// start of a thread. Until then they are not workers. The number of threads never exceeds the maximum
    /// number of workers.
    pub fn spare_threads(mut self, threads: usize) -> Self {
        self.spares = threads;
        self
    }

    /// How workers leave a pool that has too many of them.
    pub fn release(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    pub(crate) fn look_every(&self) -> Duration {
        self.period
    }

    pub(crate) fn spares(&self) -> usize {
        self.spares
    }

    pub(crate) fn releases(&self) -> Release {
        self.release
    }

    /// The time from a call of the autoscaler to its first look at the load.
    pub(crate) fn first_look(&self) -> Duration {
        match self.mode {
            ScalingMode::Eager => Duration::ZERO,
            ScalingMode::Balanced | ScalingMode::Lazy => self.period,
        }
    }
}

impl Default for Scaling {
    fn default() -> Self {
        Scaling::balanced()
    }
}

/// The load at one moment, and what has happened since the look before.
#[derive(Debug, Clone, Copy)]
pub struct LoadView {
    /// The number of workers that are not blocked.
    pub workers: usize,
    /// The minimum number of workers.
    pub floor: usize,
    /// The maximum number of workers.
    pub ceiling: usize,
    /// The number of workers that have nothing to do.
    pub idle: usize,
    /// The number of queued tasks; at least 1 if there is other work that a worker could take.
    pub waiting: u64,
    /// The number of tasks that have arrived since the look before.
    pub arrivals: u64,
    /// The number of tasks that have started since the look before.
    pub starts: u64,
    /// The time since the look before.
    pub elapsed: Duration,
}

/// What the pool should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Keep its workers.
    Stay,
    /// Add this many workers.
    Grow(usize),
    /// Remove this many workers.
    Shrink(usize),
}

/// Holt's double exponential smoothing: a level and its trend, from values at about equal intervals.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forecast {
    level: Option<f64>,
    trend: f64,
}

/// Weight of a new value against the level, and of a new slope against the trend. With one half the forecast
/// follows a load that has doubled after two or three values, but not a single outlier.
const LEVEL_WEIGHT: f64 = 0.5;
const TREND_WEIGHT: f64 = 0.5;

impl Forecast {
    /// Adds the next value.
    pub fn observe(&mut self, value: f64) {
        let Some(level) = self.level else {
            self.level = Some(value);
            return;
        };
        let next = LEVEL_WEIGHT * value + (1.0 - LEVEL_WEIGHT) * (level + self.trend);
        self.trend = TREND_WEIGHT * (next - level) + (1.0 - TREND_WEIGHT) * self.trend;
        self.level = Some(next);
    }

    /// The forecast for `steps` steps from now; never negative.
    pub fn ahead(&self, steps: f64) -> f64 {
        (self.level.unwrap_or(0.0) + steps * self.trend).max(0.0)
    }
}

/// How far the forecast looks ahead, in periods: about the time until a new worker has started.
const LOOKAHEAD: f64 = 2.0;

/// The number of periods in which a backlog should be done.
const DRAIN_LOOKS: f64 = 2.0;

/// Weight of a new measurement of the length of a task.
const TASK_TIME_WEIGHT: f64 = 0.3;

/// The number of consecutive looks at which tasks must wait before a lazy pool grows.
const LAZY_LOOKS: u32 = 4;

/// Decides the size of a pool; remembers the load between two decisions.
#[derive(Debug, Default)]
pub struct Scaler {
    /// Tasks that arrive per second.
    arrivals: Forecast,
    /// Worker seconds per task; `None` until it is known.
    task_time: Option<f64>,
    /// For how many seconds no task has started although tasks wait: all workers are in the middle of long
    /// tasks.
    stalled: f64,
    /// For how long the pool has been too large.
    too_large_for: Duration,
    /// By how many workers, at least, during that time.
    surplus: usize,
    /// The number of consecutive looks at which tasks waited and their number did not fall.
    waits: u32,
    /// The number of tasks that waited at the last look.
    waited: u64,
}

impl Scaler {
    /// Forgets the load after an idle phase, because it says nothing about the future. Keeps the length of
    /// tasks.
    pub fn begin_anew(&mut self) {
        *self = Scaler { task_time: self.task_time, ..Scaler::default() };
    }

    /// Decides what the pool should do now.
    pub fn decide(&mut self, scaling: &Scaling, view: &LoadView) -> Decision {
        self.learn(view);
        let needed = match scaling.mode {
            ScalingMode::Eager => self.needed_at_once(view),
            ScalingMode::Balanced => self.needed_by_sample(scaling, view),
            ScalingMode::Lazy => self.needed_at_last(view),
        };
        let needed = needed.clamp(view.floor, view.ceiling);
        if needed > view.workers {
            self.too_large_for = Duration::ZERO;
            return Decision::Grow(needed - view.workers);
        }
        match scaling.release {
            Release::EachByItself => Decision::Stay,
            Release::Together => self.release(scaling, view, needed),
        }
    }

    fn learn(&mut self, view: &LoadView) {
        let seconds = view.elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        self.arrivals.observe(view.arrivals as f64 / seconds);
        let busy = view.workers.saturating_sub(view.idle) as f64;
        self.stalled = if view.starts == 0 && view.waiting > 0 { self.stalled + seconds } else { 0.0 };
        let measured = match view.starts {
            // The running tasks take at least this long.
            0 if self.stalled > 0.0 => self.task_time.unwrap_or(0.0).max(self.stalled),
            0 => return,
            starts => busy * seconds / starts as f64,
        };
        let before = self.task_time.unwrap_or(measured);
        self.task_time = Some(TASK_TIME_WEIGHT * measured + (1.0 - TASK_TIME_WEIGHT) * before);
    }

    /// One worker for each busy one, and one for each waiting task.
    fn needed_at_once(&self, view: &LoadView) -> usize {
        let busy = view.workers.saturating_sub(view.idle);
        busy.saturating_add(usize::try_from(view.waiting).unwrap_or(usize::MAX))
    }

    /// By Little's law as many workers as tasks arrive during the length of one task, and what the backlog
    /// needs. While no task starts, the busy workers help with neither, so they are counted in addition.
    fn needed_by_sample(&self, scaling: &Scaling, view: &LoadView) -> usize {
        let Some(task_time) = self.task_time else {
            return view.workers.saturating_sub(view.idle); // no task has been measured yet
        };
        let load = self.arrivals.ahead(LOOKAHEAD) * task_time;
        let backlog = view.waiting as f64 * task_time / (DRAIN_LOOKS * scaling.period.as_secs_f64());
        let stuck = if self.stalled > 0.0 { view.workers.saturating_sub(view.idle) as f64 } else { 0.0 };
        // The conversion saturates.
        (load.max(stuck) + backlog).ceil() as usize
    }

    fn needed_at_last(&mut self, view: &LoadView) -> usize {
        let waits = view.waiting > 0 && view.idle == 0 && view.waiting >= self.waited;
        self.waits = if waits { self.waits + 1 } else { 0 };
        self.waited = view.waiting;
        if self.waits >= LAZY_LOOKS {
            self.waits = 0;
            return view.workers + 1;
        }
        view.workers.saturating_sub(view.idle)
    }

    fn release(&mut self, scaling: &Scaling, view: &LoadView, needed: usize) -> Decision {
        let surplus = view.idle.min(view.workers.saturating_sub(needed.max(view.floor)));
        if surplus == 0 {
            self.too_large_for = Duration::ZERO;
            return Decision::Stay;
        }
        let least = if self.too_large_for.is_zero() { surplus } else { self.surplus.min(surplus) };
        self.surplus = least;
        self.too_large_for = self.too_large_for.saturating_add(view.elapsed.max(Duration::from_nanos(1)));
        if self.too_large_for < scaling.idle_timeout {
            return Decision::Stay;
        }
        self.too_large_for = Duration::ZERO;
        Decision::Shrink(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> LoadView {
        LoadView {
            workers: 2,
            floor: 1,
            ceiling: 8,
            idle: 0,
            waiting: 0,
            arrivals: 0,
            starts: 0,
            elapsed: Duration::from_millis(5),
        }
    }

    #[test]
    fn an_eager_pool_has_a_worker_for_each_task() {
        let mut scaler = Scaler::default();
        let eager = Scaling::eager();
        assert_eq!(scaler.decide(&eager, &LoadView { waiting: 3, ..view() }), Decision::Grow(3));
        assert_eq!(scaler.decide(&eager, &LoadView { waiting: u64::MAX, ..view() }), Decision::Grow(6));
        assert_eq!(scaler.decide(&eager, &LoadView { waiting: 1, idle: 1, ..view() }), Decision::Stay);
        assert_eq!(scaler.decide(&eager, &LoadView { workers: 8, waiting: 100, ..view() }), Decision::Stay);
        let first = LoadView { waiting: 2, elapsed: Duration::ZERO, ..view() };
        assert_eq!(scaler.decide(&eager, &first), Decision::Grow(2), "without a look before");
    }

    #[test]
    fn a_flood_of_tiny_tasks_does_not_make_a_balanced_pool_grow() {
        let mut scaler = Scaler::default();
        // 10,000 tasks in 5 ms on one worker are 500 ns each.
        let flood = LoadView { workers: 1, waiting: 2_000, arrivals: 10_000, starts: 10_000, ..view() };
        for _ in 0..100 {
            let decision = scaler.decide(&Scaling::balanced(), &flood);
            assert!(matches!(decision, Decision::Stay | Decision::Grow(1)), "{decision:?}");
        }
    }

    #[test]
    fn a_burst_of_long_tasks_makes_a_balanced_pool_as_large_as_it_may_be() {
        let mut scaler = Scaler::default();
        let burst = LoadView { workers: 1, ceiling: 32, waiting: 999, arrivals: 1_000, starts: 1, ..view() };
        assert_eq!(scaler.decide(&Scaling::balanced(), &burst), Decision::Grow(31));
        let mut scaler = Scaler::default();
        let stuck = LoadView { starts: 0, ..burst };
        assert_eq!(scaler.decide(&Scaling::balanced(), &stuck), Decision::Grow(31));
    }

    #[test]
    fn a_balanced_pool_whose_workers_are_all_stuck_grows_until_nothing_waits() {
        let mut scaler = Scaler::default();
        for workers in 1..8 {
            let waiting = 8 - workers as u64;
            // Each look finds another worker stuck.
            let view = LoadView { workers, waiting, starts: u64::from(workers == 1), ..view() };
            let decision = scaler.decide(&Scaling::balanced(), &view);
            assert!(matches!(decision, Decision::Grow(1..)), "{decision:?} of {workers}");
        }
    }

    #[test]
    fn a_rising_load_is_met_before_it_is_there() {
        // Tasks of 1 ms. In each period five more arrive than in the one before, which is work for one more
        // worker, and no task waits.
        let mut scaler = Scaler::default();
        let at = |look: usize| {
            let (starts, workers) = (5 * look as u64, look);
            LoadView { workers, ceiling: 64, arrivals: starts, starts, ..view() }
        };
        let grown = (1..=10).map(|look| scaler.decide(&Scaling::balanced(), &at(look))).collect::<Vec<_>>();
        let ahead = grown[4..].iter().filter(|decision| matches!(decision, Decision::Grow(_))).count();
        assert_eq!(ahead, 6, "{grown:?}");
        // A steady load needs no further worker.
        let mut scaler = Scaler::default();
        let steady = LoadView { workers: 4, arrivals: 20, starts: 20, ..view() };
        assert!((0..50).all(|_| scaler.decide(&Scaling::balanced(), &steady) == Decision::Stay));
    }

    #[test]
    fn a_lazy_pool_grows_by_one_when_tasks_keep_waiting() {
        let mut scaler = Scaler::default();
        let lazy = Scaling::lazy();
        let waits = LoadView { waiting: 100, ..view() };
        let decisions: Vec<_> = (0..8).map(|_| scaler.decide(&lazy, &waits)).collect();
        assert_eq!(decisions.iter().filter(|&&d| d == Decision::Grow(1)).count(), 2, "{decisions:?}");
        let falls = (0..100).map(|look| LoadView { waiting: 1_000 - look, ..view() });
        let mut scaler = Scaler::default();
        scaler.decide(&lazy, &LoadView { waiting: 1_001, ..view() });
        assert!(
            falls.into_iter().all(|view| scaler.decide(&lazy, &view) == Decision::Stay),
            "the number of waiting tasks falls"
        );
    }

    #[test]
    fn workers_that_are_not_needed_for_long_leave_together() {
        let together = Scaling::balanced().release(Release::Together).idle_timeout(Duration::from_millis(50));
        let mut scaler = Scaler::default();
        let idle = LoadView { workers: 8, idle: 8, ..view() };
        let fewer = LoadView { idle: 5, starts: 1, ..idle };
        let looks: Vec<_> =
            (0..10).map(|look| scaler.decide(&together, if look == 4 { &fewer } else { &idle })).collect();
        assert!(looks[..9].iter().all(|&decision| decision == Decision::Stay), "{looks:?}");
        assert_eq!(looks[9], Decision::Shrink(5), "the workers that were never needed: {looks:?}");
        assert_eq!(scaler.decide(&together, &idle), Decision::Stay, "the idle timeout starts again");
        let busy = LoadView { workers: 8, ..view() };
        assert!((0..100).all(|_| scaler.decide(&Scaling::balanced(), &busy) == Decision::Stay));
    }

    #[test]
    fn it_never_leaves_its_range() {
        for scaling in [Scaling::eager(), Scaling::balanced(), Scaling::lazy()] {
            let scaling = scaling.release(Release::Together).idle_timeout(Duration::ZERO);
            let rng = crate::base::rng::Rng::new(11, 0);
            let mut scaler = Scaler::default();
            let mut workers = 2;
            for _ in 0..10_000 {
                let (floor, ceiling, idle) = (2, 9, rng.below(workers + 1));
                let (waiting, arrivals, starts) = (rng.below(50), rng.below(1_000), rng.below(1_000));
                let elapsed = Duration::from_micros(rng.below(10_000) as u64);
                let (waiting, arrivals, starts) = (waiting as u64, arrivals as u64, starts as u64);
                let view = LoadView { workers, floor, ceiling, idle, waiting, arrivals, starts, elapsed };
                match scaler.decide(&scaling, &view) {
                    Decision::Stay => {}
                    Decision::Grow(n) => workers += n,
                    Decision::Shrink(n) => workers -= n,
                }
                assert!((floor..=ceiling).contains(&workers), "{workers} after {view:?}");
            }
        }
    }

    /// Simulates a pool without threads, with a clock of its own and with tasks of one length, examined every
    /// period.
    fn simulate(scaling: &Scaling, arrivals: impl Fn(u64) -> u64, length: u64, looks: u64) -> Vec<usize> {
        let mut scaler = Scaler::default();
        let (mut workers, mut waiting) = (1usize, 0u64);
        let mut ends: Vec<u64> = Vec::new(); // of the running tasks, in microseconds
        let period = scaling.period.as_micros() as u64;
        let mut sizes = Vec::new();
        for look in 0..looks {
            let (mut arrived, mut starts) = (0, 0);
            for now in look * period..(look + 1) * period {
                ends.retain(|&end| end > now);
                let come = arrivals(now);
                arrived += come;
                waiting += come;
                while waiting > 0 && ends.len() < workers {
                    waiting -= 1;
                    starts += 1;
                    ends.push(now + length);
                }
            }
            let idle = workers.saturating_sub(ends.len());
            let elapsed = scaling.period;
            let view = LoadView {
                workers,
                floor: 1,
                ceiling: 32,
                idle,
                waiting,
                arrivals: arrived,
                starts,
                elapsed,
            };
            match scaler.decide(scaling, &view) {
                Decision::Stay => {}
                Decision::Grow(n) => workers += n,
                Decision::Shrink(n) => workers -= n,
            }
            sizes.push(workers);
        }
        sizes
    }

    #[test]
    fn a_simulated_pool_follows_its_load() {
        // A task of 1 ms every 250 us is work for four workers.
        let load = |now: u64| u64::from(now % 250 == 0 && now < 500_000);
        let balanced =
            Scaling::balanced().release(Release::Together).idle_timeout(Duration::from_millis(100));
        let sizes = simulate(&balanced, load, 1_000, 200);
        let at = |millis: usize| sizes[millis / 5];
        assert!((4..=8).contains(&at(400)), "under load: {sizes:?}");
        assert_eq!(at(995), 1, "idle again: {sizes:?}");

        // A burst of 320 tasks of 10 ms: all 32 workers, soon.
        let burst = |now: u64| if now == 0 { 320 } else { 0 };
        let sizes = simulate(&Scaling::balanced(), burst, 10_000, 10);
        assert_eq!(sizes[1], 32, "{sizes:?}");
        let sizes = simulate(&Scaling::eager(), burst, 10_000, 10);
        assert_eq!(sizes[0], 32, "{sizes:?}");
        let sizes = simulate(&Scaling::lazy(), burst, 10_000, 10);
        assert!(sizes.iter().all(|&size| size <= 3), "{sizes:?}");
    }
}
