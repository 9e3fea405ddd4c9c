//! Sentences 3.3, 3.4 and section 4: whatever a program does to an object's name, the object stays as it is.

use serde_json::Value;

use crate::support::actor::{Actor, sh};
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s3_3_object_opened_for_writing_keeps_bytes_size_mtime_and_inode,
    s3_3_reader_with_descriptor_and_map_sees_old_bytes_throughout,
    s3_3_draft_beside_is_listed_from_its_first_change_on,
    s3_3_second_open_by_the_same_process_reaches_its_draft,
    s3_3_object_only_truncated_by_an_open_makes_no_object,
    s3_4_two_writers_of_one_name_both_keep_their_bytes,
    s4_1_taken_name_gets_the_alternative_name,
    s4_5_object_is_not_truncated_by_its_path,
}

const OLD: usize = 70_000;

fn with_object(kind: Kind) -> TestMount {
    Setup::new(kind).object("documents/a.pdf", content(1, OLD)).start()
}

/// What a program that opens an object for writing may do, and what the draft beside it holds in the end, in Python.
const OPENS: &[(&str, &str, &str)] = &[
    ("O_TRUNC", "write(f, content(2, 9000), os.O_WRONLY | os.O_TRUNC)", "content(2, 9000)"),
    ("O_CREAT and O_TRUNC", "write(f, content(2, 90_000))", "content(2, 90_000)"),
    ("O_RDWR and O_TRUNC", "write(f, content(2, 9000), os.O_RDWR | os.O_TRUNC)", "content(2, 9000)"),
    ("neither", "write(f, content(2, 9000), os.O_WRONLY)", "content(2, 9000) + old[9000:]"),
    ("O_APPEND", "write(f, content(2, 9000), os.O_WRONLY | os.O_APPEND)", "old + content(2, 9000)"),
    ("O_CREAT and O_APPEND", "write(f, b'more', os.O_WRONLY | os.O_CREAT | os.O_APPEND)", "old + b'more'"),
    (
        "O_RDWR, read and changed",
        "fd = os.open(f, os.O_RDWR); b = os.pread(fd, 100, 40_000); os.pwrite(fd, b[::-1], 40_000); os.close(fd)",
        "old[:40_000] + old[40_000:40_100][::-1] + old[40_100:]",
    ),
    (
        "no O_TRUNC, cut by ftruncate and written",
        "fd = os.open(f, os.O_WRONLY); write_all(fd, content(2, 9000)); os.ftruncate(fd, 9000); os.close(fd)",
        "content(2, 9000)",
    ),
    (
        "truncated by ftruncate, then written",
        "fd = os.open(f, os.O_WRONLY); os.ftruncate(fd, 0); write_all(fd, content(2, 9000)); os.close(fd)",
        "content(2, 9000)",
    ),
    (
        "written behind its end",
        "fd = os.open(f, os.O_WRONLY); os.pwrite(fd, b'far', len(old) + 5000); os.close(fd)",
        "old + bytes(5000) + b'far'",
    ),
    (
        "a map of it",
        "fd = os.open(f, os.O_RDWR); m = mmap.mmap(fd, len(old)); m[500:510] = b'0123456789'; m.close(); os.close(fd)",
        "old[:500] + b'0123456789' + old[510:]",
    ),
    ("O_SYNC", "write(f, content(2, 9000), os.O_WRONLY | os.O_SYNC | os.O_TRUNC)", "content(2, 9000)"),
    (
        "O_NOFOLLOW and O_NONBLOCK",
        "write(f, content(2, 9000), os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_TRUNC)",
        "content(2, 9000)",
    ),
    (
        "through a symbolic link of the host",
        "os.symlink(f, h('link' + k)); write(h('link' + k), content(2, 9000))",
        "content(2, 9000)",
    ),
    (
        "relative to a directory",
        "d = os.open(p('documents'), os.O_PATH); fd = os.open(k + '.pdf', os.O_WRONLY | os.O_TRUNC, dir_fd=d)\n\
         write_all(fd, content(2, 9000)); os.close(fd); os.close(d)",
        "content(2, 9000)",
    ),
    ("from a second thread", "in_thread(lambda: write(f, content(2, 9000)))", "content(2, 9000)"),
    ("from a forked child", "assert in_child(lambda: write(f, content(2, 9000))) == 0", "content(2, 9000)"),
];

