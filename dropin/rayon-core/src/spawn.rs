//! [`spawn()`] and [`spawn_fifo`]: tasks that nothing waits for.

use longshore::rayon_core_support::{DropInPool, DropInWorker, with_worker};

use crate::registry::{DetachedTask, State, global, run_detached};

/// Starts `func` as a task of the current pool, and returns at once. Outside of every pool the global pool is
/// used.
///
/// The task may outlive the caller, so it borrows nothing; [`scope()`](crate::scope()) is for tasks that
/// borrow. On one thread the newest task starts first, while other threads take the oldest.
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel();
/// rayon_core::spawn(move || sender.send(6 * 7).unwrap());
/// assert_eq!(receiver.recv().unwrap(), 42);
/// ```
///
/// A panic of the task goes to the [panic handler](crate::ThreadPoolBuilder::panic_handler) of the pool; if
/// there is none, it aborts the process.
pub fn spawn<F>(func: F)
where
    F: FnOnce() + Send + 'static,
{
    with_worker(|worker| match worker {
        Some(worker) => spawn_on(worker, func),
        None => spawn_into(&global().pool, func),
    });
}

/// The same as [`spawn()`], but tasks that one thread starts by this function start in the order of the calls,
/// unless another thread takes some.
pub fn spawn_fifo<F>(func: F)
where
    F: FnOnce() + Send + 'static,
{
    with_worker(|worker| match worker {
        Some(worker) => spawn_fifo_on(worker, func),
        None => spawn_into(&global().pool, func),
    });
}

/// Starts a task of the pool of `worker`, which the calling thread acts as.
pub(crate) fn spawn_on<F: FnOnce() + Send + 'static>(worker: DropInWorker<'_>, func: F) {
    match State::of(worker.view()) {
        Some(state) if state.is_breadth_first => return spawn_fifo_on(worker, func),
        Some(state) => state.begin_detached(),
        None => {}
    }
    if let Err(task) = worker.execute(detached(func)) {
        task(); // the pool has ended, and only an exit handler or an adopted thread gets here
    }
}

/// Starts a task of the pool of `worker`, after those that were started before it by this function.
pub(crate) fn spawn_fifo_on<F: FnOnce() + Send + 'static>(worker: DropInWorker<'_>, func: F) {
    let index = worker.index();
    let Some((state, fifo)) = State::of(worker.view()).and_then(|s| Some((s, s.fifos.get(index)?))) else {
        return spawn_on(worker, func); // a pool of Longshore
    };
    state.begin_detached();
    fifo.push(Box::new(func) as DetachedTask);
    let turn = move || {
        with_worker(|worker| {
            let view = worker.expect("tasks run on workers").view();
            let state = State::of(view).expect("the pool has a state");
            let task = state.fifos[index].pop();
            run_detached(view, task);
        });
    };
    if let Err(turn) = worker.execute(turn) {
        turn();
    }
}

/// Starts a task of `pool`. The calling thread is no worker of it.
pub(crate) fn spawn_into<F: FnOnce() + Send + 'static>(pool: &DropInPool, func: F) {
    State::of(pool.view()).into_iter().for_each(State::begin_detached);
    if pool.execute(detached(func)).is_err() {
        panic!("the process was forked: the threads of the pool exist in the parent only");
    }
}

fn detached<F: FnOnce() + Send + 'static>(func: F) -> impl FnOnce() + Send + 'static {
    move || with_worker(|worker| run_detached(worker.expect("tasks run on workers").view(), func))
}
