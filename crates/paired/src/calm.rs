//! Whether other programs disturb a measurement: processor time of the whole machine beside that of this
//! program and its children, before a measurement and during it.
//!
//! Before: the share of all processors that is busy while this program sleeps, and the load average. During:
//! the share that other programs used, because a measurement loads the machine by itself and its load average
//! says nothing about others. Processor time that a hypervisor withholds (`steal`) counts as used by others,
//! except in rows that cause it by waking idle processors.
//! What cannot be seen from here are neighbours on the host that slow caches, memory or the clock.

use std::time::{Duration, Instant};
use std::{fmt, fs, thread};

use anyhow::{Result, bail, ensure};
use longshore_rivals::process::cpu_time_with_children;
use longshore_rivals::rows::Row;
use serde::{Deserialize, Serialize};

/// The largest share of all processors that may be busy before a measurement.
pub const BUSY: f64 = 0.05;

/// The largest share of all processors that others may use during a measurement.
pub const FOREIGN: f64 = 0.05;

/// The largest load average of the last minute for each core when a run begins. Later the load is the run's
/// own.
pub const LOAD_PER_CORE: f64 = 0.5;

/// Processor time of others that is forgiven: the system counts in steps of 10 ms, in several columns.
const STEPS: f64 = 0.06;

/// How long a look before a measurement takes.
const LOOK: Duration = Duration::from_millis(300);

/// The time between two looks while the machine is not calm.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a disturbed measurement is taken anew before the run gives up.
const RETAKES: usize = 8;

/// Of the machine, what a guard asks for.
pub trait Sensor {
    /// The busy share of all processors over a short look, if the system tells.
    fn busy(&mut self) -> Option<f64>;

    /// Load average of the last minute.
    fn load(&mut self) -> f64;

    /// A measurement begins.
    fn begin(&mut self);

    /// What others have used since the measurement began, if the system tells.
    fn foreign(&mut self, steal: Steal) -> Option<Foreign>;

    /// Lets time pass.
    fn pause(&mut self, time: Duration);
}

/// What processor time that a hypervisor withholds says about a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steal {
    /// Others used it.
    OfOthers,
    /// The measurement caused it: it wakes idle processors, and a hypervisor books the time until each runs.
    Own,
}

impl Steal {
    /// What it says about a measurement of this row.
    pub fn in_row(row: &Row) -> Self {
        if row.wakes_processors { Self::Own } else { Self::OfOthers }
    }
}

/// What others used of the processors during a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    /// Seconds of processor time.
    pub used: f64,
    /// Seconds of processor time that there were, on all cores.
    pub of: f64,
}

impl Foreign {
    /// The share of all processors.
    pub fn share(self) -> f64 {
        if self.of > 0.0 { self.used / self.of } else { 0.0 }
    }

    /// The share is above the limit by more than the system's clock can be wrong.
    fn is_disturbance(self) -> bool {
        self.used > FOREIGN * self.of + STEPS
    }
}

/// What a guard saw, for the record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Load average of the last minute when the run began, and when each of its continuations did; the
    /// largest.
    pub load_before: f64,
    /// The largest busy share of all processors right before a measurement that counts.
    pub busy_before: f64,
    /// The largest share of all processors that others used during a measurement that counts.
    pub foreign: f64,
    /// Measurements that were disturbed and therefore taken anew.
    pub retaken: usize,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "load {:.2} when it began; at most {} busy before a row, at most {} used by others during one; {} \
             disturbed rounds of a row taken anew",
            self.load_before,
            percent(self.busy_before),
            percent(self.foreign),
            self.retaken
        )
    }
}

/// What a guard does on a machine that is not calm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforce {
    /// It waits, at most so long at a time, and has disturbed measurements taken anew.
    Calm {
        /// The longest wait.
        patience: Duration,
    },
    /// Nothing; it only notes what it sees.
    Nothing,
}

/// Keeps disturbed measurements out of a run.
#[derive(Debug)]
pub struct Guard<S> {
    sensor: S,
    enforce: Enforce,
    cores: usize,
    seen: Seen,
}

impl<S: Sensor> Guard<S> {
    /// A guard for a machine of so many cores; `seen` is what one saw in an earlier part of the same run.
    pub fn new(sensor: S, enforce: Enforce, cores: usize, seen: Seen) -> Self {
        Self { sensor, enforce, cores, seen }
    }

    /// What was seen so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Waits until a run may begin: no other work, and a load that has gone.
    ///
    /// # Errors
    ///
    /// If the machine is not calm within the patience, or does not tell.
    pub fn begin(&mut self) -> Result<()> {
        let limit = LOAD_PER_CORE * self.cores as f64;
        self.wait(limit)?;
        self.seen.load_before = self.seen.load_before.max(self.sensor.load());
        Ok(())
    }

