//! Why a file is not decoded.

use std::fmt;

/// Why a file is not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The file does not begin as a JPEG does.
    NotJpeg,
    /// The file ends within its header. More bytes may cure that.
    CutShort,
    /// The header contradicts itself or the standard.
    Invalid(String),
    /// The file uses a part of the standard that this decoder does not have.
    Unsupported(String),
}

impl Error {
    pub(crate) fn invalid(what: impl Into<String>) -> Error {
        Error::Invalid(what.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotJpeg => write!(f, "this is not a JPEG file"),
            Error::CutShort => write!(f, "the JPEG file is cut short within its header"),
            Error::Invalid(what) => write!(f, "the JPEG file is invalid: {what}"),
            Error::Unsupported(what) => write!(f, "{what} in JPEG files is not supported"),
        }
    }
}

impl std::error::Error for Error {}
