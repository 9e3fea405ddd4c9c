//! What a close means: the pure decision behind semantics 3.4–3.9.

/// What is known when a descriptor of a draft is closed (FLUSH) or its last one is gone (RELEASE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a list of independent observations")]
pub struct CloseFacts {
    /// A scratch name: never published.
    pub scratch: bool,
    /// The content changed since it was made or last published.
    pub changed: bool,
    /// Bytes were written, not only a size set.
    pub wrote: bool,
    /// Size of the content in bytes.
    pub size: u64,
    /// It is written beside an object.
    pub beside: bool,
    /// The closing process is the one that opened this descriptor.
    pub by_opener: bool,
    /// No process that opened the draft for writing can be seen to hold it any more.
    pub last: bool,
    /// A process that opened or wrote it was killed by a signal as it closed it.
    pub killed: bool,
    /// A write failed.
    pub write_error: bool,
    /// It was given a size before its data, and parts of that were never written.
    pub unfilled: bool,
    /// That size was set by the name alone, and no close of one who made or changed the file came after it. The kernel sends a
    /// RELEASE some time after the close.
    pub sized_since_close: bool,
}

/// What a close does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseAction {
    /// Nothing: there is nothing new to keep.
    Nothing,
    /// Nothing yet: what there is waits for its next writer.
    Wait,
    /// Make content and name durable on this host; somebody may still write.
    Save,
    /// Publish now; the close waits for it.
    Publish,
    /// Keep it out of the directory: it is not what its writer meant to finish.
    Interrupt(&'static str),
}

impl CloseFacts {
    /// Nothing came of it: no change, no failed write, no killed writer. A draft beside an object that was not changed is
    /// nothing whoever ends.
    const fn is_nothing(self) -> bool {
        !self.changed && (self.beside || (!self.write_error && !self.killed))
    }
}

/// Decides what a FLUSH does.
pub const fn on_flush(f: CloseFacts) -> CloseAction {
    if f.is_nothing() {
        return CloseAction::Nothing;
    }
    if !f.scratch && f.sized_since_close && !f.write_error && !f.killed {
        return CloseAction::Wait; // saved, it would be taken for finished at the next start
    }
    if f.scratch || !f.by_opener || !f.last {
        return if f.changed { CloseAction::Save } else { CloseAction::Nothing };
    }
    finish(f)
}

/// Decides what the RELEASE of the last descriptor does, when no FLUSH has settled it.
pub const fn on_release(f: CloseFacts) -> CloseAction {
    if f.is_nothing() {
        return CloseAction::Nothing;
    }
    if f.scratch {
        return if f.changed { CloseAction::Save } else { CloseAction::Nothing };
    }
    finish(f)
}

const fn finish(f: CloseFacts) -> CloseAction {
    if f.write_error {
        return CloseAction::Interrupt("a write failed");
    }
    if f.killed {
        return CloseAction::Interrupt("its writer was killed");
    }
    // A draft beside an object that was only truncated, and an empty new file, are no documents (3.3, 3.8).
    if f.size == 0 || (f.beside && !f.wrote) {
        return CloseAction::Nothing;
    }
    if f.sized_since_close {
        return CloseAction::Wait; // no close has this to judge (3.9)
    }
    if f.unfilled {
        return CloseAction::Interrupt("it was given a size and not filled");
    }
    CloseAction::Publish
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: CloseFacts = CloseFacts {
        scratch: false,
        changed: true,
        wrote: true,
        size: 10,
        beside: false,
        by_opener: true,
        last: true,
        killed: false,
        write_error: false,
        unfilled: false,
        sized_since_close: false,
    };

    #[test]
    fn flush_of_the_last_close_publishes() {
        assert_eq!(on_flush(WRITTEN), CloseAction::Publish);
    }

    #[test]
    fn flush_by_another_process_or_not_the_last_only_saves() {
        assert_eq!(on_flush(CloseFacts { by_opener: false, ..WRITTEN }), CloseAction::Save);
        assert_eq!(on_flush(CloseFacts { last: false, ..WRITTEN }), CloseAction::Save);
    }

    #[test]
    fn flush_without_a_change_does_nothing() {
        assert_eq!(on_flush(CloseFacts { changed: false, ..WRITTEN }), CloseAction::Nothing);
        let beside = CloseFacts { changed: false, beside: true, killed: true, ..WRITTEN };
        assert_eq!(on_flush(beside), CloseAction::Nothing);
    }

    #[test]
    fn new_file_of_a_killed_writer_or_a_failed_write_is_interrupted_while_empty() {
        for f in [
            CloseFacts { changed: false, size: 0, killed: true, ..WRITTEN },
            CloseFacts { changed: false, size: 0, write_error: true, ..WRITTEN },
        ] {
            assert!(matches!(on_flush(f), CloseAction::Interrupt(_)));
        }
    }

    #[test]
    fn killed_failed_or_unfilled_is_interrupted() {
        for f in [
            CloseFacts { killed: true, ..WRITTEN },
            CloseFacts { write_error: true, ..WRITTEN },
            CloseFacts { unfilled: true, ..WRITTEN },
        ] {
            assert!(matches!(on_flush(f), CloseAction::Interrupt(_)));
            assert!(matches!(on_release(f), CloseAction::Interrupt(_)));
        }
    }

    #[test]
    fn size_set_since_the_close_waits_for_a_writer() {
        let f = CloseFacts { wrote: false, unfilled: true, sized_since_close: true, ..WRITTEN };
        assert_eq!(on_release(f), CloseAction::Wait);
        assert_eq!(on_flush(CloseFacts { last: false, ..f }), CloseAction::Wait);
        for f in [CloseFacts { killed: true, ..f }, CloseFacts { write_error: true, ..f }] {
            assert!(matches!(on_release(f), CloseAction::Interrupt(_)));
        }
    }

    #[test]
    fn truncated_beside_an_object_is_not_published() {
        let f = CloseFacts { beside: true, wrote: false, size: 0, ..WRITTEN };
        let longer = CloseFacts { size: 100, unfilled: true, ..f };
        for f in [f, longer] {
            assert_eq!(on_flush(f), CloseAction::Nothing);
            assert_eq!(on_release(f), CloseAction::Nothing);
        }
    }

    #[test]
    fn scratch_is_never_published_or_interrupted() {
        let f = CloseFacts { scratch: true, killed: true, ..WRITTEN };
        assert_eq!(on_flush(f), CloseAction::Save);
        assert_eq!(on_release(f), CloseAction::Save);
    }
}
