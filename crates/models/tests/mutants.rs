//! The mutants: each breaks one operation of the library, or one step of a model, and a model must find it. A
//! mutant that survives is a hole in the models, or an operation that is not needed. `docs/MODELS.md` says
//! what each breaks.
#![cfg(longshore_loom)]

#[allow(dead_code, reason = "not every model has a mutant")]
mod protocols;

use longshore_models::harness::{prove, refute};
use longshore_models::mutable as code;
use longshore_models::mutation::{relaxed, removed, torn, without};
use protocols::{
    broadcasts, budgets, fork_slots, forks, growing, inbox, latches, leases, leaving, life, members, parking,
    pending_work, permits, pull, result_slot, result_slot_waiting, rosters, waits,
};

macro_rules! mutants {
    ($($mutant:ident: $file:ident::$model:ident, $bound:expr, $mutation:expr;)*) => {$(
        #[test]
        fn $mutant() {
            refute($mutation, $bound, $file::$model);
        }
    )*};
}

/// The copy that can be broken is sound as long as nothing is broken, so the mutants fail because of their
/// mutation.
mod unbroken {
    use super::*;

    #[test]
    fn parking_passes() {
        prove(4, parking::a_push_wakes_a_parking_worker);
    }

    #[test]
    fn inbox_passes() {
        prove(4, inbox::each_value_goes_to_one_taker);
    }

    #[test]
    fn result_slot_passes() {
        prove(4, result_slot_waiting::the_waker_stored_last_is_woken);
    }

    #[test]
    fn forks_pass() {
        prove(2, forks::a_waiter_learns_of_its_thiefs_fork);
    }
}

// Parking (M1).
mutants! {
    push_without_its_fence: parking::a_push_wakes_a_parking_worker, 6,
        removed("idle.rs", "notify_after", "fence");
    batch_without_its_fence: parking::a_batch_wakes_as_many_as_it_needs, 2,
        removed("idle.rs", "notify_many", "fence");
    park_without_its_fence: parking::a_push_wakes_a_parking_worker, 6,
        removed("idle.rs", "prepare_park", "fence");
    park_without_the_last_look: parking::a_push_wakes_a_parking_worker, 6,
        without("the last look at the queues");
    park_that_is_not_counted: parking::a_push_wakes_a_parking_worker, 6,
        removed("idle.rs", "prepare_park", "fetch_add");
    end_of_search_without_the_check: parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere, 2,
        without("the last searcher's check");
    end_of_search_without_its_fence: parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere, 2,
        removed("idle.rs", "end_search", "fence");
    end_of_search_torn: parking::all_workers_see_the_end, 3,
        torn("idle.rs", "end_search", "fetch_sub");
    start_of_search_torn: parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere, 2,
        torn("idle.rs", "start_search", "compare_exchange");
    chosen_without_being_marked_awake: parking::a_push_wakes_a_parking_worker, 6,
        removed("idle.rs", "make_searcher", "store");
    cancelled_park_torn: parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere, 2,
        torn("idle.rs", "cancel_park", "fetch_add");
    tasks_moved_without_a_notification: parking::a_task_on_its_way_to_a_deque_is_not_forgotten, 2,
        without("notifying for tasks moved to the deque");
    close_that_wakes_no_worker: parking::all_workers_see_the_end, 3,
        without("waking all workers at the close");
    wait_without_arming_the_latch: parking::an_outcome_wakes_a_worker_that_waits_for_it, 3,
        without("arming the latch");
}

// Pulling.
mutants! {
    entry_torn: pull::a_counted_producer_keeps_the_pool_from_ending, 3,
        torn("entry_counter.rs", "enter", "compare_exchange");
    close_of_a_stripe_torn: pull::each_stripe_divides_the_producers, 3,
        torn("entry_counter.rs", "close", "fetch_or");
    entry_counter_left_open: pull::a_counted_producer_keeps_the_pool_from_ending, 3,
        without("closing the entry counter");
    shared_queue_filled_without_a_notification: pull::a_counted_producer_keeps_the_pool_from_ending, 3,
        without("notifying for a task in the shared queue");
    end_without_the_lock: pull::no_worker_ends_while_a_pulled_task_runs, 3,
        without("the lock of the list");
}

