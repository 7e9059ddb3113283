//! Scopes: tasks that borrow from the frame of the thread that opened the scope, which waits until all of
//! them have ended.
//!
//! The tasks of a scope are queued like all others. The difference is the wait at the end. A worker that
//! waits for a scope runs tasks of this scope and of scopes opened inside of it, from its own deque and from
//! the deques of its peers, and in a long wait its broadcast tasks, and nothing else: what it runs descends
//! from what it waits for (`worker/wait.rs` says why). A task knows its scope, and a scope knows the scope in
//! which it was opened, so descent is a walk up a chain. The whole chain is alive while a task at its end has
//! not run: each scope waits for its tasks.
//!
//! If a waiting worker takes a task of another scope from a peer, it returns the task to that scope: the
//! worker that waits for that scope finds it there, and a proxy task in the injector shows it to all other
//! workers. (The injector alone is not enough: workers that wait for scopes do not search it, and possibly
//! all workers wait for scopes.)
//!
//! No wait lasts forever, if the tasks themselves end. A task of a scope runs; or it is in the deque of a
//! worker that will continue to run that deque, because what this worker runs or awaits meanwhile is above it
//! on the stack and does not need the task; or it is stored in its scope, whose opener runs it when it waits.
//!
//! Called by any thread that opens a scope or spawns into one. The state is in `scope_state.rs`. Guarded by
//! `tests/it/scopes.rs` and `tests/stress/joins.rs`.

use std::mem::MaybeUninit;
use std::sync::atomic::{Ordering, fence};
use std::thread;
use std::time::{Duration, Instant};

use longshore_trace::record::WaitFor;

use crate::base::facade::lock;
use crate::base::recording;
use crate::base::unwind::{self, Payload};
use crate::push::scope_state::{ScopeState, belongs};
use crate::push::shared::PushShared;
use crate::push::worker::PushWorker;
use crate::runtime::awaited_latch::AwaitedLatch;
use crate::runtime::config::Rules;
use crate::runtime::control::Phase;
use crate::runtime::held_pass;
use crate::runtime::intake::Intake;
use crate::runtime::long_wait::{LONG, WaitSleep, Woken};
use crate::runtime::stall::Target;
use crate::runtime::wait::{Awaited, ParkToken, join_spin, on_thread};
use crate::runtime::worker_loop::WorkerLoop;
use crate::sync::latch::Latch;
use crate::sys::stack;
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word, Words, pointer_in};
use crate::task::recycle;
use crate::task::work::Unstarted;

