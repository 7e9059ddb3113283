//! Programs that must not compile: common mistakes, and uses that would be unsound. Only rustdoc reads this
//! file.
//!
//! Each program comes after a twin that differs in the one mistake and compiles, and names the code of its
//! error. A nightly toolchain checks the code; a stable toolchain checks only that there is an error. (The
//! error about a lifetime that a closure returns has no code.) The section "When the program does not
//! compile" of `docs/GUIDE.md` explains the messages.
//!
//! # A task captures only what may move to another thread
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let shared = std::sync::Arc::new(7);
//! let answer = pool.submit(move || *shared + 1);
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let shared = std::rc::Rc::new(7);
//! let answer = pool.submit(move || *shared + 1);
//! ```
//!
//! # A task owns what it uses
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let numbers = vec![1, 2, 3];
//! let sum = pool.submit(move || numbers.iter().sum::<i32>());
//! ```
//! ```compile_fail,E0373
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let numbers = vec![1, 2, 3];
//! let sum = pool.submit(|| numbers.iter().sum::<i32>());
//! ```
//!
//! # Borrowed data needs a scope
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! fn sum(pool: &longshore::Pool, numbers: &[i32]) -> i32 {
//!     pool.scope(|scope| scope.submit(move || numbers.iter().sum()).join().expect("no panic"))
//! }
//! assert_eq!(sum(&pool, &[1, 2]), 3);
//! ```
//! ```compile_fail,E0521
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! fn sum(pool: &longshore::Pool, numbers: &[i32]) -> i32 {
//!     pool.submit(move || numbers.iter().sum()).expect("open").join().expect("no panic")
//! }
//! assert_eq!(sum(&pool, &[1, 2]), 3);
//! ```
//!
//! # `execute` is for tasks without a result
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.submit(|| 6 * 7).expect("open").join().expect("no panic");
//! ```
//! ```compile_fail,E0308
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.execute(|| 6 * 7).expect("open");
//! ```
//!
//! # A submission returns a `Result`
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build()?;
//! let answer = pool.submit(|| 6 * 7)?;
//! assert_eq!(answer.join()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! ```compile_fail,E0599
//! # let pool = longshore::Pool::builder().workers(1).build()?;
//! let answer = pool.submit(|| 6 * 7);
//! assert_eq!(answer.join()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The methods of a `PullPool` are in a trait
//! ```
//! use longshore::{AnyPool, PullPool};
//! # let pool = PullPool::builder().workers(1).build().expect("starts");
//! let answer = pool.submit(|| 6 * 7);
//! ```
//! ```compile_fail,E0599
//! use longshore::PullPool;
//! # let pool = PullPool::builder().workers(1).build().expect("starts");
//! let answer = pool.submit(|| 6 * 7);
//! ```
//!
//! # A `PullPool` has no joins
//! ```
//! use longshore::{AnyPool, Pool};
//! # let pool = Pool::builder().workers(1).build().expect("starts");
//! let both = pool.join(|| 1, || 2);
//! ```
//! ```compile_fail,E0277
//! use longshore::{AnyPool, PullPool};
//! # let pool = PullPool::builder().workers(1).build().expect("starts");
//! let both = pool.join(|| 1, || 2);
//! ```
//!
//! # A `PullPool` has no loops and sorts
//! ```
//! use longshore::{AnyPool, Pool};
//! # let pool = Pool::builder().workers(1).build().expect("starts");
//! # let mut numbers = vec![2, 1];
//! let even = pool.filter_map(&numbers, |n| (n % 2 == 0).then_some(*n));
//! pool.sort(&mut numbers);
//! ```
//! ```compile_fail,E0277
//! use longshore::{AnyPool, PullPool};
//! # let pool = PullPool::builder().workers(1).build().expect("starts");
//! # let numbers = vec![2, 1];
//! let even = pool.filter_map(&numbers, |n| (n % 2 == 0).then_some(*n));
//! ```
//! ```compile_fail,E0277
//! use longshore::{AnyPool, PullPool};
//! # let pool = PullPool::builder().workers(1).build().expect("starts");
//! # let mut numbers = vec![2, 1];
//! pool.sort(&mut numbers);
//! ```
//!
//! # A loop runs over a range of integers
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let roots = pool.map(0..100, |i| (f64::from(i) / 100.0).sqrt());
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let roots = pool.map(0.0..1.0, |x: f64| x.sqrt());
//! ```
//!
//! # A loop runs over a collection, not over an iterator
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let ages = std::collections::HashMap::from([("Ada", 36), ("Alan", 41)]);
//! let older = pool.map(&ages, |(_, age)| age + 1);
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let ages = std::collections::HashMap::from([("Ada", 36), ("Alan", 41)]);
//! let older = pool.map(ages.iter(), |(_, age)| age + 1);
//! ```
//!
//! # The error of a refused task holds the closure, which need not be `Sync`, but `'static`
//! ```
//! use longshore::{Pool, SubmitErrorKind};
//!
//! type AnyError = Box<dyn std::error::Error + Send + Sync>;
//!
//! fn run(pool: &Pool, task: Box<dyn FnOnce() + Send>) -> Result<(), AnyError> {
//!     Ok(pool.execute(task)?)
//! }
//! ```
//! ```compile_fail,E0616
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! // Only the owner of the error gets the closure: `into_inner` instead of the field.
//! pool.execute(|| ()).map_err(|refused| refused.task);
//! ```
//! The reason alone is an error, to which `?` converts:
//! ```
//! use longshore::{Pool, SubmitErrorKind};
//!
//! fn run(pool: &Pool) -> Result<u32, SubmitErrorKind> {
//!     let answer = pool.submit(|| 6 * 7)?;
//!     let twice = pool.submit_batch([|| 1, || 2].map(|task| move || 2 * task()))?;
//!     Ok(answer.join().unwrap_or_default() + twice.len() as u32)
//! }
//! let pool = Pool::builder().workers(1).build().expect("starts");
//! assert_eq!(run(&pool), Ok(44));
//! pool.shutdown().expect("ends");
//! assert_eq!(run(&pool), Err(SubmitErrorKind::Closed));
//! ```
//!
//! # An `Arc` of a pool is not a pool
//! ```
//! use longshore::{AnyPool, Pool};
//!
//! fn width<P: AnyPool>(pool: &P) -> usize {
//!     pool.workers()
//! }
//! # let pool = std::sync::Arc::new(Pool::builder().workers(1).build().expect("starts"));
//! assert_eq!(width(&*pool), 1);
//! ```
//! ```compile_fail,E0277
//! use longshore::{AnyPool, Pool};
//!
//! fn width<P: AnyPool>(pool: &P) -> usize {
//!     pool.workers()
//! }
//! # let pool = std::sync::Arc::new(Pool::builder().workers(1).build().expect("starts"));
//! assert_eq!(width(&pool), 1);
//! ```
//!
//! # A context does not leave its thread
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| {
//!     let worker = cx.worker();
//!     std::thread::scope(|scope| _ = scope.spawn(move || worker));
//! });
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| {
//!     std::thread::scope(|scope| _ = scope.spawn(move || cx.worker()));
//! });
//! ```
//!
//! # A context is not returned from its closure
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let escaped = pool.enter(|cx| cx.worker());
//! ```
//! ```compile_fail
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let escaped = pool.enter(|cx| cx);
//! ```
//!
//! # A context is not stored outside of its closure
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| {
//!     let mut escaped = None;
//!     cx.join(|cx| escaped = Some(cx.worker()), |_| ());
//! });
//! ```
//! ```compile_fail,E0521
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| {
//!     let mut escaped = None;
//!     cx.join(|cx| escaped = Some(cx), |_| ());
//! });
//! ```
//!
//! # The second closure of a join uses its own context
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| cx.join(|_| cx.worker(), |cx| cx.worker()));
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| cx.join(|_| cx.worker(), |_| cx.worker()));
//! ```
//!
//! # A task of a scope captures no context
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| {
//!     cx.scope(|scope| scope.spawn(|| longshore::with_context(|cx| assert!(cx.is_some()))));
//! });
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| {
//!     cx.scope(|scope| scope.spawn(|| assert!(cx.worker() < 1)));
//! });
//! ```
//!
//! # The second closure of a join captures only what may move to another thread
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| {
//!     let count = std::rc::Rc::new(1);
//!     cx.join(|_| *count, |_| 1);
//! });
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| {
//!     let count = std::rc::Rc::new(1);
//!     cx.join(|_| 1, |_| *count);
//! });
//! ```
//!
//! # Without a context the same holds for both closures and both results
//! A worker may run both, if the caller's stack is small.
//! ```
//! let count = std::sync::Arc::new(1);
//! longshore::join(|| count.clone(), || 1);
//! ```
//! ```compile_fail,E0277
//! let count = std::cell::Cell::new(1);
//! longshore::join(|| count.get(), || 1);
//! ```
//! ```compile_fail,E0277
//! let count = std::cell::Cell::new(1);
//! longshore::join(|| 1, || count.get());
//! ```
//! ```compile_fail,E0277
//! longshore::join(|| 1, || std::rc::Rc::new(1));
//! ```
//!
//! # A closure that enters a pool, and its result, may move to another thread
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let count = std::sync::Arc::new(1);
//! pool.enter(|_| count.clone());
//! pool.install(|| count.clone());
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let count = std::rc::Rc::new(1);
//! pool.enter(|_| *count);
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.install(|| std::rc::Rc::new(1));
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let count = std::rc::Rc::new(1);
//! pool.join(|| *count, || 1);
//! ```
//!
//! # The closures of a join do not share what one of them changes
//! ```
//! let mut numbers = [1, 2];
//! let (left, right) = numbers.split_at_mut(1);
//! longshore::join(|| left[0] = 3, || right[0] = 4);
//! ```
//! ```compile_fail,E0499
//! let mut numbers = [1, 2];
//! longshore::join(|| numbers[0] = 3, || numbers[1] = 4);
//! ```
//!
//! # Borrowed data does not outlive its owner
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let numbers = vec![1, 2];
//! let (first, _) = pool.join(|| &numbers[0], || ());
//! assert_eq!(*first, 1);
//! ```
//! ```compile_fail,E0597
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let first;
//! {
//!     let numbers = vec![1, 2];
//!     (first, _) = pool.join(|| &numbers[0], || ());
//! }
//! assert_eq!(*first, 1);
//! ```
//! ```compile_fail,E0505
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let numbers = vec![1, 2];
//! let (first, _) = pool.join(|| &numbers[0], || drop(numbers));
//! ```
//!
//! # A task outside of a scope borrows nothing, also inside `enter`
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let numbers = vec![1, 2];
//! pool.enter(|_| _ = longshore::submit(move || numbers.len()));
//! ```
//! ```compile_fail,E0597
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! let numbers = vec![1, 2];
//! pool.enter(|_| _ = longshore::submit(|| numbers.len()));
//! ```
//!
//! # A loop runs over a source
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.for_each("a b".split(' ').collect::<Vec<_>>(), |word| assert_eq!(word.len(), 1));
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.for_each("a b".split(' '), |word| assert_eq!(word.len(), 1));
//! ```
