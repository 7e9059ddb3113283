//! [`ThreadPoolBuilder`]: the settings of a pool.

use std::any::Any;
use std::error::Error;
use std::str::FromStr;
use std::{env, fmt, io, thread};

use crate::error::ThreadPoolBuildError;
use crate::registry;
use crate::thread_builder::{CustomSpawn, DefaultSpawn, ThreadBuilder, ThreadSpawn};
use crate::thread_pool::ThreadPool;

pub(crate) type PanicHandler = dyn Fn(Box<dyn Any + Send>) + Send + Sync;
type WorkerHandler = dyn Fn(usize) + Send + Sync;

/// Configures a [`ThreadPool`], or the global pool.
///
/// ```
/// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(4).build()?;
/// assert_eq!(pool.current_num_threads(), 4);
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
///
/// For the global pool use [`build_global`](Self::build_global) in place of `build`.
pub struct ThreadPoolBuilder<S = DefaultSpawn> {
    /// 0 for the default.
    num_threads: usize,
    pub(crate) use_current_thread: bool,
    pub(crate) panic_handler: Option<Box<PanicHandler>>,
    pub(crate) thread_name: Option<Box<dyn FnMut(usize) -> String>>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) start_handler: Option<Box<WorkerHandler>>,
    pub(crate) exit_handler: Option<Box<WorkerHandler>>,
    pub(crate) spawn_handler: S,
    pub(crate) breadth_first: bool,
}

// Only for the default way to start threads, because the type would be ambiguous else.
impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        ThreadPoolBuilder {
            num_threads: 0,
            use_current_thread: false,
            panic_handler: None,
            thread_name: None,
            stack_size: None,
            start_handler: None,
            exit_handler: None,
            spawn_handler: DefaultSpawn,
            breadth_first: false,
        }
    }
}

impl ThreadPoolBuilder {
    /// A builder with the default settings.
    pub fn new() -> Self {
        Self::default()
    }
}

/// The bound `S: ThreadSpawn` covers the default way to start threads and
/// [`spawn_handler`](ThreadPoolBuilder::spawn_handler).
impl<S: ThreadSpawn> ThreadPoolBuilder<S> {
    /// Builds a pool of one's own.
    ///
    /// # Errors
    /// If a thread cannot be started, or if [`use_current_thread`](Self::use_current_thread) was called on a
    /// thread that is part of a pool. The threads that were started end.
    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        ThreadPool::build(self)
    }

    /// Builds the global pool. Without this call it is built with the default settings when it is first used.
    ///
    /// # Errors
    /// If there is a global pool already, and for the reasons of [`build`](Self::build).
    pub fn build_global(self) -> Result<(), ThreadPoolBuildError> {
        registry::build_global(self)
    }
}

impl ThreadPoolBuilder {
    /// Builds a pool of scoped threads, and calls `with_pool` with it. Each thread calls `wrapper`, which must
    /// call [`ThreadBuilder::run`]. So a thread may borrow from the caller:
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let started = AtomicUsize::new(0);
    /// rayon_core::ThreadPoolBuilder::new().num_threads(2).build_scoped(
    ///     |thread| {
    ///         started.fetch_add(1, Ordering::Relaxed);
    ///         thread.run()
    ///     },
    ///     |pool| pool.install(|| ()),
    /// )?;
    /// assert_eq!(started.into_inner(), 2);
    /// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub fn build_scoped<W, F, R>(self, wrapper: W, with_pool: F) -> Result<R, ThreadPoolBuildError>
    where
        W: Fn(ThreadBuilder) + Sync,
        F: FnOnce(&ThreadPool) -> R,
    {
        thread::scope(|scope| {
            let pool = self
                .spawn_handler(|thread| {
                    let mut builder = thread::Builder::new();
                    if let Some(name) = thread.name() {
                        builder = builder.name(name.to_string());
                    }
                    if let Some(size) = thread.stack_size() {
                        builder = builder.stack_size(size);
                    }
                    builder.spawn_scoped(scope, || wrapper(thread))?;
                    Ok(())
                })
                .build()?;
            Ok(with_pool(&pool))
        })
    }
}

