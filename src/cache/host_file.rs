//! The host file of one version: its content, sparse, and its chunk map.
//!
//! # Invariants
//! * The content file is never truncated, never punched, and a chunk that is marked is never written again with other
//!   bytes; who holds it open (also the kernel, for passthrough) reads right bytes for ever.
//! * Bytes leave this module only if they have the checksum of what arrived, or the file is trusted (see
//!   [`super::dir`]).
//!
//! # Locking
//! The table's lock is held for lookups only, never during I/O. One thread writes, and it alone takes the locks of the room and
//! of the way past the page cache.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use rustix::buffer::spare_capacity;

use super::chunks::{CHUNK, chunk_count, chunk_numbers, chunk_range, on_disk, to_usize};
use super::direct_io::DirectIo;
use super::front::Extent;
use super::map::{self, ChunkTable, ENTRY_BYTES, HEADER_BYTES, SEAL_AT, Seal};
use super::room::Room;
use super::run::Run;
use super::version::Version;
use crate::types::{ByteRange, Sha256Hex};

/// The content is written in pieces of this size. A write gets pages as large as itself where the file system can have
/// them (ext4 since Linux 6.16), and the larger they are, the likelier they lie in memory that nobody has used for a while:
/// the host of a virtual machine has taken that, and bringing it back took longer than all the rest of a cold read.
const WRITE_PIECE: usize = 64 * 1024;

/// Where the two files of a version are.
#[derive(Debug, Clone)]
pub(super) struct HostPaths {
    pub data: PathBuf,
    pub map: PathBuf,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct HostFile {
    data: File,
    map: File,
    size: u64,
    table: RwLock<ChunkTable>,
    /// All chunks here were written or verified in this epoch.
    trusted: AtomicBool,
    sha256: Mutex<Option<Sha256Hex>>,
    /// What it was found to have in the epoch of its seal, whichever that was.
    claimed_sha256: Option<Sha256Hex>,
    room: Mutex<Room>,
    direct: Mutex<DirectIo>,
}

/// How bytes get to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// Past the page cache, where that can be.
    Disk,
    /// Through the page cache: the disk may take its time.
    PageCache,
}

/// What a read found.
#[derive(Debug)]
pub(super) enum DiskRead {
    /// All of it.
    Bytes(Bytes),
    /// Not all of it is here.
    Missing,
    /// It was here, but wrong: so many chunks were thrown away.
    Damaged(u64),
}

/// What holding a chunk against its checksum has shown.
enum Verdict {
    Sound,
    /// It was wrong, and is not here any more.
    Damaged,
    /// Meanwhile it was thrown away, or came anew.
    Changed,
}

