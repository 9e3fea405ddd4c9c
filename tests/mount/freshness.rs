//! Section 8: what is seen when of what happened here, elsewhere, or while nobody answers.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::FRESH;
use crate::support::mount::{Kind, Setup, eventually};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s8_1_what_this_mount_did_is_seen_at_once,
    s8_2_name_that_is_not_known_is_asked_for,
    s8_2_others_changes_show_when_the_listing_is_old,
    s8_2_others_changes_show_at_an_open,
    s8_2_exclusive_open_finds_a_deleted_name_taken_until_the_next_listing,
    s8_2_fresh_listing_answers_until_then,
    s8_2_two_mounts_see_each_other,
}

/// What is known is believed for an hour.
const LONG: &str =
    "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"0s\"\n[read]\nlist_ttl = \"1h\"\nmiss_ttl = \"1h\"\n";

fn s8_1_what_this_mount_did_is_seen_at_once(kind: Kind) {
    let mut mount = Setup::new(kind).config(LONG).object("documents/old.pdf", "old").start();
    let (mut user, mut other) = (mount.actor(), mount.actor());
    let mut see = move || other.run("sorted(os.listdir(p('documents')) + os.listdir(p('rfp_exports')))");
    assert_eq!(see(), json!(["old.pdf"]));
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW)");
    assert_eq!(see(), json!(["a.pdf", "old.pdf"]));
    user.run("write_all(fd, b'x'); os.close(fd)");
    assert_eq!(see(), json!(["a.pdf", "old.pdf"]));
    user.run("os.rename(p('documents/a.pdf'), p('documents/b.pdf')); os.mkdir(p('rfp_exports/7'))");
    assert_eq!(see(), json!(["7", "b.pdf", "old.pdf"]));
    user.run("os.unlink(p('documents/b.pdf')); os.rmdir(p('rfp_exports/7'))");
    assert_eq!(see(), json!(["old.pdf"]));
    // under the name it got
    user.run("write(p('documents/old.pdf'), b'new')");
    let alternative = mount.alternatives("documents/old.pdf").remove(0);
    let name = alternative.trim_start_matches("documents/").to_owned();
    assert_eq!(see(), json!(["old.pdf", name]));
    let mut third = mount.actor();
    assert_eq!(third.run(&format!("os.stat(p('{alternative}')).st_size")), 3);
    assert_eq!(
        (mount.read("documents/old.pdf"), mount.read(&alternative)),
        (b"old".to_vec(), b"new".to_vec())
    );
    mount.stop();
}

fn s8_2_name_that_is_not_known_is_asked_for(kind: Kind) {
    let config = LONG.replace("miss_ttl = \"1h\"", "miss_ttl = \"0s\"");
    let mut mount = Setup::new(kind).config(&config).object("documents/a.pdf", "a").start();
    let mut user = mount.actor();
    assert_eq!(user.run("os.listdir(p('documents'))"), json!(["a.pdf"]));
    assert_eq!(user.fails("os.stat(p('documents/b.pdf'))"), "ENOENT");
    mount.put_object("documents/b.pdf", b"b");
    mount.put_object("rfp_exports/7/c.csv", b"c");
    assert_eq!(
        user.run("read(p('documents/b.pdf')) == b'b' and read(p('rfp_exports/7/c.csv')) == b'c'"),
        true
    );
    // from then on it is in the listing, too
    assert_eq!(user.run("sorted(os.listdir(p('documents')))"), json!(["a.pdf", "b.pdf"]));
    // and what takes its name does not replace it
    mount.put_object("documents/c.pdf", b"theirs");
    user.run("write(p('documents/c.pdf'), b'ours')");
    assert_eq!(
        (mount.object("documents/c.pdf"), mount.alternative("documents/c.pdf")),
        (b"theirs".to_vec(), b"ours".to_vec())
    );
    mount.stop();
}

