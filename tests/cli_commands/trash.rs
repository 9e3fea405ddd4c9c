//! `cairnfs trash`, on a bucket that nobody has mounted.

use std::fs;
use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::harness::{Desk, files_below};
use crate::support::s3server::{Fault, S3Server, When};

const OLD: &str = "20200102T030405Z-aaaaaaa";
const NEW: &str = "20250102T030405Z-bbbbbbb";

/// A desk whose trash holds two copies of one document and one of another; also what looks like none of ours.
fn desk_with_trash() -> Desk {
    let desk = Desk::without_store();
    for (place, content) in [
        (format!("{OLD}/documents/a.pdf"), "old"),
        (format!("{NEW}/documents/a.pdf"), "newer"),
        (format!("{OLD}/rfp_exports/7/b.csv"), "b"),
        ("notes.txt".to_owned(), "not a copy"),
        (format!("{OLD}.txt"), "not a copy"),
    ] {
        desk.lay(&format!("bucket/.cairnfs/trash/{place}"), content);
    }
    desk
}

fn trash_of(desk: &Desk) -> Vec<String> {
    files_below(&desk.bucket().join(".cairnfs/trash"))
}

#[test]
fn s5_3_list_shows_when_size_id_and_path_in_the_order_of_the_deletes() {
    let desk = desk_with_trash();
    let ran = desk.run_here(&["trash", "list"]);
    assert_eq!(
        ran.ok(),
        format!(
            "2020-01-02T03:04:05Z               3  {OLD}  documents/a.pdf\n\
             2020-01-02T03:04:05Z               1  {OLD}  rfp_exports/7/b.csv\n\
             2025-01-02T03:04:05Z               5  {NEW}  documents/a.pdf\n"
        )
    );
    let ran = desk.run_here(&["trash", "list", "/rfp_exports/", "--json"]);
    let listed: Value = serde_json::from_str(ran.ok()).unwrap();
    assert_eq!(
        listed,
        serde_json::json!([{
            "deleted_at": "2020-01-02T03:04:05Z", "size": 1, "id": OLD, "path": "rfp_exports/7/b.csv",
            "trash_key": format!(".cairnfs/trash/{OLD}/rfp_exports/7/b.csv")
        }])
    );
    assert_eq!(Desk::without_store().run_here(&["trash", "list"]).ok(), "");
}

#[test]
fn s5_3_restore_takes_the_newest_copy_or_the_one_that_is_named() {
    let desk = desk_with_trash();
    assert_eq!(desk.run_here(&["trash", "restore", "documents/a.pdf"]).ok(), "documents/a.pdf\n");
    assert_eq!(fs::read(desk.bucket().join("documents/a.pdf")).unwrap(), b"newer");
    assert_eq!(
        trash_of(&desk),
        [
            &format!("{OLD}.txt"),
            &format!("{OLD}/documents/a.pdf"),
            &format!("{OLD}/rfp_exports/7/b.csv"),
            "notes.txt"
        ]
    );
    // the name is taken now, by what came back
    let ran = desk.run_here(&["trash", "restore", &format!("{OLD}/documents/a.pdf")]);
    let key = ran.ok().trim_end().to_owned();
    assert!(key.starts_with("documents/a_") && key.ends_with(".pdf"), "{key}");
    assert_eq!(fs::read(desk.bucket().join(&key)).unwrap(), b"old");
    assert_eq!(fs::read(desk.bucket().join("documents/a.pdf")).unwrap(), b"newer");
    let whole = format!(".cairnfs/trash/{OLD}/rfp_exports/7/b.csv");
    assert_eq!(desk.run_here(&["trash", "restore", &whole]).ok(), "rfp_exports/7/b.csv\n");
    assert_eq!(trash_of(&desk), [format!("{OLD}.txt"), "notes.txt".to_owned()]);
}

#[test]
fn restore_of_what_is_not_there_or_not_allowed_says_so_and_does_the_rest() {
    let desk = desk_with_trash();
    desk.lay(&format!("bucket/.cairnfs/trash/{NEW}/documents/virus.exe"), "x");
    let ran = desk.run_here(&[
        "trash",
        "restore",
        "documents/none.pdf",
        "documents/virus.exe",
        "rfp_exports/7/b.csv",
    ]);
    assert_eq!((ran.code, ran.text()), (3, "rfp_exports/7/b.csv\n"), "{ran:?}");
    let said: Vec<&str> = ran.stderr.lines().collect();
    assert!(
        said.len() == 2 && said.iter().any(|l| l.contains("documents/none.pdf: nothing of that name")),
        "{said:?}"
    );
    assert!(said.iter().any(|l| l.contains("exe")), "{said:?}");
    let ran = desk.run_here(&["trash", "restore", "documents/none.pdf"]);
    assert!(ran.error(4).contains("'cairnfs trash list' shows what is"), "{ran:?}");
    assert!(trash_of(&desk).contains(&format!("{NEW}/documents/virus.exe")));
}

