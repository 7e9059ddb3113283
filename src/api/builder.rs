//! [`PoolBuilder`]: collects the settings of a pool, checks them, and hands a `Config` to the runtime.
//!
//! All settings are checked before the first thread starts. The builder belongs to the thread that configures
//! the pool. Guarded by the unit tests here, `tests/it/behaviour/builder.rs` and `bad_input.rs`.

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
use crate::runtime::config::{Config, Histograms, Hooks, Rules, ThreadUse};
use crate::runtime::recorder_settings::Recorder;
use crate::runtime::report::AtEnd;
use crate::submit::target::Start;
use crate::sys::affinity::{self, Urgency};
use crate::sys::signals::SignalMask;
use crate::sys::{quota, topology};
use crate::task::cancel::CancelToken;
use crate::workers::roster::WorkerLimits;

/// The largest number of workers of a pool: 4,096.
///
/// About 16,000 threads use up the memory mappings that Linux allows a process. Beyond that the standard
/// library aborts instead of returning an error, so this limit is well below.
pub const MAX_WORKERS: usize = 4096;

/// The largest stack of a worker, in bytes: 1 GiB.
pub const MAX_STACK_SIZE: usize = 1 << 30;

/// The largest capacity of a pool, in tasks: half of [`isize::MAX`], so that counts of permits and debts
/// never overflow. A capacity reserves no memory.
pub const MAX_CAPACITY: usize = isize::MAX as usize / 2;

/// The smallest stack of a worker, in bytes: 64 KiB. Smaller sizes are raised to this.
pub const MIN_STACK_SIZE: usize = 64 << 10;

/// The default stack of a worker, in bytes: 2 MiB, as for threads of the standard library.
pub const DEFAULT_STACK_SIZE: usize = 2 << 20;

/// The default limit of workers that stand in for [blocked](crate::blocking()) workers: 64. Each stand-in is
/// a thread.
pub const DEFAULT_BLOCKING_LIMIT: usize = 64;

/// The stack that a pool without threads expects of its callers, in bytes. When a recursion of waits has left
/// less than half of it, it continues on a new thread, which such a pool starts for nothing else.
const IN_CALLER_STACK_SIZE: usize = 256 << 10;

/// Overrides the default number of workers.
const THREADS_VARIABLE: &str = "LONGSHORE_THREADS";

/// How workers are bound to cores.
///
/// A pinned worker keeps its data in the caches of one core. Pinning pays if tasks return to the same data
/// and no other program needs the machine. It costs if other programs need the same cores. If there are more
/// workers than cores, the list of cores starts again from its beginning.
///
/// Only cores that the process may use are chosen. If the operating system refuses a core nevertheless, the
/// worker stays unpinned. [`WorkerStats::pin`](crate::WorkerStats::pin) reports what was really applied, also
/// when the set of cores of the process changes later: see [`PinStatus`](crate::PinStatus).
///
/// The numbers of cores are those of the operating system. On Windows core `n` of processor group `g` is
/// `64 * g + n`, so that workers reach all cores of a machine with more than 64. macOS has no such call, and
/// refuses every core; there [`PoolBuilder::urgency`] decides on which kind of core the workers run.
///
/// ```
/// use longshore::{Pinning, Pool};
///
/// let pool = Pool::builder().workers(2).pinning(Pinning::Spread).build()?;
/// for worker in &pool.stats().workers {
///     println!("worker {}: {:?}", worker.index, worker.pin);
/// }
/// # Ok::<(), longshore::BuildError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pinning {
    /// Workers are not pinned; the operating system places them.
    #[default]
    None,
    /// Neighbouring cores first: the hardware threads of a core, then cores that share a cache, then the
    /// other cores. For workers that share data.
    Compact,
    /// Distant cores first, one hardware thread of each core; the second hardware threads last. For workers
    /// that need a cache and memory bandwidth of their own.
    Spread,
    /// Worker `i` runs on the `i`-th of these cores. The numbers are those of the operating system.
    Cores(Vec<usize>),
}

