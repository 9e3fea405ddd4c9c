//! Sentence 3.14: what was not published is listed, shown again, copied away or removed, and only at somebody's word.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop with what it saw"
)]

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::mount::{Kind, Setup, TestMount, content, eventually, is_alternative};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s3_14_1_list_tells_of_every_interrupted_draft,
    s3_14_2_retry_publishes_under_the_name_that_was_asked_for,
    s3_14_3_retry_takes_an_alternative_where_the_name_is_held,
    s3_14_4_save_copies_to_a_new_file_only_and_keeps_the_draft,
    s3_14_5_discard_removes_content_and_record,
    s3_14_6_drafts_of_an_earlier_run_are_dealt_with_like_those_of_this_one,
}

/// What `cairnfs drafts list --json` tells.
#[track_caller]
fn listed(mount: &TestMount) -> Vec<Value> {
    let out = mount.cli(&["drafts", "list", mount.path("").to_str().unwrap(), "--json"]);
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)))
}

/// Returns the id of the one kept draft.
#[track_caller]
fn the_id(mount: &TestMount) -> String {
    let drafts = listed(mount);
    assert_eq!(drafts.len(), 1, "{drafts:?}");
    drafts[0]["id"].as_str().unwrap().to_owned()
}

/// Runs `cairnfs drafts ACTION MOUNTPOINT args…`; returns exit code, output and errors.
fn drafts(mount: &TestMount, action: &str, args: &[&str]) -> (i32, String, String) {
    let root = mount.path("");
    let out = mount.cli(&[&["drafts", action, root.to_str().unwrap()], args].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

/// As [`drafts`], which must succeed without a word on standard error.
#[track_caller]
fn done(mount: &TestMount, action: &str, args: &[&str]) -> String {
    let (code, out, err) = drafts(mount, action, args);
    assert!(code == 0 && err.is_empty(), "{code}: {out}{err}");
    out
}

/// Leaves an interrupted draft of `path` behind.
#[track_caller]
fn interrupt(mount: &TestMount, path: &str, seed: u64, size: usize) {
    let before = listed(mount).len();
    fs::create_dir_all(mount.path(path).parent().unwrap()).unwrap();
    let mut writer = mount.actor();
    writer.run(&format!("fd = os.open(p('{path}'), WRITE_NEW); write_all(fd, content({seed}, {size}))"));
    writer.die_of(Signal::KILL);
    eventually("it is interrupted", || listed(mount).len() == before + 1);
}

fn s3_14_1_list_tells_of_every_interrupted_draft(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    assert_eq!(listed(&mount), Vec::<Value>::new());
    assert_eq!(done(&mount, "list", &[]), "");
    interrupt(&mount, "documents/a.pdf", 1, 70_000);
    interrupt(&mount, "rfp_exports/7/b.csv", 2, 10);
    let drafts = listed(&mount);
    for (draft, path, size) in
        [(&drafts[0], "documents/a.pdf", 70_000), (&drafts[1], "rfp_exports/7/b.csv", 10)]
    {
        assert_eq!((draft["state"].as_str(), draft["path"].as_str()), (Some("interrupted"), Some(path)));
        assert_eq!(draft["size"].as_u64(), Some(size));
        assert_eq!(draft["shown_as"], Value::Null);
        assert!(draft["written_at"].as_str().unwrap().starts_with("20"), "{draft}");
        assert!(draft["reason"].as_str().unwrap().contains("killed"), "{draft}");
    }
    let text = done(&mount, "list", &[]);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains("68.36 KiB") && text.contains("  documents/a.pdf: its writer was killed"),
        "{text}"
    );
    mount.stop();
    mount.expect_objects(&[]);
}

fn s3_14_2_retry_publishes_under_the_name_that_was_asked_for(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    interrupt(&mount, "documents/a.pdf", 1, 70_000);
    interrupt(&mount, "rfp_exports/7/b.csv", 2, 10);
    // the directory of the second goes meanwhile
    fs::remove_dir(mount.path("rfp_exports/7")).unwrap();
    assert_eq!(done(&mount, "retry", &["--all"]), "documents/a.pdf\nrfp_exports/7/b.csv\n");
    assert_eq!(mount.read("documents/a.pdf"), content(1, 70_000));
    assert_eq!(mount.read("rfp_exports/7/b.csv"), content(2, 10));
    eventually("both are published", || mount.keys().len() == 2);
    mount.expect_objects(&[
        ("documents/a.pdf", &content(1, 70_000)),
        ("rfp_exports/7/b.csv", &content(2, 10)),
    ]);
    eventually("nothing is kept", || listed(&mount).is_empty() && mount.drafts("publishing") == 0);
    assert_eq!(done(&mount, "retry", &["--all"]), "");
    mount.stop();
}

fn s3_14_3_retry_takes_an_alternative_where_the_name_is_held(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    interrupt(&mount, "documents/a.pdf", 1, 5000);
    fs::write(mount.path("documents/a.pdf"), "the next one").unwrap();
    let id = the_id(&mount);
    // a beginning of the id that no other draft has
    let shown = done(&mount, "retry", &[&id[..12]]).trim_end().to_owned();
    assert!(is_alternative(&shown, "documents/a.pdf"), "{shown}");
    assert_eq!(mount.read(&shown), content(1, 5000));
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"the next one"), (&shown, &content(1, 5000))]);
}

