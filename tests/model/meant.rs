//! What a draw means in a state: which name, which descriptor, which place in a map.

use crate::model::{File, State};
use crate::op::{CHILD, LAST, Pick, Slot, Who};

impl State {
    /// Returns the name that is meant.
    pub fn named(&self, pick: &Pick) -> Option<Pick> {
        match pick {
            Pick::Named(_) => Some(pick.clone()),
            Pick::Alternative(n) => {
                let at = usize::from(*n).checked_rem(self.alternatives.len())?;
                self.alternatives.get(at).cloned().map(Pick::Named)
            }
        }
    }

    /// Returns the descriptor that is meant.
    pub fn fd(&self, who: Who, draw: Slot) -> Option<Slot> {
        let all = self.open.values().flat_map(|o| o.fds.iter().map(|fd| (o.who, *fd)));
        let held = all.filter(|(by, fd)| if fd & CHILD == 0 { *by == who } else { who == Who::E });
        let mut fds: Vec<Slot> = held.map(|(_, fd)| fd).collect();
        fds.sort_unstable();
        pick(&fds, draw)
    }

    /// Returns the map that is meant.
    pub fn map(&self, who: Who, draw: Slot) -> Option<Slot> {
        let mut maps: Vec<Slot> =
            self.open.values().filter(|o| o.who == who).flat_map(|o| o.maps.iter().map(|m| m.0)).collect();
        maps.sort_unstable();
        pick(&maps, draw)
    }

    /// Returns whether a writable shared map can be made of a descriptor, and be used without a signal.
    pub fn can_be_mapped(&self, who: Who, slot: Slot) -> bool {
        let Some(open) = self.opened(who, slot).and_then(|id| self.open.get(&id)) else { return false };
        let File::Draft(id) = open.file else { return false };
        let Some(draft) = self.drafts.get(&id) else { return false };
        let lost = draft.origin.as_ref().is_some_and(|(key, version)| self.is_lost(key, *version));
        open.read && open.write && !draft.content.is_empty() && !lost
    }

    /// Returns where `data` fits into a map and into the file under it: beyond that is SIGBUS.
    pub fn room_in_map(&self, who: Who, map: Slot, at: usize, data: &[u8]) -> Option<usize> {
        let open = self.open.get(&self.opened(who, map)?)?;
        let File::Draft(id) = open.file else { return None };
        let draft = self.drafts.get(&id)?;
        if draft.origin.as_ref().is_some_and(|(key, version)| self.is_lost(key, *version)) {
            return None;
        }
        let length = open.maps.iter().find(|m| m.0 == map)?.1.min(draft.content.len());
        let places = (length + 1).checked_sub(data.len())?;
        if data.is_empty() { None } else { at.checked_rem(places) }
    }
}

fn pick(slots: &[Slot], draw: Slot) -> Option<Slot> {
    if draw == LAST {
        return slots.last().copied();
    }
    let at = usize::try_from(draw).ok()?.checked_rem(slots.len())?;
    slots.get(at).copied()
}
