//! One version of an object as the cache has it: in memory, on disk, or both.
//!
//! # Locking
//! `host` may be held during the opening and creating of files, then come the index and the memory front. No lock is
//! held while bytes are read or written.

use std::fs::File;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::Shared;
use super::chunks::{BLOCK, cover, pieces, slice_of, to_usize};
use super::front::{Extent, Front};
use super::host_file::{DiskRead, HostFile};
use super::memory::Memory;
use super::run::Run;
use super::version::{FileId, Version};
use super::writer::Write;
use crate::types::{ByteRange, Sha256Hex};

/// A file whose content failed its SHA-256 this often is given up: fetching it again does not help.
const GIVE_UP_AFTER: u32 = 2;

/// Who reads the bytes that are put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Somebody waits for them.
    Waits,
    /// Somebody is expected to come for them.
    Comes,
    /// Nobody now: they are wanted on disk.
    Nobody,
}

/// A version that is open: it is not evicted from disk while this exists.
#[derive(Debug)]
pub struct CachedObject {
    pub(super) shared: Arc<Shared>,
    version: Version,
    id: FileId,
    host: RwLock<Host>,
    sha256: OnceLock<Sha256Hex>,
    rejected: AtomicU32,
    /// A verification is asked for and has not ended.
    pub(super) verifying: AtomicBool,
    /// All of it is being taken in from a file of this host.
    coming: watch::Sender<bool>,
}

/// While this exists, all of an object is being taken in.
pub(super) struct Coming<'a>(&'a watch::Sender<bool>);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

#[derive(Debug)]
enum Host {
    /// Nobody has looked yet.
    Unknown,
    /// Nothing is on disk.
    Absent,
    Open(Arc<HostFile>),
}

impl CachedObject {
    /// Pins `version`.
    pub(super) fn new(shared: Arc<Shared>, version: Version, id: FileId) -> Self {
        if let Some(disk) = &shared.disk {
            disk.pin(id);
        }
        Self {
            shared,
            version,
            id,
            host: RwLock::new(Host::Unknown),
            sha256: OnceLock::new(),
            rejected: AtomicU32::new(0),
            verifying: AtomicBool::new(false),
            coming: watch::Sender::new(false),
        }
    }

    /// Returns the version.
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// Returns the memory that its bytes lie in.
    pub fn memory(&self) -> &Memory {
        &self.shared.memory
    }

    /// Tells the digest that the whole content must have. The first one told stays.
    pub fn expect_sha256(&self, sha256: Sha256Hex) {
        if self.sha256.set(sha256).is_ok() {
            self.shared.verify_if_due(self);
        }
    }

    /// Returns the digest that the whole content must have, where it is known.
    pub fn expected_sha256(&self) -> Option<Sha256Hex> {
        self.sha256.get().copied()
    }

    /// Returns whether the content was fetched again and again without ever having the digest it must have.
    pub fn is_given_up(&self) -> bool {
        self.rejected.load(Ordering::Relaxed) >= GIVE_UP_AFTER
    }

    /// Returns the bytes of `range` if all of them are in `extra`, memory or on disk, `None` otherwise. What is in memory
    /// comes without a copy where one buffer has it all. `touch` says that it is likely to be read again.
    pub fn get(&self, range: ByteRange, extra: &[Extent], touch: bool) -> Option<Bytes> {
        if let Some(first) = self.get_from_memory(range, extra, touch) {
            if first.len() as u64 == range.len() {
                return Some(first);
            }
        } else if let Some(all) = self.get_from_disk(range) {
            return Some(all);
        }
        let mut out = BytesMut::with_capacity(to_usize(range.len()));
        while (out.len() as u64) < range.len() {
            let rest = ByteRange { start: range.start + out.len() as u64, end: range.end };
            if let Some(piece) = self.get_from_memory(rest, extra, touch) {
                out.extend_from_slice(&piece);
            } else {
                let end = self.host()?.present_until(rest.start, rest.end)?;
                out.extend_from_slice(&self.get_from_disk(ByteRange { start: rest.start, end })?);
            }
        }
        Some(out.freeze())
    }

    /// Returns the parts of `range`, extended to whole chunks, that are neither in memory nor on disk.
    pub fn missing(&self, range: ByteRange) -> Vec<ByteRange> {
        self.missing_beside(range, |front, at| front.extent_end(self.id, at))
    }

