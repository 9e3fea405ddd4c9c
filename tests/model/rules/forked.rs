//! A child that shares the descriptors of its parent (3.5).

use std::time::Duration;

use super::Answer::Done;
use super::Outcomes;
use crate::model::State;
use crate::op::{CHILD, Who};

impl State {
    pub(super) fn fork(mut self) -> Outcomes {
        for open in self.open.values_mut().filter(|o| o.who == Who::D) {
            open.fds.extend(open.fds.clone().into_iter().map(|fd| fd | CHILD));
        }
        self.forked = true;
        vec![(Done, self)]
    }

    /// The child ends with what it has open. It opened nothing, so that its death makes nothing half a file (3.9).
    pub(super) fn end_child(mut self, killed: bool, now: Duration) -> Outcomes {
        self.forked = false;
        let mut worlds = vec![self];
        while let Some(slot) = worlds[0].fd(Who::E, 0) {
            let closed = worlds.into_iter().flat_map(|w| w.close_by(Who::E, slot, killed, now));
            worlds = closed.map(|(_, w)| w).collect();
        }
        let settling = worlds.into_iter().map(|mut w| {
            w.settling = true;
            (Done, w)
        });
        settling.collect()
    }
}
