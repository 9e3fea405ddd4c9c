//! Sentences 3.5, 3.7, 3.8, 3.11 and 3.12: what a close means.

use std::time::{Duration, Instant};

use crate::support::actor::sh;
use crate::support::mount::{Kind, Setup, content, eventually};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s3_5_close_returns_when_the_object_exists,
    s3_5_flush_before_any_write_publishes_nothing,
    s3_5_shell_group_makes_one_whole_object,
    s3_5_duplicate_among_several_publishes_nothing,
    s3_5_descriptor_in_a_child_is_waited_for,
    s3_5_program_about_to_start_is_not_waited_for,
    s3_7_open_for_writing_without_a_change_makes_no_object,
    s3_8_empty_file_is_filled_later_under_its_plain_name,
}

/// 3.5: the close waits for the publish.
fn s3_5_close_returns_when_the_object_exists(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    if kind == Kind::S3 {
        mount.server().faults().delay(Duration::from_millis(200));
    }
    let mut actor = mount.actor();
    for n in 0..3 {
        actor.run(&format!("write(p('documents/{n}.pdf'), content({n}, 50_000))"));
        assert!(mount.object(&format!("documents/{n}.pdf")) == content(n, 50_000));
    }
    mount.stop();
}

/// 3.5: shells and dd close a duplicate before the first write.
fn s3_5_flush_before_any_write_publishes_nothing(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); d = os.dup(fd); os.close(d)");
    assert!(mount.keys().is_empty());
    actor.run("write_all(fd, b'content'); os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", b"content")]);
    mount.stop();
}

/// 3.5: every program of a group closes the descriptor; the file ends with the group.
fn s3_5_shell_group_makes_one_whole_object(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let target = |name: &str| mount.path(&format!("documents/{name}.txt"));
    sh("( echo one; /bin/echo two; /bin/sleep 0.1; /bin/echo three ) > \"$1\"", &[&target("subshell")]);
    sh("{ echo one; /bin/echo two; /bin/echo three; } > \"$1\"", &[&target("group")]);
    sh("exec 3> \"$1\"; echo one >&3; /bin/echo two >&3; /bin/echo three >&3; exec 3>&-", &[&target("exec")]);
    sh("for w in one two three; do /bin/echo $w; done > \"$1\"", &[&target("loop")]);
    sh("{ echo one; cat; } > \"$1\" <<-E\n\ttwo\n\tthree\n\tE\n", &[&target("heredoc")]);
    sh("sh -c 'echo one; sh -c \"/bin/echo two; exec /bin/echo three\"' > \"$1\"", &[&target("nested")]);
    sh("(/bin/echo one; /bin/echo two; /bin/echo three) | /bin/cat > \"$1\"", &[&target("pipe")]);
    sh(
        "sh -c '(/bin/sleep 0.2; /bin/echo three) & /bin/echo one; /bin/echo two; wait' > \"$1\"",
        &[&target("wait")],
    );
    eventually("all are published", || mount.keys().len() == 8);
    let lines = b"one\ntwo\nthree\n";
    for key in mount.keys() {
        assert_eq!(mount.object(&key), lines, "{key}");
    }
    mount.stop();
}

/// 3.5: a child that its parent does not wait for goes on writing.
#[test]
fn s3_5_child_that_outlives_the_opener_is_waited_for() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut actor = mount.actor();
    actor.run(
        "fd = os.open(p('documents/a.txt'), WRITE_NEW); r, w = os.pipe()\n\
         if os.fork() == 0:\n\
        \x20   os.close(w); os.read(r, 1); write_all(fd, b'late'); os._exit(0)\n\
         write_all(fd, b'early '); os.close(r)\n\
         os.set_inheritable(w, True); keeper = subprocess.Popen(['sleep', '0.5'], close_fds=False, stdout=2)",
    );
    // the opener ends; its child waits until the sleep that holds the pipe has ended as well
    actor.leave();
    eventually("both are in one object", || !mount.keys().is_empty());
    mount.expect_objects(&[("documents/a.txt", b"early late")]);
    mount.stop();
}

