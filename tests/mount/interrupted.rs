//! Sentence 3.9: half a file is never published, and never lost either.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::actor::{python, sh};
use crate::support::mount::{Kind, Setup, TestMount, content, eventually, sha};

on_both_stores! {
    s3_9_killed_writer_publishes_nothing,
    s3_9_killed_writer_beside_an_object_publishes_nothing,
    s3_8_empty_draft_beside_an_object_is_dropped_when_the_daemon_was_killed,
    s3_8_empty_draft_with_a_delete_is_left_to_it_when_the_daemon_was_killed,
}

/// The bytes of every staging file.
fn staged(mount: &TestMount) -> Vec<String> {
    let files = std::fs::read_dir(mount.state().join("staging")).unwrap();
    files.map(|f| sha(&std::fs::read(f.unwrap().path()).unwrap())).collect()
}

fn s3_9_killed_writer_publishes_nothing(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let signals = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::SEGV, Signal::PIPE];
    for (n, signal) in signals.into_iter().enumerate() {
        let mut writer = mount.actor();
        writer.run("signal.signal(signal.SIGPIPE, signal.SIG_DFL); import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))");
        writer.run(&format!(
            "fd = os.open(p('documents/{n}.pdf'), WRITE_NEW); write_all(fd, content({n}, 300_000))"
        ));
        assert!(mount.exists(&format!("documents/{n}.pdf")));
        writer.die_of(signal);
        let wanted = n as u64 + 1;
        eventually(&format!("{signal:?} is noticed"), || mount.drafts("interrupted") == wanted);
        assert!(mount.names("documents").is_empty(), "{signal:?}: half a file is shown");
        assert!(staged(&mount).contains(&sha(&content(n as u64, 300_000))), "{signal:?}: the bytes are gone");
        assert!(mount.has_event(&["interrupted", &format!("documents/{n}.pdf")]));
    }
    mount.stop_with_code();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

fn s3_9_killed_writer_beside_an_object_publishes_nothing(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 5000)).start();
    for flags in ["os.O_WRONLY | os.O_TRUNC", "os.O_WRONLY | os.O_APPEND"] {
        let mut writer = mount.actor();
        writer.run(&format!("fd = os.open(p('documents/a.pdf'), {flags}); write_all(fd, b'half')"));
        assert_eq!(mount.names("documents").len(), 2);
        writer.die_of(Signal::KILL);
        eventually("it is noticed", || mount.names("documents") == ["a.pdf"]);
    }
    mount.stop_with_code();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// 3.8: its last close is the daemon's end, whatever an earlier close had saved of it.
fn s3_8_empty_draft_beside_an_object_is_dropped_when_the_daemon_was_killed(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 5000)).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), os.O_RDWR); os.ftruncate(fd, 0); os.close(os.dup(fd))");
    assert_eq!(mount.drafts("waiting"), 1);
    mount.kill();
    drop(writer);
    mount.start();
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    assert_eq!(mount.read("documents/a.pdf"), content(1, 5000));
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// Another process has deleted it while it had content (3.4), which its writer has cut since.
fn s3_8_empty_draft_with_a_delete_is_left_to_it_when_the_daemon_was_killed(kind: Kind) {
    let config = "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"1h\"\n";
    let mut mount = Setup::new(kind).config(config).object("documents/a.pdf", content(1, 5000)).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), os.O_RDWR | os.O_TRUNC); write_all(fd, b'new'); os.close(os.dup(fd))");
    assert_eq!(mount.drafts("waiting"), 1);
    mount.actor().run("[os.unlink(p('documents/' + n)) for n in os.listdir(p('documents')) if n != 'a.pdf']");
    writer.run("os.ftruncate(fd, 0)");
    mount.kill();
    drop(writer);
    mount.start();
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// A child that has inherited the descriptor, and has not opened the file itself, finishes nothing by its end.
#[test]
fn s3_9_killed_writer_is_not_made_good_by_a_child_that_has_its_descriptor() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut actor = mount.actor();
    actor.run(
        "go, on = os.pipe(); pid = os.fork()\n\
         if pid == 0:\n\
        \x20   fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'half')\n\
        \x20   if os.fork() == 0:\n\
        \x20       os.close(on); os.read(go, 1); os._exit(0)\n\
        \x20   os.kill(os.getpid(), signal.SIGKILL)",
    );
    actor.run("os.waitpid(pid, 0); os.close(on)");
    eventually("it is noticed", || mount.drafts("interrupted") == 1);
    assert!(mount.names("documents").is_empty(), "half a file is shown");
    mount.stop_with_code();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

