//! A time limit for the whole computation: what is ready in time is used, the rest is left out.

use std::time::Duration;

use longshore::{CancelToken, Pool};

fn approximate(terms: u64, token: &CancelToken) -> Option<f64> {
    let mut sum = 0.0;
    for k in 0..terms {
        if k % 4_096 == 0 && token.is_cancelled() {
            return None; // stopped in the middle
        }
        sum += (if k % 2 == 0 { 4.0 } else { -4.0 }) / (2 * k + 1) as f64;
    }
    Some(sum)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().workers(2).build()?;
    let token = CancelToken::after(Duration::from_millis(200));
    // The last item never ends by itself.
    let terms = [1_000, 100_000, u64::MAX];
    let results = pool.map_until(&terms, &token, |terms| approximate(*terms, &token));
    // The outer `None` is an item that was not begun, the inner one an item that was stopped.
    let ready: Vec<f64> = results.into_iter().flatten().flatten().collect();
    println!("{} of 3 results in time: {ready:?}", ready.len());
    assert!(ready.len() < 3 && ready.iter().all(|pi| (pi - std::f64::consts::PI).abs() < 0.01));
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
