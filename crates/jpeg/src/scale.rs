//! The sizes at which a picture can be decoded.

/// The share of each side at which a picture is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    /// 1/8: of each block only the mean.
    Eighth,
    /// 1/4.
    Quarter,
    /// 1/2.
    Half,
    /// As it is stored.
    #[default]
    Full,
}

impl Scale {
    /// All of them, the smallest first.
    pub const ALL: [Scale; 4] = [Scale::Eighth, Scale::Quarter, Scale::Half, Scale::Full];

    /// The side of a decoded block of a component without subsampling.
    pub(crate) fn block(self) -> usize {
        match self {
            Scale::Eighth => 1,
            Scale::Quarter => 2,
            Scale::Half => 4,
            Scale::Full => 8,
        }
    }

    /// The number by which each side is divided.
    pub fn divisor(self) -> u32 {
        8 / self.block() as u32
    }
}