fn stat(actor: &mut Actor, number: usize) -> Value {
    actor.run(&format!(
        "(lambda s: [s.st_ino, s.st_size, s.st_mtime_ns, s.st_nlink, s.st_mode])(os.stat(p('documents/{number}.pdf')))"
    ))
}

/// 3.3: the object keeps its name, bytes, size, mtime (and inode) before, during and after.
fn s3_3_object_opened_for_writing_keeps_bytes_size_mtime_and_inode(kind: Kind) {
    let old = content(1, OLD);
    let setup = (0..OPENS.len()).fold(Setup::new(kind), |s, n| s.object(&format!("documents/{n}.pdf"), &old));
    let mut mount = setup.start();
    let (mut writer, mut reader) = (mount.actor(), mount.actor());
    writer.run(&format!("old = content(1, {OLD})"));
    for (number, (name, code, wanted)) in OPENS.iter().enumerate() {
        let before = stat(&mut reader, number);
        writer.run(&format!("k = '{number}'; f = p('documents/{number}.pdf')"));
        writer.run(code);
        let key = format!("documents/{number}.pdf");
        assert_eq!(stat(&mut reader, number), before, "'{name}' changed what stat tells of the object");
        assert_eq!(stat(&mut writer, number), before, "'{name}' changed what stat tells its writer");
        eventually(&format!("'{name}' is published"), || mount.alternatives(&key).len() == 1);
        assert!(mount.object(&key) == old && mount.read(&key) == old, "'{name}' changed the object");
        let alternative = mount.alternatives(&key).remove(0);
        writer.run(&format!("made = read(p('{alternative}'))"));
        assert_eq!(writer.run(&format!("made == {wanted}")), true, "'{name}' made other bytes");
        assert_eq!(
            writer.run("sha(made)"),
            crate::support::mount::sha(&mount.object(&alternative)),
            "'{name}'"
        );
    }
    assert_eq!(mount.keys().len(), 2 * OPENS.len());
    writer.leave();
    mount.stop();
}

/// 3.3: every reader of the old name reads the old bytes.
fn s3_3_reader_with_descriptor_and_map_sees_old_bytes_throughout(kind: Kind) {
    let mut mount = with_object(kind);
    let (mut reader, mut writer) = (mount.actor(), mount.actor());
    reader.run(&format!(
        "f = p('documents/a.pdf'); old = content(1, {OLD}); fd = os.open(f, os.O_RDONLY); m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)\n\
         def same(): return m[:] == old and os.pread(fd, 100_000, 0) == old and read(f) == old and os.fstat(fd).st_size == len(old)"
    ));
    assert_eq!(reader.run("same()"), true);
    for round in 0..5 {
        writer.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW)");
        assert_eq!(reader.run("same()"), true, "round {round}, opened");
        writer.run(&format!("write_all(fd, content({}, 100_000)); os.fsync(fd)", 7 + round));
        assert_eq!(reader.run("same()"), true, "round {round}, written");
        // a read in the writing process as well: the name is the object's
        assert_eq!(writer.run(&format!("read(p('documents/a.pdf')) == content(1, {OLD})")), true);
        writer.run("os.close(fd)");
        assert_eq!(reader.run("same()"), true, "round {round}, closed");
        assert_eq!(mount.alternatives("documents/a.pdf").len(), round + 1);
    }
    reader.run("m.close(); os.close(fd)");
    assert!(mount.object("documents/a.pdf") == content(1, OLD));
    mount.stop();
}

