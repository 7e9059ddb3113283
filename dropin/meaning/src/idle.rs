//! Pools that end, and threads that have nothing to do.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use rayon_core as rayon;

use crate::{pool, see};

/// A chain of detached tasks, each of which starts the next.
fn chain(left: usize, end: Sender<usize>, next: fn(Box<dyn FnOnce() + Send>)) {
    if left == 0 {
        end.send(0).expect("waits");
    } else {
        next(Box::new(move || chain(left - 1, end, next)));
    }
}

pub fn dropped_pools() {
    for threads in [1, 2] {
        let pool = pool(threads);
        let (sender, receiver) = channel();
        for i in 0..100 {
            let sender = sender.clone();
            pool.spawn(move || {
                let inner = sender.clone();
                rayon::spawn(move || inner.send(i).expect("waits"));
                rayon::scope(|s| s.spawn(|_| sender.send(i).expect("waits")));
            });
        }
        pool.spawn(move || chain(1_000, sender, |task| rayon::spawn(task)));
        drop(pool);
        see("all have run", receiver.iter().count());
    }
}

pub fn dropped_with_fifo() {
    for threads in [1, 2] {
        let pool = pool(threads);
        let (sender, receiver) = channel();
        let broadcast = sender.clone();
        pool.spawn_broadcast(move |_| broadcast.send(0).expect("waits"));
        pool.spawn_fifo(move || chain(1_000, sender, |task| rayon::spawn_fifo(task)));
        drop(pool);
        see("all have run", receiver.iter().count());
    }
}

/// The last owner of a pool is one of its own tasks.
pub fn dropped_inside() {
    let pool = Arc::new(pool(2));
    let (sender, receiver) = channel();
    let owner = pool.clone();
    pool.spawn(move || {
        while Arc::strong_count(&owner) > 1 {
            std::thread::yield_now();
        }
        owner.spawn({
            let sender = sender.clone();
            move || sender.send("spawned before the drop").expect("waits")
        });
        drop(owner);
        rayon::spawn({
            let sender = sender.clone();
            move || sender.send("spawned after the drop").expect("waits")
        });
        sender.send("dropped").expect("waits");
    });
    drop(pool);
    let mut seen: Vec<_> = receiver.iter().collect();
    seen.sort();
    see("seen", seen);
    // A pool that a pool owns.
    let outer = crate::pool(1);
    let inner = Mutex::new(Some(crate::pool(1)));
    see(
        "in another pool",
        outer.install(|| {
            let inner = inner.lock().expect("no panic").take().expect("there is one");
            let index = inner.install(rayon::current_thread_index);
            drop(inner);
            (index, rayon::current_num_threads())
        }),
    );
}

pub fn pending() {
    let pool = pool(1);
    pool.scope(|s| {
        see("none", (rayon::current_thread_has_pending_tasks(), pool.current_thread_has_pending_tasks()));
        s.spawn(|_| ());
        see("one", (rayon::current_thread_has_pending_tasks(), pool.current_thread_has_pending_tasks()));
        rayon::yield_local();
        see("none", rayon::current_thread_has_pending_tasks());
        rayon::join(|| see("in a join", rayon::current_thread_has_pending_tasks()), || ());
        rayon::join(|| (), || see("in its second half", rayon::current_thread_has_pending_tasks()));
        rayon::spawn_fifo(|| ());
        see("fifo", rayon::current_thread_has_pending_tasks());
    });
    see("outside", (rayon::current_thread_has_pending_tasks(), pool.current_thread_has_pending_tasks()));
}

/// A pool without work uses no processor time worth naming.
pub fn threads_sleep() {
    let pool = pool(4);
    pool.broadcast(|_| ());
    let cpu = || -> u64 {
        // The fields after the name of the program; times are in hundredths of a second.
        let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields = text.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        fields.filter_map(|field| field.parse::<u64>().ok()).sum()
    };
    std::thread::sleep(std::time::Duration::from_millis(50));
    let before = cpu();
    std::thread::sleep(std::time::Duration::from_secs(1));
    see("a tenth of a second at most", cpu() - before <= 10);
}
