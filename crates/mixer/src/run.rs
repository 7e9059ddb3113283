//! Runs a program and checks what is left at its end.
//!
//! Each task carries a ticket, which knows whether the task has run and whether its captures are dropped.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use longshore::{
    AnyPool, CancelToken, Group, JoinError, JoinHandle, Lane, OnFull, Pool, PoolStats, PullPool, WorkerLocal,
};

use crate::program::{EndBy, Kind, PoolSpec, Program, Shutdown, Step, Then};

/// Stand-ins of each pool at a time: more than a program has waits, because the promise about waits ends at
/// that limit.
pub const STAND_INS: usize = 4096;

/// A time that does not pass during a program.
const LONG: Duration = Duration::from_secs(3600);

/// How often a conductor resumes all pools.
const RESUME_EVERY: Duration = Duration::from_millis(2);

/// Runs `program` to its end.
///
/// # Errors
/// What does not hold at the end.
///
/// # Panics
/// If a thread of the program panics, which no step makes it do.
pub fn run(program: &Program) -> Result<(), String> {
    let world = Arc::new(World {
        pools: program.pools.iter().map(AnyKind::new).collect(),
        tickets: Tickets::default(),
        is_over: AtomicBool::new(false),
    });
    let conductor = {
        let world = world.clone();
        thread::spawn(move || {
            while !world.is_over.load(Ordering::Acquire) {
                world.pools.iter().for_each(AnyKind::resume);
                thread::park_timeout(RESUME_EVERY);
            }
        })
    };
    thread::scope(|scope| {
        for steps in &program.threads {
            let world = &world;
            scope.spawn(move || _ = quietly(|| steps.iter().for_each(|step| world.step(step))));
        }
    });
    for pool in &world.pools {
        pool.shutdown(Shutdown::Drain);
    }
    world.is_over.store(true, Ordering::Release);
    conductor.thread().unpark();
    conductor.join().expect("it does not panic");
    world.check()
}

/// A pool of either kind.
enum AnyKind {
    Push { pool: Arc<Pool>, lane: Lane<Pool>, local: WorkerLocal<u64> },
    Pull { pool: Arc<PullPool>, lane: Lane<PullPool> },
}

/// Calls `$body` with the pool and its lane.
macro_rules! with_pool {
    ($any:expr, |$pool:ident, $lane:ident| $body:expr) => {
        match $any {
            AnyKind::Push { pool: $pool, lane: $lane, .. } => $body,
            AnyKind::Pull { pool: $pool, lane: $lane } => $body,
        }
    };
}

fn build<P: AnyPool>(spec: &PoolSpec) -> Arc<P> {
    let mut builder = P::builder().workers(spec.min..=spec.max).thread_name("mixer");
    builder = builder.blocking_limit(STAND_INS);
    if let Some(capacity) = spec.capacity {
        builder = builder.queue_capacity(capacity);
    }
    if let Some(budget) = spec.budget {
        builder = builder.budget(budget);
    }
    Arc::new(builder.build().expect("the settings are valid, and there are threads"))
}

impl AnyKind {
    fn new(spec: &PoolSpec) -> AnyKind {
        match spec.kind {
            Kind::Push => {
                let pool = build::<Pool>(spec);
                let lane = pool.lane(1).build().expect("the limit is not 0");
                AnyKind::Push { local: pool.worker_local(|| 0), pool, lane }
            }
            Kind::Pull => {
                let pool = build::<PullPool>(spec);
                AnyKind::Pull { lane: pool.lane(1).build().expect("the limit is not 0"), pool }
            }
        }
    }

    fn resume(&self) {
        with_pool!(self, |pool, _lane| AnyPool::resume(&**pool));
    }

    fn shutdown(&self, how: Shutdown) {
        with_pool!(self, |pool, _lane| match how {
            Shutdown::Drain => _ = AnyPool::shutdown(&**pool),
            Shutdown::Now => _ = AnyPool::shutdown_now(&**pool),
            Shutdown::Timeout => _ = AnyPool::shutdown_timeout(&**pool, Duration::from_millis(1)),
        });
    }

    fn stats(&self) -> PoolStats {
        with_pool!(self, |pool, _lane| AnyPool::stats(&**pool))
    }
}

/// What the threads and tasks of a program share.
struct World {
    pools: Vec<AnyKind>,
    tickets: Tickets,
    is_over: AtomicBool,
}

/// How many tasks were made, and what became of them.
#[derive(Default)]
struct Tickets {
    made: AtomicU64,
    ran: AtomicU64,
    dropped: AtomicU64,
}