/// 3.3: the draft is chosen at once and listed from its first change on.
fn s3_3_draft_beside_is_listed_from_its_first_change_on(kind: Kind) {
    let mut mount = with_object(kind);
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), os.O_WRONLY)");
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    writer.run("os.write(fd, b'x')");
    let names = mount.names("documents");
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(mount.keys(), ["documents/a.pdf"], "published before its close");
    writer.run("os.close(fd)");
    // the very name that was shown
    let keys: Vec<String> = names.iter().map(|n| format!("documents/{n}")).collect();
    assert_eq!(mount.keys(), keys);
    mount.stop();
}

/// 3.3: until it is published, opens for writing of the object's name by the same process reach that draft.
fn s3_3_second_open_by_the_same_process_reaches_its_draft(kind: Kind) {
    let mut mount = with_object(kind);
    let mut writer = mount.actor();
    writer.run("f = p('documents/a.pdf'); a = os.open(f, os.O_WRONLY | os.O_TRUNC); write_all(a, b'first ')");
    writer.run("b = os.open(f, os.O_WRONLY | os.O_APPEND); write_all(b, b'second '); os.close(b)");
    writer.run("os.lseek(a, 0, os.SEEK_END); write_all(a, b'third'); os.close(a)");
    mount.expect_objects(&[
        ("documents/a.pdf", &content(1, OLD)),
        ("documents/a_*.pdf", b"first second third"),
    ]);
    mount.stop();
}

/// 3.3: a draft beside an object that was only truncated is not published.
fn s3_3_object_only_truncated_by_an_open_makes_no_object(kind: Kind) {
    let mut mount = with_object(kind);
    let mut writer = mount.actor();
    writer.run("f = p('documents/a.pdf'); os.close(os.open(f, os.O_WRONLY | os.O_TRUNC))");
    writer.run("fd = os.open(f, os.O_WRONLY); os.ftruncate(fd, 100); os.close(fd)");
    writer.run("os.close(os.open(f, WRITE_NEW))");
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    writer.leave();
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, OLD))]);
}

/// 3.4: who opens with O_TRUNC what another writes gets a draft of its own; who opens without it shares the draft.
fn s3_4_two_writers_of_one_name_both_keep_their_bytes(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let (mut a, mut b, mut c) = (mount.actor(), mount.actor(), mount.actor());
    for actor in [&mut a, &mut b, &mut c] {
        actor.run("f = p('documents/a.pdf')");
    }
    a.run("fd = os.open(f, WRITE_NEW); write_all(fd, b'from a ')");
    b.run("fd = os.open(f, WRITE_NEW); write_all(fd, b'from b')");
    c.run("fd = os.open(f, os.O_WRONLY | os.O_APPEND); write_all(fd, b'and c')");
    b.run("os.close(fd)");
    c.run("os.close(fd)");
    a.run("os.close(fd)");
    eventually("both are published", || mount.keys().len() == 2);
    mount.expect_objects(&[("documents/a.pdf", b"from a and c"), ("documents/a_*.pdf", b"from b")]);
    mount.stop();
}

/// 3.4: a draft that a close has acknowledged counts as an object, although it is not published yet.
#[test]
fn s3_4_saved_draft_is_not_truncated_by_another() {
    let mut mount = Setup::new(Kind::Dir).start();
    let (mut a, mut b) = (mount.actor(), mount.actor());
    // a duplicate stays open: the close of the other has saved it, and nothing is published
    a.run("f = p('documents/a.pdf'); fd = os.open(f, WRITE_NEW); d = os.dup(fd); write_all(fd, b'saved'); os.close(fd)");
    assert!(mount.keys().is_empty());
    b.run("f = p('documents/a.pdf'); write(f, b'of another')");
    assert_eq!(mount.alternative("documents/a.pdf"), b"of another");
    b.run("os.unlink(p('documents/b.pdf')) if os.path.exists(p('documents/b.pdf')) else None");
    b.run("write(p('documents/tmpabcd1234'), b'renamed'); os.rename(p('documents/tmpabcd1234'), f)");
    assert_eq!(mount.alternatives("documents/a.pdf").len(), 2);
    a.run("os.close(d)");
    mount.expect_objects(&[
        ("documents/a.pdf", b"saved"),
        ("documents/a_*.pdf", b"of another"),
        ("documents/a_*.pdf", b"renamed"),
    ]);
    mount.stop();
}

