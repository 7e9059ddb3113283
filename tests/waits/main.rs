//! The promise about waits: any pattern of waits without a cycle ends. A table of generated programs: every
//! kind of wait inside every kind of task, two and three deep, on pools of one and two workers of both kinds,
//! bounded and not, with as many such tasks at a time as workers.
//!
//! Each program is a path of kinds of waits: a task waits in the first way for a task that waits in the
//! second way, and so on; the last returns 1. All paths of two are tried, and random paths of three
//! (`LONGSHORE_STRESS=n` tries n times as many; `LONGSHORE_TEST_SEED` repeats them). A watchdog ends a
//! program that hangs, and its path is the last that was printed.

#![cfg(target_os = "linux")]

/// Tests that are stated once, as functions of the kind of pool, and run with each kind under a watchdog.
macro_rules! of_each_kind {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn push() {
                let _watchdog = crate::support::watchdog(stringify!($name), crate::support::PATIENCE);
                super::$name::<longshore::Pool>();
            }

            #[test]
            fn pull() {
                let _watchdog = crate::support::watchdog(stringify!($name), crate::support::PATIENCE);
                super::$name::<longshore::PullPool>();
            }
        }
    )*};
}

mod cases;
mod passes;
mod stacks;
#[path = "../support/mod.rs"]
mod support;
mod table;
