//! Scopes: tasks that borrow from the frame of whoever opened the scope, who waits until all of them have ended.
//!
//! A scope's tasks travel through the queues like all others. What is different is the wait at the end. A worker that
//! waits for a scope runs tasks of this scope and of scopes opened inside of it, its own and those that lie in the deques
//! of other workers, and nothing else: what it runs descends from what it waits for (see `worker/wait.rs` for why). A task
//! says which scope it belongs to, and a scope from which task of which scope it was opened, so that descent is a walk
//! up a chain; all of the chain is alive while a task at its end has not run, for each scope waits for its tasks.
//!
//! What a waiting worker takes from a peer and is not of its scope it hands to the scope that it belongs to: there the
//! worker that waits for that scope finds it, and a note in the injector tells everybody else. (The injector alone would
//! not do. Workers that wait for scopes do not look there, and if all of them do, nobody looks.)
//!
//! No wait is for ever, as long as the tasks themselves end: a task of a scope runs; or lies in the deque of a worker that
//! comes back to it, for what this worker runs or waits for meanwhile lies on top and does not need the task; or with
//! its scope, whose opener runs it when it waits.

use crate::push::scope_state::ScopeState;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};
use std::thread;
use std::time::Instant;

use crate::base::facade::lock;
use crate::base::unwind::{self, Payload};
use crate::push::scope_state::belongs;
use crate::push::shared::PushShared;
use crate::push::worker::PushWorker;
use crate::runtime::awaited_latch::AwaitedLatch;
use crate::runtime::control::Phase;
use crate::runtime::intake::Intake;
use crate::runtime::wait::{is_deep, join_spin};
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word, Words};
use crate::task::recycle;
use crate::task::work::Unstarted;

impl ScopeState {
    /// Spawns a task.
    ///
    /// # Safety
    /// What `body` borrows outlives the scope, and the frame of the scope or a task of it, which has not ended, calls this.
    #[inline]
    pub unsafe fn spawn<B: ScopeTask>(&self, body: B) {
        let shared = self.shared();
        let refused = PushWorker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(shared) => {
                worker.batched_count().count_spawn(self);
                self.spawn_on(worker, body)
            }
            _ => {
                self.count(1);
                self.spawn_from_outside(body)
            }
        });
        let Err(body) = refused else { return self.nudge_waiters() };
        // What is structured cannot be refused: the pool has ended, so the caller does it.
        body.run(self, &TaskCounts::default());
        // SAFETY: it is counted, and has ended.
        unsafe { ScopeState::end_one(self) };
    }

    #[inline]
    fn spawn_on<B: ScopeTask>(&self, worker: &PushWorker, body: B) -> Result<(), B> {
        if self.shared().phase() >= Phase::Ended {
            return Err(body);
        }
        let mut task = MaybeUninit::uninit();
        Packed::pack(&mut task, self, body);
        // SAFETY: just initialised.
        let task = unsafe { task.assume_init() };
        worker.overdraw();
        worker.push_local(task);
        Ok(())
    }

    #[cold]
    fn spawn_from_outside<B: ScopeTask>(&self, body: B) -> Result<(), B> {
        self.shared().overdraw_from_outside(1);
        if !self.is_on_worker {
            // SAFETY: `pack` initialises its place and does not panic.
            let dispatched =
                unsafe { self.shared().dispatch(body, |place, body| Packed::pack(place, self, body)) };
            return dispatched.map_err(|(body, _)| body);
        }
        let mut task = MaybeUninit::uninit();
        Packed::pack(&mut task, self, body);
        // SAFETY: just initialised.
        let note = self.keep_for_waiter(unsafe { task.assume_init() });
        // If it is refused, whoever waits for the scope runs the task.
        // SAFETY: the place is initialised.
        let _ = unsafe { self.shared().dispatch(note, |place, note| _ = place.write(note)) };
        fence(Ordering::SeqCst); // pairs with the one in `Latch::arm`
        self.end.nudge();
        Ok(())
    }

    /// Tells those who wait for this scope, or for one around it, that there is something to take. After the fence of the
    /// task's publication.
    #[inline]
    fn nudge_waiters(&self) {
        // Relaxed: ordered by that fence; pairs with the fence after the increment in `PushWorker::await_scope`.
        if self.shared().scope_sleepers.load(Ordering::Relaxed) > 0 {
            self.nudge_chain();
        }
    }

    #[cold]
    fn nudge_chain(&self) {
        let mut scope: *const ScopeState = self;
        // SAFETY: as in `descends_from`; the caller is a part of this scope that has not ended.
        while let Some(this) = unsafe { scope.as_ref() } {
            this.end.nudge();
            scope = this.parent;
        }
    }
}

