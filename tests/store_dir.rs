//! What is particular to `file://` stores: the directory belongs to everybody, and other tools work in it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that panics fails, which is what it is for"
)]

mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use cairnfs::store::{DirStore, MetadataPlace, ObjectMeta, ObjectStore, StoreError};
use support::data::{body, full_meta, key, list_names, noise, read};

fn open(dir: &Path) -> DirStore {
    DirStore::new(dir, ".cairnfs/", MetadataPlace::Attributes).unwrap()
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn files_below(dir: &Path) -> Vec<String> {
    let out = Command::new("find").arg(dir).args(["-type", "f", "-printf", "%P\n"]).output().unwrap();
    let mut names: Vec<String> = String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[tokio::test]
async fn plain_tools_see_plain_files() {
    let home = home();
    let store = open(home.path());
    store.create(&key("documents/a.txt"), &body("hello"), &ObjectMeta::default()).await.unwrap();
    assert_eq!(fs::read(home.path().join("documents/a.txt")).unwrap(), b"hello");
    assert_eq!(files_below(home.path()), ["documents/a.txt"], "nothing else is left lying about");
    assert_eq!(fs::metadata(home.path().join("documents/a.txt")).unwrap().nlink(), 1);
}

#[tokio::test]
async fn file_put_there_by_hand_is_an_object() {
    let home = home();
    fs::create_dir_all(home.path().join("documents")).unwrap();
    fs::write(home.path().join("documents/a.txt"), "by hand").unwrap();
    let store = open(home.path());
    let info = store.head(&key("documents/a.txt")).await.unwrap();
    assert_eq!((info.size, info.meta), (7, Some(ObjectMeta::default())));
    assert_eq!(store.head(&key("documents/a.txt")).await.unwrap().etag, info.etag, "the tag is stable");
    let listed = store.list("documents/", true, None, None).await.unwrap();
    assert_eq!(listed.objects[0].etag, info.etag);
    let again = store.create(&key("documents/a.txt"), &body("ours"), &ObjectMeta::default()).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists(_))), "{again:?}");
    store.delete(&key("documents/a.txt"), &info.etag).await.unwrap();
    assert!(!home.path().join("documents").exists());
}

#[tokio::test]
async fn edit_by_another_tool_makes_another_version() {
    for metadata in [MetadataPlace::Attributes, MetadataPlace::Beside] {
        let home = home();
        let store = DirStore::new(home.path(), ".cairnfs/", metadata).unwrap();
        let key = key("documents/a.txt");
        let made = store.create(&key, &body("one"), &full_meta(&key, b"one")).await.unwrap();
        fs::write(home.path().join(key.as_str()), "edited in place").unwrap();
        let edited = store.head(&key).await.unwrap();
        assert_ne!(edited.etag, made.etag);
        assert_eq!(
            edited.meta,
            Some(ObjectMeta::default()),
            "what was said of the old bytes does not hold any more"
        );
        let pinned = store.get(&key, None, Some(&made.etag)).await.map(|b| b.info);
        assert!(matches!(pinned, Err(StoreError::VersionChanged(_))), "{pinned:?}");
        let deleted = store.delete(&key, &made.etag).await;
        assert!(matches!(deleted, Err(StoreError::VersionChanged(_))), "{deleted:?}");
        // as rsync and editors do it: another file moved over the old one
        fs::write(home.path().join("new"), "moved there").unwrap();
        fs::rename(home.path().join("new"), home.path().join(key.as_str())).unwrap();
        let moved = store.head(&key).await.unwrap();
        assert!(moved.etag != made.etag && moved.etag != edited.etag);
        assert_eq!(read(&store, &key).await.unwrap(), b"moved there");
    }
}

#[tokio::test]
async fn edit_while_reading_is_damage_and_never_mixed_bytes() {
    let home = home();
    let store = open(home.path());
    let key = key("a.bin");
    let data = noise(1, 3 << 20);
    store
        .create(&key, &cairnfs::store::UploadBody::Bytes(data.into()), &ObjectMeta::default())
        .await
        .unwrap();
    let mut got = store.get(&key, None, None).await.unwrap();
    got.bytes.next().await.unwrap().unwrap();
    fs::write(home.path().join("a.bin"), noise(2, 3 << 20)).unwrap();
    // what was read before the edit may still come
    let mut next = got.bytes.next().await.unwrap();
    while next.is_ok() {
        next = got.bytes.next().await.expect("the edit went unseen");
    }
    assert!(matches!(next, Err(StoreError::Damaged { .. })), "{:?}", next.map(|b| b.len()));
}

