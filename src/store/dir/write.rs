//! Creating, copying and deleting objects as files.
//!
//! # Crash safety
//! Bytes and attributes are synced before the file gets its key, the directory after it. A crash leaves the whole
//! object, or a temporary file that a later start sweeps up.
//!
//! # Locking
//! Creates with attributes need no lock: the rename decides. Whoever deletes, or keeps a record beside the file,
//! holds the store's lock, so that record and file change together. Tools other than cairnfs do not take it.

use std::fs::File;
use std::io::{Seek, Write};

use super::record::{self, Fingerprint, Record};
use super::tree::{Temporary, Tree, open_file, sync_dir};
use super::{DirStore, MetadataPlace, host};
use crate::store::{ObjectInfo, ObjectMeta, StoreError, StoreResult, UploadBody};
use crate::types::{ETag, ObjectKey};

use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Whether a name that is taken refuses the write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Refuses,
    IsReplaced,
}

impl DirStore {
    pub(super) fn create_now(
        &self,
        key: &ObjectKey,
        body: &UploadBody,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        self.tree.demand(key)?;
        self.look(key)?;
        let mut temporary = self.tree.temporary()?;
        fill(&self.tree, &mut temporary, key, body)?;
        self.finish(temporary, key, meta, Taken::Refuses)
    }

    pub(super) fn copy_now(
        &self,
        from: &ObjectKey,
        version: &ETag,
        to: &ObjectKey,
        meta: &ObjectMeta,
    ) -> StoreResult<ObjectInfo> {
        self.tree.demand(to)?;
        let mut source = self.tree.open_object(from)?.ok_or_else(|| StoreError::NotFound(from.clone()))?;
        let unchanged = |source: &File| match record::describe(&self.tree, from, source)? {
            info if info.etag == *version => Ok(info),
            _ => Err(StoreError::VersionChanged(from.clone())),
        };
        let info = unchanged(&source)?;
        self.look(to)?;
        let mut temporary = self.tree.temporary()?;
        // copy_file_range underneath: a reflink where the host's file system has them. Never a hard link, through
        // which another tool's edit of one object would change the other.
        let copied = std::io::copy(&mut source, &mut temporary.file)
            .map_err(|e| host::io_error(self.tree.doing("copy", from.as_str()), &e))?;
        unchanged(&source)?;
        if copied != info.size {
            return Err(StoreError::VersionChanged(from.clone()));
        }
        self.finish(temporary, to, meta, Taken::Refuses)
    }

    pub(super) fn replace_now(&self, key: &ObjectKey, body: &UploadBody) -> StoreResult<ETag> {
        self.tree.demand(key)?;
        let mut temporary = self.tree.temporary()?;
        fill(&self.tree, &mut temporary, key, body)?;
        Ok(self.finish(temporary, key, &ObjectMeta::default(), Taken::IsReplaced)?.etag)
    }

    pub(super) fn delete_now(&self, key: &ObjectKey, version: &ETag) -> StoreResult<()> {
        if !self.tree.can_hold(key) {
            return Ok(());
        }
        let Some(dir) = self.tree.open_dir(key.dir())? else { return Ok(()) };
        let doing = |e: Errno| host::error(self.tree.doing("delete", key.as_str()), e);
        {
            let _held = self.tree.lock()?;
            let Some(file) = open_file(dir.as_fd(), key.file_name()).map_err(doing)? else { return Ok(()) };
            if record::describe(&self.tree, key, &file)?.etag != *version {
                return Err(StoreError::VersionChanged(key.clone()));
            }
            match rustix::fs::unlinkat(&dir, key.file_name(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => record::remove_beside(&self.tree, key),
                Err(e) => return Err(doing(e)),
            }
        }
        // the directory was opened for looking only; a file synced through it needs one opened for reading
        if let Ok(dir) = super::tree::open_below(dir.as_fd(), ".", rustix::fs::OFlags::RDONLY) {
            sync_dir(dir.as_fd()).map_err(doing)?;
        }
        self.tree.prune(key);
        Ok(())
    }

    /// Spares the copying of bytes for a name that is taken already. It decides nothing.
    fn look(&self, key: &ObjectKey) -> StoreResult<()> {
        match self.tree.open_object(key)? {
            Some(_) => Err(StoreError::AlreadyExists(key.clone())),
            None => Ok(()),
        }
    }

    /// Gives the written file its record and its key.
    fn finish(
        &self,
        mut temporary: Temporary,
        key: &ObjectKey,
        meta: &ObjectMeta,
        taken: Taken,
    ) -> StoreResult<ObjectInfo> {
        let doing = |e: Errno| host::error(self.tree.doing("write", key.as_str()), e);
        temporary.file.sync_data().map_err(|e| host::io_error(self.tree.doing("write", key.as_str()), &e))?;
        let content = Fingerprint::of(&rustix::fs::fstat(&temporary.file).map_err(doing)?);
        let etag = record::new_etag();
        let record = Record::new(&etag, content, meta);
        let attached =
            self.metadata == MetadataPlace::Attributes && record.attach(&temporary.file).map_err(doing)?;
        temporary.file.sync_all().map_err(|e| host::io_error(self.tree.doing("write", key.as_str()), &e))?;
        let place = |temporary: &mut Temporary| match taken {
            Taken::Refuses => self.tree.place(temporary, key),
            Taken::IsReplaced => self.tree.replace(temporary, key),
        };
        let placed = if attached {
            place(&mut temporary)
        } else {
            // the record first, so that nobody ever sees the object without it; the lock, so that it is not put
            // over the record of a competitor who gets the name
            let _held = self.tree.lock()?;
            if taken == Taken::Refuses {
                self.look(key)?;
            }
            record.put_beside(&self.tree, key)?;
            place(&mut temporary)
        };
        if let Err(e) = placed {
            self.tree.prune(key);
            return Err(e);
        }
        let Fingerprint { size, modified_at } = content;
        Ok(ObjectInfo { key: key.clone(), size, etag, modified_at, meta: Some(meta.clone()) })
    }
}

/// Writes the bytes of `body` and holds their number against what was promised.
fn fill(tree: &Tree, temporary: &mut Temporary, key: &ObjectKey, body: &UploadBody) -> StoreResult<()> {
    let doing = |e: std::io::Error| host::io_error(tree.doing("write", key.as_str()), &e);
    let written = match body {
        UploadBody::Bytes(bytes) => {
            temporary.file.write_all(bytes).map_err(doing)?;
            bytes.len() as u64
        }
        UploadBody::File { path, .. } => {
            let mut source = File::open(path)
                .map_err(|e| StoreError::io(format!("cannot open '{}' for upload", path.display()), &e))?;
            std::io::copy(&mut source, &mut temporary.file).map_err(doing)?;
            temporary.file.stream_position().map_err(doing)?
        }
    };
    if written != body.size() {
        return Err(StoreError::Io {
            context: format!("cannot upload '{key}'"),
            message: format!("the staging file has {written} bytes instead of {}", body.size()),
            errno: 0,
        });
    }
    Ok(())
}
