//! Stress tests that account for every task: it ran once, or was cancelled, or was returned; and all captures
//! and results were dropped once. `LONGSHORE_STRESS=n` makes the tests n times longer, `LONGSHORE_TEST_SEED`
//! repeats the random choices.

#![allow(clippy::duplicate_mod, reason = "the same tests run with both kinds of pools")]

#[path = "../support/mod.rs"]
mod support;

mod joins;
mod pull;
mod push;
