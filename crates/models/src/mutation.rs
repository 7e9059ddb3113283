//! Which operation of which function is broken in this process, if any.
//!
//! The operation is found by its place in the source: the façade asks with the location of its caller, and the lines
//! of the function are looked up in the very text that was compiled. So a mutant is never a stale copy.

use std::ops::Range;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The files that `mutable` compiles.
const SOURCES: [(&str, &str); 9] = [
    ("entry_counter.rs", include_str!("../../../src/queue/entry_counter.rs")),
    ("fork_slot.rs", include_str!("../../../src/queue/fork_slot.rs")),
    ("idle.rs", include_str!("../../../src/workers/idle.rs")),
    ("inbox.rs", include_str!("../../../src/queue/inbox.rs")),
    ("latch.rs", include_str!("../../../src/sync/latch.rs")),
    ("permits.rs", include_str!("../../../src/limits/permits.rs")),
    ("result_slot.rs", include_str!("../../../src/task/result_slot.rs")),
    ("roster.rs", include_str!("../../../src/workers/roster.rs")),
    ("wait_queue.rs", include_str!("../../../src/limits/wait_queue.rs")),
];

/// What is wrong with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// Its ordering is relaxed.
    Relaxed,
    /// It does not happen: a fence or a store; a read-modify-write only reads.
    Removed,
    /// A read-modify-write is a load and a store.
    Torn,
}

/// One way to break a protocol.
#[derive(Debug, Clone, Copy)]
pub enum Mutation {
    /// Damages an operation of the library.
    Operation {
        /// What happens to it.
        damage: Damage,
        /// The file it is in.
        file: &'static str,
        /// The function it is in. All such operations there are damaged.
        function: &'static str,
        /// The façade's function: `load`, `store`, `fence` and so on.
        operation: &'static str,
    },
    /// Leaves out a step that the model itself takes, see [`leaves_out`].
    Step(&'static str),
}

impl Mutation {
    /// Takes an operation out.
    pub const fn removed(file: &'static str, function: &'static str, operation: &'static str) -> Self {
        Self::operation(Damage::Removed, file, function, operation)
    }

    /// Takes an operation's ordering away.
    pub const fn relaxed(file: &'static str, function: &'static str, operation: &'static str) -> Self {
        Self::operation(Damage::Relaxed, file, function, operation)
    }

    /// Takes an operation's atomicity away.
    pub const fn torn(file: &'static str, function: &'static str, operation: &'static str) -> Self {
        Self::operation(Damage::Torn, file, function, operation)
    }

    const fn operation(
        damage: Damage,
        file: &'static str,
        function: &'static str,
        operation: &'static str,
    ) -> Self {
        Mutation::Operation { damage, file, function, operation }
    }
}

struct Active {
    mutation: Mutation,
    lines: Range<u32>,
}

static ACTIVE: OnceLock<Active> = OnceLock::new();
static APPLIED: AtomicBool = AtomicBool::new(false);

/// Printed when a mutation is reached for the first time: one that never is proves nothing.
pub const MARK: &str = "mutation reached";

/// Breaks `mutation` for the rest of this process.
pub fn activate(mutation: Mutation) {
    let lines = match mutation {
        Mutation::Step(_) => 0..0,
        Mutation::Operation { file, function, .. } => lines_of(file, function),
    };
    assert!(ACTIVE.set(Active { mutation, lines }).is_ok(), "one mutation a process");
}

/// Whether the model has to leave out the step called `step`.
pub fn leaves_out(step: &str) -> bool {
    let hit = matches!(ACTIVE.get(), Some(Active { mutation: Mutation::Step(name), .. }) if *name == step);
    if hit {
        mark();
    }
    hit
}

/// What is wrong with the operation that the façade's caller asks for.
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

/// From the line of the function's head to that of the next function's.
fn lines_of(file: &str, function: &str) -> Range<u32> {
    let (_, text) = SOURCES.iter().find(|(name, _)| *name == file).expect("a file of the list");
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