/// 3.5, what cannot be seen: a grandchild whose parent has ended is nobody's child. What it writes after the publish is
/// published again, with all that came before.
#[test]
fn s3_5_orphan_of_a_child_makes_a_second_whole_object() {
    let mut mount = Setup::new(Kind::Dir).start();
    let script = "sh -c '(/bin/sleep 0.5; /bin/echo late) & /bin/echo early' > \"$1\"";
    sh(script, &[&mount.path("documents/a.txt")]);
    eventually("the orphan's line is published", || mount.objects().values().any(|d| d == b"early\nlate\n"));
    match mount.keys().len() {
        1 => mount.expect_objects(&[("documents/a.txt", b"early\nlate\n")]),
        _ => {
            mount.expect_objects(&[("documents/a.txt", b"early\n"), ("documents/a_*.txt", b"early\nlate\n")])
        }
    }
    mount.stop();
}

/// 3.5: one duplicate among several does not publish half a file.
fn s3_5_duplicate_among_several_publishes_nothing(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    actor.run(
        "fd = os.open(p('documents/a.pdf'), WRITE_NEW); d = os.dup(fd); write_all(fd, b'half '); os.close(d)",
    );
    assert!(mount.keys().is_empty(), "half a file is published");
    actor.run("d = os.dup(fd); os.dup2(d, d + 7); os.close(d); write_all(fd, b'and '); os.close(fd)");
    assert!(mount.keys().is_empty(), "half a file is published");
    actor.run("write_all(d + 7, b'half'); os.close(d + 7)");
    mount.expect_objects(&[("documents/a.pdf", b"half and half")]);
    mount.stop();
}

/// 3.5: a second handle of the same process, of another process, and a thread's.
#[test]
fn s3_5_other_handles_on_the_draft_are_waited_for() {
    let mut mount = Setup::new(Kind::Dir).start();
    let (mut a, mut b) = (mount.actor(), mount.actor());
    a.run("f = p('documents/a.pdf'); fd = os.open(f, WRITE_NEW); g = os.open(f, os.O_WRONLY | os.O_APPEND); write_all(fd, b'1 '); os.close(fd)");
    assert!(mount.keys().is_empty(), "the second handle was not waited for");
    b.run("g = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_APPEND)");
    a.run("in_thread(lambda: write_all(g, b'2 ')); os.close(g)");
    assert!(mount.keys().is_empty(), "the other process was not waited for");
    b.run("write_all(g, b'3'); os.close(g)");
    mount.expect_objects(&[("documents/a.pdf", b"1 2 3")]);
    mount.stop();
}

/// 3.5: a child has inherited the descriptor; the parent closes first, or the child does.
fn s3_5_descriptor_in_a_child_is_waited_for(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('documents/child-first.pdf'), WRITE_NEW); write_all(fd, b'parent ')");
    assert_eq!(actor.run("in_child(lambda: write_all(fd, b'child '))"), 0);
    assert!(mount.keys().is_empty(), "the child's end has published");
    actor.run("write_all(fd, b'parent'); os.close(fd)");
    mount.expect_objects(&[("documents/child-first.pdf", b"parent child parent")]);

    actor.run(
        "fd = os.open(p('documents/parent-first.pdf'), WRITE_NEW); write_all(fd, b'parent '); r, w = os.pipe(); pid = os.fork()\n\
         if pid == 0:\n\
        \x20   os.close(w); os.read(r, 1); write_all(fd, b'child'); os._exit(0)\n\
         os.close(fd); os.close(r)",
    );
    assert_eq!(mount.keys().len(), 1, "the child still writes");
    actor.run("os.close(w); os.waitpid(pid, 0)");
    eventually("the child's end publishes", || mount.keys().len() == 2);
    assert_eq!(mount.object("documents/parent-first.pdf"), b"parent child");
    mount.stop();
}

