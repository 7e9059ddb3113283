//! Images in an object store (feature `object-store`): `resize push s3://bucket/photos -o s3://bucket/small`.
//!
//! Sources and outputs are objects, and nothing of them is ever a file. An output is made by one request: it
//! is there as a whole or not at all.

mod plan;
mod stores;
mod url;
mod work;

pub use plan::{Listed, Todo, plan};
pub use stores::Stores;
pub use url::Url;
pub use work::work;

#[cfg(test)]
mod tests;
