//! Orders on one thread.

use std::sync::Arc;
use std::sync::mpsc::channel;

use rayon_core as rayon;

use crate::{Log, pool, see};

pub fn scopes() {
    let (pool, log) = (pool(1), Log::new());
    pool.scope(|s| {
        (0..5).for_each(|i| {
            s.spawn({
                let log = &log;
                move |_| log.note(i)
            })
        })
    });
    see("scope", log.take());
    pool.scope_fifo(|s| {
        (0..5).for_each(|i| {
            s.spawn_fifo({
                let log = &log;
                move |_| log.note(i)
            })
        })
    });
    see("scope_fifo", log.take());
    pool.in_place_scope(|s| {
        // The first task keeps the thread until all are spawned.
        let (go, wait) = channel();
        s.spawn(move |_| wait.recv().expect("told"));
        (0..5).for_each(|i| {
            s.spawn({
                let log = &log;
                move |_| log.note(i)
            })
        });
        go.send(()).expect("waits");
    });
    see("in_place_scope", log.take());
    pool.in_place_scope_fifo(|s| {
        let (go, wait) = channel();
        s.spawn_fifo(move |_| wait.recv().expect("told"));
        (0..5).for_each(|i| {
            s.spawn_fifo({
                let log = &log;
                move |_| log.note(i)
            })
        });
        go.send(()).expect("waits");
    });
    see("in_place_scope_fifo", log.take());
    pool.scope(|s| {
        let log = &log;
        (0..3).for_each(|i| {
            s.spawn(move |s| {
                log.note(format!("{i}("));
                (0..3).for_each(|j| s.spawn(move |_| log.note(format!("{i}.{j}"))));
                log.note(")");
            });
        });
    });
    see("spawned in tasks", log.take());
    pool.scope_fifo(|s| {
        let log = &log;
        (0..3).for_each(|i| {
            s.spawn_fifo(move |s| {
                log.note(format!("{i}("));
                (0..3).for_each(|j| s.spawn_fifo(move |_| log.note(format!("{i}.{j}"))));
                log.note(")");
            });
        });
    });
    see("spawned in tasks, fifo", log.take());
}

pub fn nested_scopes() {
    let (pool, log) = (pool(1), Log::new());
    let log = &log;
    pool.scope(|outer| {
        outer.spawn(move |_| log.note("o1"));
        rayon::scope(|inner| {
            inner.spawn(move |_| log.note("i1"));
            outer.spawn(move |_| log.note("o2"));
            inner.spawn(move |_| log.note("i2"));
        });
        log.note("inner ended");
        outer.spawn(move |_| log.note("o3"));
    });
    see("scope in scope", log.take());
    pool.scope_fifo(|outer| {
        outer.spawn_fifo(move |_| log.note("o1"));
        rayon::scope_fifo(|inner| {
            inner.spawn_fifo(move |_| log.note("i1"));
            outer.spawn_fifo(move |_| log.note("o2"));
            inner.spawn_fifo(move |_| log.note("i2"));
        });
        log.note("inner ended");
        outer.spawn_fifo(move |_| log.note("o3"));
    });
    see("fifo in fifo", log.take());
    pool.scope(|outer| {
        outer.spawn(move |_| log.note("o1"));
        rayon::scope_fifo(|inner| {
            inner.spawn_fifo(move |_| log.note("i1"));
            outer.spawn(move |_| log.note("o2"));
            inner.spawn_fifo(move |_| log.note("i2"));
        });
        log.note("inner ended");
    });
    see("fifo in scope", log.take());
    pool.scope_fifo(|outer| {
        outer.spawn_fifo(move |_| log.note("o1"));
        rayon::in_place_scope(|inner| {
            inner.spawn(move |_| log.note("i1"));
            outer.spawn_fifo(move |_| log.note("o2"));
            inner.spawn(move |_| log.note("i2"));
        });
        log.note("inner ended");
    });
    see("in_place_scope in fifo", log.take());
    pool.install(|| {
        rayon::spawn(|| DETACHED.note("d1"));
        rayon::join(
            || DETACHED.note("a"),
            || {
                rayon::scope(|s| s.spawn(|_| DETACHED.note("s")));
                DETACHED.note("b");
            },
        );
        rayon::spawn(|| DETACHED.note("d2"));
        rayon::scope(|s| s.spawn(|_| DETACHED.note("t")));
        DETACHED.note("end");
    });
    drop_and_wait(pool);
    see("detached around scopes", DETACHED.take());
}

