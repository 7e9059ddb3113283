//! What a walk has found, in an order that does not depend on the walk.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use longshore_cli::name;
use longshore_cli::tree::Identity;
use serde::Serialize;

/// A file or directory that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    #[serde(serialize_with = "name::serialize")]
    pub path: PathBuf,
    pub error: String,
}

/// Files of the same content.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub size: u64,
    /// How many files there are, whatever the number of their names.
    pub inodes: usize,
    /// Bytes of data in all files but the one that has most, at most what 64 bits hold.
    pub wasted: u64,
    /// All names, sorted.
    #[serde(serialize_with = "name::serialize_all")]
    pub files: Vec<PathBuf>,
}

/// A name of a file that was read.
#[derive(Debug)]
pub struct Member {
    pub path: PathBuf,
    pub identity: Option<Identity>,
    /// Bytes that are no holes.
    pub data: u64,
}

/// All that was found; equal for equal trees.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    pub directories: u64,
    /// Names of regular files.
    pub files: u64,
    /// Those that are further names of files that were counted before.
    pub links: u64,
    pub empty: u64,
    /// Files that the kernel makes up.
    pub pseudo: u64,
    /// Symbolic links, devices and the like.
    pub others: u64,
    /// The sizes of all names together, at most what 64 bits hold.
    pub bytes: u64,
    /// Those of further names.
    pub linked_bytes: u64,
    pub hashed: u64,
    /// Those that waste the most first.
    pub groups: Vec<Group>,
    /// Sorted by path.
    pub problems: Vec<Problem>,
    pub more_problems: u64,
    /// Before the end of the tree: the figures are of a part.
    pub stopped: bool,
}

impl Found {
    /// Bytes that all groups waste.
    pub fn wasted(&self) -> u64 {
        self.groups.iter().fold(0, |sum, group| sum.saturating_add(group.wasted))
    }

    /// Whether two walkers have seen the same. They may word their problems differently, so only their places count.
    pub fn agrees_with(&self, other: &Found) -> bool {
        let places = |found: &Found| {
            found.problems.iter().fold(BTreeMap::new(), |mut places, problem| {
                *places.entry(problem.path.clone()).or_insert(0) += 1;
                places
            })
        };
        let counts = |found: &Found| {
            let sums = (found.bytes, found.linked_bytes, found.more_problems);
            (found.directories, found.files, found.links, found.empty, found.pseudo, found.others, sums)
        };
        counts(self) == counts(other) && self.groups == other.groups && places(self) == places(other)
    }
}

/// Groups of two files or more, from names of the same size and content each; `links` has the further names of files.
pub fn groups<K>(
    contents: HashMap<(u64, K), Vec<Member>>,
    mut links: HashMap<Identity, Vec<PathBuf>>,
) -> Vec<Group> {
    let mut groups = Vec::new();
    for ((size, _), members) in contents {
        let mut inodes = BTreeMap::new();
        let mut files = Vec::with_capacity(members.len());
        for (number, Member { path, identity, data }) in members.into_iter().enumerate() {
            // The same file may have been met twice without a second name, below a directory that is mounted twice.
            let key = identity.ok_or(number);
            inodes.insert(key, data);
            files.push(path);
            files.extend(identity.and_then(|identity| links.remove(&identity)).into_iter().flatten());
        }
        if inodes.len() > 1 {
            let all: u128 = inodes.values().map(|data| u128::from(*data)).sum();
            let most = inodes.values().max().copied().unwrap_or(0);
            let wasted = u64::try_from(all - u128::from(most)).unwrap_or(u64::MAX);
            files.sort();
            groups.push(Group { size, inodes: inodes.len(), wasted, files });
        }
    }
    groups.sort_by(|a, b| b.wasted.cmp(&a.wasted).then_with(|| a.files.cmp(&b.files)));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str, inode: u64, data: u64) -> Member {
        Member { path: path.into(), identity: Some(Identity { device: 1, inode }), data }
    }

    #[test]
    fn one_file_is_one_inode() {
        let contents = HashMap::from([
            ((9, 'a'), vec![member("a", 1, 9), member("b", 2, 4)]),
            ((9, 'b'), vec![member("c", 3, 9)]),
            ((9, 'c'), vec![member("d", 4, 9), member("mounted/d", 4, 9)]),
            ((u64::MAX, 'd'), (5..8).map(|inode| member(&inode.to_string(), inode, u64::MAX)).collect()),
        ]);
        let link = |inode| (Identity { device: 1, inode }, vec![PathBuf::from(format!("link-{inode}"))]);
        let groups = groups(contents, HashMap::from([link(1), link(3)]));
        let [huge, small] = &groups[..] else { panic!("{groups:?}") };
        assert_eq!((huge.inodes, huge.wasted, huge.files.len()), (3, u64::MAX, 3));
        assert_eq!((small.inodes, small.wasted), (2, 4));
        assert_eq!(small.files, ["a", "b", "link-1"].map(PathBuf::from));
    }
}