/// Configures a pool: a [`Pool`] if it was made by [`Pool::builder`], a [`PullPool`](crate::PullPool) if it
/// was made by [`PullPool::builder`](crate::PullPool::builder). Both have the same settings.
///
/// [`PoolBuilder::build`] checks all settings before it starts a thread.
///
/// ```
/// use longshore::{Pinning, Pool};
///
/// let pool = Pool::builder().workers(4).thread_name("resize").pinning(Pinning::Compact).build()?;
/// assert_eq!(pool.workers(), 4);
/// # Ok::<(), longshore::BuildError>(())
/// ```
#[doc(alias = "ThreadPoolBuilder")]
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder<P = Pool> {
    settings: Settings,
    pool: PhantomData<fn() -> P>,
}

/// What the user has set, not checked yet.
#[derive(Debug, Default)]
struct Settings {
    workers: Option<Workers>,
    scaling: Scaling,
    blocking_limit: Option<usize>,
    name: Option<String>,
    stack_size: Option<usize>,
    pinning: Pinning,
    urgency: Urgency,
    threads: ThreadUse,
    hooks: Hooks,
    placement: Placement,
    histograms: Histograms,
    recorder: Option<Recorder>,
    seed: Option<u64>,
    spin: Option<Duration>,
    capacity: Option<usize>,
    on_full: OnFull,
    budget: Option<u64>,
    overweight: Overweight,
    token: Option<CancelToken>,
    is_silent_at_exit: bool,
}

// Only for `Pool`, so that the compiler can infer the kind of pool in `PoolBuilder::default()`.
impl Default for PoolBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl PoolBuilder {
    /// The same as [`Pool::builder`], which is the main name.
    pub fn new() -> Self {
        Self::unset()
    }
}

impl<P> PoolBuilder<P> {
    pub(crate) fn unset() -> Self {
        PoolBuilder { settings: Settings::default(), pool: PhantomData }
    }

    /// Sets the number of workers, from 1 to [`MAX_WORKERS`], or an inclusive range of it.
    ///
    /// With a range (`2..=16`) the pool starts with the smallest number, and the number follows the load
    /// within the range ([`PoolBuilder::scaling`]). The number can be changed while the pool works, up to the
    /// largest number that is given here ([`Pool::set_workers`]).
    ///
    /// The default is the value of the environment variable `LONGSHORE_THREADS`, if it is set and neither
    /// empty nor 0. Otherwise it is the number of cores that the process may use: the size of its affinity
    /// mask or its CPU quota (Linux control groups) rounded up, whichever is smaller.
    ///
    /// ```
    /// use longshore::Pool;
    ///
    /// assert_eq!(Pool::builder().workers(3).build()?.workers(), 3);
    /// assert_eq!(Pool::builder().workers(2..=16).build()?.workers(), 2);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[doc(alias = "num_threads")]
    #[doc(alias = "max_threads")]
    #[doc(alias = "newFixedThreadPool")]
    pub fn workers(mut self, workers: impl Into<Workers>) -> Self {
        self.settings.workers = Some(workers.into());
        self
    }