static DETACHED: Log = Log::new();

/// Drops the pool and waits until its thread has ended.
fn drop_and_wait(pool: rayon::ThreadPool) {
    let (end, ended) = channel::<()>();
    pool.install(|| END.with(|cell| cell.set(Some(end))));
    drop(pool);
    ended.recv().expect_err("the sender is dropped with the thread");
}

thread_local! {
    static END: std::cell::Cell<Option<std::sync::mpsc::Sender<()>>> = const { std::cell::Cell::new(None) };
}

pub fn spawns() {
    let log = Arc::new(Log::new());
    type Spawn = fn(Box<dyn FnOnce() + Send>);
    let kinds: [(&str, Spawn); 2] =
        [("spawn", |task| rayon::spawn(task)), ("spawn_fifo", |task| rayon::spawn_fifo(task))];
    for (name, spawn) in kinds {
        let pool = pool(1);
        let log2 = log.clone();
        pool.install(move || {
            for i in 0..5 {
                let log = log2.clone();
                spawn(Box::new(move || {
                    log.note(format!("{i}("));
                    let inner = log.clone();
                    spawn(Box::new(move || inner.note(format!("{i}.0"))));
                    log.note(")");
                }));
            }
            log2.note("body");
        });
        drop_and_wait(pool);
        see(name, log.take());
    }
}

pub fn mixed() {
    let log = Arc::new(Log::new());
    for pattern in ["lf", "fl", "llff", "fflll", "lflf", "flfl", "lfllf", "ffl"] {
        let pool = pool(1);
        let log2 = log.clone();
        pool.install(move || {
            for (i, kind) in pattern.chars().enumerate() {
                let log = log2.clone();
                let task = move || log.note(format!("{kind}{i}"));
                if kind == 'l' { rayon::spawn(task) } else { rayon::spawn_fifo(task) }
            }
        });
        drop_and_wait(pool);
        see(pattern, log.take());
    }
    let pool = pool(1);
    let log = &*log;
    pool.scope_fifo(|fifo| {
        rayon::scope(|lifo| {
            (0..6).for_each(|i| {
                lifo.spawn(move |_| log.note(format!("l{i}")));
                fifo.spawn_fifo(move |_| log.note(format!("f{i}")));
            });
        });
        log.note("lifo ended");
    });
    see("two scopes", log.take());
    pool.scope_fifo(|one| {
        rayon::scope_fifo(|other| {
            (0..4).for_each(|i| {
                one.spawn_fifo(move |_| log.note(format!("a{i}")));
                other.spawn_fifo(move |_| log.note(format!("b{i}")));
            });
        });
        log.note("other ended");
    });
    see("two fifo scopes", log.take());
}

pub fn joins() {
    let (pool, log) = (pool(1), Log::new());
    let log = &log;
    pool.install(|| {
        rayon::join(
            || {
                log.note("a(");
                rayon::join(|| log.note("aa"), || log.note("ab"));
                log.note(")");
            },
            || {
                log.note("b(");
                rayon::join(|| log.note("ba"), || log.note("bb"));
                log.note(")");
            },
        )
    });
    see("join", log.take());
    // What the first half spawns is left out: a join there runs it before the second half, here after the join.
    pool.scope(|s| {
        s.spawn(|_| log.note("s0"));
        rayon::join(|| log.note("a"), || s.spawn(|_| log.note("s1")));
        log.note("joined");
    });
    see("spawns in a join", log.take());
    pool.scope_fifo(|s| {
        s.spawn_fifo(|_| log.note("s0"));
        rayon::join(|| log.note("a"), || s.spawn_fifo(|_| log.note("s1")));
        log.note("joined");
    });
    see("fifo spawns in a join", log.take());
}

