//! Sentence 6.4: an object whose name is scratch is shown, and what is written under its name covers it.

use crate::support::mount::{Kind, Setup, TestMount};

on_both_stores! {
    s6_4_object_with_a_scratch_name_is_shown_and_read,
    s6_4_writing_makes_a_local_file_that_covers_the_object,
    s6_4_object_shows_again_when_the_local_file_goes_away,
    s6_4_local_file_covers_across_a_restart,
    s6_4_renames_onto_the_name_cover_the_object,
}

const KEY: &str = "documents/._a.pdf";
const OLD: &[u8] = b"an object of another client";

fn with_object(kind: Kind) -> TestMount {
    Setup::new(kind).object(KEY, OLD).start()
}

fn s6_4_object_with_a_scratch_name_is_shown_and_read(kind: Kind) {
    let mut mount = with_object(kind);
    assert_eq!(mount.names("documents"), ["._a.pdf"]);
    assert_eq!(mount.read(KEY), OLD);
    let mut actor = mount.actor();
    actor.run(&format!("f = p('{KEY}')"));
    assert_eq!(actor.fails("os.truncate(f, 3)"), "EPERM");
    assert_eq!(actor.fails("os.open(f, os.O_WRONLY | os.O_CREAT | os.O_EXCL)"), "EEXIST");
    // opened for writing and not changed: still the object, also before its close has been told of
    actor.run("fd = os.open(f, os.O_RDWR)");
    assert_eq!(actor.text("os.getxattr(f, 'user.cairn.state').decode()"), "object");
    actor.run("os.close(fd); os.utime(f)");
    assert_eq!(actor.text("os.getxattr(f, 'user.cairn.state').decode()"), "object");
    mount.stop();
    mount.expect_objects(&[(KEY, OLD)]);
}

fn s6_4_writing_makes_a_local_file_that_covers_the_object(kind: Kind) {
    let mut mount = with_object(kind);
    let (mut reader, mut writer) = (mount.actor(), mount.actor());
    reader.run(&format!("f = p('{KEY}'); fd = os.open(f, os.O_RDONLY)"));
    for (code, wanted) in [
        ("write(f, b'tail', os.O_WRONLY | os.O_APPEND)", "an object of another clienttail"),
        ("write(f, b'AN', os.O_WRONLY)", "AN object of another client"),
        ("write(f, b'anew')", "anew"),
        ("os.close(os.open(f, WRITE_NEW))", ""),
        ("fd = os.open(f, os.O_WRONLY); os.ftruncate(fd, 2); os.close(fd)", "an"),
        ("write('/proc/self/fd/%d' % os.open(f, os.O_PATH), b'without a name')", "without a name"),
    ] {
        if code.contains("O_PATH") {
            reader.run("os.close(fd)"); // who has no path must be alone (3.3)
        }
        writer.run(&format!("f = p('{KEY}')"));
        writer.run(code);
        assert_eq!(mount.names("documents"), ["._a.pdf"], "{code}");
        assert_eq!(reader.text("read(f).decode()"), wanted, "{code}");
        assert_eq!(reader.run("os.stat(f).st_size"), wanted.len(), "{code}");
        assert_eq!(writer.text("os.getxattr(f, 'user.cairn.state').decode()"), "scratch", "{code}");
        if !code.contains("O_PATH") {
            assert_eq!(reader.text("os.pread(fd, 100, 0).decode()").as_bytes(), OLD, "{code}: an old reader");
        }
        writer.run("os.unlink(f)");
    }
    mount.expect_objects(&[(KEY, OLD)]);
    mount.stop();
    mount.expect_objects(&[(KEY, OLD)]);
}

fn s6_4_object_shows_again_when_the_local_file_goes_away(kind: Kind) {
    let mut mount = with_object(kind);
    let mut actor = mount.actor();
    actor.run(&format!("f = p('{KEY}'); write(f, b'new'); os.unlink(f)"));
    assert_eq!(mount.read(KEY), OLD, "after an unlink");
    actor.run("fd = os.open(f, WRITE_NEW); write_all(fd, b'new'); os.unlink(f)");
    assert_eq!(mount.read(KEY), OLD, "after an unlink while it is open");
    assert_eq!(actor.run("os.fstat(fd).st_size"), 3);
    actor.run("os.close(fd); write(f, b'moved'); os.rename(f, p('documents/b.pdf'))");
    assert_eq!(mount.read(KEY), OLD, "after a rename");
    mount.expect_objects(&[(KEY, OLD), ("documents/b.pdf", b"moved")]);
    // deleted and made again by one process: an overwrite in disguise, as ever (5.2)
    actor.run("os.unlink(f); write(f, b'made again')");
    assert_eq!(mount.read(KEY), b"made again");
    actor.run("os.unlink(f)");
    assert_eq!(mount.read(KEY), OLD, "put back");
    mount.stop();
    mount.expect_objects(&[(KEY, OLD), ("documents/b.pdf", b"moved")]);
    assert!(mount.trash().is_empty());
}

fn s6_4_local_file_covers_across_a_restart(kind: Kind) {
    let mut mount = with_object(kind);
    let mut actor = mount.actor();
    actor.run(&format!("write(p('{KEY}'), b'new')"));
    drop(actor);
    mount.stop();
    mount.start();
    assert_eq!(mount.names("documents"), ["._a.pdf"]);
    assert_eq!(mount.read(KEY), b"new");
    let mut actor = mount.actor();
    actor.run(&format!("f = p('{KEY}'); os.close(os.open(f, os.O_RDWR))"));
    assert_eq!(mount.read(KEY), b"new", "an open that changes nothing");
    actor.run("os.unlink(f)");
    assert_eq!(mount.names("documents"), ["._a.pdf"]);
    assert_eq!(mount.read(KEY), OLD);
    mount.expect_objects(&[(KEY, OLD)]);
    mount.stop();
}

fn s6_4_renames_onto_the_name_cover_the_object(kind: Kind) {
    let mut mount = Setup::new(kind).object(KEY, OLD).object("documents/b.pdf", b"b").start();
    let mut actor = mount.actor();
    actor.run(&format!(
        "f = p('{KEY}'); write(p('documents/x.part'), b'one'); os.rename(p('documents/x.part'), f)"
    ));
    assert_eq!(mount.read(KEY), b"one");
    // and once more onto the local file
    actor.run("write(p('documents/x.part'), b'two'); os.rename(p('documents/x.part'), f)");
    assert_eq!(mount.read(KEY), b"two");
    actor.run("os.unlink(f)");
    assert_eq!(mount.read(KEY), OLD);
    // an object that is moved away while a program saves over it (5.5)
    actor.run("os.rename(p('documents/b.pdf'), f)");
    assert_eq!(mount.read(KEY), b"b");
    actor.run("os.rename(f, p('documents/b.pdf'))");
    assert_eq!(mount.read(KEY), OLD);
    mount.expect_objects(&[(KEY, OLD), ("documents/b.pdf", b"b")]);
    mount.stop();
}

/// 6.4: a read-only domain stays one.
#[test]
fn s6_4_object_in_a_read_only_domain_is_not_covered() {
    let config = "[write]\nfree_floor = \"1MiB\"\n[[domain]]\nname = \"d\"\ntemplate = \"documents/{filename}\"\n\
                  extensions = [\"pdf\"]\nwritable = false\n";
    let mut mount = Setup::new(Kind::Dir).config(config).object(KEY, OLD).start();
    assert_eq!(mount.actor().fails(&format!("write(p('{KEY}'), b'x')")), "EROFS");
    assert_eq!(mount.read(KEY), OLD);
    mount.stop();
}
