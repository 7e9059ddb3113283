//! Programs with known work and span, which the simulated pool runs.

use std::collections::HashMap;
use std::rc::Rc;

/// A step of a task.
#[derive(Debug, Clone)]
pub enum Step {
    /// Runs for so many nanoseconds.
    Work(u64),
    /// Submits a task.
    Spawn(Rc<Script>),
    /// Waits for all tasks that it has submitted.
    Sync,
    /// Calls both; another worker may take the second.
    Join(Rc<Script>, Rc<Script>),
    /// Blocks for so many nanoseconds.
    Block(u64),
}

/// What a task does.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub label: &'static str,
    pub steps: Vec<Step>,
}

/// Work and span of a script, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub work: u64,
    /// Until its own end.
    own: u64,
    /// Until everything that it has submitted has ended, too.
    pub span: u64,
    pub tasks: u64,
}

/// Computes them from the script alone.
pub fn cost(script: &Rc<Script>) -> Cost {
    fn of(script: &Rc<Script>, known: &mut HashMap<*const Script, Cost>) -> Cost {
        if let Some(cost) = known.get(&Rc::as_ptr(script)) {
            return *cost;
        }
        let (mut total, mut now, mut children) = (Cost::default(), 0, 0);
        for step in &script.steps {
            match step {
                Step::Work(time) => {
                    total.work += time;
                    now += time;
                }
                Step::Block(time) => now += time,
                Step::Spawn(child) => {
                    let child = of(child, known);
                    total.work += child.work;
                    total.tasks += child.tasks + 1;
                    children = children.max(now + child.own);
                    total.span = total.span.max(now + child.span);
                }
                Step::Sync => now = now.max(children),
                Step::Join(a, b) => {
                    let (a, b) = (of(a, known), of(b, known));
                    total.work += a.work + b.work;
                    total.tasks += a.tasks + b.tasks;
                    total.span = total.span.max(now + a.span.max(b.span));
                    now += a.own.max(b.own);
                }
            }
        }
        total.own = now;
        total.span = total.span.max(now);
        known.insert(Rc::as_ptr(script), total);
        total
    }
    of(script, &mut HashMap::new())
}

pub fn script(label: &'static str, steps: Vec<Step>) -> Rc<Script> {
    Rc::new(Script { label, steps })
}

/// A task that only works.
pub fn leaf(label: &'static str, nanos: u64) -> Rc<Script> {
    script(label, vec![Step::Work(nanos)])
}

/// Fibonacci by tasks: each submits two and waits.
pub fn fib(n: u32, nanos: u64) -> Rc<Script> {
    let mut known = vec![leaf("leaf", nanos), leaf("leaf", nanos)];
    for i in 2..=n as usize {
        let children = [known[i - 1].clone(), known[i - 2].clone()].map(Step::Spawn);
        let [a, b] = children;
        known.push(script("fib", vec![Step::Work(nanos), a, b, Step::Sync, Step::Work(nanos)]));
    }
    known[n as usize].clone()
}

/// Fibonacci by joins.
pub fn fib_joins(n: u32, nanos: u64) -> Rc<Script> {
    let mut known = vec![leaf("", nanos), leaf("", nanos)];
    for i in 2..=n as usize {
        let (a, b) = (known[i - 1].clone(), known[i - 2].clone());
        known.push(script("", vec![Step::Work(nanos), Step::Join(a, b)]));
    }
    known[n as usize].clone()
}

/// A loop of `count` small tasks beside one task that takes as long as all of them: parallelism 2.
pub fn half_serial(count: u32, nanos: u64) -> Rc<Script> {
    let small = leaf("body", nanos);
    let mut steps = vec![Step::Spawn(leaf("serial", nanos * u64::from(count)))];
    steps.extend((0..count).map(|_| Step::Spawn(small.clone())));
    steps.push(Step::Sync);
    script("loop", steps)
}

/// Each task submits ten, six levels deep: 111,111 tasks at depth 5.
pub fn skynet(depth: u32, nanos: u64) -> Rc<Script> {
    if depth == 0 {
        return leaf("leaf", nanos);
    }
    let child = skynet(depth - 1, nanos);
    let mut steps = vec![Step::Work(nanos)];
    steps.extend((0..10).map(|_| Step::Spawn(child.clone())));
    steps.push(Step::Sync);
    script("node", steps)
}

/// Items that go through three stages, each stage submitted by the one before.
pub fn pipeline(items: u32, stages: [u64; 3]) -> Rc<Script> {
    let store = leaf("store", stages[2]);
    let compress = script("compress", vec![Step::Work(stages[1]), Step::Spawn(store)]);
    let read = script("read", vec![Step::Work(stages[0]), Step::Spawn(compress)]);
    script("feed", (0..items).map(|_| Step::Spawn(read.clone())).collect())
}

/// Tasks that each submit the next.
pub fn chain(length: u32, nanos: u64) -> Rc<Script> {
    let mut next = leaf("link", nanos);
    for _ in 1..length {
        next = script("link", vec![Step::Work(nanos), Step::Spawn(next)]);
    }
    next
}

/// A generator of pseudo-random numbers (Marsaglia, "Xorshift RNGs", 2003).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Some program or other.
pub fn random(random: &mut Random, depth: u32) -> Rc<Script> {
    let mut steps = vec![Step::Work(1_000 + random.below(20_000))];
    if depth > 0 {
        for _ in 0..2 + random.below(6) {
            let step = match random.below(6) {
                0 | 1 => Step::Work(1_000 + random.below(30_000)),
                2 | 3 => Step::Spawn(self::random(random, depth - 1)),
                4 => Step::Sync,
                _ => Step::Spawn(leaf("leaf", 2_000 + random.below(9_000))),
            };
            steps.push(step);
        }
    }
    script(["a", "b", "c", "d"][random.below(4) as usize], steps)
}
