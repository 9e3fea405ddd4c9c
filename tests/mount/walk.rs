//! Semantics 7.2: the next files of a walk are made ready before they are opened.

use std::time::Duration;

use serde_json::json;

use crate::passthrough::cache_stat;
use crate::support::actor::Actor;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};
use crate::support::s3server::{Fault, When};

/// Opens the files in order and remembers what was in them.
const WALK: &str = "names = sorted(os.listdir(p('documents')))\ngot = {}\n\
    def walk(some):\n    for n in some: got[n] = read(p('documents/' + n))";

fn name(number: u64) -> String {
    format!("documents/f{number:02}.pdf")
}

/// A mount with so many files of `size` bytes, and somebody who has listed them.
fn start(files: u64, size: usize, config: &str) -> (TestMount, Actor) {
    let setup = Setup::new(Kind::S3).config(config);
    let mount = (0..files).fold(setup, |s, n| s.object(&name(n), content(n, size))).start();
    let mut user = mount.actor();
    user.run(WALK);
    (mount, user)
}

fn gets(mount: &TestMount) -> usize {
    mount.server().faults().count("GET", "documents/")
}

/// Every object is asked for once, whoever walks over it.
#[test]
fn s7_2_walk_finds_its_files_ready_and_asks_for_each_of_them_once() {
    let (mut mount, mut user) = start(40, 5000, "");
    user.run("walk(names[:2])");
    eventually("the next ones are fetched", || gets(&mount) == 4);
    user.run("walk(names[2:20])");
    eventually("ever more are", || gets(&mount) >= 29);
    user.run("walk(names[20:])");
    assert_eq!(user.run("len(got)"), json!(40));
    for n in 0..40 {
        assert_eq!(mount.server().faults().count("GET", &name(n)), 1, "{n}");
        assert!(mount.read(&name(n)) == content(n, 5000), "{n}");
    }
    assert_eq!(mount.server().faults().count("HEAD", "documents/f"), 0);
    mount.stop();
}

/// What is opened here and there is what is fetched.
#[test]
fn s7_2_files_opened_in_no_order_are_all_that_is_fetched() {
    let (mut mount, mut user) = start(40, 5000, "");
    user.run("walk(names[n] for n in (30, 0, 20, 10, 39, 5, 25, 15))");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(gets(&mount), 8);
    mount.stop();
}

/// Of files whose readers look at the head alone no more is fetched than at their first read.
#[test]
fn s7_2_walk_over_heads_fetches_heads() {
    let (mut mount, mut user) = start(40, 300_000, "");
    user.run(
        "for n in names[:4]:\n    fd = os.open(p('documents/' + n), os.O_RDONLY); os.pread(fd, 100, 0); os.close(fd)",
    );
    let asked = |mount: &TestMount| {
        let all = mount.server().faults().requests().into_iter();
        let gets = all.filter(|r| r.method == "GET" && r.key.starts_with("documents/f"));
        gets.map(|r| (r.key, r.headers.get("range").map(|v| v.to_str().unwrap().to_owned())))
            .collect::<Vec<_>>()
    };
    eventually("the next ones are fetched", || asked(&mount).len() == 12);
    for (key, range) in asked(&mount) {
        assert_eq!(range.as_deref(), Some("bytes=0-131071"), "{key}");
    }
    // who reads to the end gets the next ones whole
    user.run("walk(names[4:20])");
    eventually("all of it is fetched", || asked(&mount).contains(&(name(28), None)));
    mount.stop();
}

/// 8.2: a version that was fetched ahead counts as seen for no longer than a listing does.
#[test]
fn s8_2_walk_asks_for_no_version_twice_and_finds_what_was_replaced() {
    let (mut mount, mut user) = start(8, 5000, "[read]\nlist_ttl = \"2s\"\n");
    user.run("import time; time.sleep(2.1)");
    user.run("walk(names[:2])");
    // what was asked for has come, too: an open that meets a fetch under way cannot know the version yet, and asks for it
    eventually("the next ones are fetched", || cache_stat(&mount, "files") == 4);
    user.run("walk(names[2:4])");
    let heads = |n| mount.server().faults().count("HEAD", &name(n));
    assert_eq!((heads(2), heads(3)), (0, 0), "the fetch has said which version it is");
    eventually("the next ones are fetched", || mount.server().faults().count("GET", &name(6)) == 1);
    mount.put_object(&name(6), &content(99, 5000));
    user.run("time.sleep(2.1); walk(names[4:])");
    assert_eq!(user.run("got['f06.pdf'] == content(99, 5000)"), json!(true));
    assert_eq!(user.run("got['f07.pdf'] == content(7, 5000)"), json!(true));
    mount.stop();
}

/// What fails ahead of a walk is no reader's failure.
#[test]
fn s7_2_fetch_ahead_that_fails_is_asked_for_again_by_the_reader() {
    let (mut mount, mut user) = start(8, 5000, "");
    mount.server().faults().inject(When::method("GET", &name(2)), Fault::Status(403, "AccessDenied"), 1);
    mount.server().faults().inject(When::method("GET", &name(3)), Fault::TruncateBody(2000), 1);
    user.run("walk(names[:2])");
    eventually("the next ones are fetched", || gets(&mount) >= 4);
    user.run("walk(names[2:])");
    for n in 0..8 {
        assert_eq!(user.run(&format!("got['f0{n}.pdf'] == content({n}, 5000)")), json!(true), "{n}");
    }
    mount.stop();
}
