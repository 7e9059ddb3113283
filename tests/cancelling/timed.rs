//! Tokens with a time limit, and tokens whose parents are gone.

use std::time::{Duration, Instant};

use longshore::{CancelToken, JoinError};

use super::*;
use crate::support::{Census, Gate, wait_until};

const SHORT: Duration = Duration::from_millis(30);

#[test]
fn a_queued_task_ends_when_the_time_of_its_token_is_over() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let (census, begin) = (Census::default(), Instant::now());
    let token = CancelToken::after(SHORT);
    let captured = census.citizen();
    let queued = rig.task().token(&token).submit(move || captured.check()).expect("open");
    // The only worker is blocked until this has returned.
    assert!(matches!(queued.join(), Err(JoinError::Cancelled)));
    assert!(begin.elapsed() >= SHORT);
    census.assert_all_gone();
    assert!(token.is_cancelled());
    gate.open();
    assert_eq!(rig.finish().cancelled, 1);
}

#[test]
fn the_time_limit_holds_for_children_and_clones() {
    let outer = CancelToken::after(SHORT);
    let inner = outer.child().child().clone();
    // The tokens between are gone, and so is the one with the limit.
    drop(outer);
    wait_until("the child is cancelled", || inner.is_cancelled());
}

#[test]
fn a_token_may_be_cancelled_before_its_time() {
    let token = CancelToken::after(Duration::from_secs(3600));
    assert!(!token.is_cancelled());
    assert!(token.cancel());
    assert!(token.is_cancelled() && !token.cancel());
}

#[test]
fn limits_of_no_time_and_of_all_time() {
    assert!(CancelToken::after(Duration::ZERO).is_cancelled());
    assert!(!CancelToken::after(Duration::MAX).is_cancelled());
}

#[test]
fn many_limits_pass_in_any_order() {
    let tokens: Vec<_> = (0..1_000).map(|n| CancelToken::after(Duration::from_millis(n % 50))).collect();
    let kept: Vec<_> = (0..1_000).map(|_| CancelToken::after(Duration::from_secs(3600))).collect();
    tokens.iter().for_each(|token| wait_until("the time is over", || token.is_cancelled()));
    assert!(kept.iter().all(|token| !token.is_cancelled()));
}

/// A cancellation reaches a token when the tokens between the two have been dropped.
#[test]
fn a_grandchild_is_cancelled_without_its_parent() {
    let outer = CancelToken::new();
    let inner = outer.child().child();
    outer.cancel();
    assert!(inner.is_cancelled());
}

/// The drop of a long chain of tokens does not recurse, and neither does its cancellation.
#[test]
fn a_long_chain_of_children() {
    let outer = CancelToken::new();
    let last = (0..200_000).fold(outer.clone(), |token, _| token.child());
    outer.cancel();
    assert!(last.is_cancelled());
}

#[test]
fn refused_tasks_are_counted() {
    let rig = Rig::with(Pool::builder().workers(1).queue_capacity(2).on_full(longshore::OnFull::Reject));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let refused = |what: &str, wanted| assert_eq!(rig.stats().refused, wanted, "{what}");
    rig.execute_batch([(); 2].map(|()| || ())).expect("there are two places");
    refused("nothing", 0);
    assert!(rig.execute(|| ()).is_err());
    refused("execute", 1);
    assert!(rig.submit(|| ()).is_err());
    refused("submit", 2);
    assert!(rig.task().submit(|| ()).is_err());
    refused("a task builder", 3);
    let rest = rig.execute_batch((0..5).map(|_| || ())).expect_err("full");
    assert_eq!(rest.into_rejected().len(), 5);
    refused("a batch", 8);
    assert!(rig.group::<(), ()>().submit(|| ()).is_err());
    refused("a group", 9);
    gate.open();
    rig.shutdown().expect("shuts down");
    assert!(rig.submit(|| ()).is_err());
    assert!(rig.broadcast(|_| ()).is_err());
    let stats = rig.finish();
    assert_eq!((stats.refused, stats.submitted, stats.completed), (11, 3, 3));
}