impl ScopeState {
    /// Spawns a task.
    ///
    /// # Safety
    /// All that `body` borrows outlives the scope. The caller is the frame of the scope or a task of it,
    /// which has not ended.
    #[inline]
    pub unsafe fn spawn<B: ScopeTask>(&self, body: B) {
        let shared = self.shared();
        let refused = PushWorker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(shared) => {
                worker.batched_count.count_spawn(self);
                self.spawn_on(worker, body)
            }
            _ => {
                self.count(1);
                self.spawn_from_outside(body)
            }
        });
        let Err(body) = refused else { return self.nudge_waiters() };
        self.run_refused(body);
        // SAFETY: the task was counted above and has ended, and does not touch the scope after this.
        unsafe { ScopeState::end_one(self) };
    }

    #[inline]
    fn spawn_on<B: ScopeTask>(&self, worker: &PushWorker, body: B) -> Result<(), B> {
        if self.shared().phase() >= Phase::Ended {
            return Err(body);
        }
        let task = Packed::task(self, body);
        worker.overdraw();
        worker.push_local(task);
        Ok(())
    }

    #[cold]
    fn spawn_from_outside<B: ScopeTask>(&self, body: B) -> Result<(), B> {
        self.shared().overdraw_from_outside(1);
        if !self.is_on_worker {
            let pack = |place: &mut MaybeUninit<Task>, body| _ = place.write(Packed::task(self, body));
            // SAFETY: `pack` initialises its place and does not panic.
            unsafe { self.shared().dispatch(body, pack) }.map_err(|(body, _)| body)?;
            self.shared().run_in_caller();
            return Ok(());
        }
        let proxy = self.keep_for_waiter(Packed::task(self, body));
        // If the proxy is refused, the worker that waits for the scope runs the task.
        // SAFETY: the closure initialises its place and does not panic.
        let _ = unsafe { self.shared().dispatch(proxy, |place, proxy| _ = place.write(proxy)) };
        // Pairs with the fence in `Latch::arm`: either the nudge finds the waiter asleep, or its last look
        // finds the task.
        fence(Ordering::SeqCst);
        self.end.nudge();
        Ok(())
    }

    /// Runs a task that the pool refuses because it has ended: structured work cannot be refused, so the
    /// caller runs it. Such tasks spawn and nest as deep as the program likes, so they continue on fresh
    /// stacks.
    #[cold]
    fn run_refused<B: ScopeTask>(&self, body: B) {
        let body = std::sync::Mutex::new(Some(body));
        let run = || {
            let body = lock(&body).take();
            body.into_iter().for_each(|body| body.run(self, &TaskCounts::default()));
        };
        if stack::is_half_used() && on_thread(&self.shared().config, 0, run).is_ok() {
            return;
        }
        run();
    }

    /// Nudges the workers that wait for this scope or for a scope around it, because there is a task to take.
    /// Called after the task was published and notified for, which includes a sequentially consistent fence.
    #[inline]
    fn nudge_waiters(&self) {
        // Relaxed: ordered after that fence, which pairs with the fence in `Latch::arm` after the increment
        // in `work_for_scope`: either this load sees the sleeper, or the sleeper's last look finds the task.
        if self.shared().scope_sleepers.load(Ordering::Relaxed) > 0 {
            self.nudge_chain();
        }
    }

    #[cold]
    fn nudge_chain(&self) {
        let mut scope: *const ScopeState = self;
        // SAFETY: null, or a scope that is alive: this scope because the caller is a part of it that has not
        // ended, and the others because a parent ends after its child. Only shared references are made.
        while let Some(this) = unsafe { scope.as_ref() } {
            this.end.nudge();
            scope = this.parent;
        }
    }
}

/// Opens a scope on the calling thread, calls `body` and waits for the tasks.
///
/// # Panics
/// With the panic of `body`, else with the first panic of a task; under the rules of rayon-core with the
/// first of all these. Or if the pool stopped before all tasks started.
pub fn open<R>(shared: &PushShared, body: impl FnOnce(&ScopeState) -> R) -> R {
    let worker = PushWorker::with_current(|worker| {
        worker.filter(|worker| worker.belongs_to(shared)).map_or(std::ptr::null(), std::ptr::from_ref)
    });
    // SAFETY: null, or the worker that this thread acts as. The frame that made it so is further down the
    // stack, so the worker outlives this function, and it is used on this thread only, or on a thread for
    // which this one waits.
    let worker: Option<&PushWorker> = unsafe { worker.as_ref() };
    let parent = worker.map_or(std::ptr::null(), |worker| worker.scope.get());
    let scope = ScopeState::new(shared, parent, worker.is_some());
    let depth_below = worker.map_or(0, |worker| worker.local_depth.get());
    worker.into_iter().for_each(|worker| worker.scope.set(&scope));
    let result = unwind::catch(|| body(&scope)).map_err(|payload| match shared.config.rules {
        Rules::Library => Some(payload),
        Rules::RayonCore => {
            scope.keep_panic(payload);
            None
        }
    });
    worker.into_iter().for_each(|worker| worker.scope.set(parent));
    // From here on, until all tasks have ended, this frame must not be left.
    let abort = unwind::AbortOnUnwind;
    // SAFETY: `new` has counted the frame, which ends its count once, here, and keeps the scope alive.
    unsafe { ScopeState::end_one(&scope) };
    match worker {
        Some(worker) => {
            worker.await_scope(&scope, depth_below);
            held_pass::take_again(None);
        }
        None => _ = AwaitedLatch::new(&scope.end, shared.id).wait(),
    }
    std::mem::forget(abort);
    let panic = lock(&scope.panic).take();
    match (result, panic) {
        // Relaxed: ordered by the latch, see `Packed::discard`.
        (Ok(_), None) if scope.incomplete.load(Ordering::Relaxed) => {
            panic!("the pool was stopped before all tasks of the scope had started")
        }
        (Ok(result), None) => result,
        (Err(Some(payload)), later) => {
            unwind::drop_silently(later);
            std::panic::resume_unwind(payload)
        }
        (Err(None), first) => std::panic::resume_unwind(first.expect("the panic of the body is kept")),
        (Ok(result), Some(payload)) => {
            unwind::drop_silently(result);
            std::panic::resume_unwind(payload)
        }
    }
}