    /// Sets how the number of workers follows the load, if it is a range. The default is
    /// [`Scaling::balanced`].
    ///
    /// ```
    /// use longshore::{Pool, Scaling};
    ///
    /// let pool = Pool::builder().workers(1..=8).scaling(Scaling::eager()).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn scaling(mut self, scaling: Scaling) -> Self {
        self.settings.scaling = scaling;
        self
    }

    /// Sets how many workers may stand in for [blocked](crate::blocking()) workers, and for workers whose
    /// task [waits for long](crate#what-may-run-while-a-task-waits), at a time, from 0 to [`MAX_WORKERS`].
    /// Stand-ins are added to the largest number of workers. The default is [`DEFAULT_BLOCKING_LIMIT`]. With
    /// 0 no worker stands in; a wait for another pool then runs any task of its own pool.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(4).blocking_limit(16).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn blocking_limit(mut self, stand_ins: usize) -> Self {
        self.settings.blocking_limit = Some(stand_ins);
        self
    }

    /// Sets the prefix of the threads' names: worker 3 of `"resize"` is called `resize-3`. The prefix is cut
    /// so that prefix and number have at most 15 bytes, which is what Linux shows. The default, also for an
    /// empty string, is `longshore`.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(1).thread_name("resize").build()?;
    /// let name = pool.submit(|| std::thread::current().name().map(str::to_owned))?.join()?;
    /// assert_eq!(name.as_deref(), Some("resize-0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn thread_name(mut self, prefix: impl Into<String>) -> Self {
        self.settings.name = Some(prefix.into());
        self
    }

    /// Sets the stack size of each worker, in bytes. 0 means the default, [`DEFAULT_STACK_SIZE`]. A size
    /// below [`MIN_STACK_SIZE`] is raised to that; a size above [`MAX_STACK_SIZE`] is an error.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().stack_size(8 << 20).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }

    /// Sets whether and how workers are bound to cores. The default is [`Pinning::None`].
    ///
    /// ```
    /// use longshore::{Pinning, Pool};
    ///
    /// let pool = Pool::builder().pinning(Pinning::Compact).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn pinning(mut self, pinning: Pinning) -> Self {
        self.settings.pinning = pinning;
        self
    }

    /// Makes a pool that starts no thread: the threads that call it do its work, one at a time. See
    /// [`Pool::in_caller`].
    ///
    /// The pool then has one worker, whatever valid number is set, and no stand-ins. Settings that concern
    /// threads have no effect: names, pins, urgency, the start and the exit hook.
    ///
    /// ```
    /// use longshore::Pool;
    ///
    /// // One pool on machines with threads and another one without.
    /// let pool = Pool::builder().workers(4).build().or_else(|_| Pool::builder().in_caller().build())?;
    /// assert_eq!(pool.map(0..3, |n| n * n), [0, 1, 4]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn in_caller(mut self) -> Self {
        self.settings.threads = ThreadUse::Callers;
        self
    }

    /// Sets how urgent the pool's work is, which macOS and iOS need to know to place the workers: without it
    /// they may be moved to efficiency cores. The default is [`Urgency::Initiated`]. No effect on other
    /// systems.
    ///
    /// ```
    /// use longshore::{Pool, Urgency};
    ///
    /// let pool = Pool::builder().urgency(Urgency::Utility).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[doc(alias = "qos")]
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.settings.urgency = urgency;
        self
    }

    /// Sets to which worker the pool pushes a task that is submitted from outside and names no worker. The
    /// default is [`Placement::Home`].
    ///
    /// ```
    /// use longshore::{Placement, Pool};
    ///
    /// let pool = Pool::builder().placement(Placement::RoundRobin).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn placement(mut self, placement: Placement) -> Self {
        self.settings.placement = placement;
        self
    }

    /// Sets whether the pool measures how long its tasks wait and run. The default is [`Histograms::Off`].
    ///
    /// ```
    /// use longshore::{Histograms, Pool};
    ///
    /// let pool = Pool::builder().histograms(Histograms::All).build()?;
    /// pool.submit(|| 6 * 7)?.join()?;
    /// pool.shutdown()?;
    /// println!("99 % of the tasks ran for at most {:?}", pool.stats().runs().percentile(99.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn histograms(mut self, histograms: Histograms) -> Self {
        self.settings.histograms = histograms;
        self
    }

    /// Has the pool recorded from its start: what each worker does, and when. By default it is not recorded,
    /// which costs nothing, unless the environment variable `LONGSHORE_TRACE` names a file ([`Recorder`] says
    /// which). [`Pool::recording`] gives the recording.
    ///
    /// Recording costs some 30 to 90 ns a task. Errors that come when the pool ends are printed to standard
    /// error.
    ///
    /// ```
    /// use longshore::{Pool, Recorder};
    ///
    /// let pool = Pool::builder().workers(2).recorder(Recorder::new()).build()?;
    /// pool.submit(|| 6 * 7)?.join()?;
    /// # let path = std::env::temp_dir().join(format!("longshore-doc-{}.lsr", std::process::id()));
    /// pool.recording().expect("it is recorded").save(&path)?; // for the command `longshore-trace`
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.settings.recorder = Some(recorder);
        self
    }

    /// Sets a function that each worker calls on its thread, with its number, before its first task.
    /// [`PoolBuilder::build`] waits for these calls. A panic in one makes `build` fail.
    ///
    /// A thread on which a deep recursion of waits continues (see [`JoinHandle`](crate::JoinHandle)) also
    /// calls it, with the number of the worker in whose place it works, and calls the [exit
    /// hook](PoolBuilder::on_exit) when it returns. So does a stand-in, with a number of its own.
    ///
    /// **A thread from outside that enters the pool does not call it.** In [`Pool::join`], [`Pool::enter`],
    /// [`Pool::scope`] and loops such a thread may act as a worker itself, so the closures also run on
    /// threads that the hook has not prepared. For what a task needs on its thread use
    /// [`Pool::worker_local`], which makes a value where one is missing, or call the pool inside
    /// [`Pool::install`], which runs on a worker.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().on_start(|worker| println!("worker {worker} starts")).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[doc(alias = "start_handler")]
    pub fn on_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.settings.hooks.start = Some(Box::new(hook));
        self
    }

    /// Sets a function that each worker calls on its thread, with its number, after its last task. A panic in
    /// it is caught and counted in [`PoolStats::hook_panics`](crate::PoolStats::hook_panics).
    /// [`PoolBuilder::on_start`] says which other threads call it.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().on_exit(|worker| println!("worker {worker} ends")).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[doc(alias = "exit_handler")]
    pub fn on_exit(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.settings.hooks.exit = Some(Box::new(hook));
        self
    }

    /// Sets a function that receives the payload of each panic that no handle receives: of a task without a
    /// handle, and of a capture that panics when its task is discarded.
    ///
    /// The worker that ran the task calls it. By default the payload is dropped; the standard library's panic
    /// hook has printed the message before. A panic in the function is caught and counted in
    /// [`PoolStats::hook_panics`](crate::PoolStats::hook_panics).
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let pool = longshore::Pool::builder()
    ///     .panic_handler(move |payload| _ = sender.send(payload.to_string()))
    ///     .build()?;
    /// pool.execute(|| panic!("no such file"))?;
    /// assert_eq!(receiver.recv()?, "no such file");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn panic_handler(mut self, handler: impl Fn(PanicPayload) + Send + Sync + 'static) -> Self {
        self.settings.hooks.panic = Some(Box::new(handler));
        self
    }

    /// Sets whether the end of the process writes a line to standard error if accepted tasks of this pool
    /// have not run then. The default is `true`. The environment variable `LONGSHORE_EXIT_WARNING=0` turns it
    /// off for all pools.
    ///
    /// When `main` returns or [`exit`](std::process::exit) is called, the tasks of a pool that still lives,
    /// as one in a static does, are lost. [`Pool::shutdown`](crate::Pool::shutdown) or
    /// [`Pool::wait_idle`](crate::Pool::wait_idle) before the end waits for them.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().exit_warning(false).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn exit_warning(mut self, warns: bool) -> Self {
        self.settings.is_silent_at_exit = !warns;
        self
    }

    /// Sets the seed of all random choices (victims, placement). The default is a random seed. With the same
    /// seed a worker makes the same choices, but the order of tasks still depends on timing.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().seed(42).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// Sets how long a worker without work searches at most before it parks. Below this limit the time adapts
    /// to how often a search finds a task.
    ///
    /// The default is 20 µs, or zero if the process has a single core. With zero a worker never spins. More
    /// than 10 ms is lowered to 10 ms.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = longshore::Pool::builder().spin(Duration::from_micros(100)).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn spin(mut self, limit: Duration) -> Self {
        self.settings.spin = Some(limit);
        self
    }

    /// Sets how many tasks may wait in the pool, accepted and not started, from 0 to [`MAX_CAPACITY`]. By
    /// default memory is the only limit. [`PoolBuilder::on_full`] says what happens to a task that is
    /// submitted to a full pool.
    ///
    /// The capacity belongs to the whole pool, and it is exact. Tasks from outside never exceed it, whichever
    /// worker they are pushed to, and no task is refused or made to wait while there is a permit.
    ///
    /// With 0 no task waits for a worker (a *rendezvous*). The pool then accepts as many tasks at a time as
    /// it may have workers: the largest number of the range that was [set last](Pool::set_workers), so that a
    /// task for which a worker must still be started is accepted and makes the pool grow; and one more for
    /// each task that [blocks](crate::blocking()) or waits for long.
    ///
    /// A task that waits for long makes room for as many tasks as it keeps from going on. So pools whose
    /// tasks submit to each other make progress, whatever their capacities.
    ///
    /// Structured work ([`join`](crate::join()), loops, scopes) cannot be refused. Its tasks are accepted
    /// beyond the capacity, and other tasks get permits again when the surplus has started.
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
        self.settings.capacity = Some(tasks);
        self
    }

    /// Sets what happens to a task that is submitted to a full pool. The default is [`OnFull::Block`]. A pool
    /// without a [capacity](PoolBuilder::queue_capacity) and a [budget](PoolBuilder::budget) is never full.
    ///
    /// ```
    /// use longshore::{OnFull, Pool};
    ///
    /// let pool = Pool::builder().queue_capacity(1_000).on_full(OnFull::CallerRuns).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.settings.on_full = on_full;
        self
    }

    /// Sets how much the tasks with a [weight](crate::TaskBuilder::weight) may weigh together, from 1. By
    /// default there is no limit.
    ///
    /// The unit is the program's own, for example bytes of memory or open files. A task holds its weight from
    /// the moment at which it is accepted until it has ended or is discarded. When the budget is used up,
    /// [`PoolBuilder::on_full`] says what happens. Waiting submissions get their part strictly in the order
    /// of arrival, so that lighter tasks never overtake a heavy task.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().budget(1 << 30).build()?; // bytes
    /// let image = pool.task().weight(1 << 20).submit(|| vec![0u8; 1 << 20].len())?;
    /// assert_eq!(image.join()?, 1 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn budget(mut self, limit: u64) -> Self {
        self.settings.budget = Some(limit);
        self
    }

    /// Sets what happens to a task that weighs more than the whole budget. The default is
    /// [`Overweight::Reject`].
    ///
    /// ```
    /// use longshore::{Overweight, Pool};
    ///
    /// let pool = Pool::builder().budget(10).overweight(Overweight::RunAlone).build()?;
    /// assert_eq!(pool.task().weight(99).submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn overweight(mut self, overweight: Overweight) -> Self {
        self.settings.overweight = overweight;
        self
    }

    /// Sets a token that ends the pool. Cancelling it does what [`Pool::shutdown_now`] does, without waiting
    /// for the threads: the pool refuses all new tasks, and the handles of queued tasks return
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled). Running tasks may ask the token. A token that
    /// is cancelled already makes a closed pool.
    ///
    /// ```
    /// use longshore::{CancelToken, Pool};
    ///
    /// let token = CancelToken::new();
    /// let pool = Pool::builder().cancel_token(&token).build()?;
    /// token.cancel();
    /// assert!(pool.submit(|| 6 * 7).is_err());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.settings.token = Some(token.clone());
        self
    }

    /// Checks the settings, starts the workers and returns the pool.
    ///
    /// ```
    /// use longshore::{BuildError, Pool};
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// assert_eq!(pool.submit(|| 6 * 7)?.join()?, 42);
    ///
    /// let refused = Pool::builder().workers(0).build();
    /// assert!(matches!(refused, Err(BuildError::ZeroWorkers)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`BuildError`] that names the value, if a setting is invalid; then no thread was started. Or
    /// [`BuildError::Spawn`], [`BuildError::SpawnAutoscaler`] or [`BuildError::StartHookPanicked`], if a
    /// thread cannot start; then the threads before it have been stopped and joined.
    pub fn build(self) -> Result<P, BuildError>
    where
        P: Start,
    {
        P::start(self.settings.validate()?)
    }
}