/// The name is free again at once, and what another makes of it is published.
#[test]
fn s3_9_name_of_an_interrupted_draft_is_free() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'half')");
    writer.die_of(Signal::TERM);
    eventually("it is noticed", || !mount.exists("documents/a.pdf"));
    sh("echo whole > \"$1\"", &[&mount.path("documents/a.pdf")]);
    mount.expect_objects(&[("documents/a.pdf", b"whole\n")]);
    mount.stop_with_code();
    mount.expect_objects(&[("documents/a.pdf", b"whole\n")]);
}

/// Real programs, killed in the middle.
#[test]
fn s3_9_killed_cp_and_shell_publish_nothing() {
    let mut mount = Setup::new(Kind::Dir).start();
    let scripts = [
        // the shell itself dies with its descriptor open
        "exec 3> \"$1\"; echo half >&3; kill -KILL $$",
        "exec 3> \"$1\"; /bin/echo half >&3; kill -TERM $$",
        // a program that a signal ends as it writes
        "exec 3<&0; { /bin/cat <&3 > \"$1\" & }; p=$!; while [ ! -s \"$1\" ]; do sleep 0.01; done; kill -KILL $p; wait $p || true",
    ];
    for (n, script) in scripts.iter().enumerate() {
        let target = mount.path(&format!("documents/{n}.pdf"));
        let mut child =
            Command::new("sh").args(["-c", script, "sh"]).arg(&target).stdin(Stdio::piped()).spawn().unwrap();
        if n == 2 {
            use std::io::Write;
            // The pipe stays open: cat is in the middle of its input when it dies. What is written here fits into the
            // pipe, so that it is written whether cat still reads or not.
            child.stdin.as_mut().unwrap().write_all(&content(1, 50_000)).unwrap();
        }
        child.wait_with_stdin_open();
        eventually(&format!("script {n} is noticed"), || mount.names("documents").is_empty());
    }
    mount.stop_with_code();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

trait WaitOpen {
    fn wait_with_stdin_open(&mut self);
}

impl WaitOpen for std::process::Child {
    /// `Child::wait` would close its standard input first.
    fn wait_with_stdin_open(&mut self) {
        let stdin = self.stdin.take();
        self.wait().unwrap();
        drop(stdin);
    }
}

/// A process with several threads: a normal end with threads still running is no kill; a kill is one, whichever
/// thread wrote.
#[test]
fn s3_9_threads_are_judged_by_the_end_of_their_process() {
    let mut mount = Setup::new(Kind::Dir).start();
    let program = "import os, sys, threading, time\n\
        fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n\
        def work():\n\
        \x20   os.write(fd, b'written by a thread'); done.set(); time.sleep(600)\n\
        done = threading.Event()\n\
        threading.Thread(target=work, daemon=True).start(); done.wait()\n\
        exec(sys.argv[2])";
    let run = |name: &str, end: &str| {
        let target = mount.path(&format!("documents/{name}"));
        Command::new(python()).args(["-c", program]).arg(target).arg(end).status().unwrap()
    };
    // exit_group kills the other threads, and they share the descriptor
    assert!(run("ended.txt", "os._exit(0)").success());
    assert!(!run("failed.txt", "os._exit(3)").success());
    assert!(!run("killed.txt", "os.kill(os.getpid(), 9)").success());
    eventually("two are published", || mount.keys().len() == 2);
    eventually("one is interrupted", || mount.drafts("interrupted") == 1);
    mount.expect_objects(&[
        ("documents/ended.txt", b"written by a thread"),
        ("documents/failed.txt", b"written by a thread"),
    ]);
    mount.stop_with_code();
}

/// A killed process that only inherited the descriptor and did not write: it is the parent's file.
#[test]
fn s3_9_killed_child_that_did_not_write_leaves_the_file_to_its_parent() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'whole'); pid = os.fork()\nif pid == 0: signal.pause()");
    writer.run("os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)");
    assert!(mount.exists("documents/a.pdf"));
    writer.run("os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", b"whole")]);
    mount.stop();
}

