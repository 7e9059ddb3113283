//! Cancellation: a flag that any thread may read and set. It is set at most once and never cleared.
//!
//! A token is a tree of nodes that its clones, its children and the conditions of tasks share. Any thread may
//! use any part. Guarded by `tests/it/behaviour/cancel.rs` and `conditions.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use crate::base::debug::impl_debug;
use crate::base::facade::{AtomicBool, Mutex, Ordering, lock};
use crate::base::unwind;
use crate::task::work::Unstarted;

/// Asks work to stop: a queued task with the token never starts, and a running task may ask
/// [`is_cancelled`](CancelToken::is_cancelled).
///
/// Clones are the same token. A [child](CancelToken::child) is cancelled with its parent, and can be
/// cancelled alone. To cancel a token again, or after its tasks have ended, is harmless. A token belongs to
/// no pool: tasks of several pools may share it, and threads outside of any pool may use it.
///
/// ```
/// use longshore::{CancelToken, JoinError, Pool};
///
/// let pool = Pool::new()?;
/// let token = CancelToken::new();
/// let inside = token.clone();
/// let searching = pool.task().token(&token).submit(move || {
///     let mut steps = 0u64;
///     while !inside.is_cancelled() {
///         steps += 1;
///     }
///     steps
/// })?;
/// token.cancel();
/// match searching.join() {
///     Ok(_) | Err(JoinError::Cancelled) => {} // it ran and saw the token, or it never started
///     Err(other) => return Err(other.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CancelToken {
    node: Arc<Node>,
}

struct Node {
    is_cancelled: AtomicBool,
    links: Mutex<Links>,
    /// Keeps the parent, so that a cancellation further up finds this node when the token between the two
    /// is gone.
    parent: Option<Arc<Node>>,
    /// The time limit of the token itself; see `api/timed_token.rs`.
    time_limit: OnceLock<TimeLimit>,
}

/// What cancels a token that has a time limit.
pub enum TimeLimit {
    /// A helper thread. Dropping the box withdraws the request.
    Helper {
        /// Taken back by its drop.
        _registration: Box<dyn Send + Sync>,
    },
    /// There is no helper thread. A look at the token compares this time with the clock.
    Clock(Instant),
}

/// The nodes and callbacks to notify. Empty forever once the token is cancelled.
#[derive(Default)]
struct Links {
    children: Vec<Weak<Node>>,
    /// The number of children at which dropped ones are removed next.
    retain_at: usize,
    callbacks: BTreeMap<u64, CancelCallback>,
    next: u64,
}

/// What happens when a token is cancelled.
pub enum CancelCallback {
    /// Calls a function on the thread that cancels.
    Call(Box<dyn FnOnce() + Send>),
    /// Ends a queued task.
    Revoke(Weak<dyn Revocable>),
}

/// A queued task that another thread can end before it starts.
pub trait Revocable: Send + Sync {
    /// Ends the task for this reason, if it has not begun. Returns whether it never starts, also if that was
    /// certain before. Runs user code, the drops of what the task has captured, inside the panic guard.
    fn revoke(&self, why: Unstarted) -> bool;
}

/// The registration of a callback. Dropping it removes the callback.
#[must_use = "dropping the registration removes the callback"]
pub struct CancelRegistration {
    node: Weak<Node>,
    number: u64,
}

/// Below this number of children, dropped ones are not removed.
const RETAIN_FROM: usize = 32;

impl CancelToken {
    /// A token that has not been cancelled.
    pub fn new() -> Self {
        CancelToken { node: Node::new(false, None) }
    }

    /// A token that is cancelled together with this one. If this one is cancelled already, so is the new one.
    pub fn child(&self) -> CancelToken {
        let mut links = lock(&self.node.links);
        // Under the mutex: a cancellation either finds the child in the list, or has set the flag before.
        let child = Node::new(self.is_cancelled(), Some(self.node.clone()));
        if let Some(TimeLimit::Clock(limit)) = self.node.time_limit.get() {
            let _ = child.time_limit.set(TimeLimit::Clock(*limit)); // no other thread has the child yet
        }
        if !self.is_cancelled() {
            if links.children.len() >= links.retain_at {
                links.children.retain(|child| child.strong_count() > 0);
                links.retain_at = (links.children.len() * 2).max(RETAIN_FROM);
            }
            links.children.push(Arc::downgrade(&child));
        }
        CancelToken { node: child }
    }