/// 3.5: between posix_spawn's vfork and its execve a child has all descriptors of its parent, also those that end with the
/// execve. Other threads of a program close files meanwhile.
fn s3_5_program_about_to_start_is_not_waited_for(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut actor = mount.actor();
    actor.run(
        "fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'content'); os.mkfifo(h('gate'))",
    );
    // the child opens the gate before its execve, and waits there for somebody who writes
    actor.run(
        "starting = threading.Thread(target=lambda: spawn(['/bin/true'], gate=h('gate')), daemon=True); starting.start()\n\
         while not any(open(f'/proc/self/task/{t}/children').read() for t in os.listdir('/proc/self/task')):\n\
        \x20   time.sleep(0.001)",
    );
    actor.run("os.close(fd)");
    let at_close = mount.keys();
    actor.run("os.close(os.open(h('gate'), os.O_WRONLY)); starting.join()");
    assert_eq!(at_close, ["documents/a.pdf"], "the close has not waited");

    // and at every other moment of a start; who holds the file is looked at for half a second at most, which may pass where
    // a child in the middle of its execve gets no processor
    actor.run(
        "def start_programs():\n\
        \x20   while not done:\n\
        \x20       spawn(['/bin/true'])\n\
         done = False; starting = threading.Thread(target=start_programs, daemon=True); starting.start()",
    );
    let has_waited = |n: &u32| {
        actor.run(&format!("write(p('documents/{n}.pdf'), b'{n}')"));
        mount.keys().contains(&format!("documents/{n}.pdf"))
    };
    let waited = (0..50).filter(has_waited).count();
    actor.run("done = True; starting.join()");
    assert!(waited > 45, "only {waited} of 50 closes have waited");
    mount.stop();
}

/// 3.5: the first thread of a program has ended before the others.
#[test]
fn s3_5_duplicate_in_a_program_without_its_first_thread_is_waited_for() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut actor = mount.actor();
    actor.run(
        &"half, told = os.pipe(); go, on = os.pipe(); pid = os.fork()\n\
         def work():\n\
        \x20   os.close(on)\n\
        \x20   while open(f'/proc/self/task/{os.getpid()}/stat').read().split()[2] != 'Z':\n\
        \x20       time.sleep(0.001)\n\
        \x20   fd = os.open(p('documents/a.pdf'), WRITE_NEW); d = os.dup(fd)\n\
        \x20   write_all(fd, b'half and '); os.close(fd); os.write(told, b'.'); os.read(go, 1)\n\
        \x20   write_all(d, b'half'); os.close(d); os._exit(0)\n\
         if pid == 0:\n\
        \x20   threading.Thread(target=work).start(); libc.syscall(SYS_exit, 0)"
            .replace("SYS_exit", &libc::SYS_exit.to_string()),
    );
    actor.run("os.read(half, 1)");
    let at_first_close = mount.keys();
    actor.run("os.write(on, b'.'); os.waitpid(pid, 0)");
    assert!(at_first_close.is_empty(), "half a file is published");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"half and half")]);
}

/// 3.5: where the last close cannot be told at FLUSH (the descriptor went to a stranger) and it writes on after the
/// publish, the whole content is published again under a suffix; the first object stays as it was.
#[test]
fn s3_5_write_after_the_publish_publishes_the_whole_again() {
    let mut mount = Setup::new(Kind::Dir).start();
    let (mut a, mut b) = (mount.actor(), mount.actor());
    b.run("s = socket.socket(socket.AF_UNIX); s.bind(h('sock')); s.listen()");
    a.run("c = socket.socket(socket.AF_UNIX); c.connect(h('sock'))");
    b.run("c, _ = s.accept()");
    a.run("fd = os.open(p('documents/a.pdf'), os.O_RDWR | os.O_CREAT); write_all(fd, b'first ')");
    a.run("socket.send_fds(c, [b'x'], [fd])");
    b.run("fd = socket.recv_fds(c, 1, 1)[1][0]");
    a.run("os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", b"first ")]);
    b.run("write_all(fd, b'second ')");
    assert_eq!(b.run("os.pread(fd, 100, 0) == b'first second '"), true);
    assert_eq!(a.run("read(p('documents/a.pdf')) == b'first '"), true, "the object shows the new bytes");
    b.run("write_all(fd, b'third'); os.close(fd)");
    eventually("the second object", || mount.keys().len() == 2);
    mount.expect_objects(&[("documents/a.pdf", b"first "), ("documents/a_*.pdf", b"first second third")]);
    mount.stop();
}

