//! One scan: which components and coefficients it is about (T.81, B.2.3), and the walk over its units.

use crate::bits::Bits;
use crate::blocks::Blocks;
use crate::decode::{State, Tables};
use crate::progressive::{self, Band, Coefficients};
use crate::sequential;
use crate::vector::Vectors;
use crate::{Error, Header, markers};

/// A scan's header.
#[derive(Debug)]
pub struct Scan {
    is_progressive: bool,
    parts: Vec<Selected>,
    band: Band,
}

/// A component of a scan, with the numbers of its tables.
#[derive(Clone, Copy, Debug)]
struct Selected {
    component: usize,
    quantization: u8,
    dc: usize,
    ac: usize,
}

impl Scan {
    /// How many components it has.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// For each of its components: its index, and the numbers of its tables for DC and AC.
    pub fn tables(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.parts.iter().map(|part| (part.component, part.dc, part.ac))
    }

    /// Reads a scan's header.
    pub fn read(header: &Header, contents: &[u8]) -> Result<Scan, Error> {
        let short = || Error::invalid("a scan header that is too short");
        let (&count, rest) = contents.split_first().ok_or_else(short)?;
        let count = usize::from(count);
        let (selectors, rest) = rest.split_at_checked(2 * count).ok_or_else(short)?;
        let mut parts: Vec<Selected> = Vec::new();
        for selector in selectors.chunks_exact(2) {
            let component = header.components.iter().position(|component| component.id == selector[0]);
            let component =
                component.ok_or_else(|| Error::invalid("a scan of a component that is not there"))?;
            if parts.iter().any(|part| part.component == component) {
                return Err(Error::invalid("a scan that names a component twice"));
            }
            let (dc, ac) = (usize::from(selector[1] >> 4), usize::from(selector[1] & 15));
            if dc > 3 || ac > 3 {
                return Err(Error::invalid("a scan with a table above 3"));
            }
            parts.push(Selected { component, quantization: header.components[component].table, dc, ac });
        }
        if parts.is_empty() || parts.len() > 4 {
            return Err(Error::invalid(format!("a scan of {count} components")));
        }
        let band = match (rest, header.is_progressive) {
            (&[first, last, bits, ..], true) => Band {
                first: first.into(),
                last: last.into(),
                before: (bits >> 4).into(),
                bit: (bits & 15).into(),
            },
            (_, false) => Band { first: 0, last: 63, before: 0, bit: 0 },
            _ => return Err(short()),
        };
        let is_mean = band.first == 0;
        let is_valid = band.last <= 63
            && band.first <= band.last
            && band.bit <= 13
            && (!header.is_progressive || is_mean == (band.last == 0))
            && (is_mean || parts.len() == 1)
            && (band.before == 0 || band.before == band.bit + 1);
        if !is_valid {
            return Err(Error::invalid("a scan with a band that cannot be"));
        }
        Ok(Scan { is_progressive: header.is_progressive, parts, band })
    }
}

/// Decodes the scan whose data begins at `at`; returns where it ends. What is missing is noted.
pub fn decode(
    scan: &Scan,
    tables: &Tables,
    state: &mut State,
    data: &[u8],
    at: usize,
) -> Result<usize, Error> {
    let walked = if scan.is_progressive {
        progressive(scan, tables, state, data, at)?
    } else {
        sequential(scan, tables, state, data, at)?
    };
    for part in &scan.parts {
        let done = &mut state.done[part.component];
        *done = done.min(walked.done);
        if scan.is_progressive {
            for known in &mut state.known[part.component][scan.band.first..=scan.band.last] {
                *known = scan.band.bit as u8;
            }
        }
    }
    Ok(walked.end)
}

