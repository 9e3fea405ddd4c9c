//! What a start does with the drafts of an earlier run: the pure plan.

use crate::catalog::{DraftRow, DraftState};

/// What is found on the disk for a draft's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The staging file, with its size in bytes.
    File(u64),
    /// No staging file.
    Missing,
}

/// What to do with one draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Take it up as it is: an empty placeholder, a scratch file.
    Resume,
    /// It was acknowledged: queue it.
    Queue,
    /// Its writer died with the daemon: keep it out of the directory.
    Interrupt,
    /// Leave it where it is: it was set aside before.
    KeepAside,
    /// Empty beside an object, where it counts for nothing once nobody has it open (3.8): drop it.
    Drop,
    /// Nothing of it is left, and nothing was acknowledged: forget it.
    Forget,
    /// It was acknowledged, and nothing of it is left: forget it, and say so.
    Lost,
}

/// Decides. Nothing that was acknowledged is ever forgotten while its bytes exist.
pub const fn plan(draft: &DraftRow, found: Found) -> Recovery {
    let size = match found {
        Found::Missing if draft.saved_at.is_some() => return Recovery::Lost,
        Found::Missing => return Recovery::Forget,
        Found::File(size) => size,
    };
    match draft.state {
        DraftState::Failed | DraftState::Interrupted => Recovery::KeepAside,
        DraftState::Scratch => Recovery::Resume,
        _ if size == 0 && draft.base.is_some() => Recovery::Drop,
        DraftState::Open if size > 0 => Recovery::Interrupt,
        DraftState::Open => Recovery::Resume,
        // an empty one that was on its way to the store may be an object already
        DraftState::Saved | DraftState::Publishing | DraftState::Queued if size > 0 || draft.attempt > 0 => {
            Recovery::Queue
        }
        DraftState::Saved | DraftState::Publishing | DraftState::Queued => Recovery::Resume,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DraftId, ETag, ObjectKey, ProcessId, Timestamp};

    fn draft(state: DraftState, beside: bool) -> DraftRow {
        DraftRow {
            id: DraftId::random(),
            row: 7,
            state,
            wanted: "documents/a.pdf".into(),
            base: beside.then(|| (ObjectKey::new("documents/a.pdf").unwrap(), ETag::new("x"))),
            attempt: 0,
            attempt_key: None,
            sha256: None,
            maker: ProcessId::default(),
            made_at: Timestamp(0),
            saved_at: None,
            mtime_set: None,
            reason: None,
        }
    }

    #[test]
    fn acknowledged_with_bytes_is_never_forgotten() {
        for state in [
            DraftState::Saved,
            DraftState::Publishing,
            DraftState::Queued,
            DraftState::Failed,
            DraftState::Interrupted,
        ] {
            for beside in [false, true] {
                assert_ne!(plan(&draft(state, beside), Found::File(1)), Recovery::Forget);
            }
        }
    }

    #[test]
    fn staging_file_that_is_gone_is_a_loss_where_it_was_acknowledged() {
        let row = draft(DraftState::Open, false);
        assert_eq!(plan(&row, Found::Missing), Recovery::Forget);
        let row = DraftRow { saved_at: Some(Timestamp(1)), ..row };
        assert_eq!(plan(&row, Found::Missing), Recovery::Lost);
    }

    #[test]
    fn open_with_bytes_is_interrupted() {
        assert_eq!(plan(&draft(DraftState::Open, false), Found::File(3)), Recovery::Interrupt);
    }

    #[test]
    fn empty_placeholder_resumes_and_empty_draft_beside_is_dropped() {
        for state in [DraftState::Open, DraftState::Saved, DraftState::Queued] {
            assert_eq!(plan(&draft(state, false), Found::File(0)), Recovery::Resume);
            assert_eq!(plan(&draft(state, true), Found::File(0)), Recovery::Drop);
        }
    }

    #[test]
    fn empty_draft_that_may_be_an_object_already_is_queued_unless_it_is_beside_one() {
        for (beside, then) in [(false, Recovery::Queue), (true, Recovery::Drop)] {
            let row = DraftRow { attempt: 1, ..draft(DraftState::Publishing, beside) };
            assert_eq!(plan(&row, Found::File(0)), then);
        }
    }
}
