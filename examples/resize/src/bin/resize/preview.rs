//! Small pictures of sources and outputs, for the page.

use std::fs;
use std::path::Path;

use longshore_resize::format::Output;
use longshore_resize::recipe::{Animation, Colour, Damage, Fitting, Metadata, Recipe};
use longshore_resize::transform::transform;

/// The sides of a small picture at most.
const SIDE: &str = "200x150";

/// A picture before and after, as JPEG files. Empty where there is none.
#[derive(Debug, Default)]
pub struct Preview {
    pub before: Option<Vec<u8>>,
    pub after: Option<Vec<u8>>,
}

impl Preview {
    /// Of a source, and of its output if there is one.
    pub fn of(source: &Path, output: Option<&Path>, limits: longshore_resize::recipe::Limits) -> Preview {
        let small = |path: &Path| {
            let recipe = Recipe {
                size: SIDE.parse().ok()?,
                format: Output::Jpeg,
                quality: 75,
                colour: Colour::Srgb,
                metadata: Metadata::None,
                fitting: Fitting::Recode,
                damage: Damage::Warn,
                animation: Animation::First,
                limits,
                ..Recipe::default()
            };
            Some(transform(&fs::read(path).ok()?, &recipe).ok()?.bytes.into_owned())
        };
        Preview { before: small(source), after: output.and_then(small) }
    }
}
