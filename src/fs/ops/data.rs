//! Bytes: read, write, truncate, fsync, fallocate.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use tokio::time::timeout;

use crate::cache::Version;
use crate::drafts::draft::Draft;
use crate::drafts::known::Origin;
use crate::fs::handle::Handle;
use crate::fs::{Caller, Filesystem, FsError, FsResult, process_of};
use crate::layout::FilePlacement;
use crate::read::OpenObject;
use crate::types::{Clock, Ino, ProcessId};

impl Filesystem {
    /// Reads up to `len` bytes at `offset`; short only at the end of the file.
    ///
    /// # Errors
    /// [`FsError::Stale`] where the version is gone, [`FsError::Io`] where the store or the disk fails.
    pub async fn read(&self, ino: Ino, fh: u64, offset: u64, len: u32) -> FsResult<Bytes> {
        let handle = self.handle(ino, fh).await?;
        let len = usize::try_from(len).map_err(|_| FsError::Invalid)?;
        match &*handle {
            Handle::Object { object, .. } => {
                let read = self.read_or_look(object, ino, offset, len).await;
                if let Some(content) = object.take_filled() {
                    self.hand_over(ino, &handle, content);
                }
                read
            }
            Handle::Draft { draft, .. } => {
                let (origin, object_ino) = {
                    let known = draft.state.lock();
                    (known.origin.clone(), known.beside_ino)
                };
                match origin {
                    Origin::Own => Ok(draft.read(offset, len)?.into()),
                    Origin::Object { key, etag, size } => {
                        let object = self.reader.open(Version { key, etag, size }, None);
                        self.read_or_look(&object, object_ino.unwrap_or(ino), offset, len).await
                    }
                }
            }
        }
    }

    /// Reads from `object`. Where its version is gone, looks what the name of `ino` leads to now.
    async fn read_or_look(&self, object: &OpenObject, ino: Ino, offset: u64, len: usize) -> FsResult<Bytes> {
        let began = Instant::now();
        let read = object.read(offset, len).await.map_err(FsError::from);
        if matches!(read, Err(FsError::Stale)) {
            // it is stale whatever is found out, and must be told in time
            let rest = self.options.patience().saturating_sub(began.elapsed());
            let _ = timeout(rest, self.look_again(ino)).await;
        }
        read
    }

    /// Writes at once if nothing has to be waited for; `None` means: use [`Filesystem::write`].
    pub fn write_now(&self, fh: u64, offset: u64, data: &[u8]) -> Option<FsResult<u32>> {
        let handle = self.handles.get(fh)?;
        let Handle::Draft { draft, writable: true, opener, hand } = &*handle else {
            return Some(Err(FsError::BadHandle));
        };
        hand.store(true, Ordering::Relaxed);
        self.write_local(draft, *opener, offset, data)
    }

    /// Writes `data` at `offset` and returns how many bytes.
    ///
    /// # Errors
    /// [`FsError::NoSpace`], [`FsError::TooLarge`], [`FsError::BadHandle`].
    pub async fn write(&self, ino: Ino, fh: u64, offset: u64, data: Bytes) -> FsResult<u32> {
        let handle = self.handle(ino, fh).await?;
        let Handle::Draft { draft, writable: true, opener, hand } = &*handle else {
            return Err(FsError::BadHandle);
        };
        hand.store(true, Ordering::Relaxed);
        loop {
            self.copy_origin(draft).await?;
            self.ready_for_change(draft).await?;
            if let Some(written) = self.write_local(draft, *opener, offset, &data) {
                return written;
            }
        }
    }

    /// Waits until `draft` is not being published, and begins it again where it is an object now.
    async fn ready_for_change(&self, draft: &Arc<Draft>) -> FsResult<()> {
        self.end_of_publish(draft).await?;
        let published = {
            let known = draft.state.lock();
            known.published.then(|| known.id.clone())
        };
        let Some(id) = published else { return Ok(()) };
        self.part_kept(&id).await?; // the object's bytes are kept as they were (4.6)
        self.begin_again(draft, &id)
    }

    /// Writes to the staging file; `None` where something has to be waited for first.
    fn write_local(
        &self,
        draft: &Draft,
        opener: ProcessId,
        offset: u64,
        data: &[u8],
    ) -> Option<FsResult<u32>> {
        let _writing = draft.writing.read();
        {
            let known = draft.state.lock();
            if known.publishing || known.published || known.origin != Origin::Own {
                return None;
            }
        }
        Some(self.write_open(draft, opener, offset, data))
    }

    fn write_open(&self, draft: &Draft, opener: ProcessId, offset: u64, data: &[u8]) -> FsResult<u32> {
        let end = offset.saturating_add(data.len() as u64);
        self.check_size(draft, end)?;
        let growth = end.saturating_sub(draft.state.lock().size);
        let written = self
            .staging
            .reserve(data.len() as u64, growth)
            .and_then(|()| draft.file()?.write_all_at(data, offset))
            .map_err(FsError::from);
        if let Err(e) = written {
            draft.state.lock().write_error = true;
            tracing::warn!("a write to a staging file failed: {e}");
            cut_back(draft);
            return Err(e);
        }
        {
            let mut known = draft.state.lock();
            known.note_write(offset, data, Clock.now());
            known.note_hand(opener);
        }
        self.list_changed(draft)?;
        u32::try_from(data.len()).map_err(|_| FsError::Invalid)
    }

    /// Refuses what would grow over the domain's limit.
    fn check_size(&self, draft: &Draft, end: u64) -> FsResult<()> {
        let row = {
            let known = draft.state.lock();
            if end <= known.size || known.scratch {
                return Ok(());
            }
            known.row
        };
        if self.layout.domains().iter().all(|d| d.spec().max_size.is_none()) {
            return Ok(());
        }
        let Some(record) = self.catalog.draft_of(row)? else { return Ok(()) };
        self.check_size_at(&record.wanted, end).inspect_err(|_| draft.state.lock().write_error = true)
    }

