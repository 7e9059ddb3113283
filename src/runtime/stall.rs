//! The watchdog for waits: with `LONGSHORE_STALL=5s` in the environment, a wait that lasts for longer than
//! that makes the process print which tasks and threads wait for what, and what the pools have to do.
//!
//! Without the variable a wait costs one look at a flag. With it, each wait of a worker or a thread is
//! registered in a list of the process, and each pool when it starts; a thread looks at the list. Any thread
//! registers. Guarded by the unit tests here and by `tests/process_nesting.rs`.

use std::env;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::base::facade::lock;
use crate::runtime::metrics::PoolStats;
use crate::sys::signals;
use crate::workers::idle::ParkReason;

/// The environment variable.
const VARIABLE: &str = "LONGSHORE_STALL";

/// What a wait waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A task of the pool or lane with this id, or a broadcast task (0).
    Task(u32),
    /// Work that was sent to the pool with this id.
    Work(u32),
    /// A permit of the pool with this id.
    Permit(u32),
    /// A part of the budget of the pool with this id.
    Budget(u32),
    /// The next result of a stream.
    Stream(u32),
    /// The tasks of a scope.
    Scope(u32),
    /// The half of a join that another worker runs.
    Half(u32),
    /// The end of another pool.
    PoolEnd(u32),
    /// The moment at which no task of another pool is left.
    PoolRest(u32),
    /// The start hooks of another pool.
    PoolStart(u32),
    /// A pass of a lane, which a task has given back while it waited.
    Pass(u32),
}

/// What the picture needs of a pool.
pub trait StalledPool: Send + Sync {
    /// A snapshot of its statistics.
    fn snapshot(&self) -> PoolStats;
    /// The workers that are parked in the middle of a task, and why.
    fn waiting(&self) -> Vec<(usize, ParkReason)>;
}

/// The list of the process.
struct Watch {
    limit: Duration,
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    pools: Vec<(u32, Weak<dyn StalledPool>)>,
    waits: Vec<Wait>,
    next: u64,
    has_thread: bool,
}

struct Wait {
    number: u64,
    thread: ThreadId,
    name: String,
    /// The pool of the worker that waits; 0 for a thread that is no worker.
    pool: u32,
    target: Target,
    since: Instant,
    is_reported: bool,
}

/// The list, if the variable is set.
fn watch() -> Option<&'static Watch> {
    static WATCH: OnceLock<Option<Watch>> = OnceLock::new();
    WATCH
        .get_or_init(|| Some(Watch { limit: limit_of(&env::var(VARIABLE).ok()?)?, lists: Mutex::default() }))
        .as_ref()
}

/// The time that `text` names: a number of seconds (`5`, `5s`, `0.5s`) or milliseconds (`500ms`). `None` for
/// an empty text, and, after a message, for anything else.
fn limit_of(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let time = number.trim().parse::<f64>().ok().filter(|time| *time > 0.0);
    let time = time.and_then(|time| Duration::try_from_secs_f64(time * unit).ok());
    if time.is_none() {
        eprintln!("longshore: {VARIABLE}={text:?} is not a time like 5s or 500ms; no wait is watched");
    }
    time
}

/// Registers a pool that has started.
pub fn register_pool(id: u32, pool: impl FnOnce() -> Weak<dyn StalledPool>) {
    if let Some(watch) = watch() {
        let mut lists = lock(&watch.lists);
        lists.pools.retain(|(_, pool)| pool.strong_count() > 0);
        lists.pools.push((id, pool()));
    }
}

/// Registers a wait of the calling thread, which acts as a worker of the pool with id `pool` (0: of none),
/// until the returned value is dropped. `None` if waits are not watched.
#[inline]
pub fn register(pool: u32, target: impl FnOnce() -> Target) -> Option<Registered> {
    Some(watch()?.register(pool, target()))
}

/// A registered wait.
#[must_use]
pub struct Registered {
    watch: &'static Watch,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.watch.lists).waits.retain(|wait| wait.number != self.number);
    }
}

impl Watch {
    fn register(&'static self, pool: u32, target: Target) -> Registered {
        let thread = thread::current();
        let mut lists = lock(&self.lists);
        if !lists.has_thread {
            let watcher = thread::Builder::new().name("longshore-stall".to_owned());
            // Without a thread no picture is printed; the next wait tries again.
            lists.has_thread = signals::with_all_blocked(|| watcher.spawn(|| self.run())).is_ok();
        }
        let number = lists.next;
        lists.next += 1;
        lists.waits.push(Wait {
            number,
            thread: thread.id(),
            name: thread.name().unwrap_or("a thread without a name").to_owned(),
            pool,
            target,
            since: Instant::now(),
            is_reported: false,
        });
        Registered { watch: self, number }
    }

    /// Looks at the waits, for as long as the process lives.
    fn run(&self) {
        loop {
            let picture = {
                let mut lists = lock(&self.lists);
                let is_new = |wait: &Wait| !wait.is_reported && wait.since.elapsed() >= self.limit;
                let has_news = lists.waits.iter().any(is_new);
                lists.waits.iter_mut().for_each(|wait| wait.is_reported |= has_news);
                has_news.then(|| lists.picture())
            };
            if let Some(picture) = picture {
                // Nothing can be done if standard error is closed.
                let _ = std::io::stderr().write_all(picture.as_bytes());
            }
            thread::park_timeout(self.limit / 4);
        }
    }
}

