//! What the reference model (`tests/model`) has found, each kept as a test of its own.

use crate::support::mount::{Kind, Setup, content, eventually};

on_both_stores! {
    s5_2_link_onto_a_name_that_the_same_process_deleted_loses_nothing,
    s5_2_name_made_again_beside_an_open_draft_is_a_new_file,
    s5_2_object_renamed_to_a_name_that_another_process_deleted_takes_it,
    s3_4_saved_draft_is_not_truncated_by_name_by_another,
    s3_4_who_made_a_file_to_read_it_does_not_write_it,
    s3_4_draft_that_another_deleted_is_not_published_at_its_close,
    s3_8_empty_file_renamed_onto_an_object_is_dropped,
    s3_9_size_set_by_name_is_not_judged_at_the_end_of_a_reader,
    s1_3_directory_stays_while_what_was_deleted_in_it_is_open,
}

/// 5.2: rm and ln by one process are an overwrite in disguise as much as rm and mv.
fn s5_2_link_onto_a_name_that_the_same_process_deleted_loses_nothing(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 5000)).start();
    mount.actor().run(
        "os.unlink(p('documents/a.pdf')); write(p('documents/a.pdf.part'), content(2, 5000))\n\
         os.link(p('documents/a.pdf.part'), p('documents/a.pdf')); os.unlink(p('documents/a.pdf.part'))",
    );
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000)), ("documents/a_*.pdf", &content(2, 5000))]);
}

/// 5.2: also without O_TRUNC, and where the process is still writing a draft beside the object.
fn s5_2_name_made_again_beside_an_open_draft_is_a_new_file(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 5000)).start();
    mount.actor().run(
        "fd = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_TRUNC); write_all(fd, content(2, 5000))\n\
         os.unlink(p('documents/a.pdf')); two = os.open(p('documents/a.pdf'), os.O_WRONLY | os.O_CREAT)\n\
         write_all(two, content(3, 100)); os.close(two); os.close(fd)",
    );
    mount.stop();
    mount.expect_objects(&[
        ("documents/a.pdf", &content(1, 5000)),
        ("documents/a_*.pdf", &content(2, 5000)),
        ("documents/a_*.pdf", &content(3, 100)),
    ]);
}

/// 5.2: `rm a; mv b a` in a shell, where each is a process.
fn s5_2_object_renamed_to_a_name_that_another_process_deleted_takes_it(kind: Kind) {
    let objects = Setup::new(kind).object("documents/a.pdf", content(1, 5000));
    let mut mount = objects.object("documents/b.pdf", content(2, 5000)).start();
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    mount.actor().run("os.rename(p('documents/b.pdf'), p('documents/a.pdf'))");
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(2, 5000))]);
    assert_eq!(mount.trash(), [("documents/a.pdf".to_owned(), content(1, 5000))]);
}

/// What one process has saved and has still open: the first of two descriptors that wrote is closed.
const SAVED: &str = "fd = os.open(p('documents/a.pdf'), os.O_RDWR | os.O_CREAT); two = os.open(p('documents/a.pdf'), os.O_RDWR)\n\
                     write_all(two, content(1, 5000)); os.close(two)";

/// 3.4, 4.5: it counts as an object.
fn s3_4_saved_draft_is_not_truncated_by_name_by_another(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut writer = mount.actor();
    writer.run(SAVED);
    assert_eq!(mount.actor().fails("os.truncate(p('documents/a.pdf'), 0)"), "EPERM");
    writer.run("os.close(fd)");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// 3.4: a descriptor for reading, made with O_CREAT, keeps nobody from the plain name.
fn s3_4_who_made_a_file_to_read_it_does_not_write_it(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut reader = mount.actor();
    reader.run("fd = os.open(p('documents/a.pdf'), os.O_RDONLY | os.O_CREAT)");
    mount.actor().run("write(p('documents/a.pdf'), content(1, 5000))");
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
    reader.run("os.close(fd)");
    mount.stop();
}

/// 3.4, 5.2: its name is gone at once, its content is kept for `cairnfs drafts`, and nobody's close brings it back.
fn s3_4_draft_that_another_deleted_is_not_published_at_its_close(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut writer = mount.actor();
    writer.run(SAVED);
    mount.actor().run("os.unlink(p('documents/a.pdf'))");
    writer.run("os.close(fd)");
    assert!(mount.names("documents").is_empty());
    eventually("kept aside", || mount.drafts("interrupted") == 1);
    mount.stop();
    mount.expect_objects(&[]);
}

/// 3.8
fn s3_8_empty_file_renamed_onto_an_object_is_dropped(kind: Kind) {
    let mut mount = Setup::new(kind).object("documents/a.pdf", content(1, 5000)).start();
    mount.actor().run(
        "write(p('documents/a.pdf.part'), b''); os.rename(p('documents/a.pdf.part'), p('documents/a.pdf'))",
    );
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// 3.9: who looks at a file does not end the work of its writer.
fn s3_9_size_set_by_name_is_not_judged_at_the_end_of_a_reader(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut writer = mount.actor();
    writer.run("write(p('documents/a.pdf'), b''); os.truncate(p('documents/a.pdf'), 5000)");
    assert!(mount.read("documents/a.pdf") == [0; 5000]);
    assert_eq!(mount.names("documents"), ["a.pdf"]);
    writer.run("write(p('documents/a.pdf'), content(1, 5000), os.O_WRONLY)");
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", &content(1, 5000))]);
}

/// 1.3: else the next listing would show the directory again, and in it what was deleted.
fn s1_3_directory_stays_while_what_was_deleted_in_it_is_open(kind: Kind) {
    let mut mount = Setup::new(kind).object("rfp_exports/1/a.pdf", content(1, 5000)).start();
    let mut actor = mount.actor();
    actor.run("fd = os.open(p('rfp_exports/1/a.pdf'), os.O_RDONLY); os.unlink(p('rfp_exports/1/a.pdf'))");
    assert_eq!(actor.fails("os.rmdir(p('rfp_exports/1'))"), "ENOTEMPTY");
    assert_eq!(actor.fails("os.rename(p('rfp_exports/1'), p('rfp_exports/2'))"), "EXDEV");
    actor.run("os.close(fd); os.rmdir(p('rfp_exports/1'))");
    assert!(mount.names("rfp_exports").is_empty());
    mount.stop();
    mount.expect_objects(&[]);
}
