//! Sentences 9.1 and 9.2: what a file tells of itself by its extended attributes.

use std::time::Duration;

use crate::FRESH;
use crate::support::actor::{Actor, sh};
use crate::support::mount::{Kind, Setup, content, sha};
use crate::support::s3server::{Fault, When};

on_both_stores! {
    s9_1_attributes_of_an_object,
    s9_1_attributes_that_a_listing_does_not_tell_are_asked_for,
    s9_1_attributes_are_not_listed_and_not_copied,
    s9_1_setting_has_no_effect_but_for_the_title,
    s9_1_title_stays_with_the_file,
    s9_2_state_of_what_this_mount_has,
}

fn get(user: &mut Actor, path: &str, name: &str) -> String {
    user.text(&format!("os.getxattr(p('{path}'), 'user.cairn.{name}').decode()"))
}

fn s9_1_attributes_of_an_object(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("rfp_exports/7/theirs.CSV", "theirs").start();
    let mut user = mount.actor();
    user.run("write(p('rfp_exports/7/Bericht ä.pdf'), content(1, 5000)); write(p('rfp_exports/7/Bericht ä.pdf'), content(2, 10))");
    let key = "rfp_exports/7/Bericht ä.pdf";
    let hash = sha(&content(1, 5000));
    for (name, value) in [
        ("key", key),
        ("sha256", &hash),
        ("file_type", "pdf"),
        ("file_size", "5000"),
        ("content_type", "application/pdf"),
        ("domain", "rfp_exports"),
        ("state", "object"),
    ] {
        assert_eq!(get(&mut user, key, name), value, "{name}");
    }
    assert!(!get(&mut user, key, "etag").is_empty());
    assert_eq!(user.fails(&format!("os.getxattr(p('{key}'), 'user.cairn.supersedes')")), "ENODATA");
    // what was written beside it says so
    let beside = mount.alternatives(key).remove(0);
    assert_eq!(get(&mut user, &beside, "supersedes"), key);
    assert_eq!(get(&mut user, &beside, "key"), beside);
    assert_ne!(get(&mut user, &beside, "etag"), get(&mut user, key, "etag"));
    // what others made, as far as it is known
    let theirs = "rfp_exports/7/theirs.CSV";
    for (name, value) in [("key", theirs), ("file_type", "csv"), ("file_size", "6"), ("state", "object")] {
        assert_eq!(get(&mut user, theirs, name), value, "{name}");
    }
    assert_eq!(user.fails(&format!("os.getxattr(p('{theirs}'), 'user.cairn.sha256')")), "ENODATA");
    // directories have none, and nobody has another
    assert_eq!(user.fails("os.getxattr(p('rfp_exports/7'), 'user.cairn.key')"), "ENODATA");
    for name in ["user.cairn.other", "user.other", "user.cairn.", "security.selinux", "user.mime_type"] {
        let errno = user.fails(&format!("os.getxattr(p('{key}'), '{name}')"));
        assert_eq!(errno, "ENODATA", "{name}");
    }
    mount.stop();
}

fn s9_1_attributes_that_a_listing_does_not_tell_are_asked_for(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    // another host, whose listings count as fresh for a while
    let mut other = Setup::new(kind).bucket_of(&mount).start();
    assert_eq!(other.names("documents"), ["a.pdf"]);
    let mut user = other.actor();
    assert_eq!(get(&mut user, "documents/a.pdf", "sha256"), sha(&content(1, 5000)));
    assert_eq!(get(&mut user, "documents/a.pdf", "content_type"), "application/pdf");
    drop(user);
    other.stop();
    mount.stop();
}

fn s9_1_attributes_are_not_listed_and_not_copied(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/a.pdf", "x").start();
    let mut user = mount.actor();
    user.run("write(p('documents/a.part'), b'x')");
    for path in ["documents/a.pdf", "documents/a.part", "documents"] {
        assert_eq!(user.run(&format!("os.listxattr(p('{path}'))")), serde_json::json!([]), "{path}");
    }
    let copy = mount.host("copy.pdf");
    sh("cp -a \"$1\" \"$2\"", &[&mount.path("documents/a.pdf"), &copy]);
    assert_eq!(user.run("[n for n in os.listxattr(h('copy.pdf')) if 'cairn' in n]"), serde_json::json!([]));
    mount.stop();
}

