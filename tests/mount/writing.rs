//! Sentences 3.1, 3.2 and 3.13: a draft is seen by nobody else, takes any pattern of writes, and is never cut short.

use rustix::mount::{MountFlags, UnmountFlags, mount as mount_host, unmount};

use crate::support::mount::{Kind, Setup, content};

on_both_stores! {
    s3_1_draft_is_invisible_to_others_until_its_close,
    s3_2_patterns_of_writes_leave_exactly_their_bytes,
    s3_2_large_file_arrives_whole,
}

/// 3.1: other clients see nothing until it is published, and then the whole object at once.
fn s3_1_draft_is_invisible_to_others_until_its_close(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW, 0o644)");
    assert!(mount.keys().is_empty());
    writer.run("write_all(fd, content(1, 300_000)); os.fsync(fd)");
    assert!(mount.keys().is_empty(), "half a file in the bucket");
    writer.run("write_all(fd, content(2, 300_000))");
    writer.run("os.close(fd)");
    let whole = [content(1, 300_000), content(2, 300_000)].concat();
    mount.expect_objects(&[("documents/a.pdf", &whole)]);
    mount.stop();
}

/// Each runs with `f`, the path, once on the host and once on the mount: the bytes must be the same.
const PATTERNS: &[(&str, &str)] = &[
    ("in order", "write(f, content(1, 100_000))"),
    (
        "one byte at a time",
        "fd = os.open(f, WRITE_NEW, 0o644)\nfor b in content(1, 300): os.write(fd, bytes([b]))\nos.close(fd)",
    ),
    ("append", "write(f, content(1, 5000), WRITE_NEW | os.O_APPEND)"),
    (
        "two handles that append",
        "a = os.open(f, WRITE_NEW | os.O_APPEND, 0o644); b = os.open(f, os.O_WRONLY | os.O_APPEND)\n\
         for i in range(50): os.write(a, b'a%d ' % i); os.write(b, b'b%d ' % i)\n\
         os.close(a); os.close(b)",
    ),
    (
        "header written last",
        "fd = os.open(f, WRITE_NEW, 0o644); write_all(fd, bytes(32)); write_all(fd, content(1, 70_000))\n\
         os.lseek(fd, 0, os.SEEK_SET); write_all(fd, content(2, 32)); os.close(fd)",
    ),
    (
        "backwards",
        "fd = os.open(f, WRITE_NEW, 0o644)\n\
         for i in reversed(range(20)): os.pwrite(fd, content(i, 4096), i * 4096)\n\
         os.close(fd)",
    ),
    ("sparse", "fd = os.open(f, WRITE_NEW, 0o644); os.pwrite(fd, b'end', 3_000_000); os.close(fd)"),
    (
        "cut and grown again",
        "fd = os.open(f, WRITE_NEW, 0o644); write_all(fd, content(1, 9000)); os.ftruncate(fd, 100)\n\
         os.ftruncate(fd, 5000); os.pwrite(fd, b'x', 4000); os.close(fd)",
    ),
    (
        "sized first and then filled",
        "fd = os.open(f, WRITE_NEW, 0o644); os.ftruncate(fd, 200_000); write_all(fd, content(1, 200_000)); os.close(fd)",
    ),
    (
        "reserved first and then filled",
        "fd = os.open(f, WRITE_NEW, 0o644); os.posix_fallocate(fd, 0, 200_000); write_all(fd, content(1, 200_000)); os.close(fd)",
    ),
    (
        "mapped",
        "fd = os.open(f, os.O_RDWR | os.O_CREAT, 0o644); write_all(fd, bytes(50_000)); m = mmap.mmap(fd, 50_000)\n\
         m[100:40_100] = content(3, 40_000); m.flush(); m.close(); os.close(fd)",
    ),
    (
        "mapped, and the descriptor closed first",
        "fd = os.open(f, os.O_RDWR | os.O_CREAT, 0o644); write_all(fd, content(1, 50_000)); m = mmap.mmap(fd, 50_000)\n\
         os.close(fd); m[7:1007] = content(3, 1000); m.close()",
    ),
    (
        "vectors",
        "fd = os.open(f, WRITE_NEW, 0o644); os.writev(fd, [content(i, 1000) for i in range(50)]); os.close(fd)",
    ),
    (
        "sent from another file",
        "write(h('source'), content(9, 400_000)); s = os.open(h('source'), os.O_RDONLY); fd = os.open(f, WRITE_NEW, 0o644)\n\
         left = 400_000\n\
         while left: left -= os.sendfile(fd, s, None, left)\n\
         os.close(fd); os.close(s)",
    ),
    (
        "read back and changed",
        "fd = os.open(f, os.O_RDWR | os.O_CREAT, 0o644); write_all(fd, content(1, 20_000))\n\
         half = os.pread(fd, 10_000, 5000); os.pwrite(fd, half[::-1], 5000); os.close(fd)",
    ),
    ("synchronous", "write(f, content(1, 20_000), WRITE_NEW | os.O_SYNC)"),
    (
        "many threads at their own places",
        "fd = os.open(f, WRITE_NEW, 0o644)\n\
         ts = [threading.Thread(target=os.pwrite, args=(fd, content(i, 30_000), i * 30_000)) for i in range(8)]\n\
         for t in ts: t.start()\n\
         for t in ts: t.join()\n\
         os.close(fd)",
    ),
    (
        "at random",
        "import random\n\
         r = random.Random(5); fd = os.open(f, os.O_RDWR | os.O_CREAT, 0o644); size = 0\n\
         for i in range(400):\n\
        \x20   n, at = r.randrange(1, 9000), r.randrange(200_000)\n\
        \x20   what = r.randrange(10)\n\
        \x20   if what < 7: os.pwrite(fd, content(i, n), at)\n\
        \x20   elif what == 7: os.ftruncate(fd, at)\n\
        \x20   elif what == 8: os.lseek(fd, at, os.SEEK_SET); os.write(fd, content(i, n))\n\
        \x20   else: os.fsync(fd)\n\
         os.close(fd)",
    ),
];

