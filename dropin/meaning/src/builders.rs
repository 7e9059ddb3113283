//! The settings of pools, and the errors of their builds.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use rayon_core as rayon;

use crate::{Log, here, pool, see};

fn show(error: &dyn Error) {
    #[allow(deprecated)]
    see("error", (error.to_string(), error.description(), error.source().map(ToString::to_string)));
    see("debug", error);
}

pub fn number_of_threads() {
    let pool = rayon::ThreadPoolBuilder::new().build().expect("starts");
    see("own", pool.current_num_threads());
    see("global", rayon::current_num_threads());
    see(
        "set",
        rayon::ThreadPoolBuilder::new().num_threads(7).build().map(|pool| pool.current_num_threads()).ok(),
    );
}

pub fn global_twice() {
    let build = || rayon::ThreadPoolBuilder::new().num_threads(3).build_global();
    see("first", build().is_ok());
    show(&build().expect_err("there is one"));
    see("threads", rayon::current_num_threads());
    #[allow(deprecated)]
    let deprecated = rayon::initialize(rayon::Configuration::new()).map_err(|error| error.to_string());
    see("deprecated", deprecated);
}

pub fn global_after_use() {
    rayon::join(|| (), || ());
    show(&rayon::ThreadPoolBuilder::new().num_threads(3).build_global().expect_err("there is one"));
}

pub fn errors() {
    let refuse = |_| Err(io::Error::new(io::ErrorKind::OutOfMemory, "no thread today"));
    let error =
        rayon::ThreadPoolBuilder::new().spawn_handler(refuse).build().map(|_| ()).expect_err("refused");
    show(&error);
    let exits = Arc::new(Log::new());
    let (end, ended) = channel::<()>();
    let noted = exits.clone();
    let builder = rayon::ThreadPoolBuilder::new().num_threads(3).exit_handler(move |index| {
        noted.note(index);
        let _ = &end;
    });
    let second = |thread: rayon::ThreadBuilder| match thread.index() {
        2 => Err(io::Error::other("no third thread")),
        _ => {
            thread::spawn(|| thread.run());
            Ok(())
        }
    };
    show(&builder.spawn_handler(second).build().map(|_| ()).expect_err("refused"));
    see("the handlers are dropped with the threads", ended.recv());
    see("ended", exits.take_sorted());
}

pub fn build_scoped() {
    let (started, names) = (AtomicUsize::new(0), Log::new());
    let builder =
        rayon::ThreadPoolBuilder::new().num_threads(3).thread_name(|index| format!("scoped {index}"));
    let result = builder.build_scoped(
        |thread| {
            started.fetch_add(1, Ordering::SeqCst);
            names.note(format!("{:?}={:?}/{:?}", thread.index(), thread.name(), thread.stack_size()));
            thread.run();
            started.fetch_add(10, Ordering::SeqCst);
        },
        |pool| (pool.install(|| rayon::current_num_threads()), pool.broadcast(|_| here())),
    );
    see("result", result.ok());
    see("started and ended", started.into_inner());
    see("threads", names.take_sorted());
    let counter = AtomicUsize::new(0);
    rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build_scoped(
            |thread| thread.run(),
            |pool| {
                (0..10).for_each(|_| {
                    pool.in_place_scope(|s| s.spawn(|_| _ = counter.fetch_add(1, Ordering::SeqCst)))
                })
            },
        )
        .expect("starts");
    see("borrowed", counter.into_inner());
}

pub fn spawn_handlers() {
    let mut handles = Vec::new();
    let mut seen = Vec::new();
    let builder = rayon::ThreadPoolBuilder::new().num_threads(3).stack_size(1 << 20);
    let builder = builder.thread_name(|index| format!("thread {index}"));
    let pool = builder
        .spawn_handler(|thread| {
            seen.push((thread.index(), thread.name().map(str::to_owned), thread.stack_size()));
            handles.push(thread::Builder::new().name(format!("own {}", thread.index())).spawn(|| {
                thread.run();
                here()
            })?);
            Ok(())
        })
        .build()
        .expect("starts");
    see("names", pool.broadcast(|_| here()));
    drop(pool);
    see("ended", handles.into_iter().map(|thread| thread.join().ok()).collect::<Vec<_>>());
    see("asked", seen);
    // The threads may start much later.
    let (sender, receiver) = channel();
    let late = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .spawn_handler(|thread| sender.send(thread).map_err(|error| io::Error::other(error.to_string())))
        .build()
        .expect("starts");
    let (done, is_done) = channel();
    late.spawn(move || done.send(rayon::current_thread_index().is_some()).expect("waits"));
    let threads: Vec<_> = receiver.iter().take(2).map(|worker| thread::spawn(|| worker.run())).collect();
    see("late", is_done.recv());
    drop(late);
    see("late ended", threads.into_iter().map(|thread| thread.join().is_ok()).collect::<Vec<_>>());
}

