//! From the coefficients of a block to its samples: the inverse cosine transform at four sizes.
//!
//! Eight points: the scaled variant of Arai, Agui and Nakajima, "A fast DCT-SQ scheme for images", 1988,
//! whose constant factors are part of the quantization table ([`factors`]). Fewer points: the definition
//! (T.81, A.3.3) over the coefficients that fit. Eight lanes at a time in plain loops, which a compiler turns
//! into vector instructions. No fused multiplications: the samples are the same on every machine.

use std::f32::consts::SQRT_2;

use crate::vector::Vectors;

/// Eight numbers that are treated alike.
type Lanes = [f32; 8];

/// A block of coefficients, each multiplied by its factor, with the sides swapped: `block[u]` are those of
/// horizontal frequency `u`.
pub type Block = [Lanes; 8];

/// Where each coefficient of a scan goes within a block, as `8 * u + v` (T.81, figure A.6, with the sides
/// swapped).
pub const PLACES: [u8; 64] = [
    0, 8, 1, 2, 9, 16, 24, 17, 10, 3, 4, 11, 18, 25, 32, 40, 33, 26, 19, 12, 5, 6, 13, 20, 27, 34, 41, 48,
    56, 49, 42, 35, 28, 21, 14, 7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30, 23, 31, 38, 45, 52, 59,
    60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
];

/// The factors of the coefficients in the order of a scan: quantization times the constants of the transform
/// of `side` points.
pub fn factors(quantization: &[u16; 64], side: usize) -> [f32; 64] {
    use std::f64::consts::{FRAC_1_SQRT_2, PI};
    let of = |frequency: usize| match (side, frequency) {
        (8, 1..) => 0.5 * (PI * frequency as f64 / 16.0).cos(),
        (4, 1 | 3) => 0.5,
        _ => 0.5 * FRAC_1_SQRT_2,
    };
    std::array::from_fn(|index| {
        let place = usize::from(PLACES[index]);
        (f64::from(quantization[index]) * of(place / 8) * of(place % 8)) as f32
    })
}

/// The last coefficient, in the order of a scan, that a transform of `side` points looks at.
pub fn last_coefficient(side: usize) -> usize {
    match side {
        1 => 0,
        2 => 4,
        4 => 24,
        _ => 63,
    }
}

#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> Lanes {
    std::array::from_fn(f)
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    lanes(|i| a[i] + b[i])
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    lanes(|i| a[i] - b[i])
}

#[inline(always)]
fn times(a: Lanes, factor: f32) -> Lanes {
    lanes(|i| a[i] * factor)
}

/// One dimension, eight points.
#[inline(always)]
#[rustfmt::skip]
#[allow(clippy::excessive_precision, reason = "the constants as they are published")]
fn eight(x: Block) -> Block {
    let (sum, difference) = (add(x[0], x[4]), sub(x[0], x[4]));
    let outer = add(x[2], x[6]);
    let inner = sub(times(sub(x[2], x[6]), SQRT_2), outer);
    let even = [add(sum, outer), add(difference, inner), sub(difference, inner), sub(sum, outer)];

    let (a, b) = (add(x[5], x[3]), sub(x[5], x[3]));
    let (c, d) = (add(x[1], x[7]), sub(x[1], x[7]));
    let rotated = times(add(b, d), 1.847_759_065);
    let odd0 = add(c, a);
    let odd1 = sub(sub(rotated, times(b, 2.613_125_930)), odd0);
    let odd2 = sub(times(sub(c, a), SQRT_2), odd1);
    let odd3 = sub(sub(rotated, times(d, 1.082_392_200)), odd2);
    [
        add(even[0], odd0), add(even[1], odd1), add(even[2], odd2), add(even[3], odd3),
        sub(even[3], odd3), sub(even[2], odd2), sub(even[1], odd1), sub(even[0], odd0),
    ]
}

/// One dimension, four points, of the first four; the other four lanes and rows are of no account.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "cosine and sine of an eighth of pi")]
fn four(x: Block) -> Block {
    const COS: f32 = 0.923_879_533;
    const SIN: f32 = 0.382_683_432;
    let (sum, difference) = (add(x[0], x[2]), sub(x[0], x[2]));
    let steep = add(times(x[1], COS), times(x[3], SIN));
    let flat = sub(times(x[1], SIN), times(x[3], COS));
    let none = [0.0; 8];
    [add(sum, steep), add(difference, flat), sub(difference, flat), sub(sum, steep), none, none, none, none]
}

#[inline(always)]
fn transposed(x: Block) -> Block {
    std::array::from_fn(|i| std::array::from_fn(|j| x[j][i]))
}

/// Rounds to the nearest of 0 to 255.
#[inline(always)]
fn samples(x: Lanes) -> [u8; 8] {
    // Adding so much leaves no room for a fraction in the number's bits, and the whole part in the lowest
    // ones.
    const ROOM: f32 = 12_582_912.0;
    let shifted = lanes(|i| x[i] + 128.0);
    let positive = lanes(|i| if shifted[i] > 0.0 { shifted[i] } else { 0.0 });
    let bounded = lanes(|i| if positive[i] < 255.0 { positive[i] } else { 255.0 });
    std::array::from_fn(|i| (bounded[i] + ROOM).to_bits() as u8)
}

