//! Passthrough: reads of an object that is complete on this host go from the kernel to the cache file, past this daemon.
//!
//! The kernel takes only one kind of open at a time for an inode, through the daemon or past it, and past it with one
//! registration of one file; any other open fails with EIO. So what kind an inode is of is decided here before the open
//! is answered, and changes only while nobody has it open. The kernel counts a close before it tells of it: what is
//! closed here is closed there.
//!
//! Of an object that has just been read through the daemon the kernel has the pages. It is opened through the daemon again
//! for as long as it has them, which then sees no read of it; see [`Pages`]. After that look the cache file is brought into
//! memory, for a later one; see [`PageIn`].
//!
//! # Invariants
//! * A writer is never let past the daemon: the kernel opens the file anew, with the writer's rights to write.
//! * Only a file whose whole content has been verified is registered, and nobody writes to it again
//!   (`cache/host_file.rs`).

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use fuser::{BackingId, InitFlags, KernelConfig, ReplyOpen};
use parking_lot::Mutex;
use rustix::io::Errno;

use super::convert;
use super::invalidate::Invalidator;
use super::page_in::{PageIn, Progress, is_in_memory};
use super::pages::Pages;
use crate::fs::{Content, Opened};

/// How deep the cache's file system may be stacked on others. Overlayfs, the disk of containers, is one floor; with
/// two, no overlay can be laid over the mount, so that is asked for only where it must be.
const DEPTH: u32 = 1;
/// See [`DEPTH`].
const DEPTH_ON_OVERLAY: u32 = 2;

/// `f_type` of statfs(2) for overlayfs (linux/magic.h).
const OVERLAYFS: u64 = 0x794c_7630;

/// No cache file is brought into memory before the kernel has asked for nothing for so long: who looks at an object once more, or
/// at the next one, is not held up.
const QUIET: Duration = Duration::from_millis(500);

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Passthrough {
    /// Why every open goes through the daemon; once said, it stays.
    off: OnceLock<String>,
    inodes: Arc<Mutex<Inodes<BackingId>>>,
    page_in: OnceLock<PageIn>,
}

impl Passthrough {
    /// Asks the kernel for it while the connection is being made. `cache` is where the files will be.
    pub(super) fn ask(&self, config: &mut KernelConfig, cache: &Path) {
        let offered = config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok();
        let depth = if is_overlay(cache) { DEPTH_ON_OVERLAY } else { DEPTH };
        if !offered || config.set_max_stack_depth(depth).is_err() {
            self.turn_off(
                "the kernel does not offer it (Linux 6.9 does, with CONFIG_FUSE_PASSTHROUGH)".into(),
            );
        }
    }

    /// Tries it on an empty file of the directory `cache`, once the connection stands, so that `cairnfs status` can tell.
    pub(super) fn probe(&self, device: impl AsFd, cache: &Path) {
        if self.off.get().is_some() {
            return;
        }
        // The kernel keeps the file, which has no name, until the mount ends: there is no way to hand it back from here.
        let tried = tempfile::tempfile_in(cache).and_then(|file| BackingId::create_raw(device, file));
        if let Err(e) = tried {
            self.refused(&e);
        }
    }

