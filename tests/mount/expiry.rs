//! Sentence 6.3: scratch files that nobody uses any more.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

on_both_stores! {
    s6_3_1_unused_litter_and_locks_are_deleted,
    s6_3_2_unused_work_is_kept_aside_and_can_be_shown_again,
    s6_3_3_unused_empty_work_is_deleted,
    s6_3_4_what_is_young_or_no_scratch_stays,
}

const DAY: Duration = Duration::from_secs(86_400);
/// A mount that looks often.
const SHORT: &str = "[write]\nfree_floor = \"1MiB\"\nscratch_ttl = \"10s\"\n";

/// Every staging file.
fn staged(mount: &TestMount) -> Vec<PathBuf> {
    let files = fs::read_dir(mount.state().join("staging")).unwrap();
    files.map(|f| f.unwrap().path()).collect()
}

/// Lets every staging file look as if it had last been used so long ago.
fn age(mount: &TestMount, by: Duration) {
    for path in staged(mount) {
        let file = File::options().write(true).open(&path).unwrap();
        let then = file.metadata().unwrap().modified().unwrap() - by;
        file.set_modified(then).unwrap();
    }
}

fn kept(mount: &TestMount) -> Vec<serde_json::Value> {
    let out = mount.cli(&["drafts", "list", mount.path("").to_str().unwrap(), "--json"]);
    serde_json::from_slice(&out.stdout).unwrap()
}

fn s6_3_1_unused_litter_and_locks_are_deleted(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.docx", "an object").start();
    let names = [".DS_Store", "._a.pdf", "Thumbs.db", ".directory", "~$a.docx", ".~lock.a.docx#", ".#notes"];
    for name in names {
        fs::write(mount.path("documents").join(name), "of no worth").unwrap();
    }
    assert_eq!(mount.names("documents").len(), names.len() + 1);
    mount.stop();
    age(&mount, 6 * DAY);
    mount.start();
    // 6 days are not yet enough, and it is not the restart that clears them away
    assert_eq!(mount.drafts("scratch"), names.len() as u64);
    mount.stop();
    age(&mount, 2 * DAY);
    mount.start();
    eventually("they are gone", || mount.names("documents") == ["a.docx"]);
    eventually("their content is gone", || staged(&mount).is_empty());
    assert!(kept(&mount).is_empty());
    mount.stop();
    mount.expect_objects(&[("documents/a.docx", b"an object")]);
}

fn s6_3_2_unused_work_is_kept_aside_and_can_be_shown_again(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    fs::write(mount.path("documents/a.pdf.part"), content(1, 5000)).unwrap();
    fs::create_dir_all(mount.path("rfp_exports/7/.~tmp~")).unwrap();
    fs::write(mount.path("rfp_exports/7/.~tmp~/b.csv"), content(2, 10)).unwrap();
    mount.stop();
    age(&mount, 8 * DAY);
    mount.start();
    eventually("they are out of their directories", || kept(&mount).len() == 2);
    assert!(mount.names("documents").is_empty() && mount.names("rfp_exports/7/.~tmp~").is_empty());
    assert!(mount.has_event(&["interrupted", "documents/a.pdf.part", "unused for 7 days"]));
    let out = mount.cli(&["drafts", "retry", mount.path("").to_str().unwrap(), "--all"]);
    assert_eq!(
        String::from_utf8(out.stdout).unwrap(),
        "documents/a.pdf.part\nrfp_exports/7/.~tmp~/b.csv\n",
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(mount.keys().is_empty(), "a scratch file is not published: {:?}", mount.keys());
    assert_eq!(mount.read("documents/a.pdf.part"), content(1, 5000));
    // and not put away again by the next look, nor at the next start
    mount.stop();
    mount.start();
    assert_eq!(mount.drafts("scratch"), 2);
    fs::rename(mount.path("documents/a.pdf.part"), mount.path("documents/a.pdf")).unwrap();
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

#[test]
fn s6_3_unused_work_that_cannot_be_opened_holds_up_no_other() {
    let mut mount = Setup::new(Kind::Dir).start();
    fs::write(mount.path("documents/a.pdf.part"), content(1, 5000)).unwrap();
    let first = staged(&mount).remove(0);
    fs::write(mount.path("documents/b.pdf.part"), content(2, 10)).unwrap();
    mount.stop();
    age(&mount, 8 * DAY);
    let then = first.metadata().unwrap().modified().unwrap();
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    File::open(&first).unwrap().set_modified(then).unwrap();
    mount.start();
    eventually("the other is out of its directory", || mount.names("documents") == ["a.pdf.part"]);
    eventually("it is told", || {
        mount.log().contains("documents/a.pdf.part: unused, and could not be put aside")
    });
    mount.stop();
}

fn s6_3_3_unused_empty_work_is_deleted(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    fs::write(mount.path("documents/a.pdf.part"), "").unwrap();
    fs::write(mount.path("documents/4913"), "").unwrap();
    mount.stop();
    age(&mount, 8 * DAY);
    mount.start();
    eventually("they are gone", || mount.names("documents").is_empty() && staged(&mount).is_empty());
    assert!(kept(&mount).is_empty());
    mount.stop();
}

fn s6_3_4_what_is_young_or_no_scratch_stays(kind: Kind) {
    let config = "[write]\nfree_floor = \"1MiB\"\nempty_after = \"1h\"\n";
    let mut mount = Setup::new(kind).config(config).start();
    fs::write(mount.path("documents/.DS_Store"), "old").unwrap();
    // an empty draft is no scratch file, and no object before its time
    fs::write(mount.path("documents/empty.txt"), "").unwrap();
    age(&mount, 8 * DAY);
    fs::write(mount.path("documents/._a.pdf"), "young").unwrap();
    mount.kill();
    mount.start();
    eventually("the old one is gone", || !mount.exists("documents/.DS_Store"));
    assert_eq!(mount.names("documents"), ["._a.pdf", "empty.txt"]);
    mount.stop();
}

/// Looked at together with one that nobody has open: that one goes, this one stays, and its close is a use.
#[test]
fn s6_3_5_open_scratch_file_stays_and_its_close_counts_as_use() {
    let mut mount = Setup::new(Kind::Dir).config(SHORT).start();
    let mut user = mount.actor();
    user.run("write(p('documents/._open.pdf'), b'x'); fd = os.open(p('documents/._open.pdf'), os.O_RDONLY)");
    user.run("write(p('documents/._shut.pdf'), b'x')");
    age(&mount, DAY);
    eventually("the one is gone", || !mount.exists("documents/._shut.pdf"));
    assert_eq!(mount.read("documents/._open.pdf"), b"x");
    age(&mount, DAY);
    user.run("os.close(fd)");
    let is_young = |path: PathBuf| {
        let used = fs::metadata(path).unwrap().modified().unwrap();
        used.elapsed().unwrap_or_default() < DAY / 2
    };
    eventually("its close is noted", || staged(&mount).into_iter().all(is_young));
    age(&mount, DAY);
    eventually("the other is gone, too", || !mount.exists("documents/._open.pdf"));
    mount.stop();
}