/// Opens a scope on the calling thread, calls `body` and waits for the tasks.
pub fn open<R>(shared: &PushShared, body: impl FnOnce(&ScopeState) -> R) -> R {
    let worker = PushWorker::with_current(|worker| {
        worker.filter(|worker| worker.belongs_to(shared)).map_or(std::ptr::null(), std::ptr::from_ref)
    });
    // SAFETY: null, or what this thread acts as at least until the end of this function, which is further down the stack.
    let worker: Option<&PushWorker> = unsafe { worker.as_ref() };
    let parent = worker.map_or(std::ptr::null(), PushWorker::current_scope);
    let scope = ScopeState::new(shared, parent, worker.is_some());
    let depth_below = worker.map(PushWorker::local_depth);
    let result = {
        let _inside = worker.map(|worker| worker.enter_scope(&scope));
        unwind::catch(|| body(&scope))
    };
    // From here on, until all tasks have ended, this frame must not be left.
    let abort = unwind::AbortOnUnwind;
    // SAFETY: the frame's own count; the latch is waited for below.
    unsafe { ScopeState::end_one(&scope) };
    match worker {
        Some(worker) => worker.await_scope(&scope, depth_below.unwrap_or_default()),
        None => _ = AwaitedLatch::new(&scope.end, shared.id).wait(),
    }
    std::mem::forget(abort);
    let panic = lock(&scope.panic).take();
    match (result, panic) {
        (Ok(_), None) if scope.incomplete.load(Ordering::Relaxed) => {
            panic!("the pool was stopped before all tasks of the scope had started")
        }
        (Ok(result), None) => result,
        (Err(payload), later) => {
            unwind::drop_silently(later);
            std::panic::resume_unwind(payload)
        }
        (Ok(result), Some(payload)) => {
            unwind::drop_silently(result);
            std::panic::resume_unwind(payload)
        }
    }
}

/// What a task of a scope does. User code in it stays inside the panic guard.
pub trait ScopeTask: Send {
    /// Does it, counts it, and gives a panic to the scope.
    fn run(self, scope: &ScopeState, counts: &TaskCounts);
    /// Drops it unstarted.
    fn discard(self, why: Unstarted) -> Result<Discarded, Payload>;
}

/// A closure whose result nobody wants.
pub struct ScopeClosure<F>(pub F);

impl<F: FnOnce() + Send> ScopeTask for ScopeClosure<F> {
    #[inline]
    fn run(self, scope: &ScopeState, counts: &TaskCounts) {
        counts.start();
        match unwind::catch(self.0) {
            Ok(()) => counts.end(TaskEnd::Completed),
            Err(payload) => {
                counts.end(TaskEnd::Panicked);
                scope.keep_panic(payload);
            }
        }
    }

    fn discard(self, _: Unstarted) -> Result<Discarded, Payload> {
        unwind::drop_guarded(self.0).map(|()| Discarded::Unstarted)
    }
}

/// A task with a handle, which counts itself, whoever runs it.
impl ScopeTask for Task {
    fn run(self, scope: &ScopeState, counts: &TaskCounts) {
        if let Finished::UnobservedPanic(payload) = Task::run(self, counts) {
            scope.keep_panic(payload);
        }
    }

    fn discard(self, why: Unstarted) -> Result<Discarded, Payload> {
        Task::discard(self, why)
    }
}

/// A task of a scope: the scope's address in the first word; in the others the body, or the address of its block.
struct Packed;

impl Packed {
    const fn is_inline<B>() -> bool {
        size_of::<B>() <= size_of::<[Word; 2]>() && align_of::<B>() <= align_of::<Word>()
    }

    #[inline]
    fn pack<B: ScopeTask>(place: &mut MaybeUninit<Task>, scope: &ScopeState, body: B) {
        let mut words: Words = [const { Word::uninit() }; 3];
        words[0].write(std::ptr::from_ref(scope).expose_provenance());
        if Self::is_inline::<B>() {
            // SAFETY: size and alignment were checked.
            unsafe { words[1..].as_mut_ptr().cast::<B>().write(body) };
        } else {
            let block = recycle::alloc::<B>();
            // SAFETY: the block is ours, large enough and aligned for a `B`.
            unsafe { block.write(body) };
            words[1].write(block.as_ptr().expose_provenance());
        }
        let table =
            const { &TaskTable { run: Self::run::<B>, discard: Self::discard::<B>, kind: TaskKind::Scoped } };
        // SAFETY: the words are what these functions expect; the body is `Send`, and the scope waits for the task.
        place.write(unsafe { Task::from_parts(table, words) });
    }

