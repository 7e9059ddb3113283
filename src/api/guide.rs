//! A guide: which pool for which work, how to port programs from other pools, common mistakes, and compile
//! errors.
#![doc = include_str!("../../docs/GUIDE.md")]

/// The blocks of Rust in the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub mod readme {}