/// Writes the samples of a block of `SIDE` by `SIDE` into the rows of `plane` from `at` on.
#[inline(always)]
pub fn transform<const SIDE: usize>(
    vectors: Vectors,
    block: &Block,
    plane: &mut [u8],
    at: usize,
    stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if let (8, Vectors::Avx2(_)) = (SIDE, vectors) {
        // SAFETY: there is such a value only where the processor has AVX2.
        return unsafe { crate::avx2::transform(block, plane, at, stride) };
    }
    let _ = vectors;
    let rows = match SIDE {
        8 => eight(transposed(eight(*block))),
        4 => four(transposed(four(*block))),
        2 => {
            let [[a, b, ..], [c, d, ..], ..] = *block;
            let mut rows = [[0.0; 8]; 8];
            rows[0][..2].copy_from_slice(&[a + b + c + d, a + b - c - d]);
            rows[1][..2].copy_from_slice(&[a - b + c - d, a - b - c + d]);
            rows
        }
        _ => *block,
    };
    for (y, row) in rows.iter().take(SIDE).enumerate() {
        if let Some(place) = plane.get_mut(at + y * stride..).and_then(|rest| rest.first_chunk_mut::<SIDE>())
        {
            place.copy_from_slice(&samples(*row)[..SIDE]);
        }
    }
}

/// The same for a block of which all coefficients but the first are zero.
#[inline(always)]
pub fn fill<const SIDE: usize>(mean: f32, plane: &mut [u8], at: usize, stride: usize) {
    let [sample, ..] = samples([mean; 8]);
    for y in 0..SIDE {
        if let Some(place) = plane.get_mut(at + y * stride..).and_then(|rest| rest.first_chunk_mut::<SIDE>())
        {
            *place = [sample; SIDE];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, over the first `side` frequencies of either direction.
    fn defined(coefficients: &[i32; 64], side: usize) -> Vec<u8> {
        let scale = |u: usize| if u == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let wave = |x: usize, u: usize| {
            ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / (2 * side) as f64).cos()
        };
        let mut samples = Vec::new();
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            let mut sum = 0.0;
            for (index, &place) in PLACES.iter().enumerate() {
                let (u, v) = (usize::from(place) / 8, usize::from(place) % 8);
                if u < side && v < side {
                    sum +=
                        scale(u) * scale(v) * f64::from(coefficients[index]) * wave(x, u) * wave(y, v) / 4.0;
                }
            }
            samples.push((sum + 128.0).round().clamp(0.0, 255.0) as u8);
        }
        samples
    }

    fn check<const SIDE: usize>(coefficients: &[i32; 64]) {
        let factors = factors(&[1; 64], SIDE);
        let mut block = [[0.0; 8]; 8];
        for index in 0..64 {
            let place = usize::from(PLACES[index]);
            block[place / 8][place % 8] = coefficients[index] as f32 * factors[index];
        }
        let (mut plane, mut portable) = (vec![0; SIDE * SIDE], vec![0; SIDE * SIDE]);
        crate::vector::dispatch(|vectors| transform::<SIDE>(vectors, &block, &mut plane, 0, SIDE));
        transform::<SIDE>(Vectors::Portable, &block, &mut portable, 0, SIDE);
        assert_eq!(plane, portable, "the same on every machine");
        let wanted = defined(coefficients, SIDE);
        assert!(plane.iter().zip(&wanted).all(|(a, b)| a.abs_diff(*b) <= 1), "{SIDE}: {plane:?} {wanted:?}");
    }

    #[test]
    fn every_size_follows_the_definition() {
        let mut random = 12_345_u32;
        for _ in 0..200 {
            let coefficients = std::array::from_fn(|index| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((random >> 16) as i32 % 401 - 200) / (1 + index as i32 / 4)
            });
            check::<8>(&coefficients);
            check::<4>(&coefficients);
            check::<2>(&coefficients);
            check::<1>(&coefficients);
        }
    }

    #[test]
    fn places_are_a_zigzag() {
        let mut at = (0_i32, 0_i32);
        let mut up = true;
        for place in PLACES {
            assert_eq!(i32::from(place), 8 * at.0 + at.1);
            let next = if up { (at.0 + 1, at.1 - 1) } else { (at.0 - 1, at.1 + 1) };
            let is_within = |(u, v): (i32, i32)| (0..8).contains(&u) && (0..8).contains(&v);
            at = match (is_within(next), up) {
                (true, _) => next,
                (false, true) if at.0 < 7 => (at.0 + 1, at.1),
                (false, true) => (at.0, at.1 + 1),
                (false, false) if at.1 < 7 => (at.0, at.1 + 1),
                (false, false) => (at.0 + 1, at.1),
            };
            up ^= !is_within(next);
        }
    }
}
