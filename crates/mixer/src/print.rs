//! Prints a program as Rust, to be put into a file of its own and run.

use std::fmt::Write as _;

use crate::program::{EndBy, Kind, PoolSpec, Program, Shutdown, Step, Then};
use crate::run::STAND_INS;

/// The text of a program that does the same steps. It needs `longshore` and `pollster`.
pub fn rust(program: &Program) -> String {
    let mut text =
        String::from("use std::sync::LazyLock;\nuse std::time::Duration;\n\nuse longshore::*;\n\n");
    for (number, pool) in program.pools.iter().enumerate() {
        let kind = kind(pool.kind);
        let builder = builder(pool);
        let _ = writeln!(text, "static P{number}: LazyLock<{kind}> = LazyLock::new(|| {builder});");
        let _ = writeln!(
            text,
            "static L{number}: LazyLock<Lane<{kind}>> = LazyLock::new(|| P{number}.lane(1).build().unwrap());"
        );
    }
    text.push_str("\nfn main() {\n    std::thread::scope(|threads| {\n");
    for steps in &program.threads {
        text.push_str("        threads.spawn(|| {\n");
        block(&mut text, steps, 3);
        text.push_str("        });\n");
    }
    text.push_str("    });\n");
    for number in 0..program.pools.len() {
        let _ = writeln!(text, "    P{number}.shutdown().unwrap();");
        let _ = writeln!(text, "    println!(\"{{:?}}\", P{number}.stats());");
    }
    text.push_str("}\n");
    text
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Push => "Pool",
        Kind::Pull => "PullPool",
    }
}

fn builder(pool: &PoolSpec) -> String {
    let mut text = format!("{}::builder()", kind(pool.kind));
    let _ = match pool.min == pool.max {
        true => write!(text, ".workers({})", pool.min),
        false => write!(text, ".workers({}..={})", pool.min, pool.max),
    };
    let _ = write!(text, ".blocking_limit({STAND_INS})");
    if let Some(capacity) = pool.capacity {
        let _ = write!(text, ".queue_capacity({capacity})");
    }
    if let Some(budget) = pool.budget {
        let _ = write!(text, ".budget({budget})");
    }
    text + ".build().unwrap()"
}

fn block(text: &mut String, steps: &[Step], depth: usize) {
    for step in steps {
        statement(text, step, depth);
    }
}

/// `open`, the steps of `body`, `close`, each on lines of their own.
fn around(text: &mut String, depth: usize, open: &str, body: &[Step], close: &str) {
    let indent = "    ".repeat(depth);
    if body.is_empty() {
        let _ = writeln!(text, "{indent}{open}{close}");
    } else {
        let _ = writeln!(text, "{indent}{open}");
        block(text, body, depth + 1);
        let _ = writeln!(text, "{indent}{close}");
    }
}

fn then(then: Then) -> &'static str {
    match then {
        Then::Join => "_ = handle.join()",
        Then::JoinTimeout => "_ = handle.join_timeout(Duration::from_secs(3600))",
        Then::Await => "_ = pollster::block_on(handle)",
        Then::Cancel => "_ = (handle.cancel(), handle.join())",
        Then::Drop => "drop(handle)",
    }
}

fn statement(text: &mut String, step: &Step, depth: usize) {
    match step {
        Step::Submit { pool, then: end, body } => {
            let close = format!("}}).map(|mut handle| {{ let _ = &mut handle; {} }});", then(*end));
            around(text, depth, &format!("let _ = P{pool}.submit(|| {{"), body, &close);
        }
        Step::SubmitAsync { pool, body } => {
            let open = format!("let _ = pollster::block_on(P{pool}.submit_async(|| {{");
            around(text, depth, &open, body, "})).map(pollster::block_on);");
        }
        Step::Execute { pool, body } => {
            around(text, depth, &format!("let _ = P{pool}.execute(|| {{"), body, "});");
        }
        Step::TryExecute { pool, body } => {
            around(text, depth, &format!("let _ = P{pool}.try_execute(|| {{"), body, "});");
        }
        Step::Batch { pool, tasks, body } => {
            let open = format!("let handles = P{pool}.submit_batch((0..{tasks}).map(|_| || {{");
            around(text, depth, &open, body, "}));");
            line(
                text,
                depth,
                "handles.into_iter().flatten().rev().for_each(|handle| _ = handle.join());".into(),
            );
        }
        Step::Conditions { pool, weight, micros, cancels, then: end, body } => {
            line(text, depth, "let token = CancelToken::new();".into());
            let within = micros
                .map_or(String::new(), |micros| format!(".start_within(Duration::from_micros({micros}))"));
            let open =
                format!("let handle = P{pool}.task().token(&token).weight({weight}){within}.submit(|| {{");
            around(text, depth, &open, body, "});");
            if *cancels {
                line(text, depth, "token.cancel();".into());
            }
            line(
                text,
                depth,
                format!("let _ = handle.map(|mut handle| {{ let _ = &mut handle; {} }});", then(*end)),
            );
        }
        Step::Group { pool, tasks, cancels, body } => {
            line(text, depth, format!("let group: Group<(), (), _> = P{pool}.group();"));
            around(text, depth, &format!("for _ in 0..{tasks} {{ let _ = group.submit(|| {{"), body, "}); }");
            if *cancels {
                line(text, depth, "group.cancel();".into());
            }
            line(text, depth, "group.join_all();".into());
        }
        Step::Lane { pool, tasks, body } => {
            let open = format!("let handles: Vec<_> = (0..{tasks}).filter_map(|_| L{pool}.submit(|| {{");
            around(text, depth, &open, body, "}).ok()).collect();");
            line(text, depth, "handles.into_iter().for_each(|handle| _ = handle.join());".into());
        }
        _ => other_statement(text, step, depth),
    }
}

