//! Deadlines of queued tasks, in the order in which they pass.
//!
//! A pool has one list. A submission adds its task, and the registration takes it out again when the task
//! begins or ends, so the list never holds more than the queued tasks. A helper thread sleeps until the
//! earliest deadline and ends the tasks whose deadlines have passed (`runtime/early_end.rs`).
//!
//! The drops of the captures of expired tasks run on the helper, one after the other, and are user code: one
//! may take long. So while a helper ends a task, another helper is free. If the drop takes longer than
//! [`SLOW`], the free helper wakes the waiter of that task, and ends the tasks that expire meanwhile. With
//! the first task that expires a pool has two helpers, and one more for each further drop that is slow at the
//! same time. Without a thread for another helper the tasks that expire later wait for the slow drop.
//!
//! The helpers also drop the captures of tasks that another thread has ended ([`Deadlines::take_remains`]),
//! before they end tasks whose deadlines have passed: these captures are overdue.
//!
//! Any thread may add and remove. Guarded by the unit tests here and by `tests/cancelling`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::base::debug::impl_debug;
use crate::task::cancel::Revocable;
use crate::task::work::{Remains, Unstarted};

/// A drop of captures that takes longer is slow. Much longer than most drops take, so that one helper does
/// all of these; short compared with the deadlines of tasks.
const SLOW: Duration = Duration::from_millis(1);

/// How many free helpers are kept: as many as work when no drop is slow.
const MOST_FREE: usize = 2;

/// The deadlines of the queued tasks of one pool; see the module's text.
#[derive(Default)]
pub struct Deadlines {
    state: Mutex<DeadlinesState>,
    /// Signalled when there is an earlier first deadline, when a helper begins to end a task, and at the end.
    changed: Condvar,
}

#[derive(Default)]
struct DeadlinesState {
    /// By deadline, and by a number that tells equal deadlines apart.
    tasks: BTreeMap<DeadlineKey, Weak<dyn Revocable>>,
    next: u64,
    /// What ended tasks have left.
    remains: VecDeque<Remains>,
    helper: HelperState,
    /// Helpers that do not end a task now.
    free: usize,
    /// The tasks that helpers end now, and the remains that they drop.
    ending: Vec<Ending>,
}

/// What a helper does for one task.
enum Step {
    /// It ends the task, whose deadline has passed.
    End(Arc<dyn Revocable>),
    /// It drops what the task has left.
    Drop(Remains),
}

/// A task that a helper ends, or whose remains it drops.
struct Ending {
    key: DeadlineKey,
    since: Instant,
    /// The task, if its waiter is to be woken.
    task: Option<Arc<dyn Revocable>>,
    /// Whether the drop is known to be slow, and the waiter of the task was woken because of that.
    is_slow: bool,
}

/// Why a helper thread ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum HelperEnd {
    /// The pool has ended.
    PoolEnd,
    /// There are enough others.
    Surplus,
}

type DeadlineKey = (Instant, u64);

/// Whether a thread waits for the deadlines.
#[derive(Debug, Clone, Copy, Default)]
enum HelperState {
    /// None has been started.
    #[default]
    Missing,
    /// The operating system had no thread; the next attempt is not before this time.
    Refused(Instant),
    /// It runs.
    Running,
    /// The pool has ended.
    Closed,
}

/// The entry of a queued task. Dropping it removes the entry.
#[must_use = "dropping the registration removes the deadline"]
pub struct DeadlineRegistration {
    deadlines: Arc<Deadlines>,
    key: DeadlineKey,
}

impl_debug! { Deadlines { len } }
impl_debug! { DeadlineRegistration {} }

impl Deadlines {
    fn lock(&self) -> MutexGuard<'_, DeadlinesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of queued tasks with a deadline.
    pub fn len(&self) -> usize {
        self.lock().tasks.len()
    }

