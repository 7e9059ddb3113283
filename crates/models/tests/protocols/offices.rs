//! Who waits in front of a room or a budget, as `admission::wait_for` without a spin.

use longshore_models::mutation::leaves_out;

use crate::code::facade::thread;
use crate::code::wait_queue::{Joined, Manner, Office, Ticket, Verdict};
use crate::code::waiter::Waiter;

/// The calling thread.
pub fn me() -> Waiter {
    Waiter::Thread(thread::current())
}

/// Waits for `weight`; whether it has got it.
pub fn wait(office: &impl Office, weight: u64, manner: Manner) -> bool {
    loop {
        match office.join(weight, manner, me()) {
            Joined::Taken => return true,
            Joined::Closed => return false,
            Joined::Waits(ticket) => match sleep(office, &ticket) {
                Verdict::Closed => return false,
                Verdict::Granted if manner == Manner::InLine => return true,
                Verdict::Granted | Verdict::Waiting => {} // asks again
            },
        }
    }
}

/// Waits for the verdict on a ticket, whoever drew it.
pub fn sleep(office: &impl Office, ticket: &Ticket) -> Verdict {
    while ticket.verdict() == Verdict::Waiting {
        if leaves_out("having oneself woken") || office.rewake(ticket, me()) {
            thread::park();
        }
    }
    ticket.verdict()
}