impl<S> ThreadPoolBuilder<S> {
    /// Sets a function that starts the threads. It is called with each [`ThreadBuilder`] and starts a thread
    /// that calls [`ThreadBuilder::run`].
    ///
    /// The threads end after the pool was dropped; to wait for them is up to the caller. Those of the global
    /// pool never end.
    ///
    /// ```
    /// let pool = rayon_core::ThreadPoolBuilder::new()
    ///     .num_threads(2)
    ///     .spawn_handler(|thread| {
    ///         std::thread::spawn(|| thread.run());
    ///         Ok(())
    ///     })
    ///     .build()?;
    /// pool.install(|| println!("on a thread of one's own"));
    /// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
    /// ```
    pub fn spawn_handler<F>(self, spawn: F) -> ThreadPoolBuilder<CustomSpawn<F>>
    where
        F: FnMut(ThreadBuilder) -> io::Result<()>,
    {
        ThreadPoolBuilder {
            spawn_handler: CustomSpawn::new(spawn),
            num_threads: self.num_threads,
            use_current_thread: self.use_current_thread,
            panic_handler: self.panic_handler,
            thread_name: self.thread_name,
            stack_size: self.stack_size,
            start_handler: self.start_handler,
            exit_handler: self.exit_handler,
            breadth_first: self.breadth_first,
        }
    }

    /// The number of threads by setting, environment and machine.
    pub(crate) fn threads_to_start(&self) -> usize {
        if self.num_threads > 0 {
            return self.num_threads;
        }
        let default = || thread::available_parallelism().map_or(1, usize::from);
        let number = |name| env::var(name).ok().and_then(|value| usize::from_str(&value).ok());
        match (number("RAYON_NUM_THREADS"), number("RAYON_RS_NUM_CPUS")) {
            (Some(0), _) => default(),
            (Some(threads), _) | (None, Some(threads @ 1..)) => threads,
            (None, _) => default(),
        }
    }

    /// Sets a function that names the threads by their index. A panic in it comes out of `build`.
    pub fn thread_name<F>(mut self, closure: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.thread_name = Some(Box::new(closure));
        self
    }

    /// Sets the number of threads. 0 means the default: the environment variable `RAYON_NUM_THREADS` (or the
    /// older `RAYON_RS_NUM_CPUS`) if it holds a number above 0, else
    /// [`available_parallelism`](std::thread::available_parallelism). A number above
    /// [`max_num_threads`](crate::max_num_threads) is lowered to that.
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.num_threads = num_threads;
        self
    }

    /// Makes the thread that builds the pool its thread 0. Neither the spawn handler nor the start and exit
    /// handlers are called for it.
    ///
    /// The thread runs tasks of the pool only while it waits inside the pool, and in
    /// [`yield_now`](crate::yield_now) and [`yield_local`](crate::yield_local). The state of the pool is
    /// leaked.
    pub fn use_current_thread(mut self) -> Self {
        self.use_current_thread = true;
        self
    }

    /// Sets a function that receives each panic that no caller receives: of tasks started by `spawn`,
    /// `spawn_fifo` and `spawn_broadcast`, and of the start and exit handlers.
    ///
    /// Without it, and if it panics itself, such a panic aborts the process.
    pub fn panic_handler<H>(mut self, panic_handler: H) -> Self
    where
        H: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.panic_handler = Some(Box::new(panic_handler));
        self
    }

    /// Sets the size of the threads' stacks, in bytes.
    pub fn stack_size(mut self, stack_size: usize) -> Self {
        self.stack_size = Some(stack_size);
        self
    }

    /// Asks that detached tasks of a thread start in the order of their spawns. A hint.
    #[deprecated(note = "use `scope_fifo` and `spawn_fifo` for similar effect")]
    pub fn breadth_first(mut self) -> Self {
        self.breadth_first = true;
        self
    }

    /// Sets a function that each thread calls with its index when it starts, possibly several at the same time.
    /// A panic in it goes to the [panic handler](Self::panic_handler); if that returns, the thread starts.
    pub fn start_handler<H>(mut self, start_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.start_handler = Some(Box::new(start_handler));
        self
    }

    /// Sets a function that each thread calls with its index when it ends, possibly several at the same time.
    /// A panic in it goes to the [panic handler](Self::panic_handler); if that returns, the thread ends.
    pub fn exit_handler<H>(mut self, exit_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.exit_handler = Some(Box::new(exit_handler));
        self
    }
}