/// 3.4: `/dev/stderr` and its like open a descriptor anew, by no name. Who has it for writing goes on with the draft, as on any
/// file system; nobody else gets it that way.
#[test]
fn s3_4_descriptor_is_opened_anew_and_truncated_by_who_has_it_for_writing_only() {
    let mut mount = Setup::new(Kind::Dir).start();
    let script = "{ echo out; sh -c 'echo error > /dev/stderr'; echo more; } > \"$1\" 2>&1";
    let on_host = mount.host("log.txt");
    for path in [&on_host, &mount.path("documents/log.txt")] {
        assert_eq!(sh(script, &[path]), "");
    }
    let log = std::fs::read(on_host).unwrap();
    mount.expect_objects(&[("documents/log.txt", &log)]);

    let (mut a, mut b) = (mount.actor(), mount.actor());
    a.run("fd = os.open(p('documents/a.txt'), WRITE_NEW); write_all(fd, b'from a')");
    let another = a.text("f'/proc/{os.getpid()}/fd/{fd}'");
    assert_eq!(b.fails(&format!("os.open('{another}', os.O_WRONLY | os.O_TRUNC)")), "ETXTBSY");
    b.run("r = os.open(p('documents/a.txt'), os.O_RDONLY)");
    assert_eq!(b.fails("os.open(f'/proc/self/fd/{r}', os.O_WRONLY | os.O_TRUNC)"), "ETXTBSY");
    a.run("os.close(fd)");
    mount.expect_objects(&[("documents/log.txt", &log), ("documents/a.txt", b"from a")]);
    b.run("os.close(r)");
    mount.stop();
}

/// 3.3: an opener that comes without the name cannot be sent to a draft yet: the file is in use.
#[test]
fn s3_3_open_for_writing_without_the_name_is_refused_as_in_use() {
    let mut mount = with_object(Kind::Dir);
    let mut actor = mount.actor();
    actor.run("r = os.open(p('documents/a.pdf'), os.O_RDONLY)");
    for flags in ["os.O_WRONLY", "os.O_RDWR", "os.O_WRONLY | os.O_TRUNC"] {
        assert_eq!(actor.fails(&format!("os.open('/proc/self/fd/%d' % r, {flags})")), "ETXTBSY");
    }
    assert_eq!(actor.run(&format!("os.pread(r, 100_000, 0) == content(1, {OLD})")), true);
    // and with its name it goes on as ever
    actor.run("write(p('documents/a.pdf'), b'new')");
    mount.expect_objects(&[("documents/a.pdf", &content(1, OLD)), ("documents/a_*.pdf", b"new")]);
    mount.stop();
}

/// 3.3 under load: eight writers and a reader of one name; nobody is refused and nothing is mixed.
#[test]
fn s3_3_many_writers_of_one_object_at_once_all_keep_their_bytes() {
    let mut mount = with_object(Kind::Dir);
    let mut actors: Vec<Actor> = (0..8).map(|_| mount.actor()).collect();
    let mut reader = mount.actor();
    for (number, actor) in actors.iter_mut().enumerate() {
        actor.begin(&format!(
            "for i in range(5): write(p('documents/a.pdf'), content({number} * 100 + i, 5000))"
        ));
    }
    reader.run(&format!(
        "for i in range(60):\n\
        \x20   try: same = read(p('documents/a.pdf')) == content(1, {OLD})\n\
        \x20   except OSError as e: raise RuntimeError('read %d: %s' % (i, e))\n\
        \x20   assert same, 'read %d: other bytes' % i"
    ));
    for actor in &mut actors {
        actor.end().unwrap();
    }
    let wanted: Vec<Vec<u8>> = (0..40).map(|n| content(n / 5 * 100 + n % 5, 5000)).collect();
    let mut all: Vec<(&str, &[u8])> = wanted.iter().map(|w| ("documents/a_*.pdf", w.as_slice())).collect();
    let old = content(1, OLD);
    all.push(("documents/a.pdf", &old));
    mount.expect_objects(&all);
    mount.stop();
}