// Waits (M12).
mutants! {
    wait_without_the_last_look: waits::a_push_has_a_stand_in_started, 4,
        without("the last look of a worker that waits");
    wait_parked_without_its_fence: waits::a_push_has_a_stand_in_started, 4,
        removed("idle.rs", "prepare_park", "fence");
}

// Inbox (M4).
mutants! {
    value_published_relaxed: inbox::each_value_goes_to_one_taker, 6,
        relaxed("inbox.rs", "fill_in_place", "store");
    value_read_relaxed: inbox::each_value_goes_to_one_taker, 6,
        relaxed("inbox.rs", "ready", "load");
    cell_freed_relaxed: inbox::a_cell_is_reused_after_its_value_is_out, 6,
        relaxed("inbox.rs", "empty", "store");
    cell_claimed_relaxed: inbox::a_cell_is_reused_after_its_value_is_out, 6,
        relaxed("inbox.rs", "reserve", "load");
    cells_of_a_batch_claimed_relaxed: inbox::a_batch_fills_the_free_cells, 6,
        relaxed("inbox.rs", "push_batch_noting", "load");
    claim_torn: inbox::producers_share_the_cells, 6,
        torn("inbox.rs", "reserve", "compare_exchange");
    claim_of_a_batch_torn: inbox::producers_share_the_cells, 6,
        torn("inbox.rs", "push_batch_noting", "compare_exchange");
    take_torn: inbox::each_value_goes_to_one_taker, 6,
        torn("inbox.rs", "take_noting", "compare_exchange");
    push_after_close_accepted: inbox::a_close_divides_the_pushes, 6,
        removed("inbox.rs", "close", "fetch_or");
    close_torn: inbox::a_close_divides_the_pushes, 6,
        torn("inbox.rs", "close", "fetch_or");
    drain_before_close: inbox::a_close_waits_for_a_batch_under_way, 6,
        without("the close before the drain");
}

// Work of tasks with conditions (M14).
mutants! {
    work_begun_without_a_swap: pending_work::a_cancelled_token_ends_a_task_or_lets_it_run, 6,
        torn("conditions.rs", "begin", "compare_exchange");
    work_revoked_without_a_swap: pending_work::two_sides_that_revoke_agree, 3,
        torn("conditions.rs", "claim", "compare_exchange");
    work_left_without_a_swap: pending_work::a_question_leaves_the_work_to_a_helper, 3,
        torn("conditions.rs", "claim", "compare_exchange");
    work_claimed_and_not_marked: pending_work::a_registration_that_comes_late_is_not_left, 4,
        removed("conditions.rs", "begin", "compare_exchange");
    work_revoked_and_not_marked: pending_work::a_waiter_of_a_revoked_task_is_woken, 6,
        removed("conditions.rs", "claim", "compare_exchange");
}

