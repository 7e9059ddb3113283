//! Runs each model in a process of its own: a test starts its own binary again, with this test alone.
//!
//! loom reports a fault by a panic. Here a panic ends the process at once, with a status of its own, because
//! the library catches panics of user code and would catch loom's as well, and because a deadlock found while
//! unwinding aborts.
//!
//! Used by `tests/models.rs` and `tests/mutants.rs`; no state but in the process of a model. Guarded by the
//! mutants: each fails if the harness finds no fault.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{env, panic, process, thread};

use crate::mutation::{self, Mutation};

/// Set in the process of a model.
const CHILD: &str = "LONGSHORE_MODEL_CHILD";
/// Overrides the bound of every model; loom's own variable.
const PREEMPTIONS: &str = "LOOM_MAX_PREEMPTIONS";
/// The status of a process whose model has found a fault.
const FAULT: i32 = 42;
/// The most switches between threads in one execution. loom's default of 1,000 is too small for the loops of
/// the models.
const MAX_SWITCHES: usize = 20_000;

/// Passes if every execution of `model` passes in which a running thread is interrupted at most `bound`
/// times.
///
/// There is always a bound, because without a bound loom explores *less*. Its reduction remembers only the
/// last access to an atomic, so a thread that loads a value before it swaps it hides earlier loads of other
/// threads. With a bound loom adds the executions that the reduction may have lost to the bound, and those
/// executions with them.
pub fn prove(bound: usize, model: fn()) {
    let Some(output) = run_alone(bound, None, model) else {
        return;
    };
    let text = text_of(&output);
    assert!(output.status.success(), "the model found a fault:\n{text}");
    text.lines().filter(|l| l.starts_with("model:")).for_each(|l| eprintln!("{l}"));
}

/// Passes if `model` finds a fault while `mutation` is active.
pub fn refute(mutation: Mutation, bound: usize, model: fn()) {
    let Some(output) = run_alone(bound, Some(mutation), model) else {
        return;
    };
    let text = text_of(&output);
    assert!(text.contains(mutation::MARK), "{mutation:?} was never reached:\n{text}");
    assert!(output.status.code() == Some(FAULT), "{mutation:?} survived: {:?}\n{text}", output.status);
    text.lines().filter(|l| l.starts_with("model:")).for_each(|l| eprintln!("{l}"));
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// In the test: runs the model in a new process and returns its output. In that process: runs it and returns
/// `None`.
fn run_alone(bound: usize, mutation: Option<Mutation>, model: fn()) -> Option<Output> {
    if env::var_os(CHILD).is_some() {
        if let Some(mutation) = mutation {
            mutation::activate(mutation);
        }
        explore(bound, model);
        return None;
    }
    let this = thread::current();
    let name = this.name().expect("a test's thread has the test's name");
    let program = env::current_exe().expect("this binary has a path");
    let output = Command::new(program)
        .args([name, "--exact", "--nocapture", "--include-ignored"])
        .env(CHILD, "1")
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("this binary starts again");
    Some(output)
}

fn explore(bound: usize, model: fn()) {
    static EXECUTIONS: AtomicU64 = AtomicU64::new(0);
    let begin = Instant::now();
    let name = thread::current().name().unwrap_or_default().to_owned();
    let report = move |how| {
        let executions = EXECUTIONS.load(Ordering::Relaxed);
        println!(
            "model: {name}: {how} after {executions} executions, {:.1} s",
            begin.elapsed().as_secs_f64()
        );
    };
    let on_fault = report.clone();
    panic::set_hook(Box::new(move |fault| {
        eprintln!("{fault}");
        on_fault("fault");
        process::exit(FAULT);
    }));
    let mut builder = loom::model::Builder::new();
    builder.max_branches = MAX_SWITCHES;
    builder.preemption_bound = Some(match env::var(PREEMPTIONS) {
        Ok(text) => text.parse().expect("LOOM_MAX_PREEMPTIONS is a number"),
        Err(_) => bound,
    });
    builder.check(move || {
        EXECUTIONS.fetch_add(1, Ordering::Relaxed);
        model();
    });
    report("passed");
}
