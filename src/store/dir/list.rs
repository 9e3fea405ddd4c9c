//! Listing a directory tree the way S3 lists keys.
//!
//! Keys come in the order of their bytes: a directory sorts as its name with a `/`, which is where its keys stand
//! among the others. The last thing listed is therefore all that a page needs to hand to the next one.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::Errno;

use super::host;
use super::record::{Fingerprint, derived_etag, etag_of};
use super::tree::{Tree, open_file, read_dir};
use crate::store::{ListPage, ObjectInfo, StoreError, StoreResult};
use crate::types::{FileName, MAX_KEY_BYTES, ObjectKey};

/// Lists one page of at most `limit` entries.
pub(super) fn page(
    tree: &Tree,
    prefix: &str,
    delimiter: bool,
    next: Option<&str>,
    limit: usize,
) -> StoreResult<ListPage> {
    let (dir_path, name_prefix) = prefix.rsplit_once('/').map_or(("", prefix), |(d, n)| (d, n));
    tree.demand_root()?;
    let has_dir = prefix.contains('/');
    // no file can be below a directory that cannot be
    if has_dir && dir_path.split('/').any(|s| FileName::new(s).is_err()) {
        return Ok(ListPage::default());
    }
    let after = next.map(decode_token).transpose()?;
    let mut lister = Lister { tree, delimiter, after, limit, last: Vec::new(), page: ListPage::default() };
    let prefix_bytes = if has_dir { format!("{dir_path}/").into_bytes() } else { Vec::new() };
    if internal_at_or_above(tree, &prefix_bytes) {
        return Ok(ListPage::default());
    }
    if let Some(dir) = tree.open_dir(dir_path)?
        && lister.walk(dir.as_fd(), &prefix_bytes, name_prefix.as_bytes())? == Progress::PageFull
    {
        lister.page.next = Some(encode_token(&lister.last));
    }
    Ok(lister.page)
}

#[derive(PartialEq, Eq)]
enum Progress {
    Done,
    PageFull,
}

struct Lister<'a> {
    tree: &'a Tree,
    delimiter: bool,
    /// What the page before ended with: a key, or a prefix with its `/`.
    after: Option<Vec<u8>>,
    limit: usize,
    /// What this page ends with so far.
    last: Vec<u8>,
    page: ListPage,
}