/// 4.1: Django's alternative name, drawn from the name that was asked for.
fn s4_1_taken_name_gets_the_alternative_name(kind: Kind) {
    let names =
        ["plain.pdf", "two.dots.pdf", "Ängström 報告.pdf", "with space (1).PDF", "a_b_c.pdf", "x.txt"];
    let setup = names.iter().fold(Setup::new(kind), |s, n| s.object(&format!("documents/{n}"), b"old"));
    let mut mount = setup.start();
    let mut actor = mount.actor();
    for name in names {
        actor.run(&format!("f = p('documents/{name}'); write(f, b'new 1'); write(f, b'new 2')"));
        let found = mount.alternatives(&format!("documents/{name}"));
        assert_eq!(found.len(), 2, "{name}: {:?}", mount.keys());
    }
    assert_eq!(mount.keys().len(), 3 * names.len());
    mount.stop();
}

/// 4.1: where the suffix stands follows Django's versions.
#[test]
fn s4_1_django_4_2_puts_the_suffix_before_the_last_extension() {
    let config = "django = \"4.2\"\n[write]\nfree_floor = \"1MiB\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).object("documents/a.b.pdf", b"old").start();
    mount.actor().run("write(p('documents/a.b.pdf'), b'new')");
    let keys = mount.keys();
    let suffix = keys.iter().find_map(|k| k.strip_prefix("documents/a.b_")?.strip_suffix(".pdf"));
    assert_eq!(suffix.map(str::len), Some(7), "{keys:?}");
    mount.stop();
}

/// 4.1: the root is cut, at a character, so that the segment holds.
#[test]
fn s4_1_alternative_of_the_longest_name_is_cut_at_a_character() {
    let name = format!("{}.pdf", "ü".repeat(125)); // 254 bytes
    let key = format!("documents/{name}");
    let mut mount = Setup::new(Kind::Dir).object(&key, b"old").start();
    mount.actor().run(&format!("write(p('{key}'), b'new')"));
    let made = mount.keys().into_iter().find(|k| *k != key).expect("an alternative");
    let root =
        made.strip_prefix("documents/").unwrap().strip_suffix(".pdf").unwrap().rsplit_once('_').unwrap();
    assert!(root.0.len() >= 240 && root.0.chars().all(|c| c == 'ü') && root.1.len() == 7, "{made}");
    assert!(made.len() - "documents/".len() <= 255);
    assert_eq!(mount.read(&made), b"new");
    mount.stop();
}

/// 4.1: a template that can take no suffix.
#[test]
fn s4_1_name_that_can_take_no_suffix_is_refused_at_the_open() {
    let config = "[[domain]]\nname = \"c\"\ntemplate = \"chunks/{document_id}/chunk_{index:int}.txt\"\nextensions = [\"txt\"]\n\
                  delete = \"refuse\"\n[write]\nfree_floor = \"1MiB\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).object("chunks/7/chunk_1.txt", b"old").start();
    let mut actor = mount.actor();
    assert_eq!(actor.fails("write(p('chunks/7/chunk_1.txt'), b'new')"), "EEXIST");
    assert_eq!(actor.fails("os.open(p('chunks/7/chunk_1.txt'), os.O_WRONLY | os.O_APPEND)"), "EEXIST");
    actor.run("write(p('chunks/7/chunk_2.txt'), b'new')");
    mount.expect_objects(&[("chunks/7/chunk_1.txt", b"old"), ("chunks/7/chunk_2.txt", b"new")]);
    mount.stop();
}