/// 3.2: any write pattern works on a draft.
fn s3_2_patterns_of_writes_leave_exactly_their_bytes(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    for (number, (name, code)) in PATTERNS.iter().enumerate() {
        let file = format!("{number}.pdf");
        actor.run(&format!("f = h('{file}')"));
        actor.run(code);
        actor.run(&format!("f = p('documents/{file}')"));
        actor.run(code);
        let wanted = std::fs::read(mount.host(&file)).unwrap();
        let key = format!("documents/{file}");
        crate::support::mount::eventually(&format!("'{name}' is published"), || mount.keys().contains(&key));
        assert!(mount.object(&key) == wanted, "'{name}' left other bytes than on the host");
        assert!(mount.read(&key) == wanted, "'{name}' is read otherwise than on the host");
        assert!(mount.alternatives(&key).is_empty(), "'{name}' made two objects");
    }
    actor.leave();
    mount.stop();
}

/// Above the size of one part, so that S3 gets it in several.
fn s3_2_large_file_arrives_whole(kind: Kind) {
    let config = "[store]\npart_size = \"5MiB\"\n[write]\nfree_floor = \"1MiB\"\n";
    let mut mount = Setup::new(kind).config(config).start();
    let data = content(4, 12 << 20);
    let source = mount.host_file("large.pdf", &data);
    crate::support::actor::sh("cp \"$1\" \"$2\"", &[&source, &mount.path("documents/large.pdf")]);
    mount.expect_objects(&[("documents/large.pdf", &data)]);
    assert!(mount.read("documents/large.pdf") == data);
    mount.stop();
}

/// 3.2: it is read meanwhile, by its writer and by others.
#[test]
fn s3_2_draft_is_read_while_it_is_written() {
    let mut mount = Setup::new(Kind::Dir).start();
    let (mut writer, mut reader) = (mount.actor(), mount.actor());
    writer.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW, 0o644); write_all(fd, content(1, 10_000))");
    assert_eq!(reader.run("os.stat(p('documents/a.pdf')).st_size"), 10_000);
    assert_eq!(reader.run("read(p('documents/a.pdf')) == content(1, 10_000)"), true);
    reader.run("r = os.open(p('documents/a.pdf'), os.O_RDONLY)");
    writer.run("write_all(fd, content(2, 10_000))");
    assert_eq!(reader.run("os.pread(r, 50_000, 0) == content(1, 10_000) + content(2, 10_000)"), true);
    writer.run("os.pwrite(fd, b'changed', 100)");
    assert_eq!(reader.run("os.pread(r, 7, 100) == b'changed'"), true);
    writer.run("os.close(fd)");
    assert_eq!(reader.run("os.pread(r, 7, 100) == b'changed' and os.fstat(r).st_size == 20_000"), true);
    reader.run("os.close(r)");
    assert_eq!(mount.keys(), ["documents/a.pdf"]);
    mount.stop();
}