pub fn names() {
    see("none", rayon::ThreadPoolBuilder::new().num_threads(1).build().map(|pool| pool.install(here)).ok());
    see("named", pool(3).broadcast(|_| here()));
    rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .thread_name(|i| format!("global {i}"))
        .build_global()
        .expect("first");
    see("global", rayon::broadcast(|_| here()));
    see("scope", rayon::scope(|_| here().starts_with("global ")));
    see("join", rayon::join(|| here().starts_with("global "), || here().starts_with("global ")));
}

pub fn handlers() {
    let log = Arc::new(Log::new());
    let (end, ended) = channel::<()>();
    let (starts, exits) = (log.clone(), log.clone());
    let builder = rayon::ThreadPoolBuilder::new().num_threads(3);
    let builder = builder.start_handler(move |index| starts.note(format!("start {index}")));
    let pool = builder
        .exit_handler(move |index| {
            exits.note(format!("exit {index}"));
            let _ = &end;
        })
        .build()
        .expect("starts");
    pool.broadcast(|_| ());
    see("started", log.take_sorted());
    drop(pool);
    see("the handlers are dropped with the threads", ended.recv());
    see("ended", log.take_sorted());
}

pub fn current_thread() {
    let log = Arc::new(Log::new());
    let (starts, exits) = (log.clone(), log.clone());
    let builder = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    let builder = builder.start_handler(move |index| starts.note(format!("start {index}")));
    let pool =
        builder.exit_handler(move |index| exits.note(format!("exit {index}"))).build().expect("starts");
    see("index", (rayon::current_thread_index(), pool.current_thread_index(), rayon::current_num_threads()));
    let caller = thread::current().id();
    see("install", pool.install(|| thread::current().id() == caller));
    let noted = log.clone();
    pool.spawn(move || noted.note("spawned"));
    see("pending", (rayon::current_thread_has_pending_tasks(), log.take()));
    see("yield", (rayon::yield_now(), log.take(), rayon::yield_now()));
    see("join", rayon::join(|| thread::current().id() == caller, || thread::current().id() == caller));
    see(
        "scope",
        rayon::scope(|s| {
            (0..3).for_each(|i| {
                s.spawn({
                    let log = &log;
                    move |_| log.note(i)
                })
            });
            rayon::current_thread_index()
        }),
    );
    see("order", log.take());
    let again = rayon::ThreadPoolBuilder::new().use_current_thread().build().map(|_| ());
    show(&again.expect_err("it is part of one"));
    let other = thread::spawn(|| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .use_current_thread()
            .build()
            .expect("another thread");
        (
            rayon::current_thread_index(),
            pool.broadcast(|context| context.index()),
            rayon::current_num_threads(),
        )
    });
    see("on another thread", other.join().ok());
    let another = crate::pool(2);
    see("in another pool", another.install(rayon::current_num_threads));
    let noted = log.clone();
    pool.spawn(move || noted.note("before the drop"));
    drop(pool);
    see("still in the pool", (rayon::current_thread_index(), rayon::current_num_threads()));
    see("yield", (rayon::yield_now(), log.take()));
}

pub fn current_thread_as_global() {
    let caller = thread::current().id();
    rayon::ThreadPoolBuilder::new().num_threads(2).use_current_thread().build_global().expect("the first");
    see("index", (rayon::current_thread_index(), rayon::current_num_threads()));
    see("scope", rayon::scope(|_| thread::current().id() == caller));
    see("indices", rayon::broadcast(|context| (context.index(), thread::current().id() == caller)));
    let from_other = thread::spawn(move || {
        rayon::scope(|_| (thread::current().id() != caller, rayon::current_thread_index().is_some()))
    });
    see("from another thread", from_other.join().ok());
}

pub fn stack_sizes() {
    fn depth(left: usize) -> usize {
        let frame = std::hint::black_box([left; 128]);
        if left == 0 { 0 } else { 1 + depth(left - 1) + std::hint::black_box(frame)[0] - left }
    }
    fn joined(left: usize) -> usize {
        let frame = std::hint::black_box([left; 128]);
        if left == 0 {
            return 0;
        }
        let (below, _) = rayon::join(|| joined(left - 1), || ());
        1 + below + std::hint::black_box(frame)[0] - left
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).stack_size(64 << 20).build().expect("starts");
    // More than the 2 MiB of a thread without a setting.
    see("deep", pool.install(|| depth(6_000)));
    see("deep joins", pool.install(|| joined(3_000)));
    see(
        "deep scopes",
        pool.install(|| {
            fn scoped(left: usize) -> usize {
                if left == 0 { 0 } else { 1 + rayon::scope(|_| scoped(left - 1)) }
            }
            scoped(3_000)
        }),
    );
}

#[allow(deprecated)]
pub fn deprecated() {
    let configuration =
        rayon::Configuration::new().num_threads(2).thread_name(|index| format!("old {index}"));
    let pool = rayon::ThreadPool::new(configuration.stack_size(1 << 20)).expect("starts");
    see("names", pool.broadcast(|_| here()));
    see(
        "build",
        rayon::Configuration::new().num_threads(3).build().map(|pool| pool.current_num_threads()).ok(),
    );
    see("initialize", rayon::initialize(rayon::Configuration::new().num_threads(4)).is_ok());
    see("global", rayon::current_num_threads());
}
