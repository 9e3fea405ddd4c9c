//! Scratch names: what is kept on this host instead of the bucket (semantics 6.1, and 3.8 for what a name is for).

use cairnfs::layout::{
    DirKind, FilePlacement, Layout, LayoutOptions, RefusalReason, ScratchKind, scratch_base, scratch_is_for,
};

use super::support::{builtin, dir_kind, document, domain, open_layout, refused, scratch};

use ScratchKind::{Litter, Lock, Work};

/// Names as the programs make them.
const MADE: &[(&str, ScratchKind)] = &[
    (".report.pdf.a1B2c3", Work),
    (".goutputstream-X3A8F1", Work),
    ("report.pdf.part", Work),
    ("report.pdf.AbCd_f-h.part", Work),
    ("nHIvK8eE.part", Work),
    ("report.pdf.crdownload", Work),
    ("Unconfirmed 123456.crdownload", Work),
    (".org.chromium.Chromium.AbCd12", Work),
    (".com.google.Chrome.AbCd12", Work),
    ("report.pdf.1a2b3c4d.partial", Work),
    ("report.pdf.partial", Work),
    ("report.pdf.filepart", Work),
    ("report.pdf.download", Work),
    ("lu3768ygoyc.tmp", Work),
    ("report.pdf.tmp", Work),
    ("~WRD0001.tmp", Work),
    ("~WRL0002.tmp", Work),
    ("ppt1234.tmp", Work),
    ("sedAbC123", Work),
    ("XXAbC123", Work),
    ("ziAbC123", Work),
    ("tmpa9ftlagq", Work),
    ("tmp_9ft_agq", Work),
    ("tmpa9ftlagq.xyz", Work),
    ("report.pdf.~qpdf-temp#", Work),
    ("report.pdf.~qpdf-orig#", Work),
    ("report.pdf~", Work),
    ("report.pdf.~1~", Work),
    ("report.pdf.~12~", Work),
    ("4913", Work),
    (".report.pdf.swp", Work),
    (".report.pdf.swx", Work),
    (".report.pdf.swo", Work),
    ("#report.pdf#", Work),
    ("8E5E4C00", Work),
    (".#report", Lock),
    (".~lock.report.odt#", Lock),
    ("~$report.docx", Lock),
    (".DS_Store", Litter),
    ("._report.pdf", Litter),
    (".Spotlight-V100", Litter),
    (".Trashes", Litter),
    (".fseventsd", Litter),
    ("Thumbs.db", Litter),
    ("thumbs.DB", Litter),
    ("ehthumbs.db", Litter),
    ("desktop.ini", Litter),
    ("Desktop.ini", Litter),
    ("autorun.inf", Litter),
    (".directory", Litter),
    (".hidden", Litter),
    ("report.pdf:Zone.Identifier", Litter),
    (".fuse_hidden0000000500000001", Litter),
    (".nfs000000000123456700000001", Litter),
];

/// Names near those of the list that no program makes on the way.
const NEAR: &[&str] = &[
    "report.a1B2c3",
    ".report.a1B2c",
    ".report.a1B2c3d",
    ".report.a1B2-3",
    "..a1B2c3",
    "tmpa9ftlag",
    "tmpA9ftlagq",
    "tmpa9ftlagqq",
    "tmpa9ftlagq.",
    "sedAbC12",
    "sedAbC1234",
    "XXAbC12-",
    "zi",
    "8E5E4C0G",
    "8E5E4C000",
    "4914",
    ".report.swq",
    "report.swp",
    "#report",
    "report#",
    "#",
    "##",
    "~",
    "~$",
    "._",
    ".part",
    ".tmp",
    ".crdownload",
    "part",
    "DS_Store",
    "Thumbs.db2",
    ".~lock.#",
    ".~lock.reports",
    ".nfsx",
    "data.sqlite-journal",
    "data.sqlite-wal",
    "data.sqlite-shm",
    "report.pdf.1",
];

