//! Makes a failing program smaller, as long as it fails.
//!
//! Greedy: each change that keeps the failure is kept, until no change does. A change removes a thread, a
//! step, the inside of a step or the step around it, halves an amount, or makes a pool simpler.

use std::time::{Duration, Instant};

use crate::program::{Program, Step};
use crate::watch::{Verdict, verdict};

/// A smaller program that fails in `attempts` runs at least once. Stops after about `time`.
pub fn minimise(program: &Program, limit: Duration, attempts: usize, time: Duration) -> Program {
    let deadline = Instant::now() + time;
    let fails = |program: &Program| (0..attempts).any(|_| verdict(program, limit) != Verdict::Good);
    let mut smallest = program.clone();
    loop {
        let smaller = candidates(&smallest)
            .into_iter()
            .take_while(|_| Instant::now() < deadline)
            .find(|candidate| fails(candidate));
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// All programs that are one change smaller, the largest changes first.
fn candidates(program: &Program) -> Vec<Program> {
    let mut candidates = Vec::new();
    for thread in 0..program.threads.len() {
        let mut smaller = program.clone();
        smaller.threads.remove(thread);
        if !smaller.threads.is_empty() {
            candidates.push(smaller);
        }
    }
    for number in 0.. {
        let mut counter = number;
        let mut smaller = program.clone();
        let is_changed = smaller.threads.iter_mut().any(|steps| change_steps(steps, &mut counter));
        if !is_changed {
            break;
        }
        candidates.push(smaller);
    }
    for pool in 0..program.pools.len() {
        let mut change = |change: fn(&mut crate::program::PoolSpec)| {
            let mut smaller = program.clone();
            change(&mut smaller.pools[pool]);
            if smaller != *program {
                candidates.push(smaller);
            }
        };
        change(|pool| pool.capacity = None);
        change(|pool| pool.budget = None);
        change(|pool| pool.max = pool.min);
        change(|pool| (pool.min, pool.max) = (1, pool.max.max(1)));
    }
    candidates
}

/// Makes change number `counter`, counted down to 0. Returns whether there is one.
fn change_steps(steps: &mut Vec<Step>, counter: &mut usize) -> bool {
    let mut is_next = || {
        let is_next = *counter == 0;
        *counter = counter.saturating_sub(1);
        is_next
    };
    for place in 0..steps.len() {
        if is_next() {
            steps.remove(place);
            return true;
        }
    }
    for place in 0..steps.len() {
        // The inside in the place of the step: only for steps that run it on the same thread.
        if let Step::Blocking { body } = &steps[place]
            && is_next()
        {
            let body = body.clone();
            steps.splice(place..=place, body);
            return true;
        }
        if let Some(amount) = steps[place].amount_mut()
            && *amount > 1
            && is_next()
        {
            *amount /= 2;
            return true;
        }
    }
    steps.iter_mut().any(|step| step.bodies_mut().into_iter().any(|body| change_steps(body, counter)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn every_candidate_is_another_program_and_no_larger() {
        for seed in 0..50 {
            let program = generate::program(seed);
            for candidate in candidates(&program) {
                assert_ne!(candidate, program);
                assert!(candidate.size() <= program.size());
            }
        }
    }
}
