//! A bounded service: at most 100 requests wait, and a request that finds the pool full is refused at once.

use std::time::Duration;

use longshore::{Histograms, OnFull, Pool, SubmitErrorKind};

fn answer(request: u64) -> u64 {
    (0..10_000).fold(request, |hash, n| hash.rotate_left(5) ^ n)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = Pool::builder().workers(2).queue_capacity(100).on_full(OnFull::Reject);
    let pool = builder.histograms(Histograms::All).build()?;
    let (mut accepted, mut refused) = (Vec::new(), 0_u64);
    for request in 0..1_000 {
        match pool.task().start_within(Duration::from_secs(60)).submit(move || answer(request)) {
            Ok(handle) => accepted.push((request, handle)),
            Err(error) if error.kind == SubmitErrorKind::Full => refused += 1, // the client is told "busy"
            Err(error) => return Err(error.kind.into()),
        }
    }
    assert_eq!(accepted.len() as u64 + refused, 1_000);
    for (request, handle) in accepted {
        assert_eq!(handle.join()?, answer(request));
    }
    let stats = pool.stats();
    assert_eq!(stats.refused, refused);
    println!("{stats}");
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
