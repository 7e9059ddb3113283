//! Where tasks come from, and what waits are for.

use std::collections::{BTreeMap, HashMap};

use super::deque::{Content, Deque, Slot};
use super::draft::{Draft, From, Op, SpawnTime, Take};
use super::inbox::{Inboxes, Queues};
use super::mend::mend;
use super::{Awaited, Nanos, Parent, Run, Source};
use crate::record::Place;
use crate::sorted;

/// How often a task may have been stolen before it runs. More than that is a cycle in a damaged recording.
const MOST_THEFTS: usize = 1000;
/// Clocks of two processors may differ by so much.
const SKEW: Nanos = 1_000;

/// Finds them.
pub fn connect(draft: &mut Draft) {
    let mut run = std::mem::take(&mut draft.run);
    order_fragments(&mut run);
    let tracks = tracks_of_workers(&run);
    mend(draft, &run.tasks, |worker| tracks.get(&worker).copied().flatten());
    let finder = Finder::new(draft, &run, tracks);
    let submissions = submissions(draft);
    // Both are in the order of the tasks, as the tracks are.
    let popped: Vec<(u32, Slot)> = finder.deques.iter().flat_map(|deque| &deque.popped).copied().collect();
    let (heads, popped) = (Places(&draft.heads), Places(&popped));
    let mut forks: Vec<Option<u32>> = vec![None; draft.offers.len()];
    for task in 0..run.tasks.len() as u32 {
        let found = match run.tasks[task as usize].source {
            Source::Batch => heads.get(task).map(|take| {
                run.tasks[task as usize].is_bound = finder.is_bound(*take);
                (finder.head(*take), finder.victim(*take))
            }),
            Source::Deque => popped.get(task).map(|slot| {
                let victim =
                    if let Content::Unload(take) = slot.content { finder.victim(take) } else { None };
                (finder.find(*slot), victim)
            }),
            Source::Fork => heads.get(task).map(|take| {
                let offer = finder.offer(*take, run.tasks[task as usize].begin);
                if let Some(offer) = offer {
                    forks[offer as usize] = Some(task);
                }
                let origin = offer.map(|offer| {
                    let offer = &draft.offers[offer as usize];
                    Origin {
                        parent: offer.parent,
                        time: Some(offer.forked),
                        place: (0, 1),
                        is_exact: offer.forked == offer.time,
                    }
                });
                (origin, finder.victim(*take))
            }),
            // It comes from what is beneath.
            Source::Direct => continue,
            Source::Awaited => {
                set_awaited(&mut run, task, &submissions);
                continue;
            }
            Source::Unknown | Source::Lease => None,
        };
        let (origin, victim) = found.unwrap_or((None, None));
        run.tasks[task as usize].victim = victim;
        set_origin(&mut run, task, origin);
    }
    connect_waits(draft, &mut run, &finder, &forks);
    draft.run = run;
}

/// When each task has submitted tasks, as far as that is known, in order.
fn submissions(draft: &Draft) -> HashMap<u32, Vec<Nanos>> {
    let mut times: HashMap<u32, Vec<Nanos>> = HashMap::new();
    let mut add = |parent: Parent, time: Nanos| {
        if let Parent::Task(task) = parent {
            times.entry(task).or_default().push(time);
        }
    };
    for op in draft.logs.iter().flat_map(|log| &log.ops) {
        if let Op::Spawn(parent, _, when) = op {
            when.time().into_iter().for_each(|time| add(*parent, time));
        }
    }
    draft.submits.iter().for_each(|submit| add(submit.parent, submit.time));
    draft.puts.iter().for_each(|put| add(put.parent, put.time));
    times.values_mut().for_each(|times| times.sort_unstable());
    times
}

/// A task that its waiting parent has run ahead of its turn: it was submitted by the last submission of the
/// parent before, at the latest. (Tasks that are submitted together are awaited together.)
fn set_awaited(run: &mut Run, task: u32, submissions: &HashMap<u32, Vec<Nanos>>) {
    let this = &run.tasks[task as usize];
    let Parent::Task(parent) = this.parent else { return };
    let Some(times) = submissions.get(&parent) else { return };
    let after = times.partition_point(|time| *time <= this.begin);
    if let Some(last) = after.checked_sub(1) {
        let this = &mut run.tasks[task as usize];
        (this.submitted, this.is_submission_exact) = (times[last], false);
    }
}

/// What belongs to some tasks, in the order of the tasks.
struct Places<'a, T>(&'a [(u32, T)]);

impl<T> Places<'_, T> {
    fn get(&self, task: u32) -> Option<&T> {
        self.0.binary_search_by_key(&task, |(task, _)| *task).ok().map(|place| &self.0[place].1)
    }
}

/// Sorts the fragments by task.
fn order_fragments(run: &mut Run) {
    run.fragments = sorted::by_key(&run.fragments, |fragment| (fragment.task.into(), fragment.begin));
    let mut first = 0;
    for group in run.fragments.chunk_by(|a, b| a.task == b.task) {
        run.tasks[group[0].task as usize].fragments = (first, group.len() as u32);
        first += group.len() as u32;
    }
}