/// The body of a scope's task. User code in it runs inside the panic guard.
pub trait ScopeTask: Send {
    /// Runs the body, counts the task, and stores a panic in the scope.
    fn run(self, scope: &ScopeState, counts: &TaskCounts);
    /// Drops the body unstarted.
    fn discard(self, why: Unstarted) -> Result<Discarded, Payload>;
}

/// A closure without a handle.
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

/// A task with a handle. It counts itself when it runs.
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

/// The layout of a scope's task: the first word is the address of the scope; the others are the body, or the
/// address of a block with the body.
pub(super) struct Packed;

impl Packed {
    const fn is_inline<B>() -> bool {
        size_of::<B>() <= size_of::<[Word; 2]>() && align_of::<B>() <= align_of::<Word>()
    }

    /// A task of `scope`, which has counted it as pending.
    #[inline]
    pub(super) fn task<B: ScopeTask>(scope: &ScopeState, body: B) -> Task {
        let mut words: Words = [const { Word::uninit() }; 3];
        words[0].write(std::ptr::from_ref(scope).expose_provenance());
        if Self::is_inline::<B>() {
            // SAFETY: the two words are ours, large enough and aligned for a `B`, as `is_inline` has checked.
            unsafe { words[1..].as_mut_ptr().cast::<B>().write(body) };
        } else {
            let block = recycle::alloc::<B>();
            // SAFETY: `alloc` returned a block that is ours, large enough and aligned for a `B`.
            unsafe { block.write(body) };
            words[1].write(block.as_ptr().expose_provenance());
        }
        let table =
            const { &TaskTable { run: Self::run::<B>, discard: Self::discard::<B>, kind: TaskKind::Scoped } };
        // SAFETY: the words are what the functions of the table expect for a `B`. They may be called once on
        // any thread: the body is `Send`, and the scope, which it may borrow from, waits for the task.
        unsafe { Task::from_parts(table, words) }
    }

    /// # Safety
    /// The words are those of a task made by [`Packed::task`] with a `B`, and are not used again.
    unsafe fn unpack<B>(scope: Word, a: Word, b: Word) -> (*const ScopeState, B) {
        // SAFETY: `task` has written the address of the scope to the word.
        let scope = unsafe { pointer_in::<ScopeState>(scope) }.as_ptr().cast_const();
        if Self::is_inline::<B>() {
            // SAFETY: `task` has written a `B` to these words, which are large enough and aligned for it, and
            // it is read once.
            return (scope, unsafe { [a, b].as_ptr().cast::<B>().read() });
        }
        // SAFETY: `task` has written the address of a block with a `B` to the word.
        let block = unsafe { pointer_in::<B>(a) };
        // SAFETY: `task` has written a `B` to the block, which only this task has, and it is read once.
        let body = unsafe { block.read() };
        // SAFETY: the block was allocated for a `B`, which was just moved out, and is not used after this.
        unsafe { recycle::free::<B>(block) };
        (scope, body)
    }

