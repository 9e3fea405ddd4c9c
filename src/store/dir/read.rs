//! Reading objects from files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::record::{self, Fingerprint};
use super::{DirStore, blocking, host};
use crate::store::{Body, ObjectBody, ObjectInfo, StoreError, StoreResult};
use crate::types::{ByteRange, ETag, ObjectKey};

/// What one item of a body holds at most: large enough that handing it to a blocking thread does not count.
const CHUNK_BYTES: u64 = 512 * 1024;

impl DirStore {
    /// Opens the file of `key` and describes it. The bytes stay readable when the name goes away.
    pub(super) fn open_now(&self, key: &ObjectKey) -> StoreResult<(File, ObjectInfo)> {
        let file = self.tree.open_object(key)?.ok_or_else(|| StoreError::NotFound(key.clone()))?;
        let info = record::describe(&self.tree, key, &file)?;
        Ok((file, info))
    }

    /// Opens the version `if_match` of `key` for streaming.
    pub(super) fn get_now(
        &self,
        key: &ObjectKey,
        range: Option<ByteRange>,
        if_match: Option<&ETag>,
    ) -> StoreResult<ObjectBody> {
        let (file, info) = self.open_now(key)?;
        if if_match.is_some_and(|version| *version != info.etag) {
            return Err(StoreError::VersionChanged(key.clone()));
        }
        let range = range.unwrap_or(ByteRange { start: 0, end: info.size }).clamp_to(info.size);
        let content = Fingerprint { size: info.size, modified_at: info.modified_at };
        let reader = Arc::new(Reader { file, key: key.clone(), content });
        let stream = futures_util::stream::try_unfold((reader, range), |(reader, left)| async move {
            if left.is_empty() {
                return Ok(None);
            }
            let next = ByteRange::at(left.start, left.len().min(CHUNK_BYTES));
            let rest = ByteRange { start: next.end, end: left.end };
            let again = reader.clone();
            let bytes = blocking("read", CHUNK_BYTES, move || reader.read(next)).await?;
            Ok(Some((bytes, (again, rest))))
        });
        Ok(ObjectBody { info, range, bytes: Body::of_stream(stream) })
    }
}

/// An open object of which `content` was promised.
struct Reader {
    file: File,
    key: ObjectKey,
    content: Fingerprint,
}

impl Reader {
    /// Returns exactly the bytes of `range`, and only if no other tool has written to the file before they were read.
    fn read(&self, range: ByteRange) -> StoreResult<Bytes> {
        let len = usize::try_from(range.len()).unwrap_or(usize::MAX);
        let mut bytes = BytesMut::zeroed(len);
        self.file.read_exact_at(&mut bytes, range.start).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged("the file became shorter while it was read"),
            _ => host::io_error(format_args!("cannot read '{}'", self.key), &e),
        })?;
        let stat = rustix::fs::fstat(&self.file)
            .map_err(|e| host::error(format_args!("cannot read '{}'", self.key), e))?;
        if Fingerprint::of(&stat) != self.content {
            return Err(self.damaged("another program changed the file while it was read"));
        }
        Ok(bytes.freeze())
    }

    fn damaged(&self, detail: &str) -> StoreError {
        StoreError::Damaged { key: self.key.clone(), detail: detail.to_owned() }
    }
}