/// Where a task comes from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    parent: Parent,
    time: Option<Nanos>,
    /// Without a time: its place among so many that its parent has submitted.
    place: (u32, u32),
    is_exact: bool,
}

fn set_origin(run: &mut Run, task: u32, origin: Option<Origin>) {
    let begin = run.tasks[task as usize].begin;
    let Some(origin) = origin else {
        let this = &mut run.tasks[task as usize];
        (this.parent, this.submitted, this.is_submission_exact) = (Parent::Unknown, begin, false);
        return;
    };
    let estimated = match origin.parent {
        Parent::Task(parent) => {
            let parent = &run.tasks[parent as usize];
            let (place, count) = (u64::from(origin.place.0) + 1, u64::from(origin.place.1) + 1);
            parent.begin
                + ((parent.end - parent.begin) as u128 * u128::from(place) / u128::from(count)) as u64
        }
        _ => begin,
    };
    // A parent that begins after its child, or submits it after that has begun, is none.
    let parent_begin =
        if let Parent::Task(parent) = origin.parent { run.tasks[parent as usize].begin } else { 0 };
    let is_late = parent_begin > begin + SKEW || origin.time.is_some_and(|time| time > begin + SKEW);
    if is_late || origin.parent == Parent::Task(task) {
        run.exactness.contradictions += 1;
        return set_origin(run, task, None);
    }
    let this = &mut run.tasks[task as usize];
    this.parent = origin.parent;
    this.submitted = origin.time.unwrap_or(estimated).min(begin);
    this.is_submission_exact = origin.is_exact && origin.time.is_some();
}

/// Everything that tells where tasks come from.
struct Finder<'a> {
    draft: &'a Draft,
    deques: Vec<Deque>,
    inboxes: Inboxes,
    queues: Queues,
    /// Where the tasks of a take begin among those that were taken from the same queue.
    begins: BTreeMap<u32, u64>,
    /// The track of each worker; `None` if it has several.
    tracks: BTreeMap<u32, Option<u32>>,
    /// The offers of each fork's address, by track and time.
    offers: HashMap<(u32, u64), Vec<u32>>,
}

impl<'a> Finder<'a> {
    fn new(draft: &'a Draft, run: &Run, tracks: BTreeMap<u32, Option<u32>>) -> Self {
        let unloaded = |take: u32| draft.takes[take as usize].count.saturating_sub(1);
        let deques: Vec<Deque> =
            draft.logs.iter().map(|log| Deque::replay(log, unloaded, &run.tasks)).collect();
        let mut offers: HashMap<_, Vec<u32>> = HashMap::new();
        for (i, offer) in draft.offers.iter().enumerate() {
            offers.entry((offer.track, offer.fork)).or_default().push(i as u32);
        }
        let mut begins = Queues::begins(&draft.takes);
        thefts(&draft.takes, &tracks, &deques, &mut begins);
        if run.tracks.iter().any(|track| track.lost_words > 0) {
            // Nothing tells how many of these were put and taken in what is lost.
            begins.retain(|take, _| !matches!(draft.takes[*take as usize].from, From::Place(_)));
        }
        let (inboxes, queues) = (Inboxes::new(&draft.submits), Queues::new(&draft.puts));
        Finder { draft, deques, inboxes, queues, begins, tracks, offers }
    }

    fn track_of(&self, worker: u32) -> Option<u32> {
        self.tracks.get(&worker).copied().flatten()
    }

    /// The track that a take was stolen from, if it was.
    fn victim(&self, take: u32) -> Option<u32> {
        let take = &self.draft.takes[take as usize];
        let worker = match take.from {
            From::Inbox(arg) => u32::from(arg.worker),
            From::Deque(worker) | From::Offer(worker, _) => worker,
            From::Place(_) => return None,
        };
        self.track_of(worker).filter(|track| *track != take.track)
    }

    /// Whether the tasks of a take are for this worker alone. (They are taken one at a time.)
    fn is_bound(&self, take: u32) -> bool {
        matches!(self.draft.takes[take as usize].from, From::Place(arg) if arg.place == Place::Broadcast)
    }

    /// The origin of a task in a deque.
    fn find(&self, slot: Slot) -> Option<Origin> {
        let mut slot = slot;
        for _ in 0..MOST_THEFTS {
            let (take, index) = match slot.content {
                Content::Unknown => return None,
                Content::Spawn(parent, when, count) => {
                    let is_exact = matches!(when, SpawnTime::Exact(_));
                    return Some(Origin { parent, time: when.time(), place: (slot.index, count), is_exact });
                }
                Content::Unload(take) => (take, slot.index),
            };
            let take_of = &self.draft.takes[take as usize];
            let index = match take_of.from {
                // The youngest was put in first.
                From::Inbox(_) | From::Place(_) => (take_of.count - 1).saturating_sub(index),
                From::Deque(_) | From::Offer(..) => index,
            };
            match self.step(take, index) {
                Ok(origin) => return origin,
                Err(deeper) => slot = deeper,
            }
        }
        None
    }

