//! The mutants: one operation of the library, or one step of a model, is broken, and a model must find it. A mutant
//! that survives is a hole in the models, or an operation that nobody needs. docs/MODELS.md says what each stands for.
#![cfg(longshore_loom)]

#[allow(dead_code, reason = "not every model has a mutant")]
mod protocols;

use longshore_models::harness::{prove, refute};
use longshore_models::mutable as code;
use longshore_models::mutation::Mutation;
use protocols::{
    budgets, forks, growing, inbox, latches, leaving, life, loans, members, offers, orders, parking, pull,
    rooms, rosters, slot, slot_waiting,
};

macro_rules! mutants {
    ($($mutant:ident: $file:ident::$model:ident, $bound:expr, $mutation:expr;)*) => {$(
        #[test]
        fn $mutant() {
            refute($mutation, $bound, $file::$model);
        }
    )*};
}

const fn removed(file: &'static str, function: &'static str, operation: &'static str) -> Mutation {
    Mutation::removed(file, function, operation)
}

const fn relaxed(file: &'static str, function: &'static str, operation: &'static str) -> Mutation {
    Mutation::relaxed(file, function, operation)
}

const fn torn(file: &'static str, function: &'static str, operation: &'static str) -> Mutation {
    Mutation::torn(file, function, operation)
}

const fn without(step: &'static str) -> Mutation {
    Mutation::Step(step)
}

/// The copy that can be broken is sound as long as nothing is: what the mutants die of is their mutation.
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
    fn slot_passes() {
        prove(4, slot_waiting::the_waker_left_last_is_woken);
    }

    #[test]
    fn forks_pass() {
        prove(2, forks::a_waiter_hears_of_its_thiefs_offer);
    }
}

// Parking (M1).
mutants! {
    push_without_its_fence: parking::a_push_wakes_a_parking_worker, 6,
        removed("idle.rs", "notify", "fence");
    batch_without_its_fence: parking::a_batch_wakes_as_many_as_it_needs, 2,
        removed("idle.rs", "notify_many", "fence");
    rest_without_its_fence: parking::a_push_wakes_a_parking_worker, 6,
        removed("idle.rs", "prepare_park", "fence");
    rest_without_the_last_look: parking::a_push_wakes_a_parking_worker, 6,
        without("the last look around");
    rest_that_is_not_counted: parking::a_push_wakes_a_parking_worker, 6,
        removed("idle.rs", "prepare_park", "fetch_add");
    leave_without_the_check: parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere, 2,
        without("the last searcher's check");
    leave_without_its_fence: parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere, 2,
        removed("idle.rs", "end_search", "fence");
    leave_torn: parking::everyone_hears_of_the_end, 3,
        torn("idle.rs", "end_search", "fetch_sub");
    search_begun_torn: parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere, 2,
        torn("idle.rs", "start_search", "compare_exchange");
    chosen_without_freeing_the_seat: parking::a_push_wakes_a_parking_worker, 6,
        removed("idle.rs", "make_searcher", "store");
    withdrawn_torn: parking::a_task_pushed_behind_a_blocked_one_runs_elsewhere, 2,
        torn("idle.rs", "cancel_park", "fetch_add");
    tasks_moved_in_silence: parking::a_task_on_its_way_to_a_deque_is_not_forgotten, 2,
        without("notifying for tasks that were on their way");
    close_that_wakes_nobody: parking::everyone_hears_of_the_end, 3,
        without("waking everyone at the close");
    wait_without_arming_the_latch: parking::an_outcome_wakes_a_worker_that_waits_for_it, 3,
        without("arming the latch");
}

// Pulling.
mutants! {
    door_torn: pull::a_producer_behind_the_door_keeps_the_pool_from_ending, 3,
        torn("entry_counter.rs", "enter", "compare_exchange");
    door_closed_torn: pull::each_door_divides_those_who_come, 3,
        torn("entry_counter.rs", "close", "fetch_or");
    doors_left_open: pull::a_producer_behind_the_door_keeps_the_pool_from_ending, 3,
        without("closing the entries");
    shared_queue_filled_in_silence: pull::a_producer_behind_the_door_keeps_the_pool_from_ending, 3,
        without("notifying for a task in the shared queue");
    end_without_the_lock: pull::nobody_goes_while_a_pulled_task_runs, 3,
        without("the lock of the list");
}

