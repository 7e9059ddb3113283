//! Which task of a deque was taken by which worker, from what the owner and the thieves have each noted.
//!
//! The owner puts tasks in at one end and takes them out there; thieves take the oldest, at the other end,
//! which is called the bottom. So the owner's own log is a sequence of brackets: a task that it takes out is
//! the youngest that it has put in and that is still open. What stays open was stolen, the oldest first (or
//! is still in the deque at the end). The order between a step of the owner and one of a thief does not
//! matter for this, only that of the thieves among each other, and they note their times.

use super::draft::{Log, Op, SpawnTime};
use super::{Nanos, Parent, Source, Task};

/// What stands for some tasks in a deque.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// Submitted: by which task, when if that is known, how many at once.
    Spawn(Parent, SpawnTime, u32),
    /// All but the first of a take.
    Unload(u32),
    /// Not known.
    Unknown,
}

/// A task in a deque.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// What stands for it.
    pub content: Content,
    /// Its place therein, in the order in which they were put in.
    pub index: u32,
}

/// Tasks that follow each other.
#[derive(Debug, Clone, Copy)]
struct Entry {
    content: Content,
    first: u32,
    count: u32,
}

/// The deque of a track, replayed.
#[derive(Debug, Default)]
pub struct Deque {
    /// The tasks that the owner took out.
    pub popped: Vec<(u32, Slot)>,
    /// What thieves took, the oldest first.
    stolen: Vec<Entry>,
    /// For each of these, how many tasks there are before.
    before: Vec<u64>,
    /// From when on thefts can be told; `None` if they never can.
    pub known_from: Option<Nanos>,
}

impl Deque {
    /// Replays a log.
    pub fn replay(log: &Log, unloaded: impl Fn(u32) -> u32, tasks: &[Task]) -> Deque {
        let mut deque = Deque { known_from: Some(0), ..Deque::default() };
        let mut stack = Vec::new();
        for (i, op) in log.ops.iter().enumerate() {
            match *op {
                Op::Spawn(parent, count, time) => {
                    stack.push(Entry { content: Content::Spawn(parent, time, count), first: 0, count });
                }
                Op::Unload(take) => {
                    stack.push(Entry { content: Content::Unload(take), first: 0, count: unloaded(take) });
                }
                Op::Begin(task) if tasks[task as usize].source == Source::Deque => {
                    deque.popped.push((task, pop(&mut stack)));
                }
                Op::Begin(_) => {}
                Op::Lost => {
                    stack.clear();
                    deque.known_from = None;
                }
                // What was there before the recording began.
                Op::Depth(time, depth) if i == 0 || deque.known_from.is_none() => {
                    align(&mut stack, depth);
                    deque.known_from = Some(time);
                }
                Op::Depth(..) => {}
            }
        }
        let mut sum = 0;
        for entry in &stack {
            deque.before.push(sum);
            sum += u64::from(entry.count);
        }
        deque.stolen = stack;
        deque
    }

    /// The task that was stolen as number `index`.
    pub fn stolen(&self, index: u64) -> Option<Slot> {
        let place = self.before.partition_point(|before| *before <= index).checked_sub(1)?;
        let entry = &self.stolen[place];
        let within = index - self.before[place];
        (within < u64::from(entry.count))
            .then(|| Slot { content: entry.content, index: entry.first + within as u32 })
    }
}

fn pop(stack: &mut Vec<Entry>) -> Slot {
    while let Some(top) = stack.last_mut() {
        if top.count > 0 {
            top.count -= 1;
            return Slot { content: top.content, index: top.first + top.count };
        }
        stack.pop();
    }
    Slot { content: Content::Unknown, index: 0 }
}

/// There are `depth` tasks in the deque: what the log does not know is older than all, and what is too much
/// was stolen.
fn align(stack: &mut Vec<Entry>, depth: u32) {
    let known: u64 = stack.iter().map(|entry| u64::from(entry.count)).sum();
    let mut surplus = known.saturating_sub(u64::from(depth));
    for entry in stack.iter_mut() {
        let gone = surplus.min(u64::from(entry.count));
        entry.first += gone as u32;
        entry.count -= gone as u32;
        surplus -= gone;
    }
    stack.retain(|entry| entry.count > 0);
    let missing = u64::from(depth).saturating_sub(known) as u32;
    if missing > 0 {
        stack.insert(0, Entry { content: Content::Unknown, first: 0, count: missing });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(task: u32, count: u32) -> Op {
        Op::Spawn(Parent::Task(task), count, SpawnTime::Unknown)
    }

    fn parent(slot: Slot) -> (u32, u32) {
        match slot.content {
            Content::Spawn(Parent::Task(task), ..) => (task, slot.index),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_owner_leaves_open_was_stolen_the_oldest_first() {
        let task = super::super::tracks::test_task(Source::Deque);
        let log = Log {
            ops: vec![spawn(0, 3), Op::Begin(0), spawn(1, 2), Op::Begin(0), Op::Begin(0)],
            ..Log::default()
        };
        let deque = Deque::replay(&log, |_| 0, &[task]);
        let popped: Vec<_> = deque.popped.iter().map(|(_, slot)| parent(*slot)).collect();
        assert_eq!(popped, [(0, 2), (1, 1), (1, 0)]);
        assert_eq!((parent(deque.stolen(0).unwrap()), parent(deque.stolen(1).unwrap())), ((0, 0), (0, 1)));
        assert!(deque.stolen(2).is_none());
    }

    #[test]
    fn after_a_loss_thefts_are_told_from_the_next_sample_on() {
        let ops = vec![spawn(0, 9), Op::Lost, spawn(1, 2), Op::Depth(70, 3), spawn(2, 1)];
        let deque = Deque::replay(&Log { ops, ..Log::default() }, |_| 0, &[]);
        assert_eq!(deque.known_from, Some(70));
        assert!(matches!(deque.stolen(0).unwrap().content, Content::Unknown));
        assert_eq!((parent(deque.stolen(1).unwrap()), parent(deque.stolen(3).unwrap())), ((1, 0), (2, 0)));
    }
}