    /// Refuses a file of `size` bytes where the domain of `path` takes none so large.
    pub(in crate::fs) fn check_size_at(&self, path: &str, size: u64) -> FsResult<()> {
        let FilePlacement::Document { domain, .. } = self.layout.place_file(path) else {
            return Ok(());
        };
        let limit = self.layout.domains().get(domain).and_then(|d| d.spec().max_size);
        if limit.is_some_and(|limit| size > limit) { Err(FsError::TooLarge) } else { Ok(()) }
    }

    /// Empties a draft or scratch file that was opened with O_TRUNC: what failed before has to do with nothing that is in it.
    pub(in crate::fs) async fn truncate_at_open(&self, draft: &Arc<Draft>, caller: Caller) -> FsResult<()> {
        self.truncate_local(draft, Some(process_of(caller)), 0).await?;
        draft.state.lock().write_error = false;
        Ok(())
    }

    /// Sets the size of a draft or scratch file, by a handle of `opener` or by its name alone.
    pub(in crate::fs) async fn truncate_local(
        &self,
        draft: &Arc<Draft>,
        opener: Option<ProcessId>,
        size: u64,
    ) -> FsResult<()> {
        loop {
            self.ready_for_change(draft).await?;
            if size > 0 {
                self.copy_origin(draft).await?;
            }
            let _busy = draft.busy.lock().await; // nobody publishes it, or fetches the object's content, meanwhile
            if !draft.state.lock().published {
                draft.state.lock().origin = Origin::Own; // nothing of the object is wanted any more, or all is here
                return self.truncate_open(draft, opener, size);
            }
        }
    }

    fn truncate_open(&self, draft: &Draft, opener: Option<ProcessId>, size: u64) -> FsResult<()> {
        self.check_size(draft, size)?;
        let (before, covers) = {
            let k = draft.state.lock();
            (k.size, k.scratch && k.beside.is_some() && !k.changed)
        };
        // An object that was to be empty from now on is covered by an empty file.
        if before == size && !covers {
            return Ok(());
        }
        if size > before {
            self.staging.reserve(0, size - before)?;
        }
        draft.file()?.set_len(size)?;
        {
            let mut known = draft.state.lock();
            known.note_truncate(size, opener.is_none(), Clock.now());
            opener.into_iter().for_each(|opener| known.note_hand(opener));
        }
        self.list_changed(draft)
    }

    /// Makes content and name durable on this host.
    ///
    /// # Errors
    /// What the host's disk says.
    pub async fn fsync(&self, ino: Ino, fh: u64) -> FsResult<()> {
        let handle = self.handle(ino, fh).await?;
        let Handle::Draft { draft, .. } = &*handle else { return Ok(()) };
        if draft.state.lock().published {
            return Ok(());
        }
        self.sync_content(draft).await?;
        let (row, size, mtime) = {
            let k = draft.state.lock();
            (k.row, k.size, k.mtime)
        };
        self.catalog.sync_entry(row, size, mtime)?;
        Ok(())
    }

    /// Reserves nothing and sets the size where the call asks for it; holes are not punched.
    ///
    /// # Errors
    /// [`FsError::NotSupported`] for every mode but 0 and KEEP_SIZE.
    pub async fn fallocate(&self, ino: Ino, fh: u64, offset: u64, len: u64, mode: i32) -> FsResult<()> {
        let handle = self.handle(ino, fh).await?;
        let Handle::Draft { draft, writable: true, opener, hand } = &*handle else {
            return Err(FsError::BadHandle);
        };
        match mode {
            0 => {
                let end = offset.saturating_add(len);
                let size = draft.state.lock().size;
                self.staging.reserve(len, 0)?;
                if end <= size {
                    return Ok(());
                }
                self.truncate_local(draft, Some(*opener), end).await?;
                hand.store(true, Ordering::Relaxed);
                Ok(())
            }
            libc::FALLOC_FL_KEEP_SIZE => {
                let growth = offset.saturating_add(len).saturating_sub(draft.state.lock().size);
                Ok(self.staging.reserve(len, growth)?)
            }
            _ => Err(FsError::NotSupported),
        }
    }

    /// Returns a handle, re-opened by its inode where this run does not know it. It counts from then on under its number,
    /// until the kernel releases that; as one that writes, since nobody can tell.
    pub(in crate::fs) async fn handle(&self, ino: Ino, fh: u64) -> FsResult<Arc<Handle>> {
        if let Some(handle) = self.handles.get(fh) {
            return Ok(handle);
        }
        let nobody = Caller { tid: 0, uid: 0, gid: 0 };
        let flags = if self.local(ino)?.is_some() { libc::O_RDWR } else { libc::O_RDONLY };
        let opened = self.open(nobody, ino, flags).await.map_err(|_| FsError::BadHandle)?;
        if let Some(handle) = self.handles.renumber(opened.fh, fh) {
            return Ok(handle);
        }
        // another call on the same handle was first
        self.release(opened.fh).await;
        self.handles.get(fh).ok_or(FsError::BadHandle)
    }
}

/// Takes away what a write that failed half-way has left behind the end. The kernel sends no other write that would end there
/// meanwhile: it holds the inode's lock.
fn cut_back(draft: &Draft) {
    let size = draft.state.lock().size;
    if let Err(e) = draft.file().and_then(|file| file.set_len(size)) {
        tracing::warn!("a staging file is longer than what was written: {e}");
    }
}
