//! The driver of the loops: runs a part of a loop in blocks, and splits it when that pays.
//!
//! One worker goes through the items of a loop. It cuts a *block* from the front of its part and runs it
//! without a look at anything else, so the compiler sees an ordinary inner loop and can vectorise it. Between
//! two blocks the worker reads the clock, from which [`Pace`] derives the length of the next block, and looks
//! whether its fork slot is empty, so that another worker could take work. If so, and if what is left is
//! worth it, the worker splits the rest in two and joins the halves; the second half fills the fork slot. So
//! the number of splits follows the demand, and there is no grain to choose: a loop whose items differ in
//! length is split where the time goes, and a loop whose parts are not taken is split only as often as its
//! length can be halved. ("Lazy binary splitting", Tzannes, Caragea, Barua and Vishkin, PPoPP 2010.)
//!
//! The state of a part is owned by the frame that runs the part; only results move between workers. Guarded
//! by `tests/loops`, and by the unit tests of `policy/pace.rs` and `source/tests.rs`.

use std::ops::ControlFlow;

use crate::api::join::Context;
use crate::api::source::Source;
use crate::policy::pace::Pace;
use crate::sys::clock;

/// What a loop does with the blocks of a part, one after the other, and with the results of two parts.
pub(super) trait Fold<S: Source>: Sync {
    /// The result of a part.
    type State: Send;

    /// Returns the result of a part that has run no item yet. `part` holds the items.
    fn begin(&self, part: &S) -> Self::State;

    /// Runs the items of `block`, which has announced `len` items. `Break` ends the part early.
    fn run(&self, state: &mut Self::State, block: S, len: usize) -> ControlFlow<()>;

    /// Combines the results of two neighbouring parts.
    fn merge(&self, left: Self::State, right: Self::State) -> Self::State;

    /// Whether the items of `part` do not matter any more, because of what another part has found.
    fn is_over(&self, _part: &S) -> bool {
        false
    }
}

/// In a loop of at least so many items for each worker, the first block is run before the loop is split, and
/// tells whether a split pays. That delays the other workers by one item at worst, which is 3 % of the time
/// of such a loop if all its items are equally long. A loop of fewer items is split at once, because each
/// item may take long: two items of a second go to two workers.
const MANY_PER_WORKER: usize = 32;

/// What must be left of a part, in ticks of the clock, if a worker has to be woken for the other half. A
/// wake-up costs this worker some microseconds, and the other starts after some tens.
pub(super) const WORTH_A_WAKE: u64 = 40 * clock::TICKS_PER_US;

/// What must be left of a part, in ticks of the clock, if no worker has to be woken: about what it costs
/// until another worker has taken the other half and this worker has waited for it.
pub(super) const WORTH_A_SPLIT: u64 = 4 * clock::TICKS_PER_US;

/// Runs a whole loop and returns its result.
#[inline]
pub(super) fn run<S: Source, F: Fold<S>>(cx: Context<'_>, source: S, f: &F) -> F::State {
    let state = f.begin(&source);
    let items = source.remaining();
    cx.worker.count_loop(items);
    let pace = pace_for(cx, items);
    run_part(cx, source, state, pace, f)
}

/// The pace at which a loop over so many items starts.
#[inline]
pub(super) fn pace_for(cx: Context<'_>, items: usize) -> Pace {
    if items < MANY_PER_WORKER * cx.worker.shared().roster.live() {
        Pace::of_few(clock::TICKS_PER_US)
    } else {
        Pace::of_many(clock::TICKS_PER_US)
    }
}

/// Whether another worker could take a half of the `left` items, and a split would pay.
#[inline]
pub(super) fn splits(cx: Context<'_>, pace: &Pace, left: usize) -> bool {
    cx.is_wanted() && left >= 2 && {
        let least = if cx.worker.must_wake_thief() { WORTH_A_WAKE } else { WORTH_A_SPLIT };
        pace.takes(left, least)
    }
}

/// Runs a block. A function of its own, because LLVM unrolls a vectorised reduction less if it is inside of
/// another loop: a sum of `u32` takes twice the time then.
#[inline(never)]
fn run_block<S, F>(f: &F, state: &mut F::State, block: S, len: usize) -> ControlFlow<()>
where
    S: Source,
    F: Fold<S>,
{
    f.run(state, block, len)
}

/// Runs a part, of which `state` is the result so far.
fn run_part<S, F>(cx: Context<'_>, mut part: S, mut state: F::State, mut pace: Pace, f: &F) -> F::State
where
    S: Source,
    F: Fold<S>,
{
    let mut begun = clock::now();
    loop {
        let left = part.remaining();
        if left == 0 || f.is_over(&part) {
            return state;
        }
        let grain = part.grain();
        if left / 2 >= grain && splits(cx, &pace, left) {
            let rest = part.split_off(left / 2);
            let right = move |cx: Context<'_>| {
                let state = f.begin(&rest);
                run_part(cx, rest, state, pace, f)
            };
            let (state, right) = cx.join(move |cx| run_part(cx, part, state, pace, f), right);
            return f.merge(state, right);
        }
        let len = pace.next_block().max(grain).min(left);
        let rest = (len < left).then(|| part.split_off(len));
        if run_block(f, &mut state, part, len).is_break() {
            return state;
        }
        let Some(rest) = rest else { return state };
        part = rest;
        let now = clock::now();
        pace.record(len, now.saturating_sub(begun));
        begun = now;
    }
}
