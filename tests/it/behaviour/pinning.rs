//! Pinning: the cores on which the workers' threads may run, as the operating system shows them. Pins that
//! are refused are tested in `process_pinning.rs`.

use std::sync::{Arc, Barrier};

use longshore::{PinStatus, Pinning};

use super::*;

/// The cores on which thread (or process) `id` may run, ascending. 0 is the calling thread.
pub fn cores_of(id: u32) -> Vec<usize> {
    let mut mask = [0u64; 256];
    let id = libc::pid_t::try_from(id).expect("a thread id");
    let place = mask.as_mut_ptr().cast::<libc::cpu_set_t>();
    // SAFETY: the mask is valid for writes of the length that the call is told, which is more than a
    // `cpu_set_t`.
    let result = unsafe { libc::sched_getaffinity(id, size_of_val(&mask), place) };
    assert_eq!(result, 0, "a mask of 16,384 cores is large enough");
    (0..mask.len() * 64).filter(|core| mask[core / 64] >> (core % 64) & 1 == 1).collect()
}

fn process_cores() -> Vec<usize> {
    cores_of(std::process::id())
}

/// The masks of all workers by number. A barrier makes each worker run one of the tasks.
fn masks(pool: &Pool) -> Vec<Vec<usize>> {
    let barrier = Arc::new(Barrier::new(pool.workers()));
    let handles: Vec<_> = (0..pool.workers())
        .map(|_| {
            let barrier = barrier.clone();
            let task = move || {
                barrier.wait();
                (longshore::current_worker(), cores_of(0))
            };
            pool.submit(task).expect("open")
        })
        .collect();
    let mut masks: Vec<_> = handles.into_iter().map(|handle| handle.join().expect("ran")).collect();
    masks.sort();
    assert!(masks.iter().enumerate().all(|(index, (worker, _))| *worker == Some(index)));
    masks.into_iter().map(|(_, mask)| mask).collect()
}

fn statuses(pool: &Pool) -> Vec<PinStatus> {
    pool.stats().workers.iter().map(|worker| worker.pin).collect()
}

fn rig(workers: usize, pinning: Pinning) -> Rig {
    Rig::with(Pool::builder().workers(workers).pinning(pinning))
}

#[test]
fn unpinned_workers_run_wherever_the_process_may() {
    let rig = rig(4, Pinning::None);
    assert!(masks(&rig).iter().all(|mask| *mask == process_cores()));
    assert_eq!(statuses(&rig), [PinStatus::Unpinned; 4]);
    rig.finish();
}

/// Each worker has one core, all cores are used in turn, and the statistics name them from the start.
#[test]
fn compact_and_spread_use_all_cores_in_turn() {
    let allowed = process_cores();
    for pinning in [Pinning::Compact, Pinning::Spread] {
        for workers in [1, allowed.len(), 2 * allowed.len() + 1] {
            let rig = rig(workers, pinning.clone());
            let statuses = statuses(&rig);
            let masks = masks(&rig);
            let mut used = Vec::new();
            for (status, mask) in statuses.iter().zip(&masks) {
                let PinStatus::Pinned(core) = *status else { panic!("{pinning:?}: {status}") };
                assert_eq!(*mask, [core], "{pinning:?}");
                assert!(allowed.contains(&core), "{pinning:?}");
                used.push(core);
            }
            let (first, rest) = used.split_at(workers.min(allowed.len()));
            let mut distinct = first.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(
                distinct.len(),
                first.len(),
                "each core once before the first is used again: {used:?}"
            );
            let again = used.iter().take(rest.len());
            assert!(rest.iter().eq(again), "then in the same order again: {used:?}");
            rig.finish();
        }
    }
}

#[test]
fn a_list_of_cores_is_taken_in_order() {
    let mut cores = process_cores();
    cores.reverse();
    let workers = 2 * cores.len() + 1;
    let rig = rig(workers, Pinning::Cores(cores.clone()));
    let expected: Vec<_> = cores.iter().copied().cycle().take(workers).collect();
    assert!(masks(&rig).iter().zip(&expected).all(|(mask, &core)| *mask == [core]));
    assert!(statuses(&rig).iter().zip(&expected).all(|(&pin, &core)| pin == PinStatus::Pinned(core)));
    rig.finish();
}

#[test]
fn one_core_for_all() {
    for core in process_cores() {
        let rig = rig(3, Pinning::Cores(vec![core]));
        assert!(masks(&rig).iter().all(|mask| *mask == [core]));
        assert_eq!(statuses(&rig), [PinStatus::Pinned(core); 3]);
        let handles = rig.submit_batch((0..1_000u32).map(|n| move || n)).expect("open");
        assert!(handles.into_iter().map(|handle| handle.join().expect("ran")).eq(0..1_000));
        rig.finish();
    }
}

/// A thread inherits the mask of its creator. A pool that a pinned worker builds is not confined to that
/// worker's core.
#[test]
fn a_pool_built_inside_a_pinned_worker() {
    let allowed = process_cores();
    let outer = rig(1, Pinning::Cores(vec![allowed[0]]));
    let (unpinned, compact, default) = outer
        .submit(|| {
            assert_eq!(cores_of(0).len(), 1);
            let masks_with = |pinning| {
                let pool = Pool::builder().workers(4).pinning(pinning).build().expect("starts");
                masks(&pool)
            };
            let default = Pool::builder().build().expect("starts");
            (masks_with(Pinning::None), masks_with(Pinning::Compact), default.workers())
        })
        .expect("open")
        .join()
        .expect("ran");
    assert!(unpinned.iter().all(|mask| *mask == allowed), "{unpinned:?}");
    let mut used: Vec<_> = compact.into_iter().flatten().collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), allowed.len().min(4), "all cores of the process: {used:?}");
    let here = Pool::builder().build().expect("starts").workers();
    assert_eq!(default, here, "the default number of workers is that of the process");
    outer.finish();
}

#[test]
fn pinning_changes_nothing_for_the_caller() {
    let before = cores_of(0);
    rig(2, Pinning::Compact).finish();
    rig(2, Pinning::Cores(vec![process_cores()[0]])).finish();
    assert_eq!(cores_of(0), before);
}

#[test]
fn statuses_are_printable() {
    assert_eq!(PinStatus::Unpinned.to_string(), "unpinned");
    assert!(PinStatus::Pinned(3).to_string().contains('3'));
    assert!(PinStatus::Refused(7).to_string().contains('7'));
}
