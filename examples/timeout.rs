//! A time limit for the whole computation: what is ready in time is used, the rest is cancelled.

use std::time::{Duration, Instant};

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
    let token = CancelToken::new();
    let mut running = Vec::new();
    for terms in [1_000, 100_000, u64::MAX] {
        let token_of_task = token.clone();
        running.push(pool.task().token(&token).submit(move || approximate(terms, &token_of_task))?);
    }
    let end = Instant::now() + Duration::from_millis(200);
    let results = running.into_iter().map(|mut task| {
        task.join_timeout(end.saturating_duration_since(Instant::now()))?.ok()? // `None`: not ready in time
    });
    let ready: Vec<f64> = results.flatten().collect();
    token.cancel(); // the last task never ends by itself
    println!("{} of 3 results in time: {ready:?}", ready.len());
    assert!(ready.len() < 3 && ready.iter().all(|pi| (pi - std::f64::consts::PI).abs() < 0.01));
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
