//! What a program can tell about its pool: each scenario prints what it sees. On rayon-core and on the drop-in it must
//! print the same, so a scenario prints only what is the same in each run on rayon-core.
//!
//! `meaning` runs each scenario in a process of its own, because the global pool and a panic that aborts belong to a
//! process. `meaning SCENARIO` runs one here. `.ci/dropin` compares the outputs.

mod builders;
mod idle;
mod orders;
mod panics;
mod places;
mod types;

use std::fmt::Debug;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// A scenario that runs for longer has lost something for which it waits.
const LONGEST: Duration = Duration::from_secs(100);

/// A scenario, with the environment that it needs.
struct Scenario {
    name: &'static str,
    run: fn(),
    environment: &'static [(&'static str, &'static str)],
}

/// A scenario for each named function of a module.
macro_rules! scenarios {
    ($($module:ident: $($name:ident $(($($variable:ident = $value:literal),+))?),+;)+) => {
        &[$($(Scenario {
            name: concat!(stringify!($module), "::", stringify!($name) $($(, " ", stringify!($variable), "=", $value)+)?),
            run: $module::$name,
            environment: &[$($((stringify!($variable), $value)),+)?],
        }),+),+]
    };
}

const SCENARIOS: &[Scenario] = scenarios! {
    builders: build_scoped, current_thread, current_thread_as_global, errors, global_twice, global_after_use,
        handlers, names, number_of_threads, number_of_threads(RAYON_NUM_THREADS = "3"),
        number_of_threads(RAYON_NUM_THREADS = "0"), number_of_threads(RAYON_NUM_THREADS = "three"),
        number_of_threads(RAYON_NUM_THREADS = "-1"), number_of_threads(RAYON_RS_NUM_CPUS = "5"),
        number_of_threads(RAYON_RS_NUM_CPUS = "0"),
        number_of_threads(RAYON_NUM_THREADS = "3", RAYON_RS_NUM_CPUS = "5"),
        number_of_threads(RAYON_NUM_THREADS = "0", RAYON_RS_NUM_CPUS = "5"),
        number_of_threads(RAYON_NUM_THREADS = "three", RAYON_RS_NUM_CPUS = "5"),
        spawn_handlers, stack_sizes, deprecated;
    idle: dropped_pools, dropped_inside, dropped_with_fifo, pending, threads_sleep;
    orders: broadcasts, from_outside, joins, mixed, nested_scopes, scopes, spawns, yields, breadth_first;
    panics: broadcast, detached, detached_broadcast, detached_with_a_handler, handler_panics, joins, scopes, names,
        install_across, start_handler, start_handler_with_a_panic_handler, exit_handler, first_of_the_scope;
    places: across_pools, broadcasts, from_a_foreign_thread, global_functions, in_place, in_handlers, indices, installs,
        migrated, outside, waits_serve, thread_locals;
    types: auto_traits, debug;
};

fn main() {
    let Some(wanted) = std::env::args().nth(1) else { return run_all() };
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == wanted).expect("the name of a scenario");
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST);
        println!("    waits forever");
        std::process::exit(3);
    });
    (scenario.run)();
}

fn run_all() {
    let program = std::env::current_exe().expect("known");
    for scenario in SCENARIOS {
        let mut child = Command::new(&program);
        child.arg(scenario.name).env_remove("RAYON_NUM_THREADS").env_remove("RAYON_RS_NUM_CPUS");
        let output = child.envs(scenario.environment.iter().copied()).output().expect("starts");
        println!("{}: {}", scenario.name, output.status);
        print!("{}", String::from_utf8_lossy(&output.stdout));
        let complaints = String::from_utf8_lossy(&output.stderr);
        // The rest holds places in sources, and numbers of threads.
        complaints.lines().filter(|line| line.starts_with("Rayon")).for_each(|line| println!("    {line}"));
        // Of the drop-in with `LONGSHORE_STATS=1`: shows that this is not rayon-core.
        complaints
            .lines()
            .filter(|line| line.starts_with("pool rayon, "))
            .for_each(|line| eprintln!("{line}"));
    }
}

/// Prints what a scenario sees.
fn see(what: &str, value: impl Debug) {
    println!("    {what}: {value:?}");
}

/// What happens, in order.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    const fn new() -> Log {
        Log(Mutex::new(Vec::new()))
    }

    fn note(&self, what: impl ToString) {
        self.0.lock().expect("no panic").push(what.to_string());
    }

    /// Takes all notes.
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("no panic")).join(" ")
    }

    /// Takes all notes, whose order is by chance.
    fn take_sorted(&self) -> String {
        let mut notes = std::mem::take(&mut *self.0.lock().expect("no panic"));
        notes.sort();
        notes.join(" ")
    }
}

/// A pool with this many threads, named by their indices.
fn pool(threads: usize) -> rayon_core::ThreadPool {
    let builder = rayon_core::ThreadPoolBuilder::new().num_threads(threads);
    builder.thread_name(|index| format!("thread {index}")).build().expect("starts")
}

/// The name of the calling thread.
fn here() -> String {
    std::thread::current().name().unwrap_or("no name").to_owned()
}

/// The message of the panic of `f`.
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    match result.map(|_| ()) {
        Ok(()) => "no panic".to_owned(),
        Err(payload) => match payload.downcast::<&str>() {
            Ok(text) => text.to_string(),
            Err(payload) => payload.downcast::<String>().map_or("another payload".to_owned(), |text| *text),
        },
    }
}