fn s8_2_fresh_listing_answers_until_then(kind: Kind) {
    let mut mount =
        Setup::new(kind).config(LONG).object("documents/a.pdf", "a").object("documents/b.pdf", "b").start();
    let mut user = mount.actor();
    assert_eq!(user.run("sorted(os.listdir(p('documents')))"), json!(["a.pdf", "b.pdf"]));
    mount.put_object("documents/c.pdf", b"c");
    mount.remove_object("documents/b.pdf");
    assert_eq!(user.fails("os.stat(p('documents/c.pdf'))"), "ENOENT");
    assert_eq!(user.run("sorted(os.listdir(p('documents')))"), json!(["a.pdf", "b.pdf"]));
    // a listing of before the start is none
    mount.stop();
    mount.start();
    assert_eq!(mount.names("documents"), ["a.pdf", "c.pdf"]);
    mount.stop();
}

fn s8_2_others_changes_show_when_the_listing_is_old(kind: Kind) {
    let config = LONG.replace("_ttl = \"1h\"", "_ttl = \"1s\"");
    let mut mount = Setup::new(kind)
        .config(&config)
        .object("documents/gone.pdf", "x")
        .object("documents/other.pdf", "old")
        .object("rfp_exports/7/a.csv", "x")
        .start();
    assert_eq!(mount.names("documents"), ["gone.pdf", "other.pdf"]);
    assert_eq!(mount.names("rfp_exports"), ["7"]);
    mount.remove_object("documents/gone.pdf");
    mount.put_object("documents/other.pdf", b"longer than before");
    mount.put_object("documents/new.pdf", b"x");
    mount.remove_object("rfp_exports/7/a.csv");
    let began = Instant::now();
    eventually("the listing is right", || mount.names("documents") == ["new.pdf", "other.pdf"]);
    eventually("the other one, too", || mount.names("rfp_exports").is_empty());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?} for a list_ttl of 1 s");
    assert_eq!(std::fs::metadata(mount.path("documents/other.pdf")).unwrap().len(), 18);
    assert_eq!(mount.read("documents/other.pdf"), b"longer than before");
    mount.stop();
}

/// 8.2: at the first open after `list_ttl`, without a listing in between.
fn s8_2_others_changes_show_at_an_open(kind: Kind) {
    let config = LONG.replace("list_ttl = \"1h\"", "list_ttl = \"0s\"");
    let mut mount = Setup::new(kind)
        .config(&config)
        .object("documents/gone.pdf", "x")
        .object("documents/other.pdf", "old")
        .start();
    assert_eq!(mount.read("documents/gone.pdf"), b"x");
    assert_eq!(mount.read("documents/other.pdf"), b"old");
    mount.remove_object("documents/gone.pdf");
    mount.put_object("documents/other.pdf", b"new");
    let mut user = mount.actor();
    assert_eq!(user.fails("read(p('documents/gone.pdf'))"), "ENOENT");
    assert_eq!(mount.read("documents/other.pdf"), b"new");
    // an open for writing begins with what is there now
    mount.put_object("documents/other.pdf", b"newer");
    user.run("write(p('documents/other.pdf'), b'!', os.O_WRONLY | os.O_APPEND)");
    assert_eq!(mount.object("documents/other.pdf"), b"newer");
    assert_eq!(mount.alternative("documents/other.pdf"), b"newer!");
    mount.stop();
}

/// 8.2: the kernel answers O_EXCL by a look-up, which is no open.
fn s8_2_exclusive_open_finds_a_deleted_name_taken_until_the_next_listing(kind: Kind) {
    let config = LONG.replace("list_ttl = \"1h\"", "list_ttl = \"0s\"");
    let mut mount = Setup::new(kind).config(&config).object("documents/gone.pdf", "x").start();
    let mut user = mount.actor();
    assert_eq!(mount.read("documents/gone.pdf"), b"x");
    mount.remove_object("documents/gone.pdf");
    let make = "os.close(os.open(p('documents/gone.pdf'), os.O_WRONLY | os.O_CREAT | os.O_EXCL))";
    assert_eq!(user.fails(make), "EEXIST");
    assert!(mount.names("documents").is_empty());
    user.run(make);
    mount.stop();
}

