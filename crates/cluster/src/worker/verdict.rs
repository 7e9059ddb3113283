//! What happens to a job after an attempt, or before the first: pure decisions.

use std::time::Duration;

use crate::handler::{Fault, Finished};
use crate::message::{self, Note};

/// So many workers may refuse a job before it is a dead letter.
pub(crate) const MOST_REFUSALS: u32 = 10;

/// What happens to a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It is done.
    Done(Finished),
    /// It is a dead letter.
    Dead(String),
    /// It goes back into the queue, with a note.
    Return(Note, Duration),
    /// It belongs to another worker: nothing.
    Leave,
}

/// The rules of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub worker: String,
    /// How often a job is begun.
    pub attempts: u32,
    /// The delay after the first attempt.
    pub delay: Duration,
}

impl Rules {
    fn note(&self, note: &Note, error: Option<String>, delay: Duration) -> Verdict {
        let note = Note { error, worker: self.worker.clone(), delay: delay.as_secs_f64(), ..note.clone() };
        Verdict::Return(note, delay)
    }

    /// After an attempt. The note counts this attempt already.
    pub fn after(&self, result: Result<Finished, Fault>, note: &Note) -> Verdict {
        match result {
            Ok(finished) => Verdict::Done(finished),
            Err(Fault::Job(text)) => Verdict::Dead(message::shortened(&text)),
            Err(Fault::Lost) => Verdict::Leave,
            Err(Fault::Attempt(text)) => {
                let text = message::shortened(&text);
                match note.attempts >= self.attempts {
                    true => Verdict::Dead(format!("{text} (attempt {})", note.attempts)),
                    false => self.note(note, Some(text), message::delay(self.delay, note.attempts)),
                }
            }
            // The attempt was the machine's, not the job's.
            Err(Fault::Machine(text)) => {
                self.refused(&text, &Note { attempts: note.attempts.saturating_sub(1), ..note.clone() })
            }
        }
    }

    /// This worker cannot do the job; another one may.
    pub fn refused(&self, text: &str, note: &Note) -> Verdict {
        let text = message::shortened(text);
        let note = Note { refusals: note.refusals + 1, ..note.clone() };
        match note.refusals >= MOST_REFUSALS {
            true => Verdict::Dead(format!("{text} (refused {} times)", note.refusals)),
            false => self.note(&note, Some(text), message::delay(self.delay, note.refusals)),
        }
    }

    /// The job was not begun, and the worker ends.
    pub fn handed_back(&self, note: &Note) -> Verdict {
        self.note(note, note.error.clone(), Duration::ZERO)
    }

    /// Whether a job that was given out before must run alone: no attempt came to an end, and the next one is
    /// the last. A job that has run beside the one that ends its worker looks the same as that one, and is
    /// told apart from it by this attempt.
    pub fn runs_alone(&self, note: &Note) -> bool {
        note.error.is_none() && note.attempts + 1 >= self.attempts
    }

    /// Before a job is begun that was given out before: a dead letter if it has had all its attempts. The
    /// last of them never ended, so it has probably ended its worker.
    pub fn before(&self, note: &Note) -> Option<Verdict> {
        let error = || match &note.error {
            Some(error) => format!("begun {} times; the last error was: {error}", note.attempts),
            None => {
                format!("begun {} times, and no attempt came to an end: it ends its worker", note.attempts)
            }
        };
        (note.attempts >= self.attempts).then(|| Verdict::Dead(error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules { worker: "w".into(), attempts: 3, delay: Duration::from_secs(1) }
    }

    fn note(attempts: u32, refusals: u32) -> Note {
        Note { attempts, refusals, ..Note::default() }
    }

    #[test]
    fn attempts_are_limited_and_their_delay_grows() {
        let attempt = |attempts| rules().after(Err(Fault::Attempt("no".into())), &note(attempts, 0));
        let delays = [1, 2].map(|attempts| match attempt(attempts) {
            Verdict::Return(Note { error: Some(error), .. }, delay) if error == "no" => delay.as_secs(),
            other => panic!("{other:?}"),
        });
        assert_eq!(delays, [1, 2]);
        assert_eq!(attempt(3), Verdict::Dead("no (attempt 3)".into()));
        assert_eq!(rules().after(Err(Fault::Job("bad".into())), &note(1, 0)), Verdict::Dead("bad".into()));
    }

    #[test]
    fn what_a_machine_cannot_do_is_no_attempt() {
        let machine = |refusals| rules().after(Err(Fault::Machine("full".into())), &note(1, refusals));
        match machine(0) {
            Verdict::Return(note, _) => assert_eq!((note.attempts, note.refusals), (0, 1)),
            other => panic!("{other:?}"),
        }
        assert_eq!(machine(MOST_REFUSALS - 1), Verdict::Dead("full (refused 10 times)".into()));
    }

    #[test]
    fn the_last_attempt_runs_alone_if_no_attempt_came_to_an_end() {
        assert_eq!([1, 2].map(|attempts| rules().runs_alone(&note(attempts, 0))), [false, true]);
        assert!(!rules().runs_alone(&Note { error: Some("no".into()), ..note(2, 0) }));
    }

    #[test]
    fn a_job_that_ends_its_workers_is_not_begun_again() {
        assert_eq!(rules().before(&note(2, 0)), None);
        match rules().before(&note(3, 0)) {
            Some(Verdict::Dead(text)) => assert!(text.contains("ends its worker"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}