impl<P> fmt::Debug for PoolBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolBuilder").field(&self.settings).finish()
    }
}

impl PoolBuilder {
    /// The settings, checked, for a pool whose threads are started by other means.
    pub(crate) fn into_config(self) -> Result<Config, BuildError> {
        self.settings.validate()
    }
}

impl Settings {
    fn validate(self) -> Result<Config, BuildError> {
        let allowed = affinity::allowed_cores();
        let spin = if affinity::is_single_core() { Duration::ZERO } else { spin::DEFAULT_LIMIT };
        let cores = validate_pinning(self.pinning, &allowed)?;
        let mut limits = validate_limits(self.workers, self.blocking_limit, &self.scaling)?;
        let mut stack_size = self.stack_size;
        if self.threads == ThreadUse::Callers {
            limits = WorkerLimits { min: 1, max: 1, stand_ins: 0, spares: 0, ..limits };
            stack_size = stack_size.or(Some(IN_CALLER_STACK_SIZE));
        }
        Ok(Config {
            limits,
            scaling: self.scaling,
            name: validate_name(self.name)?,
            stack_size: validate_stack(stack_size)?,
            paths: cores.as_deref().and_then(topology::paths),
            cores,
            mask: affinity::CpuMask::of_process(),
            urgency: self.urgency,
            signals: SignalMask::of_current_thread(),
            hooks: self.hooks,
            placement: self.placement,
            histograms: self.histograms,
            at_end: AtEnd::from_environment(),
            warns_at_exit: !self.is_silent_at_exit,
            recorder: self.recorder.or_else(Recorder::from_environment),
            seed: self.seed.unwrap_or_else(|| RandomState::new().hash_one(())),
            spin: self.spin.unwrap_or(spin),
            capacity: validate_capacity(self.capacity)?,
            on_full: self.on_full,
            budget: validate_budget(self.budget)?,
            overweight: self.overweight,
            token: self.token,
            threads: self.threads,
            rules: Rules::default(),
            attachment: None,
        })
    }
}

