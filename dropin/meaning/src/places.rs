//! Which thread runs what.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use rayon_core as rayon;

use crate::{Log, here, pool, see};

thread_local! {
    static MARK: Cell<u32> = const { Cell::new(0) };
    static LIST: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

pub fn installs() {
    let (one, other) = (pool(1), pool(2));
    see("on", one.install(here));
    see("again", one.install(|| (here(), one.install(here), rayon::current_num_threads())));
    MARK.set(7);
    see("mark", one.install(|| MARK.replace(8)));
    see("mark again", (one.install(|| MARK.get()), MARK.get()));
    let caller = thread::current().id();
    see("elsewhere", other.install(|| thread::current().id() != caller));
    see("threads", (one.install(rayon::current_num_threads), other.install(rayon::current_num_threads)));
    see(
        "nested threads",
        other.install(|| (one.install(rayon::current_num_threads), rayon::current_num_threads())),
    );
    see("scopes of the pool", one.scope(|_| here()));
    see("joins of the pool", one.join(here, here));
    see("in place", one.in_place_scope(|_| thread::current().id() == caller));
    see("result", one.install(|| vec![1, 2, 3]));
}

/// The waiting thread of a pool serves its own pool, so this ends although each pool has one thread.
pub fn across_pools() {
    let (one, other) = (pool(1), pool(1));
    see(
        "there and back",
        one.install(|| other.install(|| one.install(|| other.install(rayon::current_thread_index)))),
    );
    let sum = one.install(|| {
        let (a, b) =
            rayon::join(|| other.install(|| one.install(|| 1)), || other.install(|| one.install(|| 2)));
        a + b
    });
    see("joins", sum);
    let log = Log::new();
    one.scope(|s| {
        let log = &log;
        s.spawn(move |_| log.note("spawned before"));
        other.in_place_scope(|t| {
            t.spawn(move |_| log.note("in the other"));
            t.spawn(|_| one.install(|| log.note("back in the first")));
        });
    });
    see("scopes", log.take_sorted());
    see("broadcasts", one.install(|| other.broadcast(|_| one.install(here))));
    let (sender, receiver) = channel();
    one.install(|| other.spawn(move || sender.send(rayon::current_thread_index()).expect("waits")));
    see("spawned into the other", receiver.recv());
    see("own index", one.install(|| (one.current_thread_index(), other.current_thread_index())));
    see("own tasks", one.install(|| other.current_thread_has_pending_tasks()));
    see("yields", one.install(|| (one.yield_now(), other.yield_now(), other.yield_local())));
}

/// Free functions outside of every pool.
pub fn global_functions() {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().expect("the first");
    see("threads", rayon::current_num_threads());
    see("index inside", rayon::scope(|_| rayon::current_thread_index().is_some_and(|index| index < 2)));
    see("index outside", rayon::current_thread_index());
    see("joined", rayon::join(|| rayon::current_num_threads(), || rayon::current_thread_index().is_some()));
    see("broadcast", rayon::broadcast(|context| (context.index(), context.num_threads())));
    see("pending outside", rayon::current_thread_has_pending_tasks());
    let (sender, receiver) = channel();
    rayon::spawn(move || sender.send(rayon::current_thread_index().is_some()).expect("waits"));
    see("spawned", receiver.recv());
    let (sender, receiver) = channel();
    rayon::spawn_broadcast(move |context| sender.send(context.index()).expect("waits"));
    see("spawned broadcast", receiver.iter().collect::<BTreeSet<_>>());
    let caller = thread::current().id();
    see(
        "in place",
        rayon::in_place_scope(|_| (thread::current().id() == caller, rayon::current_thread_index())),
    );
    see("in place, fifo", rayon::in_place_scope_fifo(|_| thread::current().id() == caller));
    see("in a thread", thread::spawn(|| rayon::join(|| 1, || 2)).join().ok());
    let sums: usize = thread::scope(|s| {
        let threads: Vec<_> =
            (0..8).map(|i| s.spawn(move || (0..100).map(|j| rayon::join(|| i, || j).0).sum())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    see("from many threads", sums);
}

pub fn outside() {
    see("index", rayon::current_thread_index());
    see("pending", rayon::current_thread_has_pending_tasks());
    see("yields", (rayon::yield_now(), rayon::yield_local()));
    let pool = pool(2);
    see(
        "of a pool",
        (pool.current_thread_index(), pool.current_thread_has_pending_tasks(), pool.current_num_threads()),
    );
    // None of these has started the global pool.
    see("not yet started", rayon::ThreadPoolBuilder::new().num_threads(3).build_global().is_ok());
    see("threads", rayon::current_num_threads());
}

pub fn indices() {
    let pool = pool(3);
    see(
        "indices",
        pool.broadcast(|context| {
            (context.index(), rayon::current_thread_index(), pool.current_thread_index())
        }),
    );
    see("names", pool.broadcast(|_| here()));
    see("broadcast in a pool", pool.install(|| rayon::broadcast(|context| context.index())));
    see("pending", pool.broadcast(|_| rayon::current_thread_has_pending_tasks()).len());
}

pub fn broadcasts() {
    let (pool, other) = (pool(3), pool(2));
    see("nested", pool.broadcast(|outer| (outer.index(), pool.broadcast(|inner| inner.index()))));
    see("across", pool.broadcast(|_| other.broadcast(|inner| (inner.index(), inner.num_threads()))));
    see("inside of another", other.install(|| pool.broadcast(|inner| inner.num_threads())));
    // Every thread runs at the same time.
    let barrier = Barrier::new(3);
    see(
        "together",
        pool.broadcast(|_| barrier.wait().is_leader()).into_iter().filter(|is_leader| *is_leader).count(),
    );
    let log = Log::new();
    pool.scope(|s| {
        s.spawn_broadcast(|s, context| {
            s.spawn({
                let (log, index) = (&log, context.index());
                move |_| log.note(index)
            })
        })
    });
    see("scope", log.take_sorted());
    pool.in_place_scope_fifo(|s| {
        s.spawn_broadcast(|s, context| {
            s.spawn_fifo({
                let (log, index) = (&log, context.index());
                move |_| log.note(index)
            })
        })
    });
    see("fifo scope", log.take_sorted());
    // All threads get two broadcasts in the same order.
    let orders: Vec<Log> = (0..3).map(|_| Log::new()).collect();
    pool.in_place_scope(|s| {
        s.spawn_broadcast(|_, context| orders[context.index()].note("first"));
        s.spawn_broadcast(|_, context| orders[context.index()].note("second"));
    });
    see("orders", orders.iter().map(Log::take).collect::<Vec<_>>());
    let (sender, receiver) = channel();
    pool.spawn_broadcast(move |context| sender.send((context.index(), here())).expect("waits"));
    see("detached", receiver.iter().collect::<BTreeSet<_>>());
}

pub fn in_place() {
    let pool = pool(2);
    let not_send = Rc::new(Cell::new(1));
    let log = Log::new();
    let result = pool.in_place_scope(|s| {
        s.spawn(|_| log.note(rayon::current_thread_index().is_some()));
        not_send.set(2);
        rayon::current_thread_index()
    });
    see("in place", (result, not_send.get(), log.take()));
    let result = rayon::in_place_scope_fifo(|s| {
        s.spawn_fifo(|s| s.spawn_fifo(|_| log.note("inner")));
        not_send.set(3);
        5
    });
    see("in place, global", (result, not_send.get(), log.take()));
    see(
        "inside of the pool",
        pool.install(|| rayon::in_place_scope(|_| rayon::current_thread_index().is_some())),
    );
}

/// A scope may be used by a thread that is none of its tasks.
pub fn from_a_foreign_thread() {
    let (pool, other, log) = (pool(2), pool(1), Log::new());
    let log = &log;
    pool.scope(|s| {
        thread::scope(|threads| {
            threads.spawn(|| (0..3).for_each(|i| s.spawn(move |_| log.note(i))));
            threads.spawn(|| {
                s.spawn_broadcast(move |_, context| log.note(format!("broadcast {}", context.index())))
            });
        });
        other.install(|| s.spawn(move |_| log.note(format!("of {}", rayon::current_num_threads()))));
    });
    see("scope", log.take_sorted());
    pool.in_place_scope_fifo(|s| {
        thread::scope(|threads| {
            threads.spawn(|| (0..3).for_each(|i| s.spawn_fifo(move |_| log.note(i))));
            threads.spawn(|| {
                s.spawn_broadcast(move |_, context| log.note(format!("broadcast {}", context.index())))
            });
        });
        other.install(|| s.spawn_fifo(move |_| log.note(format!("of {}", rayon::current_num_threads()))));
    });
    see("fifo scope", log.take_sorted());
}

pub fn migrated() {
    let one = pool(1);
    let both = || rayon::join_context(|a| a.migrated(), |b| b.migrated());
    see("inside of one thread", one.install(both));
    see("outside", both());
    see("outside, twice", rayon::join_context(|a| (a.migrated(), both().0), |b| b.migrated()));
    let two = pool(2);
    let is_taken = two.install(|| {
        let (taken, wait) = channel();
        rayon::join_context(
            move |_| wait.recv().expect("the other thread runs"),
            move |b| taken.send(b.migrated()).expect("waits"),
        )
    });
    see("taken", is_taken);
    see("across", two.install(|| one.install(both)));
}

/// The start and exit handlers run on threads of the pool.
pub fn in_handlers() {
    let (sender, receiver) = channel();
    let exits = sender.clone();
    let builder = rayon::ThreadPoolBuilder::new().num_threads(2);
    let builder = builder.thread_name(|index| format!("thread {index}"));
    let builder = builder.start_handler(move |index| {
        let place = (rayon::current_thread_index(), rayon::current_num_threads(), here());
        let joined = rayon::join(|| 1, || 2);
        let scoped = rayon::scope(|s| {
            s.spawn(|_| ());
            rayon::current_thread_index()
        });
        let sent = sender.clone();
        rayon::spawn(move || sent.send(format!("spawned by {index}")).expect("waits"));
        sender.send(format!("start {index}: {place:?} {joined:?} {scoped:?}")).expect("waits");
    });
    let builder = builder.exit_handler(move |index| {
        let place = (rayon::current_thread_index(), rayon::current_num_threads(), here());
        exits.send(format!("exit {index}: {place:?}")).expect("waits");
    });
    let pool = builder.build().expect("starts");
    let mut seen: Vec<_> = receiver.iter().take(4).collect();
    drop(pool);
    seen.extend(receiver.iter());
    seen.sort();
    seen.iter().for_each(|line| see("handler", line));
}

/// A wait of the only thread runs what it waits for.
pub fn waits_serve() {
    let pool = pool(1);
    let flag = AtomicBool::new(false);
    pool.scope(|s| {
        s.spawn(|_| flag.store(true, Ordering::SeqCst));
        while !flag.load(Ordering::SeqCst) {
            rayon::yield_now();
        }
    });
    see("scope", flag.load(Ordering::SeqCst));
    let received = pool.install(|| {
        let (sender, receiver) = channel();
        rayon::spawn(move || sender.send(5).expect("waits"));
        while rayon::yield_local() == Some(rayon::Yield::Executed) {}
        receiver.try_recv()
    });
    see("detached", received);
    // The second half of a join waits for a detached task, which the thread that waits in the join must run.
    let two = crate::pool(2);
    let received = two.install(|| {
        let (sender, receiver) = channel();
        let (started, is_started) = channel();
        rayon::join(
            move || {
                is_started.recv().expect("the other thread runs");
                rayon::spawn(move || sender.send(5).expect("waits"));
            },
            move || {
                started.send(()).expect("waits");
                receiver.recv()
            },
        )
        .1
    });
    see("under a join", received);
}

/// Each thread has its own, and the tasks of one pool see those of its threads.
pub fn thread_locals() {
    let pool = pool(2);
    pool.broadcast(|context| LIST.with_borrow_mut(|list| list.push(context.index() as u32)));
    LIST.with_borrow_mut(|list| {
        list.push(9);
        // The calling thread has borrowed its own list.
        see("lists", pool.broadcast(|_| LIST.with_borrow(Vec::clone)));
        see("install", pool.install(|| LIST.with_borrow(Vec::len)));
        see("spawned", pool.scope(|s| s.spawn(|_| LIST.with_borrow_mut(|list| list.clear()))));
        list.clear();
    });
}
