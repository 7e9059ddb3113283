//! The inverse transform of eight points with AVX2: the same steps as the portable one, eight lanes an
//! instruction.

use std::arch::x86_64::*;
use std::f32::consts::SQRT_2;

use crate::idct::Block;

/// Loads eight numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn load(lanes: &[f32; 8]) -> __m256 {
    // SAFETY: the reference is valid for reading eight numbers, and no alignment is asked for.
    unsafe { _mm256_loadu_ps(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
#[rustfmt::skip]
#[allow(clippy::excessive_precision, reason = "the constants as they are published")]
fn eight(x: [__m256; 8]) -> [__m256; 8] {
    let add = |a, b| _mm256_add_ps(a, b);
    let sub = |a, b| _mm256_sub_ps(a, b);
    let times = |a, factor| _mm256_mul_ps(a, _mm256_set1_ps(factor));
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

#[inline]
#[target_feature(enable = "avx2")]
#[rustfmt::skip]
fn transposed(x: [__m256; 8]) -> [__m256; 8] {
    let low = |i: usize| _mm256_unpacklo_ps(x[i], x[i + 1]);
    let high = |i: usize| _mm256_unpackhi_ps(x[i], x[i + 1]);
    let (a, b, c, d) = (low(0), high(0), low(2), high(2));
    let (e, f, g, h) = (low(4), high(4), low(6), high(6));
    let first = |x, y| _mm256_shuffle_ps::<0b01_00_01_00>(x, y);
    let second = |x, y| _mm256_shuffle_ps::<0b11_10_11_10>(x, y);
    let upper = [first(a, c), second(a, c), first(b, d), second(b, d)];
    let lower = [first(e, g), second(e, g), first(f, h), second(f, h)];
    let left = |i: usize| _mm256_permute2f128_ps::<0x20>(upper[i], lower[i]);
    let right = |i: usize| _mm256_permute2f128_ps::<0x31>(upper[i], lower[i]);
    [left(0), left(1), left(2), left(3), right(0), right(1), right(2), right(3)]
}

/// Four rows as bytes, one behind the other.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes(rows: [__m256; 4]) -> [u8; 32] {
    // What is below zero is packed as zero.
    let whole = |row| {
        let shifted = _mm256_add_ps(row, _mm256_set1_ps(128.0));
        _mm256_cvtps_epi32(_mm256_min_ps(shifted, _mm256_set1_ps(255.0)))
    };
    let [a, b, c, d] = rows.map(whole);
    let packed = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    // Packing works on halves: the left parts of the four rows are in one, the right parts in the other.
    let packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    let mut bytes = [0; 32];
    // SAFETY: the array is valid for writing 32 bytes, and no alignment is asked for.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), packed) };
    bytes
}

/// Writes the samples of a block of 8 by 8 into the rows of `plane` from `at` on.
#[target_feature(enable = "avx2")]
pub fn transform(block: &Block, plane: &mut [u8], at: usize, stride: usize) {
    let rows = eight(transposed(eight(std::array::from_fn(|i| load(&block[i])))));
    let [a, b, c, d, e, f, g, h] = rows;
    let halves = [bytes([a, b, c, d]), bytes([e, f, g, h])];
    for (y, row) in halves.as_flattened().chunks_exact(8).enumerate() {
        if let Some(place) = plane.get_mut(at + y * stride..).and_then(|rest| rest.first_chunk_mut::<8>()) {
            place.copy_from_slice(row);
        }
    }
}
