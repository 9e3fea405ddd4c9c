//! `cairnfs put`.

use std::fs;

use crate::harness::{Desk, files_below};

#[test]
fn put_prints_the_key_and_stores_the_bytes_with_their_type() {
    let desk = Desk::without_store();
    let local = desk.lay("report.pdf", "%PDF-1.4 report");
    assert_eq!(desk.run_here(&["put", &local, "documents/other.pdf"]).ok(), "documents/other.pdf\n");
    assert_eq!(fs::read(desk.bucket().join("documents/other.pdf")).unwrap(), b"%PDF-1.4 report");
    let kind = xattr::get(desk.bucket().join("documents/other.pdf"), "user.cairn.content-type").unwrap();
    assert_eq!(kind.as_deref(), Some(b"application/pdf".as_slice()));
}

#[test]
fn put_into_a_directory_keeps_the_files_own_name() {
    let desk = Desk::without_store();
    let local = desk.lay("report.pdf", "x");
    for (path, key) in [
        ("documents", "documents/report.pdf"),
        ("/rfp_exports/9/", "rfp_exports/9/report.pdf"),
        ("rfp_exports/10", "rfp_exports/10/report.pdf"),
    ] {
        assert_eq!(desk.run_here(&["put", &local, path]).ok(), format!("{key}\n"));
    }
}

#[test]
fn put_under_a_taken_name_gets_a_suffix_and_leaves_the_old_bytes() {
    let desk = Desk::without_store();
    let (first, second) = (desk.lay("1/a.tar.txt", "first"), desk.lay("2/a.tar.txt", "second"));
    assert_eq!(desk.run_here(&["put", &first, "documents"]).ok(), "documents/a.tar.txt\n");
    let ran = desk.run_here(&["put", &second, "documents"]);
    let key = ran.ok().trim_end();
    let suffix = key.strip_prefix("documents/a_").and_then(|rest| rest.strip_suffix(".tar.txt")).unwrap();
    assert!(suffix.len() == 7 && suffix.bytes().all(|b| b.is_ascii_alphanumeric()), "{key}");
    assert_eq!(fs::read(desk.bucket().join("documents/a.tar.txt")).unwrap(), b"first");
    assert_eq!(fs::read(desk.bucket().join(key)).unwrap(), b"second");
}

#[test]
fn put_of_the_same_bytes_names_the_object_that_has_them_unless_they_should_be_kept() {
    let desk = Desk::without_store();
    let local = desk.lay("a.pdf", "same");
    desk.run_here(&["put", &local, "documents"]).ok();
    assert_eq!(desk.run_here(&["put", &local, "documents"]).ok(), "documents/a.pdf\n");
    assert_eq!(files_below(&desk.bucket()).len(), 1);
    let keep = desk.lay("keep.toml", "[write]\nsame_bytes = \"keep\"\n");
    assert_ne!(desk.run_here(&["put", &local, "documents", "--config", &keep]).ok(), "documents/a.pdf\n");
    assert_eq!(files_below(&desk.bucket()).len(), 2);
}

#[test]
fn put_that_breaks_a_rule_is_refused_with_exit_code_3() {
    let desk = Desk::without_store();
    let local = desk.lay("a.pdf", "x");
    let small = desk.lay(
        "small.toml",
        "[[domain]]\nname = \"small\"\ntemplate = \"small/{filename}\"\nmax_size = 0x10\n\
         [[domain]]\nname = \"closed\"\ntemplate = \"closed/{filename}\"\nwritable = false\n",
    );
    let large = desk.lay("large.pdf", [b'x'; 17]);
    let long = format!("documents/{}.pdf", "x".repeat(252));
    for (arguments, part) in [
        (vec!["put", &local, "documents/setup.exe"], "the extension 'exe' is not allowed"),
        (vec!["put", &local, "documents/noext"], "documents"),
        (vec!["put", &local, "nowhere/a.pdf"], "nowhere/a.pdf"),
        (vec!["put", &local, "a.pdf"], "a.pdf"),
        (vec!["put", &local, "documents/sub/a.pdf"], "documents/sub/a.pdf"),
        (vec!["put", &local, "documents/~$a.pdf"], "never stored"),
        (vec!["put", &local, &long], "255"),
        (vec!["put", &large, "small/", "--config", &small], "has 17 bytes, its domain takes at most 16"),
        (vec!["put", &local, "closed/", "--config", &small], "closed"),
    ] {
        let ran = desk.run_here(&arguments);
        assert!(ran.error(3).contains(part), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(files_below(&desk.bucket()), [] as [String; 0]);
}

#[test]
fn put_of_something_that_is_no_file_fails_and_stores_nothing() {
    let desk = Desk::without_store();
    fs::create_dir(desk.path("folder.pdf")).unwrap();
    for (local, part) in [("folder.pdf", "is not a regular file"), ("none.pdf", "No such file")] {
        let ran = desk.run_here(&["put", local, "documents/"]);
        let line = ran.error(1);
        assert!(line.starts_with(local) && line.contains(part), "{line}");
    }
    assert_eq!(files_below(&desk.bucket()), [] as [String; 0]);
}

#[test]
fn put_under_a_taken_name_that_can_take_no_suffix_is_refused() {
    let desk = Desk::without_store();
    let config = desk.lay("c.toml", "[[domain]]\nname = \"n\"\ntemplate = \"n/page_{index:int}.txt\"\n");
    let (first, second) = (desk.lay("1.txt", "1"), desk.lay("2.txt", "2"));
    desk.run_here(&["put", &first, "n/page_1.txt", "--config", &config]).ok();
    let ran = desk.run_here(&["put", &second, "n/page_1.txt", "--config", &config]);
    assert!(ran.error(3).contains("no place for a suffix"), "{}", ran.stderr);
}

#[test]
fn empty_and_large_files_are_stored_whole() {
    let desk = Desk::without_store();
    let large: Vec<u8> = (0..5_000_000_u32).map(|i| u8::try_from(i % 253).unwrap()).collect();
    let (empty, large_path) = (desk.lay("e.txt", ""), desk.lay("l.txt", &large));
    desk.run_here(&["put", &empty, "documents/"]).ok();
    desk.run_here(&["put", &large_path, "documents/"]).ok();
    assert_eq!(fs::read(desk.bucket().join("documents/e.txt")).unwrap(), b"");
    assert!(fs::read(desk.bucket().join("documents/l.txt")).unwrap() == large);
}
