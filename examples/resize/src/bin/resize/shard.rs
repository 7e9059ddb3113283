//! One part of a batch: several machines share the work without a broker, each by a number of its own.
//!
//! The part of a file follows from its path alone, without the extension, so that two sources of one output
//! are in one part. Every machine must name the same inputs.

use std::env;
use std::path::Path;

/// Part `number` of `of`, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// Parses `--shard`: `2/8`, `auto` or `auto/8`.
    pub fn parse(text: &str) -> Result<Shard, String> {
        Shard::of(text, |name| env::var(name).ok())
    }

    fn of(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
        let wrong = || format!("'{text}' is no part such as 2/8, auto or auto/8");
        let number = |text: &str| text.parse::<u64>().ok();
        let (part, of) = match text.split_once('/') {
            Some((part, of)) => (part, Some(number(of).filter(|of| *of > 0).ok_or_else(wrong)?)),
            None => (text, None),
        };
        if part != "auto" {
            let (part, of) = (number(part).ok_or_else(wrong)?, of.ok_or_else(wrong)?);
            return match (1..=of).contains(&part) {
                true => Ok(Shard { number: part - 1, of }),
                false => Err(format!("'{text}': the first part is 1/{of}, the last {of}/{of}")),
            };
        }
        let given = |name: &str| variable(name).as_deref().and_then(number);
        if let Some(task) = given("SLURM_ARRAY_TASK_ID") {
            let first = given("SLURM_ARRAY_TASK_MIN").unwrap_or(0);
            let of = of.or(given("SLURM_ARRAY_TASK_COUNT")).ok_or("SLURM_ARRAY_TASK_COUNT is not set")?;
            return Shard::checked(task.wrapping_sub(first), of, "SLURM_ARRAY_TASK_ID");
        }
        if let Some(index) = given("JOB_COMPLETION_INDEX") {
            let of = of.ok_or("JOB_COMPLETION_INDEX does not say of how many: auto/N does")?;
            return Shard::checked(index, of, "JOB_COMPLETION_INDEX");
        }
        Err("neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set".into())
    }

    fn checked(number: u64, of: u64, name: &str) -> Result<Shard, String> {
        match number < of {
            true => Ok(Shard { number, of }),
            false => Err(format!("{name} says part {number} (from 0) of {of}")),
        }
    }

    /// Whether a file is in this part.
    pub fn has(&self, relative: &Path) -> bool {
        // FNV-1a: the same on every machine.
        let stem = relative.with_extension("");
        let bytes = stem.as_os_str().as_encoded_bytes();
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
        // Its lowest bits are those of the last bytes alone.
        (hash ^ (hash >> 32)) % self.of == self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_from_the_option_and_from_schedulers() {
        let none = |_: &str| None;
        assert_eq!(Shard::of("1/1", none), Ok(Shard { number: 0, of: 1 }));
        assert_eq!(Shard::of("8/8", none), Ok(Shard { number: 7, of: 8 }));
        for text in ["", "0/8", "9/8", "1/0", "1", "a/b", "1/2/3", "-1/2", "auto", "auto/0", "auto/8"] {
            assert!(Shard::of(text, none).is_err(), "'{text}'");
        }
        let slurm = |name: &str| match name {
            "SLURM_ARRAY_TASK_ID" => Some("12".to_owned()),
            "SLURM_ARRAY_TASK_MIN" => Some("10".to_owned()),
            "SLURM_ARRAY_TASK_COUNT" => Some("4".to_owned()),
            _ => None,
        };
        assert_eq!(Shard::of("auto", slurm), Ok(Shard { number: 2, of: 4 }));
        let kubernetes = |name: &str| (name == "JOB_COMPLETION_INDEX").then(|| "3".to_owned());
        assert_eq!(Shard::of("auto/4", kubernetes), Ok(Shard { number: 3, of: 4 }));
        assert!(Shard::of("auto", kubernetes).is_err() && Shard::of("auto/3", kubernetes).is_err());
    }

    #[test]
    fn each_file_is_in_one_part_and_sources_of_one_output_in_the_same() {
        let shards = [1, 2, 3, 4].map(|part| Shard::of(&format!("{part}/4"), |_| None).expect("a part"));
        let mut sizes = [0; 4];
        for number in 0..4_000 {
            let name = format!("directory/IMG_{number:04}.jpg");
            let parts: Vec<_> = (0..4).filter(|part| shards[*part].has(Path::new(&name))).collect();
            assert_eq!(parts.len(), 1, "{name}");
            sizes[parts[0]] += 1;
            assert!(shards[parts[0]].has(Path::new(&name.replace("jpg", "png"))));
        }
        assert!(sizes.iter().all(|size| (850..1_150).contains(size)), "{sizes:?}");
    }
}