    /// Whether the token was cancelled, directly or through a parent. Costs two loads.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        // Acquire pairs with the Release in `cancel_alone`: a thread that sees the flag sees what the
        // canceller did before.
        self.node.is_cancelled.load(Ordering::Acquire) || self.node.is_late()
    }

    /// Cancels the token and its children. Returns `false` if the token was cancelled before.
    pub fn cancel(&self) -> bool {
        self.node.cancel()
    }

    /// Gives a new token its time limit. `limit` makes it of what cancels the token.
    pub(crate) fn limit_time(&self, limit: impl FnOnce(Weak<dyn Revocable>) -> TimeLimit) {
        let node: Arc<dyn Revocable> = self.node.clone();
        let _ = self.node.time_limit.set(limit(Arc::downgrade(&node)));
    }

    /// Registers `callback` for the cancellation. If the token is cancelled already, drops it and returns
    /// `None`.
    pub(crate) fn on_cancel(&self, callback: CancelCallback) -> Option<CancelRegistration> {
        let mut links = lock(&self.node.links);
        if self.is_cancelled() {
            drop(links);
            unwind::drop_silently(callback);
            return None;
        }
        let number = links.next;
        links.next += 1;
        links.callbacks.insert(number, callback);
        Some(CancelRegistration { node: Arc::downgrade(&self.node), number })
    }
}

impl Node {
    fn new(is_cancelled: bool, parent: Option<Arc<Node>>) -> Arc<Self> {
        Arc::new(Node {
            is_cancelled: AtomicBool::new(is_cancelled),
            links: Mutex::new(Links::default()),
            parent,
            time_limit: OnceLock::new(),
        })
    }

    /// Whether a time limit has passed that no helper thread watches.
    #[inline]
    fn is_late(&self) -> bool {
        match self.time_limit.get() {
            Some(TimeLimit::Clock(limit)) => Instant::now() >= *limit,
            Some(TimeLimit::Helper { .. }) | None => false,
        }
    }

    /// See [`CancelToken::cancel`].
    fn cancel(&self) -> bool {
        let Some(links) = self.cancel_alone() else { return false };
        // Without recursion, because a chain of children may be long.
        let mut pending = vec![links];
        while let Some(Links { children, callbacks, .. }) = pending.pop() {
            callbacks.into_values().for_each(CancelCallback::notify);
            pending
                .extend(children.iter().filter_map(Weak::upgrade).filter_map(|child| child.cancel_alone()));
        }
        true
    }

    /// Sets the flag and returns what to notify; `None` if it was set before.
    fn cancel_alone(&self) -> Option<Links> {
        let mut links = lock(&self.links);
        if self.is_cancelled.load(Ordering::Relaxed) {
            return None; // Relaxed: the flag is set under the mutex only
        }
        self.is_cancelled.store(true, Ordering::Release); // pairs with the Acquire in `is_cancelled`
        Some(std::mem::take(&mut *links))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Without recursion, because a chain of parents may be long.
        let mut parent = self.parent.take();
        while let Some(node) = parent {
            parent = Arc::into_inner(node).and_then(|mut node| node.parent.take());
        }
    }
}

/// The end of the time limit.
impl Revocable for Node {
    fn revoke(&self, _: Unstarted) -> bool {
        self.cancel()
    }
}

impl CancelCallback {
    fn notify(self) {
        match self {
            CancelCallback::Revoke(task) => {
                task.upgrade().iter().for_each(|task| _ = task.revoke(Unstarted::Cancelled));
            }
            CancelCallback::Call(call) => {
                if let Err(payload) = unwind::catch(call) {
                    unwind::drop_silently(payload);
                }
            }
        }
    }
}

impl_debug! { CancelCallback {} }
impl_debug! { TimeLimit {} }

impl Drop for CancelRegistration {
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade() {
            let callback = lock(&node.links).callbacks.remove(&self.number);
            unwind::drop_silently(callback); // a waker is user code
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl_debug! { CancelToken { is_cancelled } }

impl_debug! { CancelRegistration {} }