/// Semantics 6.1.
#[test]
fn names_that_programs_make_on_the_way_are_scratch() {
    let (listed, open) = (builtin(), open_layout(&["any/{f}"]));
    for (name, kind) in MADE {
        assert_eq!(scratch(&listed, &format!("documents/{name}")), Some(*kind), "{name}");
        assert_eq!(scratch(&open, &format!("any/{name}")), Some(*kind), "{name}");
    }
}

/// Semantics 6.1.
#[test]
fn names_near_the_list_are_not_scratch() {
    let (listed, open) = (builtin(), open_layout(&["any/{f}"]));
    for name in NEAR {
        let refusal = refused(&listed, &format!("documents/{name}"));
        assert!(matches!(refusal.unwrap().reason, RefusalReason::Extension { .. }), "{name}");
        assert!(document(&open, &format!("any/{name}")).is_some(), "{name}");
    }
}

/// Semantics 6.1.
#[test]
fn names_with_an_allowed_extension_are_scratch_in_four_forms_only() {
    let listed = Layout::new(
        vec![domain("a/{f}", Some("pdf docx tmp part ini odt# partial"))],
        LayoutOptions { scratch: vec!["draft-*".into()], ..LayoutOptions::default() },
    )
    .unwrap();
    for name in ["tmpa9ftlagq.pdf", "a.tmp", "a.part", "desktop.ini", ".a.12345678.partial", "draft-1.pdf"] {
        assert!(document(&listed, &format!("a/{name}")).is_some(), "{name}");
    }
    for (name, kind) in [("~$a.docx", Lock), ("._a.pdf", Litter), (".~lock.a.odt#", Lock), (".#a.pdf", Lock)]
    {
        assert_eq!(scratch(&listed, &format!("a/{name}")), Some(kind), "{name}");
    }
    // not allowed there: the whole list holds
    assert_eq!(scratch(&listed, "a/a.crdownload"), Some(Work));
    assert_eq!(scratch(&listed, "a/draft-1.exe"), Some(Work));
    // a domain without a list has the whole list all the same
    assert_eq!(scratch(&open_layout(&["a/{f}"]), "a/tmpa9ftlagq.pdf"), Some(Work));
}

/// Semantics 6.1.
#[test]
fn scratch_files_may_be_made_wherever_a_file_may() {
    let layout = builtin();
    for path in [
        "chunks/1/.chunk_7.txt.a1B2c3",
        "scraped/1/x.md.part",
        "scraped/1/a/b/x.part",
        "orgs/logos/.DS_Store",
    ] {
        assert!(matches!(layout.place_file(path), FilePlacement::Scratch { .. }), "{path}");
    }
    for path in ["rfp_exports/.DS_Store", "documents/2019/x.part", "scraped/x.part"] {
        assert!(matches!(refused(&layout, path).unwrap().reason, RefusalReason::Misfit { .. }), "{path}");
    }
    for path in [".DS_Store", "orgs/.DS_Store", "other/x.part"] {
        assert_eq!(refused(&layout, path).unwrap().reason, RefusalReason::Outside, "{path}");
    }
}

/// Semantics 1.6, 6.1.
#[test]
fn scratch_names_have_no_limit_but_that_of_a_name() {
    let mut spec = domain("a/{f}", Some("pdf"));
    spec.max_key_length = 10;
    let layout = Layout::new(vec![spec], LayoutOptions::default()).unwrap();
    assert_eq!(scratch(&layout, "a/.abcd.pdf.a1B2c3"), Some(Work));
    let long = format!("a/{}.part", "x".repeat(255));
    assert!(matches!(refused(&layout, &long).unwrap().reason, RefusalReason::SegmentTooLong { bytes: 260 }));
}