// Result slot (M8, M12).
mutants! {
    closure_claimed_without_a_swap: result_slot::a_cancelled_task_never_runs, 6,
        torn("result_slot.rs", "claim_closure", "compare_exchange");
    closure_run_ahead_without_a_swap: result_slot::a_task_run_ahead_of_its_turn_runs_once, 6,
        torn("result_slot.rs", "claim_closure", "compare_exchange");
    task_run_ahead_left_relaxed: result_slot::a_task_run_ahead_of_its_turn_is_freed_by_the_last, 6,
        relaxed("result_slot.rs", "leave", "fetch_and");
    outcome_published_relaxed: result_slot::an_outcome_reaches_the_thread_that_joins, 6,
        relaxed("result_slot.rs", "publish", "compare_exchange");
    outcome_published_torn: result_slot_waiting::the_waker_stored_last_is_woken, 6,
        torn("result_slot.rs", "publish", "compare_exchange");
    publisher_leaves_relaxed: result_slot::an_outcome_reaches_the_thread_that_joins, 6,
        relaxed("result_slot.rs", "publish", "fetch_and");
    publisher_leaves_torn: result_slot::an_outcome_reaches_the_thread_that_joins, 6,
        torn("result_slot.rs", "publish", "fetch_and");
    outcome_taken_relaxed: result_slot::an_outcome_is_taken_or_dropped_by_one_side, 6,
        relaxed("result_slot.rs", "take", "load");
    waiter_stored_relaxed: result_slot_waiting::the_waker_stored_last_is_woken, 6,
        relaxed("result_slot.rs", "wait_with", "compare_exchange");
    waiter_stored_torn: result_slot_waiting::the_waker_stored_last_is_woken, 6,
        torn("result_slot.rs", "wait_with", "compare_exchange");
    waiter_taken_back_torn: result_slot_waiting::a_waiter_taken_back_is_not_used, 6,
        torn("result_slot.rs", "stop_waiting", "fetch_and");
    handle_leaves_torn: result_slot::an_outcome_is_taken_or_dropped_by_one_side, 6,
        torn("result_slot.rs", "drop", "compare_exchange");
    handle_leaves_relaxed: result_slot::an_outcome_is_taken_or_dropped_by_one_side, 6,
        relaxed("result_slot.rs", "drop", "compare_exchange");
    handle_leaves_last_relaxed: result_slot::a_cancelled_slot_is_freed_by_the_last, 6,
        relaxed("result_slot.rs", "drop", "fetch_and");
    task_leaves_relaxed: result_slot::a_cancelled_slot_is_freed_by_the_last, 6,
        relaxed("result_slot.rs", "leave", "fetch_and");
    task_leaves_torn: result_slot::a_cancelled_slot_is_freed_by_the_last, 6,
        torn("result_slot.rs", "leave", "fetch_and");
}

// End of the pool, and its set of workers (M9, M10).
mutants! {
    last_worker_without_its_fence: life::a_producer_in_flight_keeps_the_pool_from_ending, 3,
        without("the fence of the last worker");
    producer_in_flight_without_its_fence: life::a_producer_in_flight_keeps_the_pool_from_ending, 3,
        without("the fence of a producer in flight");
    producer_in_flight_that_wakes_no_worker: life::a_producer_in_flight_keeps_the_pool_from_ending, 3,
        without("waking all workers after a producer in flight");
    inboxes_left_open: life::tasks_accepted_before_the_close_run, 3,
        without("closing the inboxes");
    workers_counted_before_the_queues: life::no_worker_ends_while_a_task_runs, 3,
        without("looking at the queues while all workers are parked, and not after");
    leaver_with_its_inbox_open: members::no_task_stays_with_a_worker_that_leaves, 3,
        without("closing the inbox of a leaver");
    leaver_that_drains_too_early: members::no_task_stays_with_a_worker_that_leaves, 3,
        without("draining after the close");
    leaver_that_hands_on_without_a_notification: members::no_task_stays_with_a_worker_that_leaves, 3,
        without("notifying for tasks handed on");
    old_set_not_read_again: members::no_task_stays_with_a_worker_that_leaves, 3,
        without("reading the set again");
}

// Growing (M10).
mutants! {
    call_requested_without_its_fence: growing::a_push_calls_the_autoscaler, 6,
        removed("idle.rs", "arm_autoscaler", "fence");
    call_not_requested: growing::a_push_calls_the_autoscaler, 6,
        removed("idle.rs", "arm_autoscaler", "fetch_or");
    call_without_the_fence_of_the_push: growing::a_push_calls_the_autoscaler, 6,
        removed("idle.rs", "notify_after", "fence");
    autoscaler_without_its_last_look: growing::a_push_calls_the_autoscaler, 6,
        without("the autoscaler's last look");
    leaver_without_its_last_look: growing::a_worker_that_leaves_makes_the_pool_grow_again, 3,
        without("the look after a worker has left");
    number_assigned_again_with_a_closed_inbox: growing::a_number_that_is_assigned_again_loses_nothing, 3,
        removed("inbox.rs", "reopen", "fetch_and");
}