/// The number of workers by default.
fn default_workers() -> usize {
    quota::default_parallelism().min(MAX_WORKERS)
}

impl Workers {
    /// As many workers as the machine has performance cores, counted in hardware threads, and not more than
    /// the process can keep busy. On a machine whose cores are all of one kind, or that does not tell: as
    /// many as the process can keep busy. The environment variable `LONGSHORE_THREADS` has no effect on it.
    ///
    /// For work whose parts are equally long, which ends when its slowest part ends: there an efficiency core
    /// makes the others wait. Otherwise the default, which uses all cores, is faster.
    ///
    /// ```
    /// use longshore::{Pool, Workers};
    ///
    /// let pool = Pool::builder().workers(Workers::performance_cores()).build()?;
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn performance_cores() -> Workers {
        let most = default_workers();
        affinity::performance_cores().map_or(most, |fast| fast.clamp(1, most)).into()
    }
}

fn validate_limits(
    workers: Option<Workers>,
    stand_ins: Option<usize>,
    scaling: &Scaling,
) -> Result<WorkerLimits, BuildError> {
    let Workers { min, max } = validate_workers(workers)?;
    let stand_ins = stand_ins.unwrap_or(DEFAULT_BLOCKING_LIMIT);
    if stand_ins > MAX_WORKERS {
        return Err(BuildError::TooManyStandIns { asked: stand_ins, max: MAX_WORKERS });
    }
    Ok(WorkerLimits { min, max, stand_ins, spares: scaling.spares(), idle_timeout: scaling.idle_timeout })
}

