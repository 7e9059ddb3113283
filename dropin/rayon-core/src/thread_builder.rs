//! [`ThreadBuilder`]: a worker that waits for its thread, and the two ways to start threads.

use std::cell::Cell;
use std::marker::PhantomData;
use std::{fmt, io, thread};

use longshore::rayon_core_support::DropInThread;

/// A thread of a pool, handed to [`ThreadPoolBuilder::spawn_handler`](crate::ThreadPoolBuilder::spawn_handler),
/// which starts a thread that calls [`ThreadBuilder::run`].
pub struct ThreadBuilder {
    worker: DropInThread,
    name: Option<String>,
    stack_size: Option<usize>,
    /// Not `Sync`, as in rayon-core, so that a program that builds here builds there.
    _marker: PhantomData<Cell<()>>,
}

impl ThreadBuilder {
    pub(crate) fn new(worker: DropInThread, name: Option<String>, stack_size: Option<usize>) -> Self {
        ThreadBuilder { worker, name, stack_size, _marker: PhantomData }
    }

    /// Returns the index of the thread in its pool, from 0.
    pub fn index(&self) -> usize {
        self.worker.index()
    }

    /// Returns the name that was set by `ThreadPoolBuilder::thread_name`, if one was.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the size that was set by `ThreadPoolBuilder::stack_size`, in bytes, if one was.
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// Works as a thread of the pool, and returns when the pool was dropped and its tasks have ended.
    pub fn run(self) {
        self.worker.run();
    }
}

impl fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadBuilder")
            .field("pool", &self.worker.pool_id())
            .field("index", &self.index())
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish()
    }
}

/// How the threads of a pool are started. Cannot be implemented or named outside of this package.
pub trait ThreadSpawn {
    #[doc(hidden)]
    const IS_DEFAULT: bool;

    /// Starts a thread that calls `ThreadBuilder::run`.
    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()>;
}

/// By the standard library.
#[derive(Debug, Default)]
pub struct DefaultSpawn;

impl ThreadSpawn for DefaultSpawn {
    const IS_DEFAULT: bool = true;

    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()> {
        let mut builder = thread::Builder::new();
        if let Some(name) = thread.name() {
            builder = builder.name(name.to_owned());
        }
        if let Some(stack_size) = thread.stack_size() {
            builder = builder.stack_size(stack_size);
        }
        builder.spawn(|| thread.run())?;
        Ok(())
    }
}

/// By a function of the user.
pub struct CustomSpawn<F>(F);

impl<F> fmt::Debug for CustomSpawn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CustomSpawn").finish_non_exhaustive()
    }
}

impl<F> CustomSpawn<F> {
    pub(crate) fn new(spawn: F) -> Self {
        CustomSpawn(spawn)
    }
}

impl<F: FnMut(ThreadBuilder) -> io::Result<()>> ThreadSpawn for CustomSpawn<F> {
    const IS_DEFAULT: bool = false;

    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()> {
        (self.0)(thread)
    }
}
