//! Loops over slices, ranges and rows of an image; the pool splits them by demand.

use longshore::{Pool, chunks_mut};

const WIDTH: usize = 320;

fn shade(x: usize, y: usize) -> u8 {
    let (a, b) = (x as f64 / 160.0 - 1.5, y as f64 / 120.0 - 1.0);
    let (mut re, mut im, mut steps) = (0.0, 0.0, 0);
    while re * re + im * im < 4.0 && steps < 255 {
        (re, im) = (re * re - im * im + a, 2.0 * re * im + b);
        steps += 1;
    }
    steps
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new()?;
    let mut image = vec![0u8; WIDTH * 240];
    let rows: Vec<(usize, &mut [u8])> = image.chunks_mut(WIDTH).enumerate().collect();
    pool.for_each(rows, |(y, row)| row.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = shade(x, y)));
    assert_eq!(image[100 * WIDTH + 30], shade(30, 100));

    pool.for_each(chunks_mut(&mut image, 1_000), |part| part.iter_mut().for_each(|pixel| *pixel = !*pixel));
    let roots = pool.map(0..1_000u64, |n| n.isqrt());
    assert_eq!(roots[999], 31);
    let black = pool.map(&image, |pixel| *pixel == 0).into_iter().filter(|black| *black).count();
    println!("{black} pixels are inside");
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
