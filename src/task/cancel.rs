//! Cancellation: a flag that many may ask for and anyone may set, once and for all. Every thread may touch every part.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use crate::base::debug::impl_debug;
use crate::base::facade::{AtomicBool, Mutex, Ordering, lock};
use crate::base::unwind;
use crate::sync::waiter::Waiter;

/// Asks work to stop: queued work that has the token never starts, and work that runs may look.
///
/// Clones are the same token. A [child](CancelToken::child) is cancelled with its parent, and can be cancelled alone.
/// Cancelling again, or when everything is over, is harmless. A token belongs to no pool: one may serve tasks of several,
/// and threads that belong to none.
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
///     Ok(_) | Err(JoinError::Cancelled) => {} // it had begun, and looked; or it never began
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
}

/// Whom to tell. Empty for good once the token is cancelled.
#[derive(Default)]
struct Links {
    children: Vec<Weak<Node>>,
    /// Children at which those that are gone are sorted out next.
    tidy_at: usize,
    watchers: BTreeMap<u64, CancelCallback>,
    next: u64,
}

/// What happens when a token is cancelled.
pub enum CancelCallback {
    /// Somebody who waits is woken, to look again.
    Wake(Waiter),
    /// This is called, by the thread that cancels.
    Call(Box<dyn FnOnce() + Send>),
}

/// A watcher that a token knows of, for as long as this lives.
#[must_use = "dropped, the watcher is forgotten"]
pub struct CancelRegistration {
    node: Weak<Node>,
    number: u64,
}

/// Children below which nobody looks for those that are gone.
const TIDY_FROM: usize = 32;

impl CancelToken {
    /// A token that has not been cancelled.
    pub fn new() -> Self {
        CancelToken { node: Node::new(false) }
    }

    /// A token that is cancelled with this one. If this one has been, it is born cancelled.
    pub fn child(&self) -> CancelToken {
        let mut links = lock(&self.node.links);
        // Under the lock: a cancellation either takes the child out of the list, or has set the flag before.
        let child = Node::new(self.is_cancelled());
        if !self.is_cancelled() {
            if links.children.len() >= links.tidy_at {
                links.children.retain(|child| child.strong_count() > 0);
                links.tidy_at = (links.children.len() * 2).max(TIDY_FROM);
            }
            links.children.push(Arc::downgrade(&child));
        }
        CancelToken { node: child }
    }

    /// Whether it has been cancelled, itself or through its parent. Costs one load.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        // Acquire pairs with the Release in `cancel`: who sees it sees what the canceller did before.
        self.node.is_cancelled.load(Ordering::Acquire)
    }

    /// Cancels it and its children. Returns whether this call did it: `false` if it was cancelled before.
    pub fn cancel(&self) -> bool {
        let is_first = self.node.cancel_alone();
        // Without recursion: a chain of children may be long.
        let Some(links) = is_first else { return false };
        let mut told = vec![links];
        while let Some(Links { children, watchers, .. }) = told.pop() {
            watchers.into_values().for_each(CancelCallback::tell);
            told.extend(children.iter().filter_map(Weak::upgrade).filter_map(|child| child.cancel_alone()));
        }
        true
    }

    /// Has `watcher` told when the token is cancelled; `None`, and it is not told, if that has happened.
    pub(crate) fn on_cancel(&self, watcher: CancelCallback) -> Option<CancelRegistration> {
        let mut links = lock(&self.node.links);
        if self.is_cancelled() {
            drop(links);
            unwind::drop_silently(watcher);
            return None;
        }
        let number = links.next;
        links.next += 1;
        links.watchers.insert(number, watcher);
        Some(CancelRegistration { node: Arc::downgrade(&self.node), number })
    }
}

impl Node {
    fn new(is_cancelled: bool) -> Arc<Self> {
        Arc::new(Node { is_cancelled: AtomicBool::new(is_cancelled), links: Mutex::new(Links::default()) })
    }

    /// Sets the flag, and returns who is to be told; `None` if it was set before.
    fn cancel_alone(&self) -> Option<Links> {
        let mut links = lock(&self.links);
        if self.is_cancelled.load(Ordering::Relaxed) {
            return None; // it is set under the lock
        }
        self.is_cancelled.store(true, Ordering::Release); // see `is_cancelled`
        Some(std::mem::take(&mut *links))
    }
}

impl CancelCallback {
    fn tell(self) {
        match self {
            CancelCallback::Wake(waiter) => waiter.wake(),
            CancelCallback::Call(call) => {
                if let Err(payload) = unwind::catch(call) {
                    unwind::drop_silently(payload);
                }
            }
        }
    }
}

impl fmt::Debug for CancelCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CancelCallback::Wake(_) => "Wake",
            CancelCallback::Call(_) => "Call",
        })
    }
}

impl Drop for CancelRegistration {
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade() {
            let watcher = lock(&node.links).watchers.remove(&self.number);
            unwind::drop_silently(watcher); // a waker is user code
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl_debug!(CancelToken { is_cancelled });

impl_debug!(CancelRegistration {});
