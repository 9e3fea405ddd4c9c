//! Redirects: how a writer of an existing name reaches a draft of its own.
//!
//! An open for writing of an object is answered with ESTALE after a draft was made beside it. The kernel then walks the
//! path again, and the look-up *of that thread only* is answered with the draft (`open(2)` retries once with
//! `LOOKUP_REVAL`, fs/namei.c). Two look-ups come, so a redirect stays until the draft is opened.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::types::{Clock, Ino, Timestamp};

/// After this long a redirect that was not followed belongs to a thread that died on the way.
const LEFT_OVER: Duration = Duration::from_secs(10);

/// The kernel opens what it looked up within moments. A look-up older than this was for something else.
const LOOKED_UP: Duration = Duration::from_secs(2);

/// The name under which a thread last found a draft.
#[derive(Debug)]
struct Found {
    ino: Ino,
    parent: Ino,
    name: String,
    at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Redirect {
    draft: Ino,
    made_at: Timestamp,
    followed: bool,
}

/// Pending redirects, by thread, directory and name.
#[derive(Debug, Default)]
pub struct Redirects {
    pending: Mutex<HashMap<(u32, Ino, String), Redirect>>,
    /// Objects that a thread is about to rename onto a taken name, by row.
    moving: Mutex<HashMap<(u32, i64), Timestamp>>,
    /// By thread. A draft can lose its name to another client between the look-up and the open.
    found: Mutex<HashMap<u32, Found>>,
}

/// What a second open of the same object by the same thread finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// No redirect is pending.
    None,
    /// One is, and nobody looked the name up since: the opener has no path to walk again.
    NotFollowed(Ino),
}

impl Redirects {
    /// Sends the next look-up of `name` by `tid` to `draft`.
    pub fn add(&self, tid: u32, parent: Ino, name: &str, draft: Ino) {
        let redirect = Redirect { draft, made_at: Clock.now(), followed: false };
        self.pending.lock().insert((tid, parent, name.to_owned()), redirect);
    }

    /// Returns the draft that a look-up by this thread is sent to.
    pub fn follow(&self, tid: u32, parent: Ino, name: &str) -> Option<Ino> {
        let mut pending = self.pending.lock();
        if pending.is_empty() {
            return None;
        }
        let redirect = pending.get_mut(&(tid, parent, name.to_owned()))?;
        redirect.followed = true;
        Some(redirect.draft)
    }

    /// Ends the redirects of this thread to `draft`: it was opened.
    pub fn arrived(&self, tid: u32, draft: Ino) {
        self.pending.lock().retain(|(t, _, _), r| *t != tid || r.draft != draft);
    }

    /// Returns whether this thread has walked to `draft` by its name.
    pub fn followed(&self, tid: u32, draft: Ino) -> bool {
        self.pending.lock().iter().any(|((t, _, _), r)| *t == tid && r.draft == draft && r.followed)
    }

    /// Returns whether a thread is on its way to `draft`.
    pub fn leads_to(&self, draft: Ino) -> bool {
        self.pending.lock().values().any(|r| r.draft == draft)
    }

    /// Returns whether another thread than this one is on its way to `draft`.
    pub fn leads_another_to(&self, tid: u32, draft: Ino) -> bool {
        self.pending.lock().iter().any(|((t, _, _), r)| *t != tid && r.draft == draft)
    }

    /// Takes a redirect of this thread that nobody followed.
    pub fn take_unfollowed(&self, tid: u32, parent: Ino, name: &str) -> Second {
        let mut pending = self.pending.lock();
        let key = (tid, parent, name.to_owned());
        match pending.get(&key) {
            Some(r) if !r.followed => {
                let draft = r.draft;
                pending.remove(&key);
                Second::NotFollowed(draft)
            }
            _ => Second::None,
        }
    }

    /// Notes under which name a look-up by this thread found the draft `ino`; `None`: what it found was no draft.
    pub fn found(&self, tid: u32, what: Option<(Ino, Ino, &str)>) {
        let mut found = self.found.lock();
        match what {
            Some((ino, parent, name)) if tid != 0 => {
                let name = name.to_owned();
                found.insert(tid, Found { ino, parent, name, at: Clock.now() });
            }
            _ if found.is_empty() => {}
            _ => drop(found.remove(&tid)),
        }
    }