/// 3.5: a writable map that outlives its descriptor is writing.
#[test]
fn s3_5_writable_map_is_waited_for() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut actor = mount.actor();
    // the map is made on a duplicate of Python's own: closing fd leaves the map alone
    actor.run(
        "fd = os.open(p('documents/a.pdf'), os.O_RDWR | os.O_CREAT); write_all(fd, bytes(8192))\n\
         libc.mmap.restype = ctypes.c_void_p\n\
         at = libc.mmap(None, ctypes.c_size_t(8192), 3, 1, fd, ctypes.c_long(0)); os.close(fd)",
    );
    assert!(mount.keys().is_empty(), "published under a writable map");
    actor.run(
        "ctypes.memmove(at, content(1, 8192), 8192); libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(8192))",
    );
    eventually("the end of the map publishes", || !mount.keys().is_empty());
    mount.expect_objects(&[("documents/a.pdf", &content(1, 8192))]);
    mount.stop();
}

/// 3.7: nothing is changed, so nothing is made; many programs do it after every save.
fn s3_7_open_for_writing_without_a_change_makes_no_object(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 5000)).start();
    let mut actor = mount.actor();
    actor.run("f = p('documents/a.pdf')");
    for code in [
        "os.close(os.open(f, os.O_WRONLY))",
        "fd = os.open(f, os.O_RDWR); os.fsync(fd); os.close(fd)",
        "fd = os.open(f, os.O_RDWR); assert os.read(fd, 10_000) == content(1, 5000); os.close(fd)",
        "fd = os.open(f, os.O_RDWR); fcntl.lockf(fd, fcntl.LOCK_EX); os.close(fd)",
        "fd = os.open(f, os.O_RDWR); os.write(fd, b''); os.close(fd)",
        "fd = os.open(f, os.O_WRONLY); os.ftruncate(fd, 5000); os.close(fd)",
        "fd = os.open(f, os.O_RDWR); mmap.mmap(fd, 0).close(); os.close(fd)",
        "fd = os.open(f, os.O_WRONLY | os.O_APPEND | os.O_CREAT); os.close(fd)",
    ] {
        actor.run(code);
    }
    sh("touch \"$1\"; touch -d 2020-01-02 \"$1\"; : >> \"$1\"", &[&mount.path("documents/a.pdf")]);
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    actor.leave();
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// 3.8: an empty file is a placeholder, and may be filled by a later open or by a rename over it.
fn s3_8_empty_file_is_filled_later_under_its_plain_name(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    sh(
        "touch \"$1\" \"$2\"; : > \"$3\"",
        &[
            &mount.path("documents/by-another.pdf"),
            &mount.path("documents/by-rename.pdf"),
            &mount.path("documents/by-append.pdf"),
        ],
    );
    assert!(mount.keys().is_empty(), "an empty object");
    assert_eq!(mount.names("documents"), ["by-another.pdf", "by-append.pdf", "by-rename.pdf"]);
    let mut actor = mount.actor();
    actor.run("write(p('documents/by-another.pdf'), b'filled', os.O_WRONLY | os.O_TRUNC)");
    actor.run("write(p('documents/by-append.pdf'), b'appended', os.O_WRONLY | os.O_APPEND)");
    actor.run("write(p('documents/by-rename.pdf.part'), b'renamed'); os.rename(p('documents/by-rename.pdf.part'), p('documents/by-rename.pdf'))");
    // in one process: created empty, closed, opened again
    actor.run("os.close(os.open(p('documents/twice.pdf'), WRITE_NEW)); write(p('documents/twice.pdf'), b'second open')");
    mount.expect_objects(&[
        ("documents/by-another.pdf", b"filled"),
        ("documents/by-append.pdf", b"appended"),
        ("documents/by-rename.pdf", b"renamed"),
        ("documents/twice.pdf", b"second open"),
    ]);
    mount.stop();
}

