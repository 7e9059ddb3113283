//! What a pool is made of: [`PoolBuilder`] collects it, checks it, and hands a `Config` to the runtime. Everything
//! is validated before any thread starts.

use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::time::Duration;
use std::{env, fmt};

use crate::api::pool::Pool;
use crate::api::workers::Workers;
use crate::base::error::{BuildError, PanicPayload};
use crate::policy::overflow::{OnFull, Overweight};
use crate::policy::placement::Placement;
use crate::policy::scaling::Scaling;
use crate::policy::spin;
use crate::runtime::config::{Config, Histograms, Hooks};
use crate::runtime::report::AtEnd;
use crate::submit::target::Start;
use crate::sys::{affinity, quota, topology};
use crate::task::cancel::CancelToken;
use crate::workers::roster::WorkerLimits;

/// The largest number of workers. Some 16,000 threads use up what Linux allows a process in memory mappings, and
/// beyond that the standard library crashes instead of failing; this stays well below.
pub const MAX_WORKERS: usize = 4096;

/// The largest stack that may be asked for, in bytes (1 GiB).
pub const MAX_STACK_SIZE: usize = 1 << 30;

/// The largest number of tasks that a bounded pool can be asked to let wait: half of what an `isize` holds, so that counts of
/// permits and overdrafts never overflow. (No memory is set aside for a capacity.)
pub const MAX_CAPACITY: usize = isize::MAX as usize / 2;

/// The smallest stack that a worker gets, in bytes (64 KiB); less is raised to this.
pub const MIN_STACK_SIZE: usize = 64 << 10;

/// The stack of a worker by default, in bytes (2 MiB, as for threads of the standard library).
pub const DEFAULT_STACK_SIZE: usize = 2 << 20;

/// How many workers may stand in for [blocked](crate::blocking) ones by default. Each is a thread; together with the workers
/// of any ordinary pool that stays far below what an operating system bears.
pub const DEFAULT_BLOCKING_LIMIT: usize = 64;

/// Overrides the default number of workers.
const THREADS_VARIABLE: &str = "LONGSHORE_THREADS";

/// How workers are bound to cores.
///
/// Binding keeps a worker's data in the caches of one core. It pays where tasks return to the same data and the
/// machine is the program's own; it costs where other programs want the same cores. With more workers than cores the
/// list of cores starts again from its beginning.
///
/// Only cores that the process may run on are used. A core that the operating system refuses all the same is reported
/// by [`WorkerStats::pin`](crate::WorkerStats::pin) and leaves the worker unpinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pinning {
    /// The operating system decides.
    #[default]
    None,
    /// Neighbours first: hyperthreads of a core, then cores that share a cache, then the rest. For workers that share
    /// data.
    Compact,
    /// One hardware thread of each core first, far apart; hyperthread siblings last. For workers that need a cache
    /// and memory bandwidth of their own.
    Spread,
    /// Worker `i` on the `i`-th of these cores (numbers as the operating system gives them).
    Cores(Vec<usize>),
}

/// Configures a pool: a [`Pool`] if made by [`Pool::builder`], a [`PullPool`](crate::PullPool) if made by
/// [`PullPool::builder`](crate::PullPool::builder). The words are the same.
///
/// ```
/// use longshore::{Pinning, Pool};
///
/// let pool = Pool::builder().workers(4).thread_name("resize").pinning(Pinning::Compact).build()?;
/// assert_eq!(pool.workers(), 4);
/// # Ok::<(), longshore::BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder<P = Pool> {
    workers: Option<Workers>,
    scaling: Scaling,
    blocking_limit: usize,
    name: Option<String>,
    stack_size: Option<usize>,
    pinning: Pinning,
    hooks: Hooks,
    placement: Placement,
    histograms: Histograms,
    seed: Option<u64>,
    spin: Option<Duration>,
    capacity: Option<usize>,
    on_full: OnFull,
    budget: Option<u64>,
    overweight: Overweight,
    token: Option<CancelToken>,
    pool: PhantomData<fn() -> P>,
}