// Inbox (M4).
mutants! {
    value_published_relaxed: inbox::each_value_goes_to_one_taker, 6,
        relaxed("inbox.rs", "fill_in_place", "store");
    value_read_relaxed: inbox::each_value_goes_to_one_taker, 6,
        relaxed("inbox.rs", "ready", "load");
    place_given_back_relaxed: inbox::a_place_is_used_again_after_its_value_is_out, 6,
        relaxed("inbox.rs", "empty", "store");
    place_claimed_relaxed: inbox::a_place_is_used_again_after_its_value_is_out, 6,
        relaxed("inbox.rs", "reserve", "load");
    places_of_a_batch_claimed_relaxed: inbox::a_batch_fits_into_the_places_that_are_free, 6,
        relaxed("inbox.rs", "push_batch", "load");
    claim_torn: inbox::producers_share_the_places, 6,
        torn("inbox.rs", "reserve", "compare_exchange");
    claim_of_a_batch_torn: inbox::producers_share_the_places, 6,
        torn("inbox.rs", "push_batch", "compare_exchange");
    take_torn: inbox::each_value_goes_to_one_taker, 6,
        torn("inbox.rs", "take", "compare_exchange");
    push_after_close_accepted: inbox::a_close_divides_the_pushes, 6,
        removed("inbox.rs", "close", "fetch_or");
    close_torn: inbox::a_close_divides_the_pushes, 6,
        torn("inbox.rs", "close", "fetch_or");
    drain_before_close: inbox::a_close_waits_for_a_batch_under_way, 6,
        without("the close before the drain");
}

// Slot (M8, M12).
mutants! {
    closure_claimed_without_a_swap: slot::a_cancelled_task_never_runs, 6,
        torn("result_slot.rs", "claim_closure", "compare_exchange");
    closure_run_ahead_without_a_swap: slot::a_task_run_ahead_of_its_turn_runs_once, 6,
        torn("result_slot.rs", "claim_closure", "compare_exchange");
    task_run_ahead_left_relaxed: slot::a_task_run_ahead_of_its_turn_is_freed_by_the_last, 6,
        relaxed("result_slot.rs", "leave", "fetch_and");
    outcome_published_relaxed: slot::an_outcome_reaches_the_thread_that_joins, 6,
        relaxed("result_slot.rs", "publish", "compare_exchange");
    outcome_published_torn: slot_waiting::the_waker_left_last_is_woken, 6,
        torn("result_slot.rs", "publish", "compare_exchange");
    publisher_leaves_relaxed: slot::an_outcome_reaches_the_thread_that_joins, 6,
        relaxed("result_slot.rs", "publish", "fetch_and");
    publisher_leaves_torn: slot::an_outcome_reaches_the_thread_that_joins, 6,
        torn("result_slot.rs", "publish", "fetch_and");
    outcome_taken_relaxed: slot::an_outcome_is_taken_or_dropped_by_one_side, 6,
        relaxed("result_slot.rs", "take", "load");
    waiter_left_relaxed: slot_waiting::the_waker_left_last_is_woken, 6,
        relaxed("result_slot.rs", "wait_with", "compare_exchange");
    waiter_left_torn: slot_waiting::the_waker_left_last_is_woken, 6,
        torn("result_slot.rs", "wait_with", "compare_exchange");
    waiter_taken_back_torn: slot_waiting::a_waiter_taken_back_is_not_used, 6,
        torn("result_slot.rs", "stop_waiting", "fetch_and");
    handle_leaves_torn: slot::an_outcome_is_taken_or_dropped_by_one_side, 6,
        torn("result_slot.rs", "drop", "compare_exchange");
    handle_leaves_relaxed: slot::an_outcome_is_taken_or_dropped_by_one_side, 6,
        relaxed("result_slot.rs", "drop", "compare_exchange");
    handle_leaves_last_relaxed: slot::a_cancelled_slot_is_freed_by_the_last, 6,
        relaxed("result_slot.rs", "drop", "fetch_and");
    task_leaves_relaxed: slot::a_cancelled_slot_is_freed_by_the_last, 6,
        relaxed("result_slot.rs", "leave", "fetch_and");
    task_leaves_torn: slot::a_cancelled_slot_is_freed_by_the_last, 6,
        torn("result_slot.rs", "leave", "fetch_and");
}

