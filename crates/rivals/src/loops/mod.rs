//! Loops over data: competitors that offer parallel loops, behind one trait, and the kernels that they run.
//!
//! Each competitor writes each kernel as its own documentation would have a user write it. The serial loop is
//! the plain iterator of the standard library.

mod data;
mod fork_union;
mod longshore;
mod orx;
mod rayon;
mod serial;

pub use data::{Data, Kernel};

/// The competitors that offer loops, in the order of the tables.
pub const LOOPING: &[&str] = &["none", "push", "rayon", "fork_union", "orx-parallel"];

/// A competitor that runs loops.
pub trait Looping {
    /// Runs a kernel over the data and returns its result, or a part of it. `None`: not offered.
    fn run(&mut self, kernel: Kernel, data: &mut Data) -> Option<f64>;
}

/// Makes the competitor of that name with so many threads, of which the caller is one where it takes part.
/// `None`: it offers no loops.
#[must_use]
pub fn looping(name: &str, workers: usize) -> Option<Box<dyn Looping>> {
    Some(match name {
        "none" => Box::new(serial::Serial),
        "push" => Box::new(longshore::Push::new(workers)),
        "rayon" => Box::new(rayon::Rayon::new(workers)),
        "fork_union" => Box::new(fork_union::ForkUnion::new(workers)),
        "orx-parallel" => Box::new(orx::Orx { workers }),
        _ => return None,
    })
}
