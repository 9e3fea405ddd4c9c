//! Sentence 9.3: the catalog, for people and scripts, and that the bucket is the truth.

use std::collections::BTreeMap;

use rusqlite::{Connection, OpenFlags};

use crate::FRESH;
use crate::support::mount::{Kind, Setup, TestMount, content, sha};

on_both_stores! {
    s9_3_catalog_follows_the_storage_pattern,
    s9_3_deleted_sidecar_is_made_again_with_the_same_answers,
    s9_3_no_content_is_ever_in_the_database,
}

fn s9_3_catalog_follows_the_storage_pattern(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    mount.actor().run("os.mkdir(p('chunks/12')); write(p('chunks/12/chunk_3.txt'), content(1, 5000)); write(p('documents/Report.PDF'), b'x')");
    let key = "chunks/12/chunk_3.txt";
    for (column, value) in [
        ("s3_key", key),
        ("file_type", "txt"),
        ("file_size", "5000"),
        ("content_hash", &sha(&content(1, 5000))),
        ("title", "chunk_3.txt"),
        ("domain", "chunks"),
    ] {
        assert_eq!(mount.catalog(key, column).as_deref(), Some(value), "{column}");
    }
    let fields: serde_json::Value = serde_json::from_str(&mount.catalog(key, "fields").unwrap()).unwrap();
    assert_eq!(fields, serde_json::json!({"document_id": "12", "index": "3"}));
    assert_eq!(mount.catalog("documents/Report.PDF", "file_type").as_deref(), Some("pdf"));
    mount.stop();
}

/// Everything that the mount tells of its files, and its catalog.
fn answers(mount: &TestMount) -> BTreeMap<String, Vec<String>> {
    let mut user = mount.actor();
    user.run(
        "def tell(f):\n\
        \x20   s = os.stat(f); x = []\n\
        \x20   for n in ('key', 'etag', 'sha256', 'file_type', 'file_size', 'content_type', 'domain', 'state', 'supersedes'):\n\
        \x20       try: x.append(os.getxattr(f, 'user.cairn.' + n).decode())\n\
        \x20       except OSError as e: x.append(str(e.errno))\n\
        \x20   return [str(s.st_size), str(s.st_mtime_ns), str(s.st_mode), sha(read(f))] + x",
    );
    let found = user.run(
        "{os.path.relpath(os.path.join(d, f), mount): tell(os.path.join(d, f)) for d, _, fs in os.walk(mount) for f in fs}",
    );
    serde_json::from_value(found).unwrap()
}

fn s9_3_deleted_sidecar_is_made_again_with_the_same_answers(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("rfp_exports/7/theirs.csv", "theirs")
        .object("documents/2019/older.pdf", "older data")
        .object("documents/empty.txt", "")
        .start();
    mount.actor().run(
        "write(p('documents/a.pdf'), content(1, 5000)); write(p('documents/a.pdf'), content(2, 300_000))\n\
         os.mkdir(p('rfp_exports/8')); write(p('rfp_exports/8/b.csv'), b'b'); os.utime(p('documents/empty.txt'), (1, 1))",
    );
    mount.stop();
    mount.start();
    answers(&mount); // what is asked for by name is known from then on
    let before = answers(&mount);
    assert_eq!(before.len(), 6, "{before:#?}");
    mount.stop();
    // once by the next mount, once by the command
    for by_command in [false, true] {
        for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
            let _ = std::fs::remove_file(mount.state().join(file));
        }
        if by_command {
            let state = mount.state().to_str().unwrap().to_owned();
            let out = mount.cli(&["catalog", "rebuild", "--store", &mount.url(), "--state-dir", &state]);
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        }
        mount.start();
        answers(&mount);
        assert_eq!(answers(&mount), before, "by command: {by_command}");
        mount.stop();
    }
}

fn s9_3_no_content_is_ever_in_the_database(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/old.pdf", "UNMISTAKABLE-1").start();
    let mut user = mount.actor();
    user.run("assert read(p('documents/old.pdf')) == b'UNMISTAKABLE-1'");
    user.run("write(p('documents/a.pdf'), b'UNMISTAKABLE-2' * 100); write(p('documents/b.part'), b'UNMISTAKABLE-3')");
    user.run("fd = os.open(p('documents/c.pdf'), WRITE_NEW); write_all(fd, b'UNMISTAKABLE-4'); os.fsync(fd)");
    for entry in std::fs::read_dir(mount.state()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let data = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&data);
            assert!(!text.contains("UNMISTAKABLE"), "{} has content", path.display());
        }
    }
    // nor a column for it
    let catalog =
        Connection::open_with_flags(mount.state().join("catalog.sqlite"), OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap();
    let blobs: u32 = catalog
        .query_row(
            "SELECT count(*) FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type = 'BLOB'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(blobs, 0);
    drop(user);
    mount.stop();
}
