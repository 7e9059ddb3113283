//! The limits that the system sets to a process: open files, memory.

/// Descriptors that a program keeps for itself: standard streams, its pipes and pollers, databases, libraries.
pub const RESERVED_DESCRIPTORS: u64 = 32;

/// Raises the limit of open files to what the process may have, and returns it. A low limit is for programs that still use
/// select(2), and ours do not.
pub fn raise_descriptors() -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        // Without a limit: as many as any program needs.
        let wanted = maximum.unwrap_or(MANY);
        match current {
            Some(current) if current < wanted => {
                let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
                if raised.is_ok() { wanted } else { current }
            }
            current => current.unwrap_or(wanted),
        }
    }
    #[cfg(not(unix))]
    MANY
}

/// Stands for no limit of open files.
const MANY: u64 = 1 << 20;

/// How many connections a service can have at a time, at most `wanted`: each takes a descriptor, and some are kept for
/// other things.
///
/// # Errors
/// How many descriptors there are, if they suffice for no connection at all.
pub fn connections(wanted: usize) -> Result<usize, TooFewDescriptors> {
    let descriptors = raise_descriptors();
    let free = descriptors.saturating_sub(RESERVED_DESCRIPTORS).min(wanted as u64);
    if free == 0 { Err(TooFewDescriptors(descriptors)) } else { Ok(free as usize) }
}

/// The system allows so few open files that nothing can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewDescriptors(pub u64);

impl std::fmt::Display for TooFewDescriptors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TooFewDescriptors(descriptors) = self;
        write!(
            f,
            "only {descriptors} open files are allowed, of which {RESERVED_DESCRIPTORS} are kept (ulimit -n)"
        )
    }
}

impl std::error::Error for TooFewDescriptors {}

/// The memory that this process can count on, in bytes: the machine's, or less if a control group or a resource limit says
/// so. `None` where the system does not tell.
pub fn memory() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        [machine_memory(), group_memory(), data_limit()].into_iter().flatten().min()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(target_os = "linux")]
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The smallest limit of the control group and those above it, in either version.
#[cfg(target_os = "linux")]
fn group_memory() -> Option<u64> {
    use std::path::Path;

    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut least = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        for above in Path::new(group.trim_start_matches('/')).ancestors() {
            let limit = std::fs::read_to_string(Path::new(root).join(above).join(file)).ok();
            // "max", and in the first version a number beyond all memory, is no limit.
            let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
            least = [least, limit].into_iter().flatten().min();
        }
    }
    least
}

/// `ulimit -v` and `ulimit -d`.
#[cfg(target_os = "linux")]
fn data_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};

    [Resource::As, Resource::Data].into_iter().filter_map(|resource| getrlimit(resource).current).min()
}

/// Makes the allocator give large blocks back to the system when they are freed. To be called before there are threads, by a program
/// whose memory is bounded by an option.
///
/// By default glibc raises the size from which it does so to that of the largest block ever freed, up to 32 MiB: good for
/// the speed of programs, but then every thread can keep some blocks beyond the bound.
pub fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Blocks of this size and above get pages of their own.
        const OWN_PAGES: libc::c_int = 128 << 10;
        // SAFETY: always sound; it sets a parameter of the allocator, under its lock. The result tells only that it does
        // not know the parameter, and then nothing is lost but memory.
        let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES) };
    }
}

/// The most memory that this process has had so far, in bytes, if the system tells.
pub fn peak_memory() -> Option<u64> {
    // Not `getrusage`, whose figure is at first that of the program that started this one.
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_plausible() {
        assert_eq!(connections(1), Ok(1));
        assert!(raise_descriptors() > RESERVED_DESCRIPTORS);
        assert!(TooFewDescriptors(20).to_string().contains("20"));
        if cfg!(target_os = "linux") {
            let (all, peak) = (memory().expect("it tells"), peak_memory().expect("it tells"));
            assert!(peak > 100_000 && all > peak, "{all} {peak}");
        }
    }
}
