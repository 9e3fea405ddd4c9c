//! The queue of acknowledged drafts: who is published next, and when. Pure; `fs/queue` carries it out.
//!
//! Drafts that asked for the same path are published in the order of their closes, one after the other (semantics 3.4).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::types::{Ino, Timestamp};

/// How many are published at a time.
const AT_ONCE: usize = 4;

/// The first pause after the store failed; it doubles with every failure in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause. While the store is known to be down, asking costs nothing and is done every [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A draft that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its entry's row.
    pub row: i64,
    /// Its inode number.
    pub ino: Ino,
    /// The path that was asked for.
    pub wanted: String,
    /// Its place in the queue.
    pub closed_at: Timestamp,
    /// Not before this.
    pub due_at: Timestamp,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Publish this one; it counts as under way until [`Queue::done`] or [`Queue::failed`].
    Publish(Waiting),
    /// Look again at this time.
    At(Timestamp),
    /// Look again when something changes.
    Later,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<(Timestamp, i64), Waiting>,
    /// When each row of `waiting` was closed.
    places: HashMap<i64, Timestamp>,
    under_way: BTreeSet<String>,
    failures: u32,
    paused_until: Option<Timestamp>,
}

impl Queue {
    /// Adds a draft, or gives it another time.
    pub fn add(&mut self, waiting: Waiting) {
        self.remove(waiting.row);
        self.places.insert(waiting.row, waiting.closed_at);
        self.waiting.insert((waiting.closed_at, waiting.row), waiting);
    }

    /// Takes a draft out: it is being written again, or gone.
    pub fn remove(&mut self, row: i64) -> Option<Waiting> {
        let closed_at = self.places.remove(&row)?;
        self.waiting.remove(&(closed_at, row))
    }

    /// Lets nobody wait for his time any more: the mount ends.
    pub fn hurry(&mut self, now: Timestamp) {
        for waiting in self.waiting.values_mut() {
            waiting.due_at = waiting.due_at.min(now);
        }
        self.shorten_pause(now);
    }

    /// Lets the store be asked again soon, however long it has failed.
    pub fn shorten_pause(&mut self, now: Timestamp) {
        self.paused_until = self.paused_until.map(|until| until.min(now.plus(FIRST_PAUSE)));
    }

    /// Returns whether nobody waits and nobody is under way.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Says what to do at `now`.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if self.under_way.len() >= AT_ONCE || self.waiting.is_empty() {
            return Next::Later;
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Next::At(until);
        }
        let mut earlier: BTreeSet<&str> = self.under_way.iter().map(String::as_str).collect();
        let mut soonest: Option<Timestamp> = None;
        let mut found = None;
        for waiting in self.waiting.values() {
            if !earlier.insert(&waiting.wanted) {
                continue; // an older close of the same path comes first
            }
            if waiting.due_at <= now {
                found = Some(waiting.row);
                break;
            }
            soonest = Some(soonest.map_or(waiting.due_at, |s| s.min(waiting.due_at)));
        }
        let Some(waiting) = found.and_then(|row| self.remove(row)) else {
            return soonest.map_or(Next::Later, Next::At);
        };
        self.under_way.insert(waiting.wanted.clone());
        Next::Publish(waiting)
    }

    /// Takes note that a draft is dealt with.
    pub fn done(&mut self, waiting: &Waiting) {
        self.under_way.remove(&waiting.wanted);
        self.failures = 0;
        self.paused_until = None;
    }

    /// Takes note at `now` that the store could not be reached, or, if `asked`, that it failed: all wait, longer each time.
    pub fn failed(&mut self, waiting: Waiting, now: Timestamp, asked: bool) {
        self.under_way.remove(&waiting.wanted);
        self.add(waiting);
        let pause = if asked {
            let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10));
            self.failures = self.failures.saturating_add(1);
            doubled.min(LONGEST_PAUSE)
        } else {
            FIRST_PAUSE
        };
        self.paused_until = Some(now.plus(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn waiting(row: i64, wanted: &str, closed: i64, due: i64) -> Waiting {
        Waiting {
            row,
            ino: Ino(row.unsigned_abs()),
            wanted: wanted.to_owned(),
            closed_at: Timestamp(closed * SECOND),
            due_at: Timestamp(due * SECOND),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    #[test]
    fn oldest_close_of_a_path_goes_first_and_alone() {
        let mut queue = Queue::default();
        queue.add(waiting(2, "a", 2, 2));
        queue.add(waiting(1, "a", 1, 1));
        queue.add(waiting(3, "b", 3, 3));
        let first = waiting(1, "a", 1, 1);
        assert_eq!(queue.next(at(9)), Next::Publish(first.clone()));
        assert_eq!(queue.next(at(9)), Next::Publish(waiting(3, "b", 3, 3)));
        assert_eq!(queue.next(at(9)), Next::Later, "the second of 'a' waits for the first");
        queue.done(&first);
        assert_eq!(queue.next(at(9)), Next::Publish(waiting(2, "a", 2, 2)));
    }

    #[test]
    fn later_close_of_a_path_does_not_overtake_one_whose_time_has_not_come() {
        let mut queue = Queue::default();
        queue.add(waiting(1, "a", 1, 8));
        queue.add(waiting(2, "a", 2, 3));
        assert_eq!(queue.next(at(5)), Next::At(at(8)));
        queue.hurry(at(5));
        assert_eq!(queue.next(at(5)), Next::Publish(waiting(1, "a", 1, 5)));
    }

    #[test]
    fn failing_store_is_asked_less_and_less_and_a_silent_one_every_second() {
        let mut queue = Queue::default();
        queue.add(waiting(1, "a", 0, 0));
        let mut now = at(0);
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            let Next::Publish(w) = queue.next(now) else { panic!("nothing at {now:?}") };
            queue.failed(w, now, true);
            assert_eq!(queue.next(now), Next::At(now.plus(Duration::from_secs(pause))));
            now = now.plus(Duration::from_secs(pause));
        }
        let Next::Publish(w) = queue.next(now) else { panic!() };
        queue.failed(w, now, false);
        assert_eq!(queue.next(now), Next::At(now.plus(Duration::from_secs(1))));
        let Next::Publish(w) = queue.next(now.plus(Duration::from_secs(1))) else { panic!() };
        queue.done(&w);
        assert!(queue.is_empty());
    }

    #[test]
    fn end_of_the_mount_shortens_a_pause_and_leaves_one() {
        let mut queue = Queue::default();
        queue.add(waiting(1, "a", 0, 50));
        queue.hurry(at(0));
        for now in [0, 10, 20, 30].map(at) {
            let Next::Publish(w) = queue.next(now) else { panic!("nothing at {now:?}") };
            queue.failed(w, now, true);
            queue.shorten_pause(now);
            assert_eq!(queue.next(now), Next::At(now.plus(FIRST_PAUSE)));
        }
    }

    #[test]
    fn draft_that_is_written_again_leaves_the_queue() {
        let mut queue = Queue::default();
        queue.add(waiting(1, "a", 0, 0));
        queue.add(waiting(1, "a", 0, 5));
        assert_eq!(queue.next(at(1)), Next::At(at(5)), "added again, it has the new time");
        queue.remove(1);
        assert!(queue.is_empty());
    }
}
