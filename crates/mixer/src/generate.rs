//! Programs from a seed.
//!
//! No wait of a generated program closes a circle. A task waits only for what it has submitted itself, so
//! the waits for tasks form a tree; a task of a chain waits also for the task that was submitted before it.
//! So each task waits for tasks that are older, or for its own. A task shuts down only pools with a higher
//! number than every pool in which it or a task that waits for it runs. A task that holds a weight waits
//! for no other weight. A pool with capacity 0 is not generated, because its tasks can wait for each other.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::program::{EndBy, Kind, PoolSpec, Program, Shutdown, Step, Then};

/// The deepest nesting of steps.
const DEPTH: usize = 3;

/// The most steps of a thread or a task.
const STEPS: usize = 4;

/// The program of this seed.
pub fn program(seed: u64) -> Program {
    let mut rng = SmallRng::seed_from_u64(seed);
    let pools: Vec<_> = (0..rng.random_range(1..=3)).map(|_| pool(&mut rng)).collect();
    let threads = rng.random_range(1..=3);
    let mut generator = Generator { pools: &pools, rng };
    let threads = (0..threads).map(|_| generator.steps(&Context::default())).collect();
    let mut program = Program { pools, threads };
    add_chain(&mut program, seed);
    program
}

/// Adds a chain to one program in two. It has a generator of its own, so that the rest of the program is
/// that of the seed as it was before there were chains. No task of the body yields: a later task of the
/// chain could run on top of it, and would wait for a task below it.
fn add_chain(program: &mut Program, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(!seed);
    if rng.random_ratio(1, 2) {
        return;
    }
    let pools = program.pools.len();
    let chosen = (0..rng.random_range(1..=2)).map(|_| rng.random_range(0..pools)).collect();
    let (tasks, in_lanes, pool) = (rng.random_range(2..=8), rng.random(), rng.random_range(0..pools));
    let body = match rng.random_range(0..4) {
        0 => vec![Step::Submit { pool, then: Then::Join, body: Vec::new() }],
        1 => vec![Step::Submit { pool, then: Then::Await, body: vec![Step::Local { pool }] }],
        2 => vec![Step::Lane { pool, tasks: 2, body: Vec::new() }],
        _ => Vec::new(),
    };
    let chain = Step::Chain { pools: chosen, in_lanes, tasks, body };
    let thread = rng.random_range(0..program.threads.len());
    let place = rng.random_range(0..=program.threads[thread].len());
    program.threads[thread].insert(place, chain);
}

fn pool(rng: &mut SmallRng) -> PoolSpec {
    let min = rng.random_range(1..=2);
    PoolSpec {
        kind: if rng.random() { Kind::Push } else { Kind::Pull },
        min,
        max: if rng.random_ratio(1, 3) { min + rng.random_range(0..=2) } else { min },
        capacity: rng.random_ratio(1, 2).then(|| rng.random_range(1..=8)),
        budget: rng.random_ratio(1, 3).then(|| rng.random_range(1..=10)),
    }
}

/// Where a step runs.
#[derive(Debug, Clone, Default)]
struct Context {
    depth: usize,
    /// The pools in which the step, or a task that waits for it, runs.
    pools: Vec<usize>,
    /// Whether the step is run by many tasks or items.
    is_repeated: bool,
    /// Whether a task that waits for the step holds a weight.
    holds_weight: bool,
}

impl Context {
    fn inside(&self, pool: usize, is_repeated: bool) -> Context {
        let mut pools = self.pools.clone();
        pools.push(pool);
        let is_repeated = self.is_repeated || is_repeated;
        Context { depth: self.depth + 1, pools, is_repeated, holds_weight: self.holds_weight }
    }

    /// The same inside a task of this weight.
    fn weighing(&self, weight: u64) -> Context {
        Context { holds_weight: self.holds_weight || weight > 0, ..self.clone() }
    }
}

struct Generator<'a> {
    pools: &'a [PoolSpec],
    rng: SmallRng,
}