impl HostFile {
    /// Opens the files of `version`; `None` where they are not (wholly) its files, so that they should be deleted.
    pub(super) fn open(paths: &HostPaths, version: &Version, epoch: u64) -> io::Result<Option<Self>> {
        let Some(expected) = map::header(version) else { return Ok(None) };
        let data = OpenOptions::new().read(true).write(true).open(&paths.data)?;
        let map = OpenOptions::new().read(true).write(true).open(&paths.map)?;
        let mut header = [0; HEADER_BYTES];
        if let Err(e) = map.read_exact_at(&mut header, 0) {
            return if e.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(e) };
        }
        if header.get(..SEAL_AT) != expected.get(..SEAL_AT) || data.metadata()?.len() != version.size {
            return Ok(None);
        }
        let seal = Seal::decode(header.get(SEAL_AT..).unwrap_or_default());
        let trusted = seal.epoch == epoch;
        let table = load_table(&map, version.size, trusted)?;
        let sha256 = Mutex::new(seal.sha256.filter(|_| trusted));
        Ok(Some(Self {
            data,
            map,
            size: version.size,
            table: RwLock::new(table),
            trusted: AtomicBool::new(trusted),
            sha256,
            claimed_sha256: seal.sha256,
            room: Mutex::default(),
            direct: Mutex::default(),
        }))
    }

    /// Creates the files of `version`, empty of chunks. `Ok(None)` where its names do not fit into a map.
    pub(super) fn create(paths: &HostPaths, version: &Version, epoch: u64) -> io::Result<Option<Self>> {
        let Some(header) = map::header(version) else { return Ok(None) };
        let data = match create_file(&paths.data) {
            // the first of its directory
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                paths.data.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                create_file(&paths.data)
            }
            made => made,
        }?;
        data.set_len(version.size)?;
        let map = create_file(&paths.map)?;
        Self::with_files(data, map, version.size, header, epoch).map(Some)
    }

    /// Makes a map at `map` for the complete content at `data`, reading all of it.
    pub(super) fn adopt(paths: &HostPaths, version: &Version, seal: Seal) -> io::Result<Option<()>> {
        let Some(header) = map::header(version) else { return Ok(None) };
        let data = File::open(&paths.data)?;
        let file = Self::with_files(data, create_file(&paths.map)?, version.size, header, seal.epoch)?;
        let mut buffer = vec![0; to_usize(CHUNK)];
        let mut table = file.table.write();
        for chunk in 0..chunk_count(version.size) {
            let range = chunk_range(chunk, version.size);
            let bytes = buffer.get_mut(..to_usize(range.len())).unwrap_or_default();
            file.data.read_exact_at(bytes, range.start)?;
            table.set(chunk, map::checksum(bytes), true);
        }
        file.map.write_all_at(&table.entries(0..chunk_count(version.size)), HEADER_BYTES as u64)?;
        file.map.write_all_at(&seal.encode(), SEAL_AT as u64)?;
        Ok(Some(()))
    }

    fn with_files(data: File, map: File, size: u64, mut header: Vec<u8>, epoch: u64) -> io::Result<Self> {
        header.truncate(SEAL_AT);
        header.extend_from_slice(&Seal { epoch, sha256: None }.encode());
        header.resize(HEADER_BYTES, 0);
        map.write_all_at(&header, 0)?;
        Ok(Self {
            data,
            map,
            size,
            table: RwLock::new(ChunkTable::new(size)),
            trusted: AtomicBool::new(true),
            sha256: Mutex::new(None),
            claimed_sha256: None,
            room: Mutex::default(),
            direct: Mutex::default(),
        })
    }

    /// Returns whether all of the content is here.
    pub(super) fn is_complete(&self) -> bool {
        self.table.read().is_complete()
    }

    /// Returns whether nothing of it needs to be verified before use.
    pub(super) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Acquire)
    }

    /// Returns the digest that the whole content was found to have.
    pub(super) fn sha256(&self) -> Option<Sha256Hex> {
        *self.sha256.lock()
    }

    /// Returns the digest that its map says the whole content had when it was last verified, trusted or not.
    pub(super) const fn claimed_sha256(&self) -> Option<Sha256Hex> {
        self.claimed_sha256
    }

    /// Returns how many bytes are here, at most one chunk too many.
    pub(super) fn present_bytes(&self) -> u64 {
        self.table.read().present().saturating_mul(CHUNK)
    }

    /// Returns how many bytes more the file takes on disk with the chunks of `range` that are not here.
    pub(super) fn absent_bytes(&self, range: ByteRange) -> u64 {
        let table = self.table.read();
        let absent = chunk_numbers(range).filter(|c| table.get(*c).is_none());
        absent.map(|c| on_disk(chunk_range(c, self.size).len())).sum()
    }

    /// Returns the end of the run of present chunks that begins with the one at `offset`, looking no further than
    /// `end`; `None` where that chunk is not here.
    pub(super) fn present_until(&self, offset: u64, end: u64) -> Option<u64> {
        let table = self.table.read();
        let chunks = chunk_numbers(ByteRange { start: offset, end });
        let run = chunks.take_while(|c| table.get(*c).is_some()).last()?;
        Some(chunk_range(run, self.size).end.min(end))
    }

    /// Reads `range`, verifying what was not. What cannot be read is thrown away like what is wrong.
    pub(super) fn read(&self, range: ByteRange) -> DiskRead {
        match self.try_read(range) {
            Ok(read) => read,
            Err(e) => {
                let (damaged, marked) = self.forget(range);
                tracing::warn!("cannot read from the cache: {e}");
                if let Err(e) = marked {
                    tracing::debug!("cannot write to the cache: {e}");
                }
                DiskRead::Damaged(damaged)
            }
        }
    }

    fn try_read(&self, range: ByteRange) -> io::Result<DiskRead> {
        let mut doubtful = Vec::new();
        {
            let table = self.table.read();
            for chunk in chunk_numbers(range) {
                match table.get(chunk) {
                    None => return Ok(DiskRead::Missing),
                    Some((_, true)) => {}
                    Some(entry) => doubtful.push((chunk, entry)),
                }
            }
        }
        let (mut damaged, mut changed) = (0, false);
        for (chunk, entry) in doubtful {
            match self.verify_chunk(chunk, entry, |_| ())? {
                Verdict::Sound => {}
                Verdict::Damaged => damaged += 1,
                Verdict::Changed => changed = true,
            }
        }
        if damaged > 0 {
            return Ok(DiskRead::Damaged(damaged));
        }
        if changed {
            return self.try_read(range);
        }
        match self.read_exactly(range)? {
            Some(bytes) => Ok(DiskRead::Bytes(bytes)),
            // somebody cut the file: what is behind its end is gone
            None => {
                let (damaged, marked) = self.forget(range);
                marked.map(|()| DiskRead::Damaged(damaged))
            }
        }
    }

    /// Writes `run`, then marks its chunks.
    pub(super) fn write(&self, run: &Run, via: Via) -> io::Result<()> {
        let mut direct = self.direct.lock();
        if via == Via::PageCache || !direct.write(&self.data, run.extents())? {
            run.extents().iter().try_for_each(|extent| self.write_to_pages(extent))?;
        }
        let chunks = chunk_numbers(run.range());
        let entries: Vec<u8> = run.checksums().iter().flat_map(|c| c.to_le_bytes()).collect();
        self.map.write_all_at(&entries, entry_at(chunks.start))?;
        let mut table = self.table.write();
        for (chunk, checksum) in chunks.zip(run.checksums()) {
            table.set(chunk, *checksum, true);
        }
        if table.is_complete() {
            direct.close();
        }
        Ok(())
    }

    fn write_to_pages(&self, extent: &Extent) -> io::Result<()> {
        self.room.lock().find(&self.data, extent.range(), self.present_bytes(), self.size);
        for (piece, at) in extent.bytes.chunks(WRITE_PIECE).zip((extent.offset..).step_by(WRITE_PIECE)) {
            self.data.write_all_at(piece, at)?;
        }
        Ok(())
    }

    /// Reads all that is here in order, handing it to `each`, and throws away what has not its checksum. Returns how many
    /// chunks that were; `None` where `go_on`, which is asked for each of them, said no before the end.
    pub(super) fn verify_all(
        &self,
        go_on: impl Fn() -> bool,
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<Option<u64>> {
        let mut damaged = 0;
        for chunk in 0..chunk_count(self.size) {
            while let Some(entry) = self.entry(chunk) {
                if !go_on() {
                    return Ok(None);
                }
                match self.verify_chunk(chunk, entry, &mut each)? {
                    Verdict::Sound => break,
                    Verdict::Damaged => damaged += 1,
                    Verdict::Changed => {}
                }
            }
        }
        Ok(Some(damaged))
    }

    /// Notes on disk that the file needs no verification in `seal.epoch`, and its digest.
    pub(super) fn seal(&self, seal: Seal) -> io::Result<()> {
        self.map.write_all_at(&seal.encode(), SEAL_AT as u64)?;
        *self.sha256.lock() = seal.sha256;
        self.trusted.store(true, Ordering::Release);
        Ok(())
    }

    /// Returns another handle on the content.
    pub(super) fn content(&self) -> io::Result<File> {
        self.data.try_clone()
    }

    /// Marks the file as used now, for the order of eviction after a restart.
    pub(super) fn touch(&self) -> io::Result<()> {
        use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let keep = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        Ok(rustix::fs::futimens(&self.map, &Timestamps { last_access: keep, last_modification: now })?)
    }

    /// Returns what the table says of `chunk`: its checksum, and whether it was verified; `None` where it is not here.
    fn entry(&self, chunk: u64) -> Option<(u32, bool)> {
        self.table.read().get(chunk)
    }

    /// Holds `chunk`, of which the table says `entry`, against its checksum. A wrong one is thrown away, unless the table says
    /// something else by then: another may have thrown it away, too, and it may have come anew.
    fn verify_chunk(
        &self,
        chunk: u64,
        entry: (u32, bool),
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<Verdict> {
        let (checksum, _) = entry;
        let read = self.read_exactly(chunk_range(chunk, self.size))?;
        if let Some(bytes) = read.filter(|bytes| map::checksum(bytes) == checksum) {
            each(&bytes);
            self.table.write().set_verified(chunk, checksum);
            return Ok(Verdict::Sound);
        }
        {
            let mut table = self.table.write();
            if table.get(chunk) != Some(entry) {
                return Ok(Verdict::Changed);
            }
            table.set(chunk, 0, false);
        }
        self.map.write_all_at(&[0; ENTRY_BYTES], entry_at(chunk))?;
        Ok(Verdict::Damaged)
    }

    /// Marks the chunks of `range` as not here. Returns how many were, and whether that could be noted on disk too.
    fn forget(&self, range: ByteRange) -> (u64, io::Result<()>) {
        let chunks = chunk_numbers(range);
        let before = {
            let mut table = self.table.write();
            let before = table.present();
            chunks.clone().for_each(|c| table.set(c, 0, false));
            before - table.present()
        };
        let zeros = vec![0; to_usize(chunks.end - chunks.start).saturating_mul(ENTRY_BYTES)];
        (before, self.map.write_all_at(&zeros, entry_at(chunks.start)))
    }

    /// Reads `range`; `None` where the file ends inside it.
    fn read_exactly(&self, range: ByteRange) -> io::Result<Option<Bytes>> {
        let wanted = to_usize(range.len());
        let mut bytes = Vec::with_capacity(wanted);
        while bytes.len() < wanted {
            let at = range.start + bytes.len() as u64;
            match rustix::io::pread(&self.data, spare_capacity(&mut bytes), at) {
                Ok(0) => return Ok(None),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        // the allocator may have given more room than was asked for
        bytes.truncate(wanted);
        Ok(Some(Bytes::from(bytes)))
    }
}

fn entry_at(chunk: u64) -> u64 {
    HEADER_BYTES as u64 + chunk * ENTRY_BYTES as u64
}

fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
}

/// Reads the entries of `map`, a piece at a time: they may be many, and most of them holes.
fn load_table(map: &File, size: u64, trusted: bool) -> io::Result<ChunkTable> {
    const PIECE_CHUNKS: u64 = 16 * 1024;
    let mut table = ChunkTable::new(size);
    let mut buffer = vec![0; to_usize(PIECE_CHUNKS.min(chunk_count(size))).saturating_mul(ENTRY_BYTES)];
    let mut first = 0;
    while first < chunk_count(size) {
        let n = map.read_at(&mut buffer, entry_at(first))?;
        let whole = n - n % ENTRY_BYTES;
        if whole == 0 {
            break;
        }
        table.load(first, buffer.get(..whole).unwrap_or_default(), trusted);
        first += (whole / ENTRY_BYTES) as u64;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ETag, ObjectKey};

    const EPOCH: u64 = 5;

    fn version() -> Version {
        Version {
            key: ObjectKey::new("documents/a.pdf").unwrap(),
            etag: ETag::new("e"),
            size: 3 * CHUNK + 100,
        }
    }

    fn paths(dir: &tempfile::TempDir) -> HostPaths {
        HostPaths { data: dir.path().join("aa/data"), map: dir.path().join("aa/map") }
    }

    fn run(chunk: u64, len: u64, fill: u8) -> Run {
        let bytes = Bytes::from(vec![fill; to_usize(len)]);
        let sums = bytes.chunks(to_usize(CHUNK)).map(map::checksum).collect();
        Run::new(Extent { offset: chunk * CHUNK, bytes }, sums)
    }

    fn fill(file: &HostFile) {
        file.write(&run(0, version().size, 9), Via::Disk).unwrap();
    }

    #[test]
    fn read_of_what_was_written_returns_it_and_misses_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let file = HostFile::create(&paths(&dir), &version(), EPOCH).unwrap().unwrap();
        file.write(&run(1, CHUNK, 8), Via::Disk).unwrap();
        let inside = ByteRange::at(CHUNK + 5, 10);
        assert!(matches!(file.read(inside), DiskRead::Bytes(b) if b == vec![8; 10]));
        assert!(matches!(file.read(ByteRange::at(CHUNK - 1, 10)), DiskRead::Missing));
        assert_eq!(file.absent_bytes(ByteRange::at(0, version().size)), 2 * CHUNK + 4096);
        assert_eq!(file.present_until(CHUNK + 1, 3 * CHUNK), Some(2 * CHUNK));
        assert_eq!(file.present_until(0, 3 * CHUNK), None);
    }

    #[test]
    fn open_in_the_same_epoch_is_trusted_and_in_another_is_verified() {
        let dir = tempfile::tempdir().unwrap();
        fill(&HostFile::create(&paths(&dir), &version(), EPOCH).unwrap().unwrap());
        let same = HostFile::open(&paths(&dir), &version(), EPOCH).unwrap().unwrap();
        assert!(same.is_trusted() && same.is_complete());
        let other = HostFile::open(&paths(&dir), &version(), EPOCH + 1).unwrap().unwrap();
        assert!(!other.is_trusted());
        std::fs::File::options()
            .write(true)
            .open(paths(&dir).data)
            .unwrap()
            .write_at(b"x", CHUNK + 7)
            .unwrap();
        let tail = ByteRange::at(3 * CHUNK, 100);
        assert!(matches!(other.read(tail), DiskRead::Bytes(b) if b == vec![9; 100]));
        assert!(matches!(other.read(ByteRange::at(0, 2 * CHUNK)), DiskRead::Damaged(1)));
        assert!(matches!(other.read(ByteRange::at(CHUNK, 1)), DiskRead::Missing));
        assert!(!other.is_complete());
        let again = HostFile::open(&paths(&dir), &version(), EPOCH).unwrap().unwrap();
        assert_eq!(again.present_bytes(), 3 * CHUNK);
    }

    #[test]
    fn open_of_another_versions_files_is_none() {
        let dir = tempfile::tempdir().unwrap();
        HostFile::create(&paths(&dir), &version(), EPOCH).unwrap().unwrap();
        let other = Version { etag: ETag::new("f"), ..version() };
        assert!(HostFile::open(&paths(&dir), &other, EPOCH).unwrap().is_none());
        std::fs::File::options().write(true).open(paths(&dir).data).unwrap().set_len(7).unwrap();
        assert!(HostFile::open(&paths(&dir), &version(), EPOCH).unwrap().is_none());
        std::fs::write(paths(&dir).map, b"torn").unwrap();
        assert!(HostFile::open(&paths(&dir), &version(), EPOCH).unwrap().is_none());
    }

    #[test]
    fn read_of_a_file_cut_short_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let file = HostFile::create(&paths(&dir), &version(), EPOCH).unwrap().unwrap();
        fill(&file);
        std::fs::File::options().write(true).open(paths(&dir).data).unwrap().set_len(CHUNK).unwrap();
        assert!(matches!(file.read(ByteRange::at(CHUNK, 10)), DiskRead::Damaged(1)));
        assert!(matches!(file.read(ByteRange::at(0, 10)), DiskRead::Bytes(_)));
    }

    #[test]
    fn verify_chunk_leaves_alone_what_came_anew_since_its_entry_was_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = HostFile::create(&paths(&dir), &version(), EPOCH).unwrap().unwrap();
        let stale = (7, false);
        assert!(matches!(file.verify_chunk(0, stale, |_| ()).unwrap(), Verdict::Changed));
        fill(&file);
        assert!(matches!(file.verify_chunk(0, stale, |_| ()).unwrap(), Verdict::Changed));
        assert!(file.is_complete());
    }

    #[test]
    fn verify_all_hands_out_everything_and_seals() {
        let dir = tempfile::tempdir().unwrap();
        fill(&HostFile::create(&paths(&dir), &version(), EPOCH).unwrap().unwrap());
        let file = HostFile::open(&paths(&dir), &version(), EPOCH + 1).unwrap().unwrap();
        let mut seen = Vec::new();
        assert_eq!(file.verify_all(|| true, |b| seen.extend_from_slice(b)).unwrap(), Some(0));
        assert_eq!(file.verify_all(|| false, |_| ()).unwrap(), None);
        assert_eq!(seen, vec![9; to_usize(version().size)]);
        let seal = Seal { epoch: EPOCH + 1, sha256: Some(Sha256Hex::from_bytes([1; 32])) };
        file.seal(seal).unwrap();
        let again = HostFile::open(&paths(&dir), &version(), EPOCH + 1).unwrap().unwrap();
        assert!(again.is_trusted());
        assert_eq!(again.sha256(), seal.sha256);
    }
}
