//! A handle is a future for any executor: those of the futures crates, smol and tokio, with both kinds of
//! pool.

use longshore::{AnyPool, JoinError, Pool, PullPool};

#[path = "../../../tests/support/mod.rs"]
mod support;

use support::{AnyRig, quiet_panic};

/// Awaits 200 results, and a panic.
async fn awaits<P: AnyPool>(rig: &AnyRig<P>) -> u64 {
    let mut sum = 0;
    for n in 0..200u64 {
        sum += rig.submit(move || n).expect("open").await.expect("ran");
    }
    let panicked = rig.submit(|| quiet_panic("in a future")).expect("open");
    match panicked.await {
        Err(JoinError::Panicked(payload)) => assert_eq!(payload.message(), Some("in a future")),
        Err(other) => panic!("{other}"),
        Ok(()) => panic!("it panics"),
    }
    sum
}

fn under_the_executor_of_the_futures_crates<P: AnyPool>() {
    let rig = AnyRig::<P>::new(2);
    assert_eq!(futures_executor::block_on(awaits(&rig)), 19_900);
    rig.finish();
}

fn under_smol<P: AnyPool>() {
    let rig = AnyRig::<P>::new(2);
    let executor = smol::LocalExecutor::new();
    let tasks: Vec<_> = (0..50u64)
        .map(|n| {
            let handle = rig.submit(move || n).expect("open");
            executor.spawn(async move { handle.await.expect("ran") })
        })
        .collect();
    let sum = smol::block_on(executor.run(async {
        let mut sum = awaits(&rig).await;
        for task in tasks {
            sum += task.await;
        }
        sum
    }));
    assert_eq!(sum, 19_900 + 1_225);
    rig.finish();
}

fn under_tokio<P: AnyPool>() {
    let rig = AnyRig::<P>::new(2);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("starts");
    let sum = runtime.block_on(async {
        let tasks: Vec<_> = (0..50u64).map(|n| tokio::spawn(rig.submit(move || n).expect("open"))).collect();
        let mut sum = awaits(&rig).await;
        for task in tasks {
            sum += task.await.expect("tokio runs it").expect("ran");
        }
        sum
    });
    assert_eq!(sum, 19_900 + 1_225);
    rig.finish();
}

#[test]
fn a_handle_of_a_push_pool_is_a_future() {
    under_the_executor_of_the_futures_crates::<Pool>();
    under_smol::<Pool>();
    under_tokio::<Pool>();
}

#[test]
fn a_handle_of_a_pull_pool_is_a_future() {
    under_the_executor_of_the_futures_crates::<PullPool>();
    under_smol::<PullPool>();
    under_tokio::<PullPool>();
}