    /// Returns the parts of `range`, extended to whole chunks, that are neither on disk nor on their way there.
    pub fn missing_on_disk(&self, range: ByteRange) -> Vec<ByteRange> {
        self.missing_beside(range, |front, at| front.dirty_extent_end(self.id, at))
    }

    /// Returns the parts that are not on disk and for which `in_memory` has no end.
    fn missing_beside(
        &self,
        range: ByteRange,
        in_memory: impl Fn(&Front, u64) -> Option<u64>,
    ) -> Vec<ByteRange> {
        let range = cover(range, self.version.size);
        let host = self.host();
        let front = self.shared.memory.front();
        let mut missing: Vec<ByteRange> = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let here =
                in_memory(&front, at).or_else(|| host.as_ref().and_then(|h| h.present_until(at, range.end)));
            if let Some(end) = here {
                at = end;
                continue;
            }
            let end = cover(ByteRange::at(at, 1), self.version.size).end;
            match missing.last_mut() {
                Some(last) if last.end == at => last.end = end,
                _ => missing.push(ByteRange { start: at, end }),
            }
            at = end;
        }
        missing
    }

    /// Takes in `extent`, whole chunks inside one block, with their checksums. It is in memory when this returns and on
    /// its way to disk.
    pub fn insert(self: &Arc<Self>, extent: Extent, checksums: Vec<u32>, reader: Reader) {
        self.shared.counters.inserted_bytes.add(extent.range().len());
        let write = Write { object: Arc::clone(self), run: Run::new(extent.clone(), checksums), reader };
        let unread = reader == Reader::Comes;
        self.shared.memory.insert(self.id, extent, unread, || self.shared.queue_write(write));
    }

    /// Tells that a sequential reader has left `range` behind.
    pub fn pass(&self, range: ByteRange) {
        for piece in pieces(range, BLOCK) {
            let on_disk = self.on_disk_until(piece) == Some(piece.end);
            self.shared.memory.pass(self.id, piece, on_disk);
        }
    }

    /// Returns how far what is on disk reaches without a gap from the beginning of `range` on, `None` where that is nowhere.
    fn on_disk_until(&self, range: ByteRange) -> Option<u64> {
        self.host()?.present_until(range.start, range.end)
    }

    /// Tells that nobody is expected to come for `range` any more.
    pub fn expect_no_reader(&self, range: ByteRange) {
        self.shared.memory.set_read(self.id, range);
    }

    /// Returns whether all of it is on disk.
    pub fn is_complete(&self) -> bool {
        self.host().is_some_and(|h| h.is_complete())
    }

    /// Returns how many bytes of it are on disk.
    pub fn bytes_on_disk(&self) -> u64 {
        self.host().map_or(0, |h| h.present_bytes().min(self.version.size))
    }

    /// Returns whether all but `rest` bytes of it can be here, on disk and in memory. A look at each chunk of a very large object
    /// takes too long to be done for nothing.
    pub fn may_be_here_but_for(&self, rest: u64) -> bool {
        self.bytes_on_disk().saturating_add(self.memory().budget()).saturating_add(rest) >= self.version.size
    }

    /// Returns whether a whole object of this size can be kept on disk at present.
    pub fn can_be_kept(&self) -> bool {
        self.shared.disk.as_ref().is_some_and(|d| d.is_usable() && self.version.size <= d.budget() / 2)
    }

    /// Returns whether the disk has room for all of it now, beside what else is open. What keeps the index busy keeps this
    /// waiting, so not for each read.
    pub fn has_room(&self) -> bool {
        self.shared.disk.as_ref().is_some_and(|d| d.has_room(self.id, self.version.size))
    }

    /// Waits for a disk that does not keep up, no longer than `patience`.
    pub async fn wait_for_disk(&self, patience: Duration) {
        if let Some(workers) = self.shared.workers.as_ref().filter(|w| !w.keeps_up())
            && self.can_be_kept()
            && tokio::time::timeout(patience, workers.caught_up()).await.is_err()
        {
            tracing::trace!("the disk of the cache is slower than what comes");
        }
    }

    /// Returns the host file where it has all of the content and needs no more verification. Nobody may write to it.
    /// `None` for now asks for a verification where only that is missing.
    pub fn complete_file(&self) -> Option<File> {
        let host = self.host().filter(|h| h.is_complete() && self.version.size > 0)?;
        if self.is_verified(&host) {
            return host.content().ok();
        }
        self.shared.verify_if_due(self);
        None
    }

    pub(super) const fn id(&self) -> FileId {
        self.id
    }

    /// Returns whether nothing is left to verify of the complete `host`.
    pub(super) fn is_verified(&self, host: &HostFile) -> bool {
        host.is_trusted() && self.sha256.get().is_none_or(|sha| host.sha256() == Some(*sha))
    }

    /// Returns what is on disk.
    pub(super) fn host(&self) -> Option<Arc<HostFile>> {
        match &*self.host.read() {
            Host::Open(file) => return Some(Arc::clone(file)),
            Host::Absent => return None,
            Host::Unknown => {}
        }
        self.look(&mut self.host.write())
    }

    /// Returns the host file, made where there was none; `None` where there can be none.
    pub(super) fn host_or_new(&self) -> Option<Arc<HostFile>> {
        if let Some(file) = self.host() {
            return Some(file);
        }
        let disk = self.shared.disk.as_ref()?;
        let mut host = self.host.write();
        if let Some(file) = self.look(&mut host) {
            return Some(file);
        }
        if let Host::Unknown = *host {
            return None;
        }
        let file = Arc::new(disk.create_file(self.id, &self.version, &self.shared.counters)?);
        *host = Host::Open(Arc::clone(&file));
        Some(file)
    }

    /// Looks what is on disk where nobody has. Where that cannot be told now, it stays unknown.
    fn look(&self, host: &mut Host) -> Option<Arc<HostFile>> {
        if let Host::Unknown = host {
            let shared = &self.shared;
            match shared.disk.as_ref()?.open_file(self.id, &self.version, &shared.on_damage) {
                Ok(Some(file)) => *host = Host::Open(Arc::new(file)),
                Ok(None) => *host = Host::Absent,
                Err(e) => tracing::warn!("cannot open the cached file of '{}': {e}", self.version.key),
            }
        }
        if let Host::Open(file) = host { Some(Arc::clone(file)) } else { None }
    }

    /// Says that all of it is being taken in, for as long as the result exists.
    pub(super) fn coming(&self) -> Coming<'_> {
        self.coming.send_replace(true);
        Coming(&self.coming)
    }

    /// Returns whether all of it is being taken in from a file of this host.
    pub fn is_coming(&self) -> bool {
        *self.coming.borrow()
    }

    /// Waits until it is not being taken in any more.
    pub async fn has_come(&self) {
        let mut coming = self.coming.subscribe();
        let came = coming.wait_for(|coming| !coming).await;
        debug_assert!(came.is_ok(), "the sender is part of this object");
    }

    /// Runs `install`, which puts other files of this version into place.
    pub(super) fn replace<E>(&self, install: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut host = self.host.write();
        let installed = install();
        // also after an error: what was there before may be gone
        *host = Host::Unknown;
        installed
    }

    /// Throws the whole content away: it has not the digest it must have.
    pub(super) fn reject(&self) {
        if let Some(disk) = &self.shared.disk {
            let mut host = self.host.write();
            disk.remove(self.id);
            *host = Host::Absent;
        }
        self.shared.memory.forget(self.id);
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.shared.counters.rejected_files.add(1);
    }

    fn get_from_memory(&self, range: ByteRange, extra: &[Extent], touch: bool) -> Option<Bytes> {
        let own = extra.iter().find(|e| e.range().start <= range.start && range.start < e.range().end);
        if let Some(extent) = own {
            return slice_of(extent.offset, &extent.bytes, range);
        }
        let bytes = self.shared.memory.front().get(self.id, range.start, range.end, touch)?;
        self.shared.counters.memory_hit_bytes.add(bytes.len() as u64);
        Some(bytes)
    }

    fn get_from_disk(&self, range: ByteRange) -> Option<Bytes> {
        match self.host()?.read(range) {
            DiskRead::Bytes(bytes) => {
                self.shared.counters.disk_hit_bytes.add(bytes.len() as u64);
                Some(bytes)
            }
            DiskRead::Missing => None,
            DiskRead::Damaged(chunks) => {
                self.shared.counters.damaged_chunks.add(chunks);
                let what = format!("{chunks} damaged chunks dropped from the cache; they are fetched again");
                self.shared.on_damage.tell(&self.version.key, &what);
                None
            }
        }
    }
}

impl Drop for CachedObject {
    fn drop(&mut self) {
        if let Some(disk) = &self.shared.disk {
            disk.unpin(self.id, &self.shared.counters);
        }
    }
}
