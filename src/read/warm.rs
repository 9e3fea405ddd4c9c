//! Bringing a whole version onto this host's disk because somebody asked for it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::OpenObject;
use super::error::ReadError;
use super::fetch::{Admission, Purpose, Target};
use super::inflight::Ended;
use crate::cache::pieces;
use crate::types::ByteRange;

/// How many pieces of one object are on their way at a time.
const PIECES: usize = 3;

/// How long it waits for memory before it asks again.
const PAUSE: Duration = Duration::from_millis(10);

impl OpenObject {
    /// Fetches what is not here and returns when all of it is on disk. `came` hears how many bytes of the object each step
    /// has brought or found. Readers who wait come first.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Io`] where the cache cannot keep it.
    pub async fn bring_to_disk(&self, came: impl Fn(u64)) -> Result<(), ReadError> {
        let whole = ByteRange { start: 0, end: self.version().size };
        let bring = |piece: ByteRange| async move { self.bring(piece).await.map(|()| piece.len()) };
        let mut steps =
            stream::iter(pieces(whole, self.reader.fill_request())).map(bring).buffer_unordered(PIECES);
        while let Some(bytes) = steps.try_next().await? {
            came(bytes);
        }
        let (cached, cache) = (Arc::clone(&self.target.cached), Arc::clone(&self.reader.cache));
        let written = tokio::task::spawn_blocking(move || {
            cache.flush();
            whole.is_empty() || cached.is_complete()
        });
        if written.await.unwrap_or(false) { Ok(()) } else { Err(self.not_kept()) }
    }

    async fn bring(&self, piece: ByteRange) -> Result<(), ReadError> {
        let (reader, target) = (&self.reader, &self.target);
        loop {
            if target.cached.missing(piece).is_empty() {
                return Ok(());
            }
            if !target.cached.can_be_kept() {
                return Err(self.not_kept());
            }
            if let Ok(_slot) = reader.slots_fill.acquire().await {
                target.cached.wait_for_disk(reader.options.patience()).await;
                let memory = target.cached.memory();
                let claim = target.claim(piece, piece.len(), Purpose::Fill, |part| {
                    let room = memory.try_reserve(Target::room_for(part))?;
                    Some(Admission { room: Some(room), slot: None })
                });
                let refused = claim.refused_from.is_some();
                let started = reader.start(target, claim.started, Purpose::Fill);
                for fetch in claim.running.iter().chain(&started) {
                    // one that was given up, or begun for somebody else, is asked for again
                    if let Err(Ended::Failed(e)) = fetch.wait(fetch.range).await {
                        return Err(e);
                    }
                }
                if !refused {
                    continue;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn not_kept(&self) -> ReadError {
        ReadError::Io {
            context: format!("cannot keep '{}' in the cache", self.version().key),
            message: "it is larger than half of the disk budget, or there is no room on the disk".to_owned(),
            errno: 0,
        }
    }
}
