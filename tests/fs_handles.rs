//! Handles that a run never gave out: the file system without a kernel, which would not ask for them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cairnfs::cache::{Cache, CacheOptions};
use cairnfs::catalog::Catalog;
use cairnfs::drafts::create::{SameBytes, WeakStore};
use cairnfs::drafts::guard::Guard;
use cairnfs::drafts::staging::Staging;
use cairnfs::fs::{Caller, Filesystem, FsError, Looked, Options, Ownership, Parts, SetAttr};
use cairnfs::layout::{Layout, LayoutOptions, builtin_domains};
use cairnfs::read::{ObjectReader, ReadOptions};
use cairnfs::store::{Capabilities, DirStore, MetadataPlace, ObjectStore};
use cairnfs::types::{Ino, NoNotices, Notices, Told};
use parking_lot::Mutex;

const MINUTE: Duration = Duration::from_secs(60);

fn filesystem(home: &Path, publish_after: Duration) -> Arc<Filesystem> {
    filesystem_with(home, publish_after, Cache::in_memory(1 << 20), Arc::new(NoNotices))
}

fn filesystem_with(
    home: &Path,
    publish_after: Duration,
    cache: Cache,
    notices: Arc<dyn Notices>,
) -> Arc<Filesystem> {
    let root = home.join("store");
    std::fs::create_dir(&root).unwrap();
    let store: Arc<dyn ObjectStore> =
        Arc::new(DirStore::new(&root, ".cairnfs/", MetadataPlace::default()).unwrap());
    let catalog = Arc::new(Catalog::open(&home.join("catalog.sqlite"), &store.url()).unwrap());
    let cache = Arc::new(cache);
    let parts = Parts {
        capabilities: Capabilities {
            atomic_create: true,
            conditional_delete: true,
            atomic_copy: true,
            service_prefix: true,
        },
        layout: Arc::new(Layout::new(builtin_domains(), LayoutOptions::default()).unwrap()),
        staging: Arc::new(Staging::open(&home.join("staging"), 0, None).unwrap()),
        guard: Arc::new(Guard::open(&home.join("guard"), Arc::clone(&catalog), MINUTE).unwrap()),
        reader: ObjectReader::new(Arc::clone(&store), Arc::clone(&cache), ReadOptions::default()),
        notices,
        store,
        catalog,
        cache,
    };
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let options = Options {
        ownership: Ownership { uid, gid, file_mode: 0o644, dir_mode: 0o755 },
        close_wait: MINUTE,
        rename_wait: MINUTE,
        list_ttl: MINUTE,
        miss_ttl: MINUTE,
        deadline: MINUTE,
        publish_after,
        queue_unreachable: true,
        weak_store: WeakStore::Check,
        same_bytes: SameBytes::Skip,
        empty_after: MINUTE,
        delete_after: MINUTE,
        scratch_ttl: MINUTE,
        trash_keep: None,
        read_only: false,
    };
    Filesystem::new(parts, options, MINUTE).unwrap()
}

fn caller() -> Caller {
    let tid = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Caller { tid, uid, gid }
}

/// Makes `name` in `documents` and returns its inode number and its handle, which is open.
async fn made(fs: &Arc<Filesystem>, name: &[u8]) -> (Ino, u64) {
    let documents = fs.lookup(caller(), Ino::ROOT, b"documents").await.unwrap().attr.ino;
    let flags = libc::O_CREAT | libc::O_WRONLY;
    let (looked, opened) = fs.create(caller(), documents, name, flags).await.unwrap();
    (looked.attr.ino, opened.fh)
}

/// Like [`made`] of `a.pdf`, with `bytes` written to it.
async fn written(fs: &Arc<Filesystem>, bytes: &[u8]) -> (Ino, u64) {
    let (ino, fh) = made(fs, b"a.pdf").await;
    fs.write_now(fh, 0, bytes).unwrap().unwrap();
    (ino, fh)
}

/// Sets the size of `ino` by its name alone, as truncate(2) does.
async fn size_by_name(fs: &Arc<Filesystem>, ino: Ino) {
    let size = SetAttr { size: Some(5000), ..SetAttr::default() };
    fs.setattr(caller(), ino, size).await.unwrap();
}

async fn lookup_a_pdf(fs: &Arc<Filesystem>) -> Result<Looked, FsError> {
    let documents = fs.lookup(caller(), Ino::ROOT, b"documents").await.unwrap().attr.ino;
    fs.lookup(caller(), documents, b"a.pdf").await
}

