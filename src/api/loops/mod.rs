//! Loops over a [`Source`](crate::Source): one file for each family of methods, all on the driver in
//! `part.rs`.
//!
//! `each.rs` calls a body, `map.rs` and `filter.rs` collect results, `reduce.rs` combines them, `search.rs`
//! stops early, `scan.rs` sums up in place, `sort.rs` sorts, `until.rs` ends with a token. Each method is
//! there twice, on a [`Context`](crate::Context) and on a [`Pool`](crate::Pool). Read `part.rs` first.
//!
//! No file here has state of its own: a part of a loop belongs to the frame that runs it, on the calling
//! thread or on a worker that has taken it. All are guarded by `tests/loops`.

pub mod each;
pub mod filter;
pub mod map;
pub mod part;
pub mod reduce;
pub mod scan;
pub mod search;
pub mod sort;
pub mod until;
