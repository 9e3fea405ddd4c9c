//! Remembering that the store cannot be reached, so that not every read has to find out by waiting (semantics 8.3).
//!
//! A transfer that was given up for want of an answer, while no other had one, begins an outage. While it lasts, reads
//! that need the store fail at once; every [`ASK_EVERY`] one of them may ask, briefly. The first answer, whatever it
//! says, ends it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often the store is asked during an outage.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// How long the one that asks waits.
const ASK_PATIENCE: Duration = Duration::from_secs(3);

/// Whether to ask the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask, and keep trying for so long.
    Ask(Duration),
    /// It cannot be reached, for this reason.
    Down(String),
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    down: Option<Down>,
    last_answer: Option<Instant>,
}

#[derive(Debug)]
struct Down {
    reason: String,
    ask_at: Instant,
}

impl Outage {
    /// Says whether to ask at `now`; `patience` is for a store that is up.
    pub(super) fn verdict(&self, now: Instant, patience: Duration) -> Verdict {
        match &mut self.0.lock().down {
            None => Verdict::Ask(patience),
            Some(down) if now < down.ask_at => Verdict::Down(down.reason.clone()),
            Some(down) => {
                down.ask_at = now + ASK_EVERY;
                Verdict::Ask(ASK_PATIENCE.min(patience))
            }
        }
    }

    /// Takes note at `now` that a transfer begun at `began` was given up without an answer.
    pub(super) fn begin(&self, began: Instant, now: Instant, reason: String) {
        let mut state = self.0.lock();
        if state.last_answer.is_some_and(|answer| answer >= began) {
            // it answers others: this is about one object
            return;
        }
        if state.down.is_none() {
            tracing::warn!("{reason}; reads that need the store fail until it answers");
        }
        state.down = Some(Down { reason, ask_at: now + ASK_EVERY });
    }

    /// Takes note at `now` that the store gave an answer.
    pub(super) fn end(&self, now: Instant) {
        let mut state = self.0.lock();
        state.last_answer = Some(now);
        if state.down.take().is_some() {
            tracing::info!("the store answers again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn verdict_in_an_outage_is_down_but_for_one_who_asks_now_and_then() {
        let outage = Outage::default();
        let start = Instant::now();
        assert_eq!(outage.verdict(start, PATIENCE), Verdict::Ask(PATIENCE));
        outage.begin(start, start, "no route".to_owned());
        assert_eq!(outage.verdict(start, PATIENCE), Verdict::Down("no route".to_owned()));
        let later = start + ASK_EVERY;
        assert_eq!(outage.verdict(later, PATIENCE), Verdict::Ask(ASK_PATIENCE));
        assert_eq!(outage.verdict(later, PATIENCE), Verdict::Down("no route".to_owned()));
        outage.end(later);
        assert_eq!(outage.verdict(later, PATIENCE), Verdict::Ask(PATIENCE));
    }

    #[test]
    fn one_object_without_an_answer_beside_others_with_one_is_no_outage() {
        let outage = Outage::default();
        let start = Instant::now();
        outage.end(start + Duration::from_secs(1));
        outage.begin(start, start + PATIENCE, "error 500".to_owned());
        assert_eq!(outage.verdict(start + PATIENCE, PATIENCE), Verdict::Ask(PATIENCE));
    }
}
