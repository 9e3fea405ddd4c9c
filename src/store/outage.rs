//! Remembering that the store cannot be reached, so that not every call has to find out by waiting (semantics 8.3).
//!
//! An outage begins when requests have failed for a while and none was answered, or when one was given up for want of an
//! answer while no other had one. While it lasts, requests fail at once, but that every [`ASK_EVERY`] one of them has the
//! store asked, briefly. The first answer, whatever it says, ends it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::types::{Clock, Timestamp};

/// How often the store is asked during an outage.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Whether the store answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachability {
    /// The newest request was answered.
    pub reachable: bool,
    /// Since when that is so.
    pub since: Timestamp,
    /// What the newest request met, if it was not answered.
    pub error: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent.
    Send,
    /// Whether the store is back is asked first.
    AskFirst,
    /// The store cannot be reached, for this reason.
    Down(String),
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Outage {
    after: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    since: Timestamp,
    failing: Option<Failing>,
    last_answer: Option<Instant>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    reason: String,
    /// It is an outage, and the store is asked again at this time.
    ask_at: Option<Instant>,
}

impl State {
    fn is_outage(&self) -> bool {
        self.failing.as_ref().is_some_and(|failing| failing.ask_at.is_some())
    }
}

impl Outage {
    /// A store that counts as reachable. An outage begins when requests have failed for the time `after`.
    pub(super) fn new(after: Duration) -> Self {
        let state = State { since: Clock.now(), failing: None, last_answer: None };
        Self { after, state: Mutex::new(state) }
    }

    /// Says what becomes of a request at `now`.
    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        match &mut self.state.lock().failing {
            Some(Failing { ask_at: Some(ask_at), reason, .. }) => {
                if now < *ask_at {
                    return Verdict::Down(reason.clone());
                }
                *ask_at = now + ASK_EVERY;
                Verdict::AskFirst
            }
            _ => Verdict::Send,
        }
    }

    /// Takes note that a request was not answered. Returns whether that is news.
    pub(super) fn failed(&self, now: Instant, reason: &str) -> bool {
        let mut state = self.state.lock();
        let news = state.failing.is_none();
        if news {
            state.since = Clock.now();
        }
        let failing =
            state.failing.get_or_insert_with(|| Failing { since: now, reason: String::new(), ask_at: None });
        reason.clone_into(&mut failing.reason);
        if now.saturating_duration_since(failing.since) >= self.after {
            failing.ask_at = Some(now + ASK_EVERY);
        }
        news
    }

    /// Takes note that a request begun at `began` was given up without an answer. Returns whether that is news.
    pub(super) fn gave_up(&self, began: Instant, now: Instant, reason: &str) -> bool {
        let mut state = self.state.lock();
        if state.last_answer.is_some_and(|answer| answer >= began) {
            return false; // it answers others: this is about one object
        }
        if state.is_outage() {
            return false; // known; when to ask next stays as it is
        }
        let news = state.failing.is_none();
        if news {
            state.since = Clock.now();
        }
        state.failing =
            Some(Failing { since: began, reason: reason.to_owned(), ask_at: Some(now + ASK_EVERY) });
        news
    }

    /// Takes note that the store gave an answer. Returns whether that is news.
    pub(super) fn answered(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        state.last_answer = Some(now);
        let news = state.failing.take().is_some();
        if news {
            state.since = Clock.now();
        }
        news
    }

    /// Returns whether an outage has begun and not ended.
    pub(super) fn is_known(&self) -> bool {
        self.state.lock().is_outage()
    }

    /// Returns whether the store answers.
    pub(super) fn reachability(&self) -> Reachability {
        let state = self.state.lock();
        Reachability {
            reachable: state.failing.is_none(),
            since: state.since,
            error: state.failing.as_ref().map(|f| f.reason.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(10);

    #[test]
    fn requests_fail_at_once_in_an_outage_but_for_one_that_asks_now_and_then() {
        let outage = Outage::new(AFTER);
        let start = Instant::now();
        assert!(outage.failed(start, "no route"));
        assert_eq!(outage.verdict(start), Verdict::Send, "one failure is no outage");
        assert!(!outage.failed(start + AFTER, "no route"));
        let down = start + AFTER;
        assert_eq!(outage.verdict(down), Verdict::Down("no route".to_owned()));
        assert_eq!(outage.verdict(down + ASK_EVERY), Verdict::AskFirst);
        assert_eq!(outage.verdict(down + ASK_EVERY), Verdict::Down("no route".to_owned()));
        assert!(outage.answered(down + ASK_EVERY));
        assert_eq!(outage.verdict(down + ASK_EVERY), Verdict::Send);
    }

    #[test]
    fn an_answer_between_failures_begins_the_count_anew() {
        let outage = Outage::new(AFTER);
        let start = Instant::now();
        outage.failed(start, "500");
        outage.answered(start + AFTER / 2);
        outage.failed(start + AFTER, "500");
        assert_eq!(outage.verdict(start + AFTER), Verdict::Send);
    }

    #[test]
    fn silence_is_an_outage_unless_others_were_answered_meanwhile() {
        let outage = Outage::new(AFTER);
        let start = Instant::now();
        outage.answered(start + Duration::from_secs(1));
        assert!(!outage.gave_up(start, start + AFTER, "silence"));
        assert_eq!(outage.verdict(start + AFTER), Verdict::Send);
        assert!(outage.gave_up(start + AFTER, start + AFTER * 2, "silence"));
        let down = start + AFTER * 2;
        assert_eq!(outage.verdict(down), Verdict::Down("silence".to_owned()));
        assert!(!outage.gave_up(down, down + ASK_EVERY, "silence"), "it does not put off the next question");
        assert_eq!(outage.verdict(down + ASK_EVERY), Verdict::AskFirst);
    }
}
