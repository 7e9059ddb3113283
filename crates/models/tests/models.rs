//! The models, run on the library itself. Every one must pass.
#![cfg(longshore_loom)]

mod protocols;

use longshore::internals as code;
use longshore_models::harness::prove;
use protocols::{
    broadcasts, budgets, fork_slots, forks, growing, inbox, latches, leases, leaving, life, members, parking,
    permits, pull, result_slot, result_slot_waiting, rosters,
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
    parking::everyone_hears_of_the_end: 2;
    parking::an_outcome_wakes_a_worker_that_waits_for_it: 4;
    parking::a_worker_that_waits_runs_what_it_waits_for: 6;

    inbox::each_value_goes_to_one_taker: 6;
    inbox::producers_share_the_places: 6;
    inbox::a_place_is_used_again_after_its_value_is_out: 6;
    inbox::a_batch_fits_into_the_places_that_are_free: 6;
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

    result_slot_waiting::the_waker_left_last_is_woken: 6;
    result_slot_waiting::a_waiter_taken_back_is_not_used: 6;
    result_slot_waiting::a_handle_takes_its_waiter_along: 6;
    result_slot_waiting::a_thread_may_wait_after_a_waker: 6;
    result_slot_waiting::a_discard_wakes_the_waiter: 6;
    result_slot_waiting::a_joiner_may_give_up_and_come_back: 6;

    life::a_passage_keeps_the_pool_from_ending: 3;
    life::what_is_accepted_before_the_close_runs: 3;
    life::nobody_goes_while_a_task_runs: 1;
    life::the_last_worker_to_rest_ends_the_pool: 2;

    pull::a_producer_behind_the_door_keeps_the_pool_from_ending: 3;
    pull::each_door_divides_those_who_come: 2;
    pull::nobody_goes_while_a_pulled_task_runs: 1;
    pull::what_a_task_submits_to_a_closing_pool_runs: 2;

    members::no_task_stays_with_a_worker_that_leaves: 3;
    members::a_worker_that_joins_finds_what_came_before_it: 4;

    growing::a_push_calls_the_supervisor: 6;
    growing::a_worker_that_leaves_has_the_pool_grow_again: 3;
    growing::a_number_that_is_given_again_loses_nothing: 6;

    leaving::a_task_sent_to_a_leaver_is_done: 3;
    leaving::what_a_leaver_has_is_done_by_another: 3;
    leaving::a_mailbox_that_is_given_again_loses_nothing: 6;

    broadcasts::an_order_to_a_leaver_is_run_or_never_given: 3;
    broadcasts::each_broadcast_finds_who_is_there: 2;

    rosters::an_order_to_leave_is_obeyed_by_one: 2;
    rosters::a_spare_thread_is_taken_or_sent_home: 6;
    rosters::a_leaver_that_is_kept_may_be_wanted_at_once: 6;

    fork_slots::a_piece_goes_to_its_owner_or_to_a_thief: 6;
    fork_slots::a_piece_goes_to_one_of_two_thieves: 6;
    fork_slots::the_next_piece_may_have_the_same_address: 6;

    latches::a_verdict_wakes_a_waiter_that_lies_down: 6;
    latches::a_verdict_meets_a_waiter_that_arms_anew: 6;
    latches::a_verdict_reaches_the_thread_that_waits_last: 6;
    latches::a_nudge_has_the_waiter_look_around: 6;
    latches::a_nudge_meets_a_verdict_and_a_new_arm: 2;

    forks::a_fork_is_run_by_its_owner_or_a_thief: 6;
    forks::the_older_fork_is_taken_first: 6;
    forks::a_waiter_does_part_of_what_it_waits_for: 5;
    forks::a_waiter_without_a_stack_sleeps: 6;
    forks::a_thief_waits_for_a_thief: 3;
    forks::a_waiter_hears_of_its_thiefs_offer: 3;
    forks::a_waiter_gives_back_what_is_none_of_its_business: 6;
    forks::a_waiter_leaves_alone_what_lies_beneath: 6;
    forks::a_waiter_leaves_alone_what_is_offered_from_beneath: 4;
    forks::a_fork_wakes_a_parking_worker: 4;
    forks::a_worker_that_waits_runs_its_own_fork: 6;

    leases::a_task_finds_its_worker_on_loan: 3;
    leases::what_a_guest_leaves_behind_is_done: 6;
    leases::what_a_guest_leaves_behind_is_done_by_anybody: 2;
    leases::two_guests_share_a_worker: 2;
    leases::a_closing_pool_waits_for_a_loan: 3;
    leases::a_closing_pool_of_two_waits_for_a_loan: 1;
    leases::a_wake_up_without_a_cause_changes_nothing: 4;
    leases::a_worker_that_waits_is_not_lent: 2;

    permits::the_last_permit_goes_to_one: 6;
    permits::permits_are_conserved: 6;
    permits::who_waits_gets_what_is_given_back: 6;
    permits::a_permit_goes_from_hand_to_hand: 4;
    permits::two_workers_serve_one_who_waits: 6;
    permits::a_close_sends_all_away: 3;
    permits::a_turn_that_is_given_up_goes_to_the_next: 6;
    permits::who_watches_is_told_of_what_is_left: 4;
    permits::an_overdraft_is_never_taken_for_room: 6;
    permits::a_room_that_becomes_narrower_stays_so: 4;

    budgets::who_waits_gets_the_weight_that_comes_back: 6;
    budgets::weights_are_conserved: 6;
    budgets::a_heavy_one_is_not_overtaken: 6;
    budgets::a_place_that_is_given_up_goes_to_the_next: 6;
    budgets::what_was_granted_and_not_used_comes_back: 6;
    budgets::who_asked_last_is_woken: 6;
    budgets::who_watches_is_told_of_free_weight: 6;
    budgets::a_close_sends_all_away_from_the_budget: 3;
    budgets::an_overdraft_is_paid_back_first: 6;
}