// Not for every kind of pool: so the compiler knows which one `PoolBuilder::default()` means.
impl Default for PoolBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> PoolBuilder<P> {
    pub(crate) fn new() -> Self {
        PoolBuilder {
            workers: None,
            scaling: Scaling::default(),
            blocking_limit: DEFAULT_BLOCKING_LIMIT,
            name: None,
            stack_size: None,
            pinning: Pinning::None,
            hooks: Hooks::default(),
            placement: Placement::Home,
            histograms: Histograms::Off,
            seed: None,
            spin: None,
            capacity: None,
            on_full: OnFull::default(),
            budget: None,
            overweight: Overweight::default(),
            token: None,
            pool: PhantomData,
        }
    }

    /// The number of workers, from 1 to [`MAX_WORKERS`]; or a range of it, `2..=16`: then the pool begins with the least,
    /// which are there when it is built, and grows and shrinks with its load ([`PoolBuilder::scaling`]). The number can be
    /// changed while the pool works, up to the most that is given here ([`Pool::set_workers`]).
    ///
    /// Without this call it is the environment variable `LONGSHORE_THREADS`, if set; else the number of cores that
    /// the process may use: its affinity mask or its CPU quota (Linux control groups) rounded up, whichever is
    /// smaller.
    pub fn workers(mut self, workers: impl Into<Workers>) -> Self {
        self.workers = Some(workers.into());
        self
    }

    /// How a pool whose number of workers is a range follows its load. The default is [`Scaling::balanced`].
    pub fn scaling(mut self, scaling: Scaling) -> Self {
        self.scaling = scaling;
        self
    }

    /// How many workers may stand in for [blocked](crate::blocking) ones at a time, beyond the most workers that the pool
    /// may have; up to [`MAX_WORKERS`]. The default is [`DEFAULT_BLOCKING_LIMIT`]; with 0 nobody stands in.
    pub fn blocking_limit(mut self, stand_ins: usize) -> Self {
        self.blocking_limit = stand_ins;
        self
    }

    /// The beginning of the threads' names: worker 3 of `"resize"` is called `resize-3`. Cut so that name and number
    /// have 15 bytes, which is what Linux shows. The default, also for an empty string, is `longshore`.
    pub fn thread_name(mut self, prefix: impl Into<String>) -> Self {
        self.name = Some(prefix.into());
        self
    }

    /// The stack of each worker in bytes. 0 stands for the default of [`DEFAULT_STACK_SIZE`]; anything else below
    /// [`MIN_STACK_SIZE`] is raised to it, anything above [`MAX_STACK_SIZE`] is an error.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Whether and how workers are bound to cores. The default is [`Pinning::None`].
    pub fn pinning(mut self, pinning: Pinning) -> Self {
        self.pinning = pinning;
        self
    }

    /// Where tasks from outside go that name no worker. The default is [`Placement::Home`].
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// Whether the pool measures how long its tasks wait and run. The default is [`Histograms::Off`].
    pub fn histograms(mut self, histograms: Histograms) -> Self {
        self.histograms = histograms;
        self
    }

