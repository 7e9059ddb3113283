//! Panics: where they come out, and when they abort.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rayon_core as rayon;

use crate::{Log, panic_of, pool, see};

/// Longer than any abort takes.
const LONG: Duration = Duration::from_secs(60);

pub fn detached() {
    rayon::spawn(|| panic!("of a detached task"));
    thread::sleep(LONG);
    see("no abort", ());
}

pub fn detached_broadcast() {
    rayon::spawn_broadcast(|_| panic!("of a detached task"));
    thread::sleep(LONG);
    see("no abort", ());
}

pub fn detached_with_a_handler() {
    let (sender, receiver) = channel();
    let builder = rayon::ThreadPoolBuilder::new().num_threads(2);
    let handler = move |payload: Box<dyn std::any::Any + Send>| {
        sender.send(panic_of(|| std::panic::resume_unwind(payload))).expect("waits");
    };
    let pool = builder.panic_handler(handler).build().expect("starts");
    pool.spawn(|| panic!("of spawn"));
    see("handled", receiver.recv());
    pool.spawn_fifo(|| panic!("of spawn_fifo, {}", 2));
    see("handled", receiver.recv());
    pool.install(|| rayon::spawn_fifo(|| std::panic::panic_any(5)));
    see("handled", receiver.recv());
    pool.spawn_broadcast(|context| panic!("of thread {}", context.index()));
    let mut both = [receiver.recv(), receiver.recv()];
    both.sort_by_key(|message| message.clone().ok());
    see("handled", both);
    see("works", pool.install(|| 5));
    see("not handled", panic_of(|| pool.install(|| panic!("of install"))));
    drop(pool);
    see("no more", receiver.recv());
}

pub fn handler_panics() {
    let builder = rayon::ThreadPoolBuilder::new().panic_handler(|_| panic!("of the handler"));
    let pool = builder.build().expect("starts");
    pool.spawn(|| panic!("of a detached task"));
    thread::sleep(LONG);
    see("no abort", ());
}

pub fn start_handler() {
    let builder = rayon::ThreadPoolBuilder::new().start_handler(|_| panic!("of the start"));
    let pool = builder.build().expect("starts");
    see("works", pool.install(|| 5));
    thread::sleep(LONG);
}

pub fn start_handler_with_a_panic_handler() {
    let (sender, receiver) = channel();
    let builder = rayon::ThreadPoolBuilder::new().num_threads(2).start_handler(|_| panic!("of the start"));
    let pool =
        builder.panic_handler(move |_| sender.send("handled").expect("waits")).build().expect("starts");
    see("works", pool.install(|| 5));
    see("handled", (receiver.recv(), receiver.recv()));
    drop(pool);
    see("no more", receiver.recv());
}

pub fn exit_handler() {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(2).exit_handler(|_| panic!("of the exit"));
    let pool = builder.build().expect("starts");
    see("works", pool.install(|| 5));
    drop(pool);
    thread::sleep(LONG);
}

pub fn joins() {
    for threads in [1, 2] {
        let (pool, ended) = (pool(threads), AtomicUsize::new(0));
        let count = || ended.fetch_add(1, Ordering::SeqCst);
        let message = panic_of(|| pool.join(|| panic!("of a"), &count));
        see("a", (message, ended.load(Ordering::SeqCst)));
        let message = panic_of(|| pool.join(&count, || panic!("of b")));
        see("b", (message, ended.load(Ordering::SeqCst)));
        let message = panic_of(|| pool.join(|| panic!("of a"), || panic!("of b")));
        see("both", message);
        let nested =
            || rayon::join(|| rayon::join(|| panic!("of aa"), &count), || rayon::join(&count, &count));
        see("nested", (panic_of(|| pool.install(nested)), ended.load(Ordering::SeqCst)));
    }
    see("outside", panic_of(|| rayon::join(|| (), || panic!("of b"))));
    see("outside", panic_of(|| rayon::join_context(|_| panic!("of a"), |_| ())));
}