/// The captures of a task.
struct Ticket {
    world: Arc<World>,
    /// Whether the task has run.
    has_run: bool,
}

impl Ticket {
    fn new(world: &Arc<World>) -> Ticket {
        world.tickets.made.fetch_add(1, Ordering::Relaxed);
        Ticket { world: world.clone(), has_run: false }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let tickets = &self.world.tickets;
        tickets.ran.fetch_add(u64::from(self.has_run), Ordering::Relaxed);
        tickets.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Calls `f` and returns whether it has not panicked.
fn quietly(f: impl FnOnce()) -> Result<(), Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}

impl World {
    /// A task with these steps.
    fn task(self: &Arc<Self>, steps: &[Step]) -> impl FnOnce() + Send + 'static + use<> {
        let (mut ticket, steps) = (Ticket::new(self), steps.to_vec());
        move || {
            assert!(!ticket.has_run, "a task runs once");
            ticket.has_run = true;
            let world = ticket.world.clone();
            steps.iter().for_each(|step| world.step(step));
        }
    }

    fn tasks(self: &Arc<Self>, tasks: usize, steps: &[Step]) -> Vec<impl FnOnce() + Send + 'static + use<>> {
        (0..tasks).map(|_| self.task(steps)).collect()
    }

    fn step(self: &Arc<Self>, step: &Step) {
        match step {
            Step::Submit { pool, then, body } => with_pool!(&self.pools[*pool], |pool, _lane| {
                if let Ok(handle) = AnyPool::submit(&**pool, self.task(body)) {
                    end(handle, *then);
                }
            }),
            Step::SubmitAsync { pool, body } => with_pool!(&self.pools[*pool], |pool, _lane| {
                let submission = AnyPool::submit_async(&**pool, self.task(body));
                if let Ok(handle) = pollster::block_on(submission) {
                    end(handle, Then::Await);
                }
            }),
            Step::Execute { pool, body } => with_pool!(&self.pools[*pool], |pool, _lane| {
                let _ = AnyPool::execute(&**pool, self.task(body));
            }),
            Step::TryExecute { pool, body } => with_pool!(&self.pools[*pool], |pool, _lane| {
                let _ = AnyPool::try_execute(&**pool, self.task(body));
            }),
            Step::Batch { pool, tasks, body } => with_pool!(&self.pools[*pool], |pool, _lane| {
                match AnyPool::submit_batch(&**pool, self.tasks(*tasks, body)) {
                    Ok(handles) => handles.into_iter().rev().for_each(|handle| end(handle, Then::Join)),
                    Err(refused) => {
                        let (accepted, rejected) = refused.into_parts();
                        drop(rejected);
                        accepted.into_iter().for_each(|handle| end(handle, Then::Join));
                    }
                }
            }),
            Step::Conditions { .. } => self.conditions(step),
            Step::Group { .. } | Step::Lane { .. } => self.together(step),
            Step::Chain { pools, in_lanes, tasks, body } => self.chain(pools, *in_lanes, *tasks, body),
            Step::Yield => _ = longshore::yield_now(),
            Step::Blocking { body } => {
                longshore::blocking(|| body.iter().for_each(|step| self.step(step)));
            }
            Step::Panic => resume_unwind(Box::new("on purpose")),
            Step::SetWorkers { .. }
            | Step::Pause { .. }
            | Step::Purge { .. }
            | Step::Broadcast { .. }
            | Step::Shutdown { .. }
            | Step::EndQueued { .. } => self.manage(step),
            Step::Join { .. }
            | Step::Scope { .. }
            | Step::ForEach { .. }
            | Step::Stream { .. }
            | Step::StreamHandedOn { .. }
            | Step::YieldStorm { .. }
            | Step::Local { .. } => self.structured(step),
        }
    }

    /// Steps that submit many tasks which belong together.
    fn together(self: &Arc<Self>, step: &Step) {
        match step {
            Step::Group { pool, tasks, cancels, body } => {
                with_pool!(&self.pools[*pool], |pool, _lane| {
                    let group: Group<(), (), _> = AnyPool::group(&**pool);
                    for task in self.tasks(*tasks, body) {
                        let _ = group.submit(task);
                    }
                    if *cancels {
                        group.cancel();
                    }
                    group.join_all();
                });
            }
            Step::Lane { pool, tasks, body } => with_pool!(&self.pools[*pool], |_pool, lane| {
                let tasks = self.tasks(*tasks, body).into_iter();
                let handles: Vec<_> = tasks.filter_map(|task| lane.submit(task).ok()).collect();
                handles.into_iter().for_each(|handle| end(handle, Then::Join));
            }),
            _ => unreachable!("no step that submits tasks together: {step:?}"),
        }
    }

    /// Tasks that each wait for the one before them.
    fn chain(self: &Arc<Self>, pools: &[usize], in_lanes: bool, tasks: usize, body: &[Step]) {
        let mut before: Option<JoinHandle<()>> = None;
        for number in 0..tasks {
            let (run_body, waits_for) = (self.task(body), before.take());
            let task = move || {
                run_body();
                waits_for.into_iter().for_each(|handle| end(handle, Then::Join));
            };
            before = with_pool!(&self.pools[pools[number % pools.len()]], |pool, lane| {
                if in_lanes { lane.submit(task).ok() } else { AnyPool::submit(&**pool, task).ok() }
            });
        }
        before.into_iter().for_each(|last| end(last, Then::Join));
    }

    /// Steps that change or end a pool, or look at one from outside.
    fn manage(self: &Arc<Self>, step: &Step) {
        match step {
            Step::SetWorkers { pool, workers } => with_pool!(&self.pools[*pool], |pool, _lane| {
                let _ = AnyPool::set_workers(&**pool, *workers);
            }),
            Step::Pause { pool } => with_pool!(&self.pools[*pool], |pool, _lane| {
                AnyPool::pause(&**pool);
            }),
            Step::Purge { pool } => with_pool!(&self.pools[*pool], |pool, _lane| {
                AnyPool::purge(&**pool);
            }),
            Step::Broadcast { pool } => with_pool!(&self.pools[*pool], |pool, _lane| {
                let handles = AnyPool::broadcast(&**pool, |worker| worker).unwrap_or_default();
                handles.into_iter().for_each(|handle| _ = handle.join());
            }),
            Step::Shutdown { pool, how } => self.pools[*pool].shutdown(*how),
            Step::EndQueued { kind: Kind::Push, tasks, by } => self.end_queued::<Pool>(*tasks, *by),
            Step::EndQueued { kind: Kind::Pull, tasks, by } => self.end_queued::<PullPool>(*tasks, *by),
            _ => unreachable!("other steps are run by `step`"),
        }
    }

    fn conditions(self: &Arc<Self>, step: &Step) {
        let Step::Conditions { pool, weight, micros, cancels, then, body } = step else { return };
        with_pool!(&self.pools[*pool], |pool, _lane| {
            let token = CancelToken::new();
            let mut builder = AnyPool::task(&**pool).token(&token).weight(*weight);
            if let Some(micros) = micros {
                builder = builder.start_within(Duration::from_micros(*micros));
            }
            let handle = builder.submit(self.task(body));
            if *cancels {
                token.cancel();
            }
            if let Ok(handle) = handle {
                end(handle, *then);
            }
        });
    }

    /// Steps that a push pool alone has. Panics of tasks reach the caller, and end here.
    fn structured(self: &Arc<Self>, step: &Step) {
        let pool_of = |pool: &usize| match &self.pools[*pool] {
            AnyKind::Push { pool, local, .. } => Some((pool.clone(), local.clone())),
            AnyKind::Pull { .. } => None,
        };
        let _ = quietly(|| match step {
            Step::Join { pool, left, right } => {
                let Some((pool, _)) = pool_of(pool) else { return };
                pool.join(self.task(left), self.task(right));
            }
            Step::Scope { pool, tasks, body } => {
                let Some((pool, _)) = pool_of(pool) else { return };
                pool.scope(|scope| self.tasks(*tasks, body).into_iter().for_each(|task| scope.spawn(task)));
            }
            Step::ForEach { pool, items, body } => {
                let Some((pool, _)) = pool_of(pool) else { return };
                pool.for_each(0..*items, |_| self.task(body)());
            }
            Step::Stream { pool, items, taken, body } => {
                let Some((pool, _)) = pool_of(pool) else { return };
                pool.map_unordered(self.tasks(*items, body), |task| task()).take(*taken).for_each(drop);
            }
            Step::StreamHandedOn { pool, items } => {
                let Some((pool, _)) = pool_of(pool) else { return };
                self.hand_stream_on(&pool, *items);
            }
            Step::YieldStorm { pool, tasks } => {
                let Some((pool, _)) = pool_of(pool) else { return };
                let storm = (0..*tasks).map(|_| || _ = longshore::yield_now());
                if let Ok(handles) = pool.submit_batch(storm) {
                    handles.into_iter().for_each(|handle| end(handle, Then::Join));
                }
            }
            Step::Local { pool } => {
                let Some((_, local)) = pool_of(pool) else { return };
                local.with(|value| *value += 1);
            }
            _ => unreachable!("other steps are run by `step`"),
        });
    }

    /// One task takes the first result of a stream, and another task takes the rest.
    fn hand_stream_on(self: &Arc<Self>, pool: &Arc<Pool>, items: usize) {
        let streaming: &'static Arc<Pool> = Box::leak(Box::new(pool.clone()));
        let first = pool.submit(move || {
            let mut stream = streaming.map_unordered(0..items, |item| item);
            let first = stream.next();
            (stream, first)
        });
        let Ok(Ok((stream, first))) = first.map(JoinHandle::join) else { return };
        if let Ok(rest) = pool.submit(move || stream.count()) {
            let rest = rest.join();
            assert!(rest.is_err() || rest.ok() == Some(items - usize::from(first.is_some())));
        }
    }

    /// Fills a pool of one blocked worker, ends what is queued, and checks that it is gone.
    fn end_queued<P: AnyPool>(self: &Arc<Self>, tasks: usize, by: EndBy) {
        let pool =
            P::builder().workers(1).queue_capacity(tasks).on_full(OnFull::Reject).build().expect("valid");
        let (begun, has_begun) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let hold = move || {
            let _ = begun.send(());
            let _ = gate.recv();
        };
        pool.execute(hold).expect("it is open");
        has_begun.recv().expect("the task has begun");
        let (token, group) = (CancelToken::new(), pool.group::<(), ()>());
        let deadline = Instant::now() + Duration::from_millis(20);
        let mut handles = Vec::new();
        for task in self.tasks(tasks, &[]) {
            match by {
                EndBy::Handle => handles.push(pool.submit(task).expect("there is a place")),
                EndBy::Token => pool.task().token(&token).execute(task).expect("there is a place"),
                EndBy::Group => group.submit(task).expect("there is a place"),
                EndBy::Deadline => pool.task().deadline(deadline).execute(task).expect("there is a place"),
            }
        }
        handles.iter().for_each(|handle| assert!(handle.cancel(), "it has not begun"));
        token.cancel();
        group.cancel();
        if by == EndBy::Deadline {
            // Time itself is the subject here: nothing else happens at the deadline.
            let give_up = deadline + Duration::from_secs(2);
            while pool.stats().waiting > 0 && Instant::now() < give_up {
                thread::park_timeout(Duration::from_millis(1));
            }
        }
        let stats = pool.stats();
        let is_free = pool.try_execute(|| ()).is_ok();
        drop(open);
        if stats.waiting != 0 || !is_free {
            fault(&format!("{tasks} tasks are ended by {by:?}, and {} wait, free: {is_free}", stats.waiting));
        }
        pool.shutdown().expect("from outside");
    }

    fn alive(&self) -> u64 {
        self.tickets.made.load(Ordering::Relaxed) - self.tickets.dropped.load(Ordering::Relaxed)
    }

    /// What must hold when all pools have ended.
    fn check(&self) -> Result<(), String> {
        for (number, pool) in self.pools.iter().enumerate() {
            let stats = pool.stats();
            let ended = stats.completed + stats.failed + stats.panicked;
            let unstarted = stats.cancelled + stats.expired + stats.dropped;
            if stats.waiting + stats.running > 0 || stats.submitted != ended + unstarted {
                return Err(format!("pool {number} does not add up: {stats:?}"));
            }
        }
        match self.alive() {
            0 => Ok(()),
            alive => Err(format!("the captures of {alive} tasks are not dropped")),
        }
    }
}

/// Ends the process because of a fault that was found on any thread.
fn fault(what: &str) {
    println!("FAULT: {what}");
    std::process::exit(1);
}

fn end<T: Send>(mut handle: JoinHandle<T>, then: Then) {
    let result = match then {
        Then::Join => handle.join(),
        Then::Await => pollster::block_on(handle),
        Then::JoinTimeout => match handle.join_timeout(LONG) {
            Some(result) => result,
            None => return fault("an hour has passed"),
        },
        Then::Cancel => {
            let never_runs = handle.cancel();
            let result = handle.join();
            if never_runs != result.as_ref().is_err_and(JoinError::never_ran) {
                fault("a cancelled task has run, or a task that was not cancelled has not");
            }
            result
        }
        Then::Drop => return,
    };
    if let Err(JoinError::Taken | JoinError::Forked | JoinError::NoStack(_)) = result {
        fault("the handle has no result");
    }
}