fn s3_14_4_save_copies_to_a_new_file_only_and_keeps_the_draft(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    interrupt(&mount, "documents/a.pdf", 1, 3_000_001);
    let id = the_id(&mount);
    let copy = mount.host("copy.pdf");
    let copy_name = copy.to_str().unwrap();
    assert_eq!(done(&mount, "save", &[&id, copy_name]), "");
    assert!(fs::read(&copy).unwrap() == content(1, 3_000_001));
    fs::write(&copy, "mine").unwrap();
    let (code, _, err) = drafts(&mount, "save", &[&id, copy_name]);
    assert!(code == 1 && err.contains("copy.pdf: exists already"), "{err}");
    assert_eq!(fs::read(&copy).unwrap(), b"mine");
    assert_eq!(the_id(&mount), id);
    // into the mount itself, where it becomes a document like any other
    done(&mount, "save", &[&id, mount.path("documents/rescued.pdf").to_str().unwrap()]);
    mount.expect_objects(&[("documents/rescued.pdf", &content(1, 3_000_001))]);
    mount.stop();
}

fn s3_14_5_discard_removes_content_and_record(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    interrupt(&mount, "documents/a.pdf", 1, 5000);
    interrupt(&mount, "documents/b.pdf", 2, 5000);
    let id = listed(&mount)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(done(&mount, "discard", &[&id]), "");
    assert_eq!(listed(&mount).len(), 1);
    assert!(!mount.state().join("staging").join(&id).exists());
    assert!(mount.has_event(&["discarded", "documents/a.pdf"]));
    for action in ["discard", "retry"] {
        let (code, out, err) = drafts(&mount, action, &[&id]);
        assert!(code == 1 && out.is_empty() && err.contains("'cairnfs drafts list' shows them"), "{err}");
    }
    // no id is a beginning of every id
    let (code, _, err) = drafts(&mount, "discard", &[""]);
    assert!(code == 1 && err.contains("no failed or interrupted draft"), "{err}");
    assert_eq!(listed(&mount).len(), 1);
    mount.stop();
    mount.expect_objects(&[]);
}

fn s3_14_6_drafts_of_an_earlier_run_are_dealt_with_like_those_of_this_one(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/old.pdf", "old").start();
    interrupt(&mount, "documents/a.pdf", 1, 5000);
    let mut writer = mount.actor();
    // beside an object: it had an alternative name, and gets that again
    writer.run("fd = os.open(p('documents/old.pdf'), os.O_WRONLY | os.O_TRUNC); write_all(fd, b'new')");
    mount.kill();
    writer.leave();
    mount.start();
    assert_eq!(mount.names("documents"), ["old.pdf"]);
    let ids: Vec<String> = listed(&mount).iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 2);
    let out = done(&mount, "retry", &[&ids[0], &ids[1]]);
    let shown: Vec<&str> = out.lines().collect();
    assert!(shown.contains(&"documents/a.pdf"), "{out}");
    assert!(shown.iter().any(|s| is_alternative(s, "documents/old.pdf")), "{out}");
    mount.stop();
    mount.expect_objects(&[
        ("documents/a.pdf", &content(1, 5000)),
        ("documents/old.pdf", b"old"),
        ("documents/old_*.pdf", b"new"),
    ]);
}