#[tokio::test]
async fn copied_directory_keeps_versions_and_metadata() {
    for metadata in [MetadataPlace::Attributes, MetadataPlace::Beside] {
        let (old, new) = (home(), home());
        let key = key("documents/ä.pdf");
        let meta = full_meta(&key, b"x");
        let store = DirStore::new(old.path(), ".cairnfs/", metadata).unwrap();
        let made = store.create(&key, &body("x"), &meta).await.unwrap();
        let copied = Command::new("cp").arg("-aT").arg(old.path()).arg(new.path()).status().unwrap();
        assert!(copied.success());
        let found = open(new.path()).head(&key).await.unwrap();
        assert_eq!((found.etag, found.meta), (made.etag, Some(meta)), "{metadata:?}");
    }
}

#[tokio::test]
async fn metadata_that_finds_no_room_in_attributes_goes_beside() {
    let home = home();
    let store = open(home.path());
    let (from, to) = (key("a"), key("b"));
    let made = store.create(&from, &body("x"), &ObjectMeta::default()).await.unwrap();
    // no file system takes more than 64 KiB in one attribute; most take far less in all
    let mut meta = full_meta(&to, b"x");
    for i in 0..40 {
        meta.other.insert(format!("name{i}"), "v".repeat(1000));
    }
    meta.other.insert("huge".to_owned(), "v".repeat(20_000));
    let copied = store.copy(&from, &made.etag, &to, &meta).await.unwrap();
    let found = store.head(&to).await.unwrap();
    assert_eq!((&found.etag, found.meta), (&copied.etag, Some(meta)));
    assert!(files_below(&home.path().join(".cairnfs")).iter().any(|f| f.starts_with("meta/")));
    store.delete(&to, &copied.etag).await.unwrap();
    assert!(!files_below(&home.path().join(".cairnfs")).iter().any(|f| f.starts_with("meta/")));
}

#[tokio::test]
async fn links_and_special_files_are_no_objects() {
    let (home, outside) = (home(), home());
    fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    fs::create_dir(home.path().join("documents")).unwrap();
    symlink(outside.path().join("secret.txt"), home.path().join("documents/link.txt")).unwrap();
    symlink(outside.path(), home.path().join("documents/out")).unwrap();
    let fifo = Command::new("mkfifo").arg(home.path().join("documents/fifo")).status().unwrap();
    assert!(fifo.success());
    let store = open(home.path());
    for name in
        ["documents/link.txt", "documents/out/secret.txt", "documents/fifo", "documents/out", "documents"]
    {
        let found = store.head(&key(name)).await;
        assert!(matches!(found, Err(StoreError::NotFound(_))), "{name}: {found:?}");
    }
    let (keys, prefixes) = list_names(&store, "", true).await;
    assert_eq!((keys.len(), prefixes.len()), (0, 0));
    for name in ["documents/link.txt", "documents/out/new.txt", "documents/fifo"] {
        let made = store.create(&key(name), &body("x"), &ObjectMeta::default()).await;
        assert!(matches!(made, Err(StoreError::Refused { .. })), "{name}: {made:?}");
    }
    assert_eq!(files_below(outside.path()), ["secret.txt"]);
}

#[tokio::test]
async fn own_machinery_is_hidden_but_other_service_objects_are_not() {
    let home = home();
    let store = DirStore::new(home.path(), ".cairnfs/", MetadataPlace::Beside).unwrap();
    for name in ["documents/a", ".cairnfs/trash/t/documents/b"] {
        store.create(&key(name), &body("x"), &ObjectMeta::default()).await.unwrap();
    }
    fs::write(home.path().join(".cairnfs/tmp/left.tmp"), "x").unwrap();
    let (keys, _) = list_names(&store, "", false).await;
    assert_eq!(keys, [".cairnfs/trash/t/documents/b", "documents/a"]);
    let (_, prefixes) = list_names(&store, ".cairnfs/", true).await;
    assert_eq!(prefixes, [".cairnfs/trash/"]);
    for prefix in [".cairnfs/tmp/", ".cairnfs/meta/", ".cairnfs/tmp/l"] {
        assert_eq!(list_names(&store, prefix, false).await.0, Vec::<String>::new(), "{prefix}");
    }
    for name in [".cairnfs/tmp/left.tmp", ".cairnfs/tmp", ".cairnfs/meta/x"] {
        assert!(matches!(store.head(&key(name)).await, Err(StoreError::NotFound(_))), "{name}");
        let made = store.create(&key(name), &body("x"), &ObjectMeta::default()).await;
        assert!(matches!(made, Err(StoreError::Refused { .. })), "{name}: {made:?}");
    }
}

