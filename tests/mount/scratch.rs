//! Sections 6.1, 6.2 and 6.4: names that stay on this host, and the moment when a file enters the bucket.

use crate::FRESH;
use crate::support::mount::{Kind, Setup, content, eventually};

on_both_stores! {
    s6_1_scratch_names_are_files_here_and_never_published,
    s6_1_scratch_names_whose_extension_is_allowed_are_documents,
    s6_1_what_is_no_scratch_name_is_refused,
    s6_1_whatever_lies_in_a_scratch_directory_is_scratch,
    s6_2_rename_or_link_to_a_final_name_publishes,
    s6_2_extension_rule_applies_at_the_rename,
    s6_4_object_with_a_scratch_name_is_shown_and_stays_as_it_is,
}

/// One name or more for each line of the table of 6.1. Those with a 1 are scratch also where their extension is allowed.
const SCRATCH: &[(&str, u8)] = &[
    ("~$report.docx", 1),
    (".~lock.report.docx#", 1),
    (".#report.docx", 1),
    ("._report.pdf", 1),
    (".DS_Store", 0),
    (".Spotlight-V100", 0),
    (".Trashes", 0),
    (".fseventsd", 0),
    ("Thumbs.db", 0),
    ("THUMBS.DB", 0),
    ("ehthumbs.db", 0),
    ("desktop.ini", 0),
    ("Autorun.inf", 0),
    ("report.pdf:Zone.Identifier", 0),
    (".directory", 0),
    (".hidden", 0),
    (".nfs00000000004a1b2c00000001", 0),
    (".fuse_hidden0000000400000001", 0),
    ("report.pdf.part", 0),
    ("report.iPBwB-_1.part", 0),
    ("report.iPBwBxx1.pdf.part", 0),
    ("report.pdf.crdownload", 0),
    ("Unconfirmed 12345.crdownload", 0),
    (".org.chromium.Chromium.aB3dE6", 0),
    (".com.google.Chrome.aB3dE6", 0),
    ("report.pdf.download", 0),
    ("report.pdf.partial", 0),
    ("report.pdf.1a2b3c4d.partial", 0),
    ("report.pdf.filepart", 0),
    (".report.pdf.aB3dE6", 0),
    (".goutputstream-XA2BC3", 0),
    ("tmpa9ftlagq", 0),
    ("tmpa9_tlagq.bin", 0),
    ("sedAb3dE6", 0),
    ("XXAb3dE6", 0),
    ("ziAb3dE6", 0),
    ("report.7z.tmp", 0),
    ("lu12345abc.tmp", 0),
    ("~WRD0001.tmp", 0),
    ("~WRL0002.tmp", 0),
    ("ppt1A2B.tmp", 0),
    ("0A1B2C3D", 0),
    ("report.pdf.~qpdf-temp#", 0),
    ("report.pdf.~qpdf-orig#", 0),
    ("report.pdf~", 0),
    ("report.pdf.~12~", 0),
    ("4913", 0),
    (".report.pdf.swp", 0),
    (".report.pdf.swa", 0),
    (".report.pdf.swx", 0),
    ("#report.pdf#", 0),
];