    /// Adds a task, which is revoked when its deadline has passed. `start` starts the helper thread; it is
    /// called if there is none, and returns when not to try again before if the system has no thread. `None`
    /// if the pool has ended.
    pub fn add(
        self: &Arc<Self>,
        deadline: Instant,
        task: Weak<dyn Revocable>,
        start: impl FnOnce() -> Result<(), Instant>,
    ) -> Option<DeadlineRegistration> {
        let mut state = self.lock();
        if let HelperState::Closed = state.ensure_helper(start) {
            return None;
        }
        let key = state.key(deadline);
        let is_first = state.tasks.first_key_value().is_none_or(|(first, _)| key < *first);
        state.tasks.insert(key, task);
        drop(state);
        if is_first {
            self.changed.notify_one(); // if the other helper ends a task then, it signals again
        }
        Some(DeadlineRegistration { deadlines: self.clone(), key })
    }

    /// Has a helper thread drop what an ended task has left, soon and at the latest before the pool has
    /// ended. `start` is that of [`Deadlines::add`]. Without a helper returns it to the caller.
    pub fn take_remains(
        &self,
        remains: Remains,
        start: impl FnOnce() -> Result<(), Instant>,
    ) -> Option<Remains> {
        let mut state = self.lock();
        match state.ensure_helper(start) {
            HelperState::Running => state.remains.push_back(remains),
            HelperState::Missing | HelperState::Refused(_) | HelperState::Closed => return Some(remains),
        }
        drop(state);
        self.changed.notify_one(); // as in `add`
        None
    }

    /// Revokes tasks as their deadlines pass, and drops what ended tasks have left, until
    /// [`Deadlines::close`]. For a helper thread. `start` starts another one, and returns whether it did.
    pub fn serve(&self, start: impl Fn() -> bool) -> HelperEnd {
        loop {
            let mut state = self.lock();
            if matches!(state.helper, HelperState::Closed) && state.remains.is_empty() {
                return HelperEnd::PoolEnd;
            }
            let now = Instant::now();
            let mut quick = state.ending.iter_mut().filter(|ending| !ending.is_slow);
            if let Some(slow) = quick.find(|ending| now >= ending.since + SLOW) {
                slow.is_slow = true;
                let task = slow.task.clone();
                drop(state); // wakers are user code
                task.iter().for_each(|task| task.wake_waiter());
                continue;
            }
            // A helper that has just begun to end a task will be back in a moment and end the next one.
            let quick = state.ending.iter().filter(|ending| !ending.is_slow);
            let back = quick.map(|ending| ending.since + SLOW).min();
            let first = match state.remains.is_empty() {
                true => state.tasks.first_key_value().map(|(&(deadline, _), _)| deadline),
                false => Some(now),
            };
            match back.or(first) {
                None => drop(self.changed.wait(state)),
                Some(until) if until > now => drop(self.changed.wait_timeout(state, until - now)),
                Some(_) => {
                    if self.end_first(state, &start) == Some(HelperEnd::Surplus) {
                        return HelperEnd::Surplus;
                    }
                }
            }
        }
    }

    /// Drops the first remains, or else ends the first task, whose deadline has passed. Returns whether the
    /// calling helper is one too many now.
    fn end_first(
        &self,
        mut state: MutexGuard<'_, DeadlinesState>,
        start: &impl Fn() -> bool,
    ) -> Option<HelperEnd> {
        let (key, step) = match state.remains.pop_front() {
            Some(remains) => (state.key(Instant::now()), Step::Drop(remains)),
            None => {
                let (key, task) = state.tasks.pop_first()?;
                (key, Step::End(task.upgrade()?))
            }
        };
        let task = match &step {
            Step::End(task) => Some(task.clone()),
            Step::Drop(_) => None,
        };
        state.free -= 1;
        if state.free == 0 && start() {
            state.free += 1;
        }
        state.ending.push(Ending { key, since: Instant::now(), task, is_slow: false });
        drop(state); // user code runs without the lock
        self.changed.notify_all(); // free helpers look whether this takes long
        match step {
            Step::End(task) => _ = task.revoke(Unstarted::Expired),
            Step::Drop(remains) => drop(remains),
        }
        let mut state = self.lock();
        let place = state.ending.iter().position(|ending| ending.key == key);
        let ended = place.map(|place| state.ending.swap_remove(place));
        let is_surplus = state.free >= MOST_FREE;
        state.free += usize::from(!is_surplus);
        drop(state);
        drop(ended); // after the lock is released
        is_surplus.then_some(HelperEnd::Surplus)
    }