/// The parts of a sequential scan, in the order of the scan.
fn sequential_parts<'a>(
    scan: &Scan,
    tables: &'a Tables,
    state: &'a mut State,
) -> Result<Vec<sequential::Part<'a>>, Error> {
    let mut parts = Vec::new();
    for (index, plane) in state.planes.iter_mut().enumerate() {
        let Some(selected) = scan.parts.iter().find(|part| part.component == index) else { continue };
        let blocks = state.layout.components[index];
        let part = sequential::Part {
            dc: tables.dc(selected.dc)?,
            ac: tables.ac(selected.ac)?,
            factors: tables.factors(selected.quantization, blocks)?,
            previous: 0,
            blocks,
            vectors: Vectors::Portable,
            plane,
        };
        // The planes are borrowed in the order of the components, the scan may have another.
        parts.push((scan.parts.iter().position(|part| part.component == index), part));
    }
    parts.sort_by_key(|&(place, _)| place);
    Ok(parts.into_iter().map(|(_, part)| part).collect())
}

fn sequential(
    scan: &Scan,
    tables: &Tables,
    state: &mut State,
    data: &[u8],
    at: usize,
) -> Result<Walked, Error> {
    let (units, restart) = (state.layout.units, tables.restart);
    let mut parts = sequential_parts(scan, tables, state)?;
    Ok(crate::vector::dispatch(
        #[inline(always)]
        |vectors| {
            parts.iter_mut().for_each(|part| part.vectors = vectors);
            match &mut parts[..] {
                [part] => {
                    let (wide, high) = part.blocks.own;
                    walk(data, at, wide * high, restart, part, |part, step| match step {
                        Step::Restart => {
                            part.previous = 0;
                            Some(())
                        }
                        Step::Unit(bits, unit) => part.block(bits, unit % wide, unit / wide),
                    })
                }
                parts => walk(data, at, units.0 * units.1, restart, parts, |parts, step| match step {
                    Step::Restart => {
                        parts.iter_mut().for_each(|part| part.previous = 0);
                        Some(())
                    }
                    Step::Unit(bits, unit) => {
                        let (column, row) = (unit % units.0, unit / units.0);
                        for part in parts.iter_mut() {
                            let Blocks { horizontal, vertical, .. } = part.blocks;
                            for y in 0..vertical {
                                for x in 0..horizontal {
                                    part.block(bits, column * horizontal + x, row * vertical + y)?;
                                }
                            }
                        }
                        Some(())
                    }
                }),
            }
        },
    ))
}

fn progressive(
    scan: &Scan,
    tables: &Tables,
    state: &mut State,
    data: &[u8],
    at: usize,
) -> Result<Walked, Error> {
    for part in &scan.parts {
        if state.factors[part.component].is_none() {
            let factors = tables.factors(part.quantization, state.layout.components[part.component])?;
            state.factors[part.component] = Some(factors);
        }
    }
    if scan.band.first == 0 {
        means(scan, tables, state, data, at)
    } else {
        band(scan, tables, state, data, at)
    }
}

/// A scan of the means, of one or several components.
fn means(scan: &Scan, tables: &Tables, state: &mut State, data: &[u8], at: usize) -> Result<Walked, Error> {
    let band = scan.band;
    let is_first = band.before == 0;
    let mut huffman = Vec::new();
    for part in &scan.parts {
        huffman.push(if is_first { Some(tables.dc(part.dc)?) } else { None });
    }
    let State { layout, coefficients, .. } = state;
    let (units, components) = (layout.units, &layout.components);
    let is_single = scan.parts.len() == 1;
    let own = components[scan.parts[0].component].own;
    let total = if is_single { own.0 * own.1 } else { units.0 * units.1 };
    let mut previous = [0_i32; 4];
    let block = |bits: &mut Bits<'_>, previous: &mut i32, index: usize, block: &mut Coefficients| {
        match huffman[index] {
            Some(table) => progressive::first_mean(bits, table, band, previous, block),
            None => {
                progressive::refine_mean(bits, band, block);
                Some(())
            }
        }
    };
    Ok(walk(data, at, total, tables.restart, &mut previous, |previous, step| {
        let (bits, unit) = match step {
            Step::Restart => {
                *previous = [0; 4];
                return Some(());
            }
            Step::Unit(bits, unit) => (bits, unit),
        };
        for (index, part) in scan.parts.iter().enumerate() {
            let blocks = components[part.component];
            let (horizontal, vertical) =
                if is_single { (1, 1) } else { (blocks.horizontal, blocks.vertical) };
            let across = if is_single { own.0 } else { units.0 };
            for y in 0..vertical {
                for x in 0..horizontal {
                    let at = (unit / across * vertical + y) * blocks.wide + unit % across * horizontal + x;
                    block(bits, &mut previous[index], index, &mut coefficients[part.component][at])?;
                }
            }
        }
        Some(())
    }))
}

