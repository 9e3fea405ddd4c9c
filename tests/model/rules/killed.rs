//! The end of a process by a signal (3.9).

use std::time::Duration;

use crate::model::{File, State};
use crate::op::Who;

impl State {
    /// All that a process has open is closed, and whoever is `who` from here on is another one.
    pub(super) fn kill(mut self, who: Who, now: Duration) -> Vec<Self> {
        let held: Vec<u32> = self.open.iter().filter(|(_, o)| o.who == who).map(|(id, _)| *id).collect();
        let mut ended: Vec<(u32, bool)> = Vec::new(); // the drafts, and whether it was open for writing
        for open in held.iter().filter_map(|id| self.open.remove(id)) {
            let File::Draft(draft) = open.file else { continue };
            // others may go on with scratch files
            self.drafts.entry(draft).and_modify(|d| d.killed |= !d.scratch && d.hands.contains(&who));
            match ended.iter_mut().find(|(id, _)| *id == draft) {
                Some((_, changes)) => *changes |= open.changes,
                None => ended.push((draft, open.changes)),
            }
        }
        self.forget_process(who);
        let mut worlds = vec![self];
        for (draft, changes) in ended {
            worlds = worlds.into_iter().flat_map(|w| w.release(draft, changes, now)).collect();
        }
        for world in &mut worlds {
            world.settling = true; // nobody waits for its closes
        }
        worlds
    }

    /// Nothing is its own any more.
    fn forget_process(&mut self, who: Who) {
        for draft in self.drafts.values_mut() {
            draft.hands.remove(&who);
            draft.maker = draft.maker.filter(|maker| *maker != who);
        }
        for pending in &mut self.pending {
            pending.by = pending.by.filter(|by| *by != who);
        }
        for object in self.bucket.values_mut() {
            object.publisher = object.publisher.filter(|(by, _)| *by != who);
        }
    }
}