    /// Ends the helper threads, when they have dropped all remains, and refuses new deadlines: no task is
    /// queued any more.
    pub fn close(&self) {
        self.lock().helper = HelperState::Closed;
        self.changed.notify_all();
    }
}

impl DeadlinesState {
    /// Starts the first helper by `start`, if there is none. Returns whether there is one now. The caller
    /// holds the lock meanwhile, so the pool does not end between the start and the count of threads.
    fn ensure_helper(&mut self, start: impl FnOnce() -> Result<(), Instant>) -> HelperState {
        match self.helper {
            HelperState::Closed | HelperState::Running => {}
            HelperState::Refused(until) if Instant::now() < until => {}
            HelperState::Missing | HelperState::Refused(_) => {
                let started = start();
                self.free += usize::from(started.is_ok());
                self.helper = started.map_or_else(HelperState::Refused, |()| HelperState::Running);
            }
        }
        self.helper
    }

    /// A new key for this time.
    fn key(&mut self, time: Instant) -> DeadlineKey {
        let key = (time, self.next);
        self.next += 1;
        key
    }
}

impl Drop for DeadlineRegistration {
    fn drop(&mut self) {
        let removed = self.deadlines.lock().tasks.remove(&self.key);
        drop(removed); // after the lock is released
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    struct Named(u32, mpsc::Sender<u32>);

    impl Revocable for Named {
        fn revoke(&self, why: Unstarted) -> bool {
            assert_eq!(why, Unstarted::Expired);
            self.1.send(self.0).is_ok()
        }
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn tasks_are_revoked_in_the_order_of_their_deadlines_and_not_before() {
        let deadlines = Arc::new(Deadlines::default());
        let (sender, revoked) = mpsc::channel();
        let now = Instant::now();
        let in_ms = |ms| now + Duration::from_millis(ms);
        let tasks: Vec<Arc<dyn Revocable>> =
            (0..4).map(|n| Arc::new(Named(n, sender.clone())) as Arc<dyn Revocable>).collect();
        let mut starts = 0;
        let mut add = |n: usize, deadline| {
            let start = || {
                starts += 1;
                Ok(())
            };
            deadlines.add(deadline, Arc::downgrade(&tasks[n]), start).expect("open")
        };
        let registrations = [add(0, now + LONG), add(1, in_ms(20)), add(2, in_ms(10)), add(3, in_ms(15))];
        assert_eq!((starts, deadlines.len()), (1, 4));
        let [_long, second, first, withdrawn] = registrations;
        drop(withdrawn);
        let served = thread::scope(|scope| {
            let serving = scope.spawn(|| deadlines.serve(|| false));
            let order = [revoked.recv().expect("two"), revoked.recv().expect("two")];
            assert!(Instant::now() >= in_ms(20));
            deadlines.close();
            assert_eq!(serving.join().expect("no panic"), HelperEnd::PoolEnd);
            order
        });
        assert_eq!(served, [2, 1]);
        drop((first, second));
        assert_eq!(deadlines.len(), 1);
        assert!(deadlines.add(now, Arc::downgrade(&tasks[0]), || Ok(())).is_none(), "it is closed");
        assert!(revoked.try_recv().is_err());
    }

    /// A task whose captures take as long to drop as the sender lives.
    struct Slow(Mutex<mpsc::Receiver<()>>, mpsc::Sender<&'static str>);

    impl Revocable for Slow {
        fn revoke(&self, _: Unstarted) -> bool {
            let _ = self.1.send("begun");
            let _ = self.0.lock().expect("no panic").recv();
            true
        }

        fn wake_waiter(&self) {
            let _ = self.1.send("woken");
        }
    }

    #[test]
    fn slow_drops_delay_no_other_task_and_no_waiter() {
        let deadlines = Arc::new(Deadlines::default());
        let ((open, gate), (sender, events)) = (mpsc::channel(), mpsc::channel());
        let (named, revoked) = mpsc::channel();
        let slow: Arc<dyn Revocable> = Arc::new(Slow(Mutex::new(gate), sender));
        let quick: Vec<Arc<dyn Revocable>> =
            (0..3).map(|n| Arc::new(Named(n, named.clone())) as Arc<dyn Revocable>).collect();
        let add = |task| deadlines.add(Instant::now(), Arc::downgrade(task), || Ok(())).expect("open");
        thread::scope(|scope| {
            let (helpers, wanted) = mpsc::channel();
            let first = add(&slow);
            let serving = scope.spawn(|| deadlines.serve(move || helpers.send(()).is_ok()));
            wanted.recv().expect("another helper is wanted");
            assert_eq!(events.recv(), Ok("begun"));
            let other = scope.spawn(|| deadlines.serve(|| false));
            assert_eq!(events.recv(), Ok("woken"), "by the other helper");
            let rest: Vec<_> = quick.iter().map(add).collect();
            let ended: Vec<_> = revoked.iter().take(3).collect();
            assert_eq!(ended, [0, 1, 2], "in order, beside the slow one");
            drop((open, first, rest));
            deadlines.close();
            let ends = [serving.join(), other.join()].map(|end| end.expect("no panic"));
            assert_eq!(ends, [HelperEnd::PoolEnd; 2]);
        });
    }

    /// Reports its drop.
    struct Left(u32, mpsc::Sender<u32>);

    impl Drop for Left {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }

    #[test]
    fn remains_are_dropped_by_a_helper_also_after_the_end_of_the_pool() {
        let deadlines = Deadlines::default();
        let (sender, dropped) = mpsc::channel();
        let left = |n| -> Remains { Box::new(Left(n, sender.clone())) };
        assert!(deadlines.take_remains(left(0), || Err(Instant::now() + LONG)).is_some(), "no thread");
        assert_eq!(dropped.recv(), Ok(0), "by the caller");
        assert!(deadlines.take_remains(left(1), || panic!("not so soon")).is_some());
        let deadlines = Deadlines::default();
        dropped.try_iter().for_each(drop);
        for n in 2..5 {
            assert!(deadlines.take_remains(left(n), || Ok(())).is_none());
        }
        assert!(dropped.try_recv().is_err(), "left to the helper");
        deadlines.close();
        assert_eq!(deadlines.serve(|| false), HelperEnd::PoolEnd);
        assert_eq!(dropped.try_iter().collect::<Vec<_>>(), [2, 3, 4]);
        assert!(deadlines.take_remains(left(5), || Ok(())).is_some(), "it is closed");
    }

    /// Remains whose drop waits for the end of another drop, which a second helper does.
    struct Waiting(mpsc::Receiver<()>);

    impl Drop for Waiting {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn remains_that_drop_slowly_delay_no_others() {
        let deadlines = Deadlines::default();
        let (open, gate) = mpsc::channel();
        assert!(deadlines.take_remains(Box::new(Waiting(gate)), || Ok(())).is_none());
        assert!(deadlines.take_remains(Box::new(open), || panic!("there is one")).is_none());
        thread::scope(|scope| {
            let (helpers, wanted) = mpsc::channel();
            let serving = &deadlines;
            scope.spawn(move || serving.serve(move || helpers.send(()).is_ok()));
            wanted.recv().expect("another helper is wanted");
            scope.spawn(|| deadlines.serve(|| false));
            deadlines.close();
        });
    }

    #[test]
    fn a_refused_thread_is_asked_for_again_later() {
        let deadlines = Arc::new(Deadlines::default());
        let task: Arc<dyn Revocable> = Arc::new(Named(0, mpsc::channel().0));
        let mut attempts = 0;
        let mut add = |result| {
            let start = || {
                attempts += 1;
                result
            };
            drop(deadlines.add(Instant::now() + LONG, Arc::downgrade(&task), start));
        };
        add(Err(Instant::now() + LONG));
        add(Ok(()));
        assert_eq!(attempts, 1, "the time has not come");
        let deadlines = Arc::new(Deadlines::default());
        let mut add = |result| {
            let start = || {
                attempts += 1;
                result
            };
            drop(deadlines.add(Instant::now() + LONG, Arc::downgrade(&task), start));
        };
        add(Err(Instant::now()));
        add(Ok(()));
        add(Ok(()));
        assert_eq!(attempts, 3, "the second attempt has succeeded");
    }
}
