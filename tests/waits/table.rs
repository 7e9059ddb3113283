//! The table of programs.

use std::any::Any;
use std::future::Future;
use std::iter;
use std::pin::pin;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

use longshore::{AnyPool, Group, Lane, Pool, PullPool, WorkerLocal};
use rand::RngExt as _;

use crate::support::{PATIENCE, rng, scaled, seed, watchdog};

/// How a task waits for another task, or for something that another task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Join,
    JoinTimeout,
    BlockOn,
    Group,
    LaneTask,
    BlockOnLane,
    OtherPool,
    BlockOnOther,
    EndOfPool,
    ShutdownOfPool,
    StartOfPool,
    RestOfPool,
    BlockOnRest,
    Room,
    AsyncRoom,
    Budget,
    Broadcast,
    BlockOnBroadcast,
    WorkerLocal,
    Blocking,
    // On a push pool only:
    Scope,
    ScopeOfOther,
    ForkJoin,
    Install,
    JoinOnOther,
    Loop,
    Stream,
    OrderedStream,
    StreamHandedOn,
}

use Wait::*;

const OF_EACH_KIND: [Wait; 20] = [
    Join,
    JoinTimeout,
    BlockOn,
    Group,
    LaneTask,
    BlockOnLane,
    OtherPool,
    BlockOnOther,
    EndOfPool,
    ShutdownOfPool,
    StartOfPool,
    RestOfPool,
    BlockOnRest,
    Room,
    AsyncRoom,
    Budget,
    Broadcast,
    BlockOnBroadcast,
    WorkerLocal,
    Blocking,
];

const OF_PUSH_POOLS: [Wait; 9] =
    [Scope, ScopeOfOther, ForkJoin, Install, JoinOnOther, Loop, Stream, OrderedStream, StreamHandedOn];

const _: () = assert!(
    OF_EACH_KIND.len() + OF_PUSH_POOLS.len() == StreamHandedOn as usize + 1,
    "the two lists hold every wait, of which this is the last"
);

/// Polls `future` and parks the thread while it is pending, as small executors do.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (mut future, waker) = (pin!(future), Arc::new(Unpark(thread::current())).into());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The pools of a program.
struct World<P: AnyPool> {
    /// Of the pool under test, without stand-ins.
    workers: usize,
    /// The pool under test.
    own: Arc<P>,
    /// A pool of one worker, without limits.
    other: Arc<P>,
    /// A pool of one worker in which one task may wait.
    narrow: Arc<P>,
    /// A pool of one worker whose budget is one task.
    frugal: Arc<P>,
    lane: Lane<P>,
    local: WorkerLocal<u32>,
}

impl<P: AnyPool> World<P> {
    fn new(workers: usize, capacity: Option<usize>) -> Arc<Self> {
        let mut builder = P::builder().workers(workers);
        if let Some(capacity) = capacity {
            builder = builder.queue_capacity(capacity);
        }
        let own = Arc::new(builder.build().expect("starts"));
        let one = || P::builder().workers(1);
        Arc::new(World {
            workers,
            lane: own.lane(1).build().expect("a limit"),
            local: own.worker_local(|| 0),
            own,
            other: Arc::new(one().build().expect("starts")),
            narrow: Arc::new(one().queue_capacity(1).build().expect("starts")),
            frugal: Arc::new(one().budget(1).build().expect("starts")),
        })
    }
}

/// The pool `pool`, if it is a push pool.
fn push<P: AnyPool>(pool: &Arc<P>) -> Option<&Pool> {
    (&**pool as &dyn Any).downcast_ref()
}

/// A task that waits as `path` says, and returns 1.
fn task<P: AnyPool>(world: &Arc<World<P>>, path: &[Wait]) -> impl FnOnce() -> u32 + Send + 'static {
    let (world, path) = (world.clone(), path.to_vec());
    move || perform(&world, &path)
}

fn perform<P: AnyPool>(world: &Arc<World<P>>, path: &[Wait]) -> u32 {
    let Some((wait, rest)) = path.split_first() else { return 1 };
    let child = task(world, rest);
    match wait {
        Scope | ScopeOfOther | ForkJoin | Install | JoinOnOther | Loop | Stream | OrderedStream
        | StreamHandedOn => perform_on_push(world, *wait, child),
        Room | AsyncRoom | Budget => perform_with_limits(world, *wait, child),
        EndOfPool | ShutdownOfPool | StartOfPool | RestOfPool | BlockOnRest => {
            perform_with_new_pool(world, *wait, child)
        }
        _ => perform_on_any(world, *wait, child),
    }
}

