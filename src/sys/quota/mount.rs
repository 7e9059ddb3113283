//! Where the cgroups of this process are mounted: the formats of `/proc/self/cgroup` and
//! `/proc/self/mountinfo`.
//!
//! Pure functions and plain values, used by `sys/quota/mod.rs` only. Guarded by the unit tests here.

use std::path::{Path, PathBuf};

/// The version of the cgroup interface of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per controller, or for a few of them; here always the hierarchy of "cpu".
    V1,
    /// The unified hierarchy.
    V2,
}

/// Parses a line of `/proc/self/cgroup` ("4:cpu,cpuacct:/a/b" or "0::/a/b"), if its group can have a CPU
/// quota: the version and the path of the group.
pub fn parse_membership(line: &str) -> Option<(Version, &str)> {
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    if !group.starts_with('/') {
        None
    } else if hierarchy == "0" && controllers.is_empty() {
        Some((Version::V2, group))
    } else {
        has_cpu(controllers).then_some((Version::V1, group))
    }
}

fn has_cpu(list: &str) -> bool {
    list.split(',').any(|entry| entry == "cpu")
}

/// A mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The interface of its directories.
    pub version: Version,
    /// The group that is visible at `point`: "/" for a whole hierarchy; in a container often its own group.
    group: String,
    point: String,
}

impl Mount {
    /// Parses a line of `/proc/self/mountinfo`, if it mounts version 2 or the "cpu" controller of version 1:
    /// `36 35 98:0 /group /point rw,noatime master:1 - cgroup source rw,cpu,cpuacct`.
    pub fn parse(line: &str) -> Option<Self> {
        // The fields before the separator vary in number.
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let mut kind = kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)) {
            ("cgroup2", _) => Version::V2,
            ("cgroup", Some(options)) if has_cpu(options) => Version::V1,
            _ => return None,
        };
        Some(Self { version, group: unescape(place.next()?), point: unescape(place.next()?) })
    }

    /// The directories of `group` and of its ancestors, as far as this mount shows them; none if it shows
    /// another part of the hierarchy.
    pub fn directories(&self, root: &Path, group: &str) -> Vec<PathBuf> {
        let mut below = components(group);
        if !components(&self.group).all(|component| below.next() == Some(component)) {
            return Vec::new();
        }
        let mut directory = root.join(self.point.trim_start_matches('/'));
        let mut directories = vec![directory.clone()];
        for component in below {
            // A group outside of the root of the cgroup namespace is shown as "/../other". That path would
            // leave the mount and lead to unrelated files.
            if component == ".." {
                return Vec::new();
            }
            directory.push(component);
            directories.push(directory.clone());
        }
        directories
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|component| !component.is_empty())
}

/// Decodes a path of mountinfo, in which blanks, newlines and backslashes are written as three octal digits
/// ("\040").
fn unescape(field: &str) -> String {
    let mut plain = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                plain.push(char::from(code));
                rest = &after[3..];
            }
            None => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_that_can_carry_a_quota() {
        assert_eq!(parse_membership("0::/a/b"), Some((Version::V2, "/a/b")));
        assert_eq!(parse_membership("0::/a:b"), Some((Version::V2, "/a:b")));
        assert_eq!(parse_membership("4:cpu,cpuacct:/"), Some((Version::V1, "/")));
        for line in ["4:cpuacct:/", "3:cpuset:/a", "1:name=cpu:/", "7::/", "0::", "0::a", "4:cpu", ""] {
            assert_eq!(parse_membership(line), None, "{line:?}");
        }
    }

    #[test]
    fn mounts_of_both_versions() {
        let mount = |version, group: &str, point: &str| {
            Some(Mount { version, group: group.to_owned(), point: point.to_owned() })
        };
        let parse = Mount::parse;
        assert_eq!(parse("3 2 0:2 / /c rw - cgroup2 x rw"), mount(Version::V2, "/", "/c"));
        assert_eq!(parse("3 2 0:2 /g /c rw a:1 b:2 - cgroup x rw,cpu"), mount(Version::V1, "/g", "/c"));
        assert_eq!(parse("3 2 0:2 / /c rw - cgroup x rw,cpuset"), None);
        assert_eq!(parse("3 2 0:2 / /c rw - tmpfs cgroup2 rw"), None);
        assert_eq!(parse("3 2 0:2 / /c rw cgroup2 x rw"), None);
    }

    #[test]
    fn directories_go_from_the_mount_to_the_group() {
        let mount = Mount::parse("3 2 0:2 /g /c rw - cgroup2 x rw").expect("a mount");
        let expected = ["/c", "/c/a", "/c/a/b"].map(PathBuf::from);
        assert_eq!(mount.directories(Path::new("/"), "/g/a/b"), expected);
        assert_eq!(mount.directories(Path::new("/"), "/g"), expected[..1]);
        for elsewhere in ["/", "/gg", "/h/g", "/g/../h", "/../g"] {
            assert!(mount.directories(Path::new("/"), elsewhere).is_empty(), "{elsewhere}");
        }
    }

    #[test]
    fn escapes_are_octal() {
        assert_eq!(unescape(r"a\040b\011\134c\"), "a b\t\\c\\");
        assert_eq!(unescape(r"\04"), r"\04");
        assert_eq!(unescape(r"\04ü\777\x"), r"\04ü\777\x");
    }
}
