//! Divide and conquer over borrowed data: quicksort with `cx.join`.

use longshore::{Context, Pool};

fn sort(cx: Context<'_>, numbers: &mut [u64]) {
    if numbers.len() <= 64 {
        return numbers.sort_unstable();
    }
    let last = numbers.len() - 1;
    numbers.swap(last / 2, last);
    let pivot = numbers[last];
    let mut middle = 0;
    for n in 0..last {
        if numbers[n] < pivot {
            numbers.swap(n, middle);
            middle += 1;
        }
    }
    numbers.swap(middle, last);
    let (below, above) = numbers.split_at_mut(middle);
    cx.join(|cx| sort(cx, below), |cx| sort(cx, &mut above[1..]));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new()?;
    let mut numbers: Vec<u64> = (1..100_000).map(|n| n * 7_919 % 100_003).collect();
    pool.enter(|cx| sort(cx, &mut numbers));
    assert!(numbers.is_sorted());
    println!("sorted {} numbers", numbers.len());
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