// Leaving, with broadcasts, and spare threads (M10).
mutants! {
    leaver_with_its_mailbox_open: leaving::a_task_sent_to_a_leaver_runs, 3,
        without("closing the mailbox before it is emptied");
    leaver_that_forgets_its_mailbox: leaving::tasks_of_a_leaver_run_elsewhere, 3,
        without("handing over the mailbox");
    leaver_that_forgets_its_deque: leaving::tasks_of_a_leaver_run_elsewhere, 3,
        without("handing over the deque");
    leaver_that_forgets_its_inbox: leaving::tasks_of_a_leaver_run_elsewhere, 3,
        without("handing over the inbox");
    leaver_that_hands_over_without_a_notification: leaving::a_task_sent_to_a_leaver_runs, 3,
        without("notifying for tasks handed over");
    refused_task_without_a_notification: leaving::a_task_sent_to_a_leaver_runs, 3,
        without("notifying for a task that was refused first");
    leaver_with_its_broadcasts_open: broadcasts::a_broadcast_task_for_a_leaver_runs_or_is_never_sent, 3,
        without("closing the broadcasts before the last look");
    broadcast_that_wakes_no_worker: broadcasts::a_broadcast_task_for_a_leaver_runs_or_is_never_sent, 3,
        without("waking the workers of a broadcast");
    broadcasts_not_looked_at: broadcasts::a_broadcast_task_for_a_leaver_runs_or_is_never_sent, 3,
        without("the look at the broadcasts");
    resize_that_wakes_no_worker: rosters::one_worker_obeys_a_request_to_retire, 2,
        without("waking all workers for a resize");
    roster_not_looked_at: rosters::one_worker_obeys_a_request_to_retire, 2,
        without("the look at the roster");
    roster_not_checked_again: rosters::one_worker_obeys_a_request_to_retire, 2,
        without("checking again under the lock");
    requests_to_retire_not_published: rosters::one_worker_obeys_a_request_to_retire, 2,
        removed("roster.rs", "publish", "store");
    spare_used_and_not_woken: rosters::a_spare_thread_is_used_or_dismissed, 3,
        without("waking the spare thread that is used");
    spare_dismissed_and_not_woken: rosters::a_spare_thread_is_used_or_dismissed, 3,
        without("waking the spare threads that are dismissed");
    leaver_used_and_not_woken: rosters::a_leaver_kept_as_spare_may_be_used_at_once, 3,
        without("waking the spare thread that is used");
}

// Fork slot (M6).
mutants! {
    slot_filled_relaxed: fork_slots::a_fork_goes_to_its_owner_or_to_a_thief, 6,
        relaxed("fork_slot.rs", "put", "store");
    slot_emptied_relaxed: fork_slots::a_fork_goes_to_its_owner_or_to_a_thief, 6,
        relaxed("fork_slot.rs", "take", "compare_exchange");
    slot_emptied_torn: fork_slots::a_fork_goes_to_one_of_two_thieves, 6,
        torn("fork_slot.rs", "take", "compare_exchange");
    slot_taken_back_torn: fork_slots::a_fork_goes_to_its_owner_or_to_a_thief, 6,
        torn("fork_slot.rs", "take_back", "compare_exchange");
    slot_filled_again_relaxed: fork_slots::the_next_fork_may_have_the_same_address, 6,
        relaxed("fork_slot.rs", "put", "store");
}