#[tokio::test]
async fn missing_directory_is_a_missing_bucket_for_every_call() {
    let home = home();
    let root = home.path().join("gone");
    let store = open(&root);
    let (key, etag) = (key("documents/a"), cairnfs::types::ETag::new("x"));
    let missing = |e: StoreError| {
        assert!(matches!(&e, StoreError::NoSuchBucket(d) if *d == root.display().to_string()), "{e}")
    };
    missing(store.check_bucket().await.unwrap_err());
    missing(store.head(&key).await.unwrap_err());
    missing(store.get(&key, None, None).await.map(|_| ()).unwrap_err());
    missing(store.create(&key, &body("x"), &ObjectMeta::default()).await.unwrap_err());
    missing(store.delete(&key, &etag).await.unwrap_err());
    missing(store.list("documents/", true, None, None).await.unwrap_err());
    assert!(!root.exists(), "a bucket is not made by using it");
    fs::create_dir(&root).unwrap();
    store.check_bucket().await.unwrap();
    store.create(&key, &body("x"), &ObjectMeta::default()).await.unwrap();
}

#[tokio::test]
async fn names_that_are_no_keys_are_left_out_and_counted() {
    let home = home();
    let dir = home.path().join("documents");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("a.txt"), "x").unwrap();
    fs::write(dir.join(std::ffi::OsStr::from_bytes(b"caf\xe9.txt")), "x").unwrap();
    let page = open(home.path()).list("documents/", true, None, None).await.unwrap();
    assert_eq!((page.objects.len(), page.skipped), (1, 1));
}

#[tokio::test]
async fn hollow_directory_does_not_take_a_name() {
    let home = home();
    fs::create_dir_all(home.path().join("documents/a/b/c")).unwrap();
    let store = open(home.path());
    assert_eq!(list_names(&store, "", true).await.1, Vec::<String>::new());
    store.create(&key("documents/a"), &body("x"), &ObjectMeta::default()).await.unwrap();
    assert_eq!(read(&store, &key("documents/a")).await.unwrap(), b"x");
}

#[tokio::test]
async fn refused_create_leaves_no_directories_behind() {
    let home = home();
    let store = open(home.path());
    let long = key(&format!("documents/new/{}", "\u{e9}".repeat(127)));
    store.create(&long, &body("x"), &ObjectMeta::default()).await.unwrap();
    store.delete(&long, &store.head(&long).await.unwrap().etag).await.unwrap();
    assert!(!home.path().join("documents").exists());
    fs::create_dir(home.path().join("documents")).unwrap();
    std::os::unix::fs::symlink("nowhere", home.path().join("documents/link")).unwrap();
    store.create(&key("documents/link"), &body("x"), &ObjectMeta::default()).await.unwrap_err();
    store.create(&key("documents/link/new/a"), &body("x"), &ObjectMeta::default()).await.unwrap_err();
    assert_eq!(fs::read_dir(home.path().join("documents")).unwrap().count(), 1);
}

#[tokio::test]
async fn leftovers_of_a_crash_are_swept_and_work_in_progress_is_not() {
    let home = home();
    let tmp = home.path().join(".cairnfs/tmp");
    fs::create_dir_all(&tmp).unwrap();
    let old = std::time::SystemTime::from(cairnfs::types::Clock.now()) - std::time::Duration::from_secs(7200);
    let make = |name: &str| {
        let file = fs::File::create(tmp.join(name)).unwrap();
        file.set_modified(old).unwrap();
        file
    };
    make("orphan.tmp");
    let at_work = make("at-work.tmp");
    at_work.lock().unwrap();
    fs::write(tmp.join("fresh.tmp"), "x").unwrap();
    open(home.path());
    assert_eq!(files_below(&tmp), ["at-work.tmp", "fresh.tmp"]);
}

#[test]
fn service_prefix_that_is_no_directory_is_refused() {
    for prefix in ["", "/", "../x/", "a//b/"] {
        let store = DirStore::new(Path::new("/nonexistent"), prefix, MetadataPlace::Attributes);
        assert!(matches!(store, Err(StoreError::Refused { .. })), "{prefix:?}");
    }
}