    /// Begins to bring cache files into memory, where it is on. The kernel is told through `invalidator`.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start_page_in(&self, invalidator: Arc<Invalidator>) -> io::Result<()> {
        if self.off.get().is_none() {
            let started = PageIn::start(invalidator, Arc::clone(&self.inodes))?;
            self.page_in.get_or_init(|| started);
        }
        Ok(())
    }

    /// Returns why it is off; `None` while it is on.
    pub(super) fn off(&self) -> Option<&str> {
        self.off.get().map(String::as_str)
    }

    /// Answers an open. `false` where it had to be refused, since the kernel reads a file past the daemon that has turned
    /// out to be damaged: what was opened is not open then.
    pub(super) fn answer(&self, node: u64, opened: &Opened, reply: ReplyOpen) -> bool {
        let register = |file: &File| {
            if self.off.get().is_some() {
                return None;
            }
            reply.open_backing(file).inspect_err(|e| self.refused(e)).ok().map(Arc::new)
        };
        let size = size_of(&opened.content);
        // Decided and registered under one lock: two opens must not register the file twice.
        let way = {
            let mut inodes = self.inodes.lock();
            let way = inodes.open(node, &opened.content, size, register);
            if let (Some(Way::Daemon), Content::Verified(file), Some(size)) = (&way, &opened.content, size) {
                self.look_again(&mut inodes.pages, node, file, size);
            }
            way
        };
        let fh = fuser::FileHandle(opened.fh);
        match way {
            Some(Way::Daemon) => reply.opened(fh, convert::open_flags(&opened.content)),
            Some(Way::Past(id)) => reply.opened_passthrough(fh, convert::PASSTHROUGH_FLAGS, &id),
            None => {
                reply.error(fuser::Errno::EIO);
                return false;
            }
        }
        true
    }

    /// Has `file` brought into memory, if what the kernel has of it is in other pages.
    fn look_again(&self, pages: &mut Pages, node: u64, file: &File, size: u64) {
        let Some(page_in) = self.page_in.get().filter(|_| self.off.get().is_none()) else { return };
        if pages.page_in(node, size) && !page_in.queue(node, file) {
            pages.page_in_ended(node, false);
        }
    }

    /// Counts an open that was answered otherwise, by a create.
    pub(super) fn created(&self, node: u64, opened: &Opened) {
        let way = self.inodes.lock().open(node, &opened.content, None, |_| None);
        debug_assert!(way.is_some(), "a draft was made under the inode of an object that is open");
    }

    /// Counts a close.
    pub(super) fn closed(&self, node: u64) {
        self.inodes.lock().close(node);
    }

    /// Notes that the kernel has asked for so many bytes of `node`, and was given them.
    pub(super) fn was_read(&self, node: u64, bytes: usize) {
        if self.off.get().is_none() {
            self.inodes.lock().read(node, bytes as u64);
        }
    }

    /// Notes that the kernel has forgotten `node`.
    pub(super) fn forgotten(&self, node: u64) {
        if self.off.get().is_none() {
            self.inodes.lock().pages.forgotten(node);
        }
    }

    fn refused(&self, e: &io::Error) {
        match e.raw_os_error().map(Errno::from_raw_os_error) {
            // for the moment only
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::INTR) => {
                tracing::debug!("a cached file could not be handed to the kernel: {e}");
            }
            Some(Errno::PERM) => self.turn_off("needs root or CAP_SYS_ADMIN".into()),
            Some(Errno::LOOP) => self.turn_off("the cache directory is on a stacked file system".into()),
            _ => self.turn_off(format!("the kernel refuses the cache directory: {e}")),
        }
    }

    fn turn_off(&self, why: String) {
        if self.off.set(why).is_ok() {
            tracing::info!(
                "passthrough is off, reads go through the daemon: {}",
                self.off().unwrap_or_default()
            );
        }
    }
}

/// Returns the size of what may be read past the daemon, where it is known.
fn size_of(content: &Content) -> Option<u64> {
    let Content::Verified(file) = content else { return None };
    file.metadata().ok().map(|m| m.len())
}

fn is_overlay(dir: &Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|s| u64::try_from(s.f_type).is_ok_and(|t| t == OVERLAYFS))
}

/// How an open reaches the content.
#[derive(Debug, PartialEq, Eq)]
enum Way<B> {
    Daemon,
    Past(Arc<B>),
}

/// What the kernel has of each inode.
#[derive(Debug)]
struct Inodes<B> {
    /// What it has open; those that are not here are idle.
    open: HashMap<u64, Use<B>>,
    pages: Pages,
    /// When the kernel last asked for anything that is counted here.
    used: Instant,
}

#[derive(Debug)]
enum Use<B> {
    Daemon(usize, Reads),
    Past(Arc<B>, usize),
}