/// A closure in the output of `Debug`.
struct ClosurePlaceholder;

impl fmt::Debug for ClosurePlaceholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<closure>")
    }
}

impl<S> fmt::Debug for ThreadPoolBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("num_threads", &self.num_threads)
            .field("use_current_thread", &self.use_current_thread)
            .field("get_thread_name", &self.thread_name.as_ref().map(|_| ClosurePlaceholder))
            .field("panic_handler", &self.panic_handler.as_ref().map(|_| ClosurePlaceholder))
            .field("stack_size", &self.stack_size)
            .field("start_handler", &self.start_handler.as_ref().map(|_| ClosurePlaceholder))
            .field("exit_handler", &self.exit_handler.as_ref().map(|_| ClosurePlaceholder))
            .field("breadth_first", &self.breadth_first)
            .finish()
    }
}

/// The settings of a pool. Use [`ThreadPoolBuilder`] instead.
#[deprecated(note = "Use `ThreadPoolBuilder`")]
#[derive(Default)]
pub struct Configuration {
    builder: ThreadPoolBuilder,
}

#[allow(deprecated)]
impl Configuration {
    /// The default settings.
    pub fn new() -> Configuration {
        Configuration { builder: ThreadPoolBuilder::new() }
    }

    pub(crate) fn into_builder(self) -> ThreadPoolBuilder {
        self.builder
    }

    fn with(self, set: impl FnOnce(ThreadPoolBuilder) -> ThreadPoolBuilder) -> Self {
        Configuration { builder: set(self.builder) }
    }

    /// Deprecated in favor of [`ThreadPoolBuilder::build`].
    ///
    /// # Errors
    /// Those of [`ThreadPoolBuilder::build`].
    pub fn build(self) -> Result<ThreadPool, Box<dyn Error + 'static>> {
        self.builder.build().map_err(Box::from)
    }

    /// Deprecated in favor of [`ThreadPoolBuilder::thread_name`].
    pub fn thread_name<F>(self, closure: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.with(|builder| builder.thread_name(closure))
    }

    /// Deprecated in favor of [`ThreadPoolBuilder::num_threads`].
    pub fn num_threads(self, num_threads: usize) -> Configuration {
        self.with(|builder| builder.num_threads(num_threads))
    }

    /// Deprecated in favor of [`ThreadPoolBuilder::panic_handler`].
    pub fn panic_handler<H>(self, panic_handler: H) -> Configuration
    where
        H: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.with(|builder| builder.panic_handler(panic_handler))
    }

    /// Deprecated in favor of [`ThreadPoolBuilder::stack_size`].
    pub fn stack_size(self, stack_size: usize) -> Self {
        self.with(|builder| builder.stack_size(stack_size))
    }

    /// Deprecated in favor of [`ThreadPoolBuilder::breadth_first`].
    pub fn breadth_first(self) -> Self {
        self.with(ThreadPoolBuilder::breadth_first)
    }

    /// Deprecated in favor of [`ThreadPoolBuilder::start_handler`].
    pub fn start_handler<H>(self, start_handler: H) -> Configuration
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.with(|builder| builder.start_handler(start_handler))
    }

    /// Deprecated in favor of [`ThreadPoolBuilder::exit_handler`].
    pub fn exit_handler<H>(self, exit_handler: H) -> Configuration
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.with(|builder| builder.exit_handler(exit_handler))
    }
}

#[allow(deprecated)]
impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.builder.fmt(f)
    }
}

/// Deprecated in favor of [`ThreadPoolBuilder::build_global`].
///
/// # Errors
/// Those of [`ThreadPoolBuilder::build_global`].
#[deprecated(note = "use `ThreadPoolBuilder::build_global`")]
#[allow(deprecated)]
pub fn initialize(config: Configuration) -> Result<(), Box<dyn Error>> {
    config.into_builder().build_global().map_err(Box::from)
}
