//! The behaviour of pull pools. What they share with push pools is in `it/behaviour` and compiled for each
//! kind: here, and in `it/`. Two binaries, because the compiler takes minutes for each, and uses one core.

#[path = "support/mod.rs"]
mod support;

#[path = "it/pull.rs"]
mod pull;
