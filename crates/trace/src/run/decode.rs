//! The words of a track as events with absolute times in ticks.

use crate::format::{ReadError, TrackData};
use crate::record::{Kind, MAX_DELTA, Word};
use crate::recorder::BLOCK;

use super::Run;

/// A record with its time.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Ticks: of this record, or of the last before it that looked at the clock.
    pub ticks: u64,
    /// What it is about.
    pub kind: Kind,
    /// Its argument.
    pub arg: u32,
    /// Its extra word.
    pub extra: u64,
}

/// Something that decoding a track yields.
#[derive(Debug, Clone, Copy)]
pub enum Item {
    /// Decoding begins, or begins anew after words that are lost.
    Begin {
        /// The time of the anchor.
        ticks: u64,
        /// Words that are lost before.
        lost: u64,
        /// Tasks that the track had ended.
        ended: u64,
        /// What was on the track, from the bottom up.
        open: Open,
    },
    /// A record.
    Event(Event),
}

/// Tasks that had begun.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// How many others were on top of.
    depth: u16,
    /// Which of these waited.
    waiting: u64,
    /// What the topmost did: 0 there was none, 1 it ran, 2 it waited.
    state: u8,
}

impl Open {
    /// For each from the bottom up, whether it waits. (More than 64 are not told.)
    pub fn tasks(self, is_worker: bool) -> Vec<bool> {
        // What a thread from outside does at the bottom is no task.
        let waits = (0..self.depth.min(64)).map(|i| self.waiting >> i & 1 == 1);
        let top = (self.state > 0).then_some(self.state == 2);
        waits.chain(top).skip(usize::from(!is_worker)).collect()
    }
}

/// Whether records of this kind look at the clock.
pub fn is_stamped(kind: Kind) -> bool {
    use Kind::{Depth, Ended, Extra, Forks, Joined, Pad, Spawned, Submitted, Time};
    !matches!(kind, Pad | Extra | Time | Ended | Spawned | Submitted | Joined | Depth | Forks | Kind::Anchor)
}

fn has_extra(kind: Kind) -> bool {
    matches!(kind, Kind::Offer | Kind::StoleFork | Kind::JoinFork | Kind::Joined | Kind::Cpu)
}

/// Calls `take` with all that a track holds, in order.
pub fn decode(
    track: &TrackData,
    mut take: impl FnMut(Item) -> Result<(), &'static str>,
) -> Result<(), ReadError> {
    let mut expected = 0;
    for stretch in &track.stretches {
        let mut reader = Reader { words: &stretch.words, at: 0, first: stretch.first, ticks: 0 };
        let mut lost = stretch.first.saturating_sub(expected);
        let mut is_first = true;
        while reader.at < reader.words.len() {
            let at = reader.at;
            let error = |why| {
                let (number, offset) = (stretch.first + at as u64, stretch.offset + at as u64 * 8);
                Run::word_error(track.number, number, offset, why)
            };
            if reader.number() % BLOCK == 0 {
                let item = reader.anchor(lost).map_err(error)?;
                if is_first {
                    take(item).map_err(error)?;
                }
                (is_first, lost) = (false, 0);
                continue;
            }
            if is_first {
                return Err(error("decoding cannot begin in the middle of a block"));
            }
            if let Some(event) = reader.next().map_err(error)? {
                take(Item::Event(event)).map_err(error)?;
            }
        }
        expected = stretch.first + stretch.words.len() as u64;
    }
    Ok(())
}

struct Reader<'a> {
    words: &'a [u64],
    at: usize,
    first: u64,
    ticks: u64,
}

impl Reader<'_> {
    fn number(&self) -> u64 {
        self.first + self.at as u64
    }

    fn word(&mut self) -> Result<Word, &'static str> {
        let word = self.words.get(self.at).ok_or("the records end in the middle of one")?;
        self.at += 1;
        Ok(Word(*word))
    }

    fn anchor(&mut self, lost: u64) -> Result<Item, &'static str> {
        let head = self.word()?;
        if head.kind() != Some(Kind::Anchor) {
            return Err("a block does not begin with an anchor");
        }
        let (ticks, ended, waiting) = (self.word()?.0, self.word()?.0, self.word()?.0);
        self.ticks = self.ticks.max(ticks);
        let open = Open { depth: (head.arg() & 0xffff) as u16, waiting, state: (head.arg() >> 16 & 3) as u8 };
        Ok(Item::Begin { ticks, lost, ended, open })
    }

    /// The next record; `None` if the block ends here, or if only time has passed.
    fn next(&mut self) -> Result<Option<Event>, &'static str> {
        let word = self.word()?;
        let kind = word.kind().ok_or("no record has this kind")?;
        match kind {
            Kind::Pad => return Ok(None),
            Kind::Time => {
                self.ticks = self.ticks.saturating_add(u64::from(word.arg()) * (MAX_DELTA + 1));
                return Ok(None);
            }
            Kind::Anchor => return Err("an anchor in the middle of a block"),
            Kind::Extra => return Err("an extra word without its record"),
            _ => {}
        }
        if is_stamped(kind) {
            self.ticks = self.ticks.saturating_add(word.delta());
        }
        let extra = match has_extra(kind) {
            true => {
                let extra = self.word()?;
                if extra.kind() != Some(Kind::Extra) {
                    return Err("a record lacks its extra word");
                }
                extra.payload()
            }
            false => 0,
        };
        Ok(Some(Event { ticks: self.ticks, kind, arg: word.arg(), extra }))
    }
}

/// No run is longer: six days. So sums over all tracks cannot overflow.
const LONGEST: u64 = 1 << 49;

/// Turns ticks into nanoseconds since the first record.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    first: u64,
    nanos_per_tick: f64,
}

impl Scale {
    /// From pairs of (ticks, nanoseconds). Without two different ones a tick counts as a nanosecond.
    pub fn new(pairs: &[(u64, u64)], first: u64) -> Scale {
        let ends = pairs.iter().min().zip(pairs.iter().max());
        let rate = ends.and_then(|((t0, n0), (t1, n1))| {
            (t1 > t0 && n1 > n0).then(|| (n1 - n0) as f64 / (t1 - t0) as f64)
        });
        Scale { first, nanos_per_tick: rate.unwrap_or(1.0) }
    }

    /// The time.
    pub fn nanos(&self, ticks: u64) -> u64 {
        // A float holds the ticks of forty days exactly.
        ((ticks.saturating_sub(self.first)) as f64 * self.nanos_per_tick).round().min(LONGEST as f64) as u64
    }
}
