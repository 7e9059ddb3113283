//! The pool that people make themselves: a crossbeam channel of boxed closures and some threads. Bounded,
//! where a producer that is ahead waits and a task that finds the queue full runs its new task itself
//! (otherwise all workers could wait for room); and unbounded.

use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use super::{Execute, Partitioned, Return, Rival, Spawner, call_by_channel, collect_by_channel};

/// Tasks that the bounded queue holds.
const CAPACITY: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// The channel's sending end, and the threads at the other.
struct ChannelPool {
    sender: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl ChannelPool {
    fn new(workers: usize, (sender, receiver): (Sender<Job>, Receiver<Job>)) -> Self {
        let worker = |_| {
            let jobs = receiver.clone();
            thread::spawn(move || jobs.iter().for_each(|job| job()))
        };
        Self { sender, threads: (0..workers).map(worker).collect() }
    }

    fn finish(self) {
        drop(self.sender);
        for thread in self.threads {
            thread.join().expect("a worker that did not panic");
        }
    }
}

/// A queue of [`CAPACITY`].
pub struct Bounded(ChannelPool);

/// A queue without limit.
pub struct Unbounded(ChannelPool);

impl Rival for Bounded {
    fn new(workers: usize) -> Self {
        Self(ChannelPool::new(workers, bounded(CAPACITY)))
    }

    fn finish(self) {
        self.0.finish();
    }
}

impl Rival for Unbounded {
    fn new(workers: usize) -> Self {
        Self(ChannelPool::new(workers, unbounded()))
    }

    fn finish(self) {
        self.0.finish();
    }
}

impl Execute for Bounded {
    const UNBOUNDED: bool = false;

    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        assert!(self.0.sender.send(Box::new(task)).is_ok(), "no workers");
    }

    fn spawner(&'static self) -> impl Spawner {
        OrMyself(&self.0.sender)
    }
}

/// Runs itself what finds the queue full.
#[derive(Clone, Copy)]
struct OrMyself(&'static Sender<Job>);

impl Spawner for OrMyself {
    #[inline]
    fn spawn<F: FnOnce() + Send + 'static>(self, task: F) {
        match self.0.try_send(Box::new(task)) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job(),
            Err(TrySendError::Disconnected(_)) => panic!("no workers"),
        }
    }
}

impl Execute for Unbounded {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        assert!(self.0.sender.send(Box::new(task)).is_ok(), "no workers");
    }
}

/// Both have no handles of their own.
macro_rules! return_by_channel {
    ($($pool:ty),*) => {$(
        impl Return for $pool {
            fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
                call_by_channel(self, task)
            }

            fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
            where
                F: FnOnce() -> u64 + Send + 'static,
            {
                collect_by_channel(self, tasks, check);
            }
        }
    )*};
}

return_by_channel!(Bounded, Unbounded);

impl Partitioned for Bounded {
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, _partition: usize, task: F) {
        self.execute(task);
    }
}