impl Generator<'_> {
    fn steps(&mut self, context: &Context) -> Vec<Step> {
        if context.depth > DEPTH {
            return Vec::new();
        }
        let most = if context.depth == 0 { 2 * STEPS } else { STEPS - context.depth };
        (0..self.rng.random_range(0..=most)).filter_map(|_| self.step(context)).collect()
    }

    fn body(&mut self, context: &Context, pool: usize) -> Vec<Step> {
        self.steps(&context.inside(pool, false))
    }

    /// The body of several tasks.
    fn repeated(&mut self, context: &Context, pool: usize) -> Vec<Step> {
        self.steps(&context.inside(pool, true))
    }

    /// A step, unless the drawn kind is not possible here.
    fn step(&mut self, context: &Context) -> Option<Step> {
        let pool = self.rng.random_range(0..self.pools.len());
        let most = if context.is_repeated { 3 } else { 12 };
        let tasks = self.rng.random_range(1..=most);
        let is_push = self.pools[pool].kind == Kind::Push;
        let is_outside = context.pools.is_empty();
        Some(match self.rng.random_range(0..28) {
            0..=4 => Step::Submit { pool, then: self.then(), body: self.body(context, pool) },
            5 => Step::SubmitAsync { pool, body: self.body(context, pool) },
            6 => Step::Execute { pool, body: self.body(context, pool) },
            7 => Step::TryExecute { pool, body: self.body(context, pool) },
            8 => Step::Batch { pool, tasks, body: self.repeated(context, pool) },
            9..=11 => {
                let weight = self.rng.random_range(0..3);
                let weight = if context.holds_weight { 0 } else { weight };
                Step::Conditions {
                    pool,
                    weight,
                    micros: self.rng.random_ratio(1, 2).then(|| self.rng.random_range(0..500)),
                    cancels: self.rng.random(),
                    then: self.then(),
                    body: self.body(&context.weighing(weight), pool),
                }
            }
            12 => Step::Group { pool, tasks, cancels: self.rng.random(), body: self.repeated(context, pool) },
            13 | 14 => Step::Lane { pool, tasks, body: self.repeated(context, pool) },
            15 if is_push => {
                let left = self.body(context, pool);
                Step::Join { pool, left, right: self.body(context, pool) }
            }
            16 if is_push => Step::Scope { pool, tasks, body: self.repeated(context, pool) },
            17 if is_push => Step::ForEach { pool, items: 8 * tasks, body: self.repeated(context, pool) },
            18 if is_push => {
                let taken = self.rng.random_range(0..=tasks);
                Step::Stream { pool, items: tasks, taken, body: self.repeated(context, pool) }
            }
            19 if is_push => Step::StreamHandedOn { pool, items: tasks },
            20 if is_outside => Step::Broadcast { pool },
            21 if !is_outside => Step::Yield,
            22 if is_outside && is_push && self.rng.random_ratio(1, 4) => {
                Step::YieldStorm { pool, tasks: 3_000 }
            }
            23 if !is_outside => Step::Blocking { body: self.body(context, pool) },
            24..=27 => return self.step_of_the_owner(context, pool),
            _ => return None,
        })
    }

    /// A step that changes or ends a pool, or looks at one from outside.
    fn step_of_the_owner(&mut self, context: &Context, pool: usize) -> Option<Step> {
        let is_outside = context.pools.is_empty();
        Some(match self.rng.random_range(0..7) {
            0 if is_outside => {
                let PoolSpec { max, .. } = self.pools[pool];
                Step::SetWorkers { pool, workers: self.rng.random_range(1..=max) }
            }
            1 if is_outside => Step::Pause { pool },
            2 => Step::Purge { pool },
            3 => Step::Panic,
            4 => Step::Local { pool },
            5 if context.pools.iter().all(|&inside| inside < pool) => {
                let how = [Shutdown::Drain, Shutdown::Now, Shutdown::Timeout];
                Step::Shutdown { pool, how: how[self.rng.random_range(0..how.len())] }
            }
            6 if is_outside => {
                let ways = [EndBy::Handle, EndBy::Token, EndBy::Group, EndBy::Deadline];
                let (kind, tasks) = (self.pools[pool].kind, self.rng.random_range(1..=12));
                Step::EndQueued { kind, tasks, by: ways[self.rng.random_range(0..ways.len())] }
            }
            _ => return None,
        })
    }

    fn then(&mut self) -> Then {
        match self.rng.random_range(0..8) {
            0..=2 => Then::Join,
            3 => Then::JoinTimeout,
            4 | 5 => Then::Await,
            6 => Then::Cancel,
            _ => Then::Drop,
        }
    }
}
