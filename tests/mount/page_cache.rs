//! Sentence 7.4: what the kernel keeps in its page cache of an object that is looked at more than once.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::ops::Range;

use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, splice};

use crate::passthrough::{
    MIB, cache_files, cache_stat, clear_cache, no_handles, on_disk, only_as_root, past_the_daemon,
    read_without_pages, through_daemon,
};
use crate::support::actor::Actor;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

/// A part of a file whose pages stay in memory: a pipe holds them. A host may have the kernel drop what is cold, however much
/// memory there is (`pageout` of DAMON, `admin-guide/mm/damon` of the kernel), and what is asked here is what the mount
/// drops.
struct Held(Vec<PipeReader>);

impl Held {
    /// Reads `range`, which begins with a page, of `file`, and holds it.
    fn read(file: &File, range: Range<usize>) -> Self {
        // as large as a user without rights may have it, with room for a page in each slot
        let pipes = range.clone().step_by(MIB).map(|start| {
            let end = range.end.min(start + MIB) as u64;
            let (reader, writer) = io::pipe().unwrap();
            fcntl_setpipe_size(&writer, MIB).unwrap();
            let mut at = start as u64;
            while at < end {
                let rest = usize::try_from(end - at).unwrap();
                let moved = splice(file, Some(&mut at), &writer, None, rest, SpliceFlags::NONBLOCK).unwrap();
                assert!(moved > 0, "the file ends at {at}");
            }
            reader
        });
        Self(pipes.collect())
    }

    /// Lets the pages go, and returns what is in them.
    fn release(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for mut pipe in self.0 {
            pipe.read_to_end(&mut bytes).unwrap();
        }
        bytes
    }
}

/// Reads a file through the mount, holds its pages, and waits until all of it is on disk, with nobody having it open.
#[track_caller]
fn read_and_hold(mount: &TestMount, path: &str, size: usize) -> Held {
    let held = Held::read(&File::open(mount.path(path)).unwrap(), 0..size);
    on_disk(mount);
    held
}

/// Reads the file of the one cached object, and holds its pages.
fn hold_cache_file(mount: &TestMount) -> Held {
    let file = File::open(cache_files(mount).0).unwrap();
    let size = file.metadata().unwrap().len();
    Held::read(&file, 0..usize::try_from(size).unwrap())
}