/// What it means that the kernel asks for bytes of an inode that is open through the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// It gets pages of an object, and keeps them.
    Fill,
    /// It was to have all of them, and has not.
    Miss,
    /// Nothing: what it gets changes.
    Pass,
}

impl<B> Default for Inodes<B> {
    fn default() -> Self {
        Self { open: HashMap::new(), pages: Pages::default(), used: Instant::now() }
    }
}

impl<B> Inodes<B> {
    /// Counts one more open of `node`, with `content` of `size` bytes, and says how it is to be answered; `None`: not at all.
    fn open(
        &mut self,
        node: u64,
        content: &Content,
        size: Option<u64>,
        register: impl FnOnce(&File) -> Option<Arc<B>>,
    ) -> Option<Way<B>> {
        self.used = Instant::now();
        match (self.open.get_mut(&node), content) {
            (Some(Use::Daemon(n, _)), _) => {
                *n += 1;
                Some(Way::Daemon)
            }
            // Verified or not by whatever digest has become known since: it is the file that others read.
            (Some(Use::Past(id, n)), Content::Verified(_) | Content::Complete) => {
                *n += 1;
                Some(Way::Past(Arc::clone(id)))
            }
            (Some(Use::Past(..)), Content::Partial | Content::Draft) => None,
            (None, content) => {
                let (way, first) = self.first(node, content, size, register);
                self.open.insert(node, first);
                Some(way)
            }
        }
    }

    /// Decides for an inode that nobody has open.
    fn first(
        &mut self,
        node: u64,
        content: &Content,
        size: Option<u64>,
        register: impl FnOnce(&File) -> Option<Arc<B>>,
    ) -> (Way<B>, Use<B>) {
        let reads = match content {
            Content::Draft => {
                self.pages.forgotten(node); // the kernel drops them where it is not told to keep them
                Reads::Pass
            }
            Content::Partial | Content::Complete => Reads::Fill,
            Content::Verified(file) => {
                let kept = size.filter(|size| self.pages.has_all(node, *size));
                let in_pages_only = kept.is_some_and(|size| !self.is_in_file(node, file, size));
                if !in_pages_only && let Some(id) = register(file) {
                    self.pages.forgotten(node); // as above
                    return (Way::Past(Arc::clone(&id)), Use::Past(id, 1));
                }
                if kept.is_some() { Reads::Miss } else { Reads::Fill }
            }
        };
        (Way::Daemon, Use::Daemon(1, reads))
    }

    /// Returns whether `file`, of `size` bytes, was brought into memory and is still there.
    fn is_in_file(&mut self, node: u64, file: &File, size: u64) -> bool {
        if self.pages.are_in_file(node) && !is_in_memory(file, size) {
            self.pages.page_in_ended(node, false);
        }
        self.pages.are_in_file(node)
    }

    fn read(&mut self, node: u64, bytes: u64) {
        self.used = Instant::now();
        match self.open.get(&node) {
            Some(Use::Daemon(_, Reads::Fill)) => self.pages.given(node, bytes),
            Some(Use::Daemon(_, Reads::Miss)) => self.pages.missed(node, bytes),
            Some(Use::Daemon(_, Reads::Pass) | Use::Past(..)) | None => {}
        }
    }

    fn close(&mut self, node: u64) {
        self.used = Instant::now();
        let Some(Use::Daemon(n, _) | Use::Past(_, n)) = self.open.get_mut(&node) else { return };
        *n = n.saturating_sub(1);
        if *n == 0 {
            self.open.remove(&node);
        }
    }
}

