//! The settings of a pool, as the runtime needs them. The builder (`api/builder.rs`) makes and validates
//! them; from then on every thread reads them. Guarded by `tests/it/behaviour/builder.rs`, `bad_input.rs`
//! beside it, and `tests/process_start.rs`.

use std::any::Any;
use std::time::Duration;
use std::{fmt, thread};

use crate::base::error::PanicPayload;
use crate::policy::overflow::{OnFull, Overweight};
use crate::policy::placement::Placement;
use crate::policy::scaling::Scaling;
use crate::runtime::recorder_settings::Recorder;
use crate::runtime::report::AtEnd;
use crate::sys::affinity::{self, Urgency};
use crate::sys::signals::SignalMask;
use crate::sys::topology;
use crate::task::cancel::CancelToken;
use crate::workers::roster::WorkerLimits;

/// Whether a pool measures how long its tasks wait and run, for
/// [`WorkerStats::waits`](crate::WorkerStats::waits) and [`WorkerStats::runs`](crate::WorkerStats::runs).
///
/// The wait of a task is the time from its submission to its start. Its run is the time from its start to its
/// end, including what it waits for other tasks. Tasks with and without handles are measured, parts of joins,
/// scopes and loops are not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Histograms {
    /// Nothing is measured, at no cost.
    #[default]
    Off,
    /// One in 61 of each thread's submissions: enough for percentiles of many tasks, and hardly noticeable
    /// even with the smallest tasks.
    Sampled,
    /// Every task. A task reads the clock three times, in some 100 ns: a multiple of the cost of the smallest
    /// tasks, and one hundredth of a task of 10 us.
    All,
}

/// Which rules a pool follows where this library and rayon-core differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rules {
    /// Those of this library: a wait runs what descends from the waiting task, and nothing else.
    #[default]
    Library,
    /// Those of rayon-core (see `push/worker/rayon_rules.rs`): a wait runs any task of the pool, and the
    /// tasks of one worker start in an exact order.
    RayonCore,
}

/// Which threads work for a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThreadUse {
    /// Those that the pool starts.
    #[default]
    Own,
    /// Those that call it (`in_caller.rs`).
    Callers,
}

/// The operating system shows this many bytes of a thread's name (Linux).
const VISIBLE_NAME: usize = 15;

type WorkerHook = Box<dyn Fn(usize) + Send + Sync>;
type PanicHook = Box<dyn Fn(PanicPayload) + Send + Sync>;

/// User code that the pool calls.
#[derive(Default)]
pub struct Hooks {
    /// On each worker, before its first task.
    pub start: Option<WorkerHook>,
    /// On each worker, after its last task.
    pub exit: Option<WorkerHook>,
    /// With the payload of an unobserved panic.
    pub panic: Option<PanicHook>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("start", &self.start.is_some())
            .field("exit", &self.exit.is_some())
            .field("panic", &self.panic.is_some())
            .finish()
    }
}

/// The settings of a pool, validated.
#[derive(Debug)]
pub struct Config {
    /// How many workers and spare threads there may be.
    pub limits: WorkerLimits,
    /// How the number of workers follows the load, if it is a range.
    pub scaling: Scaling,
    /// The start of the threads' names; without NUL.
    pub name: String,
    /// In bytes, between `MIN_STACK_SIZE` and `MAX_STACK_SIZE`.
    pub stack_size: usize,
    /// Worker `i` is pinned to `cores[i % cores.len()]`; never empty.
    pub cores: Option<Vec<usize>>,
    /// The place of each of `cores` in the machine, if it is known: package, node, die, cache, core.
    pub paths: Option<Vec<topology::Path5>>,
    /// The cores on which unpinned workers may run: those of the process.
    pub mask: affinity::CpuMask,
    /// What the scheduler of the system is told about the workers.
    pub urgency: Urgency,
    /// The signals that workers block.
    pub signals: SignalMask,
    /// User code.
    pub hooks: Hooks,
    /// The seed of all random choices.
    pub seed: u64,
    /// How a worker is chosen for a task from outside.
    pub placement: Placement,
    /// Which tasks are measured.
    pub histograms: Histograms,
    /// Whether the statistics are printed at the end.
    pub at_end: AtEnd,
    /// Whether the end of the process warns of tasks that have not run.
    pub warns_at_exit: bool,
    /// How the pool is recorded from its start, if it is.
    pub recorder: Option<Recorder>,
    /// The longest time that a worker searches before it parks.
    pub spin: Duration,
    /// How many tasks may wait; `None` for any number.
    pub capacity: Option<usize>,
    /// What happens to a task that is submitted to a full pool.
    pub on_full: OnFull,
    /// How much the tasks with a weight may weigh together.
    pub budget: Option<u64>,
    /// What happens to a task that alone weighs more than the budget.
    pub overweight: Overweight,
    /// Stops the pool when it is cancelled.
    pub token: Option<CancelToken>,
    /// Which threads work for the pool.
    pub threads: ThreadUse,
    /// What workers do where this library and rayon-core differ.
    pub rules: Rules,
    /// A value that belongs to the pool and that the pool does not look at. Only the drop-in for rayon-core
    /// sets it.
    pub attachment: Option<Box<dyn Any + Send + Sync>>,
}

impl Config {
    /// The settings of a pool of one worker without a thread, which does structured work that this pool no
    /// longer accepts.
    pub fn single_threaded(&self) -> Config {
        Config {
            limits: WorkerLimits { min: 1, max: 1, stand_ins: 0, spares: 0, idle_timeout: Duration::ZERO },
            scaling: Scaling::default(),
            name: self.name.clone(),
            stack_size: self.stack_size,
            cores: None,
            paths: None,
            mask: self.mask.clone(),
            urgency: Urgency::Inherited,
            signals: self.signals,
            hooks: Hooks::default(),
            seed: self.seed,
            placement: Placement::Home,
            histograms: Histograms::Off,
            at_end: AtEnd::Silent,
            warns_at_exit: false,
            recorder: None,
            spin: Duration::ZERO,
            capacity: None,
            on_full: OnFull::default(),
            budget: None,
            overweight: Overweight::default(),
            token: None,
            threads: ThreadUse::Own,
            rules: self.rules,
            attachment: None,
        }
    }

    /// The thread of worker `index`, not started.
    pub fn thread(&self, index: usize) -> thread::Builder {
        thread::Builder::new().name(self.name_with(&format!("-{index}"))).stack_size(self.stack_size)
    }

    /// The thread of the autoscaler, not started.
    pub fn autoscaler_thread(&self) -> thread::Builder {
        thread::Builder::new().name(self.name_with("-scale"))
    }

    /// The name of the threads that end tasks whose deadlines have passed.
    pub fn deadline_thread_name(&self) -> String {
        self.name_with("-clock")
    }

    /// The pool's name, shortened so that `ending` stays visible.
    fn name_with(&self, ending: &str) -> String {
        let mut prefix = self.name.as_str();
        while prefix.len() + ending.len() > VISIBLE_NAME {
            let mut chars = prefix.chars();
            chars.next_back();
            prefix = chars.as_str();
        }
        format!("{prefix}{ending}")
    }
}