pub fn from_outside() {
    let (pool, log) = (pool(1), Arc::new(Log::new()));
    for round in 0..3 {
        let (go, wait) = channel::<()>();
        pool.spawn(move || wait.recv().expect("told"));
        for i in 0..6 {
            let log = log.clone();
            let task = move || log.note(i);
            match (round, i % 2) {
                (0, _) | (2, 0) => pool.spawn(task),
                _ => pool.spawn_fifo(task),
            }
        }
        go.send(()).expect("waits");
        // Comes after the others, because it arrives last.
        let log = &log;
        see("from outside", pool.install(move || log.take()));
    }
}

pub fn yields() {
    see("outside", (rayon::yield_now(), rayon::yield_local()));
    let (pool, log) = (pool(1), Log::new());
    see("of a pool outside", (pool.yield_now(), pool.yield_local()));
    let log = &log;
    pool.scope(|s| {
        see("without tasks", (rayon::yield_now(), rayon::yield_local()));
        (0..4).for_each(|i| s.spawn(move |_| log.note(i)));
        see("now", (rayon::yield_now(), log.take()));
        see("local", (rayon::yield_local(), log.take()));
        see("of the pool", (pool.yield_now(), log.take()));
        see("of the pool, local", (pool.yield_local(), log.take()));
        see("no more", (rayon::yield_now(), rayon::yield_local(), pool.yield_now(), pool.yield_local()));
    });
    pool.scope_fifo(|s| {
        (0..4).for_each(|i| s.spawn_fifo(move |_| log.note(i)));
        see("fifo now", (rayon::yield_now(), log.take()));
        see("fifo local", (rayon::yield_local(), log.take()));
        // In another order than there, so only the number is compared.
        let three = || [(); 3].map(|()| rayon::yield_local());
        rayon::join(|| see("in a join", (three(), rayon::yield_local())), || log.note("b"));
    });
    see("rest", log.take_sorted());
    pool.in_place_scope(|s| {
        let (started, is_started) = channel();
        let (go, wait) = channel();
        s.spawn(move |_| {
            started.send(()).expect("waits");
            wait.recv().expect("told");
            see("local, of tasks from outside", rayon::yield_local());
            see("now, of tasks from outside", (rayon::yield_now(), log.take()));
        });
        is_started.recv().expect("told");
        (0..2).for_each(|i| s.spawn(move |_| log.note(format!("outside {i}"))));
        go.send(()).expect("waits");
    });
    see("rest", log.take());
}

pub fn broadcasts() {
    let (pool, log) = (pool(1), Log::new());
    let log = &log;
    pool.scope(|s| {
        s.spawn(|_| log.note("s0"));
        s.spawn_broadcast(|_, _| log.note("b0"));
        s.spawn(|_| log.note("s1"));
        s.spawn_broadcast(|_, _| log.note("b1"));
        s.spawn(|_| log.note("s2"));
    });
    see("in a scope", log.take());
    pool.scope_fifo(|s| {
        s.spawn_fifo(|_| log.note("s0"));
        s.spawn_broadcast(|_, _| log.note("b0"));
        s.spawn_fifo(|_| log.note("s1"));
        s.spawn_broadcast(|_, _| log.note("b1"));
    });
    see("in a fifo scope", log.take());
    pool.scope(|s| {
        s.spawn(|_| log.note("s0"));
        rayon::broadcast(|_| log.note("b"));
        s.spawn(|_| log.note("s1"));
    });
    see("a broadcast that waits", log.take());
    pool.scope(|s| {
        s.spawn_broadcast(|s, _| {
            log.note("b(");
            s.spawn(|_| log.note("s"));
            s.spawn_broadcast(|_, _| log.note("c"));
            log.note(")");
        });
        s.spawn_broadcast(|_, _| log.note("d"));
    });
    see("spawned in a broadcast", log.take());
}

#[allow(deprecated)]
pub fn breadth_first() {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(1).breadth_first();
    let pool = builder.build().expect("starts");
    let log = Arc::new(Log::new());
    let tasks = log.clone();
    pool.install(move || {
        for i in 0..5 {
            let log = tasks.clone();
            rayon::spawn(move || log.note(i));
        }
    });
    drop_and_wait(pool);
    see("spawn", log.take());
}
