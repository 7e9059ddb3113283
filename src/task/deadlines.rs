//! Deadlines of queued tasks, in the order in which they pass.
//!
//! A pool has one list. A submission adds its task, and the registration takes it out again when the task
//! begins or ends, so the list never holds more than the queued tasks. One helper thread sleeps until the
//! earliest deadline and ends the tasks whose deadlines have passed (`runtime/early_end.rs`).
//!
//! The drops of the captures of expired tasks run on the helper, one after the other, so a slow one delays
//! the ends of tasks that expire later. A thread that joins such a task does not depend on the helper.
//!
//! Any thread may add and remove. Guarded by the unit tests here and by `tests/cancelling`.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::base::debug::impl_debug;
use crate::task::cancel::Revocable;
use crate::task::work::Unstarted;

/// The deadlines of the queued tasks of one pool; see the module's text.
#[derive(Default)]
pub struct Deadlines {
    state: Mutex<DeadlinesState>,
    /// Signalled when there is an earlier first deadline, and at the end.
    changed: Condvar,
}

#[derive(Default)]
struct DeadlinesState {
    /// By deadline, and by a number that tells equal deadlines apart.
    tasks: BTreeMap<DeadlineKey, Weak<dyn Revocable>>,
    next: u64,
    helper: HelperState,
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
        match state.helper {
            HelperState::Closed => return None,
            HelperState::Running => {}
            HelperState::Refused(until) if Instant::now() < until => {}
            // The lock is held meanwhile, so the pool does not end between the start and the count of
            // threads.
            HelperState::Missing | HelperState::Refused(_) => {
                state.helper = start().map_or_else(HelperState::Refused, |()| HelperState::Running);
            }
        }
        let key = (deadline, state.next);
        state.next += 1;
        let is_first = state.tasks.first_key_value().is_none_or(|(first, _)| key < *first);
        state.tasks.insert(key, task);
        drop(state);
        if is_first {
            self.changed.notify_one();
        }
        Some(DeadlineRegistration { deadlines: self.clone(), key })
    }

    /// Revokes tasks as their deadlines pass, until [`Deadlines::close`]. For the helper thread.
    pub fn serve(&self) {
        loop {
            let mut state = self.lock();
            if matches!(state.helper, HelperState::Closed) {
                return;
            }
            let now = Instant::now();
            match state.tasks.first_key_value().map(|(&(deadline, _), _)| deadline) {
                None => drop(self.changed.wait(state)),
                Some(deadline) if deadline > now => {
                    drop(self.changed.wait_timeout(state, deadline - now));
                }
                Some(_) => {
                    let (_, task) = state.tasks.pop_first().expect("there is a first one");
                    drop(state); // user code runs without the lock
                    if let Some(task) = task.upgrade() {
                        task.revoke(Unstarted::Expired);
                    }
                }
            }
        }
    }

    /// Ends the helper thread and refuses new deadlines: no task is queued any more.
    pub fn close(&self) {
        self.lock().helper = HelperState::Closed;
        self.changed.notify_one();
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
            let serving = scope.spawn(|| deadlines.serve());
            let order = [revoked.recv().expect("two"), revoked.recv().expect("two")];
            assert!(Instant::now() >= in_ms(20));
            deadlines.close();
            serving.join().expect("no panic");
            order
        });
        assert_eq!(served, [2, 1]);
        drop((first, second));
        assert_eq!(deadlines.len(), 1);
        assert!(deadlines.add(now, Arc::downgrade(&tasks[0]), || Ok(())).is_none(), "it is closed");
        assert!(revoked.try_recv().is_err());
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