    /// Makes a measurement on a calm machine; anew if it was disturbed.
    ///
    /// # Errors
    ///
    /// Those of the measurement; that the machine does not become or stay calm.
    pub fn undisturbed<T>(&mut self, steal: Steal, mut measure: impl FnMut() -> Result<T>) -> Result<T> {
        let mut last = 0.0;
        for _ in 0..=RETAKES {
            let busy = self.wait(f64::INFINITY)?;
            self.sensor.begin();
            let value = measure()?;
            let foreign = self.sensor.foreign(steal);
            let is_disturbed = foreign.is_some_and(Foreign::is_disturbance);
            last = foreign.map_or(0.0, Foreign::share);
            if self.enforce == Enforce::Nothing || !is_disturbed {
                self.seen.busy_before = self.seen.busy_before.max(busy);
                self.seen.foreign = self.seen.foreign.max(last);
                return Ok(value);
            }
            self.seen.retaken += 1;
            eprintln!(" disturbed: others used {} (limit {}), once more", percent(last), percent(FOREIGN));
        }
        bail!(
            "disturbed {} times in a row, at last by others that used {} of the processors (limit {})",
            RETAKES + 1,
            percent(last),
            percent(FOREIGN)
        )
    }

    /// Waits until little enough is busy and the load is at most this; returns the busy share.
    fn wait(&mut self, most_load: f64) -> Result<f64> {
        let Enforce::Calm { patience } = self.enforce else { return Ok(self.sensor.busy().unwrap_or(0.0)) };
        let mut waited = Duration::ZERO;
        loop {
            let Some(busy) = self.sensor.busy() else {
                bail!(
                    "this system does not tell how busy its processors are (/proc/stat), so that nothing shows \
                       whether the figures were disturbed"
                );
            };
            let load = self.sensor.load();
            if busy <= BUSY && load <= most_load {
                return Ok(busy);
            }
            let load = if most_load.is_finite() {
                format!(", the load is {load:.2} (limit {most_load:.2})")
            } else {
                String::new()
            };
            let state =
                format!("{} of the processors are busy (limit {}){load}", percent(busy), percent(BUSY));
            ensure!(waited < patience, "the machine is not calm: {state}; waited {} s", waited.as_secs());
            if waited.is_zero() {
                eprintln!("waiting for a calm machine, at most {} s: {state}", patience.as_secs());
            }
            self.sensor.pause(PAUSE);
            waited += PAUSE + LOOK;
        }
    }
}

/// A share in words.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// This machine, as the files of `/proc` describe it.
#[derive(Debug, Default)]
pub struct Proc {
    begun: Option<(Ticks, Duration)>,
}

impl Sensor for Proc {
    fn busy(&mut self) -> Option<f64> {
        let start = Ticks::now()?;
        self.pause(LOOK);
        let end = Ticks::now()?;
        let all = end.all.saturating_sub(start.all);
        (all > 0).then(|| end.busy.saturating_sub(start.busy) as f64 / all as f64)
    }

    fn load(&mut self) -> f64 {
        load()
    }

    fn begin(&mut self) {
        self.begun = Ticks::now().zip(cpu_time_with_children().ok());
    }

    fn foreign(&mut self, steal: Steal) -> Option<Foreign> {
        let ((ticks, own), now) = (self.begun?, Ticks::now()?);
        let own = cpu_time_with_children().ok()?.saturating_sub(own).as_secs_f64();
        let seconds = |end: u64, start: u64| end.saturating_sub(start) as f64 / Ticks::A_SECOND;
        let mut busy = seconds(now.busy, ticks.busy);
        if steal == Steal::Own {
            busy -= seconds(now.stolen, ticks.stolen);
        }
        Some(Foreign { used: (busy - own).max(0.0), of: seconds(now.all, ticks.all) })
    }

    fn pause(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(rest) = end.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            #[allow(
                clippy::disallowed_methods,
                reason = "what passes on the machine in a given time is the subject"
            )]
            thread::sleep(rest);
        }
    }
}

/// Load average of the last minute; 0 where the system does not tell.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Processor time of all cores since the system started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    /// The part of `busy` that a hypervisor withheld.
    stolen: u64,
    all: u64,
}

impl Ticks {
    /// Ticks of `/proc/stat` in a second: `USER_HZ`, which is 100 on every architecture that Rust's standard
    /// library supports.
    const A_SECOND: f64 = 100.0;

    fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// From the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; the time
    /// of guests that follows is a part of the first two (proc_stat(5)).
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let columns: Option<Vec<u64>> =
            line.split_whitespace().take(8).map(|column| column.parse().ok()).collect();
        let columns = columns.filter(|columns| columns.len() >= 5)?;
        let all = columns.iter().sum();
        let stolen = columns.get(7).copied().unwrap_or(0);
        Some(Self { busy: all - columns[3] - columns[4], stolen, all })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A machine whose state is written down: busy shares by look and processor time of others by
    /// measurement, both backwards, and the load, which decays while time passes.
    #[derive(Debug, Default)]
    pub struct Script {
        pub busy: Vec<f64>,
        pub load: f64,
        pub foreign: Vec<f64>,
        pub paused: Duration,
    }

