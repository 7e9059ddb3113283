//! The models, run on the library itself. Every one must pass.
#![cfg(longshore_loom)]

mod protocols;

use longshore::internals as code;
use longshore_models::harness::prove;
use protocols::{
    broadcasts, budgets, fork_slots, forks, growing, inbox, latches, leases, leaving, life, members, parking,
    pending_work, permits, pull, result_slot, result_slot_waiting, rosters, waits,
};

macro_rules! models {
    ($($file:ident::$model:ident: $bound:expr;)*) => {$(
        #[test]
        fn $model() {
            prove($bound, $file::$model);
        }
    )*};
}

models! {
    parking::a_push_wakes_a_parking_worker: 6;
    parking::a_second_push_wakes_it_again: 6;
    parking::two_producers_wake_a_parking_worker: 3;
    parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere: 2;
    parking::a_batch_wakes_as_many_as_it_needs: 2;
    parking::a_task_submitted_by_a_task_that_blocks_is_stolen: 2;
    parking::a_task_on_its_way_to_a_deque_is_not_forgotten: 2;
    parking::all_workers_see_the_end: 2;
    parking::an_outcome_wakes_a_worker_that_waits_for_it: 4;
    parking::a_waiting_worker_runs_the_awaited_task: 6;

    inbox::each_value_goes_to_one_taker: 6;
    inbox::producers_share_the_cells: 6;
    inbox::a_cell_is_reused_after_its_value_is_out: 6;
    inbox::a_batch_fills_the_free_cells: 6;
    inbox::a_close_divides_the_pushes: 6;
    inbox::a_close_waits_for_a_batch_under_way: 6;
    inbox::a_thief_takes_from_a_closing_inbox: 6;

    result_slot::an_outcome_reaches_the_thread_that_joins: 6;
    result_slot::an_outcome_is_taken_or_dropped_by_one_side: 6;
    result_slot::a_cancelled_task_never_runs: 6;
    result_slot::a_cancelled_slot_is_freed_by_the_last: 6;
    result_slot::two_cancels_and_a_start_agree: 5;
    result_slot::a_discarded_task_reaches_its_handle_as_cancelled: 6;
    result_slot::a_discard_and_a_cancel_drop_the_closure_once: 6;
    result_slot::a_task_run_ahead_of_its_turn_runs_once: 6;
    result_slot::a_task_run_ahead_of_its_turn_is_freed_by_the_last: 6;
    result_slot::a_discard_tells_whether_the_task_has_run: 6;
    result_slot::a_payload_has_one_receiver: 6;

    result_slot_waiting::the_waker_stored_last_is_woken: 6;
    result_slot_waiting::a_waiter_taken_back_is_not_used: 6;
    result_slot_waiting::a_dropped_handle_takes_its_waiter_back: 6;
    result_slot_waiting::a_thread_may_wait_after_a_waker: 6;
    result_slot_waiting::a_discard_wakes_the_waiter: 6;
    result_slot_waiting::a_joiner_may_give_up_and_wait_again: 6;

    pending_work::a_cancelled_token_ends_a_task_or_lets_it_run: 6;
    pending_work::two_sides_that_revoke_agree: 3;
    pending_work::a_question_leaves_the_work_to_a_helper: 3;
    pending_work::a_registration_that_comes_late_is_not_left: 4;
    pending_work::a_waiter_of_a_revoked_task_is_woken: 6;

    life::a_producer_in_flight_keeps_the_pool_from_ending: 3;
    life::tasks_accepted_before_the_close_run: 3;
    life::no_worker_ends_while_a_task_runs: 1;
    life::the_last_worker_to_park_ends_the_pool: 2;

    pull::a_counted_producer_keeps_the_pool_from_ending: 3;
    pull::each_stripe_divides_the_producers: 2;
    pull::no_worker_ends_while_a_pulled_task_runs: 1;
    pull::tasks_submitted_inside_a_closing_pool_run: 2;

    members::no_task_stays_with_a_worker_that_leaves: 3;
    members::a_worker_that_joins_finds_earlier_tasks: 4;

    growing::a_push_calls_the_autoscaler: 6;
    growing::a_worker_that_leaves_makes_the_pool_grow_again: 3;
    growing::a_number_that_is_assigned_again_loses_nothing: 6;

    leaving::a_task_sent_to_a_leaver_runs: 3;
    leaving::tasks_of_a_leaver_run_elsewhere: 3;
    leaving::a_reopened_mailbox_loses_nothing: 6;

    broadcasts::a_broadcast_task_for_a_leaver_runs_or_is_never_sent: 3;
    broadcasts::each_broadcast_reaches_the_present_workers: 2;

    rosters::one_worker_obeys_a_request_to_retire: 2;
    rosters::a_spare_thread_is_used_or_dismissed: 6;
    rosters::a_leaver_kept_as_spare_may_be_used_at_once: 6;

    waits::a_push_has_a_stand_in_started: 4;
    waits::a_stand_in_runs_what_follows: 3;

    fork_slots::a_fork_goes_to_its_owner_or_to_a_thief: 6;
    fork_slots::a_fork_goes_to_one_of_two_thieves: 6;
    fork_slots::the_next_fork_may_have_the_same_address: 6;

    latches::a_result_wakes_a_waiter_that_parks: 6;
    latches::a_result_meets_a_waiter_that_arms_again: 6;
    latches::a_result_reaches_the_thread_that_waits_last: 6;
    latches::a_nudge_makes_the_waiter_look_again: 6;
    latches::a_nudge_meets_a_result_and_a_second_arm: 2;

    forks::a_fork_is_run_by_its_owner_or_a_thief: 6;
    forks::the_older_fork_is_taken_first: 6;
    forks::a_waiter_runs_a_part_of_the_awaited_fork: 5;
    forks::a_waiter_without_stack_parks: 6;
    forks::a_thief_waits_for_a_thief: 3;
    forks::a_waiter_learns_of_its_thiefs_fork: 3;
    forks::a_waiter_returns_an_unrelated_fork: 6;
    forks::a_waiter_leaves_older_forks_of_its_thief_alone: 6;
    forks::a_waiter_leaves_later_shown_forks_of_its_thief_alone: 4;
    forks::a_fork_wakes_a_parking_worker: 4;
    forks::a_worker_that_waits_runs_its_own_fork: 6;

    leases::a_task_finds_its_worker_leased: 3;
    leases::tasks_left_by_a_lease_run: 6;
    leases::tasks_left_by_a_lease_run_on_any_worker: 2;
    leases::two_threads_lease_a_worker_in_turn: 2;
    leases::a_closing_pool_waits_for_a_lease: 3;
    leases::a_closing_pool_of_two_waits_for_a_lease: 1;
    leases::a_spurious_wake_up_changes_nothing: 4;
    leases::a_waiting_worker_is_not_leased: 2;

    permits::the_last_permit_goes_to_one_producer: 6;
    permits::permits_are_conserved: 6;
    permits::a_waiter_gets_the_released_permit: 6;
    permits::a_permit_goes_from_waiter_to_waiter: 4;
    permits::two_workers_serve_one_waiter: 6;
    permits::a_close_releases_all_waiters: 3;
    permits::a_cancelled_turn_goes_to_the_next_waiter: 6;
    permits::each_of_two_waiters_gets_a_permit: 4;
    permits::an_overdraft_is_never_taken_for_a_free_permit: 6;
    permits::a_lowered_limit_stays_lowered: 4;

    budgets::a_waiter_gets_the_released_weight: 6;
    budgets::weights_are_conserved: 6;
    budgets::a_heavy_task_is_not_overtaken: 6;
    budgets::a_cancelled_wait_lets_the_next_waiter_pass: 6;
    budgets::an_unused_grant_comes_back: 6;
    budgets::the_waker_set_last_is_woken: 6;
    budgets::each_of_two_waiters_gets_its_weight: 6;
    budgets::a_close_releases_all_waiters_of_the_budget: 3;
    budgets::an_overdraft_is_paid_back_first: 6;
}