// Life and worker set (M9, M10).
mutants! {
    last_worker_without_its_fence: life::a_passage_keeps_the_pool_from_ending, 3,
        without("fence of the last worker");
    passage_without_its_fence: life::a_passage_keeps_the_pool_from_ending, 3,
        without("fence of a passage");
    passage_that_wakes_nobody: life::a_passage_keeps_the_pool_from_ending, 3,
        without("waking everyone after a passage");
    inboxes_left_open: life::what_is_accepted_before_the_close_runs, 3,
        without("closing the inboxes");
    workers_counted_before_the_queues: life::nobody_goes_while_a_task_runs, 3,
        without("looking at the queues while all rest, and not after");
    leaver_keeps_its_inbox_open: members::no_task_stays_with_a_worker_that_leaves, 3,
        without("closing the inbox of a leaver");
    leaver_drains_too_early: members::no_task_stays_with_a_worker_that_leaves, 3,
        without("draining after the close");
    leaver_hands_on_in_silence: members::no_task_stays_with_a_worker_that_leaves, 3,
        without("notifying for tasks handed on");
    stale_set_not_read_again: members::no_task_stays_with_a_worker_that_leaves, 3,
        without("reading the set again");
}

// Growing (M10).
mutants! {
    call_asked_for_without_its_fence: growing::a_push_calls_the_supervisor, 6,
        removed("idle.rs", "arm_autoscaler", "fence");
    call_not_asked_for: growing::a_push_calls_the_supervisor, 6,
        removed("idle.rs", "arm_autoscaler", "fetch_or");
    call_without_the_fence_of_the_push: growing::a_push_calls_the_supervisor, 6,
        removed("idle.rs", "notify", "fence");
    supervisor_without_its_last_look: growing::a_push_calls_the_supervisor, 6,
        without("the supervisor's last look");
    leaver_without_a_look_back: growing::a_worker_that_leaves_has_the_pool_grow_again, 3,
        without("the look after a worker has left");
    number_given_again_closed: growing::a_number_that_is_given_again_loses_nothing, 3,
        removed("inbox.rs", "reopen", "fetch_and");
}

// Leaving, with orders, and spare threads (M10).
mutants! {
    leaver_keeps_its_mailbox_open: leaving::a_task_sent_to_a_leaver_is_done, 3,
        without("closing the mailbox before it is emptied");
    leaver_forgets_its_mailbox: leaving::what_a_leaver_has_is_done_by_another, 3,
        without("handing over the mailbox");
    leaver_forgets_its_deque: leaving::what_a_leaver_has_is_done_by_another, 3,
        without("handing over the deque");
    leaver_forgets_its_inbox: leaving::what_a_leaver_has_is_done_by_another, 3,
        without("handing over the inbox");
    leaver_hands_over_in_silence: leaving::a_task_sent_to_a_leaver_is_done, 3,
        without("notifying for what is handed over");
    refused_task_sent_on_in_silence: leaving::a_task_sent_to_a_leaver_is_done, 3,
        without("notifying for a task that was refused first");
    leaver_takes_orders_on: orders::an_order_to_a_leaver_is_run_or_never_given, 3,
        without("closing the orders before the last look");
    told_without_being_woken: orders::an_order_to_a_leaver_is_run_or_never_given, 3,
        without("waking those who are told");
    orders_not_looked_at: orders::an_order_to_a_leaver_is_run_or_never_given, 3,
        without("the look at one's orders");
    resize_that_wakes_nobody: rosters::an_order_to_leave_is_obeyed_by_one, 2,
        without("waking everyone for a resize");
    roster_not_looked_at: rosters::an_order_to_leave_is_obeyed_by_one, 2,
        without("the look at the roster");
    roster_not_asked_again: rosters::an_order_to_leave_is_obeyed_by_one, 2,
        without("asking again under the lock");
    orders_to_leave_not_published: rosters::an_order_to_leave_is_obeyed_by_one, 2,
        removed("roster.rs", "publish", "store");
    spare_taken_asleep: rosters::a_spare_thread_is_taken_or_sent_home, 3,
        without("waking the spare thread that is taken");
    spare_sent_home_asleep: rosters::a_spare_thread_is_taken_or_sent_home, 3,
        without("waking those who are sent home");
    leaver_taken_asleep: rosters::a_leaver_that_is_kept_may_be_wanted_at_once, 3,
        without("waking the spare thread that is taken");
}

// ForkSlot.
mutants! {
    work_offered_relaxed: offers::a_piece_goes_to_its_owner_or_to_a_thief, 6,
        relaxed("fork_slot.rs", "put", "store");
    offered_work_taken_relaxed: offers::a_piece_goes_to_its_owner_or_to_a_thief, 6,
        relaxed("fork_slot.rs", "take", "compare_exchange");
    offered_work_taken_torn: offers::a_piece_goes_to_one_of_two_thieves, 6,
        torn("fork_slot.rs", "take", "compare_exchange");
    offered_work_taken_back_torn: offers::a_piece_goes_to_its_owner_or_to_a_thief, 6,
        torn("fork_slot.rs", "take_back", "compare_exchange");
    next_work_offered_relaxed: offers::the_next_piece_may_have_the_same_address, 6,
        relaxed("fork_slot.rs", "put", "store");
}