    impl Sensor for Script {
        fn busy(&mut self) -> Option<f64> {
            self.busy.pop()
        }

        fn load(&mut self) -> f64 {
            self.load / (1.0 + self.paused.as_secs_f64())
        }

        fn begin(&mut self) {}

        fn foreign(&mut self, _: Steal) -> Option<Foreign> {
            self.foreign.pop().map(|used| Foreign { used, of: 10.0 })
        }

        fn pause(&mut self, time: Duration) {
            self.paused += time;
        }
    }

    pub const PATIENT: Enforce = Enforce::Calm { patience: Duration::from_secs(60) };

    fn guard(enforce: Enforce, busy: &[f64], load: f64, foreign: &[f64]) -> Guard<Script> {
        let reversed = |values: &[f64]| values.iter().rev().copied().collect();
        let script =
            Script { busy: reversed(busy), load, foreign: reversed(foreign), paused: Duration::ZERO };
        Guard::new(script, enforce, 2, Seen::default())
    }

    #[test]
    fn a_run_begins_when_the_machine_is_calm() {
        let mut guard = guard(PATIENT, &[0.9, 0.5, 0.01, 0.01], 6.0, &[]);
        guard.begin().expect("calm in the end");
        // Two pauses because of the busy cores, a third because of the load: 6 / (1 + 6 s) is the first below
        // 1.
        assert_eq!(guard.sensor.paused, PAUSE * 3);
        assert!(guard.seen().load_before <= 1.0);
    }

    #[test]
    fn a_machine_that_stays_loaded_is_refused_with_values_and_limits() {
        let error = guard(PATIENT, &[0.4; 100], 0.2, &[]).begin().expect_err("never calm").to_string();
        for part in ["40.0 %", "limit 5.0 %", "0.0", "limit 1.00", "waited 6"] {
            assert!(error.contains(part), "{part} in {error}");
        }
        let error = guard(PATIENT, &[0.0; 100], 1e9, &[]).begin().expect_err("a load").to_string();
        assert!(error.contains("load is"), "{error}");
    }

    #[test]
    fn a_disturbed_measurement_is_taken_anew() {
        let mut guard = guard(PATIENT, &[0.0, 0.2, 0.04, 0.0], 0.0, &[3.0, 0.2]);
        let mut taken = 0;
        let value = guard.undisturbed(Steal::OfOthers, || {
            taken += 1;
            Ok(taken)
        });
        assert_eq!(value.expect("calm the second time"), 2);
        let seen = Seen { load_before: 0.0, busy_before: 0.04, foreign: 0.02, retaken: 1 };
        assert_eq!(*guard.seen(), seen);
    }

    #[test]
    fn disturbances_without_end_end_the_run() {
        let mut guard = guard(PATIENT, &[0.0; 100], 0.0, &[5.0; 100]);
        let error = guard.undisturbed(Steal::OfOthers, || Ok(())).expect_err("disturbed").to_string();
        assert!(
            error.contains("9 times") && error.contains("50.0 %") && error.contains("limit 5.0 %"),
            "{error}"
        );
    }

    #[test]
    fn without_enforcement_what_was_seen_is_noted() {
        let mut guard = guard(Enforce::Nothing, &[0.9, 0.8], 7.0, &[5.0]);
        guard.begin().expect("whatever the load");
        guard.undisturbed(Steal::OfOthers, || Ok(())).expect("whatever others do");
        let seen = Seen { load_before: 7.0, busy_before: 0.8, foreign: 0.5, retaken: 0 };
        assert_eq!(*guard.seen(), seen);
    }

    #[test]
    fn a_system_that_does_not_tell_is_refused() {
        let error = guard(PATIENT, &[], 0.0, &[]).begin().expect_err("nothing known").to_string();
        assert!(error.contains("/proc/stat"), "{error}");
    }

    #[test]
    fn the_line_of_all_processors_is_read() {
        let stat = "cpu  90 1 10 600 60 2 14 9 5 0\ncpu0 43748 0 4560 33665 93 0 13 42 0 0\n";
        assert_eq!(Ticks::parse(stat), Some(Ticks { busy: 126, stolen: 9, all: 786 }));
        assert_eq!(Ticks::parse("cpu 1 2 3"), None);
        assert_eq!(Ticks::parse("intr 1"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn work_of_this_program_is_not_that_of_others() {
        let used = || cpu_time_with_children().expect("known on Linux");
        let mut sensor = Proc::default();
        sensor.begin();
        let enough = used() + Duration::from_millis(300);
        while used() < enough {
            std::hint::spin_loop();
        }
        let foreign = sensor.foreign(Steal::OfOthers).expect("known on Linux");
        // Whatever others do meanwhile, the time of this thread is taken off.
        assert!(foreign.of >= 0.29 && foreign.used <= foreign.of - 0.25, "{foreign:?}");
    }
}
