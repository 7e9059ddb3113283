//! Where blocks are: how the components of a picture are divided into blocks and units (T.81, A.1 and A.2).

use crate::{Header, Scale};

/// The division of all components at a scale.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Minimum coded units a row, and rows of them, where scans hold several components.
    pub units: (usize, usize),
    pub components: Vec<Blocks>,
}

/// The division of one component.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    /// Blocks of a unit.
    pub horizontal: usize,
    pub vertical: usize,
    /// Blocks a row and rows of them, of whole units.
    pub wide: usize,
    pub high: usize,
    /// The same without those that only fill the last units.
    pub own: (usize, usize),
    /// The side of a decoded block: 1, 2, 4 or 8.
    pub side: usize,
    /// The sides of the component in decoded samples: a last sample may belong to the picture in part.
    pub extent: (f64, f64),
}

impl Layout {
    pub fn new(header: &Header, scale: Scale) -> Layout {
        let widest = header.components.iter().map(|c| usize::from(c.horizontal)).max().unwrap_or(1);
        let highest = header.components.iter().map(|c| usize::from(c.vertical)).max().unwrap_or(1);
        let (width, height) = (usize::from(header.width), usize::from(header.height));
        let units = (width.div_ceil(8 * widest), height.div_ceil(8 * highest));
        let blocks = |component: &crate::Component| {
            let (horizontal, vertical) = (usize::from(component.horizontal), usize::from(component.vertical));
            let share = (horizontal as f64 / widest as f64, vertical as f64 / highest as f64);
            // A subsampled component need not be decoded as small as the others.
            let spare = (widest / horizontal).min(highest / vertical).max(1);
            let side = (scale.block() << spare.ilog2()).min(8);
            let own = |pixels: usize, of: usize, most: usize| (pixels * of).div_ceil(most).div_ceil(8);
            let shrunk = side as f64 / 8.0;
            Blocks {
                horizontal,
                vertical,
                wide: units.0 * horizontal,
                high: units.1 * vertical,
                own: (own(width, horizontal, widest), own(height, vertical, highest)),
                side,
                extent: (width as f64 * share.0 * shrunk, height as f64 * share.1 * shrunk),
            }
        };
        Layout { units, components: header.components.iter().map(blocks).collect() }
    }
}
