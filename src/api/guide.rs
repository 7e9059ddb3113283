//! A guide: which pool for which work, how to port programs from other pools, common mistakes, and compile
//! errors.
#![doc = include_str!("../../docs/GUIDE.md")]
