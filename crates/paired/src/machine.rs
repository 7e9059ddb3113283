//! What the machine is, what was built, and when.

use std::{fmt, fs, thread};

use longshore_rivals::process::l2_bytes;
use serde::{Deserialize, Serialize};

use crate::git;

/// What the figures depend on besides the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Bytes of a core's second-level cache.
    #[serde(default)]
    pub l2: usize,
    /// System and version of its kernel.
    pub kernel: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores", self.cpu, self.cores)?;
        if self.l2 > 0 {
            write!(f, " with {} KiB of L2 each", self.l2 >> 10)?;
        }
        write!(f, ", {}", self.kernel)
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// The compiler.
    pub rustc: String,
    /// Cargo's profile.
    pub profile: String,
    /// Names and versions of the competitors.
    pub versions: String,
    /// The commit of the checkout that this was built from.
    pub commit: String,
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, profile {}; {}", self.rustc, self.profile, self.versions)
    }
}

/// Describes the machine.
pub fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    Machine {
        cpu: model.unwrap_or("unknown").trim().to_owned(),
        cores: thread::available_parallelism().map_or(1, usize::from),
        l2: l2_bytes(),
        kernel: format!("{} {}", std::env::consts::OS, read("/proc/sys/kernel/osrelease").trim()),
    }
}

/// Describes the build.
pub fn build() -> Build {
    Build {
        rustc: env!("PAIRED_RUSTC").to_owned(),
        profile: env!("PAIRED_PROFILE").to_owned(),
        versions: env!("PAIRED_VERSIONS").to_owned(),
        commit: env!("PAIRED_COMMIT").to_owned(),
    }
}

/// What speaks against publishing figures of this program: that it is not what a commit holds, and that the
/// checkout of now is not.
pub fn uncommitted() -> Vec<String> {
    let mut objections = Vec::new();
    if env!("PAIRED_COMMIT") == "unknown" {
        objections.push("it is not known from which commit this program was built".to_owned());
    }
    let built = env!("PAIRED_CHANGES");
    if !built.is_empty() {
        objections.push(format!("this program was built with uncommitted changes: {built}"));
    }
    match git::changes() {
        Ok(changes) if changes.is_empty() => {}
        Ok(changes) => {
            objections.push(format!("the work tree has uncommitted changes: {}", changes.join(", ")))
        }
        Err(error) => {
            objections.push(format!("it is not known whether the work tree has changes: {error:#}"))
        }
    }
    objections
}

/// Today's date and the time, in UTC.
pub fn date() -> String {
    #[allow(clippy::disallowed_types, reason = "the date of a run is what the system's clock says")]
    let now =
        std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (now.as_secs() / 86_400, now.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60)
}

/// Year, month and day of a day since 1 January 1970 (Howard Hinnant's `civil_from_days`, for days since
/// then).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }
}
