//! A scratch buffer for each worker, made when the worker first needs it and used by all its tasks.

use longshore::Pool;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new()?;
    let words = ["level", "pool", "noon", "worker", "radar"];
    let buffers = pool.worker_local(Vec::<char>::new);
    let found = pool.map(&words, |word| {
        buffers.with(|buffer| {
            buffer.clear();
            buffer.extend(word.chars());
            buffer.reverse();
            buffer.iter().copied().eq(word.chars())
        })
    });
    assert_eq!(found, [true, false, true, false, true]);

    // A sum for each worker, added up at the end: no lock and no atomic on the way.
    let sums = pool.worker_local(|| 0u64);
    pool.for_each(1..1_001u64, |n| sums.with(|sum| *sum += n));
    let total: u64 = sums.take_all().iter().sum();
    assert_eq!(total, 500_500);
    println!("{found:?}, {total}");
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
