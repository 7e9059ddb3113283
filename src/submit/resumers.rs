//! The running tasks of a lane that have given back their passes and want one again, in the order of arrival.
//!
//! A lane owns the list, behind its lock (`lane.rs`). A task that is granted a pass is taken out of the list
//! and its thread is unparked. A task on top of which another task runs leaves the list, because it could not
//! use a pass, and gets its old place back afterwards. Guarded by the unit test here and by
//! `tests/waits/passes.rs`.

use std::collections::VecDeque;
use std::thread::{self, Thread};

/// Tasks that wait for a pass, the first to be served first.
#[derive(Debug, Default)]
pub struct Resumers {
    waiting: VecDeque<Resumer>,
    /// The number of the next resumer.
    next: u64,
}

/// A task that waits for a pass, and the thread that runs it.
#[derive(Debug)]
struct Resumer {
    number: u64,
    thread: Thread,
}

impl Resumers {
    fn place_of(&self, number: u64) -> Option<usize> {
        self.waiting.iter().position(|resumer| resumer.number == number)
    }

    /// Adds the task of the calling thread as the last. Returns its number.
    pub fn add(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Resumer { number, thread: thread::current() });
        number
    }

    /// Adds the task `number` again, which the calling thread runs, before all that have come later.
    pub fn add_again(&mut self, number: u64) {
        let place = self.waiting.partition_point(|resumer| resumer.number < number);
        self.waiting.insert(place, Resumer { number, thread: thread::current() });
    }

    /// Removes the task `number`. Returns `false` if it does not wait: it has been granted a pass.
    pub fn remove(&mut self, number: u64) -> bool {
        self.place_of(number).is_some_and(|place| self.waiting.remove(place).is_some())
    }

    /// Whether the task `number` waits.
    pub fn waits(&self, number: u64) -> bool {
        self.place_of(number).is_some()
    }

    /// Has the calling thread unparked for the task `number`. Returns `false` if it does not wait.
    pub fn set_thread(&mut self, number: u64) -> bool {
        let place = self.place_of(number);
        place.into_iter().for_each(|place| self.waiting[place].thread = thread::current());
        place.is_some()
    }

    /// Takes out the first task, which the caller grants a pass. Returns the thread to be unparked.
    pub fn take_first(&mut self) -> Option<Thread> {
        self.waiting.pop_front().map(|resumer| resumer.thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_arrival_holds_also_for_tasks_that_come_again() {
        let mut resumers = Resumers::default();
        let [first, second, third] = [(); 3].map(|()| resumers.add());
        assert!(resumers.remove(second) && !resumers.remove(second));
        assert!(resumers.waits(first) && !resumers.waits(second) && !resumers.set_thread(second));
        resumers.add_again(second);
        assert!(resumers.set_thread(second));
        assert!(resumers.take_first().is_some() && !resumers.waits(first));
        resumers.add_again(first);
        assert!(resumers.take_first().is_some());
        assert_eq!([first, second, third].map(|number| resumers.waits(number)), [false, true, true]);
        assert!(resumers.take_first().is_some() && resumers.take_first().is_some());
        assert!(resumers.take_first().is_none());
    }
}
