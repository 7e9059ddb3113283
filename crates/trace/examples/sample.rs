//! Writes recordings of simulated runs, to look at: `cargo run -p longshore-trace --example sample -- fib 8
//! out.lsr`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::rc::Rc;

use support::{Costs, Pool, Script, chain, fib, fib_joins, half_serial, leaf, pipeline, skynet};

/// A million tasks from one producer.
fn million() -> Vec<Rc<Script>> {
    let leaves = [("decode", 3_000), ("resize", 9_000), ("encode", 5_000), ("", 700)]
        .map(|(label, time)| leaf(label, time));
    (0..1_000_000usize).map(|i| leaves[i * i % 7 % 4].clone()).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, workers, path] = arguments.as_slice() else {
        eprintln!(
            "sample: PROGRAM WORKERS FILE; programs: fib, joins, half, skynet, pipeline, chain, million"
        );
        std::process::exit(2);
    };
    let workers: usize = workers.parse().expect("a number of workers");
    let costs = Costs { ring_bytes: 1 << 27, ..Costs::default() };
    let scripts = match program.as_str() {
        "fib" => vec![fib(18, 1_500)],
        "joins" => vec![fib_joins(24, 100)],
        "half" => vec![half_serial(3_000, 8_000)],
        "skynet" => vec![skynet(5, 900)],
        "pipeline" => vec![pipeline(3_000, [3_000, 14_000, 5_000])],
        "chain" => vec![chain(2_000, 12_000)],
        "million" => million(),
        other => panic!("no program {other}"),
    };
    std::fs::write(path, Pool::new(workers, costs).run_all(&scripts)).expect("the file can be written");
}
