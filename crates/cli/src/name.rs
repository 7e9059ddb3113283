//! Names of files, printed so that a terminal obeys none of their bytes, each takes one line, and two names never look alike.
//!
//! In text a plain name is itself, and any other is quoted as a shell would take it back: `$'a\nb'`, `'a b'`, `$'\xFF'`. In JSON
//! a name is itself; a byte that is not UTF-8 is U+FFFD and its two hexadecimal digits ([`json`]).
//!
//! ```
//! use std::path::Path;
//!
//! use longshore_cli::name;
//!
//! assert_eq!(name::shown("photos/a.png").to_string(), "photos/a.png");
//! assert_eq!(name::shown("a\x1b[31m").to_string(), r"$'a\x1B[31m'");
//! assert_eq!(name::json(Path::new("a\x1b[31m")), "a\x1b[31m");
//! ```

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

use os_display::{Quotable, Quoted};
use serde::Serializer;

/// Stands before the digits of a byte in [`json`].
const MARK: char = char::REPLACEMENT_CHARACTER;

/// The name for a line of text.
pub fn shown<N: AsRef<OsStr> + ?Sized>(name: &N) -> Quoted<'_> {
    name.as_ref().maybe_quote()
}

/// Bytes that a client has sent, or a file has, for a line of text.
pub fn shown_bytes(bytes: &[u8]) -> Quoted<'_> {
    Quoted::unix_raw(bytes).force(false)
}

/// A message with all control characters escaped, so that it stays one line, whatever it was made from.
///
/// It is the last line of defence: names belong into a message by [`shown`], which also tells them apart.
pub fn line(message: &str) -> Cow<'_, str> {
    if !message.contains(is_obeyed) {
        return message.into();
    }
    let mut safe = String::with_capacity(message.len() + 16);
    for character in message.chars() {
        if is_obeyed(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe.into()
}

/// Whether a terminal does something else than to show it: control characters, separators of lines, changes of direction.
fn is_obeyed(character: char) -> bool {
    let directs = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || directs || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The name for JSON: itself, except that a byte that is not UTF-8 becomes U+FFFD and its two hexadecimal digits. So that
/// no other name looks like that, so do the three bytes of a U+FFFD in the name.
///
/// [`from_json`] is the way back.
pub fn json(name: &Path) -> String {
    let mut text = String::new();
    let bytes = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            // Writing to a String does not fail.
            let _ = write!(text, "{MARK}{byte:02x}");
        }
    };
    for chunk in name.as_os_str().as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == MARK {
                bytes(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(character);
            }
        }
        bytes(&mut text, chunk.invalid());
    }
    text
}

/// The bytes of a name that [`json`] has written; `None` if it has not.
pub fn from_json(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split(MARK);
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    Some(bytes)
}

/// For `#[serde(serialize_with = "longshore_cli::name::serialize")]`: the name as [`json`] writes it.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(name: impl AsRef<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&json(name.as_ref()))
}

/// As [`serialize`], for a list of names.
///
/// # Errors
/// Those of the serializer.
pub fn serialize_all<S: Serializer>(names: &[impl AsRef<Path>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(|name| json(name.as_ref())))
}

#[cfg(all(test, unix))]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// Names that somebody may try, each of which is another one.
    const NAMES: [&[u8]; 16] = [
        b"plain",
        b"with blank",
        b"two\nlines",
        b"\x1b]0;title\x07",
        b"\xff",
        b"\xfe",
        b"\\xff",
        b"\xef\xbf\xbd",
        b"\xef\xbf\xbdff",
        b"$'\\xFF'",
        b"'",
        b"\xc2\x9b31m",
        b"a\xe2\x80\xaeb",
        b"\xed\xa0\x80",
        b"-rf",
        b"\xf0\x9f\x9b\xb3",
    ];

    #[test]
    fn names_are_one_line_each_without_control_and_distinct() {
        let shown: HashSet<_> = NAMES.iter().map(|name| shown(OsStr::from_bytes(name)).to_string()).collect();
        assert_eq!(shown.len(), NAMES.len());
        assert!(shown.iter().all(|name| !name.contains(is_obeyed)), "{shown:?}");
        assert_eq!(shown.iter().filter(|name| *name == "plain").count(), 1);
        let bytes: HashSet<_> = NAMES.iter().map(|name| shown_bytes(name).to_string()).collect();
        assert_eq!(bytes, shown);
    }

    #[test]
    fn names_in_json_are_distinct_and_come_back() {
        let written: HashSet<_> = NAMES.iter().map(|name| json(Path::new(OsStr::from_bytes(name)))).collect();
        assert_eq!(written.len(), NAMES.len());
        for name in NAMES {
            let text = json(Path::new(OsStr::from_bytes(name)));
            assert_eq!(from_json(&text).as_deref(), Some(name));
            if let (Ok(plain), false) = (str::from_utf8(name), name.starts_with(b"\xef")) {
                assert_eq!(text, plain);
            }
        }
        assert_eq!(from_json("\u{fffd}"), None);
        assert_eq!(from_json("\u{fffd}zz"), None);
        assert_eq!(from_json("\u{fffd}f\u{e9}"), None);
    }

    #[test]
    fn a_message_stays_one_line() {
        assert_eq!(line("all \u{e9} fine"), "all \u{e9} fine");
        assert_eq!(line("a\nb\x1b[1m\u{202e}\u{9b}"), r"a\nb\u{1b}[1m\u{202e}\u{9b}");
    }
}