fn s8_2_two_mounts_see_each_other(kind: Kind) {
    let mut one = Setup::new(kind).config(FRESH).start();
    let mut two = Setup::new(kind).config(FRESH).bucket_of(&one).start();
    one.actor().run("write(p('documents/a.pdf'), b'from one')");
    assert_eq!(two.read("documents/a.pdf"), b"from one");
    two.actor().run("write(p('documents/a.pdf'), b'from two')");
    assert_eq!(one.names("documents").len(), 2);
    assert_eq!(one.read(&one.alternatives("documents/a.pdf")[0]), b"from two");
    two.actor().run("os.unlink(p('documents/a.pdf'))");
    eventually("it is gone for the other, too", || one.names("documents").len() == 1);
    assert!(!one.exists("documents/a.pdf"));
    one.stop();
    two.stop();
}

/// More than one page of a listing.
fn many(kind: Kind, config: &str) -> crate::support::mount::TestMount {
    let setup = (0..1200)
        .fold(Setup::new(kind).config(config), |s, n| s.object(&format!("documents/m{n:04}.pdf"), "x"));
    setup.start()
}

/// 8.2: only a listing that ended without error removes names.
#[test]
fn s8_2_listing_that_fails_on_the_way_removes_nothing() {
    let config = FRESH.replace("[read]", "[read]\ndeadline = \"3s\"");
    let mut mount = many(Kind::S3, &config);
    assert_eq!(mount.names("documents").len(), 1200);
    for n in 0..1100 {
        mount.remove_object(&format!("documents/m{n:04}.pdf"));
        mount.put_object(&format!("documents/n{n:04}.pdf"), b"x");
    }
    let second_page = When { method: Some("GET"), key: String::new(), query: "continuation-token" };
    for fault in [Fault::Status(500, "InternalError"), Fault::Cut, Fault::TruncateBody(2000)] {
        mount.server().faults().clear();
        mount.server().faults().inject(second_page.clone(), fault.clone(), usize::MAX);
        let names = mount.names("documents");
        assert!(names.iter().filter(|n| n.starts_with('m')).count() == 1200, "{fault:?} has removed names");
    }
    mount.server().faults().clear();
    eventually("the store is there again", || {
        mount.names("documents").len() == 1200 && !mount.exists("documents/m0000.pdf")
    });
    assert_eq!(mount.names("documents").iter().filter(|n| n.starts_with('n')).count(), 1100);
    mount.stop();
}

/// 8.2: a listing does not undo what this mount did since it began.
#[test]
fn s8_2_listing_does_not_undo_what_happened_meanwhile() {
    let mut mount = many(Kind::S3, LONG);
    let mut user = mount.actor();
    user.run("write(p('documents/a1.pdf'), b'x'); write(p('documents/a2.pdf'), b'x')");
    // the first listing, and the only one: all of it happens in the range of the first page, while the second is on its way
    let (asked, go) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let (tell, wait) = (asked.0, std::sync::Mutex::new(go.1));
    mount.server().faults().meanwhile(
        When { method: Some("GET"), key: String::new(), query: "continuation-token" },
        move || {
            tell.send(()).unwrap();
            let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(20));
        },
    );
    let path = mount.path("documents");
    let listing = std::thread::spawn(move || std::fs::read_dir(path).unwrap().count());
    asked.1.recv_timeout(Duration::from_secs(20)).unwrap();
    user.run("write(p('documents/b1.pdf'), b'x'); os.rename(p('documents/a1.pdf'), p('documents/b2.pdf')); os.unlink(p('documents/a2.pdf'))");
    mount.put_object("documents/b3.pdf", b"theirs");
    assert_eq!(mount.read("documents/b3.pdf"), b"theirs");
    go.0.send(()).unwrap();
    listing.join().unwrap();
    let names = mount.names("documents");
    let pages =
        mount.server().faults().requests().into_iter().filter(|r| r.query.contains("continuation-token"));
    assert_eq!(pages.count(), 1, "another listing hides what this one did");
    let mine: Vec<&str> = names.iter().map(String::as_str).filter(|n| !n.starts_with('m')).collect();
    assert_eq!(mine, ["b1.pdf", "b2.pdf", "b3.pdf"]);
    for (name, there) in [("a1", false), ("a2", false), ("b1", true), ("b2", true), ("b3", true)] {
        assert_eq!(mount.exists(&format!("documents/{name}.pdf")), there, "{name}");
    }
    mount.stop();
}