/// A file system with `documents/a.pdf`, closed and not released yet, that waits for an hour to be published.
async fn acknowledged(home: &Path) -> (Arc<Filesystem>, u64) {
    let fs = filesystem(home, 60 * MINUTE);
    let (ino, fh) = written(&fs, b"one").await;
    fs.flush(caller(), ino, fh).await.unwrap();
    (fs, fh)
}

/// A file whose name is taken away while its close is under way is not published, and nothing stays of it.
#[tokio::test(flavor = "multi_thread")]
async fn unlink_in_the_middle_of_a_close_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let fs = filesystem(home.path(), Duration::ZERO);
    let (ino, fh) = written(&fs, b"one").await;
    let documents = fs.lookup(caller(), Ino::ROOT, b"documents").await.unwrap().attr.ino;
    let mut flush = Box::pin(fs.flush(caller(), ino, fh));
    // it looks who has the file open, and waits for that
    assert!(futures_util::poll!(flush.as_mut()).is_pending());
    fs.unlink(caller(), documents, b"a.pdf").await.unwrap();
    flush.await.unwrap();
    fs.release(fh).await;
    assert!(matches!(lookup_a_pdf(&fs).await, Err(FsError::NotFound)));
    assert!(!home.path().join("store/documents/a.pdf").exists());
    assert_eq!(std::fs::read_dir(home.path().join("staging")).unwrap().count(), 0);
}

/// The kernel sends a RELEASE some time after the FLUSH that has acknowledged the file: it may come in the middle of a drain...
#[tokio::test(flavor = "multi_thread")]
async fn release_in_the_middle_of_a_drain_does_not_put_the_file_off() {
    let home = tempfile::tempdir().unwrap();
    let (fs, fh) = acknowledged(home.path()).await;
    let mut drain = Box::pin(fs.drain(MINUTE / 4, &|_| ()));
    // nobody takes anything from the queue yet: it waits for that
    assert!(futures_util::poll!(drain.as_mut()).is_pending());
    fs.release(fh).await;
    let worker = tokio::spawn(Arc::clone(&fs).work_queue());
    assert_eq!(drain.await.total(), 0);
    worker.abort();
    assert_eq!(std::fs::read(home.path().join("store/documents/a.pdf")).unwrap(), b"one");
}

/// ...or after its end.
#[tokio::test(flavor = "multi_thread")]
async fn release_after_a_drain_finds_the_file_published() {
    let home = tempfile::tempdir().unwrap();
    let (fs, fh) = acknowledged(home.path()).await;
    let worker = tokio::spawn(Arc::clone(&fs).work_queue());
    assert_eq!(fs.drain(MINUTE / 4, &|_| ()).await.total(), 0);
    fs.release(fh).await;
    worker.abort();
    assert_eq!(std::fs::read(home.path().join("store/documents/a.pdf")).unwrap(), b"one");
}

/// ...or after the next change, which was made by the name alone: it is none of the handle's (3.9).
#[tokio::test(flavor = "multi_thread")]
async fn release_does_not_judge_a_size_set_by_name_after_the_close() {
    let home = tempfile::tempdir().unwrap();
    let fs = filesystem(home.path(), Duration::ZERO);
    let (ino, fh) = made(&fs, b"a.pdf").await;
    fs.flush(caller(), ino, fh).await.unwrap();
    size_by_name(&fs, ino).await;
    fs.release(fh).await;
    let found = lookup_a_pdf(&fs).await.unwrap();
    assert_eq!((found.attr.ino, found.attr.size), (ino, 5000));
    // who opens it for writing and fills it in has a document
    let opened = fs.open(caller(), ino, libc::O_WRONLY).await.unwrap();
    fs.write_now(opened.fh, 0, &[1; 5000]).unwrap().unwrap();
    fs.flush(caller(), ino, opened.fh).await.unwrap();
    fs.release(opened.fh).await;
    assert_eq!(std::fs::read(home.path().join("store/documents/a.pdf")).unwrap(), [1; 5000]);
}

