//! A pool, a task, its result: `cargo run --example hello`.

use longshore::Pool;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new()?;
    let answer = pool.submit(|| 6 * 7)?;
    pool.execute(|| println!("a task without a result"))?;
    let answer = answer.join()?;
    println!("the answer is {answer}");
    assert_eq!(answer, 42);
    // Dropping the pool finishes all accepted tasks; `shutdown` does the same and can report an error.
    pool.shutdown()?;
    Ok(())
}

#[test]
fn runs() {
    main().expect("succeeds");
}
