//! One unit of work in 32 bytes: what every queue of the pool holds.
//!
//! A [`Task`] is a table of two functions and three words of data. What the words mean only those functions know:
//!
//! | made by              | the three words hold                                    | allocations            |
//! |----------------------|---------------------------------------------------------|------------------------|
//! | [`Task::new`]        | the closure itself, up to 24 bytes, aligned to a word   | none                   |
//! | [`Task::new`]        | the address of a recycled block with the closure        | none in the long run   |
//! | [`Task::new`]        | a boxed closure, above [`recycle::LARGEST`]               | one                    |
//! | [`Task::from_parts`] | whatever its table says: a slot with a handle, a job on | its maker's business   |
//! |                      | somebody's stack                                        |                        |
//!
//! A task belongs to one thread at a time and is consumed by [`Task::run`] or by dropping it (which *discards* it:
//! the closure never starts). Panics of user code never leave either.

use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::base::debug::impl_debug;
use crate::base::unwind::{self, Payload};
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::recycle;
use crate::task::work::{Unstarted, Work};

/// One of the words that a task carries.
pub type Word = MaybeUninit<usize>;

/// All of them.
pub type Words = [Word; 3];

/// What running a task left for the pool to do.
#[derive(Debug)]
#[must_use]
pub enum Finished {
    /// Nothing: the result, if anybody waits for one, has been delivered.
    Done,
    /// The task panicked and nobody holds a handle: the payload belongs to the pool's panic handler.
    UnobservedPanic(Payload),
}

/// How to run or discard one kind of task.
#[derive(Debug)]
pub struct TaskTable {
    /// Runs the task, counts its start and end in the counts and delivers its result.
    ///
    /// # Safety
    /// The words are those of a task made with this table; they are not used again.
    pub run: unsafe fn(Word, Word, Word, &TaskCounts) -> Finished,
    /// Drops the task unstarted and tells whoever waits for it why. A panic in a drop is returned.
    ///
    /// # Safety
    /// As for `run`.
    pub discard: unsafe fn(Word, Word, Word, Unstarted) -> Result<Discarded, Payload>,
    /// What the task is part of.
    pub kind: TaskKind,
}

/// What a task is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// Nothing: it stands for itself.
    Free,
    /// A scope, whose address is the first word.
    Scoped,
    /// A call whose caller waits for it.
    Sent,
}

/// What a task was that has been discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// It had not been started, and never will be.
    Unstarted,
    /// It had been run ahead of its turn by whoever waited for it; only its place in the queue was left.
    RunBefore,
}

/// See the module's text.
///
/// The words go to the table's functions one by one, in registers. Handed over by address they would have to lie in
/// memory together, and a copy made in larger pieces than they were stored in stalls the processor for as long as the
/// rest of the dispatch takes.
#[repr(C)]
pub struct Task {
    table: &'static TaskTable,
    words: Words,
}

// SAFETY: the constructors take only what may move to another thread: `Task::new` asks for `F: Send`, and the
// contract of `Task::from_parts` says so for the rest.
unsafe impl Send for Task {}

impl Task {
    /// A task that calls `f` and throws its (unit) result away.
    #[inline]
    pub fn new<F: FnOnce() + Send + 'static>(f: F) -> Task {
        let mut place = MaybeUninit::uninit();
        Task::new_in(&mut place, f);
        // SAFETY: just initialised.
        unsafe { place.assume_init() }
    }

    /// As [`Task::new`], put together in `place`, which is initialised afterwards. Does not panic.
    #[inline]
    pub fn new_in<F: FnOnce() + Send + 'static>(place: &mut MaybeUninit<Task>, f: F) {
        match Storage::of::<F>() {
            Storage::Inline | Storage::Block => Task::of_in(place, f),
            // Calling a boxed closure runs it where it is, so that a closure of several megabytes never visits the
            // (possibly small) stack of the worker.
            Storage::Boxed => Task::of_in(place, Box::new(f)),
        }
    }

    /// A task that does `work` of at most [`recycle::LARGEST`] bytes, put together in `place`, which is initialised
    /// afterwards. Does not panic.
    #[inline]
    pub fn of_in<W: Work<Output = ()> + 'static>(place: &mut MaybeUninit<Task>, work: W) {
        match Storage::of::<W>() {
            Storage::Inline => Inline::pack(place, work),
            Storage::Block => InBlock::pack(place, work),
            // Decided at compile time. (Zero-sized and over-aligned work is not worth a case of its own.)
            Storage::Boxed => Inline::pack(place, BoxedWork(Box::new(work))),
        }
    }

    /// A task of another kind.
    ///
    /// # Safety
    /// `table`'s functions may be called with `words`, once, on any thread.
    #[inline]
    pub unsafe fn from_parts(table: &'static TaskTable, words: Words) -> Task {
        Task { table, words }
    }

    /// The address of the scope that the task belongs to, if it belongs to one.
    #[inline]
    pub fn scope(&self) -> Option<usize> {
        // SAFETY: the table says that it was written.
        (self.table.kind == TaskKind::Scoped).then(|| unsafe { self.words[0].assume_init() })
    }

    /// Whether somebody's frame depends on it: such a task is never thrown away while the pool works.
    pub fn is_structured(&self) -> bool {
        self.table.kind != TaskKind::Free
    }

    /// Runs the task. No panic of user code comes out.
    #[inline(always)]
    pub fn run(self, counts: &TaskCounts) -> Finished {
        let this = ManuallyDrop::new(self);
        let [a, b, c] = this.words;
        // SAFETY: table and words belong together, and nobody uses the task again.
        unsafe { (this.table.run)(a, b, c, counts) }
    }

    /// Drops the task unstarted and tells whoever waits for it why; a panic in a drop is returned.
    pub fn discard(self, why: Unstarted) -> Result<Discarded, Payload> {
        let this = ManuallyDrop::new(self);
        let [a, b, c] = this.words;
        // SAFETY: as in `run`.
        unsafe { (this.table.discard)(a, b, c, why) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let [a, b, c] = self.words;
        // SAFETY: as in `run`; nobody uses the words after the drop.
        if let Err(payload) = unsafe { (self.table.discard)(a, b, c, Unstarted::Cancelled) } {
            unwind::drop_silently(payload);
        }
    }
}

