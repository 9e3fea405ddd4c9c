//! What suites of others (tests/suites) have found: sentences 1.3, 2.2 and 9.4 where plain file systems say what is meant.

use std::os::unix::fs::MetadataExt as _;

use crate::support::mount::{Kind, Setup};

const CONFIG: &str = "[[domain]]\nname = \"d\"\ntemplate = \"d/{name:path}\"\ndelete = \"allow\"\n\n\
                      [write]\nfree_floor = \"1MiB\"\n";

on_both_stores! {
    s1_3_rmdir_does_not_wait_for_the_release_of_a_draft_that_came_to_nothing,
    s2_2_link_to_a_refused_extension_is_eacces,
    s9_4_link_count_of_an_unlinked_file_is_0,
    s9_4_directory_has_the_time_of_the_last_change_of_its_names,
}

/// 1.3: a draft beside an object that was opened and closed unchanged is in no directory, though its RELEASE comes later.
fn s1_3_rmdir_does_not_wait_for_the_release_of_a_draft_that_came_to_nothing(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    let mut writers: Vec<_> = (0..4).map(|_| mount.actor()).collect();
    for (at, writer) in writers.iter_mut().enumerate() {
        writer.begin(&format!(
            "for i in range(30):\n    d = p('d/{at}-%d' % i); os.mkdir(d); f = d + '/f'\n    \
             write(f, b'x%d' % i); os.close(os.open(f, os.O_RDWR)); os.unlink(f); os.rmdir(d)"
        ));
    }
    for writer in &mut writers {
        assert_eq!(writer.end().err(), None);
    }
    drop(writers);
    mount.stop();
}

/// 2.2: linking fails with the errno of creating; EPERM would say that there are no links at all.
fn s2_2_link_to_a_refused_extension_is_eacces(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut writer = mount.actor();
    writer.run("write(p('documents/a.part'), b'x')");
    assert_eq!(writer.fails("os.link(p('documents/a.part'), p('documents/a.exe'))"), "EACCES");
    assert!(mount.has_event(&["documents/a.exe", "exe"]));
    mount.stop();
}

/// 9.4
fn s9_4_link_count_of_an_unlinked_file_is_0(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).object("d/object", "x").start();
    let mut writer = mount.actor();
    for (name, flags) in [("draft", "os.O_RDWR | os.O_CREAT"), ("object", "os.O_RDONLY")] {
        writer.run(&format!("fd = os.open(p('d/{name}'), {flags}, 0o644)"));
        assert_eq!(writer.run("os.fstat(fd).st_nlink"), 1, "{name}");
        writer.run(&format!("os.unlink(p('d/{name}'))"));
        assert_eq!(writer.run("os.fstat(fd).st_nlink"), 0, "{name}");
        writer.run("os.close(fd)");
    }
    mount.stop();
}

/// 9.4
fn s9_4_directory_has_the_time_of_the_last_change_of_its_names(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    let mut writer = mount.actor();
    writer.run("os.mkdir(p('d/dir'))");
    let time = || {
        let meta = std::fs::metadata(mount.path("d/dir")).unwrap();
        (meta.mtime(), meta.mtime_nsec())
    };
    let mut before = time();
    for change in [
        "write(p('d/dir/a'), b'x')",
        "write(p('d/dir/b.part'), b'x')",
        "os.rename(p('d/dir/b.part'), p('d/dir/c.part'))",
        "os.mkdir(p('d/dir/sub'))",
        "os.rmdir(p('d/dir/sub'))",
        "os.unlink(p('d/dir/c.part'))",
        "os.unlink(p('d/dir/a'))",
    ] {
        writer.run(change);
        let now = time();
        assert!(now > before, "{change}: {now:?}, before {before:?}");
        before = now;
    }
    mount.stop();
}