    /// Called on each worker's thread with the worker's number before its first task. [`PoolBuilder::build`] waits for
    /// it, and a panic in it makes that call fail.
    pub fn on_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.hooks.start = Some(Box::new(hook));
        self
    }

    /// Called on each worker's thread with the worker's number after its last task. A panic in it is swallowed and
    /// counted in [`PoolStats::hook_panics`](crate::PoolStats::hook_panics).
    pub fn on_exit(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.hooks.exit = Some(Box::new(hook));
        self
    }

    /// Called with the payload when a task panics and nobody holds a handle for it, and when the captures of a task
    /// that a shutdown throws away panic in their `Drop`. Without it such a payload is dropped; the standard library's panic hook
    /// has printed its message by then. A panic in the handler is swallowed and counted.
    pub fn panic_handler(mut self, handler: impl Fn(PanicPayload) + Send + Sync + 'static) -> Self {
        self.hooks.panic = Some(Box::new(handler));
        self
    }

    /// The seed of all random choices (victims, placement). With the same seed a worker makes the same choices; the
    /// order of tasks still depends on timing. Without it a random one is drawn.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The longest that a worker without work keeps looking before it parks. Within this limit the time adapts to
    /// whether spinning is rewarded. The default is 20 us; zero, the default where the process has a single core,
    /// never spins. More than 10 ms is lowered to that.
    pub fn spin(mut self, limit: Duration) -> Self {
        self.spin = Some(limit);
        self
    }

    /// How many tasks may wait at most, accepted and not begun, from 0 to [`MAX_CAPACITY`]. Without this call the pool takes
    /// as many as there is memory for. [`PoolBuilder::on_full`] says what happens to more.
    ///
    /// It is a property of the whole pool and exact: tasks from outside never exceed it, whichever workers they go to, and none
    /// is refused or made to wait while there is room. With 0 no task waits for a worker (a *rendezvous*): as many tasks are
    /// accepted at a time as there may be workers. That is the most of the range as it was
    /// [set last](crate::Pool::set_workers), so that a task for which a worker is still to be started is let in and has the
    /// pool grow; and one more for each worker that is [blocked](crate::blocking).
    ///
    /// Two pools whose tasks submit to each other can wait for each other for ever if both [block](OnFull::Block) and have
    /// capacity 0: room comes only when a task ends, and each waits inside one. With a capacity of 1 or more it comes when a
    /// task begins, and a worker that waits for room elsewhere begins those of its own pool. If both must be 0, have one of them
    /// use another policy, [`OnFull::CallerRuns`] or [`OnFull::BlockFor`] perhaps, or submit with
    /// [`Pool::try_submit`](crate::Pool::try_submit) in that direction.
    ///
    /// Structured work ([`join`](crate::join), loops, scopes) cannot be refused. Its tasks are let in beyond the capacity, and
    /// room for others is found again when all that is above it has begun.
    ///
    /// ```
    /// use longshore::{OnFull, Pool, SubmitErrorKind};
    ///
    /// let pool = Pool::builder().workers(1).queue_capacity(100).on_full(OnFull::Reject).build()?;
    /// let (open, gate) = std::sync::mpsc::channel::<()>();
    /// pool.execute(move || _ = gate.recv())?; // keeps the worker busy
    /// while pool.stats().running == 0 {
    ///     std::thread::yield_now();
    /// }
    /// for _ in 0..100 {
    ///     pool.execute(|| ())?;
    /// }
    /// let refused = pool.execute(|| ()).expect_err("the pool is full");
    /// assert_eq!(refused.kind, SubmitErrorKind::Full);
    /// drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_capacity(mut self, tasks: usize) -> Self {
        self.capacity = Some(tasks);
        self
    }

    /// What happens to a task for which there is no room. The default is [`OnFull::Block`]. Without
    /// [`PoolBuilder::queue_capacity`] and [`PoolBuilder::budget`] there always is room.
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// How much the tasks that were given a weight may weigh together, from 1. A task has its share from the moment at which
    /// it is accepted until it has ended, in whatever way. It is in units of the program's own: bytes of memory, perhaps, or
    /// open files. When it is used up, [`PoolBuilder::on_full`] says what happens; those who wait get it strictly in their
    /// order, so that a heavy task is not kept out by lighter ones that come later.
    pub fn budget(mut self, limit: u64) -> Self {
        self.budget = Some(limit);
        self
    }

    /// What happens to a task that weighs more than the whole budget. The default is [`Overweight::Reject`].
    pub fn overweight(mut self, overweight: Overweight) -> Self {
        self.overweight = overweight;
        self
    }

    /// A token that ends the pool: cancelling it does what [`Pool::shutdown_now`] does, without waiting for the threads.
    /// All new work is refused and what is queued never starts, its handles resolve as
    /// [cancelled](crate::JoinError::Cancelled). What runs may ask the token; what has returned stays. With a token that has been
    /// cancelled already the pool is closed from the beginning.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.token = Some(token.clone());
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    /// Every [`BuildError`]: all values are checked before the first thread starts, and if a thread cannot be
    /// started, those before it are stopped and joined.
    pub fn build(self) -> Result<P, BuildError>
    where
        P: Start,
    {
        P::start(self.validate()?)
    }

    fn validate(self) -> Result<Config, BuildError> {
        let allowed = affinity::allowed_cores();
        let spin = if affinity::is_single_core() { Duration::ZERO } else { spin::DEFAULT_LIMIT };
        let cores = validate_pinning(self.pinning, &allowed)?;
        Ok(Config {
            limits: validate_limits(self.workers, self.blocking_limit, &self.scaling)?,
            scaling: self.scaling,
            name: validate_name(self.name)?,
            stack_size: validate_stack(self.stack_size)?,
            paths: cores.as_deref().and_then(topology::paths),
            cores,
            mask: affinity::CpuMask::of_process(),
            hooks: self.hooks,
            placement: self.placement,
            histograms: self.histograms,
            at_end: AtEnd::from_environment(),
            seed: self.seed.unwrap_or_else(|| RandomState::new().hash_one(())),
            spin: self.spin.unwrap_or(spin),
            capacity: validate_capacity(self.capacity)?,
            on_full: self.on_full,
            budget: validate_budget(self.budget)?,
            overweight: self.overweight,
            token: self.token,
        })
    }
}

