//! M14: the work of a task with conditions. It is called or dropped, once, and the task is counted once,
//! whichever of the task side, the token, the deadline and the handle comes first; a waiter is woken; and no
//! registration is left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use loom::thread::JoinHandle;

use super::common::end;
use crate::code::cancel::CancelToken;
use crate::code::conditions::{self, Conditions, Pending, WorkCell};
use crate::code::counts::TaskCounts;
use crate::code::erased::{Finished, Task};
use crate::code::facade::thread;
use crate::code::owners::TaskOwner;
use crate::code::waiter::Waiter;
use crate::code::work::{Remains, Unstarted};

/// What happened to the work and to the task. loom does not see these counts: they are assertions, not
/// protocol.
#[derive(Default)]
struct Observed {
    runs: AtomicUsize,
    drops: AtomicUsize,
    counted_early: AtomicUsize,
    /// What is left to a helper thread.
    left: Mutex<Option<Remains>>,
}

impl Observed {
    fn get(&self, count: fn(&Observed) -> &AtomicUsize) -> usize {
        count(self).load(Ordering::Relaxed)
    }

    fn left(&self) -> MutexGuard<'_, Option<Remains>> {
        self.left.lock().expect("no panic")
    }
}

/// The captures of the work.
struct Captures(Arc<Observed>);

impl Drop for Captures {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// The pool.
impl TaskOwner for Observed {
    fn counts_early(&self) -> bool {
        true
    }

    fn count_early(&self, _: Unstarted) {
        let is_gone = self.get(|observed| &observed.drops) == 1 || self.left().is_some();
        assert!(is_gone, "the work is gone or left to a helper before its task is counted");
        self.counted_early.fetch_add(1, Ordering::Relaxed);
    }

    fn take_remains(&self, remains: Remains) -> Option<Remains> {
        assert!(self.left().replace(remains).is_none(), "one thread ends the task");
        None
    }

    fn report(&self, _: crate::code::unwind::Payload) {
        unreachable!("no drop panics");
    }

    fn at_process_end(&self) {}
}

struct Scene {
    observed: Arc<Observed>,
    token: CancelToken,
    task: Task,
    pending: Arc<dyn Pending>,
}

impl Scene {
    fn new() -> Self {
        let observed = Arc::new(Observed::default());
        let captures = Captures(observed.clone());
        let token = CancelToken::new();
        let conditions = Conditions { deadline: None, token: Some(token.clone()) };
        let cell = WorkCell::new(conditions, false, move || {
            let captures = captures;
            captures.0.runs.fetch_add(1, Ordering::Relaxed);
        });
        let mut place = std::mem::MaybeUninit::uninit();
        Task::of_in(&mut place, cell.task_side());
        // SAFETY: `of_in` has initialised the place.
        Scene { observed, token, task: unsafe { place.assume_init() }, pending: cell }
    }

    fn watch(&self) {
        watch(&self.observed, &self.pending);
    }
}

/// What the submitting thread does when the task is queued.
fn watch(observed: &Arc<Observed>, pending: &Arc<dyn Pending>) {
    let owner: Arc<dyn TaskOwner> = observed.clone();
    conditions::watch(pending, Some(Arc::downgrade(&owner)), |_, _| None);
}

/// A worker that finds the task in its queue. Returns what it has counted.
fn run(task: Task) -> JoinHandle<Counted> {
    loom::thread::spawn(move || {
        let counts = TaskCounts::default();
        let finished = task.run(&counts);
        assert_eq!(matches!(finished, Finished::Skipped), counts.skipped.get() == 1);
        Counted {
            completed: counts.completed.get(),
            refused: counts.cancelled.get() + counts.expired.get(),
            skipped: counts.skipped.get(),
        }
    })
}

/// What a worker has counted.
struct Counted {
    completed: u64,
    refused: u64,
    skipped: u64,
}

/// At the end: the work ran or was dropped, and the task was counted, each once.
fn check(observed: &Observed, pending: &Arc<dyn Pending>, counted: &Counted) {
    let (ran, early) = (observed.get(|o| &o.runs), observed.get(|o| &o.counted_early));
    assert_eq!(observed.get(|o| &o.drops), 1, "the captures are dropped once");
    assert_eq!(ran as u64, counted.completed, "each run is counted");
    assert_eq!(ran + early + counted.refused as usize, 1, "the task ends once");
    assert_eq!(early as u64, counted.skipped, "an entry is skipped if its task was counted early");
    assert_eq!(Arc::weak_count(pending), 0, "no registration is left");
}

/// A token is cancelled while a worker begins the task.
pub fn a_cancelled_token_ends_a_task_or_lets_it_run() {
    let scene = Scene::new();
    scene.watch();
    let worker = run(scene.task);
    scene.token.cancel();
    let counted = end(worker);
    check(&scene.observed, &scene.pending, &counted);
}

/// The deadline and the token end the task at the same time, while a worker begins it.
pub fn two_sides_that_revoke_agree() {
    let scene = Scene::new();
    scene.watch();
    let (worker, helper) = (run(scene.task), scene.pending.clone());
    let helper = loom::thread::spawn(move || helper.revoke(Unstarted::Expired));
    scene.token.cancel();
    let (counted, expired) = (end(worker), end(helper));
    assert_eq!(expired, counted.completed == 0, "it never starts, or it has run");
    check(&scene.observed, &scene.pending, &counted);
}

/// The submitting thread registers the task after it is visible to workers, and the token is cancelled.
pub fn a_registration_that_comes_late_is_not_left() {
    let scene = Scene::new();
    let token = scene.token.clone();
    let worker = run(scene.task);
    let canceller = loom::thread::spawn(move || _ = token.cancel());
    watch(&scene.observed, &scene.pending);
    let (counted, ()) = (end(worker), end(canceller));
    // A cancellation before the registration is seen by the worker, or by the registration.
    check(&scene.observed, &scene.pending, &counted);
}

/// A thread waits for the end of a task that no worker takes, and the token is cancelled.
pub fn a_waiter_of_a_revoked_task_is_woken() {
    let scene = Scene::new();
    scene.watch();
    let token = scene.token.clone();
    let canceller = loom::thread::spawn(move || _ = token.cancel());
    while conditions::refusal_asked(&scene.pending).is_none() {
        if scene.pending.state().set_waiter(Waiter::Thread(thread::current())) {
            thread::park();
        }
    }
    drop_left(&scene.observed);
    end(canceller);
    let counted = end(run(scene.task));
    check(&scene.observed, &scene.pending, &counted);
}

/// A thread asks whether the task is over while its token is cancelled and a worker begins it. The work is
/// left to a helper thread, if the question has ended the task.
pub fn a_question_leaves_the_work_to_a_helper() {
    let scene = Scene::new();
    scene.watch();
    let (worker, pending) = (run(scene.task), scene.pending.clone());
    let asking = loom::thread::spawn(move || conditions::refusal_asked(&pending).is_some());
    scene.token.cancel();
    let (counted, is_over) = (end(worker), end(asking));
    assert!(!is_over || counted.completed == 0, "what is over has not run");
    drop_left(&scene.observed);
    check(&scene.observed, &scene.pending, &counted);
}

/// Does what a helper thread does: drops the work that a question has left, if it has left any.
fn drop_left(observed: &Observed) {
    let left = observed.left().take();
    if let Some(left) = left {
        end(loom::thread::spawn(move || drop(left)));
    }
}
