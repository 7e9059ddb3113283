//! The state of a pool beside Longshore's own ([`State`]), the build of a pool, and the global pool.
//!
//! The state is the attachment of the pool, so every task finds that of its own pool. It lives as long as the
//! last worker. Any thread may touch it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{env, fmt, mem, process};

use longshore::rayon_core_support::{
    DropInHook, DropInPool, DropInSettings, DropInWorker, PoolView, with_worker,
};

use crate::builder::{PanicHandler, ThreadPoolBuilder};
use crate::error::{ErrorKind, ThreadPoolBuildError};
use crate::fifo::Fifo;
use crate::thread_builder::{ThreadBuilder, ThreadSpawn};

/// The stack of a thread for which the builder sets no size, as in the standard library.
const DEFAULT_STACK: usize = 2 << 20;

/// If this variable is `0`, a thread outside of every pool takes no part in the work of the global pool.
const TAKE_PART: &str = "LONGSHORE_RAYON_TAKE_PART";

/// A detached task in a [`Fifo`].
pub(crate) type DetachedTask = Box<dyn FnOnce() + Send>;

/// What a pool needs beside the workers.
pub(crate) struct State {
    panics: Panics,
    /// Detached tasks of each worker in the order of their spawns.
    pub(crate) fifos: Box<[Fifo<DetachedTask>]>,
    /// The owner of the pool, and the detached tasks that have not ended. At 0 the pool closes.
    outstanding: AtomicUsize,
    is_closed: AtomicBool,
    /// The number of the worker whose thread was adopted.
    adopted: OnceLock<usize>,
    /// Whether detached tasks start in the order of their spawns.
    pub(crate) is_breadth_first: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("outstanding", &self.outstanding).finish_non_exhaustive()
    }
}

impl State {
    /// The state of a pool; `None` for an ordinary pool of Longshore.
    pub(crate) fn of<'a>(view: PoolView<'a>) -> Option<&'a State> {
        view.attachment()?.downcast_ref()
    }

    /// Counts a detached task, which keeps the pool open until it has ended.
    pub(crate) fn begin_detached(&self) {
        // Relaxed: the caller keeps the pool open, and nothing is published.
        self.outstanding.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends what [`State::begin_detached`] or the build of the pool began.
    pub(crate) fn end_detached(&self, view: PoolView<'_>) {
        // AcqRel: the last one sees what the others did before, and closes the pool after that.
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close(&view.pool());
        }
    }

    fn close(&self, pool: &DropInPool) {
        // Relaxed: only one thread may get through; what it does is ordered by the pool itself.
        if !self.is_closed.swap(true, Ordering::Relaxed) {
            pool.print_statistics();
            pool.close(self.adopted.get().copied());
        }
    }
}

/// What happens to a panic that no caller receives.
#[derive(Clone)]
struct Panics(Option<Arc<PanicHandler>>);

impl Panics {
    /// Calls `f`. A panic goes to the handler; without a handler, or if the handler panics, the process aborts.
    fn catch(&self, f: impl FnOnce()) {
        let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { return };
        let abort = AbortOnDrop;
        if let Some(handler) = &self.0 {
            handler(payload);
            mem::forget(abort);
        }
    }
}

/// Ends the process, unless it is forgotten.
struct AbortOnDrop;

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        eprintln!("Rayon: detected unexpected panic; aborting");
        process::abort();
    }
}

/// Runs a detached task of the pool behind `view`.
pub(crate) fn run_detached(view: PoolView<'_>, task: impl FnOnce()) {
    match State::of(view) {
        Some(state) => {
            state.panics.catch(task);
            state.end_detached(view);
        }
        None => Panics(None).catch(task),
    }
}

/// Builds a pool and has its threads started.
pub(crate) fn build<S: ThreadSpawn>(
    mut builder: ThreadPoolBuilder<S>,
) -> Result<DropInPool, ThreadPoolBuildError> {
    let workers = builder.threads_to_start().min(crate::max_num_threads());
    let panics = Panics(builder.panic_handler.take().map(Arc::from));
    let guarded = |hook: DropInHook| -> DropInHook {
        let panics = panics.clone();
        Box::new(move |index| panics.catch(|| hook(index)))
    };
    let pool = DropInPool::new(DropInSettings {
        workers,
        stack_size: builder.stack_size.unwrap_or_else(default_stack),
        on_start: builder.start_handler.take().map(guarded),
        on_exit: builder.exit_handler.take().map(guarded),
        attachment: Box::new(State {
            panics: panics.clone(),
            fifos: Fifo::for_workers(workers),
            outstanding: AtomicUsize::new(1),
            is_closed: AtomicBool::new(false),
            adopted: OnceLock::new(),
            is_breadth_first: builder.breadth_first,
        }) as Box<dyn Any + Send + Sync>,
    });
    // If this returns early or panics, the threads that run end.
    let unfinished = Unfinished(&pool);
    for index in 0..workers {
        let name = builder.thread_name.as_mut().map(|name| name(index));
        if index == 0 && builder.use_current_thread {
            adopt_current_thread(&pool)?;
            continue;
        }
        let worker = pool.supply().expect("the pool has this many workers");
        let thread = ThreadBuilder::new(worker, name, builder.stack_size);
        let started = builder.spawn_handler.spawn(thread);
        started.map_err(|error| ThreadPoolBuildError::new(ErrorKind::IOError(error)))?;
    }
    mem::forget(unfinished);
    Ok(pool)
}