// Latch (M5).
mutants! {
    result_set_relaxed: latches::a_result_wakes_a_waiter_that_parks, 6,
        relaxed("latch.rs", "set", "compare_exchange");
    result_set_torn: latches::a_result_wakes_a_waiter_that_parks, 6,
        torn("latch.rs", "set", "compare_exchange");
    result_read_relaxed: latches::a_result_wakes_a_waiter_that_parks, 6,
        relaxed("latch.rs", "result", "load");
    latch_touched_after_it_is_set: latches::a_result_wakes_a_waiter_that_parks, 6,
        without("leaving the latch alone once it is set");
    waiter_taken_relaxed: latches::a_result_wakes_a_waiter_that_parks, 6,
        relaxed("latch.rs", "take_waiter", "compare_exchange");
    waiter_taken_torn: latches::a_nudge_meets_a_result_and_a_second_arm, 2,
        torn("latch.rs", "take_waiter", "compare_exchange");
    cell_of_the_waiter_left_relaxed: latches::a_result_meets_a_waiter_that_arms_again, 6,
        relaxed("latch.rs", "take_waiter", "store");
    cell_of_the_waiter_claimed_relaxed: latches::a_result_meets_a_waiter_that_arms_again, 6,
        relaxed("latch.rs", "arm", "load");
    armed_relaxed: latches::a_result_wakes_a_waiter_that_parks, 6,
        relaxed("latch.rs", "arm", "compare_exchange");
    armed_torn: latches::a_result_wakes_a_waiter_that_parks, 6,
        torn("latch.rs", "arm", "compare_exchange");
    armed_without_its_fence: latches::a_nudge_makes_the_waiter_look_again, 4,
        removed("latch.rs", "arm", "fence");
    nudge_without_its_fence: latches::a_nudge_makes_the_waiter_look_again, 4,
        without("the fence before a nudge");
    news_without_a_nudge: latches::a_nudge_makes_the_waiter_look_again, 4,
        without("the nudge");
}

// Forks (M6).
mutants! {
    fork_shown_relaxed: forks::a_fork_is_run_by_its_owner_or_a_thief, 4,
        relaxed("fork_slot.rs", "put", "store");
    fork_taken_relaxed: forks::a_fork_is_run_by_its_owner_or_a_thief, 4,
        relaxed("fork_slot.rs", "take", "compare_exchange");
    fork_taken_back_torn: forks::a_fork_is_run_by_its_owner_or_a_thief, 4,
        torn("fork_slot.rs", "take_back", "compare_exchange");
    end_of_a_fork_set_relaxed: forks::a_fork_is_run_by_its_owner_or_a_thief, 4,
        relaxed("latch.rs", "set", "compare_exchange");
    latch_looked_at_before_the_take: forks::a_waiter_returns_an_unrelated_fork, 3,
        without("looking at the latch after the take");
    part_taken_relaxed: forks::a_waiter_returns_an_unrelated_fork, 3,
        relaxed("fork_slot.rs", "take", "compare_exchange");
    waiters_let_in_above_older_forks: forks::a_waiter_leaves_older_forks_of_its_thief_alone, 3,
        without("hiding from waiters above older forks");
    waiters_let_in_above_private_forks: forks::a_waiter_leaves_later_shown_forks_of_its_thief_alone, 2,
        without("hiding from waiters above older forks");
    fork_without_nudges: forks::a_waiter_learns_of_its_thiefs_fork, 3,
        without("the nudges");
    fork_of_a_thief_without_its_fence: forks::a_waiter_learns_of_its_thiefs_fork, 3,
        removed("idle.rs", "notify_after", "fence");
    waiter_armed_without_its_fence: forks::a_waiter_learns_of_its_thiefs_fork, 3,
        removed("latch.rs", "arm", "fence");
    waiter_without_its_last_look: forks::a_waiter_learns_of_its_thiefs_fork, 3,
        without("the look at the thief's fork slot");
    waiter_without_stack_that_looks_on: forks::a_waiter_without_stack_parks, 3,
        without("parking when the stack is used up");
    fork_without_its_fence: forks::a_fork_wakes_a_parking_worker, 3,
        removed("idle.rs", "notify_after", "fence");
    park_without_its_fence_before_fork_slots: forks::a_fork_wakes_a_parking_worker, 3,
        removed("idle.rs", "prepare_park", "fence");
    fork_slots_not_looked_at: forks::a_fork_wakes_a_parking_worker, 3,
        without("the look at the fork slots");
    own_fork_not_taken: forks::a_worker_that_waits_runs_its_own_fork, 3,
        without("the worker's own fork");
}