impl Lists {
    /// All waits, the oldest first, and the pools that they concern.
    fn picture(&self) -> String {
        let mut text = format!("longshore: a wait has no end ({VARIABLE}). All waits, and all pools:\n");
        for wait in &self.waits {
            let place =
                self.waits.iter().filter(|other| other.thread == wait.thread && other.number < wait.number);
            let above = if place.count() > 0 { ", on top of another wait" } else { "" };
            let seconds = wait.since.elapsed().as_secs_f64();
            let (worker, target) = (self.worker(wait), self.name_target(wait.target));
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {worker} -> {target} (for {seconds:.1} s{above})");
        }
        for (id, pool) in &self.pools {
            let Some(pool) = pool.upgrade() else { continue };
            let stats = pool.snapshot();
            let paths: Vec<_> = self.paths_from(*id).iter().map(|id| self.name_of(*id)).collect();
            for (number, reason) in pool.waiting() {
                let stand_in =
                    if reason == ParkReason::Away { "has a stand-in" } else { "needs no stand-in" };
                let _ = writeln!(text, "  worker {number} of pool {} {stand_in}", self.name_of(*id));
            }
            let _ = writeln!(
                text,
                "  pool {}: {} tasks queued, {} begun, {} workers ({} stand-ins so far), waits for {}",
                self.name_of(*id),
                stats.waiting,
                stats.running,
                stats.live,
                stats.stand_ins,
                if paths.is_empty() { "no other pool".to_owned() } else { paths.join(", ") },
            );
        }
        text
    }

    fn worker(&self, wait: &Wait) -> String {
        match wait.pool {
            0 => format!("thread {:?}", wait.name),
            pool => format!("a task on worker {:?} of pool {}", wait.name, self.name_of(pool)),
        }
    }

    /// The name and the id of a pool, of which many may have one name.
    fn name_of(&self, id: u32) -> String {
        let pool = self.pools.iter().find(|(known, _)| *known == id).and_then(|(_, pool)| pool.upgrade());
        pool.map_or_else(|| format!("#{id}"), |pool| format!("{}#{id}", pool.snapshot().name))
    }

    fn name_target(&self, target: Target) -> impl fmt::Display {
        let name = |id| self.name_of(id);
        match target {
            Target::Task(0) => "a broadcast task".to_owned(),
            Target::Task(id) if self.pools.iter().any(|(known, _)| *known == id) => {
                format!("a task of pool {}", name(id))
            }
            Target::Task(id) => format!("a task of lane {}", name(id)),
            Target::Work(id) => format!("work that was sent to pool {}", name(id)),
            Target::Permit(id) => format!("a permit of pool {}", name(id)),
            Target::Budget(id) => format!("the budget of pool {}", name(id)),
            Target::Stream(id) => format!("a result of a stream of pool {}", name(id)),
            Target::Scope(id) => format!("the tasks of a scope of pool {}", name(id)),
            Target::Half(id) => format!("the stolen half of a join of pool {}", name(id)),
            Target::PoolEnd(id) => format!("the end of pool {}", name(id)),
            Target::PoolRest(id) => format!("the rest of pool {}", name(id)),
            Target::PoolStart(id) => format!("the start hooks of pool {}", name(id)),
            Target::Pass(id) => format!("a pass of lane {}", name(id)),
        }
    }

    /// The pools for which tasks of pool `id` wait.
    fn paths_from(&self, id: u32) -> Vec<u32> {
        let mut targets: Vec<_> = self
            .waits
            .iter()
            .filter(|wait| wait.pool == id)
            .map(|wait| wait.target.id())
            .filter(|target| *target != id && self.pools.iter().any(|(known, _)| known == target))
            .collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

impl Target {
    /// The id of the pool or lane that it belongs to, or 0.
    pub fn id(self) -> u32 {
        match self {
            Target::Task(id)
            | Target::Work(id)
            | Target::Permit(id)
            | Target::Budget(id)
            | Target::Stream(id)
            | Target::Scope(id)
            | Target::Half(id)
            | Target::PoolEnd(id)
            | Target::PoolRest(id)
            | Target::PoolStart(id)
            | Target::Pass(id) => id,
        }
    }
}

/// A pool of either kind.
impl<M: crate::runtime::pool_kind::PoolKind> StalledPool for M {
    fn snapshot(&self) -> PoolStats {
        self.stats()
    }

    fn waiting(&self) -> Vec<(usize, ParkReason)> {
        self.idle.waiting()
    }
}

/// A weak reference to a pool, for [`register_pool`].
pub fn look_at<M: crate::runtime::pool_kind::PoolKind>(pool: &Arc<M>) -> Weak<dyn StalledPool> {
    Arc::downgrade(pool) as Weak<dyn StalledPool>
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_what_is_none() {
        let limits = ["5", "5s", " 0.5s ", "500ms", "", "0", "-1", "soon", "5m", "inf"].map(limit_of);
        let (five, half) = (Some(Duration::from_secs(5)), Some(Duration::from_millis(500)));
        assert_eq!(limits, [five, five, half, half, None, None, None, None, None, None]);
    }

    #[test]
    fn a_picture_names_each_wait() {
        let wait = |number, pool, target| Wait {
            number,
            thread: thread::current().id(),
            name: "a-0".to_owned(),
            pool,
            target,
            since: Instant::now(),
            is_reported: false,
        };
        let waits = vec![wait(0, 7, Target::Permit(8)), wait(1, 0, Target::Task(0))];
        let picture = Lists { waits, ..Lists::default() }.picture();
        // How long is left open, because the thread may be interrupted before it makes the picture.
        let has_line =
            |begin: &str, end: &str| picture.lines().any(|line| line.contains(begin) && line.ends_with(end));
        let task = r#"a task on worker "a-0" of pool #7 -> a permit of pool #8 (for "#;
        assert!(has_line(task, " s)"), "{picture}");
        let thread = r#"thread "a-0" -> a broadcast task (for "#;
        assert!(has_line(thread, " s, on top of another wait)"), "{picture}");
    }
}