fn validate_workers(asked: Option<Workers>) -> Result<Workers, BuildError> {
    match asked {
        Some(Workers { min: 0, .. }) => Err(BuildError::ZeroWorkers),
        Some(Workers { max, .. }) if max > MAX_WORKERS => {
            Err(BuildError::TooManyWorkers { asked: max, max: MAX_WORKERS })
        }
        Some(Workers { min, max }) if min > max => Err(BuildError::EmptyRange { min, max }),
        Some(asked) => Ok(asked),
        None => {
            let asked = match env::var_os(THREADS_VARIABLE) {
                None => None,
                Some(value) => workers_from(&value.to_string_lossy())?,
            };
            Ok(asked.unwrap_or_else(default_workers).into())
        }
    }
}

/// The number of workers in the environment variable; `None` if it is empty or 0, by which shells and unit
/// files say "the default".
fn workers_from(value: &str) -> Result<Option<usize>, BuildError> {
    match value.trim() {
        "" => Ok(None),
        number => match number.parse() {
            Ok(0) => Ok(None),
            Ok(workers @ 1..=MAX_WORKERS) => Ok(Some(workers)),
            _ => Err(BuildError::InvalidEnvironment { variable: THREADS_VARIABLE, value: value.to_owned() }),
        },
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
    /// Starts a pool with the default settings: one worker for each core that the process may use, and no
    /// capacity.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(pool.workers() > 0);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError::InvalidEnvironment`] if the environment variable `LONGSHORE_THREADS` holds no number of
    /// workers. [`BuildError::Spawn`] if the operating system starts no thread.
    pub fn new() -> Result<Pool, BuildError> {
        Pool::builder().build()
    }

    /// Makes a pool that starts no thread. The threads that call it do its work, one at a time, as its only
    /// worker. For machines and sandboxes that give a program no threads, such as WebAssembly, and for
    /// tests.
    ///
    /// Everything means what it means in a pool of one worker:
    /// - [`Pool::submit`], [`Pool::execute`], batches and so on run the task before they return. If another
    ///   thread does the pool's work at that moment, they leave the task to it and return at once.
    /// - A task that a task submits starts when the submitting task has ended or waits for it.
    /// - Joins, scopes, loops and streams run on the calling thread.
    /// - While the pool is paused, tasks are queued; [`Pool::resume`] runs them.
    ///
    /// A task that waits for an event of another thread, for example for a message, keeps the thread that
    /// has submitted it. [`PoolBuilder::in_caller`] makes such a pool with other settings.
    ///
    /// ```
    /// let pool = longshore::Pool::in_caller();
    /// let here = std::thread::current().id();
    /// let there = pool.submit(move || std::thread::current().id())?;
    /// assert!(there.is_finished());
    /// assert_eq!(there.join()?, here);
    /// assert_eq!(pool.map(0..4, |n| n * n), [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// On a platform without a clock: WebAssembly without WASI.
    pub fn in_caller() -> Pool {
        let built = Pool::builder().workers(1).in_caller().build();
        built.expect("the settings are valid, and no thread is started")
    }

    /// Configures a pool.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(2).build()?;
    /// assert_eq!(pool.workers(), 2);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
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
        let config = |name: &str| {
            let builder = PoolBuilder::default().thread_name(name).workers(1);
            builder.settings.validate().expect("valid")
        };
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
        assert_eq!(workers_from(" 8 ").expect("a number"), Some(8));
        for default in ["", " ", "0", " 00 "] {
            assert_eq!(workers_from(default).expect("the default"), None);
        }
        for bad in ["-1", "4097", "many", "99999999999999999999999"] {
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
