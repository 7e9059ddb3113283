//! Which submission a task from an inbox, or from another queue, is.
//!
//! Positions of an inbox are recorded modulo [`POSITIONS`], which is many times what an inbox holds: so the
//! position of a task that is taken is that of the last submission before with the same residue.

use std::collections::BTreeMap;

use super::Nanos;
use super::draft::{From, Put, Submit, Take};
use crate::record::{POSITIONS, Place, PlaceArg};
use crate::sorted;

/// The submissions to all inboxes.
#[derive(Debug, Default)]
pub struct Inboxes(BTreeMap<u16, Inbox>);

/// Those to one: by time, and by position.
#[derive(Debug, Default)]
struct Inbox {
    /// (time, position of the first).
    by_time: Vec<(Nanos, u64)>,
    /// (position of the first, place in the list of submissions, how many).
    by_position: Vec<(u64, u32, u8)>,
}

impl Inboxes {
    /// Sorts them.
    pub fn new(submits: &[Submit]) -> Inboxes {
        let order = sorted::order(submits.len(), |i| (submits[i as usize].time, 0));
        let mut inboxes = Inboxes::default();
        for i in order {
            let submit = &submits[i as usize];
            let inbox = inboxes.0.entry(submit.arg.worker).or_default();
            let last = inbox.by_time.last().map_or(POSITIONS, |(_, position)| *position);
            let position = nearest(last, submit.arg.position.into());
            inbox.by_time.push((submit.time, position));
            inbox.by_position.push((position, i, submit.arg.count));
        }
        for inbox in inboxes.0.values_mut() {
            inbox.by_position =
                sorted::by_key(&inbox.by_position, |(position, i, _)| (*position, u64::from(*i)));
        }
        inboxes
    }

    /// The submission of what was taken from this position at this time, and its place among those that were
    /// submitted with it.
    pub fn find(&self, worker: u16, position: u64, time: Nanos) -> Option<(u32, u32)> {
        let inbox = self.0.get(&worker)?;
        let last = inbox.by_time.partition_point(|(submitted, _)| *submitted <= time).checked_sub(1)?;
        let position = nearest(inbox.by_time[last].1, position % POSITIONS);
        let place = inbox.by_position.partition_point(|(first, ..)| *first <= position).checked_sub(1)?;
        let (first, submit, count) = inbox.by_position[place];
        let within = position - first;
        (within < u64::from(count)).then_some((submit, within as u32))
    }
}

/// The number with this residue that is nearest to `about`.
fn nearest(about: u64, residue: u64) -> u64 {
    let ahead = (residue + POSITIONS - about % POSITIONS) % POSITIONS;
    if ahead < POSITIONS / 2 { about + ahead } else { (about + ahead).saturating_sub(POSITIONS) }
}

/// Queues without positions: first in, first out.
#[derive(Debug, Default)]
pub struct Queues {
    puts: BTreeMap<(Place, u16), Vec<Entry>>,
}

/// A submission to a queue: how many tasks were before, its place in the list of all, how many tasks it is.
type Entry = (u64, u32, u16);

fn queue(arg: PlaceArg) -> (Place, u16) {
    match arg.place {
        Place::Mailbox | Place::Broadcast => (arg.place, arg.worker),
        // What is handed back is put into the injector.
        Place::Returned => (Place::Injector, 0),
        place => (place, 0),
    }
}

impl Queues {
    /// Sorts the submissions by time.
    pub fn new(puts: &[Put]) -> Queues {
        let order = sorted::order(puts.len(), |i| (puts[i as usize].time, 0));
        let mut queues = Queues::default();
        for i in order {
            let arg = puts[i as usize].arg;
            let list = queues.puts.entry(queue(arg)).or_default();
            let before = list.last().map_or(0, |(before, _, count)| before + u64::from(*count));
            list.push((before, i, arg.count));
        }
        queues
    }

    /// How many tasks had been taken from the same queue before each take that is from such a queue.
    pub fn begins(takes: &[Take]) -> BTreeMap<u32, u64> {
        let order = sorted::order(takes.len(), |i| (takes[i as usize].time, 0));
        let mut taken: BTreeMap<(Place, u16), u64> = BTreeMap::new();
        let mut begins = BTreeMap::new();
        for i in order {
            let take = &takes[i as usize];
            if let From::Place(arg) = take.from {
                let sum = taken.entry(queue(arg)).or_default();
                begins.insert(i, *sum);
                *sum += u64::from(take.count);
            }
        }
        begins
    }

    /// The submission that was number `index` of its queue.
    pub fn find(&self, arg: PlaceArg, index: u64) -> Option<u32> {
        let list = self.puts.get(&queue(arg))?;
        let place = list.partition_point(|(before, ..)| *before <= index).checked_sub(1)?;
        let (before, put, count) = list[place];
        (index - before < u64::from(count)).then_some(put)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Parent;
    use super::*;
    use crate::record::InboxArg;

    #[test]
    fn positions_are_told_apart_over_many_laps() {
        let submit = |i: u64| Submit {
            arg: InboxArg { worker: 3, position: (i * 60 % POSITIONS) as u16, count: 60 },
            parent: Parent::Unknown,
            time: i * 10,
            spacing: 0,
            latest: None,
            is_exact: true,
        };
        let submits: Vec<_> = (0..1000).map(submit).collect();
        let inboxes = Inboxes::new(&submits);
        for i in 0..1000u64 {
            assert_eq!(inboxes.find(3, i * 60 + 7, i * 10 + 25), Some((i as u32, 7)), "{i}");
        }
        assert_eq!(inboxes.find(4, 0, 100), None);
        assert_eq!(inboxes.find(3, 60 * 500, 60), None, "not yet submitted at that time");
    }
}