fn adopt_current_thread(pool: &DropInPool) -> Result<(), ThreadPoolBuildError> {
    if with_worker(|worker| worker.is_some()) {
        return Err(ThreadPoolBuildError::new(ErrorKind::CurrentThreadAlreadyInPool));
    }
    let number = pool.adopt_current_thread().expect("it is the first worker");
    let state = State::of(pool.view()).expect("a new pool has a state");
    state.adopted.set(number).expect("one thread is adopted");
    Ok(())
}

/// A pool of which not all threads were started; it closes on drop.
struct Unfinished<'a>(&'a DropInPool);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        State::of(self.0.view()).into_iter().for_each(|state| state.close(self.0));
    }
}

fn default_stack() -> usize {
    let from_environment = env::var("RUST_MIN_STACK").ok().and_then(|value| value.parse().ok());
    from_environment.unwrap_or(DEFAULT_STACK)
}

/// The global pool.
#[derive(Debug)]
pub(crate) struct Global {
    pub(crate) pool: DropInPool,
    /// Whether a thread outside of every pool may act as a worker for its own work.
    takes_part: bool,
}

static GLOBAL: OnceLock<Global> = OnceLock::new();

/// Held while the global pool is built.
static BUILDING: Mutex<()> = Mutex::new(());

/// The global pool, which is built if there is none.
pub(crate) fn global() -> &'static Global {
    match GLOBAL.get() {
        Some(global) => global,
        None => build_default(),
    }
}

#[cold]
fn build_default() -> &'static Global {
    let build_it = || match build(ThreadPoolBuilder::new()) {
        // Without threads the current thread does all of the work, when it waits.
        Err(error) if error.is_unsupported() && with_worker(|worker| worker.is_none()) => {
            build(ThreadPoolBuilder::new().num_threads(1).use_current_thread()).map_err(|_| error)
        }
        result => result,
    };
    match set_global(true, build_it) {
        Ok(global) => global,
        Err(error) => match GLOBAL.get() {
            Some(global) => global, // another thread was first
            None => panic!("The global thread pool has not been initialized.: {error:?}"),
        },
    }
}

/// Builds the global pool from `builder`, if there is none.
pub(crate) fn build_global<S: ThreadSpawn>(
    builder: ThreadPoolBuilder<S>,
) -> Result<(), ThreadPoolBuildError> {
    // What is set for each thread of the pool would be missing on a thread that takes part.
    let are_plain = S::IS_DEFAULT
        && builder.start_handler.is_none()
        && builder.exit_handler.is_none()
        && builder.thread_name.is_none();
    set_global(are_plain, || build(builder)).map(|_| ())
}

fn set_global(
    are_plain: bool,
    build: impl FnOnce() -> Result<DropInPool, ThreadPoolBuildError>,
) -> Result<&'static Global, ThreadPoolBuildError> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if GLOBAL.get().is_some() {
        return Err(ThreadPoolBuildError::new(ErrorKind::GlobalPoolAlreadyInitialized));
    }
    let is_switched_off = env::var_os(TAKE_PART).is_some_and(|value| value == "0");
    let global = Global { pool: build()?, takes_part: are_plain && !is_switched_off };
    if env::var_os("LONGSHORE_STATS").is_some_and(|value| value == "1") {
        print_at_exit();
    }
    Ok(GLOBAL.get_or_init(|| global))
}

/// The global pool is never dropped, so the end of the process prints its statistics.
fn print_at_exit() {
    unsafe extern "C" {
        fn atexit(callback: extern "C" fn()) -> i32;
    }
    extern "C" fn print() {
        GLOBAL.get().into_iter().for_each(|global| global.pool.print_statistics());
    }
    // SAFETY: `print` may be called at the end of the process, on any thread. It does not unwind.
    let _ = unsafe { atexit(print) };
}

/// Calls `op` with the worker of the calling thread, else as a worker of the global pool, and tells it whether
/// it was moved there.
#[inline]
pub(crate) fn in_worker<R: Send>(op: impl FnOnce(DropInWorker<'_>, bool) -> R + Send) -> R {
    with_worker(|worker| match worker {
        Some(worker) => op(worker, false),
        None => in_global(op),
    })
}

#[inline(never)]
fn in_global<R: Send>(op: impl FnOnce(DropInWorker<'_>, bool) -> R + Send) -> R {
    let Global { pool, takes_part } = global();
    // The global pool may have adopted the calling thread just now.
    if with_worker(|worker| worker.is_some()) {
        return with_worker(|worker| op(worker.expect("it was found just now"), false));
    }
    if *takes_part { pool.enter(|worker| op(worker, true)) } else { pool.install(|worker| op(worker, true)) }
}

/// See [`current_num_threads`](crate::current_num_threads).
pub(crate) fn current_num_threads() -> usize {
    with_worker(|worker| match worker {
        Some(worker) => worker.view().workers(),
        None => global().pool.view().workers(),
    })
}