impl_debug!(Task {});

/// Where a closure of a certain type is kept.
#[derive(Clone, Copy)]
enum Storage {
    Inline,
    Block,
    Boxed,
}

impl Storage {
    #[inline]
    const fn of<F>() -> Storage {
        if size_of::<F>() <= size_of::<Words>() && align_of::<F>() <= align_of::<Words>() {
            Storage::Inline
        } else if size_of::<F>() > 0 && size_of::<F>() <= recycle::LARGEST {
            Storage::Block
        } else {
            Storage::Boxed
        }
    }
}

/// Work in a box of its own.
struct BoxedWork<W>(Box<W>);

impl<W: Work> Work for BoxedWork<W> {
    type Output = W::Output;

    fn refusal(&self) -> Option<Unstarted> {
        self.0.refusal()
    }

    fn call(self) -> W::Output {
        (*self.0).call()
    }

    fn has_failed(output: &W::Output) -> bool {
        W::has_failed(output)
    }
}

/// Does fire-and-forget work and counts how it ended.
#[inline]
fn perform<W: Work<Output = ()>>(work: W, counts: &TaskCounts) -> Finished {
    if let Some(why) = work.refusal() {
        counts.unstarted(why);
        return match unwind::drop_guarded(work) {
            Ok(()) => Finished::Done,
            Err(payload) => Finished::UnobservedPanic(payload),
        };
    }
    counts.begin();
    match unwind::catch(|| work.call()) {
        Ok(()) => {
            counts.end(if W::has_failed(&()) { TaskEnd::Failed } else { TaskEnd::Completed });
            Finished::Done
        }
        Err(payload) => {
            counts.end(TaskEnd::Panicked);
            Finished::UnobservedPanic(payload)
        }
    }
}

/// Puts the table of a new task in its place; the words are still to be written.
#[inline]
fn put_table<'a>(place: &'a mut MaybeUninit<Task>, table: &'static TaskTable) -> &'a mut Words {
    let task = place.as_mut_ptr();
    // SAFETY: in bounds of `place`, which is borrowed mutably.
    let table_place = unsafe { &raw mut (*task).table };
    // SAFETY: as above.
    unsafe { table_place.write(table) };
    // SAFETY: as above; the words may be uninitialised.
    unsafe { &mut (*task).words }
}

/// Closures that fit into the words.
struct Inline;

impl Inline {
    #[inline]
    fn pack<F: Work<Output = ()> + 'static>(place: &mut MaybeUninit<Task>, f: F) {
        // Decided at compile time, like the choice that led here.
        assert!(matches!(Storage::of::<F>(), Storage::Inline));
        let table =
            const { &TaskTable { run: Self::run::<F>, discard: Self::discard::<F>, kind: TaskKind::Free } };
        let words = put_table(place, table);
        // SAFETY: size and alignment were checked above.
        unsafe { words.as_mut_ptr().cast::<F>().write(f) };
    }

    /// # Safety
    /// The words hold an `F` put there by `pack`, which is not used again.
    #[inline(always)]
    unsafe fn unpack<F>(words: Words) -> F {
        // SAFETY: the caller's promise; size and alignment as in `pack`.
        unsafe { words.as_ptr().cast::<F>().read() }
    }

    unsafe fn run<F: Work<Output = ()>>(a: Word, b: Word, c: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: the contract of the table.
        let f = unsafe { Self::unpack::<F>([a, b, c]) };
        perform(f, counts)
    }

    unsafe fn discard<F>(a: Word, b: Word, c: Word, _: Unstarted) -> Result<Discarded, Payload> {
        // SAFETY: the contract of the table.
        let f = unsafe { Self::unpack::<F>([a, b, c]) };
        unwind::drop_guarded(f).map(|()| Discarded::Unstarted)
    }
}

