//! What ran under callgrind: how many instructions, and how many of them were atomic.
//!
//! Callgrind is asked for the count of each single instruction; which of them are atomic is read from the
//! disassembly of the files that they are in.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// What one run executed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Instructions on all threads.
    pub instructions: u64,
    /// Atomic read-modify-writes and full fences among them.
    pub atomics: u64,
}

/// Runs programs under callgrind.
#[derive(Debug, Default)]
pub struct Callgrind {
    /// The addresses of the atomic instructions of each file that was looked at.
    atomics: HashMap<String, HashSet<u64>>,
}

impl Callgrind {
    /// Checks that the tools are there.
    pub fn new() -> Result<Self> {
        for tool in ["valgrind", "objdump"] {
            let found = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
            ensure!(found.is_ok_and(|status| status.success()), "{tool} is not installed");
        }
        Ok(Self::default())
    }

    /// Runs the command; returns what it wrote to standard output and what it executed.
    pub fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<(String, Counts)> {
        let out = std::env::temp_dir().join(format!("longshore-callgrind.{}", std::process::id()));
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--dump-instr=yes", "--fair-sched=yes", "--quiet"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("cannot start valgrind")?;
        if !output.status.success() {
            bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = fs::read_to_string(&out).context("callgrind has left no profile")?;
        // Only tidiness.
        drop(fs::remove_file(&out));
        let mut counts = Counts::default();
        for ((file, address), times) in instructions(&text)? {
            counts.instructions += times;
            if self.is_atomic(&file, address)? {
                counts.atomics += times;
            }
        }
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), counts))
    }

    fn is_atomic(&mut self, file: &str, address: u64) -> Result<bool> {
        if !self.atomics.contains_key(file) {
            let found = if Path::new(file).is_file() { disassemble(file)? } else { HashSet::new() };
            self.atomics.insert(file.to_owned(), found);
        }
        Ok(self.atomics[file].contains(&address))
    }
}

/// The addresses of the atomic instructions of a file.
fn disassemble(file: &str) -> Result<HashSet<u64>> {
    let output = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn", file])
        .output()
        .context("cannot start objdump")?;
    ensure!(output.status.success(), "objdump cannot read {file}");
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(atomic).collect())
}

/// The address, if this line of a disassembly is an atomic read-modify-write or a full fence.
fn atomic(line: &str) -> Option<u64> {
    let (address, instruction) = line.split_once(":\t")?;
    let instruction = instruction.trim_start();
    let is_atomic = instruction.starts_with("lock ")
        || instruction.starts_with("mfence")
        // An exchange with memory locks by itself.
        || (instruction.starts_with("xchg ") && instruction.contains('('));
    is_atomic.then(|| u64::from_str_radix(address.trim(), 16).ok()).flatten()
}

/// How often each instruction ran, by file and address.
fn instructions(profile: &str) -> Result<HashMap<(String, u64), u64>> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut file = "";
    let mut address = 0;
    let mut is_call = false;
    let mut times = HashMap::new();
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("ob=").or_else(|| line.strip_prefix("cob=")) {
            // "(number) name" the first time, later "(number)".
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            if line.starts_with("ob=") {
                file = names.get(number).copied().unwrap_or("");
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            // Address, line, count; an address may be relative to the one before.
            let mut fields = line.split(' ');
            let position = fields.next().unwrap_or_default();
            address = moved(address, position).with_context(|| format!("a profile with {line:?}"))?;
            // What comes after a call is what the callee executed, which has lines of its own.
            if !std::mem::take(&mut is_call) {
                let count = fields.nth(1).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
                *times.entry((file.to_owned(), address)).or_insert(0) += count;
            }
        }
    }
    Ok(times)
}

fn moved(address: u64, position: &str) -> Option<u64> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    match position.as_bytes().first()? {
        b'*' => Some(address),
        b'+' => address.checked_add(number(&position[1..])?),
        b'-' => address.checked_sub(number(&position[1..])?),
        _ => number(position),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read() {
        let profile = "positions: instr line\nevents: Ir\nsummary: 12\n\nob=(1) /a\nfn=(1) f\n0x10 0 3\n+4 0 2\n\
                       cob=(2) /b\ncfn=(2) g\ncalls=1 0x99 0\n* 0 7\n\nob=(2)\nfn=(2)\n0x99 0 7\n";
        let times = instructions(profile).expect("a profile");
        let get = |file: &str, address| times.get(&(file.to_owned(), address)).copied();
        assert_eq!([get("/a", 0x10), get("/a", 0x14), get("/b", 0x99)], [Some(3), Some(2), Some(7)]);
        assert_eq!(times.len(), 3);
    }

    #[test]
    fn atomic_instructions_are_known() {
        assert_eq!(atomic("  4a10:\tlock cmpxchg %rcx,(%rdi)"), Some(0x4a10));
        assert_eq!(atomic("  4a14:\txchg   %rax,0x8(%rdi)"), Some(0x4a14));
        assert_eq!(atomic("  4a18:\txchg   %ax,%ax"), None);
        assert_eq!(atomic("  4a20:\tmov    %rax,(%rdi)"), None);
        assert_eq!(atomic("0000000000004a20 <lock >:"), None);
    }
}
