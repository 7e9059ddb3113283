//! A task of any type in 32 bytes: what every queue of the pool holds.
//!
//! A [`Task`] is a table of two functions and three words of data. Only those functions know what the words
//! mean:
//!
//! | made by              | content of the three words                             | allocations          |
//! |----------------------|--------------------------------------------------------|----------------------|
//! | [`Task::of_in`]      | the work itself, up to 24 bytes, aligned to a word     | none                 |
//! | [`Task::of_in`]      | the address of a recycled block with the work          | none in the long run |
//! | [`Task::of_in`]      | the box of a larger closure (`submit/pack.rs`)         | one                  |
//! | [`Task::from_parts`] | defined by its table: a result slot, a stack job, ...  | defined by its maker |
//!
//! A task belongs to one thread at a time. [`Task::run`] consumes it; so does a drop, which *discards* it:
//! the closure never starts. A panic of user code never leaves either of them. Guarded by the unit tests here
//! and by `tests/it/behaviour/big_closures.rs`; tasks with a result slot by the model `result_slot`.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::base::debug::impl_debug;
use crate::base::unwind::{self, Payload};
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::recycle;
use crate::task::work::{Unstarted, Work, WorkRefusal};

/// One of the words that a task carries.
pub type Word = MaybeUninit<usize>;

/// All words that a task carries.
pub type Words = [Word; 3];

/// Words of which the first holds the address of `pointer`. The others are not initialised.
#[inline(always)]
pub fn words_with<T>(pointer: *const T) -> Words {
    let mut words = [const { Word::uninit() }; 3];
    words[0].write(pointer.expose_provenance());
    words
}

/// The pointer whose address is in `word`.
///
/// # Safety
/// `word` holds the exposed address of a `T`, as the first word of [`words_with`] does.
#[inline(always)]
pub unsafe fn pointer_in<T>(word: Word) -> NonNull<T> {
    // SAFETY: the word holds an address, so it is initialised; the caller promises that.
    let address = unsafe { word.assume_init() };
    // SAFETY: it is the address of a value, so it is not null; the caller promises that.
    unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(address)) }
}

/// What the pool has to do after a task was run.
#[derive(Debug)]
#[must_use]
pub enum Finished {
    /// Nothing: the result was delivered, or no handle waits for one.
    Done,
    /// Nothing: the task was ended and counted before, and only its entry in the queue was left.
    Skipped,
    /// The task panicked and has no handle: the payload is for the pool's panic handler.
    UnobservedPanic(Payload),
}

impl Finished {
    /// A task whose last step, for example the drop of its closure, ended with `result`.
    pub fn with(result: Result<(), Payload>) -> Self {
        result.map_or_else(Finished::UnobservedPanic, |()| Finished::Done)
    }
}

/// How to run or discard one kind of task.
#[derive(Debug)]
pub struct TaskTable {
    /// Runs the task, counts its start and end, and delivers its result.
    ///
    /// # Safety
    /// The words are those of a task made with this table, and are not used again.
    pub run: unsafe fn(Word, Word, Word, &TaskCounts) -> Finished,
    /// Drops the task unstarted and tells its waiter the reason. Returns the payload if a drop panics.
    ///
    /// # Safety
    /// The words are those of a task made with this table, and are not used again.
    pub discard: unsafe fn(Word, Word, Word, Unstarted) -> Result<Discarded, Payload>,
    /// What the task is part of.
    pub kind: TaskKind,
}

/// What a task is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// Nothing: no frame depends on it.
    Free,
    /// A scope, whose address is the first word.
    Scoped,
    /// Work on which a frame depends: a job that was sent or stolen, or the proxy of a scope's task.
    Structured,
}

/// What a discarded task was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// It had not started, and never will.
    Unstarted,
    /// It is not counted: its waiter had run it, or it is no task of its own (a stolen job, a proxy).
    RunBefore,
    /// Another thread had ended and counted it; only its entry in the queue was left.
    CountedBefore,
}

/// A task of any type; see the module's text.
///
/// The words are passed to the table's functions one by one, in registers. Passed by address they would have
/// to be adjacent in memory. A copy made in larger pieces than the stores stalls the processor for as long as
/// the rest of the dispatch takes.
#[repr(C)]
pub struct Task {
    table: &'static TaskTable,
    words: Words,
}

// SAFETY: the content of every task may move to another thread: `Task::of_in` requires `Send`, and the
// contract of `Task::from_parts` requires words that may be used on any thread.
unsafe impl Send for Task {}

impl_debug! { Task {} }