    unsafe fn run<B: ScopeTask>(scope: Word, a: Word, b: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: this is a function of the table that `task` chose for a `B`, so the words are of such a
        // task, and used once.
        let (scope, body) = unsafe { Self::unpack::<B>(scope, a, b) };
        // SAFETY: the scope waits for this task, so it is alive; only shared references to it are made.
        let alive = unsafe { &*scope };
        PushWorker::with_current(|worker| match worker {
            Some(worker) => {
                let around = worker.scope.replace(scope);
                body.run(alive, counts); // does not panic
                worker.scope.set(around);
                // SAFETY: this task is counted as pending, its end is counted once, here, and it touches
                // nothing of the scope after this.
                unsafe { worker.batched_count.count_end(scope) };
            }
            // Threads that are no workers discard tasks of a scope; they do not run them.
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
        // SAFETY: this is a function of the table that `task` chose for a `B`, so the words are of such a
        // task, and used once.
        let (scope, body) = unsafe { Self::unpack::<B>(scope, a, b) };
        let discarded = body.discard(why);
        // Relaxed: `end_one` releases it, and the opening thread reads it after the latch.
        // SAFETY: the scope waits for this task, so it is alive; only shared references to it are made.
        unsafe { &*scope }.incomplete.store(true, Ordering::Relaxed);
        // SAFETY: this task is counted as pending, its end is counted once, here, and it touches nothing of
        // the scope after this.
        unsafe { ScopeState::end_one(scope) };
        discarded
    }
}

impl PushWorker {
    /// Waits until all tasks of `scope`, which was opened on this worker, have ended. At most `depth_below`
    /// tasks in the deque are older than the scope.
    fn await_scope(&self, scope: &ScopeState, depth_below: u32) {
        if scope.end.is_set() {
            return;
        }
        let _recorded = recording::wait(|| WaitFor::Scope);
        if self.needs_fresh_stack() {
            let go_on = |worker: &PushWorker| worker.work_for_scope(scope, depth_below);
            if self.on_fresh_stack(go_on).is_ok() {
                return;
            }
            // The operating system provides no thread. The wait goes on here, with half of the stack left.
        }
        self.work_for_scope(scope, depth_below);
    }

    fn work_for_scope(&self, scope: &ScopeState, depth_below: u32) {
        if self.serves_in_waits() {
            return self.serve_for_scope(scope, depth_below);
        }
        let shared = self.shared();
        let (mut spin_until, mut token) = (None, ParkToken::default());
        let mut sleep = WaitSleep::new(self, Duration::ZERO, LONG);
        while !scope.end.is_set() {
            if self.run_part_of(scope, depth_below) {
                spin_until = None;
                continue;
            }
            let now = Instant::now();
            recording::with(|track| track.idles());
            if now < *spin_until.get_or_insert(now + join_spin()) {
                (0..32).for_each(|_| std::hint::spin_loop());
                continue;
            }
            // Relaxed: ordered before the last look for tasks by the fence in `arm`; see `nudge_waiters`.
            shared.scope_sleepers.fetch_add(1, Ordering::Relaxed);
            // SAFETY: only the thread that opened the scope waits for its latch, or another thread on its
            // behalf while it sleeps in `on_fresh_stack`: one thread at a time.
            if unsafe { scope.end.arm() } && !self.run_part_of(scope, depth_below) {
                if self.follows_rayon() {
                    self.park_in_wait(&mut token);
                } else {
                    let mut news = NewsOfScope { end: &scope.end, pool: shared.id };
                    // Without a stand-in there is nothing to do but to sleep: no foreign work may run here.
                    let (Woken::Look | Woken::NoStandIn) = sleep.sleep(&mut news, None);
                    if sleep.is_long() {
                        self.run_own_broadcast(&mut news);
                    }
                }
            }
            shared.scope_sleepers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Runs a task that descends from `scope`: from the own deque, of those returned to the scope, or from a
    /// peer. Returns whether there was one.
    fn run_part_of(&self, scope: &ScopeState, depth_below: u32) -> bool {
        self.run_local(depth_below) || self.run_rare_part_of(scope)
    }

    #[cold]
    fn run_rare_part_of(&self, scope: &ScopeState) -> bool {
        self.flush();
        if scope.end.is_set() {
            return true; // the flush has ended the scope
        }
        if self.run_broadcast_in_wait() {
            return true;
        }
        let Some(task) = scope.take_stored().or_else(|| self.steal_one(|task| belongs(task, scope))) else {
            return false;
        };
        self.run_task(task);
        true
    }
}

/// What the worker that waits for a scope sleeps for: the end of the scope, or a nudge because there is a
/// task to take. The worker has armed the latch and looked for tasks since.
struct NewsOfScope<'a> {
    end: &'a Latch,
    pool: u32,
}

impl Awaited for NewsOfScope<'_> {
    fn is_done(&self) -> bool {
        !self.end.is_armed() // it is set, or a nudge has taken the waiter out
    }

    fn is_of(&self, pool: u32) -> bool {
        self.pool == pool
    }

    fn run_here(&mut self, _: &TaskCounts) -> bool {
        false // `run_part_of` does
    }

    fn target(&self) -> Target {
        Target::Scope(self.pool)
    }

    fn unpark_me(&mut self) {
        // Not armed again, because a nudge that came since would be lost.
        if !self.end.is_armed() {
            thread::current().unpark(); // the park that follows returns at once
        }
    }
}
