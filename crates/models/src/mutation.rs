//! The operation that is broken in this process, if there is one.
//!
//! The operation is found by its line in the source: the façade asks with the location of its caller, and the
//! lines of the function are looked up in the text that was compiled. So a mutant is never an outdated copy.
//!
//! A process breaks at most one operation, before its model starts; then any thread asks. Guarded by `refute`
//! in `harness.rs`, which fails if a mutation is never reached.

use std::ops::Range;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The files of the library whose operations can be broken.
const SOURCES: [(&str, &str); 11] = [
    ("conditions.rs", include_str!("../../../src/task/conditions.rs")),
    ("entry_counter.rs", include_str!("../../../src/queue/entry_counter.rs")),
    ("fork_slot.rs", include_str!("../../../src/queue/fork_slot.rs")),
    ("idle.rs", include_str!("../../../src/workers/idle.rs")),
    ("inbox.rs", include_str!("../../../src/queue/inbox.rs")),
    ("latch.rs", include_str!("../../../src/sync/latch.rs")),
    ("permits.rs", include_str!("../../../src/limits/permits.rs")),
    ("result_slot.rs", include_str!("../../../src/task/result_slot.rs")),
    ("ring.rs", include_str!("../../trace/src/recorder/ring.rs")),
    ("roster.rs", include_str!("../../../src/workers/roster.rs")),
    ("wait_queue.rs", include_str!("../../../src/limits/wait_queue.rs")),
];

/// How an operation is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It is not broken.
    None,
    /// Its ordering is relaxed.
    Relaxed,
    /// A fence or a store does not happen; a read-modify-write only reads.
    Removed,
    /// A read-modify-write is replaced by a load and a store.
    Torn,
}

/// One way to break a protocol.
#[derive(Debug, Clone, Copy)]
pub enum Mutation {
    /// Breaks an operation of the library.
    Operation {
        /// How it is broken.
        damage: Damage,
        /// The file of the operation.
        file: &'static str,
        /// The function of the operation. All operations of this kind in it are broken.
        function: &'static str,
        /// The kind of the operation: the façade's function, for example `load`, `store` or `fence`.
        operation: &'static str,
    },
    /// Leaves out a step of the model itself; see [`leaves_out`].
    Step(&'static str),
}

/// Removes an operation.
pub const fn removed(file: &'static str, function: &'static str, operation: &'static str) -> Mutation {
    Mutation::Operation { damage: Damage::Removed, file, function, operation }
}

/// Relaxes the ordering of an operation.
pub const fn relaxed(file: &'static str, function: &'static str, operation: &'static str) -> Mutation {
    Mutation::Operation { damage: Damage::Relaxed, file, function, operation }
}

/// Makes an operation not atomic.
pub const fn torn(file: &'static str, function: &'static str, operation: &'static str) -> Mutation {
    Mutation::Operation { damage: Damage::Torn, file, function, operation }
}

/// Leaves out a step of a model.
pub const fn without(step: &'static str) -> Mutation {
    Mutation::Step(step)
}

struct Active {
    mutation: Mutation,
    lines: Range<u32>,
}

static ACTIVE: OnceLock<Active> = OnceLock::new();
static APPLIED: AtomicBool = AtomicBool::new(false);

/// Printed when the mutation is reached for the first time, because a mutation that is never reached proves
/// nothing.
pub const MARK: &str = "mutation reached";

/// Breaks `mutation` for the rest of this process.
pub fn activate(mutation: Mutation) {
    let lines = match mutation {
        Mutation::Step(_) => 0..0,
        Mutation::Operation { file, function, .. } => lines_of(file, function),
    };
    assert!(ACTIVE.set(Active { mutation, lines }).is_ok(), "a process has one mutation");
}

/// Whether the model must leave out the step with this name.
pub fn leaves_out(step: &str) -> bool {
    let hit = matches!(ACTIVE.get(), Some(Active { mutation: Mutation::Step(name), .. }) if *name == step);
    if hit {
        mark();
    }
    hit
}

/// How the operation of the façade's caller is broken.
#[track_caller]
pub(crate) fn damage(name: &str) -> Damage {
    let Some(Active { mutation, lines }) = ACTIVE.get() else {
        return Damage::None;
    };
    let Mutation::Operation { damage, file, operation, .. } = mutation else {
        return Damage::None;
    };
    let caller = Location::caller();
    if name != *operation || !lines.contains(&caller.line()) || !caller.file().ends_with(file) {
        return Damage::None;
    }
    mark();
    *damage
}

fn mark() {
    if !APPLIED.swap(true, Ordering::Relaxed) {
        println!("{MARK}");
    }
}

/// The lines of a function: from its head to the head of the next function.
fn lines_of(file: &str, function: &str) -> Range<u32> {
    let (_, text) = SOURCES.iter().find(|(name, _)| *name == file).expect("a file of `SOURCES`");
    let mut heads = (1u32..).zip(text.lines()).filter_map(|(number, line)| {
        let (before, after) = line.split_once("fn ")?;
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        (!before.contains("//") && !name.is_empty()).then_some((number, name))
    });
    let (start, _) = heads
        .by_ref()
        .find(|(_, name)| name == function)
        .unwrap_or_else(|| panic!("no function {function} in {file}"));
    start..heads.next().map_or(u32::MAX, |(end, _)| end)
}