fn s6_1_scratch_names_are_files_here_and_never_published(kind: Kind) {
    // beside a list, and where every name is allowed
    let config = format!(
        "builtin_domains = true\n[[domain]]\nname = \"free\"\ntemplate = \"free/{{filename}}\"\n{FRESH}"
    );
    let mut mount = Setup::new(kind).config(&config).start();
    let mut wanted: Vec<&str> = SCRATCH.iter().map(|(name, _)| *name).collect();
    wanted.sort_unstable();
    for dir in ["documents", "free"] {
        for (name, _) in SCRATCH {
            std::fs::write(mount.path(dir).join(name), name).unwrap();
        }
        assert_eq!(mount.names(dir), wanted);
    }
    let mut user = mount.actor();
    assert_eq!(user.text("os.getxattr(p('documents/report.pdf~'), 'user.cairn.state').decode()"), "scratch");
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
    mount.stop();
    mount.start();
    for dir in ["documents", "free"] {
        assert_eq!(mount.names(dir), wanted);
        for (name, _) in SCRATCH {
            assert_eq!(mount.read(&format!("{dir}/{name}")), name.as_bytes());
        }
    }
    mount.stop();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

fn s6_1_scratch_names_whose_extension_is_allowed_are_documents(kind: Kind) {
    let config = "[[domain]]\nname = \"all\"\ntemplate = \"all/{filename}\"\nextensions = [";
    let extension = |name: &str| name.rsplit_once('.').map(|(_, e)| e.to_lowercase());
    // an extension with a dot before it that is no first character
    let with: Vec<&(&str, u8)> = SCRATCH
        .iter()
        .filter(|(n, _)| n.trim_start_matches('.').contains('.') || n.starts_with("~$"))
        .collect();
    let mut list: Vec<String> =
        with.iter().filter_map(|(n, _)| extension(n)).map(|e| format!("{e:?}")).collect();
    list.sort();
    list.dedup();
    let mut mount = Setup::new(kind).config(&format!("{config}{}]\n{FRESH}", list.join(", "))).start();
    for (name, _) in &with {
        std::fs::write(mount.path("all").join(name), name).unwrap();
    }
    let mut wanted: Vec<String> =
        with.iter().filter(|(_, everywhere)| *everywhere == 0).map(|(n, _)| format!("all/{n}")).collect();
    wanted.sort();
    assert_eq!(mount.keys(), wanted);
    assert_eq!(mount.names("all").len(), with.len());
    mount.stop();
    // the example of the text
    let mut mount = Setup::new(kind).start();
    mount.actor().run("write(p('documents/tmpa9ftlagq.pdf'), b'x'); write(p('documents/~$a.docx'), b'x')");
    mount.stop();
    mount.expect_objects(&[("documents/tmpa9ftlagq.pdf", b"x")]);
}

fn s6_1_what_is_no_scratch_name_is_refused(kind: Kind) {
    let config = format!("scratch = [\"*.bak\", \"work-??\", \"old.pdf\"]\n{FRESH}");
    let mut mount = Setup::new(kind).config(&config).start();
    let mut user = mount.actor();
    for name in [
        "a.db-journal",
        "a.db-wal",
        "a.db-shm",
        "report.pdf.1",
        "report.pdf.part.1",
        ".part",
        "~",
        "0A1B2C3",
        "0A1B2C3G",
        "tmpa9ftlag",
        "tmpA9ftlagq",
        ".report.swz",
        ".a.aB3dE",
        "sedAb3dE",
        "lock",
        "Thumbs.db2",
        "work-1",
        "work-123",
        "bak",
    ] {
        assert_eq!(user.fails(&format!("write(p('documents/{name}'), b'x')")), "EACCES", "{name}");
    }
    // and what the configuration adds
    for name in ["a.bak", ".bak", "work-12"] {
        user.run(&format!("write(p('documents/{name}'), b'x')"));
    }
    // whose extension is allowed is a document
    user.run("write(p('documents/old.pdf'), b'x')");
    // no scratch file where no file may be
    for path in ["a.part", "orgs/a.part", "rfp_exports/a.part", "documents/sub/a.part"] {
        let errno = user.fails(&format!("write(p('{path}'), b'x')"));
        assert!(["EACCES", "ENOENT"].contains(&errno.as_str()), "{path}: {errno}");
    }
    mount.stop();
    mount.expect_objects(&[("documents/old.pdf", b"x")]);
}

fn s6_1_whatever_lies_in_a_scratch_directory_is_scratch(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    for dir in [".~tmp~", ".rsync-partial"] {
        user.run(&format!("d = p('documents/{dir}'); os.mkdir(d)"));
        for name in ["a.pdf", "b.exe", "c", ".hidden"] {
            user.run(&format!("write(os.path.join(d, '{name}'), b'{name}')"));
        }
        assert_eq!(mount.names(&format!("documents/{dir}")), [".hidden", "a.pdf", "b.exe", "c"]);
        assert_eq!(user.fails("os.mkdir(os.path.join(d, 'dir'))"), "EACCES");
        assert_eq!(user.fails("os.rmdir(d)"), "ENOTEMPTY");
    }
    assert!(mount.keys().is_empty());
    user.run("os.rename(p('documents/.~tmp~/a.pdf'), p('documents/a.pdf'))");
    mount.kill();
    mount.start();
    assert_eq!(mount.names("documents/.~tmp~"), [".hidden", "b.exe", "c"]);
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf", b"a.pdf")]);
}

fn s6_2_rename_or_link_to_a_final_name_publishes(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/taken.pdf", "old").start();
    let mut user = mount.actor();
    user.run("write(p('documents/a.part'), content(1, 5000)); write(p('documents/b.part'), content(2, 5000)); os.mkdir(p('rfp_exports/7'))");
    assert!(mount.keys() == ["documents/taken.pdf"]);
    user.run("os.rename(p('documents/a.part'), p('documents/a.pdf'))");
    assert!(mount.object("documents/a.pdf") == content(1, 5000), "not yet there when the rename returns");
    // a link leaves the scratch file where it is, and the two are two files
    user.run("os.link(p('documents/b.part'), p('rfp_exports/7/b.pdf'))");
    assert!(mount.object("rfp_exports/7/b.pdf") == content(2, 5000), "not yet there when the link returns");
    user.run("write(p('documents/b.part'), b'changed')");
    assert!(mount.read("rfp_exports/7/b.pdf") == content(2, 5000));
    assert_eq!(user.fails("os.link(p('documents/b.part'), p('documents/taken.pdf'))"), "EEXIST");
    assert_eq!(mount.names("documents"), ["a.pdf", "b.part", "taken.pdf"]);
    // an empty one becomes a placeholder, one that is open is published at its last close
    user.run("write(p('documents/e.part'), b''); os.rename(p('documents/e.part'), p('documents/e.pdf'))");
    user.run("fd = os.open(p('documents/f.part'), WRITE_NEW); write_all(fd, b'half '); os.rename(p('documents/f.part'), p('documents/f.pdf'))");
    assert_eq!(mount.keys().len(), 3);
    user.run("write_all(fd, b'whole'); os.close(fd)");
    eventually("it is published", || mount.keys().len() == 4);
    drop(user);
    mount.stop();
    mount.expect_objects(&[
        ("documents/taken.pdf", b"old"),
        ("documents/a.pdf", &content(1, 5000)),
        ("rfp_exports/7/b.pdf", &content(2, 5000)),
        ("documents/e.pdf", b""),
        ("documents/f.pdf", b"half whole"),
    ]);
}

fn s6_2_extension_rule_applies_at_the_rename(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    let mut user = mount.actor();
    // made without a question, and refused where it would enter
    user.run("write(p('documents/a.exe.part'), b'x')");
    for call in ["os.rename", "os.link"] {
        assert_eq!(
            user.fails(&format!("{call}(p('documents/a.exe.part'), p('documents/a.exe'))")),
            "EACCES",
            "{call}"
        );
        assert!(mount.has_event(&["refused", "documents/a.exe", "exe"]));
    }
    assert_eq!(mount.names("documents"), ["a.exe.part"]);
    assert_eq!(mount.read("documents/a.exe.part"), b"x");
    // the other way: a draft that becomes scratch is not published
    user.run("fd = os.open(p('documents/a.pdf'), WRITE_NEW); write_all(fd, b'x'); os.rename(p('documents/a.pdf'), p('documents/a.pdf~')); os.close(fd)");
    mount.stop();
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
}

fn s6_4_object_with_a_scratch_name_is_shown_and_stays_as_it_is(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("documents/a.pdf~", "theirs")
        .object("documents/.~lock.a.pdf#", "")
        .start();
    assert_eq!(mount.names("documents"), [".~lock.a.pdf#", "a.pdf~"]);
    assert_eq!(mount.read("documents/a.pdf~"), b"theirs");
    let mut user = mount.actor();
    assert_eq!(user.text("os.getxattr(p('documents/a.pdf~'), 'user.cairn.state').decode()"), "object");
    user.run(
        "for act in (lambda f: write(f, b'x'), os.unlink, lambda f: os.truncate(f, 0)):\n\
        \x20   try: act(p('documents/a.pdf~'))\n\
        \x20   except OSError: pass",
    );
    mount.stop();
    mount.expect_objects(&[("documents/a.pdf~", b"theirs"), ("documents/.~lock.a.pdf#", b"")]);
}
