//! The records of a track about queues: what was put into them and taken from them.

use super::{Clock, MOST_GROUPED, Precision, QUICK, Track};
use crate::record::{InboxArg, Kind, MAX_BATCH, MAX_DELTA, POSITIONS, Place, PlaceArg, Word};

/// Queues.
impl<C: Clock> Track<C> {
    /// Puts a task into position `position` of a worker's inbox.
    #[inline]
    pub fn submitted(&self, worker: usize, position: u64) {
        let group = &self.group;
        let (worker, position) = ((worker & 0x1fff) as u32, (position % POSITIONS) as u32);
        let count = group.count.get();
        let follows = group.at.get() + 1 == self.position.get()
            && worker == group.worker.get()
            && position == (group.first.get() + count) % POSITIONS as u32
            && count < MAX_BATCH as u32;
        let left = group.left.get();
        if left == 0 || count == 0 {
            return self.begin_group(worker, position);
        }
        group.left.set(left - 1);
        if follows {
            group.count.set(count + 1);
            let arg = InboxArg {
                worker: worker as u16,
                position: group.first.get() as u16,
                count: count as u8 + 1,
            };
            self.ring.store(group.at.get(), Word(group.head.get() | u64::from(arg.pack()) << 32));
            return;
        }
        self.count_spawned();
        self.open_group(Kind::Submitted, 0, worker, position);
    }

    /// Begins a group with a look at the clock.
    fn begin_group(&self, worker: u32, position: u32) {
        let group = &self.group;
        self.count_spawned();
        let delta = self.time();
        let took = self.last.get() - group.since.get();
        let is_quick = took < QUICK * u64::from(group.limit.get()) && self.precision == Precision::Adaptive;
        let limit = if is_quick { (group.limit.get() * 2).min(MOST_GROUPED) } else { 1 };
        group.since.set(self.last.get());
        group.limit.set(limit);
        group.left.set(limit - 1);
        self.open_group(Kind::Submit, delta & MAX_DELTA, worker, position);
    }

    #[inline]
    fn open_group(&self, kind: Kind, delta: u64, worker: u32, position: u32) {
        let arg = InboxArg { worker: worker as u16, position: position as u16, count: 1 };
        self.make_room();
        let group = &self.group;
        group.at.set(self.position.get());
        group.head.set(Word::new(kind, delta, 0).0);
        group.first.set(position);
        group.worker.set(worker);
        group.count.set(1);
        self.put_here(Word::new(kind, delta, arg.pack()));
        self.ring.publish(self.position.get());
    }

    /// Puts `count` tasks into consecutive positions of a worker's inbox.
    pub fn submitted_batch(&self, worker: usize, position: u64, count: usize) {
        for begin in (0..count).step_by(MAX_BATCH) {
            let arg = InboxArg {
                worker: (worker & 0x1fff) as u16,
                position: ((position + begin as u64) % POSITIONS) as u16,
                count: (count - begin).min(MAX_BATCH) as u8,
            };
            self.event(Kind::Submit, arg.pack());
        }
    }

    /// Puts tasks into a queue that has no positions. `worker` counts only for a queue of one worker.
    pub fn put(&self, place: Place, worker: usize, count: usize) {
        self.event(Kind::Put, place_arg(place, worker, count));
    }

    /// Has taken `count` tasks from a worker's inbox, from `position` on. The first is run next, the others
    /// are now in the deque, the youngest at the bottom.
    pub fn took(&self, worker: usize, position: u64, count: usize) {
        let arg = InboxArg {
            worker: (worker & 0x1fff) as u16,
            position: (position % POSITIONS) as u16,
            count: count.clamp(1, MAX_BATCH) as u8,
        };
        self.event(Kind::Took, arg.pack());
    }

    /// Has taken the `count` oldest tasks of a worker's deque (its own, for the sake of fairness, too). The
    /// youngest of these is run next, the others are now in the deque, the oldest at the bottom: so does
    /// `crossbeam_deque::Stealer::steal_batch_with_limit_and_pop` from one LIFO deque to another. The count
    /// may be too small by what other thieves have taken from there meanwhile.
    pub fn stole(&self, victim: usize, count: usize) {
        self.event(Kind::Stole, place_arg(Place::Injector, victim, count));
    }

    /// Has taken tasks from a queue that has no positions, likewise, the youngest at the bottom.
    pub fn got(&self, place: Place, worker: usize, count: usize) {
        self.event(Kind::Got, place_arg(place, worker, count));
    }

    /// Tasks in the own deque and inbox. Costs no look at the clock; called at each refill from the own
    /// inbox, and when a worker takes up its track.
    pub fn depth(&self, deque: usize, inbox: usize) {
        self.count_spawned();
        self.note(Kind::Depth, deque.min(0xffff) as u32 | (inbox.min(0xffff) as u32) << 16);
    }
}

fn place_arg(place: Place, worker: usize, count: usize) -> u32 {
    let count = count.min(crate::record::MAX_COUNT) as u16;
    PlaceArg { place, worker: (worker & 0x1fff) as u16, count }.pack()
}