/// A small file system of the host for the state directory.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = std::ffi::CString::new(format!("size={size}")).unwrap();
        mount_host("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
        Self(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// 3.13: a full disk shows at the write, and no object is ever short.
#[test]
fn s3_13_full_staging_fails_the_write_and_leaves_no_object() {
    let disk = SmallDisk::new("16m");
    let config = "[write]\nfree_floor = \"2MiB\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).state(&disk.0.path().join("state")).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('documents/big.pdf'), WRITE_NEW, 0o644)");
    assert_eq!(actor.fails("write_all(fd, content(1, 40 << 20))"), "ENOSPC");
    let closed = actor.fails("os.close(fd)");
    assert!(["ENOSPC", "EIO"].contains(&closed.as_str()), "{closed}");
    assert!(!mount.exists("documents/big.pdf"), "a short file is shown");
    // cp says so in words
    let source = mount.host_file("big.pdf", &content(1, 40 << 20));
    let script = "if cp \"$1\" \"$2\"; then exit 1; fi";
    let said = crate::support::actor::sh(script, &[&source, &mount.path("documents/again.pdf")]);
    assert!(said.contains("No space left on device"), "{said}");
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
    // statfs tells it beforehand: less than the file needs
    assert!(
        actor.run("os.statvfs(p('')).f_bavail * os.statvfs(p('')).f_frsize").as_u64().unwrap() < 40 << 20
    );
    actor.leave();
    mount.stop();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

/// 3.13: what fits goes on to work once there is room again.
#[test]
fn s3_13_staging_with_room_again_takes_files_again() {
    let disk = SmallDisk::new("16m");
    let config = "[write]\nfree_floor = \"2MiB\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).state(&disk.0.path().join("state")).start();
    let mut actor = mount.actor();
    std::fs::write(disk.0.path().join("ballast"), vec![0; 15 << 20]).unwrap();
    let refused = actor.fails("write(p('documents/a.pdf'), content(1, 2 << 20))");
    assert_eq!(refused, "ENOSPC");
    std::fs::remove_file(disk.0.path().join("ballast")).unwrap();
    actor.run("write(p('documents/b.pdf'), content(2, 2 << 20))");
    mount.expect_objects(&[("documents/b.pdf", &content(2, 2 << 20))]);
    actor.leave();
    mount.stop();
}

/// 3.9, 3.13: of a write that failed half-way nothing is left in what is written anew.
#[test]
fn s3_13_file_of_a_failed_write_is_written_anew() {
    let disk = SmallDisk::new("16m");
    let config = "[write]\nfree_floor = \"0B\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).state(&disk.0.path().join("state")).start();
    let mut actor = mount.actor();
    actor.run("f = p('documents/a.pdf.part'); fd = os.open(f, WRITE_NEW)");
    let ballast = disk.0.path().join("ballast");
    let free = rustix::fs::statvfs(disk.0.path()).unwrap();
    let most = usize::try_from(free.f_bavail * free.f_frsize).unwrap();
    std::fs::write(&ballast, vec![0; most - 40_000]).unwrap();
    // one request, of which the disk takes a part
    assert_eq!(actor.fails("os.write(fd, content(1, 100_000))"), "ENOSPC");
    actor.run("os.close(fd)");
    std::fs::remove_file(&ballast).unwrap();
    actor.run("fd = os.open(f, WRITE_NEW); write_all(fd, content(2, 100))");
    actor.run("os.rename(f, p('documents/a.pdf')); os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", &content(2, 100))]);
    actor.leave();
    mount.stop();
}

/// Errno table: over the domain's `max_size`.
#[test]
fn s1_6_file_over_the_largest_size_fails_the_write() {
    let config = "[[domain]]\nname = \"d\"\ntemplate = \"documents/{filename}\"\nextensions = [\"pdf\"]\ndelete = \"trash\"\n\
                  max_size = \"100kB\"\n[write]\nfree_floor = \"1MiB\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).start();
    let mut actor = mount.actor();
    actor.run("write(p('documents/fits.pdf'), content(1, 100_000))");
    actor.run("fd = os.open(p('documents/large.pdf'), WRITE_NEW, 0o644)");
    assert_eq!(actor.fails("write_all(fd, content(1, 100_001))"), "EFBIG");
    assert_eq!(actor.fails("os.close(fd)"), "EIO");
    assert_eq!(
        actor.fails("fd = os.open(p('documents/b.pdf'), WRITE_NEW, 0o644); os.ftruncate(fd, 1_000_000)"),
        "EFBIG"
    );
    actor.leave();
    mount.expect_objects(&[("documents/fits.pdf", &content(1, 100_000))]);
    mount.stop();
}
