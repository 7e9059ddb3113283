//! `longshore-mixer [SECONDS [SEED [KIND..]]]`: runs random programs for so long (60 by default), from this
//! seed on, without steps of these kinds. The first one that fails is made smaller and printed as Rust.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use longshore_mixer::watch::{self, Verdict};
use longshore_mixer::{generate, minimise, print};

/// A program takes some milliseconds. On a loaded machine it may take a thousand times as long.
const LIMIT: Duration = Duration::from_secs(20);

/// A smaller program may fail less often.
const ATTEMPTS: usize = 5;

/// While a program is made smaller, it counts as hung earlier.
const LIMIT_OF_SMALLER: Duration = Duration::from_secs(3);

const TIME_TO_MINIMISE: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    if watch::plays() {
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |place: usize| arguments.get(place).map(|text| text.parse::<u64>().expect("a number"));
    let (time, first) = (Duration::from_secs(number(0).unwrap_or(60)), number(1).unwrap_or(0));
    let without = arguments.get(2..).unwrap_or_default();
    let begin = Instant::now();
    for seed in first.. {
        if begin.elapsed() >= time {
            println!("{} programs from seed {first} on, none fails", seed - first);
            break;
        }
        let mut program = generate::program(seed);
        program.remove_kinds(without);
        let verdict = watch::verdict(&program, LIMIT);
        if verdict == Verdict::Good {
            continue;
        }
        println!("seed {seed}, {} steps: {verdict:?}", program.size());
        let smallest = minimise::minimise(&program, LIMIT_OF_SMALLER, ATTEMPTS, TIME_TO_MINIMISE);
        println!("{} steps are left:\n\n{}", smallest.size(), print::rust(&smallest));
        println!("{}", serde_json::to_string(&smallest).expect("it can be written"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
