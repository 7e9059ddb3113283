//! Closures of every size and alignment: inline, in a block, boxed; submitted by every call; run, refused or
//! discarded. Closures larger than a worker's stack are tested in `process_stack.rs`.

use std::hint::black_box;
use std::thread;

use super::*;
use crate::support::{Census, Gate};

/// A closure with `N` bytes and a tracked value. Returns the sum of its bytes.
fn sized<const N: usize>(census: &Census) -> impl FnOnce() -> u64 + Send + 'static + use<N> {
    let (tracked, ballast) = (census.citizen(), pattern::<N>());
    move || {
        tracked.check();
        assert_eq!(ballast, pattern::<N>(), "the bytes are unchanged");
        ballast.iter().map(|&byte| u64::from(byte)).sum()
    }
}

/// Bytes that differ from their neighbours, and from the bytes of other sizes.
fn pattern<const N: usize>() -> [u8; N] {
    std::array::from_fn(|i| (i.wrapping_mul(31) ^ N) as u8)
}

fn every_way<const N: usize>(rig: &Rig, census: &Census) {
    let sum: u64 = pattern::<N>().iter().map(|&byte| u64::from(byte)).sum();
    let silent = || {
        let task = sized::<N>(census);
        move || _ = task()
    };
    for _ in 0..3 {
        rig.execute(silent()).expect("open");
        assert_eq!(rig.submit(sized::<N>(census)).expect("open").join().expect("ran"), sum);
        rig.execute_batch((0..5).map(|_| silent())).expect("open");
        let handles = rig.submit_batch((0..5).map(|_| sized::<N>(census))).expect("open");
        assert!(handles.into_iter().all(|handle| handle.join().expect("ran") == sum));
        // Without captures that need a drop, and without any captures but the bytes.
        let plain = pattern::<N>();
        let plain = rig.submit(move || black_box(plain) == pattern::<N>()).expect("open");
        assert!(plain.join().expect("ran"));
        // Cancelled or run, whichever is first, and dropped once in either case.
        let raced = rig.submit(sized::<N>(census)).expect("open");
        raced.cancel();
        drop(raced);
    }
}

fn refused<const N: usize>(rig: &Rig, census: &Census) {
    let sum: u64 = pattern::<N>().iter().map(|&byte| u64::from(byte)).sum();
    let single = rig.submit(sized::<N>(census)).expect_err("closed");
    assert_eq!((single.into_inner())(), sum);
    let task = sized::<N>(census);
    let silent = rig.execute(move || assert!(task() > 0 || N < 2)).expect_err("closed");
    (silent.into_inner())();
    let batch = rig.submit_batch((0..3).map(|_| sized::<N>(census))).expect_err("closed");
    assert!(batch.into_rejected().into_iter().all(|task| task() == sum));
}

fn discarded<const N: usize>(rig: &Rig, census: &Census) {
    let (executed, submitted) = (sized::<N>(census), sized::<N>(census));
    rig.execute(move || _ = executed()).expect("open");
    drop(rig.submit(submitted).expect("open"));
}