impl Task {
    /// A task that does `work`, of at most [`recycle::LARGEST`] bytes.
    #[inline]
    pub fn new<W: Work<Output = ()> + 'static>(work: W) -> Task {
        let mut place = MaybeUninit::uninit();
        Task::of_in(&mut place, work);
        // SAFETY: `of_in` has initialised it.
        unsafe { place.assume_init() }
    }

    /// Builds a task that does `work`, of at most [`recycle::LARGEST`] bytes, in `place`, which is
    /// initialised afterwards. Does not panic.
    #[inline]
    pub fn of_in<W: Work<Output = ()> + 'static>(place: &mut MaybeUninit<Task>, work: W) {
        match Storage::of::<W>() {
            Storage::Inline => Inline::pack(place, work),
            Storage::Block => InBlock::pack(place, work),
            // Decided at compile time. Zero-sized work with a large alignment is too rare for a case of its
            // own.
            Storage::Boxed => Inline::pack(place, BoxedWork(Box::new(work))),
        }
    }

    /// A task of another kind.
    ///
    /// # Safety
    /// The functions of `table` may be called with `words`, once, on any thread.
    #[inline]
    pub unsafe fn from_parts(table: &'static TaskTable, words: Words) -> Task {
        Task { table, words }
    }

    /// The address of the scope that the task belongs to, if there is one.
    #[inline]
    pub fn scope(&self) -> Option<usize> {
        // SAFETY: the first word of a task of kind `Scoped` is the address of its scope, so it is
        // initialised.
        (self.table.kind == TaskKind::Scoped).then(|| unsafe { self.words[0].assume_init() })
    }

    /// Whether a frame depends on the task. Such a task is never discarded while the pool runs.
    pub fn is_structured(&self) -> bool {
        self.table.kind != TaskKind::Free
    }

    /// Runs the task. No panic of user code leaves this function.
    #[inline(always)]
    pub fn run(self, counts: &TaskCounts) -> Finished {
        let this = ManuallyDrop::new(self);
        let [a, b, c] = this.words;
        // SAFETY: the words were made with this table. They are not used again, because the task is consumed
        // and not dropped.
        unsafe { (this.table.run)(a, b, c, counts) }
    }

    /// Drops the task unstarted and tells its waiter the reason. Returns the payload if a drop panics.
    pub fn discard(self, why: Unstarted) -> Result<Discarded, Payload> {
        let this = ManuallyDrop::new(self);
        let [a, b, c] = this.words;
        // SAFETY: the words were made with this table. They are not used again, because the task is consumed
        // and not dropped.
        unsafe { (this.table.discard)(a, b, c, why) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let [a, b, c] = self.words;
        // SAFETY: the words were made with this table. They are not used again, because `run` and `discard`
        // do not drop the task, and nothing uses it after the drop.
        if let Err(payload) = unsafe { (self.table.discard)(a, b, c, Unstarted::Cancelled) } {
            unwind::drop_silently(payload);
        }
    }
}

/// Where the closure of a task is stored.
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

    fn refusal(&self) -> Option<WorkRefusal> {
        self.0.refusal()
    }

    fn call(self) -> W::Output {
        (*self.0).call()
    }

    fn has_failed(output: &W::Output) -> bool {
        W::has_failed(output)
    }
}

/// Runs work without a handle and counts how it ended.
#[inline]
fn perform<W: Work<Output = ()>>(work: W, counts: &TaskCounts) -> Finished {
    if let Some(refusal) = work.refusal() {
        counts.refused(refusal);
        let dropped = unwind::drop_guarded(work);
        return if refusal.is_counted { Finished::Skipped } else { Finished::with(dropped) };
    }
    counts.start();
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

/// Stores the table of a new task in `place`. The caller writes the words.
#[inline]
fn put_table<'a>(place: &'a mut MaybeUninit<Task>, table: &'static TaskTable) -> &'a mut Words {
    let task = place.as_mut_ptr();
    // SAFETY: `task` points into `place`, so the field is in bounds.
    let table_place = unsafe { &raw mut (*task).table };
    // SAFETY: the pointer is valid and aligned, and `place` is borrowed mutably, so no other thread accesses
    // it.
    unsafe { table_place.write(table) };
    // SAFETY: the pointer is valid and aligned, and `place` is borrowed mutably for `'a`. The words may be
    // uninitialised, because `Word` is `MaybeUninit`.
    unsafe { &mut (*task).words }
}

/// A way to store a closure in the words of a task.
trait Packing: Sized {
    /// Moves the closure out.
    ///
    /// # Safety
    /// The words are those that this packing made from an `F`, and are not used again.
    unsafe fn unpack<F>(words: Words) -> F;

    fn table<F: Work<Output = ()> + 'static>() -> &'static TaskTable {
        const { &TaskTable { run: Self::run::<F>, discard: Self::discard::<F>, kind: TaskKind::Free } }
    }

    /// # Safety
    /// The words are those that this packing made from an `F`, and are not used again.
    unsafe fn run<F: Work<Output = ()>>(a: Word, b: Word, c: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: this packing made the words from an `F`, and they are not used again, by the contract of
        // this function.
        let f = unsafe { Self::unpack::<F>([a, b, c]) };
        perform(f, counts)
    }

    /// # Safety
    /// The words are those that this packing made from an `F`, and are not used again.
    unsafe fn discard<F: Work>(a: Word, b: Word, c: Word, _: Unstarted) -> Result<Discarded, Payload> {
        // SAFETY: this packing made the words from an `F`, and they are not used again, by the contract of
        // this function.
        let f = unsafe { Self::unpack::<F>([a, b, c]) };
        // Asked first, because a token or a deadline ends the task until then.
        let is_counted = f.refusal().is_some_and(|refusal| refusal.is_counted);
        let discarded = if is_counted { Discarded::CountedBefore } else { Discarded::Unstarted };
        unwind::drop_guarded(f).map(|()| discarded)
    }
}

/// Stores a closure in the words themselves.
struct Inline;

impl Inline {
    #[inline]
    fn pack<F: Work<Output = ()> + 'static>(place: &mut MaybeUninit<Task>, f: F) {
        // Decided at compile time, like the choice of this packing.
        assert!(matches!(Storage::of::<F>(), Storage::Inline));
        let words = put_table(place, Self::table::<F>());
        // SAFETY: size and alignment of `F` fit the words, as the assertion says. The words are borrowed
        // mutably, so no other thread accesses them.
        unsafe { words.as_mut_ptr().cast::<F>().write(f) };
    }
}

