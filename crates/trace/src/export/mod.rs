//! A run in other forms: one HTML page, Chrome's JSON, Perfetto's protobuf.

mod chrome;
mod json;
mod page;
mod perfetto;
mod slices;

pub use chrome::write_chrome;
pub use page::{write_page, write_page_at};
pub use perfetto::write_perfetto;