impl<B: Send + Sync + 'static> Progress for Arc<Mutex<Inodes<B>>> {
    fn wait_for_turn(&self, node: u64, size: u64) -> bool {
        loop {
            let rest = {
                let inodes = self.lock();
                if !inodes.pages.is_due(node, size) {
                    return false;
                }
                QUIET.saturating_sub(inodes.used.elapsed())
            };
            if rest.is_zero() {
                return true;
            }
            thread::sleep(rest);
        }
    }

    fn ended(&self, node: u64, is_there: bool) -> bool {
        let mut inodes = self.lock();
        inodes.pages.page_in_ended(node, is_there);
        let give_way = inodes.pages.are_in_file(node) && !inodes.open.contains_key(&node);
        if give_way {
            inodes.pages.forgotten(node);
        }
        give_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::pages::SMALLEST;

    fn verified() -> Content {
        Content::Verified(tempfile::tempfile().unwrap())
    }

    fn past(id: u32) -> Option<Way<u32>> {
        Some(Way::Past(Arc::new(id)))
    }

    #[test]
    fn open_past_the_daemon_is_shared_until_the_last_close() {
        let mut inodes = Inodes::default();
        assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(7))), past(7));
        assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(8))), past(7));
        assert_eq!(inodes.open(2, &Content::Complete, Some(640), |_| None), past(7));
        for _ in 0..3 {
            inodes.close(2);
        }
        assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(8))), past(8));
    }

    #[test]
    fn open_through_the_daemon_binds_later_ones_until_the_last_close() {
        let mut inodes = Inodes::default();
        assert_eq!(inodes.open(2, &Content::Partial, Some(640), |_| Some(Arc::new(7))), Some(Way::Daemon));
        assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(7))), Some(Way::Daemon));
        inodes.close(2);
        assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(7))), Some(Way::Daemon));
        inodes.close(2);
        inodes.close(2);
        assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(7))), past(7));
        assert_eq!(inodes.open(3, &verified(), Some(640), |_| None), Some(Way::Daemon));
    }

    #[test]
    fn open_of_what_the_kernel_has_read_is_through_the_daemon_until_it_misses_that() {
        let mut inodes = Inodes::default();
        inodes.open(2, &Content::Partial, Some(640), |_| Some(Arc::new(7)));
        inodes.read(2, 640);
        inodes.close(2);
        for _ in 0..2 {
            assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(7))), Some(Way::Daemon));
            inodes.read(2, 10);
            inodes.close(2);
        }
        assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(7))), past(7));
        inodes.close(2);
        // past it, nothing is kept
        inodes.open(2, &Content::Partial, Some(640), |_| None);
        inodes.read(2, 639);
        inodes.close(2);
        assert_eq!(inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(7))), past(7));
        inodes.close(2);
        // what is written to is not kept
        inodes.open(3, &Content::Draft, Some(640), |_| None);
        inodes.read(3, 640);
        inodes.close(3);
        assert_eq!(inodes.open(3, &verified(), Some(640), |_| Some(Arc::new(7))), past(7));
    }

    #[test]
    fn open_of_what_was_brought_into_memory_is_past_the_daemon_once_nobody_has_it_open() {
        let shared = Arc::new(Mutex::new(Inodes::default()));
        let look = || shared.lock().open(2, &verified(), Some(SMALLEST), |_| Some(Arc::new(7)));
        let close = || shared.lock().close(2);
        for idle in [true, false] {
            shared.lock().open(2, &Content::Partial, Some(SMALLEST), |_| None);
            shared.lock().read(2, SMALLEST);
            close();
            assert_eq!(look(), Some(Way::Daemon));
            assert!(shared.lock().pages.page_in(2, SMALLEST));
            if idle {
                close();
            }
            assert_eq!(shared.ended(2, true), idle);
            if !idle {
                assert_eq!(look(), Some(Way::Daemon));
                close();
                close();
            }
            assert_eq!(look(), past(7));
            close();
            assert!(!shared.ended(2, true));
        }
    }

    #[test]
    fn file_found_damaged_while_it_is_read_past_the_daemon_is_not_opened_again() {
        let mut inodes = Inodes::default();
        inodes.open(2, &verified(), Some(640), |_| Some(Arc::new(7)));
        assert_eq!(inodes.open(2, &Content::Partial, Some(640), |_| Some(Arc::new(8))), None);
        inodes.close(2);
        assert_eq!(inodes.open(2, &Content::Partial, Some(640), |_| Some(Arc::new(8))), Some(Way::Daemon));
    }
}
