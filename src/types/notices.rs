//! Telling the kernel that what it remembers is no longer true.

use std::future::Future;
use std::pin::Pin;

use super::Ino;

/// Receives word of names that changed without the kernel having asked for it.
///
/// Implementations must return at once, where nothing else is said, and do the telling elsewhere: it takes kernel locks
/// that a request in progress may hold.
pub trait Notices: Send + Sync + 'static {
    /// `name` in the directory `parent` appeared, vanished, or means something else now.
    fn entry_changed(&self, parent: Ino, name: &str);

    /// As [`Notices::entry_changed`]; the future ends when the kernel has been told. Must not be awaited by a request that
    /// holds the directory's lock in the kernel (create, rename, unlink, …).
    fn entry_changed_told(&self, parent: Ino, name: &str) -> Told;

    /// There are new names in the directory `parent`, all of which the kernel asks for when it needs them.
    fn listing_changed(&self, parent: Ino);

    /// Gives the kernel pages of the file `ino`, to be kept as those that it has read: `bytes` at `offset`, whole pages but at
    /// the end of the file. Returns whether it takes more. Waits for reads of these pages, so it must not be called by
    /// who answers reads.
    fn keep_pages(&self, ino: Ino, offset: u64, bytes: &[u8]) -> bool;

    /// A file shows up at `path`, from the root of the mount, which nobody has called by that name: who watches its
    /// directory should hear of it.
    fn appeared(&self, path: &str);

    /// Ends when that has been told of every file so far, or after a moment. Must not be awaited by a request that holds a
    /// directory's lock in the kernel.
    fn announced(&self) -> Told;
}

/// Ends when the kernel has been told.
pub type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells nobody: for tests and for work without a mount.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNotices;

impl Notices for NoNotices {
    fn entry_changed(&self, _: Ino, _: &str) {}

    fn entry_changed_told(&self, _: Ino, _: &str) -> Told {
        Box::pin(std::future::ready(()))
    }

    fn listing_changed(&self, _: Ino) {}

    fn keep_pages(&self, _: Ino, _: u64, _: &[u8]) -> bool {
        false
    }

    fn appeared(&self, _: &str) {}

    fn announced(&self) -> Told {
        Box::pin(std::future::ready(()))
    }
}