#[test]
fn s5_3_restored_object_keeps_its_metadata_but_not_the_attempt_that_wrote_it() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    for way in ["copy", "upload"] {
        // a server that overwrites in a copy is not trusted with one
        server.faults().ignore_copy_condition.store(way == "upload", Ordering::Relaxed);
        let config = desk.lay(
            "trash.toml",
            "[[domain]]\nname = \"docs\"\ntemplate = \"docs/{filename}\"\ndelete = \"trash\"\n",
        );
        let local = desk.lay("a.pdf", format!("restored by {way}"));
        desk.run(&["put", &local, "docs/", "--config", &config]).ok();
        // what a delete of the mount does
        let copy = format!(".cairnfs/trash/{OLD}/docs/a.pdf");
        let bytes = server.objects("test").into_iter().find(|(key, _)| key == "docs/a.pdf").unwrap().1;
        server.copy_for_test("test", "docs/a.pdf", &copy);
        server.remove("test", "docs/a.pdf");
        server.faults().forget();
        assert_eq!(desk.run(&["trash", "restore", "docs/a.pdf", "--config", &config]).ok(), "docs/a.pdf\n");
        let stored = server.objects("test");
        assert!(stored.iter().any(|(key, data)| key == "docs/a.pdf" && *data == bytes), "{way}");
        assert!(stored.iter().all(|(key, _)| !key.starts_with(".cairnfs/trash/")), "{way}");
        let requests = server.faults().requests();
        let put = requests.iter().rfind(|r| r.method == "PUT" && r.key == "docs/a.pdf").unwrap();
        assert_eq!(put.headers.contains_key("x-amz-copy-source"), way == "copy");
        assert_eq!(put.headers.get("if-none-match").map(|v| v.as_bytes()), Some(b"*".as_slice()));
        assert_eq!(
            put.headers.get("content-type").map(|v| v.as_bytes()),
            Some(b"application/pdf".as_slice())
        );
        assert!(put.headers.contains_key("x-amz-meta-cairn-sha256"), "{way}");
        assert!(put.headers.contains_key("x-amz-meta-cairn-draft"), "{way}");
        assert!(!put.headers.contains_key("x-amz-meta-cairn-attempt"), "{way}");
        server.remove("test", "docs/a.pdf");
    }
}

#[test]
fn s5_3_restore_whose_answer_is_lost_makes_one_object() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    let local = desk.lay("a.pdf", "x");
    desk.run(&["put", &local, "documents/"]).ok();
    server.copy_for_test("test", "documents/a.pdf", &format!(".cairnfs/trash/{OLD}/documents/a.pdf"));
    server.remove("test", "documents/a.pdf");
    server.faults().inject(When::method("PUT", "documents/"), Fault::CutAfterDoing, 1);
    assert_eq!(desk.run(&["trash", "restore", "documents/a.pdf"]).ok(), "documents/a.pdf\n");
    let keys: Vec<String> = server.objects("test").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["documents/a.pdf"]);
}

#[test]
fn s5_3_empty_asks_first_and_takes_only_what_is_old_enough_and_a_copy() {
    let desk = desk_with_trash();
    let ran = desk.run_here(&["trash", "empty"]);
    let line = ran.error(2);
    assert!(line.contains("delete 3 files (9 B) for good?") && line.contains("--yes"), "{line}");
    assert_eq!(trash_of(&desk).len(), 5);
    let ran = desk.run_here(&["trash", "empty", "--older-than", "30000d", "--yes"]);
    assert_eq!(ran.ok(), "0 files removed\n");
    // the day of the newer copy lies between
    let age = (cairnfs::types::Clock.now().seconds() - 1_700_000_000) / 86_400;
    let ran = desk.run_here(&["trash", "empty", "--older-than", &format!("{age}d"), "--yes"]);
    assert_eq!(ran.ok(), "2 files removed\n");
    let left = [format!("{OLD}.txt"), format!("{NEW}/documents/a.pdf"), "notes.txt".to_owned()];
    assert_eq!(trash_of(&desk), left);
    assert_eq!(desk.run_here(&["trash", "empty", "--yes"]).ok(), "1 files removed\n");
    assert_eq!(trash_of(&desk), [format!("{OLD}.txt"), "notes.txt".to_owned()]);
    // nothing to ask about
    assert_eq!(desk.run_here(&["trash", "empty"]).ok(), "0 files removed\n");
}

#[test]
fn empty_goes_through_many_pages_and_says_what_it_could_not_delete() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    for n in 0..1010 {
        server.overwrite("test", &format!(".cairnfs/trash/{OLD}/documents/{n}.pdf"), "x");
    }
    server.overwrite("test", "documents/kept.pdf", "x");
    let denied = format!(".cairnfs/trash/{OLD}/documents/7.pdf");
    server.faults().inject(
        When { method: Some("DELETE"), key: denied.clone(), query: "" },
        Fault::Status(403, "AccessDenied"),
        1,
    );
    let ran = desk.run(&["trash", "empty", "--yes"]);
    assert_eq!((ran.code, ran.text()), (1, "1009 files removed\n"), "{ran:?}");
    assert!(ran.stderr.contains("documents/7.pdf: ") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    let keys: Vec<String> = server.objects("test").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [denied, "documents/kept.pdf".to_owned()]);
}
