//! Random programs over the whole interface of longshore.
//!
//! A [`Program`](program::Program) is a few pools and a few threads with steps. It is generated from a seed
//! ([`generate`]), so that no wait in it closes a circle; each such program ends, says the promise of the
//! library. A process of its own runs it ([`run`]), and its parent kills it if it does not end ([`watch`]).
//! At the end the pools' statistics must add up, and every task must have ended in one way, with its captures
//! dropped. A program that fails is made smaller ([`minimise`]) and printed as Rust ([`mod@print`]).
//!
//! Read `program.rs` first. `docs/TESTING.md` has the commands.

pub mod generate;
pub mod minimise;
pub mod print;
pub mod program;
pub mod run;
pub mod watch;
