//! What a thread does last: in the destructor of a thread-local.

use std::cell::RefCell;

/// Calls its closure when its thread ends.
struct AtExit(Option<Box<dyn FnOnce()>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|last_act| last_act());
    }
}

thread_local! {
    static AT_EXIT: RefCell<Vec<AtExit>> = const { RefCell::new(Vec::new()) };
}

/// Has the calling thread call `last_act` when it ends.
pub fn at_thread_exit(last_act: impl FnOnce() + 'static) {
    AT_EXIT.with_borrow_mut(|acts| acts.push(AtExit(Some(Box::new(last_act)))));
}
