//! The capacity of a bounded pool: the permits that a task holds while it waits, or, in a rendezvous pool, until it has ended.

use std::sync::Arc;

use crate::limits::permits::Room;
use crate::limits::wait_queue::Office;
use crate::runtime::config::Config;
use crate::runtime::stripe::{self, DOORS};
use crate::sys::barrier;
use crate::task::counts::{Exit, Held};

/// How many tasks may wait in a bounded pool.
#[derive(Debug)]
pub struct Admission {
    /// The permits.
    pub room: Arc<Room>,
    held: Held,
}

impl Admission {
    /// As `config` asks for.
    pub fn new(config: &Config) -> Option<Self> {
        let capacity = config.capacity?;
        // Where none may wait, as many tasks are let in as there may be workers for them at once (see `widen`). In a pool that
        // has fewer just now they have it grow.
        let (limit, held) =
            if capacity == 0 { (config.limits.max, Held::UntilEnd) } else { (capacity, Held::UntilBegin) };
        let (workers, most) = (config.limits.min, config.limits.capacity());
        let room = Arc::new(Room::new(limit as u64, DOORS, workers, most, barrier::barrier()));
        Some(Admission { room, held })
    }

    /// How many wait for room.
    pub fn blocked(&self) -> u64 {
        self.room.waiting()
    }

    /// Where worker `index` gives permits back.
    pub fn exit(&self, index: usize) -> Exit {
        self.room.make_exit(index);
        Exit { room: self.room.clone(), worker: index, held: self.held }
    }

    /// The permits of a pool in which no task may wait: their number follows the number of workers that there may be.
    fn rendezvous(&self) -> Option<&Room> {
        (self.held == Held::UntilEnd).then_some(&*self.room)
    }

    /// In a pool in which no task may wait: `workers` more may work. May call wakers.
    pub fn widen(&self, workers: usize) {
        if let Some(room) = self.rendezvous()
            && workers > 0
        {
            room.give_back_from_outside(workers as u64);
        }
    }

    /// Takes that back. If more tasks are there already, the next that end make no room.
    pub fn narrow(&self, workers: usize) {
        let Some(room) = self.rendezvous() else { return };
        let mut left = workers as u64;
        while left > 0 {
            // Kept from now on, like that of a task which never ends. What is free lies with producers in part, so it must be
            // taken, not only counted as taken.
            match room.take(stripe::mine(), left) {
                0 => return room.overdraw_from_outside(left),
                taken => left -= taken,
            }
        }
    }
}
