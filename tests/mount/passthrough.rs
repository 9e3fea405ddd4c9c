//! Sentence 7.4: what is complete on this host is read past the daemon, where the kernel and the rights allow it.
//!
//! A read that comes past the daemon shows in no counter of it: `disk_hit_bytes` of `cairnfs cache stat` stands still.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;

use crate::support::mount::{Kind, Setup, TestMount, content, eventually, sha};

pub const MIB: usize = 1 << 20;

/// A user without rights.
const NOBODY: u32 = 65534;

/// Two megabytes and a bit, so that no boundary is met by accident.
pub fn big(seed: u64) -> Vec<u8> {
    content(seed, 2 * MIB + 4321)
}

/// Returns one number of `cairnfs cache stat --json`.
#[track_caller]
pub fn cache_stat(mount: &TestMount, name: &str) -> u64 {
    let out = mount.cli(&["cache", "stat", "--json", mount.path("").to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let stat: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    stat[name].as_u64().unwrap()
}

/// Drops what is cached and not open.
#[track_caller]
pub fn clear_cache(mount: &TestMount) {
    let out = mount.cli(&["cache", "clear", mount.path("").to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Returns the files of the one cached object: its content, and the map of what of it is there.
pub fn cache_files(mount: &TestMount) -> (PathBuf, PathBuf) {
    let shards = fs::read_dir(mount.cache().join("objects")).unwrap().flatten();
    let mut files: Vec<PathBuf> =
        shards.flat_map(|shard| fs::read_dir(shard.path()).unwrap()).map(|f| f.unwrap().path()).collect();
    files.sort_by_key(|path| path.extension().is_some());
    let [data, map] = files.try_into().unwrap();
    (data, map)
}

/// Returns whether `passthrough` is on, and what `status` says of it.
pub fn passthrough(mount: &TestMount) -> (bool, String) {
    let status = mount.status();
    let features = status["kernel"].as_array().unwrap();
    let feature = features.iter().find(|f| f["name"] == "passthrough").unwrap();
    (feature["on"].as_bool().unwrap(), feature["detail"].as_str().unwrap().to_owned())
}

/// Returns what the cache was asked for since the mount, by readers that came through the daemon.
pub fn through_daemon(mount: &TestMount) -> u64 {
    cache_stat(mount, "memory_hit_bytes")
        + cache_stat(mount, "disk_hit_bytes")
        + cache_stat(mount, "fetched_bytes")
}

/// Reads a file through the mount and waits until all of it is on disk and verified, with nobody having it open and nothing
/// of it in the kernel's page cache.
#[track_caller]
pub fn warm(mount: &TestMount, path: &str, data: &[u8]) {
    assert!(mount.read(path) == data, "{path} has other bytes");
    on_disk(mount);
    // the kernel has to ask again, or nobody would know that it has lost the pages
    assert!(read_without_pages(mount, path) == data);
    no_handles(mount);
}

/// Waits until all that was read is on disk, with nobody having it open.
#[track_caller]
pub fn on_disk(mount: &TestMount) {
    eventually("it is on disk", || cache_stat(mount, "waiting_bytes") == 0);
    no_handles(mount);
}

/// Reads a file after the kernel has dropped what it had of it.
pub fn read_without_pages(mount: &TestMount, path: &str) -> Vec<u8> {
    let mut file = File::open(mount.path(path)).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A close is told to the daemon after it has returned.
pub fn no_handles(mount: &TestMount) {
    eventually("nobody has a file open", || cache_stat(mount, "disk_open") == 0);
}

/// Runs `work`, of which the daemon must see no read.
#[track_caller]
pub fn past_the_daemon<T>(mount: &TestMount, work: impl FnOnce() -> T) -> T {
    let before = through_daemon(mount);
    let result = work();
    assert_eq!(through_daemon(mount), before, "the daemon has seen reads");
    result
}

pub fn only_as_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn s7_4_20_complete_object_is_read_past_the_daemon_whatever_reads_it() {
    if !only_as_root() {
        return;
    }
    let mut mount = Setup::new(Kind::S3).object("documents/a.pdf", big(1)).start();
    assert_eq!(passthrough(&mount), (true, String::new()));
    warm(&mount, "documents/a.pdf", &big(1));
    let path = mount.path("documents/a.pdf");
    let mut user = mount.actor();
    past_the_daemon(&mount, || {
        assert!(fs::read(&path).unwrap() == big(1));
        // two at once, of which one stays
        let first = File::open(&path).unwrap();
        assert!(fs::read(&path).unwrap() == big(1));
        let mut piece = [0; 100];
        first.read_exact_at(&mut piece, MIB as u64 - 50).unwrap();
        assert!(piece == big(1)[MIB - 50..MIB + 50]);
        // through a mapping that outlives its descriptor, through sendfile, and by a program
        user.run("import mmap; fd = os.open(p('documents/a.pdf'), os.O_RDONLY)");
        user.run("m = mmap.mmap(fd, 0, prot=mmap.PROT_READ); os.close(fd)");
        assert_eq!(
            user.run("len(m), m[1048576:1048586].hex()"),
            serde_json::json!([big(1).len(), hex::encode(&big(1)[MIB..MIB + 10])])
        );
        user.run("m.close()");
        let copied = Command::new("cp").args([&path, &mount.host("copy.pdf")]).status().unwrap();
        assert!(copied.success() && fs::read(mount.host("copy.pdf")).unwrap() == big(1));
        user.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY); out = os.open(h('sent.pdf'), os.O_WRONLY | os.O_CREAT)");
        user.run("while os.sendfile(out, fd, None, 1 << 20): pass");
        user.run("os.close(fd); os.close(out)");
        assert!(fs::read(mount.host("sent.pdf")).unwrap() == big(1));
        assert_eq!(fs::metadata(&path).unwrap().len(), big(1).len() as u64);
        // into a draft of the same mount
        let copied = Command::new("cp").args([&path, &mount.path("documents/b.pdf")]).status().unwrap();
        assert!(copied.success());
    });
    mount.expect_objects(&[("documents/a.pdf", &big(1)), ("documents/b.pdf", &big(1))]);
    mount.stop();
}

#[test]
fn s7_4_21_open_through_the_daemon_binds_those_beside_it_and_none_after_it() {
    if !only_as_root() {
        return;
    }
    let mut mount = Setup::new(Kind::S3).object("documents/a.pdf", big(1)).start();
    let path = mount.path("documents/a.pdf");
    let mut cold = File::open(&path).unwrap();
    let mut all = Vec::new();
    cold.read_to_end(&mut all).unwrap();
    eventually("it is on disk", || cache_stat(&mount, "waiting_bytes") == 0);
    // complete by now, but the kernel takes one kind of open at a time
    assert!(all == big(1) && fs::read(&path).unwrap() == big(1));
    drop(cold);
    no_handles(&mount);
    // what the kernel has of it is read first
    assert!(read_without_pages(&mount, "documents/a.pdf") == big(1));
    no_handles(&mount);
    past_the_daemon(&mount, || assert!(read_without_pages(&mount, "documents/a.pdf") == big(1)));
    mount.stop();
}

#[test]
fn s7_4_22_file_that_is_read_past_the_daemon_stays_whatever_becomes_of_the_object_and_the_cache() {
    if !only_as_root() {
        return;
    }
    let config = "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"0s\"\n[read]\nlist_ttl = \"0s\"\n[cache]\ndisk = \"6MiB\"\n";
    let mut mount = Setup::new(Kind::S3)
        .config(config)
        .object("documents/a.pdf", big(1))
        .object("documents/b.pdf", big(2))
        .object("documents/c.pdf", big(3))
        .start();
    let path = mount.path("documents/a.pdf");
    warm(&mount, "documents/a.pdf", &big(1));
    let open = File::open(&path).unwrap();
    let whole = |file: &File| {
        let mut data = vec![0; big(1).len()];
        file.read_exact_at(&mut data, 0).unwrap();
        data
    };
    // another client replaces it: the path leads to the new version, the open file is the old one
    mount.put_object("documents/a.pdf", &big(4));
    eventually("the new version shows", || mount.read("documents/a.pdf") == big(4));
    assert!(whole(&open) == big(1));
    assert_ne!(open.metadata().unwrap().ino(), fs::metadata(&path).unwrap().ino());
    // others take the room of everything that is not open, and the rest is cleared
    for name in ["b", "c"] {
        mount.read(&format!("documents/{name}.pdf"));
    }
    clear_cache(&mount);
    past_the_daemon(&mount, || assert!(whole(&open) == big(1)));
    // its file is taken away from below
    let name = fs::read_dir(mount.cache().join("objects")).unwrap().flatten().map(|e| e.path());
    for shard in name {
        fs::remove_dir_all(shard).unwrap();
    }
    assert!(whole(&open) == big(1));
    drop(open);
    mount.stop();
}

#[test]
fn s7_4_23_writer_without_a_path_gets_a_draft_and_the_readers_file_is_not_touched() {
    if !only_as_root() {
        return;
    }
    let mut mount = Setup::new(Kind::S3).object("documents/a.pdf", big(1)).start();
    warm(&mount, "documents/a.pdf", &big(1));
    let mut user = mount.actor();
    // by its name: a draft beside it, while a reader has it open past the daemon
    user.run("r = os.open(p('documents/a.pdf'), os.O_RDONLY)");
    user.run("w = os.open(p('documents/a.pdf'), os.O_RDWR); os.pwrite(w, b'changed', 0); os.close(w)");
    assert_eq!(user.run("os.pread(r, 7, 0).hex()"), serde_json::json!(hex::encode(&big(1)[..7])));
    // without its name: not while it is open, and after that under its inode number
    user.run("path = os.open(p('documents/a.pdf'), os.O_PATH)");
    assert_eq!(user.fails("os.open(f'/proc/self/fd/{path}', os.O_RDWR)"), "ETXTBSY");
    user.run("os.close(r)");
    no_handles(&mount);
    user.run("w = os.open(f'/proc/self/fd/{path}', os.O_RDWR); os.pwrite(w, b'swapped', 0); os.close(w)");
    let mut changed = big(1);
    changed[..7].copy_from_slice(b"changed");
    let mut swapped = big(1);
    swapped[..7].copy_from_slice(b"swapped");
    eventually("both are published", || mount.alternatives("documents/a.pdf").len() == 2);
    mount.expect_objects(&[
        ("documents/a.pdf", &big(1)),
        ("documents/a_*.pdf", &changed),
        ("documents/a_*.pdf", &swapped),
    ]);
    assert!(mount.read("documents/a.pdf") == big(1));
    mount.stop();
}

#[test]
fn s7_4_24_published_file_is_read_past_the_daemon_after_its_writer_has_closed() {
    if !only_as_root() {
        return;
    }
    let mut mount = Setup::new(Kind::S3).start();
    fs::write(mount.path("documents/new.pdf"), big(5)).unwrap();
    no_handles(&mount);
    eventually("it is in the cache", || cache_stat(&mount, "files") == 1);
    past_the_daemon(&mount, || assert!(mount.read("documents/new.pdf") == big(5)));
    mount.stop();
}

#[test]
fn s7_4_25_cache_outlives_the_daemon_and_is_looked_at_after_a_crash() {
    if !only_as_root() {
        return;
    }
    let mut mount = Setup::new(Kind::S3).object("documents/a.pdf", big(1)).start();
    warm(&mount, "documents/a.pdf", &big(1));
    mount.stop();
    mount.start();
    let asked = mount.server().faults().count("GET", "documents/a.pdf");
    past_the_daemon(&mount, || assert!(mount.read("documents/a.pdf") == big(1)));
    mount.kill();
    mount.start();
    // the first one after a crash goes through the daemon, which verifies it
    assert!(mount.read("documents/a.pdf") == big(1));
    no_handles(&mount);
    eventually("it has been verified", || {
        let before = through_daemon(&mount);
        let right = mount.read("documents/a.pdf") == big(1);
        assert!(right);
        no_handles(&mount);
        through_daemon(&mount) == before
    });
    assert_eq!(mount.server().faults().count("GET", "documents/a.pdf"), asked);
    mount.stop();
}

#[test]
fn s7_4_26_without_the_right_everything_goes_through_the_daemon() {
    let mut setup = Setup::new(Kind::S3).object("documents/a.pdf", big(1));
    if only_as_root() {
        setup = setup.user(NOBODY);
    }
    let mut mount = setup.start();
    assert_eq!(passthrough(&mount), (false, "needs root or CAP_SYS_ADMIN".to_owned()));
    let said = mount.cli(&["status", mount.path("").to_str().unwrap()]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("passthrough: off: needs root or CAP_SYS_ADMIN\n"), "{said}");
    let mut user = mount.actor();
    if only_as_root() {
        user.run(&format!("os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"));
    }
    let digest = "sha(read(p('documents/a.pdf')))";
    assert_eq!(user.text(digest), sha(&big(1)));
    eventually("it is on disk", || cache_stat(&mount, "waiting_bytes") == 0);
    no_handles(&mount);
    // complete and verified, and through the daemon all the same, once the kernel has forgotten its pages
    user.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY); os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED); os.close(fd)");
    let before = through_daemon(&mount);
    assert_eq!(user.text(digest), sha(&big(1)));
    assert!(through_daemon(&mount) > before);
    assert_eq!(mount.log().matches("passthrough is off").count(), 1);
    drop(user);
    mount.stop();
}