// Latch.
mutants! {
    verdict_set_relaxed: latches::a_verdict_wakes_a_waiter_that_lies_down, 6,
        relaxed("latch.rs", "set", "compare_exchange");
    verdict_set_torn: latches::a_verdict_wakes_a_waiter_that_lies_down, 6,
        torn("latch.rs", "set", "compare_exchange");
    verdict_read_relaxed: latches::a_verdict_wakes_a_waiter_that_lies_down, 6,
        relaxed("latch.rs", "verdict", "load");
    latch_touched_after_it_is_set: latches::a_verdict_wakes_a_waiter_that_lies_down, 6,
        without("leaving the latch alone once it is set");
    sleeper_taken_relaxed: latches::a_verdict_wakes_a_waiter_that_lies_down, 6,
        relaxed("latch.rs", "take_sleeper", "compare_exchange");
    sleeper_taken_torn: latches::a_nudge_meets_a_verdict_and_a_new_arm, 2,
        torn("latch.rs", "take_sleeper", "compare_exchange");
    place_of_the_sleeper_left_relaxed: latches::a_verdict_meets_a_waiter_that_arms_anew, 6,
        relaxed("latch.rs", "take_sleeper", "store");
    place_of_the_sleeper_claimed_relaxed: latches::a_verdict_meets_a_waiter_that_arms_anew, 6,
        relaxed("latch.rs", "arm", "load");
    armed_relaxed: latches::a_verdict_wakes_a_waiter_that_lies_down, 6,
        relaxed("latch.rs", "arm", "compare_exchange");
    armed_torn: latches::a_verdict_wakes_a_waiter_that_lies_down, 6,
        torn("latch.rs", "arm", "compare_exchange");
    armed_without_its_fence: latches::a_nudge_has_the_waiter_look_around, 4,
        removed("latch.rs", "arm", "fence");
    nudge_without_its_fence: latches::a_nudge_has_the_waiter_look_around, 4,
        without("the fence before a nudge");
    news_without_a_nudge: latches::a_nudge_has_the_waiter_look_around, 4,
        without("the nudge");
}

// Forks.
mutants! {
    fork_offered_relaxed: forks::a_fork_is_run_by_its_owner_or_a_thief, 4,
        relaxed("fork_slot.rs", "put", "store");
    fork_taken_relaxed: forks::a_fork_is_run_by_its_owner_or_a_thief, 4,
        relaxed("fork_slot.rs", "take", "compare_exchange");
    fork_taken_back_torn: forks::a_fork_is_run_by_its_owner_or_a_thief, 4,
        torn("fork_slot.rs", "take_back", "compare_exchange");
    end_of_a_fork_set_relaxed: forks::a_fork_is_run_by_its_owner_or_a_thief, 4,
        relaxed("latch.rs", "set", "compare_exchange");
    latch_looked_at_before_the_take: forks::a_waiter_gives_back_what_is_none_of_its_business, 3,
        without("looking at the latch after the take");
    part_taken_relaxed: forks::a_waiter_gives_back_what_is_none_of_its_business, 3,
        relaxed("fork_slot.rs", "take", "compare_exchange");
    waiters_let_in_above_older_forks: forks::a_waiter_leaves_alone_what_lies_beneath, 3,
        without("hiding from waiters above older forks");
    waiters_let_in_above_private_forks: forks::a_waiter_leaves_alone_what_is_offered_from_beneath, 2,
        without("hiding from waiters above older forks");
    offer_without_nudges: forks::a_waiter_hears_of_its_thiefs_offer, 3,
        without("the nudges");
    offer_without_its_fence: forks::a_waiter_hears_of_its_thiefs_offer, 3,
        removed("idle.rs", "notify", "fence");
    waiter_armed_without_its_fence: forks::a_waiter_hears_of_its_thiefs_offer, 3,
        removed("latch.rs", "arm", "fence");
    waiter_without_its_last_look: forks::a_waiter_hears_of_its_thiefs_offer, 3,
        without("the look at the thief's offer");
    waiter_without_a_stack_looks_on: forks::a_waiter_without_a_stack_sleeps, 3,
        without("sleeping when the stack is used up");
    fork_without_its_fence: forks::a_fork_wakes_a_parking_worker, 3,
        removed("idle.rs", "notify", "fence");
    rest_without_its_fence_before_offers: forks::a_fork_wakes_a_parking_worker, 3,
        removed("idle.rs", "prepare_park", "fence");
    offers_not_looked_at: forks::a_fork_wakes_a_parking_worker, 3,
        without("the offers in the look around");
    own_offer_not_taken: forks::a_worker_that_waits_runs_its_own_fork, 3,
        without("one's own offer");
}

