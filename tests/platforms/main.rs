//! What differs between operating systems, and must not differ for a program: stacks, threads that end, pins,
//! pools without threads. Runs on every platform of docs/TESTING.md, and with `--cfg longshore_portable`.

#[path = "../support/mod.rs"]
mod support;

mod ending_threads;
mod in_caller;
mod pins;
mod stacks;