impl Packing for Inline {
    #[inline(always)]
    unsafe fn unpack<F>(words: Words) -> F {
        // SAFETY: `pack` stored an `F` in these words, after it checked size and alignment. The `F` is moved
        // out once, because the words are not used again.
        unsafe { words.as_ptr().cast::<F>().read() }
    }
}

/// Stores a closure in a recycled block, whose address is the first word.
struct InBlock;

impl InBlock {
    #[inline]
    fn pack<F: Work<Output = ()> + 'static>(place: &mut MaybeUninit<Task>, f: F) {
        let block = recycle::alloc::<F>();
        // SAFETY: the block is large enough and aligned for an `F`, and no other pointer to it exists.
        unsafe { block.write(f) };
        let words = put_table(place, Self::table::<F>());
        words[0].write(block.as_ptr().expose_provenance());
    }
}

impl Packing for InBlock {
    #[inline]
    unsafe fn unpack<F>([address, ..]: Words) -> F {
        // SAFETY: `pack` wrote the address of a block with an `F` to the first word.
        let place = unsafe { pointer_in::<F>(address) };
        // SAFETY: the block holds an `F`, which `pack` stored there. It is moved out once, because the words
        // are not used again, and no other pointer to the block exists.
        let f = unsafe { place.read() };
        // SAFETY: the block came from `recycle::alloc::<F>`, its content has been moved out, and it is not
        // used again.
        unsafe { recycle::free::<F>(place) };
        f
    }
}

const _: () = assert!(size_of::<Task>() == 4 * size_of::<usize>(), "two tasks fit into a cache line");

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A closure with `N` bytes of ballast that counts its runs. The `Arc` shows whether it was dropped.
    fn counted<const N: usize>(runs: &Arc<AtomicUsize>) -> impl FnOnce() + Send + use<N> {
        let (runs, ballast) = (runs.clone(), [7u8; N]);
        move || {
            assert!(std::hint::black_box(&ballast).iter().all(|&b| b == 7));
            runs.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A task that calls `f`. A large closure is boxed, as by `submit/pack.rs`.
    fn task<F: FnOnce() + Send + 'static>(f: F) -> Task {
        if size_of::<F>() > recycle::LARGEST { Task::new(Box::new(f)) } else { Task::new(f) }
    }

    fn runs_or_is_dropped<const N: usize>() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counts = TaskCounts::default();
        assert!(matches!(task(counted::<N>(&runs)).run(&counts), Finished::Done));
        assert_eq!((runs.load(Ordering::Relaxed), counts.completed.get()), (1, 1));

        drop(task(counted::<N>(&runs)));
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
        assert!(matches!(task(f).run(&counts), Finished::Done));
    }

    #[test]
    fn a_panic_comes_back_as_a_payload() {
        let counts = TaskCounts::default();
        let Finished::UnobservedPanic(payload) =
            task(|| std::panic::resume_unwind(Box::new(5u8))).run(&counts)
        else {
            panic!("the payload is not returned");
        };
        assert_eq!(payload.downcast_ref::<u8>(), Some(&5));
        assert_eq!(counts.panicked.get(), 1);
    }
}