/// Runs the child if no other thread has, without the lock.
fn run_once<F: FnOnce() -> u32>(child: &Mutex<Option<F>>) -> u32 {
    let child = child.lock().expect("no panic").take();
    child.map_or(0, |child| child())
}

fn perform_on_any<P, F>(world: &Arc<World<P>>, wait: Wait, child: F) -> u32
where
    P: AnyPool,
    F: FnOnce() -> u32 + Send + 'static,
{
    match wait {
        Join => world.own.submit(child).expect("open").join().expect("ran"),
        JoinTimeout => {
            let mut handle = world.own.submit(child).expect("open");
            loop {
                if let Some(result) = handle.join_timeout(Duration::from_millis(2)) {
                    break result.expect("ran");
                }
            }
        }
        BlockOn => block_on(world.own.submit(child).expect("open")).expect("ran"),
        Group => {
            let group: Group<u32, std::convert::Infallible, P> = world.own.group();
            group.submit(child).expect("open");
            group.join().expect("ran")[0]
        }
        LaneTask => world.lane.submit(child).expect("open").join().expect("ran"),
        BlockOnLane => block_on(world.lane.submit(child).expect("open")).expect("ran"),
        OtherPool => world.other.submit(child).expect("open").join().expect("ran"),
        BlockOnOther => block_on(world.other.submit(child).expect("open")).expect("ran"),
        Broadcast | BlockOnBroadcast => {
            let child = Mutex::new(Some(child));
            // Each worker has a task, of which the first runs the child.
            let first = move |_| run_once(&child);
            let handles = world.own.broadcast(first).expect("open");
            let join = |handle: longshore::JoinHandle<u32>| match wait {
                Broadcast => handle.join().expect("ran"),
                _ => block_on(handle).expect("ran"),
            };
            handles.into_iter().map(join).sum()
        }
        WorkerLocal => world.local.with(|_| world.own.submit(child).expect("open").join().expect("ran")),
        Blocking => longshore::blocking(|| world.own.submit(child).expect("open").join().expect("ran")),
        _ => unreachable!("{wait:?}"),
    }
}

/// Waits for room behind other tasks, and for the task that gets it.
fn perform_with_limits<P, F>(world: &Arc<World<P>>, wait: Wait, child: F) -> u32
where
    P: AnyPool,
    F: FnOnce() -> u32 + Send + 'static,
{
    match wait {
        Room => {
            (0..2).for_each(|_| world.narrow.execute(|| ()).expect("open"));
            world.narrow.submit(child).expect("open").join().expect("ran")
        }
        AsyncRoom => {
            let before = block_on(world.narrow.submit_async(|| ())).expect("open");
            let handle = block_on(world.narrow.submit_async(child)).expect("open");
            block_on(before).expect("ran");
            block_on(handle).expect("ran")
        }
        Budget => {
            world.frugal.task().weight(1).execute(|| ()).expect("open");
            world.frugal.task().weight(1).submit(child).expect("open").join().expect("ran")
        }
        _ => unreachable!("{wait:?}"),
    }
}

fn perform_with_new_pool<P, F>(world: &Arc<World<P>>, wait: Wait, child: F) -> u32
where
    P: AnyPool,
    F: FnOnce() -> u32 + Send + 'static,
{
    match wait {
        EndOfPool | ShutdownOfPool => {
            let pool = P::builder().workers(1).build().expect("starts");
            let handle = pool.submit(child).expect("open");
            if wait == EndOfPool {
                drop(pool);
            } else {
                pool.shutdown().expect("from outside");
            }
            handle.join().expect("ran")
        }
        RestOfPool | BlockOnRest => {
            let pool = P::builder().workers(1).build().expect("starts");
            let handle = pool.submit(child).expect("open");
            let rest = if wait == RestOfPool { pool.wait_idle() } else { block_on(pool.wait_idle_async()) };
            rest.expect("from outside");
            handle.join().expect("ran")
        }
        StartOfPool => {
            // The start hook waits, and the builder for it.
            let child = Mutex::new(Some(child));
            let (own, sum) = (world.own.clone(), Arc::new(Mutex::new(0)));
            let seen = sum.clone();
            let hook = move |_| {
                let child = child.lock().expect("no panic").take().expect("one worker starts");
                *seen.lock().expect("no panic") = own.submit(child).expect("open").join().expect("ran");
            };
            drop(P::builder().workers(1).on_start(hook).build().expect("starts"));
            *sum.lock().expect("no panic")
        }
        _ => unreachable!("{wait:?}"),
    }
}

