//! M5: the latch. The waiter hears of the verdict and of every nudge, whatever it is just doing, and may free the memory as
//! soon as it sees the verdict (the façade's `Tomb` watches over that).

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::mini::Gate;
use crate::code::facade::{AtomicU32, Ordering, UninitCell, fence, thread};
use crate::code::latch::{Latch, LatchResult};

/// A latch with what is waited for, as in a frame.
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
    fn finish(&self, verdict: LatchResult) {
        // SAFETY: the waiter reads it after it has seen the verdict. That is what is checked.
        unsafe { self.result.write(7) };
        // SAFETY: called once, and the model keeps the memory; `Tomb` reports what would be too late.
        unsafe { Latch::set(&self.latch, verdict) };
        if leaves_out("leaving the latch alone once it is set") {
            self.latch.nudge();
        }
    }

    /// Somebody with news.
    fn tell(&self) {
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

    /// The waiter, as `Worker::await_job` for a waiter that does not spin.
    fn wait(&self) -> LatchResult {
        loop {
            if let Some(verdict) = self.latch.verdict() {
                return verdict;
            }
            if self.arm() {
                thread::park();
            }
        }
    }

    fn arm(&self) -> bool {
        // SAFETY: only the waiter calls it.
        unsafe { self.latch.arm() }
    }

    /// The end of the waiter's frame.
    fn leave(&self, verdict: LatchResult) {
        assert_eq!(self.wait(), verdict);
        // SAFETY: the verdict is there. That is what is checked.
        assert_eq!(unsafe { self.result.read() }, 7);
        self.latch.bury();
    }
}

fn spawn(frame: &Arc<Frame>, f: impl FnOnce(&Frame) + 'static) -> loom::thread::JoinHandle<()> {
    let frame = frame.clone();
    loom::thread::spawn(move || f(&frame))
}

fn end(thread: loom::thread::JoinHandle<()>) {
    thread.join().expect("a panic ends the process");
}

pub fn a_verdict_wakes_a_waiter_that_lies_down() {
    let frame = Frame::new();
    let setter = spawn(&frame, |frame| frame.finish(LatchResult::Done));
    frame.leave(LatchResult::Done);
    end(setter);
}

/// The waiter arms the latch, finds something else to do, and arms it anew.
pub fn a_verdict_meets_a_waiter_that_arms_anew() {
    let frame = Frame::new();
    let setter = spawn(&frame, |frame| frame.finish(LatchResult::Returned));
    frame.arm();
    frame.leave(LatchResult::Returned);
    end(setter);
}

/// As before; but another thread waits in the end, as when a waiter goes on on a fresh stack.
pub fn a_verdict_reaches_the_thread_that_waits_last() {
    let frame = Frame::new();
    let setter = spawn(&frame, |frame| frame.finish(LatchResult::Done));
    end(spawn(&frame, |frame| _ = frame.arm()));
    frame.leave(LatchResult::Done);
    end(setter);
}

/// The verdict comes only when the waiter has heard the news: a nudge that is lost is a deadlock.
pub fn a_nudge_has_the_waiter_look_around() {
    let (frame, heard) = (Frame::new(), Gate::new());
    let has_heard = heard.clone();
    let teller = spawn(&frame, move |frame| {
        frame.tell();
        has_heard.wait();
        frame.finish(LatchResult::Done);
    });
    while !frame.has_news() {
        if frame.arm() && !frame.has_news() {
            thread::park();
        }
    }
    heard.open();
    frame.leave(LatchResult::Done);
    end(teller);
}

/// Three parties. (Here the latch outlives the nudge, for that is what its caller promises.)
pub fn a_nudge_meets_a_verdict_and_a_new_arm() {
    let frame = Frame::new();
    let teller = spawn(&frame, Frame::tell);
    let setter = spawn(&frame, |frame| frame.finish(LatchResult::Returned));
    frame.arm();
    assert_eq!(frame.wait(), LatchResult::Returned);
    end(teller);
    frame.leave(LatchResult::Returned);
    end(setter);
}
