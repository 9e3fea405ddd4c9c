//! What the kernel keeps to spare requests, and when it must not.

use std::fs;

use crate::support::mount::{Kind, Setup, content, eventually};

use super::passthrough::cache_stat;

on_both_stores! {
    s8_2_30_listing_that_the_kernel_keeps_shows_every_change_at_once,
    s8_1_30_handle_on_a_directory_that_is_rewound_shows_what_was_published,
}

fn s8_2_30_listing_that_the_kernel_keeps_shows_every_change_at_once(kind: Kind) {
    let config = "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"0s\"\n[read]\nlist_ttl = \"2s\"\nmiss_ttl = \"0s\"\n";
    let mut mount = Setup::new(kind).config(config).object("documents/a.pdf", "a").start();
    for _ in 0..3 {
        assert_eq!(mount.names("documents"), ["a.pdf"]);
    }
    // another client adds, replaces and removes: with the next listing
    mount.put_object("documents/b.pdf", b"b");
    eventually("it shows", || mount.names("documents") == ["a.pdf", "b.pdf"]);
    mount.put_object("documents/a.pdf", b"other");
    // until then an open may find the version that is gone
    let path = mount.path("documents/a.pdf");
    eventually("it shows", || fs::read(&path).is_ok_and(|data| data == b"other"));
    assert_eq!(mount.names("documents"), ["a.pdf", "b.pdf"]);
    mount.remove_object("documents/b.pdf");
    eventually("it is gone", || mount.names("documents") == ["a.pdf"]);
    // a directory that only a look-up has found: at once
    mount.put_object("rfp_exports/7/x.pdf", b"x");
    eventually("it shows", || mount.names("rfp_exports") == ["7"]);
    mount.put_object("rfp_exports/8/x.pdf", b"x");
    assert!(mount.exists("rfp_exports/8/x.pdf"));
    assert_eq!(mount.names("rfp_exports"), ["7", "8"]);
    // this mount's own: at once
    fs::write(mount.path("documents/c.pdf"), "c").unwrap();
    assert_eq!(mount.names("documents"), ["a.pdf", "c.pdf"]);
    fs::rename(mount.path("documents/c.pdf"), mount.path("documents/d.pdf")).unwrap();
    assert_eq!(mount.names("documents"), ["a.pdf", "d.pdf"]);
    fs::remove_file(mount.path("documents/d.pdf")).unwrap();
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    // what gets another name than the kernel was told
    fs::write(mount.path("documents/a.pdf"), "new").unwrap();
    assert_eq!(mount.names("documents").len(), 2);
    mount.stop();
}

fn s8_1_30_handle_on_a_directory_that_is_rewound_shows_what_was_published(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", "a").start();
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents'), os.O_RDONLY)");
    assert_eq!(user.run("sorted(os.listdir(fd))"), serde_json::json!(["a.pdf"]));
    fs::write(mount.path("documents/a.pdf"), "new").unwrap();
    eventually("it shows", || user.run("len(os.listdir(fd))") == 2);
    drop(user);
    mount.stop();
}

#[test]
fn s7_1_30_pages_of_an_object_are_kept_from_open_to_open_and_those_of_another_version_never_shown() {
    let config = "[write]\nfree_floor = \"1MiB\"\n[read]\nlist_ttl = \"0s\"\n[cache]\ndisk = \"1MiB\"\n";
    let data = content(1, 700_000);
    // too large to be kept on disk here: every page that the kernel does not keep is fetched again
    let mut mount = Setup::new(Kind::S3).config(config).object("documents/a.pdf", &data).start();
    assert!(mount.read("documents/a.pdf") == data);
    let fetched = cache_stat(&mount, "fetched_bytes");
    let hits = cache_stat(&mount, "memory_hit_bytes");
    for _ in 0..3 {
        assert!(mount.read("documents/a.pdf") == data);
    }
    assert_eq!(cache_stat(&mount, "fetched_bytes"), fetched);
    assert_eq!(cache_stat(&mount, "memory_hit_bytes"), hits);
    mount.put_object("documents/a.pdf", &content(2, 700_000));
    eventually("the other version shows", || mount.read("documents/a.pdf") == content(2, 700_000));
    mount.stop();
}

#[test]
fn s7_2_30_small_object_is_one_request() {
    let mut mount = Setup::new(Kind::S3).object("documents/a.pdf", content(1, 100_000)).start();
    mount.names("documents");
    mount.server().faults().forget();
    assert_eq!(mount.read("documents/a.pdf"), content(1, 100_000));
    let asked = mount.server().faults().requests();
    let asked: Vec<_> = asked.iter().map(|r| format!("{} {}", r.method, r.key)).collect();
    assert_eq!(asked, ["GET documents/a.pdf"]);
    mount.stop();
}

#[test]
fn s7_2_30_first_small_object_of_a_directory_is_one_listing_and_one_request_and_the_next_one_request() {
    let (one, two) = (content(1, 100_000), content(2, 100_000));
    let mut mount =
        Setup::new(Kind::S3).object("documents/a.pdf", &one).object("documents/b.pdf", &two).start();
    mount.server().faults().forget();
    assert_eq!(mount.read("documents/a.pdf"), one);
    assert_eq!(mount.read("documents/b.pdf"), two);
    let asked = mount.server().faults().requests();
    let asked: Vec<_> = asked.iter().map(|r| format!("{} {}", r.method, r.key)).collect();
    let (lists, others): (Vec<_>, Vec<_>) = asked.iter().partition(|r| r.trim_end() == "GET");
    assert_eq!(others, ["GET documents/a.pdf", "GET documents/b.pdf"], "{asked:?}");
    assert_eq!(lists.len(), 1, "{asked:?}");
    mount.stop();
}

#[test]
fn s7_2_31_random_read_of_4_kib_fetches_at_most_128_kib() {
    let data = content(1, 8 << 20);
    let mut mount = Setup::new(Kind::S3).object("documents/a.pdf", &data).start();
    mount.names("documents");
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY)");
    for (n, offset) in [5_000_000, 1_234_567, 7_654_321, 65_534].into_iter().enumerate() {
        let read = user.text(&format!("os.pread(fd, 4096, {offset}).hex()"));
        assert_eq!(read, hex::encode(&data[offset..offset + 4096]));
        let fetched = cache_stat(&mount, "fetched_bytes");
        let reads = n as u64 + 1;
        assert!(fetched <= reads * 128 * 1024, "{fetched} bytes for {reads} reads");
    }
    drop(user);
    mount.stop();
}

#[test]
fn s7_2_32_ten_readers_of_one_cold_file_cause_one_download() {
    let data = content(1, 3 << 20);
    let mut mount = Setup::new(Kind::S3).object("documents/a.pdf", &data).start();
    mount.names("documents");
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert!(mount.read("documents/a.pdf") == data));
        }
    });
    assert_eq!(cache_stat(&mount, "fetched_bytes"), data.len() as u64);
    mount.stop();
}
