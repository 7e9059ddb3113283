//! Many independent tasks, each of which may fail; the results are in the order of the items.

use longshore::{JoinError, Pool};

fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
    assert!(!text.is_empty(), "an empty text");
    text.parse()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().panic_handler(|_| ()).build()?;
    let texts = ["12", "x", "30"];
    let tasks = pool.submit_batch(texts.map(|text| move || parse(text)))?;
    let mut sum = 0;
    for (text, task) in texts.iter().zip(tasks) {
        match task.join() {
            Ok(Ok(number)) => sum += number,
            Ok(Err(error)) => println!("{text}: {error}"),
            Err(JoinError::Panicked(panic)) => println!("{text}: {panic}"),
            Err(other) => return Err(other.into()),
        }
    }
    assert_eq!(sum, 42);
    // The same over borrowed data, until the first error.
    assert!(pool.try_map(&texts, |text| parse(text)).is_err());
    assert_eq!(pool.map(&texts, |text| text.len()), [2, 1, 2]);
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
