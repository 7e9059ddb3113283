//! A handle is a future: an async program awaits results and submissions, under any executor.

use longshore::Pool;

async fn digits(pool: &Pool, numbers: Vec<u64>) -> Result<Vec<usize>, Box<dyn std::error::Error>> {
    let mut running = Vec::new();
    for number in numbers {
        // On a full pool `submit_async` waits for a permit without blocking the thread of the executor.
        running.push(pool.submit_async(move || number.to_string().len()).await.map_err(|full| full.kind)?);
    }
    let mut lengths = Vec::new();
    for handle in running {
        lengths.push(handle.await?);
    }
    Ok(lengths)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().workers(2).queue_capacity(1).build()?;
    // Any executor will do: tokio, smol, or this one, which polls on the calling thread.
    let lengths = pollster::block_on(digits(&pool, vec![5, 55, 555]))?;
    assert_eq!(lengths, [1, 2, 3]);
    println!("{lengths:?}");
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
