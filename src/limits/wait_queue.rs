//! Those who wait for something that there is a limited amount of, in the order in which they came.
//!
//! [`Lines`] are a part of some ledger and lie behind its lock; who waits has a [`Ticket`], on which the verdict appears. The
//! ledger decides how much there is to give. It wakes people only when it has let go of its lock, for a waker is code of the
//! user's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::base::facade::{AtomicU32, Ordering};
use crate::base::unwind;
use crate::sync::waiter::Waiter;

/// What has become of somebody who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Waiting,
    /// The turn has come.
    Granted,
    /// There is nothing to wait for any more.
    Closed,
}

const WAITING: u32 = 0;
const GRANTED: u32 = 1;
const CLOSED: u32 = 2;

/// How somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// In the line: what is wanted is kept for the one whose turn it is.
    InLine,
    /// As one who may be busy with something else when the turn comes: is told that there is enough, and has to ask again.
    Watching,
}

/// What came of an attempt to get something or else wait for it.
#[derive(Debug)]
#[must_use]
pub enum Joined {
    /// Got it at once.
    Taken,
    /// Nobody gets anything by waiting any more.
    Closed,
    /// A place to wait at. (The verdict may be there already.)
    Waits(Ticket),
}

/// A ledger with lines in front of it.
pub trait Office {
    /// Calls `f` with the lines, which only the ledger's lock protects. It runs no code of the user's.
    fn with_lines<R>(&self, f: impl FnOnce(&mut Lines) -> R) -> R;
    /// Takes `weight`, or else a place to wait for it.
    fn join(&self, weight: u64, manner: Manner, waiter: Waiter) -> Joined;
    /// Gives up a place. What had been granted in the line, and not been used, goes to the next.
    fn leave(&self, ticket: Ticket);

    /// Has `waiter` woken for `ticket` from now on; whether there is anything to be woken for.
    fn rewake(&self, ticket: &Ticket, waiter: Waiter) -> bool {
        // The verdict changes under the lock.
        let look = |lines: &mut Lines| (lines.rewake(ticket, waiter), ticket.verdict() == Verdict::Waiting);
        let (unused, waits) = self.with_lines(look);
        unwind::drop_silently(unused);
        waits
    }

    /// How many wait.
    fn waiting(&self) -> u64 {
        self.with_lines(|lines| lines.len() as u64)
    }
}

/// The place of one who waits. Whoever has it gives it back to the office, or uses what was granted.
#[derive(Debug)]
#[must_use = "a place in a line has to be left"]
pub struct Ticket {
    number: u64,
    weight: u64,
    manner: Manner,
    verdict: Arc<AtomicU32>,
}

impl Ticket {
    /// What has become of it.
    #[inline]
    pub fn verdict(&self) -> Verdict {
        // Acquire pairs with the Release in `settle`: who has got something sees what was done before it was given back.
        match self.verdict.load(Ordering::Acquire) {
            WAITING => Verdict::Waiting,
            GRANTED => Verdict::Granted,
            _ => Verdict::Closed,
        }
    }
}

struct Entry {
    weight: u64,
    verdict: Arc<AtomicU32>,
    waiter: Waiter,
}

impl Entry {
    fn settle(self, verdict: u32) -> Waiter {
        self.verdict.store(verdict, Ordering::Release); // see `Ticket::verdict`
        self.waiter
    }
}

/// By the number of the ticket, so that anyone can leave from the middle.
type Line = BTreeMap<u64, Entry>;

/// Lets the first of `line` go, if `free` is enough for it.
fn settle_first(line: &mut Line, free: u64) -> Option<(u64, Waiter)> {
    let first = line.first_entry()?;
    let weight = first.get().weight;
    (weight <= free).then(|| (weight, first.remove().settle(GRANTED)))
}

/// See the module's text.
#[derive(Default)]
pub struct Lines {
    in_line: Line,
    watching: Line,
    /// Grows; 2^64 tickets are never drawn.
    next: u64,
    is_closed: bool,
}

impl Lines {
    /// Whether nobody stands in the line: what is free belongs to whoever comes.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.in_line.is_empty()
    }

    /// How many wait in whatever manner.
    pub fn len(&self) -> usize {
        self.in_line.len() + self.watching.len()
    }

    /// Whether nobody waits in whatever manner.
    pub fn are_empty(&self) -> bool {
        self.len() == 0
    }

    /// A place at the end, for somebody who wants `weight` and is woken through `waiter`. When all are closed that comes back,
    /// to be dropped outside of the lock.
    pub fn join(&mut self, weight: u64, manner: Manner, waiter: Waiter) -> (Joined, Option<Waiter>) {
        if self.is_closed {
            return (Joined::Closed, Some(waiter));
        }
        let number = self.next;
        self.next += 1;
        let verdict = Arc::new(AtomicU32::new(WAITING));
        self.line(manner).insert(number, Entry { weight, verdict: verdict.clone(), waiter });
        (Joined::Waits(Ticket { number, weight, manner, verdict }), None)
    }

    fn line(&mut self, manner: Manner) -> &mut Line {
        match manner {
            Manner::InLine => &mut self.in_line,
            Manner::Watching => &mut self.watching,
        }
    }

    /// Lets those go whom `free` is enough for: in the line one after the other, and what is then left is shown to those who
    /// watch. How much has been given away, and whom to wake.
    pub fn hand_out(&mut self, free: u64) -> (u64, Vec<Waiter>) {
        let (mut given, mut woken) = (0, Vec::new());
        while let Some((weight, waiter)) = settle_first(&mut self.in_line, free - given) {
            given += weight;
            woken.push(waiter);
        }
        if self.in_line.is_empty() && given < free {
            // Each of them may find that another was faster, and watches anew.
            woken.extend(std::iter::from_fn(|| Some(settle_first(&mut self.watching, free - given)?.1)));
        }
        (given, woken)
    }

    /// Lets everyone go with empty hands, now and later; the caller wakes them.
    pub fn close(&mut self) -> Vec<Waiter> {
        self.is_closed = true;
        let all = [&mut self.in_line, &mut self.watching].into_iter().flat_map(std::mem::take);
        all.map(|(_, entry)| entry.settle(CLOSED)).collect()
    }

    /// Has `waiter` woken instead of the one before, who comes back to be dropped outside of the lock. If the verdict is
    /// there already, `waiter` itself comes back.
    pub fn rewake(&mut self, ticket: &Ticket, waiter: Waiter) -> Waiter {
        match self.line(ticket.manner).get_mut(&ticket.number) {
            Some(entry) => std::mem::replace(&mut entry.waiter, waiter),
            None => waiter,
        }
    }

    /// Gives a place up: what had been granted for it, and whom nobody has to wake any more.
    pub fn leave(&mut self, ticket: &Ticket) -> (u64, Option<Waiter>) {
        if let Some(entry) = self.line(ticket.manner).remove(&ticket.number) {
            return (0, Some(entry.waiter));
        }
        let had = ticket.manner == Manner::InLine && ticket.verdict() == Verdict::Granted;
        (if had { ticket.weight } else { 0 }, None)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("in_line", &self.in_line.len())
            .field("watching", &self.watching.len())
            .finish_non_exhaustive()
    }
}
