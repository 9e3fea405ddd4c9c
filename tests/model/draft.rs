//! What changes of its bytes mean for a draft.

use crate::model::Draft;

impl Draft {
    /// Whether its name is in the directory.
    pub fn is_shown(&self) -> bool {
        self.listed && !self.gone && !self.deleted
    }

    /// Whether a size was set and not filled (3.9).
    pub fn is_unfilled(&self) -> bool {
        self.presized.as_ref().is_some_and(|filled| filled.contains(&false))
    }

    fn note_change(&mut self) {
        self.changed = true;
        self.unsaved = true;
        self.listed = true;
    }

    /// Bytes are written; `within` is the range that the kernel sends, which for a map is whole pages.
    pub fn write(&mut self, at: usize, data: &[u8], within: std::ops::Range<usize>) {
        self.origin = None;
        let end = at + data.len();
        if self.content.len() < end {
            self.content.resize(end, 0);
        }
        self.content[at..end].copy_from_slice(data);
        if let Some(filled) = &mut self.presized {
            match filled.get_mut(within.start..within.end.min(self.content.len())) {
                Some(range) => range.fill(true),
                None => self.presized = None, // beyond the size: a hole that is meant
            }
        }
        self.wrote = true;
        self.note_change();
    }

    /// The size is set. Returns whether it is another one.
    pub fn truncate(&mut self, size: usize) -> bool {
        self.origin = None;
        let before = self.content.len();
        if before == size {
            return false;
        }
        if size == 0 {
            self.wrote = false;
            self.presized = None;
        } else if size > before && !self.wrote && (before == 0 || self.presized.is_some()) {
            self.presized = Some(vec![false; size]);
        } else if let Some(filled) = &mut self.presized {
            filled.truncate(size);
        }
        self.content.resize(size, 0);
        self.note_change();
        true
    }
}
