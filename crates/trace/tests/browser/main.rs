//! The page in a real browser: headless Chromium, driven by its DevTools protocol.
//!
//! Without Chromium these tests say so and pass over. `PAGE_PICTURES=DIR` keeps pictures of what they see.

mod cdp;
mod page;
mod readers;
#[path = "../support/mod.rs"]
mod support;