impl Lister<'_> {
    /// Lists what is in `dir`, whose keys begin with `prefix`, as far as its names begin with `name_prefix`.
    fn walk(&mut self, dir: BorrowedFd<'_>, prefix: &[u8], name_prefix: &[u8]) -> StoreResult<Progress> {
        let Some(entries) = self.entries(dir, prefix)? else { return Ok(Progress::Done) };
        for entry in entries {
            if !entry.name.starts_with(name_prefix) {
                continue;
            }
            let position = [prefix, &entry.position()].concat();
            let is_dir = entry.kind == EntryKind::Dir;
            let descend = is_dir && !self.delimiter;
            let inside = descend && self.after.as_ref().is_some_and(|after| after.starts_with(&position));
            if !inside && self.after.as_ref().is_some_and(|after| position <= *after) {
                continue;
            }
            if is_dir && self.tree.is_internal(&position) {
                continue;
            }
            if descend {
                if let Some(below) = self.open(dir, &entry.name, &position)?
                    && self.walk(below.as_fd(), &position, b"")? == Progress::PageFull
                {
                    return Ok(Progress::PageFull);
                }
                continue;
            }
            if self.page.objects.len() + self.page.prefixes.len() >= self.limit {
                return Ok(Progress::PageFull);
            }
            self.last.clone_from(&position);
            let text = match String::from_utf8(position) {
                Ok(text) if text.len() <= MAX_KEY_BYTES && entry.kind != EntryKind::Other => text,
                _ => {
                    self.page.skipped += 1;
                    continue;
                }
            };
            if is_dir {
                if self.has_object(dir, &entry.name, text.as_bytes())? {
                    self.page.prefixes.push(text);
                }
            } else if let Ok(key) = ObjectKey::new(text) {
                self.page.objects.extend(self.object(dir, &entry.name, key)?);
            }
        }
        Ok(Progress::Done)
    }

    /// Describes one file; `None` if it has gone away or is no file.
    fn object(&self, dir: BorrowedFd<'_>, name: &[u8], key: ObjectKey) -> StoreResult<Option<ObjectInfo>> {
        let name = OsStr::from_bytes(name);
        let doing = |e| host::error(self.tree.doing("look at", key.as_str()), e);
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => stat,
            Ok(_) | Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(doing(e)),
        };
        let (etag, stat) = match name.to_str().map(|n| open_file(dir, n)) {
            Some(Ok(Some(file))) => {
                // the name may lead to another file by now than it did for statat
                let stat = rustix::fs::fstat(&file).map_err(doing)?;
                (etag_of(self.tree, &key, &file, &stat), stat)
            }
            Some(Err(Errno::ACCESS | Errno::PERM)) => (derived_etag(&stat), stat),
            Some(Err(e)) => return Err(doing(e)),
            Some(Ok(None)) | None => return Ok(None),
        };
        let Fingerprint { size, modified_at } = Fingerprint::of(&stat);
        Ok(Some(ObjectInfo { key, size, etag, modified_at, meta: None }))
    }

    /// Returns whether there is any object below the directory `name`.
    fn has_object(&self, dir: BorrowedFd<'_>, name: &[u8], prefix: &[u8]) -> StoreResult<bool> {
        let Some(below) = self.open(dir, name, prefix)? else { return Ok(false) };
        let Some(entries) = self.entries(below.as_fd(), prefix)? else { return Ok(false) };
        if entries.iter().any(|e| e.kind == EntryKind::File) {
            return Ok(true);
        }
        for entry in entries.iter().filter(|e| e.kind == EntryKind::Dir) {
            let position = [prefix, &entry.position()].concat();
            if !self.tree.is_internal(&position) && self.has_object(below.as_fd(), &entry.name, &position)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens a directory below; `None` if it has gone away.
    fn open(&self, dir: BorrowedFd<'_>, name: &[u8], prefix: &[u8]) -> StoreResult<Option<OwnedFd>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(dir, OsStr::from_bytes(name), flags, rustix::fs::Mode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(e) => Err(host::error(self.tree.doing("list", &String::from_utf8_lossy(prefix)), e)),
        }
    }

    /// Returns the files and directories in `dir` in the order of their keys; `None` if it has gone away.
    fn entries(&self, dir: BorrowedFd<'_>, prefix: &[u8]) -> StoreResult<Option<Vec<Entry>>> {
        let doing = |e| host::error(self.tree.doing("list", &String::from_utf8_lossy(prefix)), e);
        let listing = match read_dir(dir) {
            Ok(listing) => listing,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(doing(e)),
        };
        let mut entries = Vec::new();
        for entry in listing {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::NOENT) => return Ok(None),
                Err(e) => return Err(doing(e)),
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                known => known,
            };
            let kind = match kind {
                FileType::Directory => EntryKind::Dir,
                FileType::RegularFile => EntryKind::File,
                _ => EntryKind::Other,
            };
            entries.push(Entry { name: name.to_vec(), kind });
        }
        entries.sort_by_cached_key(Entry::position);
        Ok(Some(entries))
    }
}

struct Entry {
    name: Vec<u8>,
    kind: EntryKind,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum EntryKind {
    Dir,
    File,
    /// A symbolic link, a socket and the like: no object, but somebody may miss it.
    Other,
}

impl Entry {
    /// Returns what the keys of this entry begin with, as far as it decides their order.
    fn position(&self) -> Vec<u8> {
        let mut position = self.name.clone();
        if self.kind == EntryKind::Dir {
            position.push(b'/');
        }
        position
    }
}

fn internal_at_or_above(tree: &Tree, prefix: &[u8]) -> bool {
    prefix
        .iter()
        .enumerate()
        .any(|(i, b)| *b == b'/' && prefix.get(..=i).is_some_and(|p| tree.is_internal(p)))
}

/// Tokens are hex, so that nobody builds one from a key.
fn encode_token(last: &[u8]) -> String {
    hex::encode(last)
}

fn decode_token(token: &str) -> StoreResult<Vec<u8>> {
    hex::decode(token).map_err(|_| StoreError::Refused {
        code: "InvalidArgument".to_owned(),
        message: "the continuation token is not one of this store".to_owned(),
    })
}