/// Closures in a recycled block, whose address is the first word.
struct InBlock;

impl InBlock {
    #[inline]
    fn pack<F: Work<Output = ()> + 'static>(place: &mut MaybeUninit<Task>, f: F) {
        let block = recycle::alloc::<F>();
        // SAFETY: the block is ours, large enough and aligned for an `F`.
        unsafe { block.write(f) };
        let table =
            const { &TaskTable { run: Self::run::<F>, discard: Self::discard::<F>, kind: TaskKind::Free } };
        let words = put_table(place, table);
        words[0].write(block.as_ptr().expose_provenance());
    }

    /// # Safety
    /// `address` is the first word made by `pack` from an `F`, and is not used again.
    #[inline]
    unsafe fn unpack<F>(address: Word) -> F {
        // SAFETY: `pack` wrote it.
        let address = unsafe { address.assume_init() };
        let place = std::ptr::with_exposed_provenance_mut::<F>(address);
        // SAFETY: it is the address of a block, never null.
        let place = unsafe { NonNull::new_unchecked(place) };
        // SAFETY: the block holds an `F` that nobody else reads.
        let f = unsafe { place.read() };
        // SAFETY: the block came from `take_for::<F>` and its content has just moved out.
        unsafe { recycle::free::<F>(place) };
        f
    }

    unsafe fn run<F: Work<Output = ()>>(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: the contract of the table.
        let f = unsafe { Self::unpack::<F>(address) };
        perform(f, counts)
    }

    unsafe fn discard<F>(address: Word, _: Word, _: Word, _: Unstarted) -> Result<Discarded, Payload> {
        // SAFETY: the contract of the table.
        let f = unsafe { Self::unpack::<F>(address) };
        unwind::drop_guarded(f).map(|()| Discarded::Unstarted)
    }
}

const _: () =
    assert!(mem::size_of::<Task>() == 32, "two tasks a cache line, half of it at most for the inbox");

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A closure with `N` bytes of ballast that counts its run, and whose drop is counted by the Arc.
    fn counted<const N: usize>(runs: &Arc<AtomicUsize>) -> impl FnOnce() + Send + use<N> {
        let (runs, ballast) = (runs.clone(), [7u8; N]);
        move || {
            assert!(std::hint::black_box(&ballast).iter().all(|&b| b == 7));
            runs.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn runs_or_is_dropped<const N: usize>() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counts = TaskCounts::default();
        assert!(matches!(Task::new(counted::<N>(&runs)).run(&counts), Finished::Done));
        assert_eq!((runs.load(Ordering::Relaxed), counts.completed.get()), (1, 1));

        drop(Task::new(counted::<N>(&runs)));
        assert_eq!(runs.load(Ordering::Relaxed), 1, "a discarded task never starts");

        assert_eq!(Arc::strong_count(&runs), 1, "every closure was dropped");
    }

    #[test]
    fn closures_of_every_size_run_once_or_never() {
        runs_or_is_dropped::<0>();
        runs_or_is_dropped::<16>();
        runs_or_is_dropped::<17>();
        runs_or_is_dropped::<56>();
        runs_or_is_dropped::<600>();
        runs_or_is_dropped::<{ recycle::LARGEST }>();
        runs_or_is_dropped::<100_000>();
    }

    #[test]
    fn an_over_aligned_closure_is_placed_properly() {
        #[repr(align(128))]
        struct Wide(u8);
        let counts = TaskCounts::default();
        let wide = Wide(3);
        let f = move || {
            let wide = &wide;
            assert_eq!(std::ptr::from_ref(wide).addr() % 128, 0);
            assert_eq!(wide.0, 3);
        };
        assert!(matches!(Task::new(f).run(&counts), Finished::Done));
    }

    #[test]
    fn a_panic_comes_back_as_a_payload() {
        let counts = TaskCounts::default();
        let Finished::UnobservedPanic(payload) =
            Task::new(|| std::panic::resume_unwind(Box::new(5u8))).run(&counts)
        else {
            panic!("the payload is for the pool");
        };
        assert_eq!(payload.downcast_ref::<u8>(), Some(&5));
        assert_eq!(counts.panicked.get(), 1);
    }
}