    /// # Safety
    /// The words were made by `pack` of a `B` and are not used again.
    unsafe fn unpack<B>(scope: Word, a: Word, b: Word) -> (*const ScopeState, B) {
        // SAFETY: `pack` wrote it.
        let scope = std::ptr::with_exposed_provenance(unsafe { scope.assume_init() });
        if Self::is_inline::<B>() {
            // SAFETY: the caller's promise; size and alignment as in `pack`.
            return (scope, unsafe { [a, b].as_ptr().cast::<B>().read() });
        }
        // SAFETY: `pack` wrote it.
        let block = unsafe { a.assume_init() };
        // SAFETY: it is the address of a block, never null.
        let block = unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut::<B>(block)) };
        // SAFETY: the block holds a `B` that nobody else reads.
        let body = unsafe { block.read() };
        // SAFETY: taken for this type, and its content has just moved out.
        unsafe { recycle::free::<B>(block) };
        (scope, body)
    }

    unsafe fn run<B: ScopeTask>(scope: Word, a: Word, b: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: the contract of the table.
        let (scope, body) = unsafe { Self::unpack::<B>(scope, a, b) };
        // SAFETY: it waits for this task.
        let alive = unsafe { &*scope };
        PushWorker::with_current(|worker| match worker {
            Some(worker) => {
                let inside = worker.enter_scope(alive);
                body.run(alive, counts);
                drop(inside);
                // SAFETY: this task is counted, and touches nothing of the scope after this.
                unsafe { worker.batched_count().count_end(scope) };
            }
            // A scope's task whose place in a queue is discarded by a thread that is no worker is not run.
            None => unreachable!("tasks run on workers"),
        });
        Finished::Done
    }

    unsafe fn discard<B: ScopeTask>(
        scope: Word,
        a: Word,
        b: Word,
        why: Unstarted,
    ) -> Result<Discarded, Payload> {
        // SAFETY: the contract of the table.
        let (scope, body) = unsafe { Self::unpack::<B>(scope, a, b) };
        let discarded = body.discard(why);
        // SAFETY: it waits for this task.
        unsafe { &*scope }.incomplete.store(true, Ordering::Relaxed); // read after the latch
        // SAFETY: this task is counted, and touches nothing of the scope after this.
        unsafe { ScopeState::end_one(scope) };
        discarded
    }
}

/// Marks what runs on a worker as part of a scope, for as long as the value lives.
pub struct ScopeGuard<'a> {
    worker: &'a PushWorker,
    around: *const ScopeState,
}

impl Drop for ScopeGuard<'_> {
    fn drop(&mut self) {
        self.worker.set_current_scope(self.around);
    }
}

impl PushWorker {
    fn enter_scope<'a>(&'a self, scope: &ScopeState) -> ScopeGuard<'a> {
        ScopeGuard { worker: self, around: self.set_current_scope(scope) }
    }

    /// Waits until all tasks of `scope`, which was opened on this worker, have ended. `depth_below`: tasks in the deque
    /// that are older than the scope, at most.
    fn await_scope(&self, scope: &ScopeState, depth_below: u32) {
        if scope.end.is_set() {
            return;
        }
        if is_deep(&self.shared().config) {
            let go_on = |worker: &PushWorker| worker.work_for_scope(scope, depth_below);
            if self.on_fresh_stack(go_on).is_ok() {
                return;
            }
            // No thread to be had: half of the stack is left.
        }
        self.work_for_scope(scope, depth_below);
    }

    fn work_for_scope(&self, scope: &ScopeState, depth_below: u32) {
        let shared = self.shared();
        let mut spin_until = None;
        while !scope.end.is_set() {
            if self.run_part_of(scope, depth_below) {
                spin_until = None;
                continue;
            }
            let now = Instant::now();
            if now < *spin_until.get_or_insert(now + join_spin()) {
                (0..32).for_each(|_| std::hint::spin_loop());
                continue;
            }
            // Relaxed: ordered by the fence in `arm`.
            shared.scope_sleepers.fetch_add(1, Ordering::Relaxed);
            // SAFETY: this thread has opened the scope, or stands in for the one that has: it is the one that waits.
            if unsafe { scope.end.arm() } && !self.run_part_of(scope, depth_below) {
                thread::park();
            }
            shared.scope_sleepers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Runs something that descends from `scope`: from the own deque, what came back to it, from a peer. Whether there was
    /// any.
    fn run_part_of(&self, scope: &ScopeState, depth_below: u32) -> bool {
        self.run_local(depth_below) || self.run_rare_part_of(scope)
    }

    #[cold]
    fn run_rare_part_of(&self, scope: &ScopeState) -> bool {
        self.flush();
        if scope.end.is_set() {
            return true; // that was all
        }
        let returned = scope.returned.get().and_then(|returned| lock(returned).pop_front());
        let Some(task) = returned.or_else(|| self.steal_one(|task| belongs(task, scope))) else {
            return false;
        };
        self.run_task(task);
        true
    }
}