/// Nor does the end of one who opened it for writing and changed nothing (`touch`), be it the process that made it, and be the
/// release of that handle late.
#[tokio::test(flavor = "multi_thread")]
async fn close_without_a_change_does_not_judge_a_size_set_by_name() {
    for late in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let fs = filesystem(home.path(), Duration::ZERO);
        let (ino, fh) = made(&fs, b"a.pdf").await;
        fs.flush(caller(), ino, fh).await.unwrap();
        if !late {
            fs.release(fh).await;
        }
        size_by_name(&fs, ino).await;
        let touched = fs.open(caller(), ino, libc::O_WRONLY).await.unwrap().fh;
        fs.flush(caller(), ino, touched).await.unwrap();
        if late {
            fs.release(fh).await;
        }
        fs.release(touched).await;
        let found = lookup_a_pdf(&fs).await.unwrap();
        assert_eq!((found.attr.ino, found.attr.size), (ino, 5000));
    }
}

/// Nor does the end of one whose change has failed.
#[tokio::test(flavor = "multi_thread")]
async fn close_after_a_change_that_failed_does_not_judge_a_size_set_by_name() {
    let home = tempfile::tempdir().unwrap();
    let fs = filesystem(home.path(), Duration::ZERO);
    let (ino, fh) = made(&fs, b"a.pdf").await;
    fs.flush(caller(), ino, fh).await.unwrap();
    fs.release(fh).await;
    size_by_name(&fs, ino).await;
    let fh = fs.open(caller(), ino, libc::O_WRONLY).await.unwrap().fh;
    let too_large = SetAttr { size: Some(1 << 60), fh: Some(fh), ..SetAttr::default() };
    assert!(fs.setattr(caller(), ino, too_large).await.is_err());
    assert!(fs.fallocate(ino, fh, 0, 1 << 60, 0).await.is_err());
    fs.flush(caller(), ino, fh).await.unwrap();
    fs.release(fh).await;
    assert_eq!(lookup_a_pdf(&fs).await.unwrap().attr.size, 5000);
}

/// The end of one who opened it with O_TRUNC does, where that has cut off something.
#[tokio::test(flavor = "multi_thread")]
async fn close_of_who_has_cut_it_off_judges_a_size_set_by_name() {
    let home = tempfile::tempdir().unwrap();
    let (fs, fh) = acknowledged(home.path()).await;
    fs.release(fh).await;
    let ino = lookup_a_pdf(&fs).await.unwrap().attr.ino;
    let fh = fs.open(caller(), ino, libc::O_WRONLY | libc::O_TRUNC).await.unwrap().fh;
    size_by_name(&fs, ino).await;
    assert!(matches!(fs.flush(caller(), ino, fh).await, Err(FsError::Io(_))));
}

