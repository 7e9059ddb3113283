//! What the runtime needs to know of what the user asked for. Made and validated by the builder; read-only from then on.

use std::time::Duration;
use std::{fmt, thread};

use crate::base::error::PanicPayload;
use crate::policy::overflow::{OnFull, Overweight};
use crate::policy::placement::Placement;
use crate::policy::scaling::Scaling;
use crate::runtime::report::AtEnd;
use crate::sys::{affinity, topology};
use crate::task::cancel::CancelToken;
use crate::workers::roster::WorkerLimits;

/// Whether a pool measures how long its tasks wait and run, for [`WorkerStats::waits`](crate::WorkerStats::waits) and
/// [`WorkerStats::runs`](crate::WorkerStats::runs).
///
/// The wait of a task is the time from its submission to its start, its run the time from there to its end, what it waited
/// for others included. Counted are tasks with and without handles, not parts of joins, scopes and loops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Histograms {
    /// Nothing is measured, and nothing is paid.
    #[default]
    Off,
    /// One in 61 of each thread's submissions: enough for percentiles of many tasks, and hardly to be noticed with the
    /// smallest of them.
    Sampled,
    /// Every task. Three looks at the clock a task: some 100 ns, a multiple of what the smallest tasks cost otherwise, and one
    /// hundredth of a task of 10 us.
    All,
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
    /// With the payload of a panic that no handle waits for.
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

/// What the runtime needs to know; validated.
#[derive(Debug)]
pub struct Config {
    /// How many workers and spare threads there may be.
    pub limits: WorkerLimits,
    /// How the number of workers follows the load, if it may.
    pub scaling: Scaling,
    /// Beginning of the threads' names; without NUL.
    pub name: String,
    /// In bytes, between the limits.
    pub stack_size: usize,
    /// Worker `i` is pinned to `cores[i % cores.len()]`; never empty.
    pub cores: Option<Vec<usize>>,
    /// Where each of `cores` sits, if that is known: package, node, die, cache, core.
    pub paths: Option<Vec<topology::Path5>>,
    /// Where unpinned workers may run: wherever the process may.
    pub mask: affinity::CpuMask,
    /// User code.
    pub hooks: Hooks,
    /// Of all random choices.
    pub seed: u64,
    /// Where tasks from outside go.
    pub placement: Placement,
    /// Whether it is measured how long tasks wait and run.
    pub histograms: Histograms,
    /// Whether the statistics are printed at the end.
    pub at_end: AtEnd,
    /// The limit of busy waiting.
    pub spin: Duration,
    /// How many tasks may wait; `None` for any number.
    pub capacity: Option<usize>,
    /// What happens to the next.
    pub on_full: OnFull,
    /// How much the tasks that have a weight may weigh together.
    pub budget: Option<u64>,
    /// What happens to a task that alone weighs more.
    pub overweight: Overweight,
    /// Ends the pool.
    pub token: Option<CancelToken>,
}

impl Config {
    /// For a pool of one worker without a thread, which does alone what this one's pool no longer does.
    pub fn single_threaded(&self) -> Config {
        Config {
            limits: WorkerLimits { min: 1, max: 1, stand_ins: 0, spares: 0, keep_alive: Duration::ZERO },
            scaling: Scaling::default(),
            name: self.name.clone(),
            stack_size: self.stack_size,
            cores: None,
            paths: None,
            mask: self.mask.clone(),
            hooks: Hooks::default(),
            seed: self.seed,
            placement: Placement::Home,
            histograms: Histograms::Off,
            at_end: AtEnd::Silent,
            spin: Duration::ZERO,
            capacity: None,
            on_full: OnFull::default(),
            budget: None,
            overweight: Overweight::default(),
            token: None,
        }
    }

    /// The thread of worker `index`, not started.
    pub fn thread(&self, index: usize) -> thread::Builder {
        thread::Builder::new().name(self.name_with(&format!("-{index}"))).stack_size(self.stack_size)
    }

    /// The thread of the supervisor, not started.
    pub fn autoscaler_thread(&self) -> thread::Builder {
        thread::Builder::new().name(self.name_with("-super"))
    }

    /// The pool's name, cut so that `ending` stays visible.
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