impl<P> fmt::Debug for PoolBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("workers", &self.workers)
            .field("scaling", &self.scaling)
            .field("blocking_limit", &self.blocking_limit)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .field("pinning", &self.pinning)
            .field("hooks", &self.hooks)
            .field("placement", &self.placement)
            .field("histograms", &self.histograms)
            .field("seed", &self.seed)
            .field("spin", &self.spin)
            .field("capacity", &self.capacity)
            .field("on_full", &self.on_full)
            .field("budget", &self.budget)
            .field("overweight", &self.overweight)
            .field("token", &self.token)
            .finish()
    }
}

fn validate_limits(
    workers: Option<Workers>,
    stand_ins: usize,
    scaling: &Scaling,
) -> Result<WorkerLimits, BuildError> {
    let Workers { min, max } = validate_workers(workers)?;
    if stand_ins > MAX_WORKERS {
        return Err(BuildError::TooManyStandIns { asked: stand_ins, max: MAX_WORKERS });
    }
    Ok(WorkerLimits { min, max, stand_ins, spares: scaling.spares(), keep_alive: scaling.idle_time() })
}

fn validate_workers(asked: Option<Workers>) -> Result<Workers, BuildError> {
    match asked {
        Some(Workers { min: 0, .. }) => Err(BuildError::ZeroWorkers),
        Some(Workers { max, .. }) if max > MAX_WORKERS => {
            Err(BuildError::TooManyWorkers { asked: max, max: MAX_WORKERS })
        }
        Some(Workers { min, max }) if min > max => Err(BuildError::EmptyRange { min, max }),
        Some(asked) => Ok(asked),
        None => match env::var_os(THREADS_VARIABLE) {
            None => Ok(quota::default_parallelism().min(MAX_WORKERS).into()),
            Some(value) => workers_from(&value.to_string_lossy()).map(Workers::from),
        },
    }
}

fn workers_from(value: &str) -> Result<usize, BuildError> {
    match value.trim().parse() {
        Ok(workers @ 1..=MAX_WORKERS) => Ok(workers),
        _ => Err(BuildError::InvalidEnvironment { value: value.to_owned() }),
    }
}

