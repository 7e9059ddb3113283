//! What the example programs share. Each module is one rule that holds for all of them; `docs/PROGRAMS.md` is
//! the table of these rules, and the module `rules` (feature `rules`) is the test that every program runs.
//!
//! | a program wants to | module |
//! |---|---|
//! | read its options and end with the right exit status | [`end`] |
//! | stop at the first signal and end at the second | [`signals`] |
//! | print reports, JSON and one-line messages | [`print`](mod@print) |
//! | print file names | [`name`] |
//! | read durations, sizes and counts from options | [`amount`] |
//! | open a file that the user named, or a walk found | [`input`], [`tree`] |
//! | write a file as a whole or not at all | [`output`] |
//! | write where a path of another machine says, and nowhere else | [`beneath`] |
//! | know its limits: descriptors, memory | [`limits`] |
//! | take connections, within limits | `service` (feature `service`) |
//! | start programs and watch them | [`process`] |
//!
//! The crate knows nothing of pools: a program connects the two, for example by a
//! `CancelToken` that the first signal cancels.

pub mod amount;
pub mod beneath;
pub mod end;
pub mod input;
pub mod limits;
pub mod name;
pub mod output;
pub mod print;
pub mod process;
#[cfg(feature = "rules")]
pub mod rules;
#[cfg(feature = "service")]
pub mod service;
pub mod signals;
pub mod tree;
