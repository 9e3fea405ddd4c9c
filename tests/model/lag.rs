//! What a mount may still believe (8.2): its listings are fresh within `list_ttl`, so of a name that somebody else has
//! changed it may show what was there before, for that long. It may as well have learned of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Files, Object, State};
use crate::op::Op;
use crate::settings::Settings;

/// What was there before, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lags(BTreeMap<String, Before>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Before {
    object: Option<Object>,
    /// When the last listing that may have it has ended to be fresh; `None` while the change has not been seen.
    until: Option<Duration>,
}

impl Lags {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mount knows what is there now.
    pub fn learn(&mut self, key: &str) {
        self.0.remove(key);
    }

    pub fn bind(&mut self, unseen: &str, seen: &str) {
        if let Some(before) = self.0.remove(unseen) {
            self.0.insert(seen.to_owned(), before);
        }
    }
}

impl State {
    /// Changes an object in the bucket. The mount that does it knows it at once (8.1), others may take their time.
    pub fn change(&mut self, by: Option<usize>, key: &str, object: Option<Object>) {
        for mount in 0..self.lags.len() {
            if by == Some(mount) {
                self.lags[mount].learn(key);
            } else if self.settings == Settings::Believing && !self.lags[mount].0.contains_key(key) {
                let before = Before { object: self.bucket.get(key).cloned(), until: None };
                self.lags[mount].0.insert(key.to_owned(), before);
            }
        }
        match object {
            Some(object) => self.bucket.insert(key.to_owned(), object),
            None => self.bucket.remove(key),
        };
    }

    /// Returns the object that a mount takes to be at a key.
    pub fn believed_at(&self, mount: usize, key: &str) -> Option<&Object> {
        self.lags[mount].0.get(key).map_or_else(|| self.bucket.get(key), |before| before.object.as_ref())
    }

    /// Returns the objects that a mount takes to be there.
    pub fn believed(&self, mount: usize) -> BTreeMap<&String, &Object> {
        let keys = self.bucket.keys().chain(self.lags[mount].0.keys());
        keys.filter_map(|key| Some((key, self.believed_at(mount, key)?))).collect()
    }

    /// Returns the worlds in which the mount of an operation that begins at `began` has or has not learned of the names in
    /// it. An open asks for what is older than `list_ttl`, but with O_EXCL.
    pub fn with_learned(self, op: &Op, began: Duration) -> Vec<Self> {
        let Some((who, names)) = op.names() else { return vec![self] };
        let mount = who.mount();
        let mut worlds = vec![self];
        for name in names {
            for mut world in worlds.clone() {
                let Some(before) = world.lags[mount].0.get(name) else { continue };
                let opens = matches!(op, Op::Open { flags, .. } if flags & libc::O_EXCL == 0);
                let asks = opens && before.until.is_some_and(|until| until < began);
                if asks {
                    worlds.retain(|w| *w != world);
                }
                world.lags[mount].learn(name);
                if !worlds.contains(&world) {
                    worlds.push(world);
                }
            }
        }
        worlds
    }

    /// Takes up what a listing of a mount that began at `began` has shown of names that others have changed.
    pub fn learn(&mut self, mount: usize, files: &Files, began: Duration) {
        for (key, before) in self.lags[mount].0.clone() {
            let is_over = before.until.is_some_and(|until| until < began);
            let old = self.visible(mount);
            let mut learned = self.clone();
            learned.lags[mount].learn(&key);
            let shows_now = files.get(&key) == learned.visible(mount).get(&key);
            if is_over || (shows_now && files.get(&key) != old.get(&key)) {
                *self = learned;
            }
        }
    }

    /// The look that ended at `now` has seen every change so far: a listing from before is believed from here on.
    pub fn note_seen(&mut self, now: Duration, ttl: Duration) {
        for before in self.lags.iter_mut().flat_map(|lags| lags.0.values_mut()) {
            before.until.get_or_insert(now + ttl);
        }
    }
}
