//! The pool of the Rust book: a standard `mpsc` channel whose receiver the threads share under a mutex.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::{Execute, Return, Rival, call_by_channel, collect_by_channel};

type Job = Box<dyn FnOnce() + Send>;

/// The sending end of the channel, and the threads.
pub struct Mutexed {
    sender: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

/// The next job, or nothing once the senders are gone. The lock is held while waiting and no longer.
fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().expect("no thread panics while it holds the lock").recv().ok()
}

impl Rival for Mutexed {
    fn new(workers: usize) -> Self {
        let (sender, receiver) = channel();
        let jobs = Arc::new(Mutex::new(receiver));
        let worker = |_| {
            let jobs = Arc::clone(&jobs);
            thread::spawn(move || {
                while let Some(job) = next(&jobs) {
                    job();
                }
            })
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

impl Execute for Mutexed {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        assert!(self.sender.send(Box::new(task)).is_ok(), "no workers");
    }
}

impl Return for Mutexed {
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
