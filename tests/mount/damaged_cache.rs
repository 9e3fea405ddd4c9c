//! Sentences 7.2 and 7.4: a cache file that was damaged while the daemon was dead. Whether the daemon reads it or the kernel
//! past the daemon: nobody is given a byte of it that did not arrive so.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::passthrough::{
    big, cache_files, cache_stat, no_handles, passthrough, past_the_daemon, through_daemon, warm,
};
use crate::support::mount::{Kind, Setup, TestMount, eventually};
use crate::support::s3server::{Fault, When};

const PATH: &str = "documents/a.pdf";

/// A way of a disk to go bad, and whether it is told of: where nothing usable is left, it is as if nothing were cached.
type Damage = (&'static str, fn(&Path, &Path), bool);

const DAMAGES: [Damage; 6] = [
    ("one bit near the end", |data, _| flip(data, big(1).len() as u64 - 100), true),
    ("zeros, as where blocks were never written", |data, _| overwrite(data, 1 << 20, &[0; 1 << 16]), true),
    ("content cut off", |data, _| set_len(data, 1 << 20), true),
    ("no content", |data, _| set_len(data, 0), true),
    ("a wrong checksum", |_, map| flip(map, fs::metadata(map).unwrap().len() - 2), true),
    ("map cut off", |_, map| set_len(map, 100), true),
];

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

fn flip(path: &Path, at: u64) {
    let mut byte = [0];
    open(path).read_exact_at(&mut byte, at).unwrap();
    overwrite(path, at, &[byte[0] ^ 1]);
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    open(path).write_all_at(bytes, at).unwrap();
}

fn set_len(path: &Path, len: u64) {
    open(path).set_len(len).unwrap();
}

/// A mount that was killed with an object whole in the cache, which the kernel reads by itself where it can.
fn killed() -> TestMount {
    let mut mount = Setup::new(Kind::S3).object(PATH, big(1)).start();
    warm(&mount, PATH, &big(1));
    if passthrough(&mount).0 {
        past_the_daemon(&mount, || assert!(mount.read(PATH) == big(1)));
    }
    mount.kill();
    mount
}

#[test]
fn s7_2_23_file_damaged_while_the_daemon_was_dead_is_fetched_again() {
    for (name, damage, told) in DAMAGES {
        let mut mount = killed();
        let (data, map) = cache_files(&mount);
        damage(&data, &map);
        mount.start();
        let asked = mount.server().faults().count("GET", PATH);
        // one that is open before anything has been looked at, others beside it and after it, and a mapping
        let first = File::open(mount.path(PATH)).unwrap();
        let mut end = [0; 200];
        first.read_exact_at(&mut end, big(1).len() as u64 - 200).unwrap();
        assert!(end == big(1)[big(1).len() - 200..], "{name}: wrong bytes at the end");
        assert!(mount.read(PATH) == big(1), "{name}: wrong bytes");
        let mut user = mount.actor();
        user.run(
            "fd = os.open(p('documents/a.pdf'), os.O_RDONLY); m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)",
        );
        assert_eq!(user.text("sha(m[:])"), crate::support::mount::sha(&big(1)), "{name}: wrong in a mapping");
        user.run("m.close(); os.close(fd)");
        drop(first);
        eventually(name, || cache_stat(&mount, "waiting_bytes") == 0);
        no_handles(&mount);
        assert!(mount.server().faults().count("GET", PATH) > asked, "{name}: nothing was fetched");
        if told {
            assert!(mount.has_event(&["damaged", PATH]), "{name}: nobody is told");
        }
        // and from then on past the daemon again
        eventually("it is whole", || {
            let before = through_daemon(&mount);
            assert!(mount.read(PATH) == big(1), "{name}: wrong bytes later");
            no_handles(&mount);
            !passthrough(&mount).0 || through_daemon(&mount) == before
        });
        mount.stop();
    }
}

/// 7.2: where it cannot be fetched again, EIO; what is not damaged is read.
#[test]
fn s7_2_24_damaged_file_is_eio_while_the_store_does_not_answer() {
    let mut mount = killed();
    let (data, _) = cache_files(&mount);
    flip(&data, (1 << 20) + 5);
    mount.start();
    let gone = When::method("GET", PATH);
    mount.server().faults().inject(gone, Fault::Status(403, "AccessDenied"), usize::MAX);
    let file = File::open(mount.path(PATH)).unwrap();
    let mut piece = [0; 4096];
    assert!(file.read_exact_at(&mut piece, 1 << 20).is_err(), "damaged bytes were handed out");
    let mut user = mount.actor();
    assert!(["EIO", "EACCES"].contains(&user.fails("read(p('documents/a.pdf'))").as_str()));
    drop(file);
    no_handles(&mount);
    mount.server().faults().clear();
    assert!(mount.read(PATH) == big(1));
    mount.stop();
}