/// Calls a function for each size of interest: at the limits between the ways to store a closure, and in
/// between.
macro_rules! for_each_size {
    ($function:ident($($argument:expr),*)) => {
        for_each_size!(@ $function($($argument),*) 0 1 2 7 8 9 15 16 17 23 24 25 31 32 33 40 47 48 49 56 57 63 64 65
            80 100 127 128 129 200 255 256 257 400 500 511 512 513 700 900 950 975 1000 1007 1008 1009 1023 1024 1025
            1100 1500 1999 2000 5000 20000)
    };
    (@ $function:ident $arguments:tt $($size:literal)*) => { $(for_each_size!(# $function $size $arguments);)* };
    (# $function:ident $size:literal ($($argument:expr),*)) => { $function::<$size>($($argument),*) };
}

#[test]
fn closures_of_every_size_run() {
    let rig = Rig::new(2);
    let census = Census::default();
    for_each_size!(every_way(&rig, &census));
    rig.finish();
    census.assert_all_gone();
}

#[test]
fn closures_of_every_size_are_returned_when_refused() {
    let rig = Rig::new(1);
    rig.shutdown().expect("shuts down");
    let census = Census::default();
    for_each_size!(refused(&rig, &census));
    rig.finish();
    census.assert_all_gone();
}

#[test]
fn closures_of_every_size_are_dropped_when_discarded() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let census = Census::default();
    for_each_size!(discarded(&rig, &census));
    let tasks = census.born();
    assert_eq!(census.alive() as u64, tasks);
    let pool = rig.pool().clone();
    let ends = thread::spawn(move || pool.shutdown_now());
    crate::support::wait_until("all are discarded", || census.alive() == 0);
    gate.open();
    assert_eq!(ends.join().expect("no panic"), Ok(tasks));
    rig.finish();
    census.assert_all_gone();
}

#[repr(align(32))]
struct Align32([u8; 40]);
#[repr(align(64))]
struct Align64([u8; 100]);
#[repr(align(128))]
struct Align128([u8; 3]);
#[repr(align(4096))]
struct Align4096(u8);
#[repr(align(64))]
struct EmptyAlign64;

/// A closure with captures of the alignment of `T`, which checks that their address is aligned.
fn aligned<T: Send + Sync + 'static>(value: T) -> impl FnOnce() + Send + 'static {
    move || {
        let address = std::ptr::from_ref(black_box(&value)).addr();
        assert_eq!(address % align_of::<T>(), 0, "aligned to {}", align_of::<T>());
    }
}

macro_rules! every_alignment {
    ($rig:expr, $way:expr) => {
        let rig: &Rig = &$rig;
        $way(rig, aligned(0u128));
        $way(rig, aligned(Align32([1; 40])));
        $way(rig, aligned(Align64([1; 100])));
        $way(rig, aligned(EmptyAlign64));
        $way(rig, aligned(Align128([1; 3])));
        $way(rig, aligned(Align4096(1)));
    };
}

#[test]
fn over_aligned_captures_of_executed_tasks() {
    fn way(rig: &Rig, task: impl FnOnce() + Send + 'static) {
        rig.execute(task).expect("open");
    }
    let rig = Rig::new(2);
    every_alignment!(rig, way);
    assert_eq!(rig.finish().panicked, 0);
}

#[test]
fn over_aligned_captures_of_submitted_tasks() {
    fn way(rig: &Rig, task: impl FnOnce() + Send + 'static) {
        rig.submit(task).expect("open").join().expect("ran");
    }
    let rig = Rig::new(2);
    every_alignment!(rig, way);
    rig.finish();
}

#[test]
fn over_aligned_captures_in_batches() {
    fn way(rig: &Rig, task: impl FnOnce() + Send + 'static) {
        let handles = rig.submit_batch([task]).expect("open");
        handles.into_iter().for_each(|handle| handle.join().expect("ran"));
    }
    let rig = Rig::new(2);
    every_alignment!(rig, way);
    rig.finish();
}

#[test]
fn over_aligned_results() {
    fn check<T: Send + 'static>(rig: &Rig, make: fn() -> T) {
        let handle = rig.submit(make).expect("open");
        let value = handle.join().expect("ran");
        assert_eq!(std::ptr::from_ref(black_box(&value)).addr() % align_of::<T>(), 0);
        let handles = rig.submit_batch([make]).expect("open");
        drop(handles);
    }
    let rig = Rig::new(2);
    check(&rig, || Align32([2; 40]).0.len());
    check(&rig, || Align64([2; 100]));
    check(&rig, || Align128([2; 3]));
    check(&rig, || Align4096(2));
    check(&rig, || EmptyAlign64);
    let values = (Align64([2; 100]).0[0], Align128([2; 3]).0[0], Align4096(2).0);
    assert_eq!(values, (2, 2, 2));
    rig.finish();
}