/// 8.3: the directory of a `file://` store that is away is a store that does not answer, not an empty one.
#[test]
fn s8_3_store_directory_that_is_away_is_not_empty() {
    let config = FRESH.replace("[read]", "[read]\ndeadline = \"3s\"");
    let mut mount = Setup::new(Kind::Dir).config(&config).object("documents/a.pdf", "a").start();
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    let (store, away) = (mount.store_file(""), mount.host("away"));
    std::fs::rename(&store, &away).unwrap();
    assert_eq!(mount.names("documents"), ["a.pdf"], "it was taken for deleted");
    let mut user = mount.actor();
    assert_eq!(user.fails("os.listdir(p('rfp_exports'))"), "EIO");
    std::fs::rename(&away, &store).unwrap();
    eventually("it is back", || std::fs::read(mount.path("documents/a.pdf")).is_ok_and(|d| d == b"a"));
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    mount.stop();
}

/// 8.3: what is known is served, what is not known is not there, and nothing is taken for deleted.
#[test]
fn s8_3_what_is_known_is_served_while_the_store_is_away() {
    let config =
        "[write]\nfree_floor = \"1MiB\"\n[read]\nlist_ttl = \"0s\"\nmiss_ttl = \"0s\"\ndeadline = \"3s\"\n";
    let mut mount = Setup::new(Kind::S3)
        .config(config)
        .object("documents/read.pdf", "cached")
        .object("documents/seen.pdf", "not cached")
        .start();
    let mut user = mount.actor();
    assert_eq!(user.run("sorted(os.listdir(p('documents')))"), json!(["read.pdf", "seen.pdf"]));
    assert_eq!(mount.read("documents/read.pdf"), b"cached");
    mount.server().faults().inject(When::default(), Fault::Hang, usize::MAX); // the worst: it takes requests and says nothing
    let mut answers = |code: &str, errno: Option<&str>| {
        let began = Instant::now();
        match errno {
            Some(errno) => assert_eq!(user.fails(code), errno, "{code}"),
            None => drop(user.run(code)),
        }
        // `deadline`, and what a loaded machine adds
        assert!(began.elapsed() < Duration::from_secs(3 + 5), "{code} took {:?}", began.elapsed());
    };
    answers("assert sorted(os.listdir(p('documents'))) == ['read.pdf', 'seen.pdf']", None);
    answers("assert os.stat(p('documents/seen.pdf')).st_size == 10", None);
    answers("assert read(p('documents/read.pdf')) == b'cached'", None);
    answers("os.stat(p('documents/never.pdf'))", Some("ENOENT"));
    answers("os.listdir(p('rfp_exports'))", Some("EIO"));
    answers("read(p('documents/seen.pdf'))", Some("EIO"));
    answers("os.mkdir(p('rfp_exports/8'))", None);
    answers("fd = os.open(p('documents/draft.pdf'), WRITE_NEW); write_all(fd, b'x'); os.fsync(fd)", None);
    eventually("it is known to be down", || !mount.status()["store_state"]["reachable"].as_bool().unwrap());
    let state = mount.status()["store_state"].clone();
    assert!(state["since"].as_str().unwrap().starts_with("20") && state["error"].is_string(), "{state}");
    let out = mount.cli(&["status", mount.path("").to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("store: unreachable since 20"));
    mount.server().faults().clear();
    eventually("it is back", || {
        mount.exists("documents/whoever-asks.pdf");
        mount.status()["store_state"]["reachable"].as_bool().unwrap()
    });
    assert_eq!(mount.read("documents/seen.pdf"), b"not cached");
    user.run("os.close(fd)");
    eventually("it is published", || mount.keys().len() == 3);
    mount.stop();
}