    /// The origin of the task that was run first of a take: the oldest, but of a theft the youngest.
    fn head(&self, take: u32) -> Option<Origin> {
        let index = match self.draft.takes[take as usize] {
            Take { from: From::Deque(_), count, .. } => count - 1,
            _ => 0,
        };
        self.step(take, index).unwrap_or_else(|slot| self.find(slot))
    }

    /// The origin of task number `index` of a take, or the slot of the deque that it was stolen from.
    fn step(&self, take: u32, index: u32) -> Result<Option<Origin>, Slot> {
        let begin = self.begins.get(&take).copied();
        let take = &self.draft.takes[take as usize];
        match take.from {
            From::Inbox(arg) => {
                let found = self.inboxes.find(
                    arg.worker,
                    u64::from(arg.position) + u64::from(index),
                    take.time + SKEW,
                );
                Ok(found.map(|(submit, within)| {
                    let submit = &self.draft.submits[submit as usize];
                    let is_exact = submit.is_exact && within == 0;
                    let guess = submit.latest.unwrap_or(submit.time + submit.spacing * u64::from(within));
                    // The true time is not after the task was taken.
                    let time = if is_exact { submit.time } else { guess.min(take.time) };
                    Origin { parent: submit.parent, time: Some(time), place: (0, 1), is_exact }
                }))
            }
            From::Place(arg) => {
                let put = begin.and_then(|begin| self.queues.find(arg, begin + u64::from(index)));
                Ok(put.map(|put| {
                    let put = &self.draft.puts[put as usize];
                    Origin { parent: put.parent, time: Some(put.time), place: (0, 1), is_exact: true }
                }))
            }
            From::Deque(victim) => {
                let track = self.track_of(victim);
                let slot = track
                    .zip(begin)
                    .and_then(|(track, begin)| self.deques[track as usize].stolen(begin + u64::from(index)));
                slot.map_or(Ok(None), Err)
            }
            From::Offer(..) => Ok(None),
        }
    }

    /// The offer that a fork was taken from.
    fn offer(&self, take: u32, time: Nanos) -> Option<u32> {
        let From::Offer(victim, fork) = self.draft.takes[take as usize].from else { return None };
        self.last_offer(self.track_of(victim)?, fork, time + SKEW)
    }

    fn last_offer(&self, track: u32, fork: u64, time: Nanos) -> Option<u32> {
        let offers = self.offers.get(&(track, fork))?;
        let after = offers.partition_point(|offer| self.draft.offers[*offer as usize].time <= time);
        after.checked_sub(1).map(|last| offers[last])
    }
}

/// The track of each worker; `None` if it has several.
fn tracks_of_workers(run: &Run) -> BTreeMap<u32, Option<u32>> {
    let mut tracks = BTreeMap::new();
    for (i, track) in run.tracks.iter().enumerate() {
        if let Some(worker) = track.worker() {
            tracks.entry(worker).and_modify(|track| *track = None).or_insert(Some(i as u32));
        }
    }
    tracks
}

/// Numbers what was stolen from each deque, in the order of time.
fn thefts(
    takes: &[Take],
    tracks: &BTreeMap<u32, Option<u32>>,
    deques: &[Deque],
    begins: &mut BTreeMap<u32, u64>,
) {
    let stolen = |take: &Take| if let From::Deque(victim) = take.from { Some(victim) } else { None };
    let is_theft = |i: &u32| stolen(&takes[*i as usize]).is_some();
    let order = sorted::order(takes.len(), |i| (takes[i as usize].time, 0));
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for i in order.into_iter().filter(is_theft) {
        let take = &takes[i as usize];
        let Some(Some(track)) = stolen(take).map(|victim| tracks.get(&victim).copied().flatten()) else {
            continue;
        };
        let Some(known_from) = deques[track as usize].known_from else { continue };
        if take.time < known_from {
            continue;
        }
        let sum = sums.entry(track).or_default();
        begins.insert(i, *sum);
        *sum += u64::from(take.count);
    }
}

/// Finds what waits are for.
fn connect_waits(draft: &Draft, run: &mut Run, finder: &Finder<'_>, forks: &[Option<u32>]) {
    for (wait, fork) in &draft.joins {
        let this = &run.waits[*wait as usize];
        let offer = finder.last_offer(this.track, *fork, this.begin);
        if let Some(task) = offer.and_then(|offer| forks[offer as usize]) {
            run.waits[*wait as usize].on = Awaited::Task(task);
        }
    }
    let tracks: HashMap<u32, usize> =
        run.tracks.iter().enumerate().map(|(i, track)| (track.number, i)).collect();
    for (wait, task) in &draft.joined {
        let Some(log) = tracks.get(&task.track).map(|track| &draft.logs[*track]) else { continue };
        if let Ok(place) = log.ended.binary_search_by_key(&task.number, |(number, _)| *number) {
            run.waits[*wait as usize].on = Awaited::Task(log.ended[place].1);
        }
    }
    // An end after the wait contradicts it.
    for wait in &mut run.waits {
        let Awaited::Task(task) = wait.on else { continue };
        if run.tasks[task as usize].end > wait.end + SKEW {
            wait.on = Awaited::Unknown;
            run.exactness.contradictions += 1;
        }
    }
}