/// Counts the pages of an open file that the kernel has.
const RESIDENT: &str = "
def resident(fd, size):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
    libc.mincore.argtypes, libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_size_t]
    place, pages = libc.mmap(None, size, 1, 1, fd, 0), (ctypes.c_ubyte * -(-size // 4096))()
    assert libc.mincore(place, size, pages) == 0 and libc.munmap(place, size) == 0
    return sum(page & 1 for page in pages)
";

#[test]
fn s7_4_what_was_just_read_is_read_again_in_memory_and_past_the_daemon_once_it_is_not_there() {
    if !only_as_root() {
        return;
    }
    let data = content(7, 7 * MIB + 4321);
    let mount = Setup::new(Kind::S3).object("documents/a.pdf", data.clone()).start();
    let mut reader = mount.actor();
    reader.run(RESIDENT);
    let file = File::open(mount.path("documents/a.pdf")).unwrap();
    let parts = [0..4 * MIB, 4 * MIB..4 * MIB + 4096, 4 * MIB + 4096..data.len()];
    let [before_it, page, after_it] = parts.map(|part| Held::read(&file, part));
    drop(file);
    on_disk(&mount);
    has_pages(&mut reader, "documents/a.pdf", data.len());
    no_handles(&mount);
    // it loses a page now and then: that one comes from the daemon, the others are there still
    let page = page.release();
    reader.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY)");
    reader.run("os.posix_fadvise(fd, 4 << 20, 4096, os.POSIX_FADV_DONTNEED)");
    let before = through_daemon(&mount);
    assert_eq!(reader.text("os.pread(fd, 4096, 4 << 20).hex()"), hex::encode(&data[4 * MIB..][..4096]));
    assert!(through_daemon(&mount) > before);
    reader.run("os.close(fd)");
    no_handles(&mount);
    has_pages(&mut reader, "documents/a.pdf", data.len());
    no_handles(&mount);
    // all of them: through the daemon for as long as it is open, then past it
    assert!([before_it.release(), page, after_it.release()].concat() == data);
    let before = through_daemon(&mount);
    assert!(read_without_pages(&mount, "documents/a.pdf") == data);
    assert!(through_daemon(&mount) > before);
    no_handles(&mount);
    past_the_daemon(&mount, || assert!(read_without_pages(&mount, "documents/a.pdf") == data));
}

/// A mount with an object that was read once, and opened once more, as `held` of `reader`, until its cache file was in memory.
struct LookedAtAgain {
    mount: TestMount,
    reader: Actor,
    pages: Held,
    cache_file: Held,
}

impl LookedAtAgain {
    fn new(data: &[u8]) -> Self {
        let mount = Setup::new(Kind::S3).object("documents/a.pdf", data).start();
        let mut reader = mount.actor();
        reader.run(RESIDENT);
        let pages = read_and_hold(&mount, "documents/a.pdf", data.len());
        let cache_file = hold_cache_file(&mount);
        reader.run("held = os.open(p('documents/a.pdf'), os.O_RDONLY)");
        eventually("its cache file is in memory", || mount.log().contains("is in memory"));
        Self { mount, reader, pages, cache_file }
    }
}

#[test]
fn s7_4_what_is_looked_at_again_is_brought_into_memory_and_read_past_the_daemon_from_then_on() {
    if !only_as_root() {
        return;
    }
    let data = content(10, 20 * MIB + 4321);
    let LookedAtAgain { mount, mut reader, pages, cache_file } = LookedAtAgain::new(&data);
    // whoever has it open stays on his way
    has_pages(&mut reader, "documents/a.pdf", data.len());
    assert!(pages.release() == data);
    reader.run("os.close(held)");
    no_handles(&mount);
    has_pages(&mut reader, "documents/a.pdf", data.len());
    past_the_daemon(&mount, || assert!(read_without_pages(&mount, "documents/a.pdf") == data));
    assert!(cache_file.release() == data);
}

#[test]
fn s7_4_what_was_brought_into_memory_and_is_not_there_any_more_is_read_from_the_pages_that_are() {
    if !only_as_root() {
        return;
    }
    let data = content(11, 20 * MIB + 4321);
    let LookedAtAgain { mount, mut reader, pages, cache_file } = LookedAtAgain::new(&data);
    assert!(cache_file.release() == data);
    let file = File::open(cache_files(&mount).0).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    reader.run("os.close(held)");
    no_handles(&mount);
    has_pages(&mut reader, "documents/a.pdf", data.len());
    assert!(pages.release() == data);
    let before = through_daemon(&mount);
    assert!(read_without_pages(&mount, "documents/a.pdf") == data);
    assert!(through_daemon(&mount) > before, "it was opened past the daemon");
}

#[test]
fn s7_4_pages_of_the_mount_are_dropped_when_the_cache_file_is_in_memory_and_nobody_has_it_open() {
    if !only_as_root() {
        return;
    }
    let data = content(12, 20 * MIB + 4321);
    let mount = Setup::new(Kind::S3).object("documents/a.pdf", &data).start();
    let _pages = read_and_hold(&mount, "documents/a.pdf", data.len());
    let _cache_file = hold_cache_file(&mount);
    assert!(mount.read("documents/a.pdf") == data);
    eventually("its cache file is in memory", || mount.log().contains("is in memory"));
    no_handles(&mount);
    clear_cache(&mount);
    let before = cache_stat(&mount, "fetched_bytes");
    assert!(mount.read("documents/a.pdf") == data);
    assert!(cache_stat(&mount, "fetched_bytes") >= before + data.len() as u64, "the kernel has kept pages");
}

/// Opens the file at `path`, of `size` bytes, as `reader`, and asserts that the kernel has its pages.
#[track_caller]
fn has_pages(reader: &mut Actor, path: &str, size: usize) {
    reader.run(&format!("fd = os.open(p('{path}'), os.O_RDONLY)"));
    let pages = reader.run(&format!("resident(fd, {size})"));
    reader.run("os.close(fd)");
    assert_eq!(pages, serde_json::json!(size.div_ceil(4096)));
}

/// The first file that is looked up in a directory keeps its pages as well: its name is not news to the kernel.
#[test]
fn s7_4_pages_stay_from_open_to_open_where_the_kernel_does_not_read_the_cache() {
    let data = content(9, 20 * MIB);
    // too large for the cache, so it is never read past the daemon
    let setup = Setup::new(Kind::S3).config("[cache]\ndisk = \"24MiB\"\n");
    let mount = setup.object("documents/a.pdf", data.clone()).object("documents/b.pdf", "b").start();
    let mut reader = mount.actor();
    reader.run(RESIDENT);
    let pages = read_and_hold(&mount, "documents/a.pdf", data.len());
    has_pages(&mut reader, "documents/a.pdf", data.len());
    assert!(pages.release() == data);
}

#[test]
fn s7_4_random_reader_that_stays_has_the_whole_object_in_the_page_cache() {
    let data = content(8, 24 * MIB + 4321);
    let mount = Setup::new(Kind::S3).object("documents/a.pdf", data.clone()).start();
    let mut reader = mount.actor();
    reader.run(RESIDENT);
    reader.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY)");
    // nobody reads ahead for it
    reader.run("os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)");
    let pages = data.len().div_ceil(4096);
    let mut reads = 0_usize;
    // a host may have it drop some, which cannot be held before they come; who reads gets less than half on his own
    eventually("the kernel has it", || {
        for _ in 0..20 {
            let page = reads * 7_919 % pages;
            let read = reader.text(&format!("os.pread(fd, 4096, {}).hex()", page * 4096));
            assert!(
                read == hex::encode(&data[page * 4096..data.len().min((page + 1) * 4096)]),
                "page {page}"
            );
            reads += 1;
        }
        let resident = reader.run(&format!("resident(fd, {})", data.len())).as_u64().unwrap();
        resident > pages as u64 * 3 / 4
    });
    assert!(reads < pages / 2, "it has read all of it itself");
    let before = through_daemon(&mount);
    assert!(reader.text("os.pread(fd, 1 << 30, 0).hex()") == hex::encode(&data));
    let asked = through_daemon(&mount) - before;
    assert!(asked < data.len() as u64 / 4, "the kernel has asked for {asked} bytes");
    reader.run("os.close(fd)");
    no_handles(&mount);
    assert!(mount.read("documents/a.pdf") == data);
}
