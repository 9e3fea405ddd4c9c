//! `cairnfs ls` and `cairnfs cat`.

use std::fs;

use crate::harness::Desk;

fn desk_with_files() -> Desk {
    let desk = Desk::without_store();
    let bucket = desk.bucket();
    for (key, content) in [
        ("documents/b.pdf", "bb"),
        ("documents/a.pdf", "a"),
        ("documents/old.exe", "older data that no rule would let in today"),
        ("scraped/7/docs/guide/x.md", "x"),
        ("orgs/logos/l.png", "l"),
        ("elsewhere/secret.txt", "outside every domain"),
    ] {
        let path = bucket.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    desk
}

#[test]
fn root_shows_the_fixed_directories_and_nothing_outside_the_domains() {
    let desk = desk_with_files();
    let expected =
        "chunks/\ndocuments/\norgs/\nrfp_exports/\nrfp_info_documents/\nrfp_question_documents/\nscraped/\n";
    assert_eq!(desk.run_here(&["ls"]).ok(), expected);
    assert_eq!(desk.run_here(&["ls", "/"]).ok(), expected);
    assert_eq!(desk.run_here(&["ls", "orgs"]).ok(), "logos/\n");
}

#[test]
fn directory_shows_what_is_in_it_by_name() {
    let desk = desk_with_files();
    for path in ["documents", "/documents/"] {
        assert_eq!(desk.run_here(&["ls", path]).ok(), "a.pdf\nb.pdf\nold.exe\n");
    }
    assert_eq!(desk.run_here(&["ls", "scraped"]).ok(), "7/\n");
    assert_eq!(desk.run_here(&["ls", "scraped/7/docs"]).ok(), "guide/\n");
    assert_eq!(desk.run_here(&["ls", "chunks"]).ok(), "");
}

#[test]
fn long_listing_has_size_time_and_name() {
    let desk = desk_with_files();
    let ran = desk.run_here(&["ls", "-l", "documents"]);
    let rows: Vec<Vec<&str>> = ran.ok().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!((rows[1][0], rows[1][2]), ("2", "b.pdf"));
    let time = rows[1][1];
    assert!(time.len() == 20 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
}

#[test]
fn file_named_to_ls_is_listed_itself() {
    let desk = desk_with_files();
    assert_eq!(desk.run_here(&["ls", "scraped/7/docs/guide/x.md"]).ok(), "x.md\n");
}

#[test]
fn path_without_anything_is_not_found() {
    let desk = desk_with_files();
    for arguments in [
        &["ls", "nowhere"] as &[&str],
        &["ls", "elsewhere"],
        &["ls", "scraped/8"],
        &["cat", "documents/none.pdf"],
        &["cat", "elsewhere/secret.txt"],
        &["cat", "../etc/passwd"],
    ] {
        let ran = desk.run_here(arguments);
        assert!(ran.error(4).contains("no such file or directory"), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn cat_writes_the_bytes_and_nothing_else() {
    let desk = Desk::without_store();
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let local = desk.lay("x.pdf", &content);
    desk.run_here(&["put", &local, "documents/"]).ok();
    let ran = desk.run_here(&["cat", "/documents/x.pdf"]);
    assert!(ran.code == 0 && ran.stderr.is_empty());
    assert!(ran.stdout == content);
}

#[test]
fn cat_of_a_directory_says_that_it_is_one() {
    let desk = desk_with_files();
    for path in ["documents", "scraped/7", "/"] {
        let ran = desk.run_here(&["cat", path]);
        assert!(ran.error(1).contains("is a directory"), "{}", ran.stderr);
    }
}

#[test]
fn store_that_does_not_exist_has_its_exit_code_in_every_command() {
    let desk = Desk::without_store();
    fs::remove_dir(desk.bucket()).unwrap();
    let file = desk.lay("a.pdf", "a");
    for arguments in [&["ls"] as &[&str], &["ls", "documents"], &["put", &file, "documents/"], &["check"]] {
        let ran = desk.run_here(arguments);
        assert!(ran.error(11).contains("does not exist"), "{arguments:?}: {}", ran.stderr);
    }
}
