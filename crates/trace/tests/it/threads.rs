//! Real threads that steal from each other through the deques of the real pool: the parents that the
//! recording tells are the true ones.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crossbeam_deque::{Steal, Stealer, Worker};
use longshore_trace::analysis::Analysis;
use longshore_trace::format::Facts;
use longshore_trace::record::{Outcome, Place, Source, TaskRef};
use longshore_trace::recorder::{Precision, Recorder, Settings, Track};
use longshore_trace::run::{Parent, Run};

use crate::support::read;

#[derive(Debug, Clone, Copy)]
struct Task {
    id: u32,
    parent: u32,
    level: u32,
}

/// What really happened: which task was which, and its parent.
type Truth = Vec<(TaskRef, Task)>;

struct Shared {
    next: AtomicU32,
    /// Tasks that have not ended.
    left: AtomicU32,
    stealers: Vec<Stealer<Task>>,
    barrier: Barrier,
}

const LEVELS: u32 = 6;
const CHILDREN: u32 = 5;

fn run_task(
    shared: &Shared,
    deque: &Worker<Task>,
    track: &Track,
    task: Task,
    source: Source,
    truth: &mut Truth,
) {
    let begun = track.begin(source);
    if task.level < LEVELS {
        shared.left.fetch_add(CHILDREN, Ordering::Relaxed);
        for _ in 0..CHILDREN {
            let id = shared.next.fetch_add(1, Ordering::Relaxed);
            deque.push(Task { id, parent: task.id, level: task.level + 1 });
            track.spawned();
        }
    }
    (0..task.id % 200).for_each(|_| std::hint::spin_loop());
    truth.push((TaskRef { track: track.number(), number: track.ended() }, task));
    track.end(begun, Outcome::Completed);
    shared.left.fetch_sub(1, Ordering::Release);
}

fn steal(shared: &Shared, index: usize, deque: &Worker<Task>, track: &Track) -> Option<Task> {
    let others = (1..shared.stealers.len()).map(|i| (index + i) % shared.stealers.len());
    for victim in others {
        if let Steal::Success(task) = shared.stealers[victim].steal_batch_with_limit_and_pop(deque, 32) {
            track.depth(0, 0); // before the theft
            track.stole(victim, 1 + deque.len());
            return Some(task);
        }
    }
    None
}

fn work(shared: &Shared, index: usize, deque: &Worker<Task>, recorder: &Recorder) -> Truth {
    let track = recorder.worker(index);
    let mut truth = Vec::new();
    shared.barrier.wait();
    if index == 0 {
        track.got(Place::Injector, 0, 1);
        run_task(
            shared,
            deque,
            &track,
            Task { id: 0, parent: u32::MAX, level: 0 },
            Source::Batch,
            &mut truth,
        );
    }
    // Acquire: the last one to end has added its children before.
    while shared.left.load(Ordering::Acquire) > 0 {
        if let Some(task) = deque.pop() {
            run_task(shared, deque, &track, task, Source::Deque, &mut truth);
        } else if let Some(task) = steal(shared, index, deque, &track) {
            run_task(shared, deque, &track, task, Source::Batch, &mut truth);
        } else {
            thread::yield_now();
        }
    }
    track.searches();
    truth
}

fn record(threads: usize, precision: Precision) -> (Run, Truth) {
    let recorder = Recorder::new(Facts::new(), Settings { ring_bytes: 1 << 21, precision, file: None })
        .expect("no file");
    let deques: Vec<Worker<Task>> = (0..threads).map(|_| Worker::new_lifo()).collect();
    let shared = Shared {
        next: AtomicU32::new(1),
        left: AtomicU32::new(1),
        stealers: deques.iter().map(Worker::stealer).collect(),
        barrier: Barrier::new(threads),
    };
    recorder.outside().expect("the first").put(Place::Injector, 0, 1);
    let truth = thread::scope(|scope| {
        let (shared, recorder) = (&shared, &recorder);
        let start = |(index, deque)| scope.spawn(move || work(shared, index, &deque, recorder));
        let threads: Vec<_> = deques.into_iter().enumerate().map(start).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut bytes = Vec::new();
    recorder.write(&mut bytes, &Facts::new()).expect("memory");
    (read(&bytes), truth)
}

#[test]
fn the_parents_of_stolen_tasks_are_the_true_ones() {
    for precision in [Precision::Adaptive, Precision::Exact] {
        let (run, mut truth) = record(3, precision);
        let tasks = (0..=LEVELS).map(|level| CHILDREN.pow(level)).sum::<u32>() as usize;
        assert_eq!((run.tasks.len(), truth.len()), (tasks, tasks));
        truth.sort_by_key(|(place, _)| *place);
        let find = |task: &longshore_trace::run::Task| {
            let place = TaskRef { track: run.tracks[task.track as usize].number, number: task.number };
            truth[truth.binary_search_by_key(&place, |(place, _)| *place).expect("it ended")].1
        };
        let (mut right, mut wrong, mut unknown) = (0, 0, 0);
        for task in &run.tasks {
            match task.parent {
                Parent::Task(parent) if find(&run.tasks[parent as usize]).id == find(task).parent => {
                    right += 1
                }
                Parent::Thread(_) if find(task).parent == u32::MAX => right += 1,
                Parent::Unknown => unknown += 1,
                _ => wrong += 1,
            }
        }
        let stolen: u64 = run.tracks.iter().map(|track| track.stolen).sum();
        println!("{precision:?}: {right} right, {wrong} wrong, {unknown} unknown; {stolen} stolen");
        // Two thieves of the same deque may be swapped, if one is interrupted between its theft and its
        // record.
        assert!(right * 1_000 >= tasks * 995, "{right} right, {wrong} wrong, {unknown} unknown of {tasks}");
        let analysis = Analysis::new(&run);
        assert_eq!(analysis.tasks, tasks as u64);
        assert!(analysis.span.span <= analysis.length() && analysis.span.span > 0);
    }
}
