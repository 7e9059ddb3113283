//! The trait that each system implements, and what it answers with. Plain data. `mod.rs` says more.

use std::collections::BTreeMap;

/// What a system can be asked. Each default is the answer of a system that tells nothing.
pub trait System {
    /// The cores on which the process may run, ascending; empty if the system does not tell.
    fn process_cores() -> Vec<usize> {
        Vec::new()
    }

    /// The cores on which the calling thread may run, ascending.
    fn thread_cores() -> Option<Vec<usize>> {
        None
    }

    /// Lets the calling thread run on exactly these cores. Returns whether the system accepted that.
    fn set_thread_cores(_: &[usize]) -> bool {
        false
    }

    /// The part of `cores` that one thread gets where the system does not let it run on all of them. Threads
    /// that ask one after the other get different parts, so that all cores have threads.
    fn part_for_a_thread(cores: Vec<usize>) -> Vec<usize> {
        cores
    }

    /// Binds the calling thread to one core.
    fn pin(core: usize) -> PinOutcome;

    /// Names the calling thread for [`System::cores_of`]; 0 if the system has no such names.
    fn thread_name() -> u64 {
        0
    }

    /// The cores on which another thread of this process may run. `None` if there is no such thread or the
    /// system does not tell.
    fn cores_of(_: u64) -> Option<Vec<usize>> {
        None
    }

    /// The number of processors that the process may keep busy by a limit other than its cores, rounded up.
    fn cpu_limit() -> Option<usize> {
        None
    }

    /// Where the processors are in the machine; empty if the system does not tell.
    fn places() -> BTreeMap<usize, CpuPlace> {
        BTreeMap::new()
    }

    /// How many of the processors are of the fastest kind, if there is more than one kind.
    fn performance_cores() -> Option<usize> {
        None
    }

    /// The stack of the calling thread. Takes a few microseconds, and about ten on a main thread.
    fn stack() -> Option<StackBounds> {
        None
    }

    /// A function that makes every running thread of the process execute a full fence, or returns `false`.
    fn fence_everywhere() -> Option<fn() -> bool> {
        None
    }

    /// Whether no thread of the process can start or end until the calling thread has returned from what it
    /// does now, so that a wait for another thread would never end.
    fn blocks_other_threads() -> bool {
        false
    }

    /// Tells the scheduler how urgent the work of the calling thread is.
    fn set_urgency(_: Urgency) {}
}

/// What came of [`System::pin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[allow(dead_code, reason = "a system answers either the first or the second")]
pub enum PinOutcome {
    /// The thread runs on this core only, as was read back.
    Pinned,
    /// The system accepted the call, and what it makes of it cannot be read.
    Hint,
    /// The system refused, and the thread runs where it could run before.
    Refused,
}

/// The position of a processor in the machine. Each number is that of the lowest processor of its kind, or
/// any other that is the same for all that share it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuPlace {
    /// The package.
    pub package: usize,
    /// The memory node.
    pub node: usize,
    /// The die.
    pub die: usize,
    /// The L3 cache.
    pub cache: usize,
    /// The physical core.
    pub core: usize,
}

/// A stack, which grows downwards: `size` bytes above the address `lowest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackBounds {
    /// The lowest address.
    pub lowest: usize,
    /// In bytes.
    pub size: usize,
}

/// How urgent the work of a pool is. macOS and iOS choose the kind of core by it (the *quality of service* of
/// a thread): urgent work runs on performance cores, work of the lowest kinds on efficiency cores only. On
/// other systems it has no effect.
///
/// Set by [`PoolBuilder::urgency`](crate::PoolBuilder::urgency).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Urgency {
    /// The user waits for the result, and interacts with the program meanwhile.
    Interactive,
    /// The user, or another program, waits for the result. Workers run on performance cores first.
    #[default]
    Initiated,
    /// Nothing waits for the result at once. Saves energy.
    Utility,
    /// Nothing waits for the result. Efficiency cores only.
    Background,
    /// As the system decides, for example by the class of the thread that builds the pool.
    Inherited,
}