fn other_statement(text: &mut String, step: &Step, depth: usize) {
    match step {
        Step::Join { pool, left, right } => {
            around(text, depth, &format!("P{pool}.join(|| {{"), left, "}, || {");
            block(text, right, depth + 1);
            line(text, depth, "});".into());
        }
        Step::Scope { pool, tasks, body } => {
            let open = format!("P{pool}.scope(|scope| for _ in 0..{tasks} {{ scope.spawn(|| {{");
            around(text, depth, &open, body, "}) });");
        }
        Step::ForEach { pool, items, body } => {
            around(text, depth, &format!("P{pool}.for_each(0..{items}usize, |_| {{"), body, "});");
        }
        Step::Stream { pool, items, taken, body } => {
            let close = format!("}}).take({taken}).for_each(drop);");
            around(text, depth, &format!("P{pool}.map_unordered(0..{items}, |_| {{"), body, &close);
        }
        Step::Chain { pools, in_lanes, tasks, body } => {
            line(text, depth, "let mut before: Option<JoinHandle<()>> = None;".into());
            for number in 0..*tasks {
                let (pool, kind) = (pools[number % pools.len()], if *in_lanes { 'L' } else { 'P' });
                let close = "    before.map(|before| before.join()); }).ok();";
                around(text, depth, &format!("before = {kind}{pool}.submit(move || {{"), body, close);
            }
            line(text, depth, "let _ = before.map(|last| last.join());".into());
        }
        Step::StreamHandedOn { pool, items } => {
            line(
                text,
                depth,
                format!(
                    "let stream = P{pool}.submit(|| {{ let mut s = P{pool}.map_unordered(0..{items}, |n| n); s.next(); s }});"
                ),
            );
            line(
                text,
                depth,
                format!(
                    "let _ = stream.map(|s| s.join().map(|s| P{pool}.submit(move || s.count()).map(|h| h.join())));"
                ),
            );
        }
        _ => statement_of_the_owner(text, step, depth),
    }
}

fn statement_of_the_owner(text: &mut String, step: &Step, depth: usize) {
    match step {
        Step::Broadcast { pool } => line(
            text,
            depth,
            format!(
                "for handle in P{pool}.broadcast(|worker| worker).unwrap_or_default() {{ let _ = handle.join(); }}"
            ),
        ),
        Step::Yield => line(text, depth, "yield_now();".into()),
        Step::YieldStorm { pool, tasks } => line(
            text,
            depth,
            format!(
                "for handle in P{pool}.submit_batch((0..{tasks}).map(|_| || _ = yield_now())).into_iter().flatten() {{ let _ = handle.join(); }}"
            ),
        ),
        Step::Blocking { body } => around(text, depth, "blocking(|| {", body, "});"),
        Step::SetWorkers { pool, workers } => {
            line(text, depth, format!("let _ = P{pool}.set_workers({workers});"))
        }
        Step::Pause { pool } => {
            line(text, depth, format!("P{pool}.pause(); // another thread resumes it every 2 ms"))
        }
        Step::Purge { pool } => line(text, depth, format!("P{pool}.purge();")),
        Step::Panic => line(text, depth, "std::panic::resume_unwind(Box::new(\"on purpose\"));".into()),
        Step::Local { pool } => line(text, depth, format!("// uses a worker-local value of P{pool}")),
        Step::Shutdown { pool, how } => line(
            text,
            depth,
            match how {
                Shutdown::Drain => format!("let _ = P{pool}.shutdown();"),
                Shutdown::Now => format!("let _ = P{pool}.shutdown_now();"),
                Shutdown::Timeout => format!("let _ = P{pool}.shutdown_timeout(Duration::from_millis(1));"),
            },
        ),
        Step::EndQueued { kind: pool, tasks, by } => {
            let way = match by {
                EndBy::Handle => "their handles",
                EndBy::Token => "a token",
                EndBy::Group => "their group",
                EndBy::Deadline => "their deadlines",
            };
            line(
                text,
                depth,
                format!(
                    "// a {} of one blocked worker: {tasks} queued tasks are ended by {way}, and must be gone",
                    kind(*pool)
                ),
            );
        }
        _ => unreachable!("printed by the functions above"),
    }
}

fn line(text: &mut String, depth: usize, content: String) {
    let _ = writeln!(text, "{}{content}", "    ".repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn parentheses_are_balanced() {
        for seed in 0..200 {
            let text = rust(&generate::program(seed));
            for (open, close) in [('(', ')'), ('{', '}')] {
                assert_eq!(text.matches(open).count(), text.matches(close).count(), "seed {seed}:\n{text}");
            }
        }
    }
}