const EMPTY_SOON: &str = "[write]\nfree_floor = \"1MiB\"\nempty_after = \"200ms\"\n";

/// 3.8: it is published empty some time after its maker has ended, not while its maker lives.
#[test]
fn s3_8_empty_file_is_published_after_its_maker_has_ended() {
    let mut mount = Setup::new(Kind::Dir).config(EMPTY_SOON).start();
    let mut maker = mount.actor();
    maker.run("os.close(os.open(p('documents/lives.pdf'), WRITE_NEW))");
    sh("touch \"$1\"", &[&mount.path("documents/ended.pdf")]);
    eventually("the one whose maker ended", || mount.keys() == ["documents/ended.pdf"]);
    maker.leave();
    eventually("the other as well", || mount.keys().len() == 2);
    mount.expect_objects(&[("documents/ended.pdf", b""), ("documents/lives.pdf", b"")]);
    mount.stop();
}

/// 3.8: not while a scratch file of its name is left: the download is under way.
#[test]
fn s3_8_empty_file_waits_for_the_scratch_file_of_its_name() {
    let mut mount = Setup::new(Kind::Dir).config(EMPTY_SOON).start();
    sh(
        "touch \"$1\"; echo half > \"$1.part\"; touch \"$2\"",
        &[&mount.path("documents/download.pdf"), &mount.path("documents/other.pdf")],
    );
    eventually("the other one is published", || mount.keys() == ["documents/other.pdf"]);
    sh("echo whole > \"$1.part\"; mv \"$1.part\" \"$1\"", &[&mount.path("documents/download.pdf")]);
    mount.expect_objects(&[("documents/download.pdf", b"whole\n"), ("documents/other.pdf", b"")]);
    mount.stop();
}

/// 3.11: longer than `close_wait`: the close has returned 0 and it is on its way, visible under its name.
#[test]
fn s3_11_close_that_waited_long_enough_leaves_it_publishing() {
    let config = "[write]\nfree_floor = \"1MiB\"\nclose_wait = \"200ms\"\n";
    let mut mount = Setup::new(Kind::S3).config(config).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'slow')");
    mount.server().faults().delay(Duration::from_secs(2));
    let begin = Instant::now();
    actor.run("os.close(fd)");
    assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
    assert!(mount.keys().is_empty());
    assert_eq!(mount.read("documents/a.pdf"), b"slow");
    assert_eq!(mount.drafts("publishing"), 1);
    mount.server().faults().delay(Duration::ZERO);
    eventually("it arrives", || mount.keys() == ["documents/a.pdf"]);
    mount.stop();
}

/// 3.12: a store that refuses fails the close; the draft is kept, out of the directory.
#[test]
fn s3_12_refused_publish_fails_the_close_and_keeps_the_draft() {
    for (code, status, errno) in [("AccessDenied", 403, "EACCES"), ("InvalidRequest", 400, "EIO")] {
        let mut mount = Setup::new(Kind::S3).start();
        mount.server().faults().inject(When::method("PUT", "documents/"), Fault::Status(status, code), 1);
        let mut actor = mount.actor();
        assert_eq!(actor.fails("write(p('documents/a.pdf'), content(1, 5000))"), errno, "{code}");
        assert!(!mount.exists("documents/a.pdf"), "{code}");
        assert_eq!(mount.drafts("failed"), 1);
        assert!(mount.has_event(&["failed", "documents/a.pdf"]));
        // the name is free for the next try
        actor.run("write(p('documents/a.pdf'), content(2, 5000))");
        mount.expect_objects(&[("documents/a.pdf", &content(2, 5000))]);
        let kept: Vec<Vec<u8>> = std::fs::read_dir(mount.state().join("staging"))
            .unwrap()
            .map(|f| std::fs::read(f.unwrap().path()).unwrap())
            .collect();
        assert!(kept.contains(&content(1, 5000)), "the bytes of the refused draft are gone");
        mount.stop_with_code();
    }
}