/// A draft that the store refused, and takes later.
#[test]
fn s3_14_7_failed_draft_is_listed_with_its_reason_and_published_by_retry() {
    let mut mount = Setup::new(Kind::S3).start();
    let faults = mount.server().faults();
    faults.inject(When::method("PUT", "documents/"), Fault::Status(403, "AccessDenied"), 2);
    let mut writer = mount.actor();
    assert_eq!(writer.fails("write(p('documents/a.pdf'), content(1, 5000))"), "EACCES");
    assert!(mount.names("documents").is_empty());
    let id = the_id(&mount);
    assert_eq!(listed(&mount)[0]["state"], "failed");
    assert!(listed(&mount)[0]["reason"].as_str().unwrap().contains("denied"));
    // refused once more: acknowledged by now, so it stays visible
    assert_eq!(done(&mount, "retry", &[&id]), "documents/a.pdf\n");
    eventually("it fails again", || listed(&mount).iter().any(|d| d["shown_as"] == "documents/a.pdf"));
    assert_eq!(mount.read("documents/a.pdf"), content(1, 5000));
    assert_eq!(done(&mount, "retry", &[&id]), "documents/a.pdf\n");
    eventually("it is published", || mount.keys() == ["documents/a.pdf"]);
    eventually("nothing is kept", || listed(&mount).is_empty());
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// A retry is an acknowledgement: what it has said survives a kill.
#[test]
fn s3_14_8_retried_draft_survives_a_kill() {
    let mut mount = Setup::new(Kind::S3).start();
    interrupt(&mount, "documents/a.pdf", 1, 5000);
    mount.server().faults().inject(When::method("PUT", "documents/"), Fault::Hang, usize::MAX);
    assert_eq!(done(&mount, "retry", &["--all"]), "documents/a.pdf\n");
    mount.kill();
    mount.server().faults().clear();
    mount.start();
    eventually("it is published", || mount.keys() == ["documents/a.pdf"]);
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
    mount.stop();
}

/// The store did what it said that it refused: a retry finds the object and makes no second one.
#[test]
fn s3_14_9_retry_finds_what_an_earlier_attempt_has_stored() {
    let mut mount = Setup::new(Kind::S3).start();
    let after = Fault::StatusAfterDoing(403, "AccessDenied");
    mount.server().faults().inject(When::method("PUT", "documents/"), after, 1);
    let mut writer = mount.actor();
    assert_eq!(writer.fails("write(p('documents/a.pdf'), content(1, 5000))"), "EACCES");
    assert_eq!(done(&mount, "retry", &["--all"]), "documents/a.pdf\n");
    assert!(listed(&mount).is_empty());
    assert_eq!(mount.read("documents/a.pdf"), content(1, 5000));
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// Somebody writes to it: half of that must not be published.
#[test]
fn s3_14_10_draft_that_is_open_for_writing_is_not_retried_until_it_is_closed() {
    let mut mount = Setup::new(Kind::S3).start();
    interrupt(&mount, "documents/a.pdf", 1, 5000);
    let faults = mount.server().faults();
    faults.inject(When::method("PUT", "documents/"), Fault::Status(403, "AccessDenied"), 1);
    done(&mount, "retry", &["--all"]);
    eventually("it fails visibly", || listed(&mount).iter().any(|d| d["shown_as"] == "documents/a.pdf"));
    let mut writer = mount.actor();
    writer.run("fd = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_APPEND); write_all(fd, b'more')");
    let (code, out, err) = drafts(&mount, "retry", &["--all"]);
    assert!(code == 1 && out.is_empty() && err.contains("still has it open for writing"), "{err}");
    writer.run("os.close(fd)");
    eventually("it is closed", || drafts(&mount, "retry", &["--all"]).0 == 0);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &[&content(1, 5000)[..], b"more"].concat())]);
}

/// The rules changed since: the draft can still be copied away.
#[test]
fn s3_14_11_retry_keeps_to_the_rules() {
    let mut mount = Setup::new(Kind::Dir).start();
    interrupt(&mount, "documents/a.pdf", 1, 5000);
    mount.stop();
    let config = "[write]\nfree_floor = \"1MiB\"\n[[domain]]\nname = \"documents\"\n\
                  template = \"documents/{filename}\"\nextensions = [\"docx\"]\n";
    mount.configure(config);
    mount.start();
    let id = the_id(&mount);
    let (code, out, err) = drafts(&mount, "retry", &[&id]);
    assert!(code == 1 && out.is_empty() && err.contains("docx") && err.contains("drafts save"), "{err}");
    assert_eq!(the_id(&mount), id);
    done(&mount, "save", &[&id, mount.host("a.pdf").to_str().unwrap()]);
    assert_eq!(fs::read(mount.host("a.pdf")).unwrap(), content(1, 5000));
    mount.stop();
}

/// 3.14: a draft that is shown, since it was acknowledged before it failed, can be dealt with also after a rename of it was
/// refused.
#[test]
fn s3_14_7_failed_draft_whose_rename_was_refused_is_still_dealt_with() {
    let mut mount =
        Setup::new(Kind::S3).config("[write]\nfree_floor = \"1MiB\"\n[read]\ndeadline = \"3s\"\n").start();
    let faults = mount.server().faults();
    faults.inject(When::default(), Fault::Cut, usize::MAX);
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    faults.clear();
    let refused = Fault::Status(403, "AccessDenied");
    faults.inject(When::method("PUT", "documents/"), refused, usize::MAX);
    eventually("it has failed", || mount.drafts("failed") == 1);
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    let rename = "os.rename(p('documents/a.pdf'), p('documents/b.pdf'))";
    assert_eq!(mount.actor().fails(rename), "EACCES");
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    mount.server().faults().clear();
    done(&mount, "retry", &[&the_id(&mount)]);
    eventually("it is published", || mount.keys() == ["documents/a.pdf"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}