pub fn scopes() {
    let (pool, log) = (pool(1), Log::new());
    let log = &log;
    see(
        "body",
        panic_of(|| {
            pool.scope(|s| {
                s.spawn(|_| log.note("task"));
                panic!("of the body");
            })
        }),
    );
    see("the task ran", log.take());
    see(
        "task",
        panic_of(|| {
            pool.scope(|s| {
                s.spawn(|_| log.note("first"));
                s.spawn(|_| panic!("of a task"));
                s.spawn(|_| log.note("last"));
            })
        }),
    );
    see("the others ran", log.take());
    see(
        "fifo task",
        panic_of(|| {
            pool.scope_fifo(|s| {
                s.spawn_fifo(|_| log.note("first"));
                s.spawn_fifo(|_| panic!("of a task"));
                s.spawn_fifo(|s| s.spawn_fifo(|_| log.note("last")));
            })
        }),
    );
    see("the others ran", log.take());
    see(
        "two tasks",
        panic_of(|| {
            pool.scope_fifo(|s| {
                s.spawn_fifo(|_| panic!("of the first"));
                s.spawn_fifo(|_| panic!("of the second"));
            })
        }),
    );
    see("in place", panic_of(|| pool.in_place_scope(|s| s.spawn(|_| panic!("of a task")))));
    see("in place, body", panic_of(|| pool.in_place_scope_fifo(|_| panic!("of the body"))));
    see("broadcast", panic_of(|| pool.scope(|s| s.spawn_broadcast(|_, _| panic!("of a broadcast")))));
    see(
        "nested",
        panic_of(|| pool.scope(|s| s.spawn(|_| rayon::scope(|s| s.spawn(|_| panic!("of the inner")))))),
    );
}

/// If the body of a scope panics after a task, the panic of the task comes out, because it was the first.
pub fn first_of_the_scope() {
    let pool = pool(1);
    see(
        "task before body",
        panic_of(|| {
            pool.scope(|s| {
                s.spawn(|_| panic!("of the task"));
                rayon::yield_local();
                panic!("of the body");
            })
        }),
    );
    see(
        "task after body",
        panic_of(|| {
            pool.scope(|s| {
                s.spawn(|_| panic!("of the task"));
                panic!("of the body");
            })
        }),
    );
    see(
        "task before body, in place",
        panic_of(|| {
            pool.in_place_scope_fifo(|s| {
                s.spawn_fifo(|_| panic!("of the task"));
                pool.install(|| ());
                panic!("of the body");
            })
        }),
    );
}

pub fn broadcast() {
    let (pool, ended) = (pool(3), AtomicUsize::new(0));
    let message = panic_of(|| {
        pool.broadcast(|context| {
            ended.fetch_add(1, Ordering::SeqCst);
            assert!(context.index() != 1, "of thread 1");
        })
    });
    see("one of three", (message, ended.load(Ordering::SeqCst)));
    see("inside", panic_of(|| pool.install(|| rayon::broadcast(|_| panic!("of all")))));
    see("works", pool.broadcast(|context| context.index()));
}

pub fn names() {
    let exits = std::sync::Arc::new(Log::new());
    let (end, ended) = channel::<()>();
    let noted = exits.clone();
    let builder = rayon::ThreadPoolBuilder::new().num_threads(3).exit_handler(move |index| {
        noted.note(index);
        let _ = &end;
    });
    let named =
        builder.thread_name(|index| if index == 2 { panic!("of the name") } else { index.to_string() });
    see("name", panic_of(|| named.build()));
    see("the handlers are dropped with the threads", ended.recv());
    see("ended", exits.take_sorted());
}

pub fn install_across() {
    let (one, other) = (pool(1), pool(1));
    see("twice", panic_of(|| one.install(|| other.install(|| one.install(|| panic!("far away"))))));
    see("caught on the way", one.install(|| panic_of(|| other.install(|| std::panic::panic_any("payload")))));
    see("works", one.install(|| other.install(|| 5)));
}