fn validate_name(name: Option<String>) -> Result<String, BuildError> {
    match name {
        Some(name) if name.contains('\0') => Err(BuildError::InvalidThreadName { name }),
        Some(name) if !name.is_empty() => Ok(name),
        _ => Ok("longshore".to_owned()),
    }
}

fn validate_stack(asked: Option<usize>) -> Result<usize, BuildError> {
    match asked {
        None | Some(0) => Ok(DEFAULT_STACK_SIZE),
        Some(asked) if asked > MAX_STACK_SIZE => {
            Err(BuildError::StackTooLarge { asked, max: MAX_STACK_SIZE })
        }
        Some(asked) => Ok(asked.max(MIN_STACK_SIZE)),
    }
}

fn validate_capacity(asked: Option<usize>) -> Result<Option<usize>, BuildError> {
    match asked {
        Some(asked) if asked > MAX_CAPACITY => Err(BuildError::CapacityTooLarge { asked, max: MAX_CAPACITY }),
        accepted => Ok(accepted),
    }
}

fn validate_budget(asked: Option<u64>) -> Result<Option<u64>, BuildError> {
    match asked {
        Some(0) => Err(BuildError::ZeroBudget),
        accepted => Ok(accepted),
    }
}

fn validate_pinning(pinning: Pinning, allowed: &[usize]) -> Result<Option<Vec<usize>>, BuildError> {
    match pinning {
        Pinning::None => Ok(None),
        Pinning::Compact => Ok(Some(topology::compact_order(allowed))),
        Pinning::Spread => Ok(Some(topology::spread_order(allowed))),
        Pinning::Cores(cores) if cores.is_empty() => Err(BuildError::NoCores),
        Pinning::Cores(cores) => {
            for (i, &core) in cores.iter().enumerate() {
                if cores[..i].contains(&core) {
                    return Err(BuildError::DuplicateCore { core });
                }
                if !allowed.contains(&core) {
                    return Err(BuildError::CoreNotAllowed { core });
                }
            }
            Ok(Some(cores))
        }
    }
}

/// Building a pool.
impl Pool {
    /// A pool with the default configuration, see [`PoolBuilder`].
    ///
    /// # Errors
    /// As [`PoolBuilder::build`].
    pub fn new() -> Result<Pool, BuildError> {
        Pool::builder().build()
    }

    /// Configures a pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_number_stays_visible_in_a_cut_name() {
        let config =
            |name: &str| PoolBuilder::default().thread_name(name).workers(1).validate().expect("valid");
        let name = |name, index| {
            let thread = config(name).thread(index).spawn(|| thread::current().name().map(str::to_owned));
            thread.expect("starts").join().expect("runs").expect("named")
        };
        assert_eq!(name("resize", 3), "resize-3");
        assert_eq!(name("", 0), "longshore-0");
        assert_eq!(name("a-very-long-thread-name", 4095), "a-very-lon-4095");
        assert_eq!(name("ääääääääää", 7), "ääääää-7", "cut between characters");
    }

    #[test]
    fn the_environment_is_checked() {
        assert_eq!(workers_from(" 8 ").expect("a number"), 8);
        for bad in ["", "0", "-1", "4097", "many", "99999999999999999999999"] {
            let error = workers_from(bad).expect_err("refused");
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn stacks_are_raised_or_refused() {
        let sizes = [None, Some(0), Some(1), Some(1 << 20)].map(|s| validate_stack(s).expect("accepted"));
        assert_eq!(sizes, [DEFAULT_STACK_SIZE, DEFAULT_STACK_SIZE, MIN_STACK_SIZE, 1 << 20]);
        assert!(matches!(
            validate_stack(Some(usize::MAX)),
            Err(BuildError::StackTooLarge { asked: usize::MAX, .. })
        ));
    }
}