/// A rename takes the file as it is (3.10): the late release publishes it, beside an object as elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn release_after_a_size_set_by_name_and_a_rename_publishes_the_file() {
    for taken in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let fs = filesystem(home.path(), Duration::ZERO);
        let documents = fs.lookup(caller(), Ino::ROOT, b"documents").await.unwrap().attr.ino;
        if taken {
            let (ino, fh) = written(&fs, b"one").await;
            fs.flush(caller(), ino, fh).await.unwrap();
            fs.release(fh).await;
        }
        let (ino, fh) = made(&fs, b"new.pdf").await;
        fs.flush(caller(), ino, fh).await.unwrap();
        size_by_name(&fs, ino).await;
        fs.rename(caller(), documents, b"new.pdf", documents, b"a.pdf", 0).await.unwrap();
        // a reader in between ends nothing
        let reader = fs.open(caller(), ino, libc::O_RDONLY).await.unwrap().fh;
        fs.release(reader).await;
        fs.release(fh).await;
        let objects = || std::fs::read_dir(home.path().join("store/documents")).into_iter().flatten();
        let is_it = |path: &Path| std::fs::read(path).is_ok_and(|bytes| bytes == [0; 5000]);
        let began = Instant::now();
        while objects().filter(|o| is_it(&o.as_ref().unwrap().path())).count() == 0 {
            assert!(began.elapsed() < MINUTE, "not published, though closed (taken: {taken})");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The same size, set while the handle was open, is judged by its end.
#[tokio::test(flavor = "multi_thread")]
async fn release_judges_a_size_set_by_name_before_the_close() {
    let home = tempfile::tempdir().unwrap();
    let fs = filesystem(home.path(), Duration::ZERO);
    let (ino, fh) = made(&fs, b"a.pdf").await;
    size_by_name(&fs, ino).await;
    // this process can be seen to hold nothing, since there is no mount: the flush is the last close
    assert!(matches!(fs.flush(caller(), ino, fh).await, Err(FsError::Io(_))));
    fs.release(fh).await;
    assert!(matches!(lookup_a_pdf(&fs).await, Err(FsError::NotFound)));
}

/// A handle that this run does not know is opened by its inode, counts from then on, and no longer than until its release.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_handle_is_reopened_once_and_counts_until_its_release() {
    let home = tempfile::tempdir().unwrap();
    let fs = filesystem(home.path(), Duration::ZERO);
    let (ino, fh) = written(&fs, b"one ").await;
    let unknown = 4711;
    let count = fs.status().unwrap().handles;
    assert_eq!(fs.read(ino, unknown, 0, 10).await.unwrap(), b"one "[..]);
    fs.write(ino, unknown, 4, Bytes::from_static(b"two")).await.unwrap();
    fs.fsync(ino, unknown).await.unwrap();
    assert_eq!(fs.status().unwrap().handles, count + 1, "one handle, whatever is asked of it");
    let object = home.path().join("store/documents/a.pdf");
    fs.release(fh).await;
    assert!(!object.exists(), "published while somebody has it open for writing");
    fs.release(unknown).await;
    let until = Instant::now() + MINUTE / 2;
    while std::fs::read(&object).ok().as_deref() != Some(b"one two") {
        assert!(Instant::now() < until, "it is never published: somebody counts as a writer for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fs.status().unwrap().handles, count - 1);
}

/// A kernel that takes pages one piece at a time, when it is told to.
struct SlowKernel {
    takes: Mutex<mpsc::Receiver<()>>,
    offered: Mutex<Vec<u64>>,
}

impl Notices for SlowKernel {
    fn entry_changed(&self, _: Ino, _: &str) {}

    fn entry_changed_told(&self, _: Ino, _: &str) -> Told {
        Box::pin(std::future::ready(()))
    }

    fn listing_changed(&self, _: Ino) {}

    fn keep_pages(&self, _: Ino, offset: u64, _: &[u8]) -> bool {
        self.offered.lock().push(offset);
        self.takes.lock().recv().is_ok()
    }

    fn appeared(&self, _: &str) {}

    fn announced(&self) -> Told {
        Box::pin(std::future::ready(()))
    }
}

/// Nothing is handed to the kernel for a reader that has closed: the inode may mean another content then.
#[tokio::test(flavor = "multi_thread")]
async fn content_is_handed_over_no_longer_than_until_its_reader_closes() {
    let home = tempfile::tempdir().unwrap();
    let (take, takes) = mpsc::channel();
    let kernel = Arc::new(SlowKernel { takes: Mutex::new(takes), offered: Mutex::default() });
    let cache = Cache::open(CacheOptions::new(home.path().join("cache"))).unwrap();
    let notices: Arc<dyn Notices> = Arc::<SlowKernel>::clone(&kernel);
    let fs = filesystem_with(home.path(), Duration::ZERO, cache, notices);
    std::fs::create_dir_all(home.path().join("store/documents")).unwrap();
    std::fs::write(home.path().join("store/documents/b.pdf"), vec![7; 8 << 20]).unwrap();
    let documents = fs.lookup(caller(), Ino::ROOT, b"documents").await.unwrap().attr.ino;
    let ino = fs.lookup(caller(), documents, b"b.pdf").await.unwrap().attr.ino;
    let fh = fs.open(caller(), ino, libc::O_RDONLY).await.unwrap().fh;
    let until = Instant::now() + MINUTE / 2;
    for at in (0..8_u64).cycle() {
        // now here, now there
        assert_eq!(fs.read(ino, fh, (at * 3 % 8) << 20, 4096).await.unwrap(), vec![7; 4096]);
        if !kernel.offered.lock().is_empty() {
            break;
        }
        assert!(Instant::now() < until, "nothing is handed over");
    }
    take.send(()).unwrap();
    while kernel.offered.lock().len() < 2 {
        assert!(Instant::now() < until, "nothing more is handed over");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    fs.release(fh).await;
    (0..8).for_each(|_| take.send(()).unwrap());
    drop(fs);
    while Arc::strong_count(&kernel) > 1 {
        assert!(Instant::now() < until, "it never ends");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(*kernel.offered.lock(), [0, 1 << 20]);
}
