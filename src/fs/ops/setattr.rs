//! Changing attributes: size, times; modes and owners are accepted and not kept.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fs::attr::check_access;
use crate::fs::handle::Handle;
use crate::fs::{Attr, Caller, Filesystem, FsError, FsResult, Looked, Want, process_of};
use crate::types::{Clock, Ino, Timestamp};

/// For this long after a publish the process that made the object may still set its times: the tail of a save (9.4).
pub(super) const PUBLISHER_WINDOW: Duration = Duration::from_secs(60);

/// A time to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTime {
    /// The present.
    Now,
    /// That moment.
    At(Timestamp),
}

/// What is to be changed. Mode and owner are not among it: they are accepted and not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttr {
    /// New size in bytes.
    pub size: Option<u64>,
    /// New modification time.
    pub mtime: Option<SetTime>,
    /// New access time: it is not kept, but whoever may not set it is told so.
    pub atime: Option<SetTime>,
    /// The handle by which the size is set (ftruncate); `None` where the file is only named (truncate).
    pub fh: Option<u64>,
}

impl SetAttr {
    fn times(self) -> impl Iterator<Item = SetTime> {
        self.mtime.into_iter().chain(self.atime)
    }
}

/// Checks who sets a time: its owner any, who may write the present (utimensat(2)).
fn may_set_time(caller: Caller, attr: &Attr, time: SetTime) -> FsResult<()> {
    match time {
        _ if caller.uid == 0 || caller.uid == attr.uid => Ok(()),
        SetTime::Now => check_access(caller, attr, Want::WRITE),
        SetTime::At(_) => Err(FsError::NotPermitted),
    }
}

impl Filesystem {
    /// Changes attributes and returns what they are then.
    ///
    /// # Errors
    /// [`FsError::NotPermitted`] for the size of an object, and of a draft that another process has saved: it counts as
    /// one (semantics 3.4); for the times of another's draft.
    pub async fn setattr(&self, caller: Caller, ino: Ino, change: SetAttr) -> FsResult<Looked> {
        let entry = self.catalog.entry(ino)?.ok_or(FsError::Stale)?;
        let draft = self.local(ino)?;
        if let Some(size) = change.size {
            let Some(draft) = &draft else { return Err(FsError::NotPermitted) };
            check_access(caller, &self.attr_of(&entry)?, Want::WRITE)?;
            if change.fh.is_none() && self.is_anothers_content(draft, caller) {
                return Err(FsError::NotPermitted);
            }
            let handle = change.fh.and_then(|fh| self.handles.get(fh));
            let before = draft.state.lock().size;
            match handle.as_deref() {
                Some(Handle::Draft { opener, hand, .. }) => {
                    self.truncate_local(draft, Some(*opener), size).await?;
                    hand.fetch_or(before != size, Ordering::Relaxed);
                }
                _ => self.truncate_local(draft, None, size).await?,
            }
        }
        if draft.is_some() {
            let attr = self.attr_of(&entry)?;
            change.times().try_for_each(|time| may_set_time(caller, &attr, time))?;
        }
        if let Some(time) = change.mtime {
            let mtime = match time {
                SetTime::Now => Clock.now(),
                SetTime::At(t) => t,
            };
            match &draft {
                Some(draft) => {
                    let (id, published) = {
                        let mut known = draft.state.lock();
                        known.mtime = mtime;
                        known.mtime_set = true;
                        (known.id.clone(), known.published)
                    };
                    if !published {
                        self.catalog.set_draft_mtime(&id, mtime)?;
                    }
                }
                None if self.published_by(entry.row, caller) => {
                    self.catalog.set_attr(entry.row, entry.size, mtime, Clock.now())?;
                }
                None => {}
            }
        }
        self.getattr(ino)
    }

    pub(super) fn published_by(&self, row: i64, caller: Caller) -> bool {
        let recent = self.recent.lock().get(&row).copied();
        recent.is_some_and(|(maker, at)| {
            Clock.now().since(at) < PUBLISHER_WINDOW && maker == process_of(caller)
        })
    }
}