/// A writer killed before it wrote anything: not even an empty object comes of it.
#[test]
fn s3_9_writer_killed_before_its_first_write_publishes_nothing() {
    let config = "[write]\nfree_floor = \"1MiB\"\nempty_after = \"100ms\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW)");
    writer.die_of(Signal::KILL);
    eventually("it is out of the directory", || !mount.exists("documents/a.pdf"));
    mount.stop_with_code();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

/// A process that is killed and only had the file open takes nothing from what others have closed: neither an empty file
/// that waits to be filled, nor content.
#[test]
fn s3_9_killed_process_that_changed_nothing_leaves_what_others_have_finished() {
    let mut mount = Setup::new(Kind::Dir).start();
    let (mut maker, mut other) = (mount.actor(), mount.actor());
    maker.run("write(p('documents/empty.pdf'), b''); fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'whole')");
    other.run("fds = [os.open(p('documents/' + n), os.O_WRONLY) for n in ('a.pdf', 'empty.pdf')]");
    maker.run("os.close(fd)");
    other.die_of(Signal::KILL);
    eventually("it is published", || mount.keys() == ["documents/a.pdf"]);
    assert_eq!(mount.names("documents"), ["a.pdf", "empty.pdf"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"whole"), ("documents/empty.pdf", b"")]);
}

/// One of two writers is killed, and the other goes on: what his close has acknowledged is published.
#[test]
fn s3_9_writer_who_lives_closes_what_a_killed_one_has_begun() {
    let mut mount = Setup::new(Kind::Dir).start();
    let (mut killed, mut lives) = (mount.actor(), mount.actor());
    killed.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'half')");
    lives.run("fd = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_APPEND)");
    killed.die_of(Signal::KILL);
    lives.run("write_all(fd, b' and half'); os.close(fd)");
    mount.expect_objects(&[("documents/a.pdf", b"half and half")]);
    mount.stop();
}

/// The other one had it open and changed nothing: it is half a file.
#[test]
fn s3_9_who_changed_nothing_does_not_finish_what_a_killed_one_has_begun() {
    let mut mount = Setup::new(Kind::Dir).start();
    let (mut killed, mut lives) = (mount.actor(), mount.actor());
    killed.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'half')");
    lives.run("fd = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_APPEND)");
    killed.die_of(Signal::KILL);
    lives.run("os.close(fd)");
    eventually("it is out of the directory", || mount.drafts("interrupted") == 1);
    assert!(mount.names("documents").is_empty() && mount.keys().is_empty());
    mount.stop_with_code();
}

/// It was given a size before its data, and its writer vanished: what is missing is not zeros.
#[test]
fn s3_9_file_sized_first_and_not_filled_is_not_published() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); os.ftruncate(fd, 100_000); write_all(fd, content(1, 60_000))");
    writer.leave();
    eventually("it is out of the directory", || mount.drafts("interrupted") == 1);
    assert!(!mount.exists("documents/a.pdf"));
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/b.pdf'), WRITE_NEW); os.posix_fallocate(fd, 0, 100_000); os.pwrite(fd, content(1, 60_000), 40_000)");
    writer.leave();
    eventually("it is out of the directory", || mount.drafts("interrupted") == 2);
    mount.stop_with_code();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

/// Scratch files of a killed writer stay as they are: their maker may go on with them.
#[test]
fn s3_9_scratch_file_of_a_killed_writer_stays() {
    let mut mount = Setup::new(Kind::Dir).start();
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf.part'), WRITE_NEW); write_all(fd, b'half')");
    writer.die_of(Signal::KILL);
    sh(
        "cat \"$2\" >> \"$1.part\"; mv \"$1.part\" \"$1\"",
        &[&mount.path("documents/a.pdf"), &mount.host_file("rest", b" and half")],
    );
    mount.expect_objects(&[("documents/a.pdf", b"half and half")]);
    mount.stop();
}
