//! What must not compile: a context or borrowed data that leaves its closure. Only rustdoc reads this file.
//!
//! Each case names the error that it is about (a nightly toolchain checks the code, a stable one only that
//! there is an error), and comes after a twin that differs in that one thing and compiles. The error about a
//! lifetime that a closure returns has no code.
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
//! # Nor is it put into a variable outside
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
//! # The second side has a context of its own, and captures none
//! ```
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| cx.join(|_| cx.worker(), |cx| cx.worker()));
//! ```
//! ```compile_fail,E0277
//! # let pool = longshore::Pool::builder().workers(1).build().expect("starts");
//! pool.enter(|cx| cx.join(|_| cx.worker(), |_| cx.worker()));
//! ```
//!
//! # Nor does it capture what cannot be sent
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
//! The same without a context:
//! ```
//! let count = std::cell::Cell::new(1);
//! longshore::join(|| count.get(), || 1);
//! ```
//! ```compile_fail,E0277
//! let count = std::cell::Cell::new(1);
//! longshore::join(|| 1, || count.get());
//! ```
//!
//! # What the second side returns can be sent
//! ```
//! longshore::join(|| std::rc::Rc::new(1), || 1);
//! ```
//! ```compile_fail,E0277
//! longshore::join(|| 1, || std::rc::Rc::new(1));
//! ```
//!
//! # Whatever enters a pool can be sent, and what it returns
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
//! # Sides do not share what one of them changes
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
//! # What is borrowed does not outlive its owner
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
//! # A task that is not waited for borrows nothing, also inside `enter`
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