/// A scan of some other coefficients, which is of one component.
fn band(scan: &Scan, tables: &Tables, state: &mut State, data: &[u8], at: usize) -> Result<Walked, Error> {
    let (part, band) = (scan.parts[0], scan.band);
    let ac = tables.ac(part.ac)?;
    let Blocks { wide, own, .. } = state.layout.components[part.component];
    let coefficients = &mut state.coefficients[part.component][..];
    let restart = tables.restart;
    let mut blank = 0;
    Ok(crate::vector::dispatch(
        #[inline(always)]
        |_| {
            walk(data, at, own.0 * own.1, restart, &mut blank, |blank, step| {
                let (bits, unit) = match step {
                    Step::Restart => {
                        *blank = 0;
                        return Some(());
                    }
                    Step::Unit(bits, unit) => (bits, unit),
                };
                let block = &mut coefficients[unit / own.0 * wide + unit % own.0];
                if band.before == 0 {
                    progressive::first_band(bits, ac, band, blank, block)
                } else {
                    progressive::refine_band(bits, ac, band, blank, block)
                }
            })
        },
    ))
}

/// What [`walk`] asks for.
enum Step<'a, 'd> {
    /// What blocks are relative to begins anew.
    Restart,
    /// The next unit.
    Unit(&'a mut Bits<'d>, usize),
}

/// How a walk over a scan's units ended.
#[derive(Debug)]
struct Walked {
    /// The share of the units that were there.
    done: f64,
    /// Where the scan's data ends.
    end: usize,
}

/// Walks over the `total` units of a scan. Where data is not valid, it goes on at the next restart marker, as
/// far as the marker's number says.
#[inline(always)]
fn walk<'d, S: ?Sized>(
    data: &'d [u8],
    mut at: usize,
    total: usize,
    restart: usize,
    state: &mut S,
    mut step: impl FnMut(&mut S, Step<'_, 'd>) -> Option<()>,
) -> Walked {
    let interval = if restart == 0 { total } else { restart };
    let (mut unit, mut done, mut number) = (0, 0_usize, 0_u8);
    loop {
        step(state, Step::Restart);
        let mut bits = Bits::new(data, at);
        let last = (unit + interval).min(total);
        while unit < last {
            if step(state, Step::Unit(&mut bits, unit)).is_none() || bits.is_overdrawn() {
                break;
            }
            unit += 1;
            done += 1;
        }
        at = bits.end();
        let share = done as f64 / total.max(1) as f64;
        let marker = data.get(at..).and_then(|rest| rest.iter().find(|&&byte| byte != 0xff)).copied();
        if last >= total || !marker.is_some_and(markers::is_restart) {
            return Walked { done: share, end: at };
        }
        // Some intervals may be missing. A number that is far off is itself damaged.
        let missing = marker.unwrap_or_default().wrapping_sub(number) & 7;
        let skipped = if missing <= 4 { missing } else { 0 };
        unit = (last + usize::from(skipped) * interval).min(total);
        number = (number + 1 + skipped) & 7;
        at += data[at..].iter().take_while(|&&byte| byte == 0xff).count() + 1;
        if unit >= total {
            return Walked { done: share, end: at };
        }
    }
}
