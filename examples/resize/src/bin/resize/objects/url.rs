//! The names of objects: `s3://BUCKET/KEY`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use object_store::path::Path as Key;

/// What the names of objects begin with.
const SCHEME: &str = "s3://";

/// An object, or what the keys of many objects begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    pub bucket: String,
    pub key: Key,
}

impl FromStr for Url {
    type Err = String;

    /// A slash at the end says nothing: `s3://a/b/` is `s3://a/b`.
    fn from_str(text: &str) -> Result<Url, String> {
        let wrong = |what: &str| format!("'{text}' is no name of an object such as s3://bucket/key: {what}");
        let name = text.strip_prefix(SCHEME).ok_or_else(|| wrong("it begins otherwise"))?;
        let (bucket, key) = name.split_once('/').unwrap_or((name, ""));
        if bucket.is_empty() {
            return Err(wrong("it has no bucket"));
        }
        // Neither `..` nor an empty part, which some stores would take for something else.
        let key = Key::parse(key).map_err(|error| wrong(&error.to_string()))?;
        Ok(Url { bucket: bucket.into(), key })
    }
}

impl Url {
    /// The object that a path names.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn of(path: &Path) -> Result<Url, String> {
        path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))?.parse()
    }

    /// The key without that of `root`, if it is beneath it.
    pub fn beneath<'a>(&'a self, root: &Url) -> Option<&'a str> {
        let root_key = root.key.as_ref();
        let rest = self.key.as_ref().strip_prefix(root_key).filter(|_| self.bucket == root.bucket)?;
        let rest = if root_key.is_empty() { rest } else { rest.strip_prefix('/')? };
        (!rest.is_empty()).then_some(rest)
    }

    /// The object of another key in the same bucket.
    pub fn with_key(&self, key: Key) -> Url {
        Url { bucket: self.bucket.clone(), key }
    }

    /// The name as a path, which is how messages have it.
    pub fn path(&self) -> PathBuf {
        self.to_string().into()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a name")
    }

    #[test]
    fn names_have_a_bucket_and_a_key_that_leads_nowhere_else() {
        assert_eq!(url("s3://a/b/c.jpg").to_string(), "s3://a/b/c.jpg");
        assert_eq!(url("s3://a/b/"), url("s3://a/b"));
        assert_eq!(url("s3://a"), url("s3://a/"));
        for wrong in ["s3:///b", "s3://", "http://a/b", "s3://a/../b", "s3://a/b//c", "s3://a/./b"] {
            let error = wrong.parse::<Url>().expect_err(wrong);
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn only_what_is_below_a_root_is_beneath_it() {
        let beneath = |name: &str, root: &str| url(name).beneath(&url(root)).map(str::to_owned);
        assert_eq!(beneath("s3://a/small/x/y.jpg", "s3://a/small"), Some("x/y.jpg".into()));
        assert_eq!(beneath("s3://a/x.jpg", "s3://a"), Some("x.jpg".into()));
        for (name, root) in [
            ("s3://a/smaller/x.jpg", "s3://a/small"),
            ("s3://b/small/x.jpg", "s3://a/small"),
            ("s3://a/small", "s3://a/small"),
            ("s3://a/other/x.jpg", "s3://a/small"),
        ] {
            assert_eq!(beneath(name, root), None, "{name}");
        }
    }
}