// Leases (M1, M9).
mutants! {
    leased_without_a_mark: leases::a_task_finds_its_worker_leased, 3,
        removed("idle.rs", "lease", "store");
    leased_but_counted_as_parked: leases::a_task_finds_its_worker_leased, 3,
        removed("idle.rs", "lease", "fetch_sub");
    returned_but_not_counted: leases::a_task_finds_its_worker_leased, 3,
        removed("idle.rs", "end_lease", "fetch_add");
    returned_without_its_fence: leases::a_task_finds_its_worker_leased, 3,
        removed("idle.rs", "end_lease", "fence");
    returned_without_a_look_at_work: leases::a_task_finds_its_worker_leased, 3,
        without("the look at work after a lease");
    tasks_left_without_a_look_at_work: leases::tasks_left_by_a_lease_run, 4,
        without("the look at work after a lease");
    returned_without_waking_for_the_end: leases::a_closing_pool_waits_for_a_lease, 3,
        without("waking all workers after a lease");
    phase_not_looked_at_again: leases::a_closing_pool_waits_for_a_lease, 3,
        without("looking at the phase again");
    workers_and_queues_looked_at_in_turn: leases::a_closing_pool_waits_for_a_lease, 3,
        without("looking at the queues while all workers are parked");
    leased_worker_that_wakes_spuriously: leases::a_spurious_wake_up_changes_nothing, 2,
        removed("idle.rs", "lease", "store");
}

// Permits (M11).
mutants! {
    permit_released_without_its_barrier: permits::a_waiter_gets_the_released_permit, 6,
        removed("permits.rs", "serve_waiters", "fence");
    wait_without_its_barrier: permits::a_waiter_gets_the_released_permit, 6,
        removed("permits.rs", "acquire_or_enqueue", "fence");
    wait_that_is_not_announced: permits::a_waiter_gets_the_released_permit, 6,
        removed("permits.rs", "acquire_or_enqueue", "store");
    permit_not_counted: permits::a_waiter_gets_the_released_permit, 6,
        removed("permits.rs", "count_alone", "store");
    permits_from_outside_not_counted: permits::a_permit_goes_from_waiter_to_waiter, 2,
        removed("permits.rs", "release_from_outside", "fetch_add");
    permit_taken_torn: permits::the_last_permit_goes_to_one_producer, 6,
        torn("permits.rs", "try_acquire", "compare_exchange");
    stripes_drained_torn: permits::the_last_permit_goes_to_one_producer, 6,
        torn("permits.rs", "drain_stripes", "swap");
    stripes_not_drained: permits::the_last_permit_goes_to_one_producer, 6,
        removed("permits.rs", "drain_stripes", "swap");
    overdraft_counted_relaxed: permits::an_overdraft_is_never_taken_for_a_free_permit, 6,
        relaxed("permits.rs", "count_alone", "store");
    counters_read_relaxed: permits::an_overdraft_is_never_taken_for_a_free_permit, 6,
        relaxed("permits.rs", "sum", "load");
    limit_lowered_without_an_overdraft: permits::a_lowered_limit_stays_lowered, 3,
        removed("permits.rs", "overdraw_from_outside", "fetch_add");
    grant_not_stored: permits::a_waiter_gets_the_released_permit, 6,
        removed("wait_queue.rs", "settle", "store");
}

// Budget (M11).
mutants! {
    weight_granted_relaxed: budgets::a_waiter_gets_the_released_weight, 6,
        relaxed("wait_queue.rs", "settle", "store");
    grant_of_weight_read_relaxed: budgets::a_waiter_gets_the_released_weight, 6,
        relaxed("wait_queue.rs", "state", "load");
    weight_not_granted: budgets::weights_are_conserved, 4,
        removed("wait_queue.rs", "settle", "store");
    heavy_task_overtaken: budgets::a_heavy_task_is_not_overtaken, 6,
        without("enqueueing the light task");
    wait_not_cancelled: budgets::a_cancelled_wait_lets_the_next_waiter_pass, 4,
        without("cancelling the wait");
    grant_not_cancelled: budgets::an_unused_grant_comes_back, 6,
        without("cancelling the wait");
    waker_not_replaced: budgets::the_waker_set_last_is_woken, 6,
        without("setting the waker");
    close_of_the_budget_left_out: budgets::a_close_releases_all_waiters_of_the_budget, 2,
        without("the close");
}
