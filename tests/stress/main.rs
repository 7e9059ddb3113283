//! Stress that accounts for every task: it ran once, or was cancelled, or came back; and everything that went into
//! closures and results was dropped once. `LONGSHORE_STRESS=n` makes it n times longer, `LONGSHORE_TEST_SEED` repeats
//! the random choices.

#![allow(clippy::duplicate_mod, reason = "both kinds of pools live the same lives")]

#[path = "../support/mod.rs"]
mod support;

mod joins;
mod pull;
mod push;