    /// Returns the directory and name under which this thread found the draft `ino` a moment ago.
    pub fn asked(&self, tid: u32, ino: Ino) -> Option<(Ino, String)> {
        let found = self.found.lock();
        let last = found.get(&tid).filter(|f| f.ino == ino && Clock.now().since(f.at) <= LOOKED_UP)?;
        Some((last.parent, last.name.clone()))
    }

    /// A user has renamed `ino`: whoever opens it means it under its new name.
    pub fn renamed(&self, ino: Ino) {
        self.found.lock().retain(|_, f| f.ino != ino);
    }

    /// Notes that this thread renames the object `row` onto a taken name. Returns whether it had been noted before.
    ///
    /// The kernel moves the object's dentry onto that name and would believe in it for as long as it was told to. So the
    /// first attempt is answered with ESTALE, the look-up that follows (renameat2(2) walks the path again) says "not at
    /// all", and the second attempt is carried out.
    pub fn begin_move(&self, tid: u32, row: i64) -> bool {
        self.moving.lock().insert((tid, row), Clock.now()).is_some()
    }

    /// Returns whether this thread is about to rename the object `row`.
    pub fn is_moving(&self, tid: u32, row: i64) -> bool {
        let moving = self.moving.lock();
        !moving.is_empty() && moving.contains_key(&(tid, row))
    }

    /// The rename was carried out, or refused.
    pub fn end_move(&self, tid: u32, row: i64) {
        self.moving.lock().remove(&(tid, row));
    }

    /// Removes what is left over and returns the drafts that were meant.
    pub fn expire(&self) -> Vec<Ino> {
        let now = Clock.now();
        self.moving.lock().retain(|_, at| now.since(*at) <= LEFT_OVER);
        self.found.lock().retain(|_, f| now.since(f.at) <= LOOKED_UP);
        let mut pending = self.pending.lock();
        let old: Vec<_> = pending
            .iter()
            .filter(|(_, r)| now.since(r.made_at) > LEFT_OVER)
            .map(|(k, _)| k.clone())
            .collect();
        old.into_iter().filter_map(|k| pending.remove(&k)).map(|r| r.draft).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_only_by_the_thread_that_opened() {
        let r = Redirects::default();
        r.add(7, Ino(2), "a.pdf", Ino(9));
        assert_eq!(r.follow(8, Ino(2), "a.pdf"), None);
        assert_eq!(r.follow(7, Ino(2), "a.pdf"), Some(Ino(9)));
        assert_eq!(r.follow(7, Ino(2), "a.pdf"), Some(Ino(9)), "two look-ups come");
        r.arrived(7, Ino(9));
        assert_eq!(r.follow(7, Ino(2), "a.pdf"), None);
    }

    #[test]
    fn asked_is_the_last_name_of_a_draft_until_it_is_renamed() {
        let r = Redirects::default();
        r.found(7, Some((Ino(9), Ino(2), "a.pdf")));
        assert_eq!(r.asked(7, Ino(9)), Some((Ino(2), "a.pdf".to_owned())));
        assert_eq!(r.asked(8, Ino(9)), None);
        assert_eq!(r.asked(7, Ino(10)), None);
        r.renamed(Ino(9));
        assert_eq!(r.asked(7, Ino(9)), None);
        r.found(7, Some((Ino(9), Ino(2), "a.pdf")));
        r.found(7, None);
        assert_eq!(r.asked(7, Ino(9)), None);
    }

    #[test]
    fn second_open_without_a_look_up_has_no_path() {
        let r = Redirects::default();
        r.add(7, Ino(2), "a.pdf", Ino(9));
        assert_eq!(r.take_unfollowed(7, Ino(2), "a.pdf"), Second::NotFollowed(Ino(9)));
        assert_eq!(r.take_unfollowed(7, Ino(2), "a.pdf"), Second::None);
    }
}