fn perform_on_push<P, F>(world: &Arc<World<P>>, wait: Wait, child: F) -> u32
where
    P: AnyPool,
    F: FnOnce() -> u32 + Send + 'static,
{
    let own = push(&world.own).expect("a push pool");
    let other = push(&world.other).expect("a push pool");
    let scope = |pool: &Pool, child: F| {
        let mut result = 0;
        pool.scope(|scope| {
            let result = &mut result;
            scope.spawn(move || *result = child());
        });
        result
    };
    match wait {
        Scope => scope(own, child),
        ScopeOfOther => scope(other, child),
        ForkJoin => own.join(|| (), child).1,
        Install => other.install(child),
        JoinOnOther => other.join(|| (), child).1,
        Loop => {
            let child = Mutex::new(Some(child));
            own.map_reduce(0..2u32, || 0, |_| run_once(&child), |a, b| a + b)
        }
        Stream => own.map_unordered(iter::once(child), |child| child()).sum(),
        OrderedStream => own.map_ordered(iter::once(child), |child| child()).sum(),
        StreamHandedOn => handed_on(world, child),
        _ => unreachable!("{wait:?}"),
    }
}

/// A task takes the first result of a stream, and another task the rest.
fn handed_on<P, F>(world: &Arc<World<P>>, child: F) -> u32
where
    P: AnyPool,
    F: FnOnce() -> u32 + Send + 'static,
{
    let world = world.clone();
    let inner = world.clone();
    let own = &world.own;
    let first_and_rest = move || {
        let pool = push(&inner.own).expect("a push pool");
        let mut child = Some(child);
        let items = (0..8).map(move |n| if n == 7 { child.take() } else { None });
        let mut stream = pool.map_unordered(items, |child| child.map_or(0, |child| child()));
        let first = stream.next().expect("eight items");
        let mut rest = 0;
        pool.scope(|scope| {
            let rest = &mut rest;
            scope.spawn(move || *rest = stream.sum());
        });
        first + rest
    };
    own.submit(first_and_rest).expect("open").join().expect("ran")
}

/// Runs as many tasks of the program `path` at a time as the pool has workers.
fn run<P: AnyPool>(world: &Arc<World<P>>, path: &[Wait]) {
    if path.iter().filter(|wait| **wait == Budget).count() > 1 {
        return; // a task keeps its weight while it waits, so the second wait would be for the first task
    }
    println!("{path:?}"); // shown if the program fails or hangs
    let workers = world.workers;
    let begun = Arc::new(Barrier::new(workers));
    let tasks: Vec<_> = (0..workers)
        .map(|_| {
            let (begun, waits) = (begun.clone(), task(world, path));
            let task = move || {
                begun.wait();
                waits()
            };
            // A pool without room would not take the second task before the first has ended.
            world.own.submit(task).expect("open")
        })
        .collect();
    tasks.into_iter().for_each(|task| assert_eq!(task.join().expect("no panic"), 1, "{path:?}"));
}

fn waits_of<P: AnyPool>() -> Vec<Wait> {
    let is_push = std::any::TypeId::of::<P>() == std::any::TypeId::of::<Pool>();
    let more: &[Wait] = if is_push { &OF_PUSH_POOLS } else { &[] };
    OF_EACH_KIND.iter().chain(more).copied().collect()
}

/// All programs of one and two waits, and random programs of three.
fn table<P: AnyPool>(name: &str, workers: usize, capacity: Option<usize>) {
    let _watchdog = watchdog(name, PATIENCE * 6);
    let world = World::<P>::new(workers, capacity);
    let waits = waits_of::<P>();
    for &first in &waits {
        run(&world, &[first]);
        for &second in &waits {
            run(&world, &[first, second]);
        }
    }
    let mut random = rng(seed(), 0);
    for _ in 0..scaled(150) {
        let path = [(); 3].map(|()| waits[random.random_range(0..waits.len())]);
        run(&world, &path);
    }
}

macro_rules! tables {
    ($($name:ident: $kind:ty, $workers:expr, $capacity:expr;)*) => {$(
        #[test]
        fn $name() {
            table::<$kind>(stringify!($name), $workers, $capacity);
        }
    )*};
}

tables! {
    push_with_one_worker: Pool, 1, None;
    push_with_two_workers: Pool, 2, None;
    bounded_push_with_one_worker: Pool, 1, Some(1);
    bounded_push_with_two_workers: Pool, 2, Some(2);
    rendezvous_push_with_two_workers: Pool, 2, Some(0);
    pull_with_one_worker: PullPool, 1, None;
    pull_with_two_workers: PullPool, 2, None;
    bounded_pull_with_one_worker: PullPool, 1, Some(1);
    bounded_pull_with_two_workers: PullPool, 2, Some(2);
    rendezvous_pull_with_two_workers: PullPool, 2, Some(0);
}
