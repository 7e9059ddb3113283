//! M5: the latch. The waiter learns of the result and of every nudge at any moment, and may free the memory
//! as soon as it sees the result (the façade's `Tomb` checks that).

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::{end, spawn};
use super::mini::Gate;
use crate::code::facade::{AtomicU32, Ordering, UninitCell, fence, thread};
use crate::code::latch::{Latch, LatchResult};

/// A latch and the awaited result, as in the frame of a waiter.
struct Frame {
    latch: Latch,
    result: UninitCell<u32>,
    news: AtomicU32,
}

impl Frame {
    fn new() -> Arc<Self> {
        Arc::new(Frame { latch: Latch::new(), result: UninitCell::empty(), news: AtomicU32::new(0) })
    }

    /// The setter.
    fn finish(&self, result: LatchResult) {
        // SAFETY: the waiter reads the cell after it has seen the latch set; the model checks that.
        unsafe { self.result.write(7) };
        // SAFETY: this is the only call, and the model keeps the memory; `Tomb` reports an access that is too
        // late.
        unsafe { Latch::set(&self.latch, result) };
        if leaves_out("leaving the latch alone once it is set") {
            self.latch.nudge();
        }
    }

    /// A thread that publishes something for the waiter.
    fn publish(&self) {
        self.news.store(1, Ordering::Relaxed);
        if !leaves_out("the fence before a nudge") {
            fence(Ordering::SeqCst);
        }
        if !leaves_out("the nudge") {
            self.latch.nudge();
        }
    }

    fn has_news(&self) -> bool {
        self.news.load(Ordering::Relaxed) == 1
    }

    /// The waiter: `PushWorker::await_job`, for a waiter that does not spin.
    fn wait(&self) -> LatchResult {
        loop {
            if let Some(result) = self.latch.result() {
                return result;
            }
            if self.arm() {
                thread::park();
            }
        }
    }

    fn arm(&self) -> bool {
        // SAFETY: only the waiter calls this, on one thread at a time.
        unsafe { self.latch.arm() }
    }

    /// The end of the waiter's frame.
    fn leave(&self, result: LatchResult) {
        assert_eq!(self.wait(), result);
        // SAFETY: the latch is set, so the cell was written; the model checks that. It is read once.
        assert_eq!(unsafe { self.result.read() }, 7);
        self.latch.bury();
    }
}

pub fn a_result_wakes_a_waiter_that_parks() {
    let frame = Frame::new();
    let setter = spawn(&frame, |frame| frame.finish(LatchResult::Done));
    frame.leave(LatchResult::Done);
    end(setter);
}

/// The waiter arms the latch, finds other work, and arms it again.
pub fn a_result_meets_a_waiter_that_arms_again() {
    let frame = Frame::new();
    let setter = spawn(&frame, |frame| frame.finish(LatchResult::Unstarted));
    frame.arm();
    frame.leave(LatchResult::Unstarted);
    end(setter);
}

/// The latch is armed by one thread and then by another one, as when a waiter continues on a fresh stack.
pub fn a_result_reaches_the_thread_that_waits_last() {
    let frame = Frame::new();
    let setter = spawn(&frame, |frame| frame.finish(LatchResult::Done));
    end(spawn(&frame, |frame| _ = frame.arm()));
    frame.leave(LatchResult::Done);
    end(setter);
}

/// The result comes only after the waiter has seen the news, so a lost nudge is a deadlock.
pub fn a_nudge_makes_the_waiter_look_again() {
    let (frame, seen) = (Frame::new(), Gate::new());
    let is_seen = seen.clone();
    let publisher = spawn(&frame, move |frame| {
        frame.publish();
        is_seen.wait();
        frame.finish(LatchResult::Done);
    });
    while !frame.has_news() {
        if frame.arm() && !frame.has_news() {
            thread::park();
        }
    }
    seen.open();
    frame.leave(LatchResult::Done);
    end(publisher);
}

/// Three threads. (Here the latch outlives the nudge, as the caller of `nudge` must ensure.)
pub fn a_nudge_meets_a_result_and_a_second_arm() {
    let frame = Frame::new();
    let publisher = spawn(&frame, Frame::publish);
    let setter = spawn(&frame, |frame| frame.finish(LatchResult::Unstarted));
    frame.arm();
    assert_eq!(frame.wait(), LatchResult::Unstarted);
    end(publisher);
    frame.leave(LatchResult::Unstarted);
    end(setter);
}
