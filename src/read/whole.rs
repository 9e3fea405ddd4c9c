//! Copying a whole version into a file of the caller, for drafts that begin with an object's content.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::ReadError;
use super::{ObjectReader, OpenObject};
use crate::cache::{BLOCK, Version, pieces, to_usize};
use crate::types::{ByteRange, Sha256Hex};

impl ObjectReader {
    /// Writes all bytes of `version` to `file`, from its beginning. What is in the cache is not fetched; what is fetched
    /// stays there. Nothing is said of what `file` holds after an error.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Damaged`] also where the content has not the digest `sha256`.
    pub async fn read_whole_to(
        self: &Arc<Self>,
        version: &Version,
        sha256: Option<Sha256Hex>,
        file: &File,
    ) -> Result<(), ReadError> {
        let object = self.open(version.clone(), sha256);
        let to = file.try_clone().map_err(|e| writing(version, &e))?;
        let to = Arc::new(to);
        if let Some(from) = object.complete_cache_file() {
            let (to, size) = (Arc::clone(&to), version.size);
            let copied = tokio::task::spawn_blocking(move || copy(&from, &to, size)).await;
            if let Ok(Ok(())) = copied {
                return Ok(());
            }
            // whatever is wrong with that file or this way of copying, there is another
        }
        let hash = read_through(&object, &to, sha256.is_some()).await?;
        match (sha256, hash) {
            (Some(expected), Some(found)) if expected != found => {
                let detail = format!("SHA-256 is {found}, not {expected}");
                self.cache.on_damage().tell(&version.key, &detail);
                Err(ReadError::Damaged { key: version.key.clone(), detail })
            }
            _ => Ok(()),
        }
    }
}

async fn read_through(
    object: &OpenObject,
    to: &Arc<File>,
    digest: bool,
) -> Result<Option<Sha256Hex>, ReadError> {
    let mut hash = digest.then(Sha256::new);
    for piece in pieces(ByteRange { start: 0, end: object.version().size }, BLOCK) {
        let bytes = object.read(piece.start, to_usize(piece.len())).await?;
        let to = Arc::clone(to);
        let written = tokio::task::spawn_blocking(move || {
            if let Some(hash) = &mut hash {
                hash.update(&bytes);
            }
            to.write_all_at(&bytes, piece.start).map(|()| hash)
        });
        let written = written.await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
        hash = written.map_err(|e| writing(object.version(), &e))?;
    }
    Ok(hash.map(|h| Sha256Hex::from_bytes(h.finalize().into())))
}

/// Copies `size` bytes from the beginning of `from` to that of `to` inside the kernel. Both keep their file offsets.
fn copy(from: &File, to: &File, size: u64) -> std::io::Result<()> {
    let (mut read_at, mut write_at) = (0, 0);
    while read_at < size {
        let rest = to_usize(size - read_at);
        if rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), rest)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn writing(version: &Version, e: &std::io::Error) -> ReadError {
    ReadError::io(format!("cannot write a copy of '{}'", version.key), e)
}