// Loans.
mutants! {
    lent_without_saying_so: loans::a_task_finds_its_worker_on_loan, 3,
        removed("idle.rs", "lease", "store");
    lent_but_counted_at_rest: loans::a_task_finds_its_worker_on_loan, 3,
        removed("idle.rs", "lease", "fetch_sub");
    home_but_not_counted: loans::a_task_finds_its_worker_on_loan, 3,
        removed("idle.rs", "end_lease", "fetch_add");
    home_without_its_fence: loans::a_task_finds_its_worker_on_loan, 3,
        removed("idle.rs", "end_lease", "fence");
    home_without_a_look_at_work: loans::a_task_finds_its_worker_on_loan, 3,
        without("the look at work after a loan");
    left_behind_without_a_look: loans::what_a_guest_leaves_behind_is_done, 4,
        without("the look at work after a loan");
    home_without_waking_for_the_end: loans::a_closing_pool_waits_for_a_loan, 3,
        without("waking everyone after a loan");
    phase_not_looked_at_again: loans::a_closing_pool_waits_for_a_loan, 3,
        without("looking at the phase again");
    rest_and_queues_looked_at_in_turn: loans::a_closing_pool_waits_for_a_loan, 3,
        without("looking at the queues while all rest");
    lent_worker_gets_up_without_a_cause: loans::a_wake_up_without_a_cause_changes_nothing, 2,
        removed("idle.rs", "lease", "store");
}

// The room of a bounded pool (M11).
mutants! {
    permit_given_back_without_its_barrier: rooms::who_waits_gets_what_is_given_back, 6,
        removed("permits.rs", "serve_waiters", "fence");
    waiting_without_its_barrier: rooms::who_waits_gets_what_is_given_back, 6,
        removed("permits.rs", "enqueue", "fence");
    waiting_without_saying_so: rooms::who_waits_gets_what_is_given_back, 6,
        removed("permits.rs", "enqueue", "store");
    permit_not_counted: rooms::who_waits_gets_what_is_given_back, 6,
        removed("permits.rs", "count_alone", "store");
    permits_from_outside_torn: rooms::a_permit_goes_from_hand_to_hand, 2,
        removed("permits.rs", "release_from_outside", "fetch_add");
    permit_taken_torn: rooms::the_last_permit_goes_to_one, 6,
        torn("permits.rs", "try_acquire", "compare_exchange");
    doors_swept_torn: rooms::the_last_permit_goes_to_one, 6,
        torn("permits.rs", "drain_stripes", "swap");
    doors_not_swept: rooms::the_last_permit_goes_to_one, 6,
        removed("permits.rs", "drain_stripes", "swap");
    overdraft_counted_relaxed: rooms::an_overdraft_is_never_taken_for_room, 6,
        relaxed("permits.rs", "count_alone", "store");
    exits_read_relaxed: rooms::an_overdraft_is_never_taken_for_room, 6,
        relaxed("permits.rs", "sum", "load");
    narrowed_without_an_overdraft: rooms::a_room_that_becomes_narrower_stays_so, 3,
        removed("permits.rs", "overdraw_from_outside", "fetch_add");
    verdict_not_given: rooms::who_waits_gets_what_is_given_back, 6,
        removed("wait_queue.rs", "settle", "store");
}

// The budget (M11).
mutants! {
    weight_granted_relaxed: budgets::who_waits_gets_the_weight_that_comes_back, 6,
        relaxed("wait_queue.rs", "settle", "store");
    verdict_on_weight_read_relaxed: budgets::who_waits_gets_the_weight_that_comes_back, 6,
        relaxed("wait_queue.rs", "state", "load");
    weight_not_granted: budgets::weights_are_conserved, 4,
        removed("wait_queue.rs", "settle", "store");
    heavy_one_overtaken: budgets::a_heavy_one_is_not_overtaken, 6,
        without("standing in the line");
    place_forgotten: budgets::a_place_that_is_given_up_goes_to_the_next, 4,
        without("giving the place up");
    granted_and_forgotten: budgets::what_was_granted_and_not_used_comes_back, 6,
        without("giving the place up");
    first_to_ask_woken: budgets::who_asked_last_is_woken, 6,
        without("having oneself woken");
    close_of_the_budget_left_out: budgets::a_close_sends_all_away_from_the_budget, 2,
        without("the close");
}