/// 4.5: objects are immutable through the mount.
fn s4_5_object_is_not_truncated_by_its_path(kind: Kind) {
    let mut mount = with_object(kind);
    let mut actor = mount.actor();
    for size in ["0", "100", "1_000_000"] {
        assert_eq!(actor.fails(&format!("os.truncate(p('documents/a.pdf'), {size})")), "EPERM");
    }
    assert_eq!(actor.fails("os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_CREAT | os.O_EXCL)"), "EEXIST");
    mount.expect_objects(&[("documents/a.pdf", &content(1, OLD))]);
    assert!(mount.read("documents/a.pdf") == content(1, OLD));
    mount.stop();
}

/// 4.2: the loser of a race gets the next name, whoever the winner was.
#[test]
fn s4_2_name_taken_by_another_client_at_the_last_moment_gets_a_suffix() {
    let mut mount = Setup::new(Kind::S3).start();
    let server = std::sync::Arc::clone(mount.server());
    mount.server().faults().meanwhile(When::method("PUT", "documents/a.pdf"), move || {
        server.overwrite("test", "documents/a.pdf", "of another client");
    });
    mount.actor().run("write(p('documents/a.pdf'), b'mine')");
    mount.expect_objects(&[("documents/a.pdf", b"of another client"), ("documents/a_*.pdf", b"mine")]);
    // both are there under their names at once, not at the next listing (8.1)
    assert_eq!(mount.names("documents").len(), 2);
    let alternative = mount.alternatives("documents/a.pdf").remove(0);
    assert_eq!(mount.read(&alternative), b"mine");
    assert_eq!(mount.read("documents/a.pdf"), b"of another client");
    mount.stop();
}

/// 4.2: a name taken on a `file://` store by a plain tool while the draft is written.
#[test]
fn s4_2_name_taken_by_a_plain_tool_meanwhile_gets_a_suffix() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'mine')");
    mount.put_object("documents/a.pdf", b"of another");
    actor.run("os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", b"of another"), ("documents/a_*.pdf", b"mine")]);
    mount.stop();
}

/// 4.2: 409 is asked again.
#[test]
fn s4_2_conflict_is_asked_again() {
    let mut mount = Setup::new(Kind::S3).start();
    let conflict = Fault::Status(409, "ConditionalRequestConflict");
    mount.server().faults().inject(When::method("PUT", "documents/"), conflict, 2);
    mount.actor().run("write(p('documents/a.pdf'), b'mine')");
    mount.expect_objects(&[("documents/a.pdf", b"mine")]);
    mount.stop();
}

/// 4.3: the answer is lost on the way, the request was done: our own object is no collision.
#[test]
fn s4_3_lost_answer_of_a_create_makes_no_second_object() {
    for fault in [Fault::CutAfterDoing, Fault::StatusAfterDoing(500, "InternalError")] {
        let mut mount = Setup::new(Kind::S3).start();
        mount.server().faults().inject(When::method("PUT", "documents/"), fault, 1);
        mount.actor().run("write(p('documents/a.pdf'), content(1, 20_000))");
        mount.expect_objects(&[("documents/a.pdf", &content(1, 20_000))]);
        mount.stop();
    }
}

/// 4.3: our own earlier copy of *another* file under that name is a collision.
#[test]
fn s4_3_object_of_another_draft_of_ours_is_a_collision() {
    let mut mount = Setup::new(Kind::S3).start();
    let mut actor = mount.actor();
    actor.run("write(p('documents/a.pdf'), b'one')");
    actor.run("write(p('documents/a.pdf'), b'two')");
    mount.expect_objects(&[("documents/a.pdf", b"one"), ("documents/a_*.pdf", b"two")]);
    mount.stop();
}