/// Semantics 1.3, 6.1.
#[test]
fn files_in_a_scratch_directory_are_scratch_whatever_their_names() {
    let layout = builtin();
    for (name, kind) in
        [("report.pdf", Work), ("x.exe", Work), ("noext", Work), (".DS_Store", Litter), ("~$a.docx", Lock)]
    {
        assert_eq!(scratch(&layout, &format!("rfp_exports/3/.~tmp~/{name}")), Some(kind), "{name}");
        assert_eq!(scratch(&layout, &format!("scraped/3/a/.rsync-partial/{name}")), Some(kind), "{name}");
    }
    assert_eq!(dir_kind(&layout, "scraped/3/.~tmp~/a"), Some(DirKind::Misfit));
    assert!(refused(&layout, "scraped/3/.~tmp~/a/b.md").is_some());
}

#[test]
fn scratch_patterns_of_the_configuration_extend_the_list() {
    let patterns = ["*.bak", "draft-??.*", "*_x_*_y"].map(str::to_owned).to_vec();
    let options = LayoutOptions { scratch: patterns, ..LayoutOptions::default() };
    let layout = Layout::new(vec![domain("a/{f}", None)], options).unwrap();
    for name in ["a.bak", ".bak", "draft-01.txt", "draft-é1.", "a_x__y", "_x_b_x__y_x_c_y"] {
        assert_eq!(layout.is_scratch_name(name, 0), Some(Work), "{name}");
    }
    for name in ["a.bak2", "bak", "draft-1.txt", "draft-001.txt", "a_x_y", "a_x_b_y_"] {
        assert_eq!(layout.is_scratch_name(name, 0), None, "{name}");
    }
}

/// Semantics 3.8.
#[test]
fn scratch_names_tell_the_file_they_are_for() {
    for (name, base) in [
        ("a.pdf.part", Some("a.pdf")),
        ("a.pdf.AbCdEfGh.part", Some("a.pdf")),
        ("a.pdf.crdownload", Some("a.pdf")),
        ("a.pdf.1a2b3c4d.partial", Some("a.pdf")),
        ("a.pdf.filepart", Some("a.pdf")),
        (".a.pdf.x1Y2z3", Some("a.pdf")),
        ("a.pdf.~qpdf-temp#", Some("a.pdf")),
        (".~lock.a.pdf#", Some("a.pdf")),
        (".a.pdf.swp", Some("a.pdf")),
        ("#a.pdf#", Some("a.pdf")),
        ("a.pdf~", None),
        ("a.pdf.~1~", None),
        ("Unconfirmed 7.crdownload", None),
        (".org.chromium.Chromium.AbCd12", None),
        (".goutputstream-X3A8F1", None),
        ("tmpa9ftlagq", None),
        ("a.pdf", None),
        (".part", None),
    ] {
        assert_eq!(scratch_base(name), base, "{name}");
    }
}

/// Semantics 3.8.
#[test]
fn scratch_names_of_several_readings_are_for_each_of_them() {
    for (scratch, name) in [
        ("a.pdf.part", "a.pdf"),
        ("a.AbCdEfGh.part", "a"),
        ("a.AbCdEfGh.part", "a.AbCdEfGh"),
        ("a.AbCdEfGh.pdf.part", "a.pdf"),
        ("a.AbCdEfGh.pdf.part", "a.AbCdEfGh.pdf"),
        ("~$report.docx", "report.docx"),
        ("~$eport.docx", "report.docx"),
        ("~$port.docx", "report.docx"),
    ] {
        assert!(scratch_is_for(scratch, name), "{scratch} {name}");
    }
    for (scratch, name) in [
        ("a.pdf.part", "b.pdf"),
        ("a.pdf~", "a.pdf"),
        ("~$ort.docx", "report.docx"),
        ("~$", ""),
        ("~$", "ab"),
        ("a.pdf", "a.pdf"),
        ("tmpa9ftlagq", ""),
    ] {
        assert!(!scratch_is_for(scratch, name), "{scratch} {name}");
    }
}