fn s9_1_setting_has_no_effect_but_for_the_title(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/a.pdf", "x").start();
    let mut user = mount.actor();
    user.run("f = p('documents/a.pdf')");
    let names = [
        "key",
        "etag",
        "sha256",
        "file_type",
        "file_size",
        "content_type",
        "domain",
        "state",
        "supersedes",
        "url",
    ];
    let mut all = || -> Vec<String> {
        let ask = |n: &&str| {
            user.run(&format!("(lambda: [os.getxattr(f, 'user.cairn.{n}').decode()] if '{n}' in ('key', 'etag', 'file_type', 'file_size', 'domain', 'state') else [])()")).to_string()
        };
        names.iter().map(ask).collect()
    };
    let before = all();
    assert_eq!(before, all());
    let mut setter = mount.actor();
    for name in names {
        setter.run(&format!("os.setxattr(p('documents/a.pdf'), 'user.cairn.{name}', b'changed')"));
    }
    assert_eq!(before, all());
    for name in ["user.cairn.other", "user.other", "user.mime_type"] {
        assert_eq!(
            setter.fails(&format!("os.setxattr(p('documents/a.pdf'), '{name}', b'x')")),
            "ENOTSUP",
            "{name}"
        );
    }
    setter.run("os.setxattr(p('documents/a.pdf'), 'user.cairn.title', 'Über uns'.encode())");
    assert_eq!(get(&mut setter, "documents/a.pdf", "title"), "Über uns");
    assert_eq!(mount.catalog("documents/a.pdf", "title").as_deref(), Some("Über uns"));
    mount.kill();
    mount.start();
    assert_eq!(get(&mut mount.actor(), "documents/a.pdf", "title"), "Über uns");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"x")]);
}

/// 9.1: also when it was given before the file was published, and when the file is renamed.
fn s9_1_title_stays_with_the_file(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'x'); os.setxattr(p('documents/a.pdf'), 'user.cairn.title', b'A title')");
    assert_eq!(get(&mut user, "documents/a.pdf", "title"), "A title");
    user.run("os.close(fd)");
    assert_eq!(get(&mut user, "documents/a.pdf", "state"), "object");
    assert_eq!(get(&mut user, "documents/a.pdf", "title"), "A title");
    user.run("os.rename(p('documents/a.pdf'), p('documents/b.pdf'))");
    assert_eq!(get(&mut user, "documents/b.pdf", "title"), "A title");
    user.run("write(p('documents/c.part'), b'c'); os.setxattr(p('documents/c.part'), 'user.cairn.title', b'C'); os.rename(p('documents/c.part'), p('documents/c.pdf'))");
    assert_eq!(get(&mut user, "documents/c.pdf", "title"), "C");
    mount.stop();
}

fn s9_2_state_of_what_this_mount_has(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/old.pdf", "x").start();
    let mut user = mount.actor();
    assert_eq!(get(&mut user, "documents/old.pdf", "state"), "object");
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'x')");
    assert_eq!(get(&mut user, "documents/a.pdf", "state"), "draft");
    user.run("e = os.dup(fd); os.close(fd)");
    assert_eq!(get(&mut user, "documents/a.pdf", "state"), "waiting");
    user.run("os.close(e)");
    assert_eq!(get(&mut user, "documents/a.pdf", "state"), "object");
    user.run("write(p('documents/b.part'), b'x'); os.mknod(p('documents/empty.pdf'))");
    assert_eq!(get(&mut user, "documents/b.part", "state"), "scratch");
    assert_eq!(get(&mut user, "documents/empty.pdf", "state"), "draft");
    // interrupted ones are in no directory
    let mut killed = mount.actor();
    killed.run("fd = os.open(p('documents/killed.pdf'), WRITE_NEW); write_all(fd, b'half')");
    killed.die_of(rustix::process::Signal::KILL);
    crate::support::mount::eventually("it is kept aside", || mount.drafts("interrupted") == 1);
    assert!(!mount.exists("documents/killed.pdf"));
    drop(user);
    mount.stop();
}

/// 9.2: on the way, queued, refused.
#[test]
fn s9_2_state_of_what_the_store_does_not_take() {
    let config = "[write]\nfree_floor = \"1MiB\"\nclose_wait = \"100ms\"\n[read]\ndeadline = \"2s\"\n";
    let mut mount = Setup::new(Kind::S3).config(config).start();
    let mut user = mount.actor();
    assert!(mount.names("documents").is_empty());
    mount.server().faults().inject(When::method("PUT", "documents/a.pdf"), Fault::Hang, 1);
    user.run("write(p('documents/a.pdf'), b'x')");
    assert_eq!(get(&mut user, "documents/a.pdf", "state"), "publishing");
    mount.server().faults().delay(Duration::from_millis(300));
    mount.server().faults().inject(
        When::method("PUT", "documents/b.pdf"),
        Fault::Status(403, "AccessDenied"),
        9,
    );
    user.run("write(p('documents/b.pdf'), b'x')");
    crate::support::mount::eventually("it is refused", || {
        get(&mut user, "documents/b.pdf", "state") == "failed"
    });
    mount.server().faults().delay(Duration::ZERO);
    mount.server().faults().inject(When::method("PUT", "documents/c.pdf"), Fault::Cut, usize::MAX);
    user.run("write(p('documents/c.pdf'), b'x')");
    crate::support::mount::eventually("it is queued", || {
        get(&mut user, "documents/c.pdf", "state") == "queued"
    });
    assert_eq!(mount.names("documents"), ["a.pdf", "b.pdf", "c.pdf"]);
    mount.server().faults().clear();
    mount.kill();
}
